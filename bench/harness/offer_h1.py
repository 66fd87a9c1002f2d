"""For mitmdump, which has no option for it: offer HTTP/1.1 to servers, whatever the client speaks."""


def server_connect(data):  # noqa: ANN001, ANN201 - runs inside another proxy
    data.server.alpn_offers = (b"http/1.1",)
