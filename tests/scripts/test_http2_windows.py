"""Flow control from end to end: whoever reads slowly slows the other side down, and no stream costs the others their window."""

import pytest

from midstream.testing import Http2Peer
from midstream.wire.events import END, Data, ResponseHead, Trailers
from midstream.wire.h2 import Limits
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import CANCEL
from midstream.wire.h2.frame import END_HEADERS, END_STREAM

TO_HTTP1 = {"mode": "reverse:http://origin:80", "server_http2": "never"}
WINDOWS = {"http2_stream_window": "100k", "http2_connection_window": "200k", "http2_window_growth": 1}
STREAM, CONNECTION = 100 * 1024, 200 * 1024
PIECE = 10_000
SMALL = Limits(stream_window=65_535)
"""Of peers that let the proxy send no more of one body than HTTP/2 does by default."""
HEAD = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")]


def send_all(peer, stream, pieces=60):
    """Give the engine much to send; it sends what the proxy's windows allow."""
    for _ in range(pieces):
        peer.says(stream, Data(bytes(PIECE)))
    return pieces * PIECE


def test_h2_10_a_slow_client_holds_an_http_2_server(duet):
    both = duet(limits=SMALL, **WINDOWS)
    stream = both.client.asks("GET")
    both.client.hear()
    both.client.consumes = False
    both.server.answers(1, 200, None)
    size = send_all(both.server, 1)
    received = len(both.client.response(stream).body)
    assert received == 65_535, "no more than the client's window"
    held = both.server.engine.parked(1)
    assert held > 0, "the server is held"
    assert size - held - received <= STREAM + 65_536 + PIECE, "and what the proxy holds is bounded"
    both.client.consumes = True
    both.client.engine.consumed(stream, received)
    both.client.flush()
    both.talk()
    both.server.says(1, END)
    both.talk()
    response = both.client.response(stream)
    assert response.is_whole
    assert len(response.body) == size


def test_h2_10_a_window_grows_for_a_client_that_keeps_up_and_bounds_what_waits_when_it_stops(duet):
    both = duet(limits=Limits(stream_window=1_000_000), http2_stream_window="100k", http2_window_growth=3)
    both.client.asks("GET")
    both.client.hear()
    both.server.answers(1, 200, None)
    credited = []
    for _ in range(60):
        send_all(both.server, 1, pieces=1)
        both.talk()
        credited = [int.from_bytes(each.payload) for each in both.server.frames if each.kind == frames.WINDOW_UPDATE]
    assert sum(credited) > 600_000 + STREAM, "the server may send more than has come"
    both.client.consumes = False
    both.talk()
    send_all(both.server, 1, pieces=300)
    both.talk()
    stopped_at = both.server.engine.parked(1)
    assert stopped_at > 0, "the server is held"
    received = len(both.client.response(1).body)
    assert 3_600_000 - stopped_at - received <= 3 * STREAM + 65_536 + PIECE, "by three times the first window"


def test_h2_10_a_slow_client_holds_an_http_1_server(duet):
    both = duet(limits=SMALL, **TO_HTTP1, **WINDOWS)
    stream = both.client.asks("GET")
    both.client.hear()
    both.client.consumes = False
    both.origin.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    sent = 0
    while both.origin.may_send and sent < 1_000_000:
        both.origin.sends(bytes(PIECE))
        sent += PIECE
    assert not both.origin.may_send
    assert sent < 500_000
    both.client.consumes = True
    both.client.engine.consumed(stream, len(both.client.response(stream).body))
    both.client.flush()
    while sent < 1_000_000:
        assert both.origin.may_send
        both.origin.sends(bytes(PIECE))
        sent += PIECE
        both.client.hear()
    assert both.client.response(stream).is_whole
    assert len(both.client.response(stream).body) == 1_000_000


def test_h2_10_a_client_that_does_not_read_its_socket_holds_a_server(duet):
    both = duet(limits=SMALL, **WINDOWS)
    limits = Limits(stream_window=10_000_000, connection_window=10_000_000)
    client = Http2Peer.client(both.scenario.client(), limits=limits)
    stream = client.asks("GET")
    client.hear()
    client.peer.transport.reads_slowly = True
    both.server.answers(1, 200, None)
    size = send_all(both.server, 1)
    assert both.server.engine.parked(1) > 0
    assert len(client.peer.transport.written) < 400_000
    for _ in range(100):
        client.hear()
        both.server.hear()
    both.server.says(1, END)
    assert len(client.response(stream).body) == size
    assert client.response(stream).is_whole


@pytest.mark.parametrize("mode", [TO_HTTP1, {}], ids=["http/1", "h2"])
def test_h2_10_a_slow_server_holds_an_upload(duet, mode):
    both = duet(limits=SMALL, **mode, **WINDOWS)
    stream = both.client.asks("POST", "/", None)
    both.client.hear()
    if mode:
        both.origin.transport.reads_slowly = True
    else:
        both.server.hear()
        both.server.consumes = False
    size = send_all(both.client, stream)
    assert both.client.engine.parked(stream) > 0, "the client is held"
    if mode:
        got = b""
        for _ in range(100):
            got += both.origin.received()
            both.client.hear()
        both.client.says(stream, END)
        got += both.origin.received()
        assert got.endswith(b"0\r\n\r\n")
        assert len(got) > size
    else:
        both.server.consumes = True
        both.server.engine.consumed(1, len(both.server.request(1).body))
        both.server.flush()
        both.talk()
        both.client.says(stream, END)
        both.talk()
        assert both.server.request(1).is_whole
        assert len(both.server.request(1).body) == size


def test_h2_10_an_http_2_server_holds_an_http_1_client(play):
    scenario = play("reverse:h2c://origin:80", **WINDOWS)
    client = scenario.client()
    client.sends(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
    server = Http2Peer.server(scenario.servers[0], limits=SMALL)
    server.hear()
    server.consumes = False
    sent = 0
    while client.may_send and sent < 1_000_000:
        client.sends(bytes(PIECE))
        sent += PIECE
    assert sent < 600_000
    server.consumes = True
    server.engine.consumed(1, len(server.request(1).body))
    server.flush()
    while sent < 1_000_000:
        server.hear()
        assert client.may_send
        client.sends(bytes(PIECE))
        sent += PIECE
    server.hear()
    assert server.request(1).is_whole
    assert len(server.request(1).body) == 1_000_000


def test_h2_09_one_held_stream_does_not_hold_another(duet):
    both = duet(limits=SMALL, **WINDOWS)
    slow = both.client.asks("GET", "/slow")
    both.client.hear()
    both.client.consumes = False
    both.server.answers(1, 200, None)
    send_all(both.server, 1)
    assert both.server.engine.parked(1) > 0
    both.client.hear()
    quick = both.client.asks("GET", "/quick")
    both.server.answers(3, 200, bytes(20_000))
    assert len(both.client.response(quick).body) == 20_000
    assert both.client.response(quick).is_whole
    assert not both.client.response(slow).is_whole


def test_h2_10_a_held_body_gives_its_window_back_while_it_is_collected(duet):
    """It is in memory, as the addon wants it; waiting for a window would be waiting for ever."""

    class Wants:
        def request(self, flow):
            pass

        def response(self, flow):
            pass

    both = duet(addons=[Wants()], **WINDOWS, stream_large_bodies=None)
    stream = both.client.asks("POST", "/", None)
    size = send_all(both.client, stream)
    both.client.says(stream, END)
    both.talk()
    assert len(both.server.request(1).body) == size
    both.server.answers(1, 200, None)
    send_all(both.server, 1)
    both.server.says(1, END)
    both.talk()
    assert len(both.client.response(stream).body) == size


@pytest.mark.parametrize("stage", ["upload", "answered", "never looked at"])
def test_h2_10_dead_streams_give_the_connection_its_window_back(duet, raw, stage):
    """secretgate#63: data of streams that are gone must not eat up the window of the others."""
    both = duet(limits=SMALL, **WINDOWS)
    client = raw.Peer(both.scenario.client(), is_client=True)
    client.heard()
    for stream in range(1, 41, 2):
        if stage == "never looked at":
            client.says(raw.headers(stream, (b":method", b"POST"), flags=END_HEADERS))
        else:
            client.says(raw.headers(stream, *HEAD, flags=END_HEADERS))
        if stage == "answered":
            both.server.answers(stream, 413, b"no")
        if stage == "upload":
            both.server.hear()
            both.server.resets(stream, CANCEL)
        for _ in range(4):
            client.says(frames.frame(frames.DATA, 0, stream, bytes(16_000)))
    credited = sum(frames.long(frame.payload) for frame in client.heard(frames.WINDOW_UPDATE) if not frame.stream_id)
    assert credited > 20 * 64_000 - CONNECTION
    client.says(raw.headers(41, *HEAD, flags=END_HEADERS), frames.frame(frames.DATA, END_STREAM, 41, bytes(16_000)))
    assert len(both.server.request(both.server.streams[-1]).body) == 16_000
    assert not client.peer.is_closed
    (connection,) = [each for each in both.scenario._connections if each.peer is client.peer._peer]
    assert connection._http.engine.unconsumed == 0


def test_h2_10_a_cancelled_download_gives_the_servers_window_back(duet):
    both = duet(limits=SMALL, **WINDOWS)
    for number in range(10):
        stream = both.client.asks("GET", f"/{number}")
        both.client.hear()
        both.client.consumes = False
        at = both.server.streams[-1]
        both.server.answers(at, 200, None)
        send_all(both.server, at, 15)
        both.client.resets(stream, CANCEL)
        both.server.hear()
    both.client.consumes = True
    (shared,) = both.scenario.pool._shared.values()
    assert shared[0].engine.unconsumed == 0
    stream = both.client.asks("GET")
    at = both.server.streams[-1]
    both.server.answers(at, 200, bytes(150_000))
    both.talk()
    assert len(both.client.response(stream).body) == 150_000


def test_h2_13_padding_is_credited(duet, raw):
    both = duet(limits=SMALL, **WINDOWS)
    client = raw.Peer(both.scenario.client(), is_client=True)
    client.heard()
    client.says(raw.headers(1, *HEAD, flags=END_HEADERS))
    for _ in range(1000):
        client.says(frames.frame(frames.DATA, frames.PADDED, 1, b"\xff" + b"x" + bytes(255)))
    credited = client.heard(frames.WINDOW_UPDATE)
    for stream, window in ((0, CONNECTION), (1, STREAM)):
        assert sum(frames.long(frame.payload) for frame in credited if frame.stream_id == stream) > 257_000 - window
    assert both.server.request(1).body == b"x" * 1000


def body_of(came):
    return sum(len(frame.payload) for frame in came if frame.kind == frames.DATA)


def test_h2_08_a_window_that_shrinks_while_streams_are_open(duet, raw):
    """The window may owe: what was sent under the old SETTINGS counts (RFC 9113 §6.9.2)."""
    both = duet()
    client = raw.Peer(both.scenario.client(), is_client=True)
    client.says(raw.headers(1, *HEAD))
    both.server.answers(1, 200, None)
    both.server.says(1, Data(bytes(30_000)))
    assert body_of(client.heard()) == 30_000
    client.says(frames.settings([(4, 10_000)]))
    both.server.says(1, Data(bytes(30_000)))
    assert body_of(client.heard()) == 0, "30,000 of 10,000 are used"
    client.says(frames.settings([(4, 40_000)]))
    assert body_of(client.heard()) == 10_000
    client.says(frames.settings([(4, 65_535)]))
    assert body_of(client.heard()) == 20_000


def test_h2_09_data_waits_for_stream_and_connection(duet, raw):
    both = duet()
    client = raw.Peer(both.scenario.client(), is_client=True)
    client.says(raw.headers(1, *HEAD))
    both.server.answers(1, 200, bytes(100_000))
    both.server.hear()
    assert body_of(client.heard()) == 65_535
    client.says(frames.window_update(0, 10_000))
    assert body_of(client.heard()) == 0
    client.says(frames.window_update(1, 5_000))
    assert body_of(client.heard()) == 5_000
    client.says(frames.window_update(1, 500_000))
    assert body_of(client.heard()) == 5_000
    client.says(frames.window_update(0, 500_000))
    came = client.heard()
    assert body_of(came) == 24_465
    assert came[-1].flags & END_STREAM


def test_frames_that_come_together_go_on_together(duet, raw):
    both = duet()
    client = raw.Peer(both.scenario.client(), is_client=True)
    client.says(raw.headers(1, *HEAD))
    both.server.says(1, ResponseHead(200, b"", b"HTTP/2.0", [], None), *[Data(b"%d" % digit) for digit in range(10)])
    both.server.says(1, *[Data(b"%d" % digit) for digit in range(3)], Trailers([(b"t", b"1")]), END)
    came = client.heard()
    assert [frame.payload for frame in came if frame.kind == frames.DATA] == [b"0123456789", b"012"]
    assert came[-1].flags & END_STREAM
    assert client.fields(came[-1]) == [(b"t", b"1")]
