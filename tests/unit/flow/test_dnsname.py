import pytest

from midstream.errors import UsageError
from midstream.flow.dnsname import DNSFormatError, labels_of, name_bytes, read_name

LABEL = b"\x3f" + b"a" * 63


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", b"\0"),
        ("example.com", b"\7example\3com\0"),
        ("_dns.Example", b"\4_dns\7Example\0"),
        (r"a\.b.c", b"\3a.b\1c\0"),
        (r"a\\b", b"\3a\\b\0"),
        (r"\000\255\032", b"\3\x00\xff \0"),
        ("*.example", b"\1*\7example\0"),
    ],
)
def test_names_as_text_and_bytes(text, data):
    assert read_name(data + b"more", 0) == (text, len(data))
    assert name_bytes(text) == data


def test_a_dot_at_the_end_means_nothing():
    assert name_bytes("example.com.") == name_bytes("example.com")
    assert labels_of(".") == []
    assert labels_of(r"a\.") == [b"a."]


def test_names_of_other_scripts():
    assert name_bytes("bücher.example") == b"\x0dxn--bcher-kva\7example\0"
    with pytest.raises(UsageError):
        name_bytes("ü" * 70)


@pytest.mark.parametrize("name", ["a..b", ".a", "a" * 64, ".".join(["a" * 63] * 4), "a\\", r"a\999", r"\256"])
def test_what_cannot_be_a_name(name):
    with pytest.raises(UsageError):
        name_bytes(name)


def test_pointers_lead_to_the_front():
    data = b"\3com\0\7example\xc0\x00\3www\xc0\x05!"
    assert read_name(data, 15) == ("www.example.com", 21)
    assert read_name(data, 5) == ("example.com", 15)


@pytest.mark.parametrize(
    ("data", "at"),
    [
        (b"\xc0\x00", 0),  # to itself
        (b"\1a\xc0\x00", 0),  # in a circle
        (b"\xc0\x02\1a\0", 0),  # forward
        (b"\xc0\x02\xc0\x00", 2),  # two that point at each other
        (b"\xc0", 0),
        (b"", 0),
        (b"\3ab", 0),
        (b"\1a", 0),
        (b"\x40a", 0),
        (b"\x80a", 0),
        (LABEL * 4 + b"\0", 0),
    ],
)
def test_dns_18_what_is_no_name(data, at):
    with pytest.raises(DNSFormatError):
        read_name(data, at)


def test_a_name_of_255_bytes_is_the_longest():
    data = LABEL * 3 + b"\x3d" + b"b" * 61 + b"\0"
    name, end = read_name(data, 0)
    assert (len(data), end, name_bytes(name)) == (255, 255, data)
    with pytest.raises(DNSFormatError):
        read_name(LABEL * 3 + b"\x3e" + b"b" * 62 + b"\0", 0)
    with pytest.raises(UsageError):
        name_bytes(".".join(["a" * 63] * 3 + ["b" * 62]))
