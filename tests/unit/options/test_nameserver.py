import pytest

from midstream.errors import OptionsError
from midstream.options import Options
from midstream.options.nameserver import NameServer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.1.1.1", NameServer("udp", "1.1.1.1", 53)),
        ("1.1.1.1:5353", NameServer("udp", "1.1.1.1", 5353)),
        ("2606:4700::1111", NameServer("udp", "2606:4700::1111", 53)),
        ("udp://[2606:4700::1111]:54", NameServer("udp", "2606:4700::1111", 54)),
        ("tcp://ns.example/", NameServer("tcp", "ns.example", 53)),
        ("TLS://dns.example", NameServer("tls", "dns.example", 853)),
        ("https://dns.example", NameServer("https", "dns.example", 443, "/dns-query")),
        ("https://1.1.1.1:8443/a/b?c", NameServer("https", "1.1.1.1", 8443, "/a/b?c")),
    ],
)
def test_name_servers(text, expected):
    assert NameServer.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "http://x", "quic://x", "1.1.1.1:0", "1.1.1.1/path", "tls://a/b", "a b", "[::1", "user@x"]
)
def test_what_is_none(text):
    with pytest.raises(OptionsError, match="name server"):
        NameServer.parse(text)


def test_the_option_refuses_what_is_none():
    with pytest.raises(OptionsError, match="no scheme 'ftp' here"):
        Options().update(dns_name_servers=["1.1.1.1", "ftp://x"])
