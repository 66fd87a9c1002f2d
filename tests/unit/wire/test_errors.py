import pytest

from midstream.wire.errors import PeerError, shown


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"GET / HTTP/1.1", "'GET / HTTP/1.1'"),
        (b"a\\b", r"'a\b'"),
        ("b\u00fccher".encode(), "'b\u00fccher'"),
        (b"\xff\0\r\n\x1b[31m", r"'\xff\x00\r\n\x1b[31m'"),
        ("\u202eabc".encode(), r"'\u202eabc'"),
        (bytearray(b"it's"), "'it's'"),
        (b"", "''"),
        (b"x" * 64, "'" + "x" * 64 + "'"),
        (b"x" * 65, "'" + "x" * 64 + "\u2026'"),
    ],
)
def test_bytes_are_shown_as_text(data, text):
    assert shown(data) == text


def test_errors_name_the_rule_if_there_is_one():
    assert str(PeerError("too long", "RFC 1")) == "too long (RFC 1)"
    assert str(PeerError("too long")) == "too long"
