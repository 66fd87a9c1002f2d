"""What happens in time, on a clock that is moved by hand: idle connections, stages that take too long, peers that are gone."""

import pytest

from midstream.testing import Http2Peer
from midstream.wire.events import END, Data, ResponseHead
from midstream.wire.h2 import Limits
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import CANCEL, NO_ERROR
from midstream.wire.h2.heads import VERSION

TO_HTTP1 = {"mode": "reverse:http://origin:80", "server_http2": "never"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TIMES = {
    "client_idle_timeout": 10,
    "header_timeout": 10,
    "tcp_timeout": 20,
    "first_byte_timeout": 30,
    "server_idle_timeout": 15,
    "http2_ping_keepalive": 40,
}
SMALL = Limits(stream_window=65_535, window_growth=1)
"""Of a client that lets the proxy send no more of one body than HTTP/2 does by default."""


def pass_time(both, seconds, *, answers_pings=True):
    """Let time pass, with peers that are awake."""
    for _ in range(seconds):
        both.scenario.advance(1)
        if answers_pings:
            both.talk()


# Clients.


def test_a_client_that_never_asks_is_told_goodbye(duet):
    both = duet(**TIMES)
    both.scenario.advance(9)
    assert not both.client.peer.is_closed
    both.scenario.advance(2)
    goaway = both.client.goaway
    assert (goaway.last_stream_id, goaway.code) == (0, NO_ERROR)
    assert both.client.peer.is_closed


def test_idle_time_counts_from_the_end_of_the_last_exchange(duet):
    both = duet(**TIMES)
    stream = both.client.asks("GET")
    both.scenario.advance(9)
    both.server.answers(1, 200, b"ok")
    assert both.client.response(stream).is_whole
    both.scenario.advance(9)
    assert not both.client.peer.is_closed
    both.scenario.advance(2)
    assert both.client.peer.is_closed
    assert both.client.goaway.last_stream_id == 1


def test_a_connection_with_open_streams_is_not_idle(duet):
    both = duet(**TIMES | {"first_byte_timeout": 1000, "tcp_timeout": 1000})
    stream = both.client.asks("GET")
    pass_time(both, 200)
    both.server.answers(1, 200, b"ok")
    assert both.client.response(stream).body == b"ok"


def test_pings_of_an_idle_client_count_as_life(duet):
    both = duet(**TIMES)
    for _ in range(5):
        both.scenario.advance(8)
        both.client.engine.ping(b"12345678")
        both.client.flush()
        assert not both.client.peer.is_closed


@pytest.mark.parametrize("cut", [5, 12, -1])
def test_h1_35_a_client_that_stops_inside_a_frame(duet, raw, cut):
    both = duet(**TIMES)
    client = raw.Peer(both.scenario.client(), is_client=True)
    head = raw.headers(1, (b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/"))
    client.says(head[:cut])
    both.scenario.advance(9)
    client.says(b"")
    assert not client.peer.is_closed
    both.scenario.advance(2)
    assert client.peer.is_closed


def test_h1_35_a_head_that_drips_in_has_no_more_time(duet, raw):
    both = duet(**TIMES)
    client = raw.Peer(both.scenario.client(), is_client=True)
    head = raw.headers(1, (b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/"))
    for at in range(12):
        if not client.peer.is_closed:
            client.says(head[at : at + 1])
        both.scenario.advance(1)
    assert client.peer.is_closed


def test_h1_35_a_section_that_never_ends_has_no_more_time(duet, raw):
    both = duet(**TIMES)
    client = raw.Peer(both.scenario.client(), is_client=True)
    client.says(raw.headers(1, (b":method", b"GET"), flags=0))
    for _ in range(12):
        if not client.peer.is_closed:
            client.says(frames.frame(frames.CONTINUATION, 0, 1, raw.literal((b"x", b"y"))))
        both.scenario.advance(1)
    assert client.peer.is_closed


@pytest.mark.parametrize("holds", [False, True])
def test_a_request_body_that_does_not_come(duet, tape, holds):
    class Wants:
        def request(self, flow):
            pass

    both = duet(**TIMES, addons=[tape, *([Wants()] if holds else [])])
    slow = both.client.asks("POST", "/slow", None)
    both.scenario.advance(15)
    both.client.says(slow, Data(b"some"))
    both.scenario.advance(15)
    other = both.client.asks("GET", "/other")
    assert not both.client.response(slow).events
    both.scenario.advance(6)
    response = both.client.response(slow)
    assert (response.status, response.is_whole) == (408, True)
    assert "timed out: reading the request body" in tape.flows[0].error.msg
    at = both.server.streams[-1]
    both.server.answers(at, 200, b"ok")
    assert both.client.response(other).body == b"ok"
    if not holds:
        assert both.server.request(1).code == CANCEL
    both.scenario.advance(3)
    assert both.client.response(slow).code == NO_ERROR
    assert not both.client.peer.is_closed


def test_a_client_that_reads_nothing_is_closed(duet, tape):
    both = duet(**TIMES, addons=[tape])
    both.client.asks("GET")
    both.client.hear()
    both.client.peer.transport.reads_slowly = True
    both.server.answers(1, 200, None)
    for _ in range(20):
        both.server.says(1, Data(bytes(60_000)))
    for _ in range(22):
        both.scenario.advance(1)
    assert both.client.peer.transport.is_closing()
    assert tape.hooks[-1] == "error"
    assert both.server.request(1).code == CANCEL


def serve_much(both, is_http1, *, whole):
    if is_http1:
        both.origin.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n")
        for _ in range(300 if whole else 200):
            both.origin.sends(bytes(10_000))
    else:
        both.server.answers(1, 200, None)
        for _ in range(300 if whole else 200):
            both.server.says(1, Data(bytes(10_000)))
        if whole:
            both.server.says(1, END)


@pytest.mark.parametrize("is_http1", [False, True], ids=["h2", "http/1"])
def test_a_client_whose_window_stays_shut_is_given_up(duet, tape, is_http1):
    both = duet(**TO_HTTP1 if is_http1 else {}, **TIMES, addons=[tape])
    stream = both.client.asks("GET")
    other = both.client.asks("POST", "/", None)
    both.client.hear()
    both.client.consumes = False
    serve_much(both, is_http1, whole=False)
    for _ in range(22):
        both.scenario.advance(1)
        both.client.hear()
        both.client.says(other, Data(b"alive"))
        if not is_http1:
            both.server.hear()
    assert both.client.response(stream).code is not None
    assert "timed out: sending the response" in tape.flows[0].error.msg
    assert not both.client.peer.is_closed
    assert not both.client.response(other).events


@pytest.mark.parametrize("is_http1", [False, True], ids=["h2", "http/1"])
@pytest.mark.parametrize("whole", [False, True])
def test_a_client_that_takes_its_time_gets_everything(duet, tape, is_http1, whole):
    """It is not the server who is slow, however long it is held."""
    times = TIMES | {"tcp_timeout": 20, "first_byte_timeout": 20}
    both = duet(**TO_HTTP1 if is_http1 else {}, **times, addons=[tape], limits=SMALL)
    stream = both.client.asks("GET")
    both.client.hear()
    both.client.consumes = False
    serve_much(both, is_http1, whole=whole)
    for _ in range(12):
        for _ in range(12):
            both.scenario.advance(1)
            both.client.hear()
            if not is_http1:
                both.server.hear()
        both.client.engine.consumed(stream, 65_535)
        both.client.flush()
    assert both.client.response(stream).code is None
    assert all(flow.error is None for flow in tape.flows)
    assert len(both.client.response(stream).body) > 700_000


@pytest.mark.parametrize("holds", [False, True])
def test_what_waits_for_the_client_when_its_exchange_is_over_is_sent(duet, tape, holds):
    """The response came whole and is on the record; the client is not idle as long as it has not got it."""

    class Wants:
        def response(self, flow):
            pass

    both = duet(**TO_HTTP1, **TIMES, addons=[tape, *([Wants()] if holds else [])], limits=SMALL)
    stream = both.client.asks("GET")
    both.client.hear()
    both.client.consumes = False
    both.origin.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + bytes(200_000))
    assert tape.hooks[-1] == "response"
    for _ in range(19):
        both.scenario.advance(1)
        both.client.hear()
    both.client.consumes = True
    both.client.engine.consumed(stream, 65_535)
    both.client.flush()
    both.talk()
    response = both.client.response(stream)
    assert response.is_whole
    assert len(response.body) == 200_000
    both.scenario.advance(11)
    assert both.client.peer.is_closed, "now it is idle"


def client_waits(both, seconds):
    for _ in range(seconds):
        both.scenario.advance(1)
        both.client.hear()


def much_for_a_shut_window(duet, **options):
    """Return a duet whose client has been sent more than it takes, on a stream whose exchange is over, and that stream."""
    both = duet(**TO_HTTP1, **TIMES | options, limits=SMALL)
    stream = both.client.asks("GET")
    both.client.hear()
    both.client.consumes = False
    both.origin.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + bytes(200_000))
    return both, stream


def test_a_client_that_never_takes_the_rest_of_a_response_loses_the_stream(duet, caplog):
    both, stream = much_for_a_shut_window(duet)
    client_waits(both, 19)
    assert both.client.response(stream).code is None
    with caplog.at_level("INFO"):
        client_waits(both, 2)
    assert both.client.response(stream).code == CANCEL
    assert "stream 1 is reset: for 20 seconds it took nothing of the last 134465 bytes of a response" in caplog.text
    assert both.client.engine.open_streams == 0
    other = both.client.asks("GET")
    both.scenario.servers[-1].sends(OK)
    assert both.client.response(other).is_whole, "the connection has lost nothing"


def test_each_response_that_waits_has_its_own_time(duet):
    both, first = much_for_a_shut_window(duet, tcp_timeout=20)
    client_waits(both, 15)
    second = both.client.asks("GET")
    both.client.hear()
    both.scenario.servers[-1].sends(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + bytes(200_000))
    client_waits(both, 6)
    assert both.client.response(first).code == CANCEL
    assert both.client.response(second).code is None
    client_waits(both, 15)
    assert both.client.response(second).code == CANCEL


def test_a_response_that_goes_slowly_keeps_its_stream(duet):
    both, stream = much_for_a_shut_window(duet)
    for _ in range(3):
        client_waits(both, 15)
        both.client.engine.consumed(stream, 65_535)
        both.client.flush()
        both.client.hear()
    assert both.client.response(stream).is_whole
    assert len(both.client.response(stream).body) == 200_000


def test_without_a_timeout_a_response_waits_as_long_as_its_client_is_there(duet):
    both, stream = much_for_a_shut_window(duet, tcp_timeout=0)
    client_waits(both, 300)
    assert both.client.response(stream).code is None


@pytest.mark.parametrize("opens", [False, True])
def test_h2_33_an_early_answer_is_not_cut_off_with_the_rest_of_its_request(duet, opens):
    both = duet(**TO_HTTP1, **TIMES, limits=SMALL)
    stream = both.client.asks("POST", "/", None)
    both.client.hear()
    both.client.consumes = False
    both.origin.sends(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 200000\r\n\r\n" + bytes(200_000))
    client_waits(both, 10)
    assert both.client.response(stream).code is None
    if not opens:
        client_waits(both, 12)
        assert both.client.response(stream).code == CANCEL
        return
    both.client.consumes = True
    both.client.engine.consumed(stream, 65_535)
    both.client.flush()
    both.client.hear()
    assert both.client.response(stream).is_whole
    assert len(both.client.response(stream).body) == 200_000
    client_waits(both, 3)
    assert both.client.response(stream).code == NO_ERROR


def test_a_connection_that_is_to_close_sends_what_waits(duet):
    both = duet(**TO_HTTP1, limits=SMALL)
    stream = both.client.asks("GET")
    both.client.hear()
    both.client.consumes = False
    both.origin.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + bytes(200_000))
    both.client.hear()
    (connection,) = both.scenario._connections
    both.scenario.act(connection.stop_if_idle)
    assert both.client.goaway is not None
    assert not both.client.peer.is_closed
    both.client.consumes = True
    both.client.engine.consumed(stream, 65_535)
    both.client.flush()
    both.client.hear()
    assert both.client.response(stream).is_whole
    assert both.client.peer.is_closed


def test_h2_19_a_client_that_is_gone_with_its_window_shut(duet):
    both = duet(**TO_HTTP1, **TIMES, limits=SMALL)
    both.client.asks("GET")
    both.client.hear()
    both.client.consumes = False
    both.origin.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + bytes(200_000))
    for _ in range(82):
        both.scenario.advance(1)
    assert both.client.peer.is_closed


# Signs of life.


def test_h2_19_silent_peers_with_open_streams_are_pinged(duet):
    both = duet(**TIMES | {"first_byte_timeout": 0, "tcp_timeout": 0})
    stream = both.client.asks("GET")
    both.server.hear()
    both.scenario.advance(41)
    for peer in (both.client, both.server):
        peer.hear()
        assert [frame.kind for frame in peer.frames].count(frames.PING) == 1
    both.scenario.advance(41)
    for peer in (both.client, both.server):
        peer.hear()
        assert [frame.kind for frame in peer.frames].count(frames.PING) == 2
    both.server.answers(1, 200, b"ok")
    assert both.client.response(stream).body == b"ok"


@pytest.mark.parametrize("dead", ["client", "server"])
def test_h2_19_a_dead_peer_is_given_up(duet, tape, dead):
    both = duet(**TIMES | {"first_byte_timeout": 0, "tcp_timeout": 0}, addons=[tape])
    stream = both.client.asks("POST", "/", b"abc")
    both.server.hear()
    alive = both.server if dead == "client" else both.client
    for _ in range(82):
        both.scenario.advance(1)
        alive.hear()
    assert tape.hooks[-1] == "error"
    if dead == "client":
        assert both.client.peer.is_closed
        assert both.server.request(1).code == CANCEL
        assert not both.origin.is_closed
    else:
        assert both.origin.is_closed
        assert both.client.response(stream).status in {502, 504}
        assert not both.client.peer.is_closed


def test_h2_19_pings_can_be_switched_off(duet):
    both = duet(**TIMES | {"first_byte_timeout": 0, "tcp_timeout": 0, "http2_ping_keepalive": 0})
    stream = both.client.asks("GET")
    both.server.hear()
    for _ in range(300):
        both.scenario.advance(1)
    both.server.answers(1, 200, b"ok")
    assert both.client.response(stream).body == b"ok"
    assert frames.PING not in {frame.kind for frame in both.client.frames + both.server.frames}


def test_h2_19_a_ping_of_a_peer_is_answered(duet):
    both = duet()
    both.client.engine.ping(b"12345678")
    both.client.flush()
    both.client.hear()
    (pong,) = [frame for frame in both.client.frames if frame.kind == frames.PING]
    assert (pong.flags, pong.payload) == (frames.ACK, b"12345678")


# Servers that have long been silent, and requests that must not be sent twice.


def long_silent(duet, tape, **options):
    """Return a duet whose server has said nothing for a while."""
    both = duet(addons=[tape], **options)
    stream = both.client.asks("GET")
    both.server.answers(1, 200, b"ok")
    assert both.client.response(stream).is_whole
    both.scenario.advance(6)
    return both


@pytest.mark.parametrize("body", [b"", b"abc"])
def test_h2_19_h1_41_a_server_that_was_silent_shows_that_it_is_there(duet, tape, body):
    both = long_silent(duet, tape)
    seen = len(both.server.frames)
    streams = [both.client.asks("POST", "/", body) for _ in range(3)]
    assert both.server.streams == [1, 3, 5, 7]
    assert [frame.kind for frame in both.server.frames[seen:]].count(frames.PING) == 1, "one is enough for all"
    assert both.server.frames[seen].kind == frames.PING
    for at, stream in zip((3, 5, 7), streams, strict=True):
        both.server.answers(at, 200, b"done")
        assert both.client.response(stream).body == b"done"
    assert len(both.scenario.servers) == 1


def test_h2_19_a_request_that_may_be_sent_twice_does_not_wait(duet, tape):
    both = long_silent(duet, tape)
    both.client.asks("GET")
    both.server.hear()
    assert frames.PING not in [frame.kind for frame in both.server.frames]


def test_h2_19_nor_does_one_that_follows_close(duet, tape):
    both = long_silent(duet, tape)
    both.client.asks("GET")
    both.server.answers(3, 200, b"ok")
    both.client.asks("POST")
    assert both.server.streams == [1, 3, 5]
    assert frames.PING not in [frame.kind for frame in both.server.frames]


@pytest.mark.parametrize("how", ["says nothing", "resets", "goes away"])
def test_h2_19_h1_41_a_server_that_has_gone_costs_no_request(duet, tape, how):
    both = long_silent(duet, tape)
    stream = both.client.asks("POST", "/", b"abc")
    if how == "says nothing":
        both.scenario.advance(3)
    elif how == "resets":
        both.origin.leaves()
    else:
        both.server.goes_away()
    other = Http2Peer.server(both.scenario.servers[1])
    assert other.request(1).body == b"abc"
    other.answers(1, 200, b"done")
    assert both.client.response(stream).body == b"done"
    assert both.server.streams == [1], "the first got no second request"
    assert both.origin.is_closed
    assert tape.flows[-1].error is None


def test_h2_19_a_server_that_has_gone_keeps_what_is_under_way(duet, tape):
    """Only the ping that watches over open streams ends them."""
    both = long_silent(duet, tape)
    both.client.asks("GET", "/slow")
    both.client.asks("POST", "/", b"abc")
    both.scenario.advance(3)
    other = Http2Peer.server(both.scenario.servers[1])
    assert other.request(1).body == b"abc"
    assert not both.origin.is_closed


def test_h2_19_a_client_that_leaves_meanwhile(duet, tape):
    both = long_silent(duet, tape)
    both.client.asks("POST", "/", b"abc")
    both.client.peer.leaves()
    assert both.server.streams == [1]
    assert tape.hooks[-1] == "error"


# Servers.


def test_a_server_that_does_not_answer(duet, tape):
    both = duet(**TIMES, addons=[tape])
    slow = both.client.asks("GET", "/slow")
    both.server.hear()
    pass_time(both, 20)
    other = both.client.asks("GET", "/other")
    pass_time(both, 11)
    response = both.client.response(slow)
    assert (response.status, response.is_whole) == (504, True)
    assert "took too long" in tape.flows[0].error.msg
    assert both.server.request(1).code == CANCEL
    assert not both.origin.is_closed
    both.server.answers(3, 200, b"ok")
    assert both.client.response(other).body == b"ok"


def test_an_upload_that_moves_gives_the_server_its_time(duet):
    both = duet(**TIMES)
    stream = both.client.asks("POST", "/", None)
    for _ in range(6):
        pass_time(both, 15)
        both.client.says(stream, Data(b"some"))
    both.client.says(stream, END)
    pass_time(both, 25)
    both.server.answers(1, 200, b"ok")
    assert both.client.response(stream).body == b"ok"


def test_an_answer_that_stops_half_way(duet, tape):
    both = duet(**TIMES, addons=[tape])
    stream = both.client.asks("GET")
    both.server.answers(1, 200, None)
    for _ in range(3):
        both.server.says(1, Data(b"some"))
        pass_time(both, 15)
    pass_time(both, 7)
    response = both.client.response(stream)
    assert not response.is_whole
    assert response.code is not None
    assert both.server.request(1).code == CANCEL
    assert tape.hooks[-1] == "error"


def test_interim_responses_are_no_answer_but_a_sign(duet):
    both = duet(**TIMES)
    stream = both.client.asks("GET")
    for _ in range(4):
        pass_time(both, 15)
        both.server.says(1, ResponseHead(102, b"", VERSION, [], 0))
    both.server.answers(1, 200, b"ok")
    assert both.client.response(stream).body == b"ok"


def test_an_idle_server_connection_is_closed(duet):
    both = duet(**TIMES | {"client_idle_timeout": 100})
    stream = both.client.asks("GET")
    both.server.answers(1, 200, b"ok")
    assert both.client.response(stream).is_whole
    both.scenario.advance(14)
    assert not both.origin.is_closed
    again = both.client.asks("GET")
    both.server.answers(3, 200, b"ok")
    assert both.client.response(again).is_whole
    both.scenario.advance(14)
    assert not both.origin.is_closed
    both.scenario.advance(2)
    assert both.origin.is_closed
    assert len(both.scenario.pool) == 0


def test_a_server_that_does_not_take_the_upload(duet, tape):
    both = duet(**TIMES, addons=[tape])
    stream = both.client.asks("POST", "/", None)
    both.server.hear()
    both.server.consumes = False
    for _ in range(200):
        both.client.says(stream, Data(bytes(30_000)))
    for _ in range(22):
        both.scenario.advance(1)
        both.client.hear()
        both.server.hear()
    response = both.client.response(stream)
    assert response.status == 504
    assert both.server.request(1).code == CANCEL
    assert tape.hooks[-1] == "error"


def test_deadlines_are_forgotten_with_their_streams(duet):
    both = duet(**TIMES)
    before = len(both.scenario.session.deadlines)
    for _ in range(5):
        stream = both.client.asks("POST", "/", b"abc")
        both.server.answers(both.server.streams[-1], 200, b"ok")
        assert both.client.response(stream).is_whole
    assert len(both.scenario.session.deadlines) == before + 1, "the server's connection, and no stream"


def test_an_http_1_client_of_an_http_2_server_that_does_not_answer(play, tape):
    scenario = play("reverse:h2c://origin:80", **TIMES, addons=[tape])
    client = scenario.client()
    client.sends(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    server = Http2Peer.server(scenario.servers[0])
    server.hear()
    scenario.advance(31)
    assert client.received().startswith(b"HTTP/1.1 504 ")
    assert server.request(1).code == CANCEL
