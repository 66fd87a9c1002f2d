import pytest

from midstream.errors import UsageError
from midstream.wire import grpc
from midstream.wire.errors import PeerError
from midstream.wire.grpc import COMPRESSED, TRAILERS, Frame, Splitter

ONE = b"\0\0\0\0\x03one"
TWO = b"\x01\0\0\0\x03two"
EMPTY = b"\0\0\0\0\0"
WEB_TRAILERS = b"\x80\0\0\0\x10grpc-status: 0\r\n"


def shape(parts):
    """Make parts comparable, however the bytes among them are cut."""
    shaped = []
    for part in [str(part) if isinstance(part, PeerError) else part for part in parts]:
        if isinstance(part, bytes) and shaped and isinstance(shaped[-1], bytes):
            shaped[-1] += part
        elif part != b"":
            shaped.append(part)
    return shaped


def split(pieces, limit=0, *, is_web=False):
    splitter = Splitter(limit, is_web=is_web)
    parts = [part for piece in pieces for part in splitter.receive(piece)]
    return shape(parts + splitter.eof())


def split_each_way(data, limit=0, *, is_web=False):
    """Read `data` whole, byte by byte, and cut at every place; it has to be the same."""
    whole = split([data], limit, is_web=is_web)
    assert split([data[at : at + 1] for at in range(len(data))], limit, is_web=is_web) == whole
    for at in range(len(data)):
        assert split([data[:at], data[at:]], limit, is_web=is_web) == whole
    return whole


def test_messages_come_out_one_by_one():
    assert split_each_way(ONE + TWO + EMPTY + ONE) == [
        Frame(0, b"one"),
        Frame(COMPRESSED, b"two"),
        Frame(0, b""),
        Frame(0, b"one"),
    ]
    assert split([]) == []


def test_a_message_comes_out_with_its_last_byte():
    splitter = Splitter()
    assert splitter.receive(ONE[:-1]) == []
    assert splitter.receive(ONE[-1:] + TWO[:2]) == [Frame(0, b"one")]
    assert splitter.receive(TWO[2:]) == [Frame(1, b"two")]
    assert splitter.eof() == []


def test_frames_are_written_as_they_came():
    assert b"".join(part.written() for part in split([ONE + TWO + EMPTY])) == ONE + TWO + EMPTY


def test_a_broken_prefix_is_a_fault_and_the_rest_bytes():
    fault = "a gRPC message begins with the byte 0x80 (gRPC over HTTP/2, Length-Prefixed-Message)"
    assert split_each_way(ONE + WEB_TRAILERS + ONE) == [Frame(0, b"one"), fault, WEB_TRAILERS + ONE]


def test_the_trailers_of_grpc_web():
    assert split_each_way(ONE + WEB_TRAILERS, is_web=True) == [
        Frame(0, b"one"),
        Frame(TRAILERS, b"grpc-status: 0\r\n"),
    ]
    assert split([b"\x81\0\0\0\0"], is_web=True) == [Frame(TRAILERS | COMPRESSED, b"")]
    assert "0x82" in split([b"\x82\0\0\0\0"], is_web=True)[0]


@pytest.mark.parametrize("cut", range(1, len(TWO)))
def test_a_message_that_is_cut_at_the_end(cut):
    fault = "the body ends inside a gRPC message (gRPC over HTTP/2, Length-Prefixed-Message)"
    assert split_each_way(ONE + TWO[:cut]) == [Frame(0, b"one"), fault, TWO[:cut]]


def test_a_message_over_the_limit_goes_on_as_bytes():
    large = b"\0\0\0\0\x05large"
    assert split_each_way(ONE + large + TWO, limit=3) == [Frame(0, b"one"), large, Frame(1, b"two")]
    splitter = Splitter(3)
    assert splitter.receive(large[:7]) == [large[:7]]
    assert splitter.receive(large[7:]) == [large[7:]]


def test_a_message_over_the_limit_that_is_cut_at_the_end():
    splitter = Splitter(3)
    assert splitter.receive(b"\0\0\0\0\x05lar") == [b"\0\0\0\0\x05lar"]
    (fault,) = splitter.eof()
    assert isinstance(fault, PeerError)
    assert splitter.receive(b"x") == [b"x"]


def test_what_is_too_large_for_a_prefix_is_refused(monkeypatch):
    monkeypatch.setattr(grpc, "LARGEST", 3)
    with pytest.raises(UsageError, match="at most 3 bytes, this one has 4"):
        Frame(0, b"four").written()
