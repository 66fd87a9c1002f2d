"""HTTP/2 connections as such: who shares them, who waits for them, and how they end."""

import pytest

from midstream.addon import observe
from midstream.flow import Response
from midstream.testing.http2 import Http2Peer
from midstream.wire.events import END, Data, Reset
from midstream.wire.h2 import Limits
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import ENHANCE_YOUR_CALM, NO_ERROR, REFUSED_STREAM
from midstream.wire.h2.events import GoAway
from midstream.wire.h2.settings import MAX_CONCURRENT_STREAMS

H2C = "reverse:h2c://origin:80"


def client_of(scenario, **client):
    return Http2Peer.client(scenario.client(), **client)


def server_of(scenario, number=-1, *, streams=256):
    """Be a server that takes so many streams at a time."""
    return Http2Peer.server(scenario.servers[number], limits=Limits(concurrent_streams=streams))


def settings(peer, *pairs):
    peer.peer.sends(frames.settings(pairs))


def statuses(client, streams):
    return [client.response(stream).status for stream in streams]


def answer_all(server, status=200):
    """Answer every request that has come and has no answer yet."""
    count = 0
    for stream in server.streams:
        if server.engine._streams.get(stream) is not None:
            server.answers(stream, status, b"ok")
            count += 1
    return count


def is_going(peer):
    """Tell whether the proxy has said GOAWAY."""
    peer.hear()
    return any(isinstance(event, GoAway) for _, event in peer.connection_events)


# Sharing.


def test_many_clients_share_one_server_connection(play):
    scenario = play(H2C)
    first = client_of(scenario)
    asked = [first.asks("GET", "/1"), first.asks("GET", "/2")]
    server = server_of(scenario)
    second = client_of(scenario)
    other = second.asks("GET", "/3")
    h1 = scenario.client()
    h1.sends(b"GET /4 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [server.request(stream).head.target for stream in server.streams] == [b"/1", b"/2", b"/3", b"/4"]
    for stream in reversed(server.streams):
        server.answers(stream, 200, server.request(stream).head.target)
    assert [first.response(stream).body for stream in asked] == [b"/1", b"/2"]
    assert second.response(other).body == b"/3"
    assert b"\r\n/4\r\n" in h1.received()
    assert len(scenario.servers) == 1


def test_a_client_that_leaves_takes_only_its_own_streams_with_it(play):
    scenario = play(H2C)
    leaving, staying = client_of(scenario), client_of(scenario)
    leaving.asks("GET", "/")
    stream = staying.asks("GET", "/")
    server = server_of(scenario)
    assert len(server.streams) == 2
    leaving.peer.leaves()
    assert isinstance(server.request(1).last, Reset)
    server.answers(3, 200, b"ok")
    assert staying.response(stream).body == b"ok"
    assert len(scenario.pool) == 1


def test_what_was_lent_and_closed_leaves_nothing(play):
    scenario = play(H2C)
    client = client_of(scenario)
    streams = [client.asks("GET", f"/{n}") for n in range(20)]
    server = server_of(scenario)
    answer_all(server)
    assert statuses(client, streams) == [200] * 20
    client.peer.leaves()
    assert len(scenario.pool) == 1
    (connection,) = scenario.pool._shared.popitem()[1]
    assert connection.streams == {}
    assert connection._promised_slots == 0
    assert connection.engine.open_streams == 0
    scenario.pool.share(connection)


# Opening.


def test_a_hundred_requests_at_once_open_one_connection(play, slow_network):
    scenario = play(H2C)
    network = slow_network(scenario)
    clients = [client_of(scenario) for _ in range(10)]
    asked = [(client, client.asks("GET", f"/{n}")) for client in clients for n in range(10)]
    assert len(network.gates) == 1
    network.gates[0].set(None)
    server = server_of(scenario)
    assert len(server.streams) == 100
    # Those who waited go in their order; who opened the connection comes back to it last.
    targets = [server.request(stream).head.target for stream in server.streams]
    assert targets[:9] + targets[-1:] == [b"/%d" % n for n in range(1, 10)] + [b"/0"]
    answer_all(server)
    assert {client.response(stream).status for client, stream in asked} == {200}
    assert len(scenario.servers) == 1


def test_if_the_connection_fails_all_who_waited_are_told_its_error(play, slow_network, tape):
    scenario = play(H2C, addons=[tape])
    network = slow_network(scenario)
    scenario.unreachable["origin", 80] = ConnectionRefusedError(111, "Connection refused")
    client = client_of(scenario)
    streams = [client.asks("GET", f"/{n}") for n in range(5)]
    assert len(network.gates) == 1
    network.gates[0].set(None)
    assert statuses(client, streams) == [502] * 5
    assert {flow.error.msg for flow in tape.flows} == {"cannot connect to origin:80: Connection refused"}
    assert len(network.gates) == 1
    del scenario.unreachable["origin", 80]
    client.asks("GET", "/again")
    network.gates[1].set(None)
    assert server_of(scenario).streams == [1]


def test_if_who_opens_it_leaves_somebody_else_opens_it(play, slow_network):
    scenario = play(H2C)
    network = slow_network(scenario)
    opener, waiter, other = (client_of(scenario) for _ in range(3))
    opener.asks("GET", "/opener")
    asked, also = waiter.asks("GET", "/waiter"), other.asks("GET", "/other")
    opener.peer.leaves()
    assert len(network.gates) == 2, "one of those who waited"
    network.gates[1].set(None)
    server = server_of(scenario)
    assert [server.request(stream).head.target for stream in server.streams] == [b"/other", b"/waiter"]
    answer_all(server)
    assert statuses(waiter, [asked]) + statuses(other, [also]) == [200, 200]


def test_who_waits_for_an_opener_may_leave(play, slow_network):
    scenario = play(H2C)
    network = slow_network(scenario)
    opener, waiter = client_of(scenario), client_of(scenario)
    asked = opener.asks("GET", "/")
    waiting = waiter.asks("GET", "/")
    waiter.says(waiting, Reset("", 8))
    network.gates[0].set(None)
    server = server_of(scenario)
    assert server.streams == [1]
    server.answers(1, 200, b"ok")
    assert opener.response(asked).body == b"ok"


# Streams that a server takes (H2-07).


def test_h2_07_requests_beyond_what_the_server_takes_wait_in_order(play):
    scenario = play(H2C, http2_connections_per_host=1)
    client = client_of(scenario)
    first = client.asks("GET", "/first")
    server = server_of(scenario, streams=2)
    server.answers(1, 200, b"")
    assert client.response(first).status == 200
    streams = [client.asks("GET", f"/{n}") for n in range(6)]
    assert [server.request(stream).head.target for stream in server.streams[1:]] == [b"/0", b"/1"]
    order = []
    while (count := len(server.streams)) and server.engine.open_streams:
        stream = next(each for each in server.streams if each in server.engine._streams)
        order.append(server.request(stream).head.target)
        server.answers(stream, 200, b"ok")
        assert server.engine.open_streams <= 2
        assert len(server.streams) <= count + 1
    assert order == [b"/%d" % n for n in range(6)]
    assert statuses(client, streams) == [200] * 6
    assert len(scenario.servers) == 1


def test_h2_07_the_limit_may_be_nothing_for_a_while_and_rise_again(play):
    scenario = play(H2C)
    client = client_of(scenario)
    running = client.asks("GET", "/running")
    server = server_of(scenario)
    assert server.streams == [1]
    settings(server, (MAX_CONCURRENT_STREAMS, 0))
    waiting = [client.asks("GET", f"/{n}") for n in range(3)]
    assert server.streams == [1]
    assert len(scenario.servers) == 1, "another connection would not help"
    server.answers(1, 200, b"ok")
    assert client.response(running).status == 200
    assert server.streams == [1]
    settings(server, (MAX_CONCURRENT_STREAMS, 2))
    assert [server.request(stream).head.target for stream in server.streams[1:]] == [b"/0", b"/1"]
    settings(server, (MAX_CONCURRENT_STREAMS, 3))
    assert len(server.streams) == 4
    answer_all(server)
    assert statuses(client, waiting) == [200] * 3


def test_h2_07_the_limit_may_fall_below_what_is_open(play):
    scenario = play(H2C, http2_connections_per_host=1)
    client = client_of(scenario)
    running = [client.asks("GET", f"/{n}") for n in range(3)]
    server = server_of(scenario)
    assert len(server.streams) == 3
    settings(server, (MAX_CONCURRENT_STREAMS, 1))
    late = client.asks("GET", "/late")
    server.answers(1, 200)
    server.answers(3, 200)
    assert len(server.streams) == 3
    server.answers(5, 200)
    assert len(server.streams) == 4
    server.answers(7, 200)
    assert statuses(client, [*running, late]) == [200] * 4


def test_h2_07_a_server_that_takes_less_than_we_assumed_refuses_and_is_asked_again(play):
    scenario = play(H2C, http2_connections_per_host=1)
    client = client_of(scenario)
    streams = [client.asks("GET", f"/{n}") for n in range(5)]
    server = server_of(scenario, streams=2)
    assert [server.request(stream).head.target for stream in server.streams] == [b"/0", b"/1"]
    while answer_all(server):
        pass
    assert statuses(client, streams) == [200] * 5


def test_who_waits_for_room_may_leave(play):
    scenario = play(H2C, http2_connections_per_host=1)
    client = client_of(scenario)
    client.asks("GET", "/0")
    server = server_of(scenario, streams=1)
    server.hear()
    gone, kept = client.asks("GET", "/gone"), client.asks("GET", "/kept")
    client.says(gone, Reset("", 8))
    server.answers(1, 200)
    assert [server.request(stream).head.target for stream in server.streams] == [b"/0", b"/kept"]
    server.answers(3, 200, b"ok")
    assert client.response(kept).body == b"ok"


def test_waiting_for_room_may_take_too_long(play, tape):
    scenario = play(H2C, http2_connections_per_host=1, first_byte_timeout=30, addons=[tape])
    client = client_of(scenario)
    client.asks("POST", "/", None)
    server = server_of(scenario, streams=1)
    server.hear()
    waiting = client.asks("GET", "/late")
    scenario.advance(31)
    assert client.response(waiting).status == 504
    assert tape.flow.error.msg == "timed out: waiting for the server to take another stream"


def test_more_connections_are_opened_where_servers_take_few_streams(play):
    scenario = play(H2C, http2_connections_per_host=3)
    client = client_of(scenario)
    streams = [client.asks("GET", "/0")]
    servers = [server_of(scenario, 0, streams=1)]
    servers[0].hear()
    for number in (1, 2):
        streams.append(client.asks("GET", f"/{number}"))
        assert len(scenario.servers) == number + 1
        servers.append(server_of(scenario, number, streams=1))
        servers[number].hear()
    streams.append(client.asks("GET", "/3"))
    assert len(scenario.servers) == 3
    assert len(scenario.pool) == 3
    servers[1].answers(1, 200)
    assert servers[1].request(3).head.target == b"/3"
    for server in servers:
        answer_all(server)
    assert statuses(client, streams) == [200] * 4


# Ends.


def test_goaway_lets_streams_finish_and_sends_new_ones_elsewhere(play):
    scenario = play(H2C)
    client = client_of(scenario)
    old = client.asks("GET", "/old")
    server = server_of(scenario)
    server.hear()
    server.engine.go_away()
    server.flush()
    assert len(scenario.pool) == 0
    new = client.asks("GET", "/new")
    assert len(scenario.servers) == 2
    other = server_of(scenario)
    other.answers(1, 200, b"new")
    server.answers(1, 200, b"old")
    assert [client.response(stream).body for stream in (old, new)] == [b"old", b"new"]
    assert scenario.servers[0].is_closed
    assert not scenario.servers[1].is_closed


def test_goaway_while_idle_closes(play):
    scenario = play(H2C)
    client = client_of(scenario)
    stream = client.asks("GET", "/")
    server = server_of(scenario)
    server.answers(1, 200)
    assert client.response(stream).is_whole
    server.engine.go_away()
    server.flush()
    assert scenario.servers[0].is_closed
    assert len(scenario.pool) == 0


def test_goaway_wakes_those_who_wait_for_room(play):
    scenario = play(H2C, http2_connections_per_host=1)
    client = client_of(scenario)
    client.asks("GET", "/0")
    server = server_of(scenario, streams=1)
    server.hear()
    waiting = [client.asks("GET", f"/{n}") for n in (1, 2)]
    server.engine.go_away()
    server.flush()
    assert len(scenario.servers) == 2
    other = server_of(scenario)
    assert [other.request(stream).head.target for stream in other.streams] == [b"/1", b"/2"]
    answer_all(other)
    assert statuses(client, waiting) == [200, 200]


def test_goaway_with_an_error_fails_what_the_server_had_looked_at(play, tape):
    scenario = play(H2C, addons=[tape])
    client = client_of(scenario)
    stream = client.asks("POST", "/", b"x")
    server = server_of(scenario)
    server.hear()
    server.engine.go_away(ENHANCE_YOUR_CALM)
    server.flush()
    scenario.servers[0].leaves()
    assert client.response(stream).status == 502
    assert len(scenario.servers) == 1


def test_an_idle_server_connection_is_closed_after_its_time(play):
    scenario = play(H2C, server_idle_timeout=60)
    client = client_of(scenario)
    client.asks("GET", "/")
    server = server_of(scenario)
    server.answers(1, 200)
    scenario.advance(59)
    assert len(scenario.pool) == 1
    client.asks("GET", "/")
    scenario.advance(59)
    assert not scenario.servers[0].is_closed, "a stream is open"
    server.answers(3, 200)
    scenario.advance(59)
    assert len(scenario.pool) == 1
    scenario.advance(2)
    assert len(scenario.pool) == 0
    assert scenario.servers[0].is_closed


def test_a_server_that_shows_no_sign_of_life_is_left(play, tape):
    scenario = play(H2C, http2_ping_keepalive=10, addons=[tape])
    client = client_of(scenario)
    stream = client.asks("GET", "/")
    server = server_of(scenario)
    server.answers(1, 200, None)
    scenario.advance(11)
    server.hear()  # which answers the ping
    scenario.advance(9)
    assert not scenario.servers[0].is_closed
    client.hear()
    scenario.advance(11)
    client.hear()
    scenario.advance(11)
    assert scenario.servers[0].is_closed
    assert isinstance(client.response(stream).last, Reset)
    assert len(scenario.pool) == 0


def test_what_is_being_closed_is_handed_to_nobody(play):
    """Between our abort and the news that the connection is lost a request may come."""
    scenario = play(H2C, http2_ping_keepalive=10)
    client = client_of(scenario)
    client.asks("GET", "/")
    server_of(scenario).hear()
    (connection,) = scenario.pool._shared[next(iter(scenario.pool._shared))]
    assert connection.has_room
    connection.peer.abort()
    assert scenario.pool.take(connection.origin) is None
    scenario.settle()
    assert len(scenario.pool) == 0


def test_a_server_that_breaks_the_protocol_is_given_no_further_streams(play):
    scenario = play(H2C)
    client = client_of(scenario)
    first = client.asks("GET", "/")
    server = server_of(scenario)
    server.answers(1, 200)
    assert client.response(first).is_whole
    second = client.asks("GET", "/again")
    server.hear()
    scenario.servers[0].sends(frames.frame(frames.DATA, 0, 0, b""))
    assert len(scenario.servers) == 2, "nothing had come of the second, which can be asked again"
    other = server_of(scenario)
    other.answers(1, 200, b"ok")
    assert client.response(second).body == b"ok"
    assert is_going(server)
    scenario.advance(3)
    assert scenario.servers[0].is_closed


def test_changed_options_retire_connections(play):
    scenario = play(H2C)
    client = client_of(scenario)
    old = client.asks("GET", "/old")
    server = server_of(scenario)
    server.hear()
    scenario.act(scenario.pool.renew, 6)
    assert len(scenario.pool) == 0
    new = client.asks("GET", "/new")
    assert len(scenario.servers) == 2
    other = server_of(scenario)
    other.answers(1, 200, b"new")
    server.answers(1, 200, b"old")
    assert [client.response(stream).body for stream in (old, new)] == [b"old", b"new"]
    assert scenario.servers[0].is_closed
    assert len(scenario.pool) == 1


def test_a_connection_made_under_older_options_is_not_shared(play, slow_network):
    scenario = play(H2C)
    network = slow_network(scenario)
    client = client_of(scenario)
    stream = client.asks("GET", "/")
    network.gates[0].set(None)  # the peer is there, and the connection as well
    server = server_of(scenario)
    scenario.act(scenario.pool.renew, 6)
    server.answers(1, 200, b"ok")
    assert client.response(stream).body == b"ok"
    assert scenario.servers[0].is_closed
    assert len(scenario.pool) == 0


# Owners.


def test_scripts_that_may_steer_connections_keep_clients_apart(play):
    class Steer:
        def server_connect(self, data):
            pass

    scenario = play(H2C, addons=[Steer()])
    first, second = client_of(scenario), client_of(scenario)
    mine, also_mine, yours = first.asks("GET", "/1"), first.asks("GET", "/2"), second.asks("GET", "/3")
    assert len(scenario.servers) == 2
    servers = [server_of(scenario, 0), server_of(scenario, 1)]
    assert [len(server.streams) for server in servers] == [2, 1]
    for server in servers:
        answer_all(server)
    assert statuses(first, [mine, also_mine]) + statuses(second, [yours]) == [200] * 3
    assert len(scenario.pool) == 2
    first.peer.leaves()
    assert scenario.servers[0].is_closed
    assert not scenario.servers[1].is_closed
    assert len(scenario.pool) == 1


def test_hooks_that_only_look_keep_nobody_apart(play):
    class Look:
        @observe
        def server_connect(self, data):
            pass

    scenario = play(H2C, addons=[Look()])
    for _ in range(2):
        client_of(scenario).asks("GET", "/")
    assert len(scenario.servers) == 1


def test_ntlm_binds_connections_to_the_client(play):
    """HTTP/1 is what NTLM needs, and HTTP/2 connections are not handed to others either from then on."""
    scenario = play(H2C)
    first, second = client_of(scenario), client_of(scenario)
    stream = first.asks("GET", "/")
    server = server_of(scenario)
    server.answers(1, 401, b"", fields=[(b"www-authenticate", b"NTLM")])
    assert first.response(stream).status == 401
    first.asks("GET", "/again")
    assert len(scenario.servers) == 2, "one of its own"
    second.asks("GET", "/")
    assert len(server.streams) == 2, "others go on sharing"
    first.peer.leaves()
    assert not scenario.servers[0].is_closed


# Client connections.


def test_shutting_down_lets_streams_finish(play):
    scenario = play(H2C)
    client = client_of(scenario)
    stream = client.asks("GET", "/")
    server = server_of(scenario)
    scenario.act(scenario._connections[0].stop_if_idle)
    client.asks("GET", "/too-late")
    assert is_going(client)
    assert not client.peer.is_closed
    assert server.streams == [1]
    server.answers(1, 200, b"ok")
    assert client.response(stream).body == b"ok"
    assert client.peer.is_closed
    assert scenario.connections == 0


def test_shutting_down_closes_what_is_idle(play):
    scenario = play(H2C)
    client = client_of(scenario)
    scenario.act(scenario._connections[0].stop_if_idle)
    client.hear()
    assert is_going(client)
    assert client.peer.is_closed


def test_shutting_down_waits_for_a_client_that_reads_slowly(play):
    class Large:
        def request(self, flow):
            flow.response = Response.make(200, b"x" * 300_000)

    scenario = play(H2C, addons=[Large()])
    client = client_of(scenario, limits=Limits(stream_window=1 << 20))
    client.hear()
    client.peer.transport.reads_slowly = True
    client.consumes = False
    stream = client.asks("GET", "/")
    scenario.act(scenario._connections[0].stop_if_idle)
    assert not client.peer.is_closed
    client.hear()
    assert client.response(stream).is_whole
    assert client.peer.is_closed


def test_an_idle_client_is_told_to_go_after_its_time(play):
    scenario = play(H2C, client_idle_timeout=30)
    client = client_of(scenario)
    client.hear()
    scenario.advance(29)
    client.engine.ping(b"12345678")
    client.flush()
    scenario.advance(29)
    assert not client.peer.is_closed
    scenario.advance(2)
    assert is_going(client)
    assert client.peer.is_closed


def test_a_client_that_shows_no_sign_of_life_is_left(play):
    scenario = play(H2C, http2_ping_keepalive=10)
    client = client_of(scenario)
    client.asks("GET", "/")
    server = server_of(scenario)
    server.hear()
    for _ in range(2):
        scenario.advance(11)
        server.hear()
    assert client.peer.is_closed
    assert isinstance(server.request(1).last, Reset)


def test_half_a_frame_has_its_time(play):
    scenario = play(H2C, header_timeout=10)
    client = client_of(scenario)
    client.peer.sends(b"\x00\x00\x10")
    scenario.advance(6)
    client.peer.sends(b"\x01")
    scenario.advance(6)
    assert client.peer.is_closed
    assert scenario.connections == 0


def test_a_client_that_says_goaway_gets_its_answers(play):
    scenario = play(H2C)
    client = client_of(scenario)
    stream = client.asks("GET", "/")
    client.engine.go_away()
    client.flush()
    server = server_of(scenario)
    server.answers(1, 200, b"ok")
    assert client.response(stream).body == b"ok"
    assert client.peer.is_closed


def test_a_flood_ends_the_clients_connection(play):
    scenario = play(H2C, http2_max_control_frames=10)
    client = client_of(scenario)
    stream = client.asks("GET", "/")
    server = server_of(scenario)
    server.hear()
    for _ in range(101):
        client.peer.sends(frames.frame(frames.PING, 0, 0, b"12345678"))
    client.hear()
    goaways = [event for _, event in client.connection_events if isinstance(event, GoAway)]
    assert [goaway.code for goaway in goaways] == [ENHANCE_YOUR_CALM]
    assert stream
    assert isinstance(server.request(1).last, Reset)
    scenario.advance(3)
    assert client.peer.is_closed


# Servers that speak HTTP/1 only.


@pytest.mark.parametrize("how", ["answers", "ends", "leaves"])
def test_a_clear_text_server_that_knows_no_http2_is_asked_again_in_http1(play, how):
    scenario = play("reverse:http://origin:80")
    client = client_of(scenario)
    streams = [client.asks("GET", "/1"), client.asks("GET", "/2")]
    assert len(scenario.servers) == 1
    assert scenario.servers[0].received().startswith(b"PRI * HTTP/2.0")
    if how == "answers":
        scenario.servers[0].sends(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    else:
        getattr(scenario.servers[0], how)()
    assert len(scenario.servers) == 3, "one each, and nobody waits"
    for number, server in enumerate(scenario.servers[1:], 1):
        assert server.received().startswith(b"GET /%d HTTP/1.1\r\n" % number)
        server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert [client.response(stream).body for stream in streams] == [b"ok", b"ok"]
    client.asks("GET", "/3")
    assert len(scenario.servers) == 3
    assert scenario.servers[2].received().startswith(b"GET /3 HTTP/1.1\r\n"), "that is remembered"


def test_bodies_end_up_whole_on_both_sides(play):
    scenario = play(H2C)
    client = client_of(scenario)
    stream = client.asks("POST", "/", None)
    for _ in range(40):
        client.says(stream, Data(b"x" * 10_000))
    server = server_of(scenario)
    for _ in range(4):
        server.hear()
        client.hear()
    client.says(stream, END)
    assert len(server.request(1).body) == 400_000
    server.answers(1, 200, b"y" * 400_000)
    for _ in range(4):
        client.hear()
        server.hear()
    assert len(client.response(stream).body) == 400_000
    assert (NO_ERROR, REFUSED_STREAM) == (0, 7)
