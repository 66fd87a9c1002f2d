import pytest

from midstream.flow import Client, Headers, HTTPFlow, Request, Response, Server


@pytest.fixture
def http_request():
    """A request as the proxy builds it."""
    headers = Headers.wrap([(b"Host", b"example.com"), (b"Content-Length", b"4")])
    return Request(
        "example.com", 80, b"POST", b"http", b"", b"/a/b?x=1&y=2", b"HTTP/1.1", headers, b"body", None, 1.0, 2.0
    )


@pytest.fixture
def response():
    """A response as the proxy builds it."""
    headers = Headers.wrap([(b"Content-Type", b"text/plain"), (b"Content-Length", b"4")])
    return Response(b"HTTP/1.1", 200, b"OK", headers, b"body", None, 3.0, 4.0)


@pytest.fixture
def flow(http_request, response):
    flow = HTTPFlow(Client(peername=("a", 1)), Server(address=("example.com", 80)), live=True)
    flow.request = http_request
    flow.response = response
    return flow
