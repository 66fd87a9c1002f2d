import pytest

from midstream.errors import UsageError
from midstream.wire.events import RequestHead, ResponseHead
from midstream.wire.h1.framing import BODILESS, CHUNKED, UNTIL_CLOSE
from midstream.wire.h1.write import write_interim, write_request, write_response, write_trailers

HOST = (b"Host", b"a")
TE = (b"transfer-encoding", b"chunked")


def request(*fields, size=0, method=b"POST", version=b"HTTP/1.1", close=False, **more):
    head = RequestHead(method, b"/", version, [HOST, *fields], size, **more)
    wire, framing, keeps = write_request(head, close=close)
    start, _, rest = wire.partition(b"\r\n")
    assert start == b"%b / %b" % (method, version)
    assert rest.startswith(b"Host: a\r\n")
    return rest.removeprefix(b"Host: a\r\n").removesuffix(b"\r\n\r\n").removesuffix(b"\r\n"), framing, keeps


def response(*fields, size=None, status=200, version=b"HTTP/1.1", method=b"GET", is_modern=True, keeps=True, **more):
    head = ResponseHead(status, b"OK", version, [(b"A", b"b"), *fields], size, **more)
    wire, framing, keeps = write_response(head, method, is_modern=is_modern, keeps=keeps)
    start, _, rest = wire.partition(b"\r\n")
    assert start == b"%b %d OK" % (version, status)
    assert rest.startswith(b"A: b\r\n")
    return rest.removeprefix(b"A: b\r\n").removesuffix(b"\r\n\r\n").removesuffix(b"\r\n"), framing, keeps


# Requests


@pytest.mark.parametrize(
    ("fields", "size", "written", "framing"),
    [
        ([], 0, b"", 0),
        ([], 5, b"Content-Length: 5", 5),
        ([], None, b"Transfer-Encoding: chunked", CHUNKED),
        ([(b"content-length", b"5"), (b"X", b"y")], 5, b"content-length: 5\r\nX: y", 5),
        ([(b"content-length", b"6"), (b"X", b"y")], 5, b"content-length: 5\r\nX: y", 5),
        ([(b"content-length", b"6")], 0, b"content-length: 0", 0),
        ([(b"content-length", b"6")], None, b"Transfer-Encoding: chunked", CHUNKED),
        ([(b"content-length", b"5"), (b"content-length", b"5")], 5, b"content-length: 5", 5),
        ([(b"content-length", b"x")], 5, b"content-length: 5", 5),
        ([TE, (b"X", b"y")], None, b"transfer-encoding: chunked\r\nX: y", CHUNKED),
        ([TE], 5, b"transfer-encoding: chunked", CHUNKED),
        ([TE], 0, b"transfer-encoding: chunked", CHUNKED),
        ([TE, (b"Content-Length", b"5")], 5, b"transfer-encoding: chunked", CHUNKED),
        ([(b"Content-Length", b"5"), TE], 5, b"Transfer-Encoding: chunked", CHUNKED),
        ([(b"Transfer-Encoding", b"gzip")], None, b"Transfer-Encoding: gzip, chunked", CHUNKED),
        ([(b"Transfer-Encoding", b"gzip, chunked, CHUNKED")], None, b"Transfer-Encoding: gzip, chunked", CHUNKED),
    ],
)
def test_h1_14_framing_of_requests(fields, size, written, framing):
    assert request(*fields, size=size) == (written, framing, True)


def test_requests_in_1_0():
    assert request(size=5, version=b"HTTP/1.0") == (b"Content-Length: 5", 5, False)
    assert request(TE, size=5, version=b"HTTP/1.0")[0] == b"Content-Length: 5"
    assert request((b"Connection", b"keep-alive"), version=b"HTTP/1.0")[2]
    with pytest.raises(UsageError, match="unknown length"):
        request(size=None, version=b"HTTP/1.0")


def test_connect_has_no_body():
    assert request((b"Content-Length", b"5"), method=b"CONNECT") == (b"", 0, True)
    assert request((b"X", b"y"), method=b"CONNECT") == (b"X: y", 0, True)


def test_h1_40_closing_after_a_request():
    assert request(close=True) == (b"Connection: close", 0, False)
    assert request((b"connection", b"TE, Keep-Alive"), (b"X", b"y"), close=True)[0] == b"connection: TE, close\r\nX: y"
    assert request((b"Connection", b"close"), close=True) == (b"Connection: close", 0, False)
    assert request((b"Connection", b"close")) == (b"Connection: close", 0, False)
    assert request(close=True, version=b"HTTP/1.0") == (b"", 0, False)
    assert request((b"Connection", b"keep-alive"), close=True, version=b"HTTP/1.0")[0] == b"Connection: close"


@pytest.mark.parametrize(
    ("method", "target"),
    [
        (b"", b"/"),
        (b"GET", b""),
        (b"G T", b"/"),
        (b"GET", b"/a b"),
        (b"GET", b"/\r\nX: y"),
        (b"GET", b"/\x00"),
        (b"GET\n", b"/"),
        (b"GET", b"/\t"),
    ],
)
def test_h1_58_unwritable_start_lines(method, target):
    with pytest.raises(UsageError, match="Method"):
        write_request(RequestHead(method, target, b"HTTP/1.1", [HOST], 0), close=False)


@pytest.mark.parametrize("field", [(b"", b"x"), (b"Evil", b"a\r\nb"), (b"Evil", b"a\x00"), (b"E:vil", b"a")])
def test_h1_58_unwritable_fields(field):
    with pytest.raises(UsageError):
        request(field)
    with pytest.raises(UsageError):
        response(field)


def test_other_versions_are_written_as_1_1():
    head = RequestHead(b"GET", b"/", b"HTTP/2.0", [HOST], 0)
    assert write_request(head, close=False)[0] == b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    head = ResponseHead(200, b"", b"HTTP/2.0", [], 0)
    assert write_response(head, b"GET", is_modern=True, keeps=True)[0].startswith(b"HTTP/1.1 200 \r\n")


def test_ob_11_a_block_is_written_verbatim():
    block = b"host:a\r\nB:  c \r\n\r\n"
    head = RequestHead(b"GET", b"/", b"HTTP/1.1", [(b"host", b"a"), (b"B", b"c")], 0, block)
    assert write_request(head, close=False) == (b"GET / HTTP/1.1\r\n" + block, 0, True)
    block = b"host:a\r\nTransfer-Encoding:chunked\r\n\r\n"
    head = RequestHead(b"GET", b"/", b"HTTP/1.1", [(b"host", b"a"), TE], None, block)
    assert write_request(head, close=False) == (b"GET / HTTP/1.1\r\n" + block, CHUNKED, True)


def test_ob_11_odd_lines_where_the_block_cannot_be_used():
    odd = {(b"B", b"c"): b"B:  c "}
    assert request((b"B", b"c"), (b"D", b"e"), odd_lines=odd)[0] == b"B:  c \r\nD: e"
    head = RequestHead(b"GET", b"/", b"HTTP/1.1", [HOST, (b"B", b"c")], 5, b"Host: a\r\nB:  c \r\n\r\n", odd_lines=odd)
    wire = write_request(head, close=True)[0]
    assert wire == b"GET / HTTP/1.1\r\nHost: a\r\nB:  c \r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
    with pytest.raises(UsageError):
        request((b"B", b"c"), odd_lines={(b"B", b"c"): b"B: c\r\nEvil: x"})


def test_a_block_that_is_not_clean_is_not_used():
    head = RequestHead(b"GET", b"/", b"HTTP/1.1", [HOST], 0, b"Host : a\r\n\r\n")
    assert write_request(head, close=False)[0] == b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


# Responses


@pytest.mark.parametrize(
    ("fields", "size", "written", "framing", "keeps"),
    [
        ([], 0, b"Content-Length: 0", 0, True),
        ([], 5, b"Content-Length: 5", 5, True),
        ([], None, b"Transfer-Encoding: chunked", CHUNKED, True),
        ([TE, (b"X", b"y")], 5, b"transfer-encoding: chunked\r\nX: y", CHUNKED, True),
        ([(b"Content-Length", b"7")], 5, b"Content-Length: 5", 5, True),
        ([(b"Content-Length", b"7")], None, b"Transfer-Encoding: chunked", CHUNKED, True),
        (
            [(b"Content-Length", b"5"), (b"Connection", b"close")],
            5,
            b"Content-Length: 5\r\nConnection: close",
            5,
            False,
        ),
    ],
)
def test_h1_15_framing_of_responses(fields, size, written, framing, keeps):
    assert response(*fields, size=size) == (written, framing, keeps)


@pytest.mark.parametrize(
    ("fields", "size", "written", "framing", "keeps"),
    [
        ([], None, b"", UNTIL_CLOSE, False),
        ([TE], None, b"", UNTIL_CLOSE, False),
        ([TE], 5, b"Content-Length: 5\r\nConnection: keep-alive", 5, True),
        ([], 5, b"Content-Length: 5\r\nConnection: keep-alive", 5, True),
        ([(b"Connection", b"keep-alive")], 0, b"Connection: keep-alive\r\nContent-Length: 0", 0, True),
        ([(b"Connection", b"keep-alive")], None, b"Connection: close", UNTIL_CLOSE, False),
    ],
)
@pytest.mark.parametrize("old", [{"is_modern": False}, {"version": b"HTTP/1.0"}])
def test_h1_40_a_side_that_speaks_1_0(fields, size, written, framing, keeps, old):
    assert response(*fields, size=size, **old) == (written, framing, keeps)


def test_h1_40_closing_after_a_response():
    assert response(size=5, keeps=False) == (b"Content-Length: 5\r\nConnection: close", 5, False)
    assert response(size=5, keeps=False, is_modern=False) == (b"Content-Length: 5", 5, False)


@pytest.mark.parametrize("fields", [[], [(b"Content-Length", b"7")], [TE]])
@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 304)])
@pytest.mark.parametrize("size", [0, None])
def test_h1_11_h1_12_bodiless_answers_are_left_alone(fields, method, status, size):
    written = b"".join(b"%b: %b" % field for field in fields)
    assert response(*fields, size=size, method=method, status=status) == (written, BODILESS, True)


def test_bodiless_answers_made_up_by_somebody():
    assert response(size=5, method=b"HEAD") == (b"Content-Length: 5", BODILESS, True)
    assert response((b"Content-Length", b"x"), size=5, method=b"HEAD") == (b"", BODILESS, True)
    assert response((b"Content-Length", b"5"), TE, size=5, method=b"HEAD") == (b"", BODILESS, True)


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ([], b""),
        ([TE], b""),
        ([(b"Content-Length", b"0")], b"Content-Length: 0"),
        ([(b"Content-Length", b"5")], b""),
        ([(b"Content-Length", b"x")], b""),
    ],
)
def test_h1_07_no_framing_in_204(fields, written):
    assert response(*fields, size=0, status=204) == (written, BODILESS, True)


def test_h1_21_switching_protocols_is_left_alone():
    fields = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
    assert response(*fields, status=101, size=0) == (b"Connection: Upgrade\r\nUpgrade: websocket", BODILESS, False)


def test_h1_26_success_of_connect_says_nothing_of_framing():
    assert response(TE, (b"Content-Length", b"5"), method=b"CONNECT") == (b"", BODILESS, False)
    assert response(method=b"CONNECT") == (b"", BODILESS, False)
    assert response((b"Content-Length", b"5"), size=5, status=407, method=b"CONNECT") == (b"Content-Length: 5", 5, True)


def test_h1_20_interim_heads():
    head = ResponseHead(103, b"Early Hints", b"HTTP/1.1", [(b"Link", b"</a>"), TE], 0)
    assert write_interim(head) == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    head = ResponseHead(100, b"", b"HTTP/1.1", [], 0, b"\r\n")
    assert write_interim(head) == b"HTTP/1.1 100 \r\n\r\n"


@pytest.mark.parametrize(
    ("block", "size", "framing"),
    [
        (b"a:b\r\nContent-Length: 5\r\n\r\n", 5, 5),
        (b"Transfer-Encoding: chunked\r\n\r\n", None, CHUNKED),
        (b"Transfer-Encoding: chunked\r\n\r\n", 5, CHUNKED),
    ],
)
def test_ob_11_a_response_block_is_written_verbatim(block, size, framing):
    head = ResponseHead(200, b"Sure thing ", b"HTTP/1.1", [(b"not", b"used")], size, block)
    for _ in range(2):
        assert write_response(head, b"GET", is_modern=True, keeps=True) == (
            b"HTTP/1.1 200 Sure thing \r\n" + block,
            framing,
            True,
        )


def test_a_response_block_is_not_used_where_something_must_change():
    fields = [(b"a", b"b"), (b"Content-Length", b"5")]
    block = b"a:b\r\nContent-Length: 5\r\n\r\n"
    head = ResponseHead(200, b"OK", b"HTTP/1.1", fields, 6, block)
    assert (
        write_response(head, b"GET", is_modern=True, keeps=True)[0]
        == b"HTTP/1.1 200 OK\r\na: b\r\nContent-Length: 6\r\n\r\n"
    )
    assert write_response(head, b"HEAD", is_modern=True, keeps=True)[0] == b"HTTP/1.1 200 OK\r\n" + block
    head = ResponseHead(204, b"OK", b"HTTP/1.1", fields, 0, block)
    assert write_response(head, b"GET", is_modern=True, keeps=True)[0] == b"HTTP/1.1 204 OK\r\na: b\r\n\r\n"
    head = ResponseHead(200, b"OK", b"HTTP/1.1", [HOST], None, b"Host: a\r\n\r\n")
    assert b"chunked" in write_response(head, b"GET", is_modern=True, keeps=True)[0]
    head = ResponseHead(200, b"OK", b"HTTP/1.1", [HOST], 0, b"Host : a\r\n\r\n")
    assert b"Host: a" in write_response(head, b"GET", is_modern=True, keeps=True)[0]


def test_h1_58_unwritable_status_lines():
    with pytest.raises(UsageError, match="reason"):
        write_interim(ResponseHead(103, b"a\r\nb", b"HTTP/1.1", []))
    for status in (99, 1000):
        with pytest.raises(UsageError, match="Status"):
            write_response(ResponseHead(status, b"", b"HTTP/1.1", []), b"GET", is_modern=True, keeps=True)


def test_h1_10_trailers():
    fields = [
        (b"X-Sum", b"5"),
        (b"Content-Length", b"5"),
        (b"authorization", b"x"),
        (b"Host", b"x"),
        (b"Trailer", b"x"),
        (b"Y", b""),
    ]
    assert write_trailers(fields) == b"0\r\nX-Sum: 5\r\nY: \r\n\r\n"
    with pytest.raises(UsageError):
        write_trailers([(b"X", b"a\r\nb")])
