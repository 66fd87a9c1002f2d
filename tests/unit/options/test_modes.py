import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.errors import OptionsError, UsageError
from midstream.options import Options, listeners
from midstream.options.modes import DEFAULT_PORTS, ModeSpec, check_modes, is_loopback


@pytest.mark.parametrize(
    ("text", "name", "host", "port"),
    [
        ("regular", "regular", None, None),
        ("Regular@9090", "regular", None, 9090),
        (" regular@0 ", "regular", None, 0),
        ("socks5@localhost:1234", "socks5", "localhost", 1234),
        ("transparent@:8081", "transparent", "", 8081),
        ("transparent@*:8081", "transparent", "", 8081),
        ("regular@[::1]:65535", "regular", "::1", 65535),
    ],
)
def test_where_to_listen(text, name, host, port):
    spec = ModeSpec.parse(text)
    assert (spec.name, spec.listen_host, spec.listen_port, spec.full_spec) == (name, host, port, text)
    assert (spec.data, spec.scheme, spec.address) == ("", "", None)


@pytest.mark.parametrize(
    ("text", "scheme", "address"),
    [
        ("reverse:https://example.com@127.0.0.1:443", "https", ("example.com", 443)),
        ("reverse:example.com", "https", ("example.com", 443)),
        ("reverse:example.com:443", "https", ("example.com", 443)),
        ("reverse:example.com:80", "http", ("example.com", 80)),
        ("reverse:HTTP://example.com/", "http", ("example.com", 80)),
        ("reverse:http://[2001:db8::1]:8000@9", "http", ("2001:db8::1", 8000)),
        ("reverse:https://[2001:DB8::1]", "https", ("2001:db8::1", 443)),
        ("reverse:tcp://10.0.0.1:22", "tcp", ("10.0.0.1", 22)),
        ("reverse:tls://my_host:993", "tls", ("my_host", 993)),
        ("reverse:https://bücher.example", "https", ("xn--bcher-kva.example", 443)),
        ("upstream:parent", "http", ("parent", 80)),
        ("upstream:parent:3128", "http", ("parent", 3128)),
        ("upstream:https://parent", "https", ("parent", 443)),
        ("upstream:socks5://parent", "socks5", ("parent", 1080)),
    ],
)
def test_target(text, scheme, address):
    spec = ModeSpec.parse(text)
    assert (spec.scheme, spec.address) == (scheme, address)
    assert text.startswith(f"{spec.name}:{spec.data}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no mode is called ''"),
        ("regularr", "no mode is called 'regularr'"),
        ("regular:data", "takes no arguments"),
        ("regular:", "takes no arguments"),
        ("reverse", "needs a server"),
        ("reverse:", "needs a server"),
        ("upstream:", "needs a server"),
        ("regular@", "invalid port"),
        ("regular@http", "invalid port"),
        ("regular@-1", "invalid port"),
        ("regular@65536", "invalid port"),
        ("regular@1²", "invalid port"),
        ("regular@a b:1", "invalid host"),
        ("regular@::1:80", "invalid host"),
        ("regular@[::g]:80", "::g"),
        ("reverse:http://a:0", "invalid port"),
        ("reverse:http://a:", "invalid port"),
        ("reverse:http://a/path", "invalid host"),
        ("reverse:http://user:pw@a@80", "invalid port"),
        ("reverse:http://", "invalid host"),
        ("reverse:http://-a", "invalid host"),
        ("reverse:http://a..b", "invalid host"),
        ("reverse:http://ü" + "x" * 70, "invalid host"),
        ("reverse:http://" + ".".join(["x" * 60] * 5), "invalid host"),
        ("reverse:http://[::1", "expected [IPv6]:port"),
        ("reverse:http://[::1]80", "expected [IPv6]:port"),
        ("reverse:tcp://a", "needs a port, such as tcp://a:9000"),
        ("reverse:ftp://a", "no scheme 'ftp' here; expected one of http, https, h2c, tcp, tls"),
        ("reverse:socks5://a", "no scheme 'socks5'"),
        ("upstream:tcp://a:1", "no scheme 'tcp'"),
        ("reverse:quic://a", "scheme quic is not there yet"),
        ("reverse:http3://a", "not there yet"),
        ("wireguard:key@1", "not there yet"),
        ("local:curl", "not there yet"),
        ("tun", "not there yet"),
        ("osproxy", "called local"),
    ],
)
def test_unreadable_modes_are_named(text, reason):
    with pytest.raises(UsageError) as caught:
        ModeSpec.parse(text)
    assert repr(text) in str(caught.value)
    assert reason in str(caught.value)


def test_md_13_tls_is_not_guessed_on_a_custom_port():
    with pytest.raises(OptionsError, match="Write https://localhost:3000 or http://localhost:3000"):
        ModeSpec.parse("reverse:localhost:3000")


@pytest.mark.parametrize("name", DEFAULT_PORTS)
def test_default_ports(name):
    target = ":http://example.com" if name in {"reverse", "upstream"} else ""
    spec = ModeSpec.parse(name + target)
    assert spec.default_port == {"socks5": 1080, "dns": 53}.get(name, 8080)
    assert spec.listen_at("127.0.0.1", None) == ("127.0.0.1", spec.default_port)


@pytest.mark.parametrize(
    ("text", "transports", "port"),
    [
        ("dns", ("tcp", "udp"), 53),
        ("reverse:dns://192.0.2.53", ("tcp", "udp"), 53),
        ("reverse:udp://192.0.2.1:9", ("udp",), 8080),
        ("reverse:dtls://192.0.2.1:9", ("udp",), 8080),
        ("reverse:tcp://192.0.2.1:9", ("tcp",), 8080),
        ("regular", ("tcp",), 8080),
    ],
)
def test_what_modes_listen_for(text, transports, port):
    spec = ModeSpec.parse(text)
    assert (*["tcp"] * spec.uses_tcp, *["udp"] * spec.uses_udp) == transports
    assert spec.default_port == port
    assert spec.is_dns == (port == 53)


def test_the_target_of_dns_has_a_default_port_and_that_of_udp_has_none():
    assert ModeSpec.parse("reverse:dns://ns.example").address == ("ns.example", 53)
    for scheme in ("udp", "dtls"):
        with pytest.raises(OptionsError, match=f"scheme {scheme} needs a port"):
            ModeSpec.parse(f"reverse:{scheme}://ns.example")


def test_modes_of_different_transports_can_share_an_address():
    modes = ["regular@53", "reverse:udp://192.0.2.1:9@53"]
    assert len(listeners(Options(mode=modes))) == 2
    for other in ("reverse:udp://192.0.2.1:9@53", "regular@53"):
        with pytest.raises(OptionsError, match="already listens"):
            Options(mode=["dns@53", other])


def test_a_resolver_for_everybody_wants_your_word():
    for proxyauth in (None, "a:b"):
        with pytest.raises(OptionsError, match="let everybody who reaches it use it; listen on"):
            listeners(Options(mode=["dns@*:5300"], proxyauth=proxyauth))
    assert listeners(Options(mode=["dns@*:5300"], allow_open_proxy=True))


def test_the_spec_outweighs_the_options():
    assert ModeSpec.parse("regular").listen_at("::1", 7) == ("::1", 7)
    assert ModeSpec.parse("regular@8").listen_at("::1", 7) == ("::1", 8)
    assert ModeSpec.parse("regular@h:0").listen_at("::1", 7) == ("h", 0)


def test_md_18_several_modes_listen_each_at_its_place():
    planned = listeners(Options(mode=["regular", "socks5", "reverse:http://a@127.0.0.2:9"]))
    assert [(each.spec.name, each.host, each.port) for each in planned] == [
        ("regular", "127.0.0.1", 8080),
        ("socks5", "127.0.0.1", 1080),
        ("reverse", "127.0.0.2", 9),
    ]


@pytest.mark.parametrize(
    "modes",
    [
        ["regular@80", "socks5@80"],
        ["regular", "upstream:http://a"],
        ["regular@127.0.0.1:8080", "upstream:http://a"],
        ["reverse:http://a@:80", "reverse:http://b@127.0.0.1:80"],
        ["reverse:http://a@[::1]:80", "reverse:http://b@*:80"],
    ],
)
def test_md_18_an_address_taken_twice_names_the_failing_spec(modes):
    with pytest.raises(OptionsError) as caught:
        listeners(Options(mode=modes))
    assert repr(modes[0]) in str(caught.value)
    assert repr(modes[1]) in str(caught.value)
    assert "give it a port of its own" in str(caught.value)


def test_md_18_port_zero_and_other_hosts_do_not_collide():
    modes = ["regular@0", "socks5@0", "regular@127.0.0.1:9", "regular@127.0.0.2:9"]
    assert len(listeners(Options(mode=modes))) == 4


def test_a_collision_within_the_option_is_refused_at_once():
    check_modes(["regular@1", "socks5@2", "regular", "upstream:a"])
    with pytest.raises(OptionsError, match="already listens"):
        check_modes(["regular@1", "socks5@1"])


@pytest.mark.parametrize(
    "mode", ["regular@*:80", "regular@0.0.0.0:80", "socks5@10.0.0.1:80", "upstream:a@[::]:80", "regular@lan:1"]
)
def test_an_open_proxy_is_refused(mode):
    with pytest.raises(OptionsError, match="--proxyauth"):
        listeners(Options(mode=[mode]))
    assert listeners(Options(mode=[mode], allow_open_proxy=True))
    assert listeners(Options(mode=[mode], proxyauth="me:secret"))


@pytest.mark.parametrize(
    "mode", ["reverse:http://a@*:80", "transparent@*:80", "regular@localhost:80", "regular@[::1]:80"]
)
def test_what_strangers_cannot_use_may_listen(mode):
    assert listeners(Options(mode=[mode]))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST."])
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.1", "fe80::1%eth0", "localhost.example"])
def test_not_loopback(host):
    assert not is_loopback(host)


_PARTS = ["regular", "reverse", "upstream", ":", "@", "//", "http", "tcp", "a.b", "[::1]", "8080", "0", "*", "é", " "]


@given(st.one_of(st.text(), st.lists(st.sampled_from(_PARTS)).map("".join)))
def test_any_text_is_a_mode_or_refused(text):
    try:
        spec = ModeSpec.parse(text)
    except OptionsError:
        return
    assert spec.full_spec == text
    assert (spec.address is None) == (spec.name not in {"reverse", "upstream"})
    assert listeners(Options(mode=[text], allow_open_proxy=True))
