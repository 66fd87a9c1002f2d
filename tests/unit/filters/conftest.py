import pytest

from midstream.flow import Client, Headers, HTTPFlow, Request, Response, Server


@pytest.fixture
def flow():
    """An answered POST with headers and bodies on both sides."""
    client = Client(peername=("192.0.2.1", 50123), timestamp_start=1_700_000_000.0)
    client.sni = "example.com"
    flow = HTTPFlow(client, Server(address=("198.51.100.7", 443)))
    flow.request = Request(
        "198.51.100.7", 443, b"POST", b"https", b"", b"/api/v1?key=1", b"HTTP/1.1",
        Headers([(b"Host", b"example.com"), (b"Content-Type", b"application/json"), (b"X-Req", b"one two")]),
        b'{"needle": "request"}', None, 1_700_000_000.0, 1_700_000_000.1,
    )  # fmt: skip
    flow.response = Response(
        b"HTTP/2.0", 404, b"Not Found",
        Headers([(b"content-type", b"text/css"), (b"Set-Cookie", b"a=b"), (b"X-Res", b"three")]),
        b"body { color: answer }", None, 1_700_000_000.2, 1_700_000_001.5,
    )  # fmt: skip
    return flow


@pytest.fixture
def pending(flow):
    """The same request before its answer."""
    pending = flow.copy()
    pending.response = None
    return pending
