from midstream.wire.events import RequestHead, ResponseHead
from midstream.wire.h1 import ClientFacing, ServerFacing
from midstream.wire.h2.translate import http1_request, http1_response, join_cookies


def test_h2_31_cookie_crumbs_are_joined_where_the_first_one_stood():
    fields = [(b"a", b"1"), (b"cookie", b"x=1"), (b"b", b"2"), (b"cookie", b"y=2"), (b"cookie", b"z=3")]
    assert join_cookies(fields) == [(b"a", b"1"), (b"cookie", b"x=1; y=2; z=3"), (b"b", b"2")]
    assert len(fields) == 5
    assert join_cookies(fields[:2]) == fields[:2]
    assert join_cookies(fields[:2]) is not fields


def test_h2_29_host_is_the_authority_and_comes_first():
    head = RequestHead(b"GET", b"/x", b"HTTP/2.0", [(b"a", b"b"), (b"host", b"h")], 0, authority=b"H:1", host=b"h")
    plain = http1_request(head)
    assert (plain.version, plain.headers, plain.host) == (b"HTTP/1.1", [(b"Host", b"H:1"), (b"a", b"b")], b"H:1")
    head.authority = b""
    assert http1_request(head).headers == [(b"Host", b"h"), (b"a", b"b")]
    head.host, head.headers = None, []
    assert http1_request(head).headers == []


def test_h1_39_te_is_named_by_connection():
    head = RequestHead(b"GET", b"/", b"HTTP/2.0", [(b"a", b"b"), (b"te", b"trailers"), (b"c", b"d")], 0)
    assert http1_request(head).headers == [(b"a", b"b"), (b"Connection", b"TE"), (b"te", b"trailers"), (b"c", b"d")]


def test_what_is_translated_can_be_sent():
    fields = [(b"content-length", b"2"), (b"cookie", b"a=1"), (b"cookie", b"b=2")]
    head = RequestHead(b"POST", b"/x", b"HTTP/2.0", fields, 2, scheme=b"https", authority=b"a")
    wire = ServerFacing().send(http1_request(head))
    assert wire == b"POST /x HTTP/1.1\r\nHost: a\r\ncontent-length: 2\r\ncookie: a=1; b=2\r\n\r\n"
    client = ClientFacing()
    client.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    answer = http1_response(ResponseHead(404, b"", b"HTTP/2.0", [(b"x", b"y")], None), b"Not Found")
    assert client.send(answer) == b"HTTP/1.1 404 Not Found\r\nx: y\r\nTransfer-Encoding: chunked\r\n\r\n"
