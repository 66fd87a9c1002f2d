import pytest

from midstream.wire.errors import PeerError, Profile
from midstream.wire.events import END, Data, End, RequestHead, Reset, ResponseHead, Trailers
from midstream.wire.h1 import ClientFacing, Limits
from midstream.wire.h1.read import Reader

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SIZED = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
OLD_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_sized_body(read_request):
    assert read_request(SIZED + b"hello")[1:] == [Data(b"hello"), END]


def test_h1_55_get_with_a_body(read_request):
    assert read_request(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab")[1:] == [Data(b"ab"), END]


def test_a_chunked_body(read_request):
    body = b"5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\n"
    assert read_request(CHUNKED + body)[1:] == [Data(b"hello0123456789"), END]


@pytest.mark.parametrize("extension", [b";a", b"; a=b", b' ; a="x;y"', b';a="\\"";b', b"\t;a=b;c", b";"])
def test_h1_09_chunk_extensions_are_dropped(read_request, extension):
    body = b"2" + extension + b"\r\nab\r\n0" + extension + b"\r\n\r\n"
    assert read_request(CHUNKED + body)[1:] == [Data(b"ab"), END]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"x",
        b"+5",
        b"-5",
        b"0x5",
        b"5_0",
        b" 5",
        b"5 ",
        b"5 5",
        b"5,",
        b"\xb2",
        b"1" * 16,
        b'5;a="',
        b'5;a="\r\n"',
        b"5;a\x00",
        b"5\r",
        b"5;a\rb",
        b"\x0b5",
    ],
)
@pytest.mark.parametrize("profile", [Profile.STRICT, Profile.LENIENT])
def test_h1_08_bad_chunk_lines(read_request, refusal, line, profile):
    assert refusal(read_request(CHUNKED + line + b"\r\nhello\r\n0\r\n\r\n", profile))[1] == 400


@pytest.mark.parametrize(
    "body", [b"5\nhello\r\n0\r\n\r\n", b"\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n", b"5\r\nhello\r0\r\n"]
)
@pytest.mark.parametrize("profile", list(Profile))
def test_h1_08_chunks_end_with_crlf(read_request, refusal, body, profile):
    assert refusal(read_request(CHUNKED + body, profile))[1] == 400


def test_ob_05_what_came_whole_is_delivered_before_the_fault(read_request, refusal):
    events = read_request(CHUNKED + b"5\r\nhello\r\n2\r\nabc\r\n")
    assert events[1] == Data(b"helloab")
    assert "longer than its size" in refusal(events)[0]


def test_a_blank_after_a_chunk_size_of_a_server(read_response, refusal):
    data = OLD_CHUNKED + b"2 \r\nab\r\n0  \r\n\r\n"
    events = read_response(data)
    assert events[1] == Data(b"ab")
    assert [fault.message for fault in events[2].faults] == ["a blank after a chunk size"] * 2
    assert refusal(read_response(data, profile=Profile.STRICT))


def test_h1_10_trailers_are_exposed(read_request):
    data = CHUNKED + b"1\r\na\r\n0\r\nX-Sum: 5\r\nB:c\r\n\r\n"
    assert read_request(data)[1:] == [Data(b"a"), Trailers([(b"X-Sum", b"5"), (b"B", b"c")]), END]


@pytest.mark.parametrize(
    "trailers",
    [
        b"A: b\n\n",
        b"\n",
        b"A\r\n\r\n",
        b"A: b\r\n c\r\n\r\n",
        b" A: b\r\n\r\n",
        b"A: \x00\r\n\r\n",
        b"A: b\nC: d\r\n\r\n",
    ],
)
@pytest.mark.parametrize("profile", list(Profile))
def test_h1_10_malformed_trailers(read_request, refusal, trailers, profile):
    assert refusal(read_request(CHUNKED + b"0\r\n" + trailers, profile)) == ("a malformed trailer section", 400)


def test_h1_57_a_few_blank_lines_before_a_request(read_request, refusal):
    for blanks in (b"\r\n", b"\n", b"\r\n\n\r\n\r\n"):
        assert read_request(blanks + GET)[0].block
    assert "blank lines" in refusal(read_request(b"\r\n" * 5 + GET))[0]
    assert "blank lines" in refusal(read_request(b"\r\n" + GET, blank_lines=0))[0]


def test_a_blank_line_is_no_status_line(read_response, refusal):
    assert refusal(read_response(b"\r\nHTTP/1.1 200 OK\r\n\r\n"))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\n",
    ],
)
def test_h1_33_lone_lf_ends_a_line_with_a_fault(read_request, refusal, data):
    head, end = read_request(data)
    assert (head.host, end) == (b"a", END)
    assert (head.block, len(head.faults)) == (b"", 1)
    assert refusal(read_request(data, Profile.STRICT))


def test_a_head_that_ends_with_lone_lf_ends_there():
    engine = ClientFacing()
    events = engine.receive(b"GET / HTTP/1.1\nHost: a\n\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert [type(event) for event in events] == [RequestHead, End]
    assert engine.next_message()[0].target == b"/2"


def test_h1_33_a_bare_cr_ends_nothing(read_request, refusal):
    assert refusal(read_request(b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"))
    assert refusal(read_request(b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"))


@pytest.mark.parametrize(
    ("data", "limits", "expected"),
    [
        (GET, {"head_bytes": len(GET) - 1}, 431),
        (GET, {"head_bytes": len(GET)}, None),
        (b"GET / HTTP/1.1\nHost: a\n\n", {"head_bytes": 24}, None),
        (b"GET / HTTP/1.1\nHost: a\n\n", {"head_bytes": 23}, 431),
        (b"GET /" + b"x" * 40, {"head_bytes": 40}, 414),
        (b"GET /" + b"x" * 40 + b" HTTP/1.1\r\nHost: a\r\n\r\n", {"head_bytes": 40}, 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20, {"head_bytes": 40}, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n", {"head_fields": 1}, 431),
        (b"GET / HTTP/1.1\nHost: a\r\nB: c\r\n\r\n", {"head_fields": 1}, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n", {"head_fields": 2}, None),
        (CHUNKED + b"1;xx\r\na\r\n0\r\n\r\n", {"chunk_line": 6}, None),
        (CHUNKED + b"1;xx\r\na\r\n0\r\n\r\n", {"chunk_line": 5}, 400),
        (CHUNKED + b"001\r\na\r\n0\r\n\r\n", {"chunk_line": 4}, 400),
        (CHUNKED + b"1;" + b"x" * 20, {"chunk_line": 10}, 400),
        (CHUNKED + b"0\r\nA: b\r\n\r\n", {"trailer_bytes": 8}, None),
        (CHUNKED + b"0\r\nA: b\r\n\r\n", {"trailer_bytes": 7}, 431),
        (CHUNKED + b"0\r\nA: bcdefgh", {"trailer_bytes": 10}, 431),
        (CHUNKED + b"0\r\nA: b\r\nA: b\r\nA: b\r\n\r\n", {"head_fields": 2}, 431),
    ],
)
def test_h1_35_limits_at_their_edge(read_request, refusal, data, limits, expected):
    found = refusal(read_request(data, **limits))
    assert (found[1] if found else None) == expected


def test_a_section_that_comes_again_is_known():
    engine = ClientFacing()
    blocks = []
    for data in (GET, GET.replace(b"/ ", b"/other "), SIZED + b"hello", GET):
        head = engine.receive(data)[0]
        assert bytes(data).startswith(b"%b %b HTTP/1.1\r\n%b" % (head.method, head.target, head.block))
        blocks.append(head.block)
        engine.send_whole(ResponseHead(204, b"", b"HTTP/1.1", []), b"")
        engine.next_message()
    assert blocks[0] is blocks[1]
    assert blocks[0] is blocks[3]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"GET /too-long-by-now HTTP/1.1\r\nHost: a\r\n\r\n", 431),
        (b"\r\n" + GET, RequestHead),
        (b"GET / \n HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ],
)
def test_a_known_section_excuses_nothing_before_it(data, expected):
    engine = ClientFacing(Limits(head_bytes=len(GET) + 4))
    engine.receive(GET)
    engine.send_whole(ResponseHead(204, b"", b"HTTP/1.1", []), b"")
    engine.next_message()
    event = engine.receive(data)[0]
    assert event.status == expected if isinstance(event, PeerError) else type(event) is expected


def test_bodies_are_not_copied():
    engine = ClientFacing()
    engine.receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n")
    for _ in range(3):
        piece = bytes(1000)
        assert engine.receive(piece)[0].data is piece
    assert engine.buffered == 0


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (GET[:10], "within a head"),
        (SIZED + b"he", "with 3 bytes of the body missing"),
        (SIZED, "with 5 bytes of the body missing"),
        (CHUNKED, "within a chunked body"),
        (CHUNKED + b"5\r\nhe", "within a chunked body"),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", "within a chunked body"),
    ],
)
def test_h1_16_an_early_end_is_a_reset(data, where):
    engine = ClientFacing()
    engine.receive(data)
    assert engine.eof() == [Reset(f"the client closed the connection {where}")]
    assert engine.eof() == []
    assert engine.receive(b"x") == []
    assert not engine.is_reusable


def test_eof_between_messages_is_nothing():
    assert ClientFacing().eof() == []
    engine = ClientFacing()
    engine.receive(GET)
    assert engine.eof() == []


def test_receiving_nothing_means_nothing():
    engine = ClientFacing()
    assert engine.receive(b"") == []
    engine.receive(SIZED)
    assert engine.receive(b"") == []


def test_nothing_is_read_after_a_fault():
    engine = ClientFacing(Limits(), Profile.STRICT)
    assert isinstance(engine.receive(b"nonsense\r\n\r\n" + GET)[-1], PeerError)
    assert engine.receive(GET) == []
    assert engine.eof() == []
    assert engine.next_message() == []
    assert engine.release() == b""


def test_a_reader_alone_does_not_know_what_heads_mean():
    with pytest.raises(NotImplementedError):
        Reader().receive(GET)
