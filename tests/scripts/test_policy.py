"""Which connections are opened, relayed as raw TCP, or left alone, by every name that a server has (MD-05, MD-07)."""

import pytest

from midstream.addon import observe
from midstream.proxy import connection as module
from midstream.testing.tls import client_context, tls_client

GET = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Tcp:
    def __init__(self):
        self.hooks = []

    @observe
    def tcp_start(self, flow):
        self.hooks.append("start")

    @observe
    def tcp_message(self, flow):
        self.hooks.append("message")

    @observe
    def tls_clienthello(self, data):
        self.hooks.append("hello")


@pytest.fixture
def tcp():
    return Tcp()


@pytest.fixture
def transparent(play, monkeypatch, tape, tcp):
    """Make transparent scenarios; the destination is an address, as a firewall knows it."""

    def make(destination=("192.0.2.9", 80), **options):
        monkeypatch.setattr(module, "original_destination", lambda peer: destination)
        return play("transparent", addons=[tape, tcp], **options)

    return make


def is_read(scenario, tape, data=GET):
    """Send a request; tell whether it was read as HTTP. It always reaches the server."""
    client = scenario.client()
    client.sends(data)
    assert scenario.servers[-1].received() == data
    scenario.servers[-1].sends(OK)
    assert client.received() == OK
    return bool(tape.flows)


@pytest.mark.parametrize(
    ("pattern", "is_ignored"),
    [
        (r"192\.0\.2\.9", True),
        (r"^192\.0\.2\.9:80$", True),
        (r"192\.0\.2\.9:443", False),
        (r"shop\.example", True),
        (r"^SHOP\.EXAMPLE:80$", True),
        (r"shop\.example:443", False),
        (r"other", False),
    ],
)
@pytest.mark.parametrize("piece", [0, 1])
def test_md_05_ignore_hosts_by_address_and_host_field(transparent, tape, tcp, pattern, is_ignored, piece):
    scenario = transparent(ignore_hosts=[pattern])
    client = scenario.client()
    client.sends(GET, piece=piece)
    assert scenario.servers[-1].received() == GET
    scenario.servers[-1].sends(OK)
    assert client.received() == OK
    assert bool(tape.flows) is not is_ignored
    assert tcp.hooks == []


@pytest.mark.parametrize(
    ("pattern", "is_allowed"), [(r"192\.0\.2\.9:80", True), (r"shop\.example", True), (r"other", False)]
)
def test_md_05_allow_hosts(transparent, tape, pattern, is_allowed):
    assert is_read(transparent(allow_hosts=[pattern]), tape) is is_allowed


def test_md_05_ignore_wins_over_allow(transparent, tape):
    assert not is_read(transparent(ignore_hosts=["shop"], allow_hosts=["192"]), tape)


def test_md_05_ipv6_in_brackets(transparent, tape):
    assert not is_read(transparent(("2001:db8::9", 80), ignore_hosts=[r"^\[2001:db8::9\]:80$"]), tape)
    assert is_read(transparent(("2001:db8::9", 80), ignore_hosts=[r"^\[2001:db8::9\]:81$"]), tape)


def test_md_05_a_host_field_with_its_own_port(transparent, tape):
    data = GET.replace(b"shop.example", b"shop.example:8080")
    assert not is_read(transparent(ignore_hosts=[r"shop\.example:8080"]), tape, data)


def test_md_05_a_request_without_a_readable_host(transparent, tape):
    data = GET.replace(b"shop.example", b"a b")
    scenario = transparent(ignore_hosts=["shop"])
    scenario.client().sends(data)
    assert tape.flows or scenario.servers[0].received() == b""


def test_md_05_server_first_protocols_are_ignored_by_address(transparent, tape, tcp):
    scenario = transparent(("192.0.2.9", 25), allow_hosts=["nothing"])
    client = scenario.client()
    scenario.servers[0].sends(b"220 hello\r\n")
    assert client.received() == b"220 hello\r\n"
    assert tcp.hooks == []


@pytest.mark.parametrize("form", ["ignore_hosts", "allow_hosts"])
@pytest.mark.parametrize("sni", ["shop.example", "other.example"])
def test_md_05_by_sni(transparent, origins, tcp, form, sni):
    scenario = transparent(
        ("192.0.2.9", 443), ssl_verify_upstream_trusted_ca=origins.path, **{form: [r"^shop\.example:443$"]}
    )
    is_ignored = (sni == "shop.example") is (form == "ignore_hosts")
    context = client_context(origins.authority.certificate) if is_ignored else None
    client = tls_client(scenario, scenario.client(), sni, context=context)
    client.turn()
    server = origins.serve(scenario.servers[0], sni)
    client.shake(server)
    client.sends(GET)
    assert server.received() == GET


def test_md_05_ignored_in_a_tunnel_by_name(play, tape, tcp):
    scenario = play(addons=[tape, tcp], ignore_hosts=[r"^pinned\.example:443$"])
    client = scenario.client()
    client.sends(b"CONNECT pinned.example:443 HTTP/1.1\r\nHost: pinned.example:443\r\n\r\nwhatever")
    assert scenario.servers[0].received() == b"whatever"
    scenario.servers[0].sends(b"back")
    assert client.received().endswith(b"\r\n\r\nback")
    assert tcp.hooks == []


def test_md_05_requests_by_whole_url_are_never_ignored(play, tape):
    scenario = play(addons=[tape], ignore_hosts=[".*"])
    scenario.client().sends(b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n")
    assert tape.flows


def test_md_07_ignored_connections_keep_their_half_closes(transparent):
    scenario = transparent(ignore_hosts=[".*"])
    client = scenario.client()
    client.sends(GET)
    client.ends()
    (server,) = scenario.servers
    assert server.received() == GET
    assert server.was_told_the_end
    server.sends(OK)
    server.ends()
    assert client.received() == OK
    assert client.is_closed


def test_md_07_ignored_connections_can_be_shown(transparent, tcp):
    scenario = transparent(ignore_hosts=[".*"], show_ignored_hosts=True)
    client = scenario.client()
    client.sends(GET)
    assert scenario.servers[0].received() == GET
    assert tcp.hooks == ["start", "message"]


def test_md_07_an_ignored_connection_without_its_server_is_closed(transparent):
    scenario = transparent(ignore_hosts=[".*"])
    scenario.unreachable[("192.0.2.9", 80)] = ConnectionRefusedError(111, "refused")
    client = scenario.client()
    client.sends(GET)
    assert client.is_closed


@pytest.mark.parametrize("pattern", [r"192\.0\.2\.9", r"shop\.example"])
def test_tcp_hosts_in_clear_text(transparent, tape, tcp, pattern):
    assert not is_read(transparent(tcp_hosts=[pattern]), tape)
    assert tcp.hooks == ["start", "message", "message"]


def test_tcp_hosts_inside_tls(transparent, origins, tape, tcp):
    scenario = transparent(
        ("192.0.2.9", 443), tcp_hosts=[r"shop\.example"], ssl_verify_upstream_trusted_ca=origins.path
    )
    client = tls_client(scenario, scenario.client(), "shop.example", alpn=("h2", "imap"))
    client.turn()
    server = origins.serve(scenario.servers[0], "shop.example", alpn=(b"imap",))
    client.shake(server)
    assert client.endpoint.alpn == b"imap"
    client.sends(GET)
    assert server.received() == GET
    assert tape.flows == []
    assert tcp.hooks == ["hello", "start", "message"]


def test_lists_changed_at_run_time_count_for_new_connections(transparent, tape):
    scenario = transparent()
    first = scenario.client()
    first.sends(GET)
    scenario.servers[0].sends(OK)
    assert first.received() == OK
    scenario.options.update(ignore_hosts=[".*"])
    scenario.session.reload()
    assert len(tape.flows) == 1
    assert is_read(scenario, tape)
    assert len(tape.flows) == 1
    first.sends(GET)
    assert len(tape.flows) == 2


def test_next_layer_lets_addons_choose(transparent, tape, tcp):
    class Choose:
        def next_layer(self, nextlayer):
            assert nextlayer.data_client() == GET
            nextlayer.layer = "tcp"

    scenario = transparent()
    scenario.addons.add(Choose())
    assert not is_read(scenario, tape)
    assert tcp.hooks == ["start", "message", "message"]
