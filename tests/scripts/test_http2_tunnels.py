"""HTTP/2 to the proxy itself: CONNECT on streams, and whatever goes on inside them (H2-38)."""

import pytest

from midstream.addons.proxyauth import ProxyAuth
from midstream.addons.switch import Switch
from midstream.flow import Response
from midstream.testing.http2 import Http2Peer
from midstream.testing.tls import client_context, tls_client
from midstream.wire.events import END, Data, Reset
from midstream.wire.h2 import Limits
from midstream.wire.h2.errors import CANCEL, CONNECT_ERROR
from midstream.wire.h2.events import GoAway
from scriptkit.recorder import Recorder

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Tunnel:
    """A CONNECT on a stream, which TLS (or another HTTP/2) can be put into."""

    def __init__(self, client, target="a.example:443", *, fields=()):
        self.client = client
        self._taken = 0
        self.stream = client.asks("CONNECT", target, None, authority=target, fields=list(fields))

    @property
    def came(self):
        return self.client.response(self.stream)

    def sends(self, data):
        self.client.says(self.stream, Data(data))

    def received(self):
        data = self.came.body[self._taken :]
        self._taken += len(data)
        return data

    def ends(self):
        self.client.says(self.stream, END)

    def resets(self, code=CANCEL):
        self.client.says(self.stream, Reset("", code))

    @property
    def is_over(self):
        self.client.hear()
        return self.client.engine._streams.get(self.stream) is None


def client_of(scenario, **client):
    return Http2Peer.client(scenario.client(), **client)


# What is inside.


def test_http1_in_a_tunnel(play, tape):
    scenario = play(addons=[tape])
    tunnel = Tunnel(client_of(scenario), "a.example:80")
    assert tunnel.came.status == 200
    tunnel.sends(GET)
    (server,) = scenario.servers
    assert server.received() == GET
    server.sends(OK)
    assert tunnel.received() == OK
    assert tape.hooks[:2] == ["http_connect", "http_connected"]
    connect, get = tape.flows
    assert connect.stream_id == tunnel.stream
    assert get.request.url == "http://a.example/"
    assert get.client_conn == connect.client_conn, "to addons it is the same client"
    assert get.client_conn is not connect.client_conn, "but what is inside has facts of its own"


def test_what_was_sent_before_the_answer_is_not_lost(play, slow_network):
    scenario = play()
    network = slow_network(scenario)
    tunnel = Tunnel(client_of(scenario), "a.example:80")
    tunnel.sends(GET)
    tunnel.ends()
    assert not tunnel.came.events
    network.gates[0].set(None)
    assert scenario.servers[0].received() == GET
    scenario.servers[0].sends(OK)
    assert tunnel.received() == OK
    assert tunnel.came.is_whole
    assert tunnel.is_over


def test_many_tunnels_on_one_connection_with_tls_inside(trusting, origins, tape):
    scenario = trusting(addons=[tape])
    outer = client_of(scenario)
    inside = []
    for number in range(10):
        tunnel = Tunnel(outer, f"s{number}.example:443")
        client = tls_client(scenario, tunnel, f"s{number}.example", alpn=("h2", "http/1.1"))
        client.turn()
        speaks = b"h2" if number % 2 else b"http/1.1"
        server = origins.serve(scenario.servers[-1], f"s{number}.example", alpn=(speaks,))
        client.shake(server)
        assert client.endpoint.alpn == server.endpoint.alpn == speaks
        inside.append((client, server))
    streams = {}
    for number, (client, server) in enumerate(inside):
        if number % 2:
            speaker = Http2Peer.client(client)
            streams[number] = speaker, speaker.asks("GET", "/", authority=f"s{number}.example", scheme="https")
            origin = Http2Peer.server(server)
            origin.answers(1, 200, b"%d" % number)
        else:
            client.sends(GET)
            assert server.received() == GET
            server.sends(OK)
    for number, (client, _) in enumerate(inside):
        if number % 2:
            speaker, stream = streams[number]
            assert speaker.response(stream).body == b"%d" % number
        else:
            assert client.received() == OK
    assert len(tape.flows) == 20
    assert {flow.client_conn.id for flow in tape.flows} == {tape.flow.client_conn.id}
    assert {flow.client_conn.sni for flow in tape.flows if flow.request.method == "GET"} == {
        f"s{number}.example" for number in range(10)
    }
    for number, (speaker, _) in streams.items():
        assert speaker.engine.open_streams == 0, number


def test_http2_to_the_proxy_over_tls(trusting, origins, tape):
    """The secure web proxy: h2 is offered, and inside CONNECT there is TLS again."""
    scenario = trusting(addons=[tape])
    secure = tls_client(scenario, scenario.client(), "127.0.0.1", alpn=("h2", "http/1.1")).shake()
    assert secure.endpoint.alpn == b"h2"
    outer = Http2Peer.client(secure)
    plain = outer.asks("GET", "/plain", authority="p.example")
    scenario.servers[0].sends(OK)
    assert outer.response(plain).body == b"ok"
    tunnel = Tunnel(outer)
    client = tls_client(scenario, tunnel, "a.example")
    client.turn()
    server = origins.serve(scenario.servers[-1], "a.example")
    client.shake(server)
    client.sends(GET)
    assert server.received() == GET
    server.sends(OK)
    assert client.received() == OK
    assert tape.flows[0].client_conn.alpn == b"h2"
    assert not tape.flow.client_conn.alpn


def test_http2_in_clear_text_in_a_tunnel(play, tape):
    scenario = play(addons=[tape])
    tunnel = Tunnel(client_of(scenario), "a.example:80")
    inner = Http2Peer.client(tunnel)
    stream = inner.asks("GET", "/", authority="a.example")
    server = Http2Peer.server(scenario.servers[0])
    server.answers(1, 200, b"ok")
    assert inner.response(stream).body == b"ok"
    assert tape.flow.request.http_version == "HTTP/2.0"
    assert tape.flow.client_conn.http2 is not tape.flows[0].client_conn.http2


def test_raw_bytes_both_ways_and_half_close(play):
    tcp = Recorder("tcp_start", "tcp_end", "tcp_error", but="tcp_")
    scenario = play(addons=[tcp])
    tunnel = Tunnel(client_of(scenario), "a.example:25")
    (server,) = scenario.servers
    server.sends(b"220 hello\r\n")
    assert tunnel.received() == b"220 hello\r\n"
    tunnel.sends(b"\x00EHLO\r\n")
    assert server.received() == b"\x00EHLO\r\n"
    tunnel.ends()
    assert server.was_told_the_end
    assert not server.is_closed
    server.sends(b"still here")
    assert tunnel.received() == b"still here"
    server.ends()
    assert tunnel.came.is_whole
    assert tunnel.is_over
    assert server.is_closed
    assert tcp.hooks == ["start", "end"]
    assert tcp.flows[0].client_conn.peername == ("127.0.0.1", 50000)


def test_the_server_ends_first(play):
    scenario = play(addons=[Recorder("tcp_start", "tcp_end", "tcp_error", but="tcp_")])
    tunnel = Tunnel(client_of(scenario), "a.example:25")
    (server,) = scenario.servers
    server.sends(b"bye")
    server.ends()
    assert tunnel.received() == b"bye"
    assert tunnel.came.is_whole
    tunnel.sends(b"last words")
    assert server.received() == b"last words"
    tunnel.ends()
    assert tunnel.is_over
    assert server.is_closed


def test_ignored_hosts_in_a_tunnel_are_spliced(play, tape):
    tcp = Recorder("tcp_start", "tcp_end", "tcp_error", but="tcp_")
    scenario = play(ignore_hosts=["a.example"], addons=[tape, tcp])
    tunnel = Tunnel(client_of(scenario), "a.example:443")
    tunnel.sends(b"anything")
    (server,) = scenario.servers
    assert server.received() == b"anything"
    server.sends(b"back")
    assert tunnel.received() == b"back"
    server.ends()
    assert tunnel.came.is_whole
    tunnel.ends()
    assert tunnel.is_over
    assert tcp.hooks == []
    assert len(tape.flows) == 1


def test_a_tunnel_inside_a_tunnel_is_asked_of_the_server(play, tape):
    """Inside a tunnel we are no proxy any more: a CONNECT there is for whoever is at its other end."""
    tcp = Recorder("tcp_start", "tcp_end", "tcp_error", but="tcp_")
    scenario = play(addons=[tape, tcp])
    outer = client_of(scenario)
    tunnel = Tunnel(outer, "proxy.example:3128")
    inner = Http2Peer.client(tunnel)
    within = Tunnel(inner, "b.example:443")
    server = Http2Peer.server(scenario.servers[0])
    head = server.request(1).head
    assert (head.method, head.authority) == (b"CONNECT", b"b.example:443")
    server.answers(1, 200, None)
    within.sends(b"deep")
    assert server.request(1).body == b"deep"
    server.says(1, Data(b"down"))
    assert within.received() == b"down"
    within.ends()
    assert server.request(1).is_whole
    server.says(1, END)
    assert within.came.is_whole
    assert within.is_over
    assert tcp.hooks == ["start", "end"]
    assert not outer.peer.is_closed


def test_a_tunnel_over_http1_with_http2_and_a_tunnel_inside(play):
    scenario = play()
    plain = scenario.client()
    plain.sends(b"CONNECT proxy.example:3128 HTTP/1.1\r\nHost: proxy.example:3128\r\n\r\n")
    assert plain.received().startswith(b"HTTP/1.1 200 ")
    inner = Http2Peer.client(plain)
    within = Tunnel(inner, "b.example:443")
    server = Http2Peer.server(scenario.servers[0])
    server.answers(1, 200, None)
    within.sends(b"deep")
    assert server.request(1).body == b"deep"
    server.says(1, Reset("", CANCEL))
    assert isinstance(within.came.last, Reset)


def test_requests_and_tunnels_go_on_side_by_side(play):
    scenario = play()
    client = client_of(scenario)
    tunnel = Tunnel(client, "a.example:25")
    stream = client.asks("GET", "/", authority="b.example")
    scenario.servers[1].sends(OK)
    assert client.response(stream).body == b"ok"
    tunnel.sends(b"\x00")
    assert scenario.servers[0].received() == b"\x00"


def test_a_client_hello_may_leave_a_tunnel_alone(trusting, origins):
    class Ignore:
        def tls_clienthello(self, data):
            data.ignore_connection = True

    scenario = trusting(addons=[Ignore()])
    client = tls_client(
        scenario, Tunnel(client_of(scenario)), "a.example", context=client_context(origins.authority.certificate)
    )
    client.turn()
    server = origins.serve(scenario.servers[0], "a.example")
    client.shake(server)
    client.sends(b"unseen")
    assert server.received() == b"unseen"


def test_an_addon_may_be_the_server_in_a_tunnel(trusting):
    class Here:
        def __init__(self):
            self.serves = {"mid.st": self.answer}

        def answer(self, flow):
            flow.response = Response.make(200, b"here")

    scenario = trusting(addons=[Here()])
    client = tls_client(scenario, Tunnel(client_of(scenario), "mid.st:443"), "mid.st", alpn=("h2",)).shake()
    speaker = Http2Peer.client(client)
    stream = speaker.asks("GET", "/", authority="mid.st", scheme="https")
    assert speaker.response(stream).body == b"here"
    assert scenario.servers == []


def test_a_slow_reader_of_what_is_deep_inside_holds_the_server(trusting, origins):
    """HTTP/2 in TLS in a tunnel on HTTP/2: each has windows, and none of them lets memory grow."""
    scenario = trusting()
    outer = client_of(scenario)
    client = tls_client(scenario, Tunnel(outer), "a.example", alpn=("h2",))
    client.turn()
    server = origins.serve(scenario.servers[0], "a.example", alpn=(b"http/1.1",))
    client.shake(server)
    speaker = Http2Peer.client(client, limits=Limits(stream_window=100_000_000, connection_window=100_000_000))
    stream = speaker.asks("GET", "/", authority="a.example", scheme="https")
    server.received()
    outer.consumes = False
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n")
    sent = 0
    while scenario.servers[0].may_send and sent < 20_000_000:
        server.sends(b"z" * 100_000)
        sent += 100_000
    assert sent < 5_000_000
    outer.consumes = True
    held = len(outer.response(1).body)
    outer.engine.consumed(1, held)
    outer.flush()
    while len(speaker.response(stream).body) < sent:
        before = len(speaker.response(stream).body)
        speaker.hear()
        assert len(speaker.response(stream).body) > before
    assert scenario.servers[0].may_send


# Ends.


def test_a_reset_by_the_client_ends_the_tunnel(play):
    tcp = Recorder("tcp_start", "tcp_end", "tcp_error", but="tcp_")
    scenario = play(addons=[tcp])
    tunnel = Tunnel(client_of(scenario), "a.example:25")
    tunnel.sends(b"\x00")
    tunnel.resets()
    assert scenario.servers[0].is_closed
    assert tcp.hooks == ["start", "error"]
    assert scenario.connections == 1
    assert scenario._connections[0]._inner == set()


def test_a_reset_reaches_a_tunnel_that_is_not_being_read(play):
    """A client that gives up while its data waits for a slow server is not kept waiting for."""
    scenario = play(addons=[Recorder("tcp_start", "tcp_end", "tcp_error", but="tcp_")])
    client = client_of(scenario)
    tunnel = Tunnel(client, "a.example:25")
    (server,) = scenario.servers
    tunnel.sends(b"\x00")
    server.received()
    server.transport.reads_slowly = True
    for _ in range(12):
        client.hear()
        tunnel.sends(b"x" * 60_000)
    tunnel.resets()
    assert server.is_closed


def test_a_server_that_breaks_off_resets_the_stream(play):
    tcp = Recorder("tcp_start", "tcp_end", "tcp_error", but="tcp_")
    scenario = play(addons=[tcp])
    tunnel = Tunnel(client_of(scenario), "a.example:25")
    tunnel.sends(b"\x00")
    scenario.servers[0].sends(b"last words")
    scenario.servers[0].leaves()
    assert tunnel.came.body == b"last words"
    assert tunnel.came.last == Reset("the server reset the stream: CONNECT_ERROR", CONNECT_ERROR)
    assert tunnel.is_over
    assert tcp.hooks == ["start", "error"]


def test_a_client_that_stays_silent_after_the_end_is_not_waited_for(play):
    scenario = play()
    client = client_of(scenario)
    tunnel = Tunnel(client, "a.example:25")
    scenario.servers[0].sends(b"220 hello")
    scenario.servers[0].ends()
    scenario.act(next(iter(scenario._connections[0]._inner)).peer.close)
    assert tunnel.came.is_whole
    for _ in range(3):
        scenario.advance(31)
        client.hear()
    assert tunnel.came.last == Reset("the server reset the stream: CANCEL", CANCEL)
    assert not client.peer.is_closed


def test_when_the_connection_goes_all_its_tunnels_go(play):
    tcp = Recorder("tcp_start", "tcp_end", "tcp_error", but="tcp_")
    scenario = play(addons=[tcp])
    client = client_of(scenario)
    tunnels = [Tunnel(client, f"s{number}.example:25") for number in range(5)]
    for tunnel in tunnels[:3]:
        tunnel.sends(b"\x00")
    client.peer.leaves()
    assert all(server.is_closed for server in scenario.servers)
    assert tcp.hooks.count("error") == 3
    assert scenario.connections == 0


def test_when_the_connection_goes_while_a_connect_is_under_way(play, slow_network, tape):
    scenario = play(addons=[tape])
    network = slow_network(scenario)
    client = client_of(scenario)
    Tunnel(client, "a.example:25")
    client.peer.leaves()
    assert scenario.connections == 0
    assert len(network.gates) == 1
    assert tape.flow.error.msg == "the client closed the connection"


def test_a_connect_while_an_earlier_one_is_still_connecting(play, slow_network):
    scenario = play()
    network = slow_network(scenario)
    client = client_of(scenario)
    slow, quick, given_up = (Tunnel(client, f"{name}.example:25") for name in ("slow", "quick", "given-up"))
    assert len(network.gates) == 3
    network.gates[1].set(None)
    assert quick.came.status == 200
    quick.sends(b"\x00")
    assert scenario.servers[0].received() == b"\x00"
    given_up.resets()
    assert not slow.came.events
    network.gates[0].set(None)
    assert slow.came.status == 200
    assert [server.address[0] for server in scenario.servers] == ["quick.example", "slow.example"]


def test_a_connect_may_be_held_for_long(play):
    """No time runs out while somebody thinks about it."""

    class Hold:
        def http_connect(self, flow):
            flow.intercept()
            self.flow = flow

    hold = Hold()
    scenario = play(addons=[hold], tcp_timeout=60, http2_ping_keepalive=0)
    tunnel = Tunnel(client_of(scenario), "a.example:25")
    scenario.advance(61)
    scenario.advance(61)
    scenario.act(hold.flow.resume)
    assert tunnel.came.status == 200
    tunnel.sends(b"\x00")
    assert scenario.servers[0].received() == b"\x00"


def test_a_silent_tunnel_ends_after_its_time(play):
    scenario = play(
        addons=[Recorder("tcp_start", "tcp_end", "tcp_error", but="tcp_")], tcp_timeout=60, http2_ping_keepalive=0
    )
    client = client_of(scenario)
    tunnel = Tunnel(client, "a.example:25")
    tunnel.sends(b"\x00")
    scenario.advance(59)
    scenario.servers[0].sends(b"alive")
    scenario.advance(59)
    assert tunnel.received() == b"alive"
    assert not scenario.servers[0].is_closed
    scenario.advance(2)
    assert scenario.servers[0].is_closed
    assert isinstance(tunnel.came.last, Reset)


def test_shutting_down_lets_tunnels_finish_and_ends_idle_ones(play):
    scenario = play()
    client = client_of(scenario)
    busy, silent = Tunnel(client, "a.example:80"), Tunnel(client, "b.example:80")
    busy.sends(GET)
    scenario.act(scenario._connections[0].stop_if_idle)
    assert silent.is_over
    scenario.servers[0].sends(OK)
    assert busy.received().startswith(b"HTTP/1.1 200 ")
    assert any(isinstance(event, GoAway) for _, event in client.connection_events)
    busy.ends()
    assert client.peer.is_closed


# Slow readers.


@pytest.mark.parametrize("is_watched", [True, False])
def test_a_slow_server_holds_the_client_and_memory_stays_bounded(play, is_watched):
    scenario = play(
        http2_stream_window=200_000,
        http2_window_growth=1,
        addons=[Recorder("tcp_start", "tcp_end", "tcp_error", but="tcp_")] if is_watched else [],
    )
    client = client_of(scenario)
    tunnel = Tunnel(client, "a.example:25")
    (server,) = scenario.servers
    tunnel.sends(b"\x00")
    server.received()
    server.transport.reads_slowly = True
    for _ in range(100):
        client.hear()
        tunnel.sends(b"x" * 20_000)
    parked = client.engine.parked(tunnel.stream)
    assert parked > 1_000_000, "most of it has not left the client"
    total = 0
    while data := server.received():
        total += len(data)
        client.hear()
    assert total == 2_000_000
    assert client.engine.parked(tunnel.stream) == 0


def test_a_slow_tunnel_does_not_hold_others(play):
    scenario = play(http2_stream_window=200_000, http2_window_growth=1)
    client = client_of(scenario)
    slow, quick = Tunnel(client, "slow.example:25"), Tunnel(client, "quick.example:25")
    for tunnel in (slow, quick):
        tunnel.sends(b"\x00")
    scenario.servers[0].transport.reads_slowly = True
    for _ in range(50):
        client.hear()
        slow.sends(b"x" * 20_000)
        quick.sends(b"y" * 20_000)
    client.hear()
    assert len(scenario.servers[1].received()) == 1_000_001
    assert client.engine.parked(slow.stream) > 500_000
    slow.resets()


@pytest.mark.parametrize("is_watched", [True, False])
def test_a_slow_client_holds_the_server(play, is_watched):
    scenario = play(addons=[Recorder("tcp_start", "tcp_end", "tcp_error", but="tcp_")] if is_watched else [])
    client = client_of(scenario, limits=Limits(stream_window=100_000))
    tunnel = Tunnel(client, "a.example:25")
    (server,) = scenario.servers
    tunnel.sends(b"\x00")
    client.consumes = False
    sent = 0
    while server.may_send and sent < 10_000_000:
        server.sends(b"y" * 50_000)
        sent += 50_000
    assert sent < 1_000_000
    client.hear()
    client.consumes = True
    client.engine.consumed(tunnel.stream, len(tunnel.came.body))
    client.flush()
    for _ in range(20):
        client.hear()
    assert len(tunnel.came.body) == sent
    assert server.may_send


def test_a_client_connection_that_is_not_read_holds_the_server(play):
    scenario = play()
    client = client_of(scenario)
    tunnel = Tunnel(client, "a.example:25")
    (server,) = scenario.servers
    tunnel.sends(b"\x00")
    client.hear()
    client.peer.transport.reads_slowly = True
    sent = 0
    while server.may_send and sent < 10_000_000:
        server.sends(b"y" * 50_000)
        sent += 50_000
    assert sent < 1_000_000
    for _ in range(20):
        client.hear()
    assert len(tunnel.came.body) == sent
    assert server.may_send


def test_what_is_parked_is_sent_after_the_server_has_gone(play):
    scenario = play()
    client = client_of(scenario, limits=Limits(stream_window=70_000))
    tunnel = Tunnel(client, "a.example:25")
    (server,) = scenario.servers
    tunnel.sends(b"\x00")
    client.consumes = False
    server.sends(b"y" * 100_000)
    server.ends()
    tunnel.ends()
    assert server.is_closed
    client.hear()
    client.consumes = True
    client.engine.consumed(tunnel.stream, 65_535)
    client.flush()
    for _ in range(5):
        client.hear()
    assert len(tunnel.came.body) == 100_000
    assert tunnel.came.is_whole


# Refusals.


def test_an_unreachable_server_is_a_502_on_the_stream(play, tape):
    scenario = play(addons=[tape])
    scenario.unreachable["gone.example", 443] = ConnectionRefusedError(111, "Connection refused")
    client = client_of(scenario)
    tunnel = Tunnel(client, "gone.example:443")
    assert tunnel.came.status == 502
    assert b"Connection refused" in tunnel.came.body
    tunnel.ends()
    assert tunnel.is_over
    assert tape.hooks[:2] == ["http_connect", "http_connect_error"]
    assert not client.peer.is_closed
    assert Tunnel(client, "there.example:443").came.status == 200


def test_an_addon_may_refuse_a_connect(play, tape):
    class Refuse:
        def http_connect(self, flow):
            flow.response = Response.make(403, b"no tunnels today")

    scenario = play(addons=[Refuse(), tape])
    client = client_of(scenario)
    tunnel = Tunnel(client)
    assert (tunnel.came.status, tunnel.came.body) == (403, b"no tunnels today")
    assert tunnel.came.is_whole
    assert tape.hooks == ["http_connect", "http_connect_error"]
    assert scenario.servers == []
    tunnel.sends(b"\x16\x03\x01")
    assert not tunnel.is_over, "the answer is not overtaken by a reset"
    scenario.advance(3)
    assert tunnel.came.last == Reset("the server reset the stream: NO_ERROR", 0), "what would follow is not wanted"
    assert not client.peer.is_closed


def test_an_addon_may_kill_a_connect(play):
    class Kill:
        def http_connect(self, flow):
            flow.kill()

    scenario = play(addons=[Kill()])
    client = client_of(scenario)
    tunnel = Tunnel(client)
    assert isinstance(tunnel.came.last, Reset)
    assert not client.peer.is_closed


def test_a_connect_without_a_port_is_refused(play):
    scenario = play()
    client = client_of(scenario)
    tunnel = Tunnel(client, "a.example")
    assert tunnel.came.status == 400
    assert not client.peer.is_closed


def test_the_parents_refusal_is_passed_on(play):
    scenario = play("upstream:http://parent:3128")
    client = client_of(scenario)
    tunnel = Tunnel(client)
    (parent,) = scenario.servers
    assert parent.received().startswith(b"CONNECT a.example:443 HTTP/1.1\r\n")
    parent.sends(b"HTTP/1.1 403 No\r\nX-Parent: yes\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno!")
    assert (tunnel.came.status, tunnel.came.body) == (403, b"no!")
    assert (b"x-parent", b"yes") in tunnel.came.fields
    assert not any(name == b"connection" for name, _ in tunnel.came.fields)


def test_through_a_parent(play, tape):
    scenario = play("upstream:http://parent:3128", addons=[tape])
    tunnel = Tunnel(client_of(scenario), "a.example:80")
    (parent,) = scenario.servers
    parent.received()
    parent.sends(b"HTTP/1.1 200 OK\r\n\r\n")
    assert tunnel.came.status == 200
    tunnel.sends(GET)
    assert parent.received() == GET
    parent.sends(OK)
    assert tunnel.received() == OK
    assert tape.flow.server_conn.via == ("http", ("parent", 3128))


def test_what_the_parent_lets_a_client_do_is_nobody_elses(play):
    """A client's own login at the parent binds connections to it, inside its tunnels too."""
    scenario = play("upstream:http://parent:3128")
    login = [(b"proxy-authorization", b"Basic bWU6c2VjcmV0")]
    mine = Tunnel(client_of(scenario), "a.example:80", fields=login)
    (parent,) = scenario.servers
    assert b"Proxy-Authorization: Basic bWU6c2VjcmV0\r\n".lower() in parent.received().lower()
    parent.sends(b"HTTP/1.1 200 OK\r\n\r\n")
    mine.sends(GET)
    parent.received()
    parent.sends(OK)
    assert mine.received() == OK
    yours = Tunnel(client_of(scenario), "a.example:80")
    yours.sends(GET)
    assert parent.received() == b"", "somebody else does not get to the server on it"
    assert len(scenario.servers) == 2


# Passwords.


@pytest.fixture
def guarded(play):
    return play(proxyauth="me:secret", addons=[Switch("proxyauth", {"proxyauth"}, ProxyAuth.wanted)])


def test_without_a_password_the_stream_gets_a_407(guarded):
    client = client_of(guarded)
    tunnel = Tunnel(client, "a.example:80")
    assert tunnel.came.status == 407
    assert (b"proxy-authenticate", b'Basic realm="midstream", charset="UTF-8"') in tunnel.came.fields
    assert guarded.servers == []
    assert not client.peer.is_closed


def test_once_is_enough_on_a_connection_and_in_all_its_tunnels(guarded):
    client = client_of(guarded)
    login = [(b"proxy-authorization", b"Basic bWU6c2VjcmV0")]
    first = Tunnel(client, "a.example:80", fields=login)
    assert first.came.status == 200
    first.sends(GET)
    assert guarded.servers[0].received() == GET
    guarded.servers[0].sends(OK)
    assert first.received() == OK
    second = Tunnel(client, "b.example:80")
    assert second.came.status == 200
    second.sends(GET)
    assert guarded.servers[1].received() == GET


# Hooks.


def test_connections_of_scripts_end_with_the_client_and_not_with_a_tunnel(play):
    class Steer:
        def server_connect(self, data):
            self.client = data.client

    steer = Steer()
    scenario = play(addons=[steer])
    client = client_of(scenario)
    first, second = Tunnel(client, "a.example:80"), Tunnel(client, "a.example:80")
    for tunnel in (first, second):
        tunnel.sends(GET)
    for server in scenario.servers:
        server.sends(OK)
    assert len(scenario.pool) == 2
    first.ends()
    assert first.is_over
    second.sends(GET)
    assert not second.is_over
    assert steer.client.id == scenario._connections[0].client.id
    client.peer.leaves()
    assert all(server.is_closed for server in scenario.servers)


def test_the_facts_of_what_is_inside_say_when_it_ended(play, tape):
    scenario = play(addons=[tape])
    tunnel = Tunnel(client_of(scenario), "a.example:80")
    tunnel.sends(GET)
    scenario.servers[0].sends(OK)
    inner = tape.flow.client_conn
    assert inner.connected
    tunnel.ends()
    assert not inner.connected
    assert inner.timestamp_end == 1000.0
    assert tape.flows[0].client_conn.connected
