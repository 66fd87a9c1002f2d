import pytest

from midstream.errors import UsageError
from midstream.options import Options
from midstream.proxy.explain import explain


def told(host="example.com", port=443, **options):
    settings = Options()
    settings.update(**options)
    return explain(settings, host, port)


def test_what_no_list_names_is_read():
    assert told() == [
        "regular:",
        "  example.com:443 is connected to directly",
        "  TLS is opened and HTTP is read, anything else is relayed as raw TCP: no list names it",
        "  the server's certificate is verified",
        "  bodies flow on as they come, unless an addon wants the whole; bodies over 10485760 bytes are never held back",
    ]


@pytest.mark.parametrize("mode", ["regular", "upstream:http://parent.test:3128"])
@pytest.mark.parametrize("port", [80, 443])
def test_md_05_an_ignored_host_asked_through_the_proxy(mode, port):
    lines = told(port=port, mode=[mode], ignore_hosts=[r"example\.com"])
    reason = rf"ignore_hosts 'example\.com' matches example.com:{port}"
    assert lines[2:] == [
        f"  in a CONNECT tunnel: relayed untouched, not decrypted, not recorded: {reason}",
        "  http:// URLs: read, because the lists do not count for requests made to the proxy itself",
    ]


def test_the_port_counts():
    assert "no list names it" in told(port=80, ignore_hosts=[":443$"])[2]
    assert "ignore_hosts" in told(port=443, ignore_hosts=[":443$"])[2]


def test_ignored_connections_can_be_shown():
    (line,) = (line for line in told(ignore_hosts=["."], show_ignored_hosts=True) if "untouched" in line)
    assert "recorded as it is" in line


@pytest.mark.parametrize("mode", ["transparent", "socks5"])
def test_where_connections_lead_to_one_server_the_lists_count_for_all(mode):
    assert told(mode=[mode], ignore_hosts=["example"])[2:] == [
        "  relayed untouched, not decrypted, not recorded: ignore_hosts 'example' matches example.com:443"
    ]


def test_another_name_may_change_it():
    assert "  the server name in TLS, the Host field and the address may yet match a list" in told(allow_hosts=["x"])
    assert not any("may yet" in line for line in told())


def test_tcp_hosts():
    lines = told(mode=["transparent"], tcp_hosts=["example"])
    expected = "  TLS is opened, and what is inside is relayed as raw TCP: tcp_hosts 'example' matches example.com:443"
    assert lines[2] == expected
    assert "  the server's certificate is verified" in lines


def test_rawtcp_off():
    assert "anything else is closed (rawtcp is off)" in told(rawtcp=False)[2]


@pytest.mark.parametrize(
    ("mode", "treated", "is_verified"),
    [
        ("reverse:https://origin.test", "TLS is opened, and HTTP is read: no list names it", True),
        ("reverse:http://origin.test", "TLS is opened, and HTTP is read: no list names it", False),
        ("reverse:tls://origin.test:5", "what is inside is relayed as raw TCP: the mode is for tls", True),
        ("reverse:tcp://origin.test:5", "what is inside is relayed as raw TCP: the mode is for tcp", False),
    ],
)
def test_reverse_mode_leads_everybody_to_one_server(mode, treated, is_verified):
    lines = told(mode=[mode])
    assert lines[1].startswith("  every client is led to ")
    assert "origin.test:" in lines[1]
    assert lines[2].endswith(treated)
    assert any("certificate is verified" in line for line in lines) is is_verified


def test_the_parent_is_named():
    lines = told(mode=["upstream:https://parent.test"])
    assert lines[1] == "  example.com:443 is reached through the parent proxy https://parent.test:443"


def test_what_is_not_verified_is_said():
    assert "  the server's certificate is not verified (ssl_insecure)" in told(ssl_insecure=True)


def test_bodies_without_a_limit():
    assert told(stream_large_bodies=None)[-1].endswith("bodies of any size may be held back")


def test_several_modes_one_after_the_other():
    assert [line for line in told(mode=["regular", "socks5"]) if line.endswith(":")] == ["regular:", "socks5:"]


def test_names_are_shown_as_they_are_matched():
    assert told("B\u00fccher.example")[1].startswith("  xn--bcher-kva.example:443 ")
    assert told("::1")[1].startswith("  [::1]:443 ")


@pytest.mark.parametrize("host", ["a\udcff", "\u00fc" * 80])
def test_what_is_no_name_is_refused(host):
    with pytest.raises(UsageError, match="not a host name"):
        told(host)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"mode": ["dns"]},
            [
                "  addresses of names are told, connections are not seen",
                "  the hosts file is looked at first (dns_use_hosts_file)",
                "  asked: the system's name servers, or the system where it has none",
            ],
        ),
        (
            {"mode": ["dns"], "dns_use_hosts_file": False, "dns_name_servers": ["tls://9.9.9.9", "1.1.1.1"]},
            [
                "  addresses of names are told, connections are not seen",
                "  asked: tls://9.9.9.9, 1.1.1.1 (dns_name_servers)",
            ],
        ),
        ({"mode": ["reverse:dns://ns.test"]}, ["  every query is passed on to dns://ns.test:53"]),
        (
            {"mode": ["reverse:udp://a.test:9"]},
            [
                "  every datagram is relayed to udp://a.test:9",
                "  a client's DTLS is opened, and what is inside goes to the server as it is",
            ],
        ),
        (
            {"mode": ["reverse:dtls://a.test:9"], "tcp_hosts": ["x"]},
            [
                "  every datagram is relayed to dtls://a.test:9",
                "  clients may speak DTLS, which is opened, or send datagrams as they are",
                "  the server's certificate is verified",
                "  the server name in DTLS may yet match a list",
            ],
        ),
        (
            {"mode": ["reverse:dtls://a.test:9"], "ignore_hosts": [r"a\.test"]},
            [
                "  every datagram is relayed to dtls://a.test:9",
                r"  relayed untouched, not decrypted, not recorded: ignore_hosts 'a\.test' matches a.test:9",
            ],
        ),
    ],
)
def test_datagrams_and_queries(options, expected):
    assert told(**options)[1:] == expected
