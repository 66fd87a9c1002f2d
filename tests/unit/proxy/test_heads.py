"""From messages back to heads."""

import pytest

from midstream.flow import Headers, Request, Response
from midstream.proxy.heads import asks_for_h2c, patched, request_head, response_head, set_host
from midstream.proxy.target import Target
from midstream.wire.events import RequestHead
from midstream.wire.h1 import ClientFacing, ServerFacing

TARGET = Target("http", "a", 80, b"a", b"/x", None)


def came(lines=b"Host: a\r\nX:1\r\n", target=b"http://a/x"):
    (head, *_) = ClientFacing().receive(b"GET " + target + b" HTTP/1.1\r\n" + lines + b"\r\n")
    return head


def request_of(head):
    return Request("a", 80, head.method, b"http", b"a", b"/x", head.version, Headers.wrap(head.headers), b"")


def written(head):
    """As it would stand on the wire."""
    return ServerFacing().send(head)


def sent(head, request, *, is_for_parent=False, size=0):
    return written(request_head(request, head, TARGET, size, is_for_parent=is_for_parent))


def answer(lines=b"X:1\r\nContent-Length: 0\r\n", status=b"200 OK"):
    engine = ServerFacing()
    engine.send(RequestHead(b"GET", b"/", b"HTTP/1.1", [(b"Host", b"a")]))
    (head, *_) = engine.receive(b"HTTP/1.1 " + status + b"\r\n" + lines + b"\r\n")
    return head, Response(head.version, head.status, head.reason, Headers.wrap(head.headers), b"")


def test_ob_11_what_nobody_touched_is_the_original():
    head = came()
    assert sent(head, request_of(head)) == b"GET /x HTTP/1.1\r\nHost: a\r\nX:1\r\n\r\n"
    head = came(target=b"/x")
    assert (
        request_head(request_of(head), head, Target("http", "a", 80, b"", head.target, None), 0, is_for_parent=False)
        is head
    )
    head, response = answer()
    assert response_head(response, head, 0) is head
    assert response_head(response, head, None).block == head.block


EDITS = {
    "replaced": (lambda h: h.__setitem__("X", "2"), b"Host: a\r\nX: 2\r\nY:  3\r\n"),
    "appended": (lambda h: h.__setitem__("Z", "2"), b"Host: a\r\nX:1\r\nY:  3\r\nZ: 2\r\n"),
    "both": (lambda h: (h.__setitem__("Y", "2"), h.add("Y", "3")), b"Host: a\r\nX:1\r\nY: 2\r\nY: 3\r\n"),
    "removed": (lambda h: h.__delitem__("X"), b"Host: a\r\nY:  3\r\n"),
    "inserted": (lambda h: h.insert(0, "Z", "2"), b"Z: 2\r\nHost: a\r\nX:1\r\nY:  3\r\n"),
    "host": (lambda h: h.__setitem__("Host", "b"), b"Host: b\r\nX:1\r\nY:  3\r\n"),
    "hop by hop": (lambda h: h.__setitem__("Proxy-Connection", "close"), b"Host: a\r\nX:1\r\nY:  3\r\n"),
    "replaced by hop by hop": (lambda h: setattr(h, "fields", [*h.fields[:2], (b"TE", b"x")]), b"Host: a\r\nX:1\r\n"),
    "connection": (lambda h: h.__setitem__("Connection", "X"), b"Host: a\r\nY:  3\r\n"),
    "length": (lambda h: h.__setitem__("Content-Length", "5"), b"Host: a\r\nX:1\r\nY:  3\r\n"),
    "second host": (lambda h: h.add("Host", "b"), None),
    "all": (lambda h: setattr(h, "fields", [(b"Host", b"c")]), b"Host: c\r\n"),
}


@pytest.mark.parametrize(("edit", "expected"), EDITS.values(), ids=EDITS)
def test_h1_31_an_edit_changes_only_its_line(edit, expected):
    head = came(b"Host: a\r\nX:1\r\nY:  3\r\n")
    request = request_of(head)
    edit(request.headers)
    got = sent(head, request)
    if expected is not None:
        assert got.replace(b"Content-Length: 0\r\n", b"") == b"GET /x HTTP/1.1\r\n" + expected + b"\r\n"
    assert got.count(b"\r\n\r\n") == 1


def test_edits_besides_the_fields():
    head = came()
    request = request_of(head)
    request.method, request.path = "PUT", "/y"
    assert sent(head, request).startswith(b"PUT /y HTTP/1.1\r\nHost: a\r\nX:1\r\n")
    head, response = answer()
    response.status_code, response.reason = 404, "No"
    got = response_head(response, head, 0)
    assert (got.status, got.reason) == (404, b"No")


@pytest.mark.parametrize("edit", EDITS)
def test_response_edits(edit):
    head, response = answer(b"Host: a\r\nX:1\r\nY:  3\r\nContent-Length: 0\r\n")
    EDITS[edit][0](response.headers)
    made = response_head(response, head, 0)
    engine = ClientFacing()
    engine.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    wire = engine.send(made)
    assert wire.count(b"Content-Length: 0\r\n") == 1
    assert b"Proxy-Connection" not in wire


def test_h1_27_a_parent_gets_the_whole_url_and_its_credentials():
    head = came(b"Host: a\r\nProxy-Authorization: x\r\n")
    got = sent(head, request_of(head), is_for_parent=True)
    assert got == b"GET http://a/x HTTP/1.1\r\nHost: a\r\nProxy-Authorization: x\r\n\r\n"
    head = came(target=b"/x")
    request = request_of(head)
    request.data.authority = b""
    assert sent(head, request, is_for_parent=True).startswith(b"GET http://a/x HTTP/1.1\r\n")
    del request.headers["Host"]
    request.host = "::1"
    assert sent(head, request, is_for_parent=True).startswith(b"GET http://[::1]/x HTTP/1.1\r\n")


def from_http2(*fields):
    return RequestHead(
        b"GET", b"/x", b"HTTP/2.0", list(fields), scheme=b"http", authority=b"a", never_indexed=frozenset(fields[:1])
    )


@pytest.mark.parametrize("passes_priority", [False, True])
@pytest.mark.parametrize("is_for_parent", [False, True])
@pytest.mark.parametrize("is_edited", [False, True])
def test_h1_39_h2_23_what_ends_here_of_an_http_2_request(passes_priority, is_for_parent, is_edited):
    head = from_http2((b"te", b"trailers"), (b"priority", b"u=1"), (b"proxy-authorization", b"x"))
    request = request_of(head)
    if is_edited:
        request.headers["Keep-Alive"] = "1"
    got = request_head(request, head, TARGET, 0, is_for_parent=is_for_parent, passes_priority=passes_priority)
    assert [name for name, _ in got.headers] == [
        b"te",
        *([b"priority"] if passes_priority else []),
        *([b"proxy-authorization"] if is_for_parent else []),
    ]
    assert got.target == (b"http://a/x" if is_for_parent else b"/x")
    assert got.never_indexed == {(b"te", b"trailers")}


@pytest.mark.parametrize(
    ("edit", "authority", "host"),
    [
        (lambda r: r.headers.__setitem__("Host", "b"), b"b", b"b"),
        (lambda r: setattr(r, "authority", "b"), b"b", b"a"),
        (lambda r: setattr(r, "host_header", "b"), b"b", b"b"),
        (lambda r: r.headers.pop("host"), b"a", None),
        (lambda r: setattr(r, "host_header", None), b"", None),
    ],
)
def test_h2_29_a_host_that_an_addon_sets_counts(edit, authority, host):
    head = from_http2((b"host", b"a"))
    head.host = b"a"
    request = request_of(head)
    edit(request)
    got = request_head(request, head, TARGET, 0, is_for_parent=False)
    assert (got.authority, got.host) == (authority, host)


def test_an_http_2_request_goes_on_as_it_came():
    head = from_http2((b"te", b"trailers"))
    assert request_head(request_of(head), head, TARGET, 0, is_for_parent=False) is head


def test_h1_22_h2c():
    head = came(b"Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: H2C\r\nHTTP2-Settings: x\r\n")
    assert asks_for_h2c(head)
    assert sent(head, request_of(head)) == b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
    head = came(b"Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
    assert not asks_for_h2c(head)
    assert b"Upgrade: websocket\r\n" in sent(head, request_of(head))


def test_h1_01_a_reason_for_what_has_none():
    response = Response(b"HTTP/2.0", 404, b"", [], b"")
    assert response_head(response, None, 0).reason == b"Not Found"
    response = Response(b"HTTP/1.1", 404, b"", [], b"")
    assert response_head(response, None, 0).reason == b""


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (b"X:1\r\nHost:a\r\nY: 1\r\n", b"X:1\r\nhost: b:1\r\nY: 1\r\n"),
        (b"Host: a\r\n", b"host: b:1\r\n"),
        (b"X: 1\r\nHost: a\r\nProxy-Connection: close\r\n", b"X: 1\r\nhost: b:1\r\n"),
    ],
)
def test_h1_29_the_host_field_is_set_where_it_stands(lines, expected):
    head = came(lines.replace(b"Host", b"host"))
    set_host(head, b"b:1")
    assert head.host == b"b:1"
    assert sent(head, request_of(head)) == b"GET /x HTTP/1.1\r\n" + expected + b"\r\n"


@pytest.mark.parametrize("lines", [b"", b"X:1\r\n", b"Proxy-Connection: close\r\nX:1\r\n"])
def test_h1_29_a_missing_host_field_comes_first(lines):
    (head, *_) = ClientFacing().receive(b"GET http://a/x HTTP/1.0\r\n" + lines + b"\r\n")
    set_host(head, b"a")
    got = sent(head, request_of(head))
    assert got == b"GET /x HTTP/1.0\r\nHost: a\r\n" + (b"X:1\r\n" if lines else b"") + b"\r\n"


def test_a_block_is_patched_only_where_that_is_safe():
    fields = [(b"A", b"1"), (b"Host", b"a")]
    block = b"A:1\r\nHost: a\r\n\r\n"
    assert patched(block, fields, fields) == block
    assert patched(block, fields, [fields[0], (b"host", b"b")]) == b"A:1\r\nhost: b\r\n\r\n"
    assert patched(block, fields, fields[:1]) == b""
    assert patched(block, fields, [(b"Host", b"b"), fields[1]]) == b""
    assert patched(block, fields, [*fields, (b"Host", b"b")]) == b""
    assert patched(block, fields, [*fields, (b"Transfer-Encoding", b"chunked")]) == b""


@pytest.mark.parametrize(("edited", "expected"), [("websocket", b"websocket"), (None, b""), ("other", b"other")])
def test_ws_19_what_is_asked_for_survives_an_edit(edited, expected):
    """Streams of HTTP/2 look for it in the head, not in its fields."""
    head = came(b"Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
    request = request_of(head)
    if edited is None:
        del request.headers["Upgrade"]
    else:
        request.headers["Upgrade"] = edited
    out = request_head(request, head, TARGET, 0, is_for_parent=False)
    assert (out.upgrade, out.host) == (expected, b"a")
