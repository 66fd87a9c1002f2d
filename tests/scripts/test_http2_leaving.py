"""Who leaves when: clients and servers that disconnect, end or reset at every stage of exchanges over HTTP/2."""

import pytest

from midstream.proxy.stepper import Signal
from midstream.testing import Http2Peer
from midstream.wire.events import END, Data, RequestHead, Reset
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import CANCEL, INTERNAL_ERROR, REFUSED_STREAM
from midstream.wire.h2.frame import END_HEADERS

TO_HTTP1 = {"mode": "reverse:http://origin:80", "server_http2": "never"}
STAGES = ["head of an upload", "inside an upload", "waiting", "inside the response", "complete"]


def at_stage(both, stage):
    """Bring an exchange so far; return the client's stream."""
    stream = both.client.asks("POST", "/", None if "upload" in stage else b"abc")
    if stage == "inside an upload":
        both.client.says(stream, Data(b"abc"))
    if stage in STAGES[3:] and both.scenario.servers:
        both.server.answers(1, 200, None)
        both.server.says(1, Data(b"some"), *([END] if stage == "complete" else []))
        both.client.hear()
    return stream


def ends_well(tape, stage):
    if stage == "complete":
        return tape.hooks[-1] == "response" and tape.flow.error is None
    return tape.hooks[-1] == "error" and tape.hooks.count("error") == 1 and not tape.flow.live


# Clients.


@pytest.mark.parametrize("stage", STAGES)
def test_h1_45_a_client_that_disconnects(duet, tape, addons, stage):
    both = duet(addons=addons)
    at_stage(both, stage)
    both.client.peer.leaves()
    assert ends_well(tape, stage)
    if stage != "complete":
        assert "disconnected" in tape.flow.error.msg or "closed the connection" in tape.flow.error.msg
    if both.scenario.servers and stage != "complete":
        assert both.server.request(1).code == CANCEL
        assert not both.origin.is_closed, "the connection is good for other clients"
    assert both.scenario.connections == 0


@pytest.mark.parametrize("stage", STAGES)
def test_h1_45_a_client_that_resets_its_stream(duet, tape, addons, stage):
    both = duet(addons=addons)
    stream = at_stage(both, stage)
    both.client.resets(stream, CANCEL)
    assert ends_well(tape, stage)
    if both.scenario.servers and stage != "complete":
        assert both.server.request(1).code == CANCEL
        assert not both.origin.is_closed
    assert not both.client.peer.is_closed
    again = both.client.asks("GET")
    both.server.answers(both.server.streams[-1], 200, b"ok")
    assert both.client.response(again).body == b"ok"


@pytest.mark.parametrize("stage", STAGES)
def test_h1_45_a_client_that_disconnects_from_an_http_1_server(duet, tape, stage):
    both = duet(**TO_HTTP1, addons=[tape])
    both.client.asks("POST", "/", None if "upload" in stage else b"abc")
    if stage == "inside the response":
        both.origin.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome")
    if stage == "complete":
        both.origin.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsome")
    both.client.peer.leaves()
    assert ends_well(tape, stage)
    assert both.origin.is_closed == (stage != "complete")


@pytest.mark.parametrize("stage", STAGES)
def test_ob_02_a_client_that_sends_no_more(duet, tape, stage):
    """FIN ends HTTP/2 for both directions: nobody could answer SETTINGS or open windows any more."""
    both = duet(addons=[tape])
    at_stage(both, stage)
    both.client.peer.ends()
    assert tape.hooks[-1] in {"error", "response"}
    assert both.client.peer.is_closed
    assert both.scenario.connections == 0


def test_a_client_that_leaves_while_the_server_is_connected_to(play, tape, slow_network):
    scenario = play("reverse:h2c://origin:80", addons=[tape])
    network = slow_network(scenario)
    client = Http2Peer.client(scenario.client())
    stream = client.asks("GET", "/first")
    client.asks("GET", "/second")
    client.resets(stream, CANCEL)
    assert tape.hooks.count("error") == 1
    for _ in range(2):
        for gate in network.gates:
            gate.set(None)
        scenario.settle()
    server = Http2Peer.server(scenario.servers[-1])
    (at,) = server.streams
    assert server.request(at).head.target == b"/second"
    server.answers(at, 200, b"ok")
    assert client.response(3).body == b"ok"


@pytest.mark.parametrize("way", ["leaves", "resets"])
@pytest.mark.parametrize("hook", ["requestheaders", "request", "responseheaders", "response"])
def test_a_client_that_leaves_while_a_hook_waits(duet, tape, hook, way):
    gate = Signal()

    async def wait(self, flow):
        await gate

    both = duet(addons=[tape, type("Waits", (), {hook: wait})()])
    stream = both.client.asks("POST", "/", b"abc")
    if both.scenario.servers:
        both.server.answers(1, 200, b"ok")
    if way == "leaves":
        both.client.peer.leaves()
    else:
        both.client.resets(stream, CANCEL)
    gate.set(None)
    both.scenario.settle()
    assert tape.hooks.count("error") == 1
    assert not tape.flow.live


def test_all_streams_of_a_client_end_with_its_connection(duet, tape):
    both = duet(addons=[tape])
    for number in range(5):
        both.client.asks("GET", f"/{number}")
    both.server.answers(1, 200, b"ok")
    both.server.answers(3, 200, None)
    both.client.peer.leaves()
    assert tape.hooks.count("error") == 4
    assert [both.server.request(at).code for at in both.server.streams] == [None, *[CANCEL] * 4]


def test_a_client_that_leaves_inside_a_frame(duet, tape):
    both = duet(addons=[tape])
    both.client.engine.open_whole(_head(both), b"")
    wire = both.client.engine.take_output()
    both.client.peer.sends(wire[:-3])
    both.client.peer.leaves()
    assert tape.hooks == []
    assert both.scenario.connections == 0


def _head(both):
    return RequestHead(b"GET", b"/", b"HTTP/2.0", [], 0, scheme=b"http", authority=b"a")


# Servers.


@pytest.mark.parametrize("way", ["leaves", "ends"])
@pytest.mark.parametrize("stage", STAGES)
def test_h1_16_a_server_that_goes(duet, tape, addons, stage, way):
    both = duet(addons=addons)
    stream = at_stage(both, stage)
    if not both.scenario.servers:
        both.client.says(stream, END)
    both.server.hear()
    getattr(both.origin, way)()
    assert ends_well(tape, stage)
    response = both.client.response(stream)
    if stage == "complete":
        assert response.is_whole
    elif stage == "inside the response" and len(addons) == 1:
        assert response.body == b"some"
        assert not response.is_whole
        assert response.code == INTERNAL_ERROR
        assert tape.flow.response.content == b"some", "the record has what came"
    else:
        assert response.status == 502
        assert response.is_whole
    assert not both.client.peer.is_closed
    assert both.origin.is_closed
    assert len(both.scenario.pool) == 0
    again = both.client.asks("GET")
    other = Http2Peer.server(both.scenario.servers[1])
    other.answers(1, 200, b"ok")
    assert both.client.response(again).body == b"ok"


@pytest.mark.parametrize("stage", STAGES[:-1])
def test_h1_16_an_http_1_server_that_goes(duet, tape, stage):
    both = duet(**TO_HTTP1, addons=[tape])
    stream = both.client.asks("POST", "/", None if "upload" in stage else b"abc")
    if stage == "inside the response":
        both.origin.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome")
    both.origin.leaves()
    response = both.client.response(stream)
    if stage == "inside the response":
        assert not response.is_whole
        assert response.code == INTERNAL_ERROR
    else:
        assert response.status == 502
    assert not both.client.peer.is_closed
    assert ends_well(tape, stage)


def test_h1_16_a_server_that_goes_is_a_closed_connection_for_http_1(play, tape):
    scenario = play("reverse:h2c://origin:80", addons=[tape])
    client = scenario.client()
    client.sends(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    server = Http2Peer.server(scenario.servers[0])
    server.answers(1, 200, None)
    server.says(1, Data(b"some"))
    server.peer.leaves()
    assert client.received().endswith(b"4\r\nsome\r\n"), "no last chunk"
    assert client.is_closed


def test_a_server_that_goes_takes_all_its_streams_and_no_others(duet, tape):
    both = duet(addons=[tape])
    streams = [both.client.asks("POST", f"/{number}", b"x") for number in range(4)]
    both.server.answers(1, 200, b"ok")
    both.server.answers(3, 200, None)
    both.origin.leaves()
    assert both.client.response(streams[0]).is_whole
    assert both.client.response(streams[1]).code == INTERNAL_ERROR
    assert [both.client.response(stream).status for stream in streams[2:]] == [502, 502]
    assert tape.hooks.count("error") == 3


def test_a_server_that_says_nonsense(duet, tape):
    both = duet(addons=[tape])
    stream = both.client.asks("POST", "/", b"x")
    both.origin.sends(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    assert both.client.response(stream).status == 502
    assert tape.hooks[-1] == "error"
    assert both.origin.was_told_the_end
    assert not both.client.peer.is_closed
    both.scenario.advance(5)
    assert both.origin.is_closed


def test_a_client_that_says_nonsense(duet, tape):
    both = duet(addons=[tape])
    other = Http2Peer.client(both.scenario.client())
    kept = other.asks("GET", "/kept")
    both.client.asks("GET", "/lost")
    both.server.hear()
    both.client.peer.sends(b"\xff" * 9)
    goaway = both.client.goaway
    assert goaway is not None
    assert goaway.code
    assert both.client.peer.was_told_the_end
    both.scenario.advance(5)
    assert both.client.peer.is_closed
    both.server.answers(1, 200, b"ok")
    assert other.response(kept).body == b"ok"
    assert both.server.request(3).code is not None
    assert tape.hooks.count("error") == 1


def test_a_stream_that_is_opened_and_reset_in_one_breath(duet, tape):
    both = duet(addons=[tape])
    stream = both.client.engine.open(_head(both))
    both.client.engine.send(stream, Reset("", CANCEL))
    both.client.flush()
    assert tape.hooks[-1] == "error"
    again = both.client.asks("GET")
    at = both.server.streams[-1]
    both.server.answers(at, 200, b"ok")
    assert both.client.response(again).body == b"ok"


def test_a_client_that_gives_up_a_request_that_is_being_refused(duet, raw):
    gate = Signal()

    class Waits:
        async def error(self, flow):
            await gate

    both = duet(addons=[Waits()], max_head_fields=5, client_idle_timeout=10)
    client = raw.Peer(both.scenario.client(), is_client=True)
    head = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")]
    client.says(raw.headers(1, *head, (b"a", b"b"), (b"a", b"b"), flags=END_HEADERS))
    client.says(frames.rst_stream(1, CANCEL))
    gate.set(None)
    both.scenario.settle()
    assert not client.heard(frames.HEADERS)
    both.scenario.advance(11)
    assert client.peer.is_closed, "nothing is left of it"


# Shutdown.


def test_md_25_a_connection_that_is_to_close_lets_its_streams_finish(duet, tape):
    both = duet(addons=[tape])
    stream = both.client.asks("GET")
    (connection,) = both.scenario._connections
    both.scenario.act(connection.stop_if_idle)
    goaway = both.client.goaway
    assert (goaway.last_stream_id, goaway.code) == (1, 0)
    assert not both.client.peer.is_closed
    both.server.answers(1, 200, b"ok")
    assert both.client.response(stream).body == b"ok"
    assert both.client.peer.is_closed


def test_md_25_streams_beyond_a_goaway_are_not_looked_at(duet, tape):
    both = duet(addons=[tape])
    stream = both.client.asks("GET")
    (connection,) = both.scenario._connections
    both.scenario.act(connection.stop_if_idle)
    late = both.client.engine
    late.goaway = None
    both.client.engine.open_whole(_head(both), b"")
    output = late.take_output()
    both.client.peer.sends(output)
    both.server.answers(1, 200, b"ok")
    assert both.client.response(stream).body == b"ok"
    assert len(tape.flows) == 1
    assert both.client.peer.is_closed


def test_md_25_an_idle_connection_closes_at_once(duet):
    both = duet()
    (connection,) = both.scenario._connections
    both.scenario.act(connection.stop_if_idle)
    assert both.client.goaway is not None
    assert both.client.peer.is_closed


def test_h2_05_a_client_is_refused_no_stream_for_what_servers_do(duet, tape):
    """Whatever a server does, only the stream that asked it is told."""
    both = duet(addons=[tape], body_memory=3)
    first = both.client.asks("POST", "/", None)
    second = both.client.asks("POST", "/", None)
    both.client.says(first, Data(b"some"))
    both.server.hear()
    both.server.resets(1, REFUSED_STREAM)
    assert both.client.response(first).code == REFUSED_STREAM
    both.client.says(second, Data(b"abc"), END)
    both.server.answers(3, 200, b"ok")
    assert both.client.response(second).body == b"ok"
