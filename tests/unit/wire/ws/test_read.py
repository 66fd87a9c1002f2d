import pytest

from midstream.wire.errors import Fault, Profile
from midstream.wire.ws import ClientFacing, Limits, Message, ServerFacing
from midstream.wire.ws.deflate import Deflater
from midstream.wire.ws.events import BINARY, TEXT, Close, Lost, Piece, Ping, Pong
from midstream.wire.ws.negotiate import Compression

UNMASKED = Fault("frames that are not masked, from the client", "RFC 6455 §5.1")
MASKED = Fault("frames that are masked, from the server", "RFC 6455 §5.1")
LONG = Fault("a length in more bytes than it needs, from the server", "RFC 6455 §5.2")
BAD_TEXT = Fault("a text message that is not UTF-8", "RFC 6455 §8.1")
TWO_PROFILES = [Profile.LENIENT, Profile.RAW]


def packed(*parts):
    deflater = Deflater()
    *firsts, last = parts
    found = [deflater.deflate(part) + deflater.flush(is_last=False) for part in firsts]
    return [*found, deflater.deflate(last) + deflater.flush(is_last=True)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 2048, 2049, 65535, 65536, 100_000])
def test_messages_of_all_sizes(from_client, from_server, frame, masked, size):
    data = b"x" * size
    assert from_client(masked(0x82, data)) == [Piece(BINARY, data)]
    assert from_server(frame(0x81, data)) == [Piece(TEXT, data)]


def test_ws_03_fragments_are_told_one_by_one(from_server, frame):
    wire = frame(0x01, b"ab"), frame(0x00, b""), frame(0x80, b"c"), frame(0x82)
    assert from_server(*wire) == [
        Piece(TEXT, b"ab", True, False),
        Piece(TEXT, b"", False, False),
        Piece(TEXT, b"c", False, True),
        Piece(BINARY, b""),
    ]


def test_ws_09_a_frame_is_told_as_it_comes(masked):
    engine = ClientFacing()
    wire = masked(0x82, bytes(100_000))
    assert engine.receive(wire[:14]) == []
    assert engine.receive(wire[14:15]) == [Piece(BINARY, b"\0", True, True, 99_999)]
    assert engine.receive(wire[15:50_000]) == [Piece(BINARY, bytes(49_985), False, True, 50_014)]
    assert engine.receive(wire[50_000:]) == [Piece(BINARY, bytes(50_014), False)]


def test_ws_04_control_frames_keep_their_place_between_fragments(from_client, masked):
    wire = masked(0x01, b"a"), masked(0x89, b"ping"), masked(0x00, b"b"), masked(0x8A), masked(0x80, b"c")
    assert from_client(*wire) == [
        Piece(TEXT, b"a", True, False),
        Ping(b"ping"),
        Piece(TEXT, b"b", False, False),
        Pong(),
        Piece(TEXT, b"c", False),
    ]


def test_ws_05_pings_and_pongs(from_server, frame):
    assert from_server(frame(0x89), frame(0x89, b"x" * 125), frame(0x8A, b"y")) == [
        Ping(),
        Ping(b"x" * 125),
        Pong(b"y"),
    ]


def test_ws_06_close_frames(from_client, from_server, frame, masked):
    assert from_server(frame(0x88)) == [Close()]
    assert from_server(frame(0x88, b"\x03\xe8")) == [Close(1000)]
    assert from_client(masked(0x88, b"\x0f\xa0" + "é".encode())) == [Close(4000, "é".encode())]


@pytest.mark.parametrize("code", [0, 999, 1005, 1006, 1015, 2000, 5000])
def test_ws_06_close_codes_that_may_not_be_sent(from_server, frame, code):
    wire = frame(0x88, code.to_bytes(2, "big") + b"r")
    fault = Fault(f"close code {code}", "RFC 6455 §7.4")
    for profile in TWO_PROFILES:
        assert from_server(wire, profile=profile) == [Close(code, b"r", (fault,))]
    assert from_server(wire, profile=Profile.STRICT) == [(1002, f"close code {code}", "RFC 6455 §7.4")]


def test_ws_06_close_frames_beyond_understanding(from_server, frame):
    assert from_server(frame(0x88, b"\x03")) == [(1002, "half a close code", "RFC 6455 §5.5.1")]
    wire = frame(0x88, b"\x03\xe8\xff")
    fault = "a close reason that is not UTF-8", "RFC 6455 §5.5.1"
    assert from_server(wire, profile=Profile.STRICT) == [(1007, *fault)]
    assert from_server(wire) == [Close(1000, b"\xff", (Fault(*fault),))]


def test_ws_06_nothing_is_read_after_a_close_frame(frame):
    engine = ServerFacing(bytes)
    assert engine.receive(frame(0x88) + frame(0x81, b"a") + b"\xff\xff") == [Close()]
    assert engine.receive(frame(0x88)) == []
    assert engine.eof() == []
    assert engine.close_received == Close()
    assert not engine.has_failed


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (0x83, "the reserved opcode 3"),
        (0x87, "the reserved opcode 7"),
        (0x8B, "the reserved opcode 11"),
        (0x8F, "the reserved opcode 15"),
        (0x91, "reserved bits that no extension gives a meaning"),
        (0xA1, "reserved bits that no extension gives a meaning"),
        (0xC1, "reserved bits that no extension gives a meaning"),
        (0xC9, "reserved bits that no extension gives a meaning"),
        (0x09, "a control frame in fragments"),
        (0x08, "a control frame in fragments"),
    ],
)
@pytest.mark.parametrize("profile", Profile)
def test_first_bytes_that_mean_nothing(from_server, frame, first, message, profile):
    events = from_server(frame(0x82, b"before"), frame(first, b"a"), profile=profile)
    assert [events[0], events[1][:2]] == [Piece(BINARY, b"before"), (1002, message)]  # OB-05
    assert len(events) == 2


@pytest.mark.parametrize("first", [0xC0, 0x40, 0xC8, 0xE1, 0xD2])
def test_rsv1_belongs_to_the_first_frame_of_a_message(from_server, frame, first):
    assert from_server(frame(first, b"a"), deflate=True)[0][0] == 1002


def test_control_frames_are_small(from_server, frame):
    assert from_server(frame(0x89, b"x" * 126)) == [(1002, "a control frame of more than 125 bytes", "RFC 6455 §5.5")]


def test_fragments_out_of_place(from_server, frame):
    assert from_server(frame(0x80)) == [(1002, "a continuation of no message", "RFC 6455 §5.4")]
    events = from_server(frame(0x01, b"a"), frame(0x81, b"b"))
    assert events == [Piece(TEXT, b"a", True, False), (1002, "a message within another", "RFC 6455 §5.4")]


@pytest.mark.parametrize(
    "length", [b"\x7e\x00\x05", b"\x7e\x00\x00", b"\x7f" + b"\0" * 7 + b"\x05", b"\x7f" + b"\0" * 6 + b"\x01\x00"]
)
def test_lengths_in_more_bytes_than_they_need(from_server, frame, length):
    data = b"x" * int.from_bytes(length[1:], "big")
    wire = frame(0x82, data, length=length)
    assert from_server(wire, wire) == [Piece(BINARY, data, faults=(LONG,)), Piece(BINARY, data)]
    assert from_server(wire, profile=Profile.STRICT) == [(1002, LONG.message, LONG.reference)]


def test_lengths_of_2_to_the_63(from_server, frame):
    largest = frame(0x82, b"a", length=b"\x7f\x7f" + b"\xff" * 7)
    assert from_server(largest) == [Piece(BINARY, b"a", left=(1 << 63) - 2)]
    assert from_server(frame(0x82, b"a", length=b"\x7f\x80" + b"\0" * 7)) == [
        (1002, "a frame of 2^63 bytes or more", "RFC 6455 §5.2")
    ]


def test_ws_08_a_client_that_does_not_mask(from_client, frame, masked):
    wire = frame(0x82, b"a"), masked(0x82, b"b"), frame(0x89, b"c")
    for profile in TWO_PROFILES:
        assert from_client(*wire, profile=profile) == [
            Piece(BINARY, b"a", faults=(UNMASKED,)),
            Piece(BINARY, b"b"),
            Ping(b"c"),
        ]
    assert from_client(*wire, profile=Profile.STRICT) == [(1002, UNMASKED.message, UNMASKED.reference)]


def test_ws_08_a_server_that_masks(from_server, masked):
    for first, event in ((0x82, Piece(BINARY, b"\0a")), (0x89, Ping(b"\0a")), (0x8A, Pong(b"\0a"))):
        event.faults = (MASKED,)
        assert from_server(masked(first, b"\0a")) == [event]
    assert from_server(masked(0x88, b"\x03\xe8")) == [Close(1000, b"", (MASKED,))]
    assert from_server(masked(0x88), profile=Profile.STRICT) == [(1002, MASKED.message, MASKED.reference)]


@pytest.mark.parametrize("cut", range(9))
def test_ws_07_text_may_be_cut_within_a_character(from_client, masked, cut):
    data = "aé😀z".encode()
    events = from_client(masked(0x01, data[:cut]), masked(0x80, data[cut:]), profile=Profile.STRICT)
    assert events == [Piece(TEXT, data[:cut], True, False), Piece(TEXT, data[cut:], False)]


def test_ws_07_text_that_is_none_goes_on_as_it_is_or_ends_the_connection(from_server, frame):
    wire = frame(0x01, b"a\xff"), frame(0x80, b"\xfe")
    for profile in TWO_PROFILES:
        assert from_server(*wire, frame(0x81, b"\xff"), profile=profile) == [
            Piece(TEXT, b"a\xff", True, False, faults=(BAD_TEXT,)),
            Piece(TEXT, b"\xfe", False),
            Piece(TEXT, b"\xff", faults=(BAD_TEXT,)),
        ]
    events = from_server(frame(0x81, "é".encode()[:1]), profile=Profile.STRICT)
    assert events == [(1007, BAD_TEXT.message, BAD_TEXT.reference)]
    assert from_server(frame(0x82, b"\xff"), profile=Profile.STRICT) == [Piece(BINARY, b"\xff")]


def test_ws_01_compressed_messages(from_client, from_server, frame, masked):
    (whole,) = packed(b"hello " * 10)
    expected = Piece(TEXT, b"hello " * 10, is_compressed=True)
    assert from_client(masked(0xC1, whole), deflate=True) == [expected]
    assert from_server(frame(0xC1, whole), frame(0x81, b"plain"), deflate=True) == [expected, Piece(TEXT, b"plain")]
    assert from_server(frame(0xC2, b"\0"), deflate=True) == [Piece(BINARY, b"", is_compressed=True)]


def test_ws_03_compressed_fragments(from_server, frame):
    one, two, three = packed(b"hello " * 3, b"", b"again")
    assert from_server(frame(0x41, one), frame(0x89), frame(0x00, two), frame(0x80, three), deflate=True) == [
        Piece(TEXT, b"hello " * 3, True, False, is_compressed=True),
        Ping(),
        Piece(TEXT, b"", False, False, is_compressed=True),
        Piece(TEXT, b"again", False, is_compressed=True),
    ]


def test_ws_07_compressed_text_that_is_none(from_server, frame):
    (bad,) = packed(b"\xff")
    assert from_server(frame(0xC1, bad), deflate=True, profile=Profile.STRICT)[0][0] == 1007
    assert from_server(frame(0xC1, b"\xff\xff"), deflate=True)[0][:2] == (1007, "a message that cannot be decompressed")


def test_ws_09_a_message_has_a_limit(from_server, frame):
    too_big = 1009, "a message of more than 10 bytes", "RFC 6455 §10.4"
    assert from_server(frame(0x82, b"x" * 10), frame(0x82, b"x" * 10), message_bytes=10)[1] == Piece(BINARY, b"x" * 10)
    assert from_server(frame(0x82, b"x" * 11), message_bytes=10) == [too_big]
    assert from_server(frame(0x02, b"x" * 10), frame(0x80, b"x"), message_bytes=10)[1] == too_big
    assert from_server(b"\x82\x7f\x7f" + b"\xff" * 7, message_bytes=10) == [too_big]


def test_ws_10_a_compressed_message_has_the_same(from_server, frame):
    (whole,) = packed(b"x" * 1000)
    assert from_server(frame(0xC2, whole), deflate=True, message_bytes=1000) == [
        Piece(BINARY, b"x" * 1000, is_compressed=True)
    ]
    engine = ServerFacing(bytes, Limits(message_bytes=999), compression=Compression())
    assert engine.receive(frame(0xC2, whole))[-1].code == 1009
    assert engine.has_failed


def test_ws_10_bombs(from_server, frame):
    (whole,) = packed(bytes(100_000))
    assert from_server(frame(0xC2, whole), deflate=True, inflate_free=50_000, inflate_ratio=10)[-1][0] == 1009


def test_limits_can_change_between_messages(frame):
    engine = ServerFacing(bytes)
    assert len(engine.receive(frame(0x82, b"x" * 11))) == 1
    engine.message_limit = 10
    assert engine.receive(frame(0x82, b"x" * 11))[0].code == 1009


def test_limits_can_change_within_a_frame(frame):
    engine = ServerFacing(bytes)
    wire = frame(0x82, b"x" * 11)
    assert engine.receive(wire[:5]) == [Piece(BINARY, b"xxx", left=8)]
    engine.message_limit = 11
    assert engine.receive(wire[5:6]) == [Piece(BINARY, b"x", False, left=7)]
    engine.message_limit = 10
    assert engine.receive(wire[6:7])[0].code == 1009


def test_ws_14_an_end_without_close_frame(frame):
    engine = ServerFacing(bytes)
    assert engine.eof() == [Lost("the server closed the connection without a close frame")]
    assert engine.has_failed
    assert engine.eof() == []
    for wire in (frame(0x01), frame(0x81, b"abc")[:4], b"\x81"):
        engine = ServerFacing(bytes)
        engine.receive(wire)
        assert engine.eof() == [Lost("the server closed the connection within a message")]
    assert ClientFacing().eof()[0].message.startswith("the client")


def test_ws_13_what_came_behind_the_handshake_is_read_like_the_rest(masked):
    engine = ClientFacing()
    wire = masked(0x81, b"early")
    assert engine.receive(b"") == []
    assert engine.receive(wire[:1]) == []
    assert engine.receive(wire[1:]) == [Piece(TEXT, b"early")]


def test_memory_is_not_kept(frame):
    engine = ServerFacing(bytes)
    for _ in range(3):
        engine.receive(frame(0x82, bytes(100_000)))
        assert engine._buffer == b""
        engine.receive(b"\x82")
        assert engine._buffer == b"\x82"
        engine.receive(b"\x00")


def test_ws_10_what_a_client_may_send_does_not_depend_on_what_it_is_sent():
    client, server = ClientFacing(compression=Compression()), ServerFacing(lambda: b"abcd", compression=Compression())
    for _ in range(3):
        message = Message(TEXT, b"hello", (), True)
        assert client.receive(server.send(message)) == [Piece(TEXT, b"hello", is_compressed=True)]
        assert server.receive(client.send(message)) == [Piece(TEXT, b"hello", is_compressed=True)]
