import pytest

from midstream.wire.ws.frame import DEFLATED, MASKED, PLAIN, header


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, b"\x00"),
        (125, b"\x7d"),
        (126, b"\x7e\x00\x7e"),
        (65535, b"\x7e\xff\xff"),
        (65536, b"\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        ((1 << 63) - 1, b"\x7f\x7f" + b"\xff" * 7),
    ],
)
def test_lengths_are_as_short_as_can_be(length, expected):
    assert header(0x81, length) == b"\x81" + expected
    assert header(0x81, length, MASKED) == b"\x81" + bytes((expected[0] | 0x80,)) + expected[1:]


def test_only_a_message_begins_compressed():
    assert sorted(DEFLATED - PLAIN) == [0x41, 0x42, 0xC1, 0xC2]
    assert sorted(PLAIN) == [0, 1, 2, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A]
