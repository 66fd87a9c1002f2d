import pytest

from midstream.wire.h2.huffman import decode, encode


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", ""),
        (b"www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),
        (b"no-cache", "a8eb10649cbf"),
        (b"custom-value", "25a849e95bb8e8b4bf"),
        (b"302", "6402"),
    ],
)
def test_examples_of_the_rfc(text, code):
    assert encode(text).hex() == code
    assert decode(bytes.fromhex(code)) == text


@pytest.mark.parametrize("byte", range(256))
def test_every_byte_survives(byte):
    text = bytes((byte, 0x61, byte))
    assert decode(encode(text)) == text


@pytest.mark.parametrize("code", ["00", "ff", "fffffffc", "1fff", "a8eb10649cbfff"])
def test_h2_17_wrong_padding_and_eos_are_no_code(code):
    assert decode(bytes.fromhex(code)) is None
