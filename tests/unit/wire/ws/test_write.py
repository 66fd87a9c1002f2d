import zlib

import pytest

from midstream.errors import UsageError
from midstream.wire.events import Data
from midstream.wire.ws import ClientFacing, Limits, Message, ServerFacing
from midstream.wire.ws.deflate import TAIL, Deflater
from midstream.wire.ws.events import BINARY, TEXT, Close, Lost, Piece, Ping, Pong
from midstream.wire.ws.negotiate import Compression

KEY = b"\x01\x23\x45\x67"


@pytest.fixture
def to_client():
    return ClientFacing()


@pytest.fixture
def to_server():
    return ServerFacing(lambda: KEY)


@pytest.fixture
def deflating():
    return ClientFacing(compression=Compression())


def inflated(*payloads):
    return zlib.decompressobj(-15).decompress(b"".join(payloads) + TAIL)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_whole_messages(to_client, to_server, frame, masked, size):
    data = bytes(size)
    assert to_client.send(Message(BINARY, data)) == frame(0x82, data)
    assert to_server.send(Message(TEXT, data)) == masked(0x81, data)


def test_a_key_for_every_frame(frame):
    keys = iter([b"abcd", b"efgh", b"ijkl"])
    engine = ServerFacing(lambda: next(keys))
    wire = engine.send(Message(TEXT, b"abc", (2, 1))) + engine.send(Ping(b"x"))
    assert wire == frame(0x01, b"ab", key=b"abcd") + frame(0x80, b"c", key=b"efgh") + frame(0x89, b"x", key=b"ijkl")


def test_control_frames(to_client, to_server, frame, masked):
    assert to_client.send(Ping(b"a")) + to_client.send(Pong()) == frame(0x89, b"a") + frame(0x8A)
    assert to_server.send(Close(4000, b"bye")) == masked(0x88, b"\x0f\xa0bye")
    assert to_client.send(Close()) == frame(0x88)


def test_ws_06_one_close_frame_and_nothing_behind(to_client, frame):
    assert to_client.send(Close(1000)) == frame(0x88, b"\x03\xe8")
    assert to_client.close_sent == Close(1000)
    assert to_client.send(Close(1001)) == b""
    for event in (Message(TEXT, b""), Piece(TEXT, b""), Ping()):
        with pytest.raises(UsageError, match="after its close frame"):
            to_client.send(event)


def test_ws_06_a_code_that_a_peer_should_not_have_sent_goes_on(to_client, frame):
    assert to_client.send(Close(1005)) == frame(0x88, b"\x03\xed")


@pytest.mark.parametrize(
    ("event", "match"),
    [
        (Close(65536), "close code"),
        (Close(-1), "close code"),
        (Close(None, b"why"), "needs a close code"),
        (Close(1000, b"x" * 124), "at most 125 bytes, not 126"),
        (Ping(b"x" * 126), "at most 125 bytes, not 126"),
        (Message(0, b""), "opcode 1"),
        (Message(8, b""), "opcode 1"),
        (Piece(3, b""), "opcode 1"),
        (Piece(TEXT, b"", is_first=False), "not its first one"),
        (Lost("gone"), "Lost cannot be sent"),
        (Data(b""), "Data cannot be sent"),
    ],
)
def test_what_cannot_be_sent(to_client, frame, event, match):
    with pytest.raises(UsageError, match=match):
        to_client.send(event)
    assert to_client.send(Message(TEXT, b"fine")) == frame(0x81, b"fine")


def test_ws_03_pieces_are_sent_as_they_came(to_server, masked):
    assert to_server.send(Piece(TEXT, b"ab", True, False)) == masked(0x01, b"ab")
    assert to_server.send(Piece(TEXT, b"", False, False)) == masked(0x00)
    assert not to_server.is_between_messages
    assert to_server.send(Piece(TEXT, b"c", False)) == masked(0x80, b"c")
    assert to_server.is_between_messages


@pytest.mark.parametrize("cut", [1, 2, 4, 5, 99])
def test_ws_09_a_frame_is_sent_as_it_comes(to_client, to_server, frame, masked, cut):
    data = bytes(range(100))
    pieces = Piece(BINARY, data[:cut], left=100 - cut), Piece(BINARY, data[cut:], False)
    for engine, expected in ((to_client, frame(0x82, data)), (to_server, masked(0x82, data))):
        parts = [engine.send(piece) for piece in pieces]
        assert b"".join(parts) == expected
        assert len(parts[1]) == 100 - cut


def test_a_frame_is_as_long_as_its_header_says(to_client):
    to_client.send(Piece(BINARY, b"ab", left=5))
    with pytest.raises(UsageError, match="5 bytes more, and is sent 4"):
        to_client.send(Piece(BINARY, b"cde", False, left=1))
    with pytest.raises(UsageError, match="when its header is sent"):
        to_client.send(Piece(BINARY, b"cde", False, False, 2))
    with pytest.raises(UsageError, match="was known at first"):
        to_client.send(Piece(BINARY, b"cde", False, left=-1))
    with pytest.raises(UsageError, match="inside of another"):
        to_client.send(Piece(BINARY, b"new"))


def test_ws_04_what_has_no_place_in_a_frame_waits_for_its_end(to_client, frame):
    wire = to_client.send(Piece(BINARY, b"ab", True, False, 2))
    assert to_client.send(Ping(b"1")) == b""
    assert to_client.send(Message(TEXT, b"injected")) == b""
    wire += to_client.send(Piece(BINARY, b"cd", False, False))
    assert wire == frame(0x02, b"abcd") + frame(0x89, b"1")
    assert to_client.send(Pong(b"2")) == frame(0x8A, b"2")
    assert to_client.send(Piece(BINARY, b"e", False)) == frame(0x80, b"e") + frame(0x81, b"injected")


def test_ws_06_a_close_frame_waits_for_the_end_of_a_frame_too(to_client, frame):
    wire = to_client.send(Piece(BINARY, b"ab", True, False, 2))
    assert to_client.send(Close()) == to_client.send(Close(1000)) == to_client.send(Ping()) == b""
    assert to_client.close_sent is None
    assert wire + to_client.send(Piece(BINARY, b"cd", False, False)) == frame(0x02, b"abcd") + frame(0x88)
    assert to_client.close_sent == Close()


def test_ws_16_an_injected_message_keeps_out_of_others(deflating, frame):
    first = deflating.send(Piece(TEXT, b"hello", True, False, is_compressed=True))
    assert deflating.send(Message(TEXT, b"injected", (), True)) == b""
    rest = deflating.send(Piece(TEXT, b"", False, True, is_compressed=True))
    reader = ServerFacing(bytes, compression=Compression())
    assert reader.receive(first + rest) == [
        Piece(TEXT, b"hello", True, False, is_compressed=True),
        Piece(TEXT, b"", False, is_compressed=True),
        Piece(TEXT, b"injected", is_compressed=True),
    ]


def test_what_came_uncompressed_stays_so(deflating, frame):
    assert deflating.send(Message(TEXT, b"hello")) == frame(0x81, b"hello")
    assert deflating.send(Piece(TEXT, b"hello")) == frame(0x81, b"hello")


def test_ws_01_without_compression_on_this_side_messages_are_plain(to_client, frame):
    assert to_client.send(Message(TEXT, b"hello", (), True)) == frame(0x81, b"hello")
    assert to_client.send(Piece(TEXT, b"hel", left=-1, is_compressed=True)) == b""
    assert to_client.send(Ping()) == frame(0x89)
    assert to_client.send(Piece(TEXT, b"lo", False, is_compressed=True)) == frame(0x81, b"hello")


def test_compressed_messages(deflating, frame):
    wire = deflating.send(Message(TEXT, b"hello", (), True))
    deflater = Deflater()
    assert wire == frame(0xC1, deflater.deflate(b"hello") + deflater.flush(is_last=True))
    again = deflating.send(Message(TEXT, b"hello", (), True))
    assert len(again) < len(wire)


def test_ws_03_compressed_fragments(deflating):
    wire = deflating.send(Message(TEXT, b"hello", (3, 0, 2), True))
    reader = ServerFacing(bytes, compression=Compression())
    assert reader.receive(wire) == [
        Piece(TEXT, b"hel", True, False, is_compressed=True),
        Piece(TEXT, b"", False, False, is_compressed=True),
        Piece(TEXT, b"lo", False, is_compressed=True),
    ]


def test_ws_03_a_compressed_frame_is_gathered(deflating, frame):
    assert deflating.send(Piece(TEXT, b"hel", left=-1, is_compressed=True)) == b""
    wire = deflating.send(Piece(TEXT, b"lo", False, is_compressed=True))
    assert wire[0] == 0xC1
    assert inflated(wire[2:]) == b"hello"


def test_ws_09_a_frame_that_is_too_large_to_be_gathered_is_cut(frame):
    engine = ClientFacing(Limits(held_bytes=4))
    assert engine.send(Piece(BINARY, b"ab", left=-1)) == b""
    assert engine.send(Piece(BINARY, b"cde", False, left=-1)) == frame(0x02, b"abcde")
    assert engine.send(Piece(BINARY, b"f", False, left=-1)) == b""
    assert engine.send(Piece(BINARY, b"g", False)) == frame(0x80, b"fg")


def test_a_length_that_becomes_known_changes_nothing(to_client, frame):
    assert to_client.send(Piece(BINARY, b"ab", left=-1)) == b""
    assert to_client.send(Piece(BINARY, b"c", False, left=2)) == b""
    assert to_client.send(Piece(BINARY, b"de", False)) == frame(0x82, b"abcde")


def test_ws_17_dropping_a_message_does_not_break_what_follows(deflating):
    reader = ClientFacing(compression=Compression())
    sender, receiver = (
        ServerFacing(lambda: KEY, compression=Compression()),
        ServerFacing(bytes, compression=Compression()),
    )
    for at in range(10):
        message = Message(TEXT, b"message %d of the same kind" % at, (), True)
        (piece,) = reader.receive(sender.send(message))
        if at % 3:
            assert receiver.receive(deflating.send(piece)) == [piece]
