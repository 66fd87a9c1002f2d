"""The PROXY protocol, both versions: whole, cut at every byte, with bytes behind."""

import pytest

from midstream.wire.errors import PeerError
from midstream.wire.proxyline import MAX_BLOCK_V2, ProxyLine, read_proxy_line, write_v1, write_v2

V4 = ("192.0.2.1", 56324), ("198.51.100.2", 443)
V6 = ("2001:db8::1", 65535), ("2001:db8::2", 0)
V2 = b"\r\n\r\n\0\r\nQUIT\n"


def check(data, expected):
    """Reading gives `expected` for the whole and with bytes behind, and nothing for any beginning."""
    assert read_proxy_line(data) == expected
    assert read_proxy_line(bytearray(data + b"GET / HTTP/1.1\r\n")) == expected
    for end in range(len(data)):
        assert read_proxy_line(data[:end]) is None


@pytest.mark.parametrize("write", [write_v1, write_v2])
@pytest.mark.parametrize("addresses", [V4, V6])
def test_md_24_addresses_are_read(write, addresses):
    data = write(*addresses)
    version = 1 if write is write_v1 else 2
    check(data, ProxyLine(version, len(data), *addresses, "tcp"))
    assert not read_proxy_line(data).is_local


@pytest.mark.parametrize("write", [write_v1, write_v2])
def test_md_24_a_balancer_that_speaks_for_itself(write):
    data = write(None, None)
    check(data, ProxyLine(1 if write is write_v1 else 2, len(data)))
    assert read_proxy_line(data).is_local


def test_version_1_as_the_document_shows_it():
    data = b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"
    address = ("255.255.255.255", 65535)
    check(data, ProxyLine(1, 56, address, address, "tcp"))
    longest = b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"
    check(longest, ProxyLine(1, len(longest)))


def test_version_2_values_behind_the_addresses_are_skipped():
    data = write_v2(*V4, tlvs=b"\x04\0\x03abc")
    check(data, ProxyLine(2, len(data), *V4, "tcp"))
    data = write_v2(None, None, tlvs=b"\x04\0\x03abc")
    check(data, ProxyLine(2, len(data)))


def test_version_2_other_transports():
    udp = bytearray(write_v2(*V4))
    udp[13] = 0x12
    check(bytes(udp), ProxyLine(2, len(udp), *V4, "udp"))
    names = b"/run/a".ljust(108, b"\0") + b"/run/b".ljust(108, b"\0")
    unix = V2 + b"\x21\x31" + len(names).to_bytes(2) + names
    check(unix, ProxyLine(2, len(unix), ("/run/a", 0), ("/run/b", 0), "unix"))
    unknown = V2 + b"\x21\x00\x00\x04abcd"
    check(unknown, ProxyLine(2, len(unknown)))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXY2",
        b"\r\nGET",
        b"PROXY TCP4\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
        b"PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 ::1 1 2\r\n",
        b"PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY TCP4 1.2.3.\xff 5.6.7.8 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 ::1 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        b"PROXY TCP6 \xff ::1 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 123456 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 \r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n" + b"x" * 100,
        V2 + b"\x11",
        V2 + b"\x22",
        V2 + b"\x21\x11\0\x0b" + bytes(11),
        V2 + b"\x21\x31\0\x0c" + bytes(12),
        V2 + b"\x21\x11" + (MAX_BLOCK_V2 + 1).to_bytes(2),
    ],
)
def test_md_24_what_is_malformed_is_refused(data):
    with pytest.raises(PeerError) as caught:
        read_proxy_line(data)
    assert caught.value.reference.startswith("PROXY protocol")


def test_a_version_1_line_has_its_longest():
    assert read_proxy_line(b"PROXY UNKNOWN " + b"x" * 92) is None
    with pytest.raises(PeerError, match="107"):
        read_proxy_line(b"PROXY UNKNOWN " + b"x" * 93)
