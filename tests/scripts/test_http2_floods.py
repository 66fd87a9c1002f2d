"""Floods: what makes us work for nothing ends its connection with ENHANCE_YOUR_CALM, and no other."""

import pytest

from midstream.testing import Http2Peer
from midstream.wire.events import END, Data
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR
from midstream.wire.h2.frame import ACK, END_HEADERS, END_STREAM

HEAD = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")]
LIMITS = {
    "http2_max_resets": 10,
    "http2_max_control_frames": 10,
    "http2_max_empty_frames": 10,
    "http2_max_window_updates": 10,
}
BURST = 100
"""Ten seconds' worth of each may come at once."""


def rapid_reset(raw, number):
    """CVE-2023-44487: the client opens streams and breaks them off."""
    stream = number * 2 + 3
    return raw.headers(stream, *HEAD) + frames.rst_stream(stream, CANCEL)


def made_you_reset(raw, number):
    """CVE-2025-8671: it has us break them off."""
    stream = number * 2 + 3
    return raw.headers(stream, *HEAD) + frames.window_update(stream, 0)


def made_you_reset_by_length(raw, number):
    stream = number * 2 + 3
    return raw.headers(stream, *HEAD, (b"content-length", b"1"))


def malformed_heads(raw, number):
    return raw.headers(number * 2 + 3, (b":method", b"GET"))


def pings(raw, number):
    return frames.frame(frames.PING, 0, 0, b"12345678")


def settings(raw, number):
    return frames.settings([(4, 65_535)])


def settings_acks(raw, number):
    return frames.frame(frames.SETTINGS, ACK, 0, b"")


def priorities(raw, number):
    return frames.frame(frames.PRIORITY, 0, 1, bytes(5))


def priority_updates(raw, number):
    return frames.frame(frames.PRIORITY_UPDATE, 0, 0, (1).to_bytes(4, "big"))


def unknown_frames(raw, number):
    return frames.frame(0x77, 0, 0, b"")


def empty_data(raw, number):
    return frames.frame(frames.DATA, 0, 1, b"")


def window_updates(raw, number):
    return frames.window_update(0, 1)


def window_updates_of_a_stream(raw, number):
    return frames.window_update(1, 1)


def frames_of_dead_streams(raw, number):
    return frames.rst_stream(1, CANCEL)


FLOODS = [
    rapid_reset,
    made_you_reset,
    made_you_reset_by_length,
    malformed_heads,
    pings,
    settings,
    settings_acks,
    priorities,
    priority_updates,
    unknown_frames,
    empty_data,
    window_updates,
    window_updates_of_a_stream,
    frames_of_dead_streams,
]


def begin(both, raw):
    """A client with one upload under way."""
    client = raw.Peer(both.scenario.client(), is_client=True)
    client.says(raw.headers(1, *HEAD, flags=END_HEADERS))
    client.heard()
    return client


@pytest.mark.parametrize("flood", FLOODS)
def test_h2_18_h2_19_floods_of_clients(duet, raw, tape, flood):
    both = duet(**LIMITS, addons=[tape])
    kept = both.client.asks("GET", "/kept")
    client = begin(both, raw)
    both.server.hear()
    for number in range(BURST + 15):
        client.says(flood(raw, number))
    (goaway,) = client.heard(frames.GOAWAY)
    assert frames.long(goaway.payload, 4) == ENHANCE_YOUR_CALM
    assert client.peer.was_told_the_end
    assert all(flow.error is not None for flow in tape.flows if flow.stream_id != kept or flow is not tape.flows[0])
    both.scenario.advance(5)
    assert client.peer.is_closed
    both.server.hear()
    assert not both.origin.is_closed, "servers are not to suffer for it"
    both.server.answers(1, 200, b"ok")
    assert both.client.response(kept).body == b"ok"
    assert not both.client.peer.is_closed


@pytest.mark.parametrize("flood", FLOODS)
def test_h2_18_h2_19_at_a_pace_that_is_allowed_nothing_happens(duet, raw, flood):
    both = duet(**LIMITS)
    client = begin(both, raw)
    both.server.hear()
    for number in range(BURST + 50):
        client.says(flood(raw, number))
        if number % 10 == 9:
            both.scenario.advance(1)
            both.server.hear()
    assert not client.heard(frames.GOAWAY)
    assert not client.peer.was_told_the_end
    (connection,) = [each for each in both.scenario._connections if each.peer is client.peer._peer]
    assert connection._http.engine.open_streams <= 1


SERVER_FLOODS = [pings, settings, unknown_frames, empty_data, window_updates, frames_of_dead_streams]


@pytest.mark.parametrize("flood", SERVER_FLOODS)
def test_h2_19_floods_of_servers(duet, raw, tape, flood):
    both = duet(**LIMITS, addons=[tape])
    stream = both.client.asks("POST", "/", b"x")
    server = raw.Peer(both.origin, is_client=False)
    server.says(raw.headers(1, (b":status", b"200"), flags=END_HEADERS))
    for number in range(BURST + 15):
        server.says(flood(raw, number))
    (goaway,) = server.heard(frames.GOAWAY)
    assert frames.long(goaway.payload, 4) == ENHANCE_YOUR_CALM
    assert not both.client.response(stream).is_whole
    assert tape.hooks[-1] == "error"
    assert not both.client.peer.is_closed
    again = both.client.asks("GET")
    other = Http2Peer.server(both.scenario.servers[1])
    other.answers(1, 200, b"ok")
    assert both.client.response(again).body == b"ok"
    both.scenario.advance(5)
    assert server.peer.is_closed


def test_h2_18_rapid_reset_asks_servers_no_more_than_the_limit_allows(duet, raw):
    """What reaches servers is bounded by the same rate."""
    both = duet(**LIMITS)
    client = begin(both, raw)
    both.server.hear()
    for number in range(1000):
        if not client.peer.was_told_the_end:
            client.says(rapid_reset(raw, number))
        both.server.hear()
    assert len(both.server.streams) <= BURST + 3
    assert not both.origin.is_closed


def test_h2_07_streams_beyond_the_limit_are_refused(duet, raw):
    both = duet(http2_max_streams=3)
    client = raw.Peer(both.scenario.client(), is_client=True)
    for number in range(5):
        client.says(raw.headers(number * 2 + 1, *HEAD))
    resets = client.heard(frames.RST_STREAM)
    assert [(frame.stream_id, frames.long(frame.payload)) for frame in resets] == [(7, 7), (9, 7)]
    both.server.answers(1, 204)
    client.says(raw.headers(11, *HEAD))
    assert client.heard(frames.RST_STREAM) == []
    assert len(both.server.streams) == 4


@pytest.mark.parametrize("frames_in_all", [16, 18])
def test_h2_16_a_continuation_flood(duet, raw, frames_in_all):
    both = duet()
    kept = both.client.asks("GET", "/kept")
    client = raw.Peer(both.scenario.client(), is_client=True)
    client.says(raw.headers(1, *HEAD, flags=END_STREAM))
    for number in range(frames_in_all):
        flags = END_HEADERS if number == frames_in_all - 1 else 0
        if not client.peer.was_told_the_end:
            client.says(frames.frame(frames.CONTINUATION, flags, 1, raw.literal((b"x", b"y"))))
    goaways = client.heard(frames.GOAWAY)
    if frames_in_all == 16:
        assert goaways == []
        assert len(both.server.request(3).fields) == 16
    else:
        assert [frames.long(frame.payload, 4) for frame in goaways] == [ENHANCE_YOUR_CALM]
    both.server.answers(1, 200, b"ok")
    assert both.client.response(kept).body == b"ok"


def test_h2_16_continuations_that_hold_nothing(duet, raw):
    both = duet()
    client = raw.Peer(both.scenario.client(), is_client=True)
    client.says(raw.headers(1, *HEAD, flags=END_STREAM))
    for _ in range(30):
        client.says(frames.frame(frames.CONTINUATION, 0, 1, b""))
    (goaway,) = client.heard(frames.GOAWAY)
    assert frames.long(goaway.payload, 4) == ENHANCE_YOUR_CALM
    assert both.scenario.servers == []


def test_h2_17_an_hpack_bomb(duet, raw, tape):
    """A field of 4 KB in the table, named ten thousand times: 40 MB out of 14 KB."""
    both = duet(addons=[tape])
    client = raw.Peer(both.scenario.client(), is_client=True)
    large = b"\x40" + raw.literal((b"x", b"y" * 3900))[1:]
    client.says(frames.frame(frames.HEADERS, END_HEADERS | END_STREAM, 1, raw.literal(*HEAD) + large))
    both.server.hear()
    client.heard()
    client.says(frames.frame(frames.HEADERS, END_HEADERS | END_STREAM, 3, raw.literal(*HEAD) + b"\xbe" * 14_000))
    (head,) = client.heard(frames.HEADERS)
    assert (b":status", b"431") in client.fields(head)
    assert both.server.streams == [1]
    client.says(raw.headers(5, *HEAD))
    assert len(both.server.streams) == 2, "HPACK is still in step"
    assert sum(len(name) + len(value) for flow in tape.flows for name, value in flow.request.headers.fields) < 10_000


def test_h2_17_hpack_out_of_step_ends_the_connection(duet, raw):
    both = duet()
    kept = both.client.asks("GET")
    client = raw.Peer(both.scenario.client(), is_client=True)
    client.says(frames.frame(frames.HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\xff\x0f"))
    (goaway,) = client.heard(frames.GOAWAY)
    assert frames.long(goaway.payload, 4) == COMPRESSION_ERROR
    both.server.answers(1, 200, b"ok")
    assert both.client.response(kept).body == b"ok"


def test_ob_07_a_frame_larger_than_allowed(duet, raw):
    both = duet()
    client = raw.Peer(both.scenario.client(), is_client=True)
    client.says(frames.header(frames.HEADERS, END_HEADERS, 1, 16_385))
    (goaway,) = client.heard(frames.GOAWAY)
    assert frames.long(goaway.payload, 4) == FRAME_SIZE_ERROR


def test_h2_10_more_data_than_the_window_allows(duet, raw, tape):
    both = duet(addons=[tape], http2_stream_window="64k", http2_connection_window="1m")
    client = begin(both, raw)
    both.server.hear()
    both.server.consumes = False
    both.server.peer.transport.reads_slowly = True
    client.says(frames.frame(frames.SETTINGS, ACK, 0, b""))
    for _ in range(20):
        client.says(frames.frame(frames.DATA, 0, 1, bytes(16_000)))
    (reset,) = client.heard(frames.RST_STREAM)[:1]
    assert frames.long(reset.payload) == FLOW_CONTROL_ERROR
    assert not client.heard(frames.GOAWAY)
    assert tape.hooks[-1] == "error"


def test_ob_05_what_came_whole_before_a_fault_is_delivered(duet, raw, tape):
    both = duet(addons=[tape])
    client = raw.Peer(both.scenario.client(), is_client=True)
    client.says(raw.headers(1, *HEAD) + frames.frame(frames.PING, 0, 0, b"short"))
    assert tape.hooks[:2] == ["requestheaders", "request"]
    assert both.server.streams == [1]
    (goaway,) = client.heard(frames.GOAWAY)
    assert frames.long(goaway.payload) == 1
    assert frames.long(goaway.payload, 4) == FRAME_SIZE_ERROR


def test_h2_20_h2_21_h2_22_what_is_none_of_our_business(duet, raw):
    """Unknown frames and settings, ALTSVC, ORIGIN: ignored; pushes: refused."""
    both = duet()
    stream = both.client.asks("GET")
    server = raw.Peer(both.origin, is_client=False)
    server.says(
        frames.settings([(0x77, 1), (0x4, 100_000)]),
        frames.frame(frames.ALTSVC, 0, 0, b"\0\1ah2=:1"),
        frames.frame(frames.ORIGIN, 0, 0, b"\0\1a"),
        frames.frame(0x77, 0xFF, 1, b"?"),
        frames.frame(frames.PUSH_PROMISE, END_HEADERS, 1, (2).to_bytes(4, "big") + raw.literal(*HEAD)),
        raw.headers(2, (b":status", b"200")),
        raw.headers(1, (b":status", b"200"), flags=END_HEADERS),
        frames.frame(frames.DATA, END_STREAM, 1, b"ok"),
    )
    assert both.client.response(stream).body == b"ok"
    (reset,) = server.heard(frames.RST_STREAM)
    assert (reset.stream_id, frames.long(reset.payload)) == (2, 7)
    assert not server.peer.is_closed


def test_h2_22_a_push_is_not_offered(duet):
    both = duet()
    both.client.asks("GET")
    both.server.hear()
    first = both.server.frames[0]
    assert first.kind == frames.SETTINGS
    assert dict(frames.pairs(first.payload))[2] == 0
    both.server.answers(1, 200, None)
    both.server.says(1, Data(b"x"), END)
