import pytest

from midstream.errors import UsageError
from midstream.wire.errors import PeerError
from midstream.wire.events import END, Data, End, RequestHead, Reset, ResponseHead, Trailers
from midstream.wire.h1 import ClientFacing, ServerFacing
from midstream.wire.h1.engine import _Engine

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = ResponseHead(200, b"OK", b"HTTP/1.1", [], 2)
OK_WIRE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


def ask(method: bytes = b"GET", *fields: tuple[bytes, bytes], version: bytes = b"HTTP/1.1") -> ServerFacing:
    server = ServerFacing()
    server.send(RequestHead(method, b"/", version, [(b"Host", b"a"), *fields], 0))
    server.send(END)
    return server


def answer(client: ClientFacing, head: ResponseHead = OK, body: bytes = b"ok") -> bytes:
    return client.send(head) + client.send(Data(body)) + client.send(END)


def test_an_engine_alone_does_not_know_what_heads_mean():
    with pytest.raises(NotImplementedError):
        _Engine().send(OK)


# Facing a client


def test_one_exchange_after_the_other():
    client = ClientFacing()
    assert client.is_reusable
    for _ in range(3):
        assert [type(event) for event in client.receive(GET)] == [RequestHead, End]
        assert not client.is_reusable
        assert answer(client) == OK_WIRE + b"ok"
        assert client.is_reusable
        assert client.next_message() == []
        assert client.is_reusable


def test_h1_42_pipelined_requests_wait_their_turn():
    client = ClientFacing()
    assert len(client.receive(GET * 2 + GET[:9])) == 2
    assert client.buffered == len(GET) + 9
    answer(client)
    assert [type(event) for event in client.next_message()] == [RequestHead, End]
    assert client.receive(GET[9:]) == []
    answer(client)
    assert len(client.next_message()) == 2
    assert client.buffered == 0


def test_ob_02_a_client_that_closes_its_side_is_still_answered():
    client = ClientFacing()
    client.receive(GET + GET)
    assert client.eof() == []
    assert answer(client) == OK_WIRE + b"ok"
    assert client.is_reusable
    assert len(client.next_message()) == 2
    assert answer(client) == OK_WIRE + b"ok"
    assert not client.is_reusable
    assert client.next_message() == []


def test_a_pipelined_request_that_is_cut_off():
    client = ClientFacing()
    client.receive(GET + GET[:5])
    client.eof()
    answer(client)
    assert client.next_message() == [Reset("the client closed the connection within a head")]


@pytest.mark.parametrize(
    ("start", "field", "expected"),
    [
        (b"GET / HTTP/1.1", b"A: b", (b"", True)),
        (b"GET / HTTP/1.1", b"Connection: close", (b"Connection: close\r\n", False)),
        (b"GET / HTTP/1.1", b"Connection: keep-alive, close", (b"Connection: close\r\n", False)),
        (b"GET / HTTP/1.0", b"A: b", (b"", False)),
        (b"GET / HTTP/1.0", b"Connection: keep-alive", (b"Connection: keep-alive\r\n", True)),
        (b"GET / HTTP/1.0", b"Connection: keep-alive, close", (b"", False)),
    ],
)
def test_h1_40_persistence(start, field, expected):
    client = ClientFacing()
    client.receive(start + b"\r\nHost: a\r\n" + field + b"\r\n\r\n")
    assert client.send(OK).removeprefix(OK_WIRE[:-2]) == expected[0] + b"\r\n"
    client.send(Data(b"ok"))
    client.send(END)
    assert client.is_reusable is expected[1]


def test_h1_03_the_connection_ends_after_ambiguous_framing():
    client = ClientFacing()
    client.receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert b"Connection: close" in answer(client)
    assert not client.is_reusable


def test_h1_04_equal_lengths_do_not_end_the_connection():
    client = ClientFacing()
    client.receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na")
    assert b"close" not in answer(client)
    assert client.is_reusable


def test_close_after():
    client = ClientFacing()
    client.receive(GET)
    client.close_after = True
    assert b"Connection: close" in answer(client)
    assert not client.is_reusable


def test_an_early_response_waits_for_the_request_to_end():
    client = ClientFacing()
    client.receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
    answer(client)
    assert not client.is_reusable
    assert client.receive(b"llo") == [Data(b"llo"), END]
    assert client.is_reusable


def test_a_fault_can_be_answered():
    client = ClientFacing()
    assert isinstance(client.receive(b"nonsense\r\n\r\n")[-1], PeerError)
    wire = answer(client, ResponseHead(400, b"Bad Request", b"HTTP/1.1", [], 2))
    assert wire == b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    assert not client.is_reusable


def test_a_fault_in_the_body_can_be_answered():
    client = ClientFacing()
    client.receive(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")
    assert b"Connection: close" in answer(client)


def test_h1_11_a_body_for_head_is_not_written():
    client = ClientFacing()
    client.receive(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer(client) == OK_WIRE
    assert client.is_reusable


def test_h1_20_interim_responses_to_a_client():
    client = ClientFacing()
    client.receive(GET)
    assert client.send(ResponseHead(103, b"Hints", b"HTTP/1.1", [], 0)) == b"HTTP/1.1 103 Hints\r\n\r\n"
    assert answer(client) == OK_WIRE + b"ok"


def test_chunks_and_trailers():
    client = ClientFacing()
    client.receive(GET)
    client.send(ResponseHead(200, b"OK", b"HTTP/1.1", [], None))
    assert client.send(Data(b"hello world!")) == b"c\r\nhello world!\r\n"
    assert client.send(Data(b"")) == b""
    assert client.send(Trailers([(b"X", b"y"), (b"Content-Length", b"0")])) == b""
    assert client.send(End()) == b"0\r\nX: y\r\n\r\n"
    assert client.is_reusable


def test_a_body_until_close():
    client = ClientFacing()
    client.receive(b"GET / HTTP/1.0\r\n\r\n")
    client.send(ResponseHead(200, b"OK", b"HTTP/1.1", [], None))
    assert client.send(Data(b"hello")) == b"hello"
    client.send(Trailers([(b"X", b"y")]))
    assert client.send(END) == b""
    assert not client.is_reusable


def test_h1_58_a_body_must_be_as_long_as_announced():
    client = ClientFacing()
    client.receive(GET)
    client.send(OK)
    with pytest.raises(UsageError, match="1 bytes longer"):
        client.send(Data(b"abc"))
    client.send(Data(b"a"))
    with pytest.raises(UsageError, match="1 bytes shorter"):
        client.send(END)
    assert not client.is_reusable


def test_events_out_of_order():
    client = ClientFacing()
    with pytest.raises(UsageError, match="outside"):
        client.send(Data(b"x"))
    with pytest.raises(UsageError, match="outside"):
        client.send(END)
    with pytest.raises(UsageError, match="responses"):
        client.send(RequestHead(b"GET", b"/", b"HTTP/1.1", []))
    with pytest.raises(UsageError, match="PeerError cannot"):
        client.send(PeerError("x"))
    client.receive(GET)
    client.send(OK)
    with pytest.raises(UsageError, match="second"):
        client.send(OK)


def test_a_reset_ends_reuse():
    client = ClientFacing()
    client.receive(GET)
    client.send(OK)
    assert client.send(Reset("gone")) == b""
    assert not client.is_reusable


def test_h1_23_h1_24_after_connect_the_rest_is_released():
    connect = b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"
    for rest, released in (
        (b"", b""),
        (b"\x16\x03\x01", b"\x16\x03\x01"),
        (b"\r\n\x16", b"\x16"),
        (b"\r\n\r\n", b"\r\n"),
    ):
        client = ClientFacing()
        assert [type(event) for event in client.receive(connect + rest)] == [RequestHead, End]
        assert client.send(ResponseHead(200, b"OK", b"HTTP/1.1", [], 0)) == b"HTTP/1.1 200 OK\r\n\r\n"
        assert client.send(END) == b""
        assert not client.is_reusable
        assert client.release() == released
        assert client.receive(b"more") == []
        assert client.eof() == []


def test_connect_refused_keeps_the_connection():
    client = ClientFacing()
    client.receive(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" + GET)
    answer(client, ResponseHead(407, b"No", b"HTTP/1.1", [], 2))
    assert client.is_reusable
    assert client.next_message()[0].method == b"GET"


# Facing a server


def test_exchanges_with_a_server():
    server = ServerFacing()
    assert server.is_reusable
    for _ in range(3):
        head = RequestHead(b"PUT", b"/", b"HTTP/1.1", [(b"Host", b"a")], None)
        assert server.send(head) == b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert server.send(Data(b"x")) == b"1\r\nx\r\n"
        assert not server.is_reusable
        assert server.send(END) == b"0\r\n\r\n"
        assert [type(event) for event in server.receive(OK_WIRE + b"ok")] == [ResponseHead, Data, End]
        assert server.is_reusable
        assert server.next_message() == []
        assert server.is_reusable


def test_h1_18_bytes_on_an_idle_connection():
    server = ServerFacing()
    assert server.receive(b"") == []
    assert [type(event) for event in server.receive(OK_WIRE)] == [PeerError]
    assert not server.is_reusable


def test_h1_13_bytes_behind_a_response_poison_the_connection():
    for wire in (OK_WIRE + b"ok" + OK_WIRE, b"HTTP/1.1 204 X\r\n\r\nhello"):
        server = ask()
        assert type(server.receive(wire)[-1]) is End
        assert not server.is_reusable
        assert [type(event) for event in server.next_message()] == [PeerError]
        assert not server.is_reusable


def test_h1_13_bytes_that_come_after_the_end_poison_it_too():
    server = ask()
    server.receive(OK_WIRE + b"ok")
    assert server.receive(b"x") == []
    assert not server.is_reusable


def test_h1_20_ob_04_interim_heads_precede_the_final_one():
    server = ask()
    wire = b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 H\r\nLink: </a>\r\n\r\n" + OK_WIRE + b"ok"
    assert [getattr(event, "status", None) for event in server.receive(wire)] == [100, 103, 200, None, None]
    assert server.is_reusable


def test_ob_04_endless_interim_heads():
    server = ask()
    events = server.receive(b"HTTP/1.1 103 H\r\n\r\n" * 100)
    assert type(events[-1]) is PeerError
    assert len(events) < 100


def test_h1_21_switching_protocols_ends_http():
    server = ask()
    events = server.receive(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81\x00")
    assert [type(event) for event in events] == [ResponseHead, End]
    assert events[0].body_size == 0
    assert not server.is_reusable
    assert server.release() == b"\x81\x00"


def test_h1_25_success_of_connect_ends_http():
    server = ask(b"CONNECT")
    assert [type(event) for event in server.receive(b"HTTP/1.1 200 OK\r\n\r\n\r\nabc")] == [ResponseHead, End]
    assert not server.is_reusable
    assert server.release() == b"\r\nabc"


def test_h1_17_an_answer_before_the_request_is_sent_whole():
    server = ServerFacing()
    server.send(RequestHead(b"PUT", b"/", b"HTTP/1.1", [(b"Host", b"a")], 5))
    events = server.receive(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    assert [type(event) for event in events] == [ResponseHead, End]
    assert server.send(Data(b"hello")) == b"hello"
    server.send(END)
    assert not server.is_reusable


@pytest.mark.parametrize(
    ("start", "field", "expected"),
    [
        (b"HTTP/1.1", b"A: b", True),
        (b"HTTP/1.1", b"Connection: close", False),
        (b"HTTP/1.0", b"A: b", False),
        (b"HTTP/1.0", b"Connection: keep-alive", True),
        (b"HTTP/1.1", b"A : b", False),
    ],
)
def test_h1_40_persistence_of_a_server(start, field, expected):
    server = ask()
    server.receive(start + b" 200 OK\r\nContent-Length: 2\r\n" + field + b"\r\n\r\nok")
    assert server.is_reusable is expected


def test_h1_40_a_request_that_closes():
    server = ServerFacing()
    server.close_after = True
    assert b"Connection: close" in server.send(RequestHead(b"GET", b"/", b"HTTP/1.1", [(b"Host", b"a")], 0))
    server.send(END)
    server.receive(OK_WIRE + b"ok")
    assert not server.is_reusable


def test_h1_15_a_body_until_close():
    server = ask()
    server.receive(b"HTTP/1.1 200 OK\r\n\r\nabc")
    assert server.receive(b"def") == [Data(b"def")]
    assert server.eof() == [END]
    assert not server.is_reusable


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"", "before it answered"),
        (b"HTTP/1.1 103 H\r\n\r\n", "before it answered"),
        (b"HTTP/1.1 20", "within a head"),
        (OK_WIRE, "with 2 bytes of the body missing"),
    ],
)
def test_h1_16_a_server_that_ends_early(data, where):
    server = ask()
    server.receive(data)
    assert server.eof() == [Reset(f"the server closed the connection {where}")]
    assert not server.is_reusable


def test_a_server_that_closes_an_idle_connection():
    server = ServerFacing()
    assert server.eof() == []
    assert not server.is_reusable


def test_wrong_use_of_a_server():
    server = ask()
    with pytest.raises(UsageError, match="before the exchange"):
        server.send(RequestHead(b"GET", b"/", b"HTTP/1.1", []))
    with pytest.raises(UsageError, match="requests"):
        server.send(OK)


def test_an_unwritable_head_changes_nothing():
    server = ServerFacing()
    with pytest.raises(UsageError):
        server.send(RequestHead(b"GET", b"/", b"HTTP/1.1", [(b"A", b"b\r\nc")], 0))
    assert server.is_reusable
    client = ClientFacing()
    client.receive(GET)
    with pytest.raises(UsageError):
        client.send(ResponseHead(200, b"OK", b"HTTP/1.1", [(b"A", b"b\r\nc")], 0))
    assert answer(client) == OK_WIRE + b"ok"
