"""Set a header in every request and every response.

    midstream dump -s examples/set_header.py

These hooks run before any body arrives, so nothing is held back: downloads and event streams flow on as they come.
"""

from midstream.addon import HTTPFlow


def requestheaders(flow: HTTPFlow) -> None:
    flow.request.headers["X-Requested-Through"] = "midstream"


def responseheaders(flow: HTTPFlow) -> None:
    flow.response.headers["X-Answered-Through"] = "midstream"
