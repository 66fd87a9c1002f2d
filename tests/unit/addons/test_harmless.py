import pytest

from midstream.addons import harmless


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain ünïcode 日本語 🎉", "plain ünïcode 日本語 🎉"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x9b31m", r"\x9b31m"),
        ("a\r\nb\tc\x00\x7f", r"a\x0d\x0ab\x09c\x00\x7f"),
        ("\x07\x08", r"\x07\x08"),
        ("exe.\u202egnp", r"exe.\u202egnp"),
        ("\u2066x\u2069\u200f", r"\u2066x\u2069\u200f"),
        ("byte \udcff, surrogate \ud800", r"byte \xff, surrogate \ud800"),
        ("\u2028", r"\u2028"),
    ],
)
def test_ui_15_nothing_of_a_peer_moves_the_terminal(text, expected):
    assert harmless.line(text) == expected


def test_ui_15_texts_keep_their_lines_and_tabs():
    assert harmless.lines("a\r\nb\n\tc\rd\x1b") == "a\nb\n\tc\\x0dd\\x1b"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", False),
        (b"hello\r\n\tworld", False),
        ("日本語".encode(), False),
        (b"\x89PNG\r\n\x1a\n\x00\x00", True),
        (b"\xff\xfe", True),
        (b"\x00\x01\x02\x03", True),
        (b"one \x1b[0m escape in a long text", False),
        (b"a" * 4095 + "ü".encode() + b"a", False),
        (b"a" * 4095 + b"\xc3", True),
        (b"a" * 4090 + b"\xff" + b"a" * 10, True),
    ],
)
def test_what_is_binary(data, expected):
    assert harmless.is_binary(data) == expected


def test_hex_dump():
    assert harmless.hex_dump(bytes(range(60, 80)) + b"\x00\xff") == (
        "00000000  3c 3d 3e 3f 40 41 42 43  44 45 46 47 48 49 4a 4b  <=>?@ABCDEFGHIJK\n"
        "00000010  4c 4d 4e 4f 00 ff                                 LMNO.."
    )
    assert harmless.hex_dump(b"") == ""
