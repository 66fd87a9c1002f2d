import zlib

import pytest

from midstream.wire.errors import PeerError
from midstream.wire.ws.deflate import TAIL, Deflater, Inflater
from midstream.wire.ws.errors import WebSocketError
from midstream.wire.ws.limits import Limits

TEXT = b'{"name": "value", "other": "value"}'


def packed(deflater, data):
    return deflater.deflate(data) + deflater.flush(is_last=True)


def fault(inflater, data, most=0):
    with pytest.raises(WebSocketError) as caught:
        inflater.inflate(data, most, is_last=True)
    return caught.value


def test_the_examples_of_rfc_7692():
    # §7.2.3.1, §7.2.3.2 (the same again, from the context), §7.2.3.3 (not compressed), §7.2.3.5 (two blocks)
    inflater = Inflater()
    for wire in (
        "f2 48 cd c9 c9 07 00",
        "f2 00 11 00 00",
        "00 05 00 fa ff 48 65 6c 6c 6f 00",
        "f2 48 05 00 00 00 ff ff ca c9 c9 07 00",
    ):
        assert inflater.inflate(bytes.fromhex(wire), 0, is_last=True) == b"Hello"


def test_a_final_block_begins_a_new_context():
    # RFC 7692 §7.2.3.4, then what a sender forgets, then a message as usual
    inflater = Inflater()
    assert inflater.inflate(bytes.fromhex("f3 48 cd c9 c9 07 00 00"), 0, is_last=True) == b"Hello"
    assert inflater.inflate(bytes.fromhex("f3 48 cd c9 c9 07 00"), 0, is_last=True) == b"Hello"
    assert inflater.inflate(packed(Deflater(), TEXT), 0, is_last=True) == TEXT
    two = bytes.fromhex("f3 48 cd c9 c9 07 00") * 2 + b"\0"
    assert inflater.inflate(two, 0, is_last=True) == b"HelloHello"


def test_final_blocks_without_end():
    with pytest.raises(PeerError, match="final blocks"):
        Inflater().inflate(b"\x03\x00" * 100 + b"\0", 0, is_last=True)


@pytest.mark.parametrize("size", [60, 101])
def test_ws_10_final_blocks_cannot_add_up(size):
    block = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = block.compress(bytes(size)) + block.flush()
    inflater = Inflater(Limits(inflate_free=100, inflate_ratio=1))
    with pytest.raises(WebSocketError, match="suspicious"):
        inflater.inflate(data * 3, 0, is_last=False)


@pytest.mark.parametrize("bits", range(8, 16))
@pytest.mark.parametrize("keeps_context", [True, False])
def test_ws_01_windows_and_contexts(bits, keeps_context):
    deflater, inflater = Deflater(bits, keeps_context=keeps_context), Inflater()
    strict = zlib.decompressobj(-bits)
    for at in range(20):
        data = TEXT * at * 20
        wire = packed(deflater, data)
        if not keeps_context:
            strict = zlib.decompressobj(-bits)
        assert strict.decompress(wire + TAIL) == data
        assert inflater.inflate(wire, 0, is_last=True) == data


def test_a_context_makes_the_second_message_smaller():
    keeping, forgetting = Deflater(), Deflater(keeps_context=False)
    assert len(packed(keeping, TEXT)) > len(packed(keeping, TEXT))
    assert packed(forgetting, TEXT) == packed(forgetting, TEXT)


@pytest.mark.parametrize("keeps_context", [True, False])
def test_empty_messages_and_empty_ends(keeps_context):
    deflater, inflater = Deflater(keeps_context=keeps_context), Inflater()
    for _ in range(3):
        assert packed(deflater, b"") == b"\0"
        assert inflater.inflate(b"\0", 0, is_last=True) == b""
    part = deflater.deflate(TEXT) + deflater.flush(is_last=False)
    assert deflater.flush(is_last=False) == b""
    assert inflater.inflate(part, 0, is_last=False) == TEXT
    assert inflater.inflate(deflater.flush(is_last=True), 0, is_last=True) == b""
    assert inflater.inflate(packed(deflater, TEXT), 0, is_last=True) == TEXT


def test_ws_07_what_is_not_deflated():
    error = fault(Inflater(), b"\xff\xff\xff")
    assert (error.code, error.message) == (1007, "a message that cannot be decompressed")


def test_ws_10_a_bomb_is_refused_by_ratio():
    inflater = Inflater(Limits(inflate_ratio=10, inflate_free=1000))
    good = packed(Deflater(keeps_context=False), bytes(1000))
    assert len(inflater.inflate(good, 0, is_last=True)) == 1000
    assert fault(inflater, packed(Deflater(), bytes(1001))).code == 1009


def test_ws_10_a_bomb_in_pieces():
    wire = packed(Deflater(), bytes(2_000_000))
    inflater = Inflater(Limits(inflate_ratio=1, inflate_free=1_048_576))
    half = len(wire) // 2
    assert len(inflater.inflate(wire[:half], 0, is_last=False)) < 1_048_576
    assert "a suspicious multiple" in fault(inflater, wire[half:]).message


def test_ws_10_the_size_of_a_message_is_bounded():
    wire = packed(Deflater(keeps_context=False), TEXT)
    inflater = Inflater()
    assert inflater.inflate(wire, len(TEXT), is_last=True) == TEXT
    error = fault(inflater, wire, len(TEXT) - 1)
    assert (error.code, error.message) == (1009, "a message becomes more than 34 bytes by decompression")


def test_a_bound_that_shrinks_within_a_message():
    inflater, deflater = Inflater(), Deflater()
    inflater.inflate(deflater.deflate(TEXT) + deflater.flush(is_last=False), 100, is_last=False)
    assert inflater.inflate(b"", 10, is_last=False) == b""
    assert fault(inflater, packed(deflater, b"x"), 10).code == 1009
