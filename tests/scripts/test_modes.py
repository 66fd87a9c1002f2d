"""Where a connection leads in each mode, and what each mode says to its client when it leads nowhere."""

import socket

import pytest

from midstream.addon import observe
from midstream.proxy import connection as module
from midstream.wire.proxyline import write_v1, write_v2

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SOCKS5 = b"\x05\x01\x00"
V4 = b"\x05\x01\x00\x01\xc0\x00\x02\x07\x00\x50"
V6 = b"\x05\x01\x00\x04" + bytes(15) + b"\x07\x00\x50"
NAME = b"\x05\x01\x00\x03\x01a\x00\x50"
REFUSED = ConnectionRefusedError(111, "Connection refused")


class Clients:
    """Keeps clients and the hooks of connections."""

    def __init__(self):
        self.hooks = []
        self.client = None
        self.servers = []

    @observe
    def client_connected(self, client):
        self.hooks.append("client_connected")
        self.client = client

    @observe
    def client_disconnected(self, client):
        self.hooks.append("client_disconnected")

    @observe
    def server_connect(self, data):
        self.hooks.append("server_connect")
        self.servers.append(data.server)

    @observe
    def server_connected(self, data):
        self.hooks.append("server_connected")

    @observe
    def server_connect_error(self, data):
        self.hooks.append("server_connect_error")

    @observe
    def server_disconnected(self, data):
        self.hooks.append("server_disconnected")


@pytest.fixture
def clients():
    return Clients()


@pytest.fixture
def redirected(monkeypatch):
    """Let the firewall have redirected all clients from this destination."""

    def redirect(host, port):
        monkeypatch.setattr(module, "original_destination", lambda peer: (host, port))

    return redirect


# Hooks of connections.


def test_hooks_of_connections_fire_in_order(play, clients):
    scenario = play(addons=[clients])
    client = scenario.client()
    client.sends(b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n")
    (server,) = scenario.servers
    server.sends(OK)
    client.ends()
    server.ends()
    assert clients.hooks == [
        "client_connected",
        "server_connect",
        "server_connected",
        "client_disconnected",
        "server_disconnected",
    ]
    assert not clients.client.connected
    assert not clients.servers[0].connected


def test_a_client_that_an_addon_refuses_is_closed_and_its_end_told(play, clients):
    class Refuse:
        def client_connected(self, client):
            client.error = "go away"

    scenario = play(addons=[clients, Refuse()])
    assert scenario.client().is_closed
    assert clients.hooks == ["client_connected", "client_disconnected"]


def test_a_server_that_an_addon_refuses_is_not_connected_to(play, clients):
    class Refuse:
        def server_connect(self, data):
            data.server.error = "not this one"

    scenario = play(addons=[clients, Refuse()])
    client = scenario.client()
    client.sends(b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n")
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"not this one" in answer
    assert scenario.dialled == []
    assert clients.hooks[1:3] == ["server_connect", "server_connect_error"]


def test_an_addon_steers_where_connections_go(play, clients):
    class Steer:
        def server_connect(self, data):
            data.server.address = ("elsewhere", 81)

    scenario = play(addons=[clients, Steer()])
    scenario.client().sends(b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n")
    assert scenario.dialled == [("elsewhere", 81, None)]


# Ourselves.


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost.", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"])
@pytest.mark.parametrize("form", ["absolute", "connect", "origin"])
def test_md_01_own_address_is_refused_with_clear_text(play, host, form):
    scenario = play()
    client = scenario.client()
    line = {
        "absolute": f"GET http://{host}:8080/ HTTP/1.1",
        "connect": f"CONNECT {host}:8080 HTTP/1.1",
        "origin": "GET / HTTP/1.1",
    }
    client.sends(f"{line[form]}\r\nHost: {host}:8080\r\n\r\n".encode())
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"is this proxy itself" in answer
    assert scenario.servers == []


def test_md_01_own_address_under_another_name_is_found_once_connected(play, clients, monkeypatch):
    scenario = play(addons=[clients])
    scenario.session.own_addresses.add(("192.0.2.1", 80))  # where scripted servers are
    client = scenario.client()
    client.sends(b"GET http://alias.example/ HTTP/1.1\r\nHost: alias.example\r\n\r\n")
    assert b"is this proxy itself" in client.received()
    assert scenario.servers[0].is_closed
    assert clients.hooks[1:3] == ["server_connect", "server_connect_error"]


def test_md_01_in_transparent_mode_the_client_is_told_too(play, redirected):
    redirected("127.0.0.1", 8080)
    scenario = play("transparent")
    client = scenario.client()
    client.sends(GET)
    assert b"is this proxy itself" in client.received()


# Transparent.


def test_transparent_mode_leads_to_the_original_destination(play, redirected, tape):
    redirected("192.0.2.9", 80)
    scenario = play("transparent", addons=[tape])
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    assert server.address == ("192.0.2.9", 80)
    assert server.received() == GET
    server.sends(OK)
    assert client.received() == OK
    assert tape.flow.request.host == "192.0.2.9"
    assert tape.flow.request.pretty_host == "a"


def test_transparent_mode_with_an_unreachable_server_tells_http_clients_why(play, redirected):
    redirected("192.0.2.9", 80)
    scenario = play("transparent")
    scenario.unreachable[("192.0.2.9", 80)] = REFUSED
    client = scenario.client()
    client.sends(GET)
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"Connection refused" in answer


def test_transparent_mode_with_an_unreachable_server_closes_on_those_that_wait(play, redirected):
    redirected("192.0.2.9", 25)
    scenario = play("transparent")
    scenario.unreachable[("192.0.2.9", 25)] = REFUSED
    client = scenario.client()
    scenario.advance(3)
    assert client.is_closed


def test_md_03_a_connection_that_nobody_redirected_is_closed(play):
    class Bare:
        family = socket.AF_INET

        def fileno(self):
            return self.real.fileno()

    bare = Bare()
    with socket.socket() as bare.real:
        scenario = play("transparent")
        original = module.original_destination

        def with_socket(peer):
            peer.transport._extra["socket"] = bare
            return original(peer)

        module.original_destination = with_socket
        try:
            assert scenario.client().is_closed
        finally:
            module.original_destination = original


# SOCKS.


@pytest.mark.parametrize(
    ("request_bytes", "address"),
    [(V4, ("192.0.2.7", 80)), (V6, ("::7", 80)), (NAME, ("a", 80))],
    ids=["IPv4", "IPv6", "domain"],
)
def test_md_17_socks5_addresses(play, request_bytes, address):
    scenario = play("socks5")
    client = scenario.client()
    client.sends(SOCKS5)
    assert client.received() == b"\x05\x00"
    client.sends(request_bytes)
    assert client.received()[:4] == b"\x05\x00\x00\x01"
    client.sends(GET)
    (server,) = scenario.servers
    assert server.address == address
    server.sends(OK)
    assert client.received() == OK


def test_md_17_all_at_once_and_byte_by_byte(play):
    for piece in (0, 1):
        scenario = play("socks5")
        client = scenario.client()
        client.sends(SOCKS5 + NAME + GET, piece=piece)
        assert scenario.servers[0].received() == GET


def test_md_17_socks4_and_4a(play):
    scenario = play("socks5")
    client = scenario.client()
    client.sends(b"\x04\x01\x00\x50\x00\x00\x00\x01me\0a\0")
    assert client.received()[:2] == b"\x00\x5a"
    assert scenario.servers[0].address == ("a", 80)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (REFUSED, 5),
        (OSError(113, "No route to host"), 4),
        (OSError(101, "Network is unreachable"), 3),
        (socket.gaierror(-2, "Name or service not known"), 4),
        (TimeoutError(110, "Connection timed out"), 6),
        (OSError(5, "odd"), 1),
    ],
)
def test_md_17_error_codes(play, error, code):
    scenario = play("socks5")
    scenario.unreachable[("a", 80)] = error
    client = scenario.client()
    client.sends(SOCKS5 + NAME)
    assert client.received()[:4] == bytes([5, 0, 5, code])
    assert client.is_closed


def test_md_17_what_an_addon_refuses_is_not_allowed(play):
    class Refuse:
        def server_connect(self, data):
            data.server.error = "no"

    client = play("socks5", addons=[Refuse()]).client()
    client.sends(SOCKS5 + NAME)
    assert client.received()[:4] == b"\x05\x00\x05\x02"


@pytest.mark.parametrize("command", [2, 3])
def test_md_17_bind_and_udp_are_refused_clearly(play, command):
    client = play("socks5").client()
    client.sends(SOCKS5 + bytes([5, command]) + NAME[2:])
    assert client.received()[:4] == b"\x05\x00\x05\x07"
    assert client.is_closed


def test_md_17_the_server_may_speak_first(play):
    scenario = play("socks5")
    client = scenario.client()
    client.sends(SOCKS5 + NAME)
    client.received()
    scenario.servers[0].sends(b"220 hello\r\n")
    assert client.received() == b"220 hello\r\n"


def test_md_17_plain_http_on_the_port_gets_a_hint(play):
    client = play("socks5").client()
    client.sends(GET)
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"socks5://" in answer


@pytest.mark.parametrize("is_right", [True, False])
def test_md_09_socks_login(play, is_right):
    class Guard:
        def socks5_auth(self, data):
            data.valid = (data.username, data.password) == ("me", "secret")

    scenario = play("socks5", addons=[Guard()])
    client = scenario.client()
    password = b"secret" if is_right else b"guessed"
    client.sends(b"\x05\x02\x00\x02")
    assert client.received() == b"\x05\x02"
    client.sends(b"\x01\x02me" + bytes([len(password)]) + password + (NAME if is_right else b""))
    if is_right:
        assert client.received()[:4] == b"\x01\x00\x05\x00"
    else:
        assert client.received() == b"\x01\x01"
        assert client.is_closed
        assert scenario.dialled == []


def test_regular_mode_takes_socks_clients_too(play):
    scenario = play()
    client = scenario.client()
    client.sends(SOCKS5 + NAME + GET)
    assert scenario.servers[0].address == ("a", 80)


def test_upstream_mode_leads_socks_clients_through_the_parent(play):
    scenario = play("upstream:http://parent:3128")
    client = scenario.client()
    client.sends(SOCKS5 + NAME)
    (parent,) = scenario.servers
    assert parent.address == ("parent", 3128)
    assert parent.received().startswith(b"CONNECT a:80 HTTP/1.1\r\n")


def test_a_client_that_leaves_ends_the_dialling(play, slow_network, clients):
    scenario = play("socks5", addons=[clients])
    slow_network(scenario)
    client = scenario.client()
    client.sends(SOCKS5 + NAME)
    client.leaves()
    assert scenario.connections == 0
    assert clients.hooks == ["client_connected", "server_connect", "server_connect_error", "client_disconnected"]


# Upstream.


def connect_through(scenario, target=b"a:443"):
    client = scenario.client()
    client.sends(b"CONNECT " + target + b" HTTP/1.1\r\nHost: " + target + b"\r\n\r\n")
    return client, scenario.servers[-1]


def test_md_11_plain_http_goes_to_the_parent_as_whole_urls_without_connect(play):
    scenario = play("upstream:http://parent:3128")
    client = scenario.client()
    client.sends(b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n")
    (parent,) = scenario.servers
    assert parent.address == ("parent", 3128)
    assert parent.received() == b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n"
    parent.sends(OK)
    assert client.received() == OK


@pytest.mark.parametrize(
    ("target", "sent"),
    [(b"a:443", b"a:443"), (b"[::1]:443", b"[::1]:443"), ("bücher.example:443".encode(), b"xn--bcher-kva.example:443")],
    ids=["name", "IPv6", "IDN"],
)
def test_md_11_tunnels_go_through_connect(play, target, sent):
    scenario = play("upstream:http://parent:3128")
    client, parent = connect_through(scenario, target)
    assert parent.received() == b"CONNECT " + sent + b" HTTP/1.1\r\nHost: " + sent + b"\r\n\r\n"
    parent.sends(b"HTTP/1.1 200 fine\r\n\r\n")
    assert client.received() == b"HTTP/1.1 200 Connection established\r\n\r\n"
    parent.sends(b"220 hello\r\n")
    assert client.received() == b"220 hello\r\n"


def test_md_11_the_host_field_of_connect_can_be_left_out(play):
    scenario = play("upstream:http://parent:3128", http_connect_send_host_header=False)
    _, parent = connect_through(scenario)
    assert parent.received() == b"CONNECT a:443 HTTP/1.1\r\n\r\n"


def test_md_11_addons_add_to_connect(play):
    class Auth:
        def http_connect_upstream(self, flow):
            flow.request.headers["Proxy-Authorization"] = "Basic x"

    scenario = play("upstream:http://parent:3128", addons=[Auth()])
    _, parent = connect_through(scenario)
    assert b"\r\nProxy-Authorization: Basic x\r\n" in parent.received()


def test_md_11_a_parent_that_does_not_answer_is_a_504(play):
    scenario = play("upstream:http://parent:3128", connect_timeout=30)
    client, parent = connect_through(scenario)
    scenario.advance(31)
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 504 ")
    assert b"parent proxy" in answer
    assert parent.is_closed


def test_md_11_a_parent_that_hangs_up_is_a_502(play):
    scenario = play("upstream:http://parent:3128")
    client, parent = connect_through(scenario)
    parent.ends()
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"parent proxy closed" in answer


def test_md_11_clear_text_in_a_tunnel_is_for_the_server_not_for_the_parent(play):
    class Auth:
        def requestheaders(self, flow):
            flow.request.headers["Proxy-Authorization"] = "Basic secret"

    scenario = play("upstream:http://parent:3128", addons=[Auth()])
    client, parent = connect_through(scenario, b"a:80")
    parent.received()
    parent.sends(b"HTTP/1.1 200 fine\r\n\r\n")
    client.received()
    client.sends(GET)
    assert parent.received() == GET
    parent.sends(OK)
    assert client.received() == OK
    other = scenario.client()
    other.sends(b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n")
    assert len(scenario.servers) == 2, "a tunnel is no connection for whole URLs"


@pytest.mark.parametrize("status", [b"407 Proxy Authentication Required", b"403 Forbidden", b"502 Bad Gateway"])
def test_md_12_the_parents_refusal_reaches_the_client_with_its_body(play, tape, status):
    scenario = play("upstream:http://parent:3128", addons=[tape])
    client, parent = connect_through(scenario)
    parent.sends(b"HTTP/1.1 " + status + b"\r\nProxy-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nwhy")
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 " + status + b"\r\nProxy-Authenticate: Basic\r\n")
    assert answer.endswith(b"\r\n\r\nwhy")
    assert tape.hooks == ["http_connect", "http_connect_error"]


def test_md_12_ntlm_takes_several_connects_over_one_connection_to_the_parent(play):
    scenario = play("upstream:http://parent:3128")
    client, parent = connect_through(scenario)
    parent.received()
    parent.sends(b"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM abc\r\nContent-Length: 0\r\n\r\n")
    assert b"\r\nProxy-Authenticate: NTLM abc\r\n" in client.received()
    client.sends(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nProxy-Authorization: NTLM def\r\n\r\n")
    assert scenario.servers == [parent]
    assert parent.received() == b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nProxy-Authorization: NTLM def\r\n\r\n"
    parent.sends(b"HTTP/1.1 200 Fine\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 200 ")
    client.sends(b"hello")
    assert parent.received() == b""  # it may yet be the beginning of a request line
    scenario.advance(5)
    assert parent.received() == b"hello"


def test_a_tunnel_that_a_client_got_with_its_own_login_is_shared_with_nobody(play):
    scenario = play("upstream:http://parent:3128")
    connect = b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n"
    for login in (b"Proxy-Authorization: Basic bWU6\r\n", b""):
        client = scenario.client()
        client.sends(connect + login + b"\r\n")
        parent = scenario.servers[-1]
        assert parent.received() == connect + login + b"\r\n"
        parent.sends(b"HTTP/1.1 200 Fine\r\n\r\n")
        client.received()
        client.sends(GET)
        assert parent.received() == GET
        parent.sends(OK)
        assert client.received() == OK
    assert len(scenario.servers) == 2


@pytest.mark.parametrize("hook", ["tls_start_server", "http_connect_upstream", "server_connect"])
def test_connections_that_scripts_may_make_by_client_are_not_shared(play, hook):
    class Maker:
        pass

    setattr(Maker, hook, lambda self, data: None)
    scenario = play("reverse:http://a", addons=[Maker()])
    for _ in range(2):
        client = scenario.client()
        client.sends(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        scenario.servers[-1].sends(OK)
        assert client.received() == OK
    assert len(scenario.servers) == 2


def test_md_12_a_parent_that_leaves_after_its_refusal_is_connected_to_again(play):
    scenario = play("upstream:http://parent:3128")
    client, parent = connect_through(scenario)
    parent.sends(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
    client.received()
    parent.ends()
    client.sends(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
    assert parent.is_closed
    assert scenario.servers[1].received().startswith(b"CONNECT a:443 ")


def test_md_12_a_refusing_parent_is_let_go_with_the_client(play):
    scenario = play("upstream:http://parent:3128")
    client, parent = connect_through(scenario)
    parent.sends(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
    assert not parent.is_closed
    client.leaves()
    assert parent.is_closed


def test_socks_parents(play):
    scenario = play("upstream:socks5://parent:1080", upstream_auth="me:secret")
    client = scenario.client()
    client.sends(b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n")
    (parent,) = scenario.servers
    parent.received()
    parent.sends(b"\x05\x02")
    assert parent.received() == b"\x01\x02me\x06secret"
    parent.sends(b"\x01\x00")
    assert parent.received() == b"\x05\x01\x00\x03\x01a\x00\x50"
    parent.sends(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
    assert parent.received() == b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
    parent.sends(OK)
    assert client.received() == OK


def test_a_socks_parent_that_refuses_is_a_502_that_says_why(play):
    scenario = play("upstream:socks5://parent:1080")
    client = scenario.client()
    client.sends(b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n")
    (parent,) = scenario.servers
    parent.sends(b"\x05\x00")
    parent.sends(b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00")
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"connection refused" in answer


# Reverse.


@pytest.mark.parametrize(
    ("mode", "host"),
    [
        ("reverse:http://back:8000", b"back:8000"),
        ("reverse:http://back", b"back"),
        ("reverse:http://[::7]:8000", b"[::7]:8000"),
    ],
)
def test_md_13_reverse_mode_rewrites_host_with_its_port(play, mode, host):
    scenario = play(mode)
    client = scenario.client()
    client.sends(b"GET /x HTTP/1.1\r\nHost: front\r\n\r\n")
    (server,) = scenario.servers
    assert server.received() == b"GET /x HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
    server.sends(OK)
    assert client.received() == OK


def test_md_13_reverse_mode_keeps_host_if_told(play):
    scenario = play("reverse:http://back:8000", keep_host_header=True)
    scenario.client().sends(b"GET /x HTTP/1.1\r\nHost: front\r\n\r\n")
    assert scenario.servers[0].received() == b"GET /x HTTP/1.1\r\nHost: front\r\n\r\n"


def test_reverse_tls_with_a_silent_client_lets_the_server_speak(play):
    scenario = play("reverse:tls://back:993")
    client = scenario.client()
    assert scenario.dialled == []
    scenario.advance(2)
    (server,) = scenario.servers
    assert server.received()[:2] == b"\x16\x03", "no TLS hello for the server"
    assert not client.is_closed


# PROXY protocol.


@pytest.mark.parametrize("write", [write_v1, write_v2])
@pytest.mark.parametrize("piece", [0, 1])
def test_md_24_the_proxy_line_tells_the_client(play, clients, write, piece):
    scenario = play("reverse:http://back:8000", addons=[clients], proxy_protocol=["127.0.0.0/8"])
    client = scenario.client()
    client.sends(write(("203.0.113.5", 4444), ("198.51.100.1", 80)) + GET, piece=piece)
    assert clients.client.peername == ("203.0.113.5", 4444)
    assert scenario.servers[0].received().startswith(b"GET / ")


def test_md_24_the_client_is_judged_by_what_the_line_says(play, clients):
    class Block:
        def client_connected(self, client):
            if client.peername[0] == "203.0.113.5":
                client.error = "blocked"

    scenario = play("reverse:http://back:8000", addons=[Block()], proxy_protocol=["127.0.0.1"])
    client = scenario.client()
    client.sends(write_v1(("203.0.113.5", 4444), ("198.51.100.1", 80)) + GET)
    assert client.is_closed
    assert scenario.dialled == []


def test_md_24_who_must_send_a_line_and_does_not_is_closed(play, clients):
    scenario = play(addons=[clients], proxy_protocol=["127.0.0.1"])
    client = scenario.client()
    client.sends(GET)
    assert client.is_closed
    assert clients.hooks == []


@pytest.mark.parametrize("networks", [[], ["10.0.0.0/8"]])
def test_md_24_lines_of_strangers_are_not_believed(play, clients, networks):
    scenario = play(addons=[clients], proxy_protocol=networks)
    client = scenario.client()
    client.sends(write_v1(("203.0.113.5", 4444), ("198.51.100.1", 80)) + GET)
    assert client.received().startswith(b"HTTP/1.1 400 ")
    assert clients.client.peername == ("127.0.0.1", 50000)


def test_md_24_a_balancer_that_never_sends_its_line_is_given_up(play):
    scenario = play(proxy_protocol=["127.0.0.1"], header_timeout=10)
    client = scenario.client()
    client.sends(b"PROXY TCP4")
    scenario.advance(11)
    assert client.is_closed


# Time.


def test_a_client_that_says_nothing_is_closed(play):
    scenario = play(client_idle_timeout=20)
    client = scenario.client()
    scenario.advance(21)
    assert client.is_closed


def test_a_connection_kept_for_its_first_request_is_not_kept_for_ever(play, redirected):
    redirected("192.0.2.9", 80)
    scenario = play("transparent", server_idle_timeout=50)
    client = scenario.client()
    client.sends(b"GET / HTTP/1.1\r\n")
    scenario.advance(51)
    assert scenario.servers[0].is_closed
    client.sends(b"Host: a\r\n\r\n")
    assert scenario.servers[1].received() == GET
