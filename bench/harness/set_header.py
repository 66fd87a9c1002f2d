"""The script of the `script` scenario, the same file for every peer that takes Python: one header each way."""


def request(flow):  # noqa: ANN001, ANN201 - runs inside proxies whose flow classes differ
    flow.request.headers["x-bench"] = "request"


def response(flow):  # noqa: ANN001, ANN201 - as above
    flow.response.headers["x-bench"] = "response"
