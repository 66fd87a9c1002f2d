"""The two roles, and two engines joined."""

import pytest

from midstream.errors import UsageError
from midstream.wire.errors import Profile
from midstream.wire.events import END, Data, End, RequestHead, Reset, ResponseHead, Trailers
from midstream.wire.h2 import ClientFacing, Fingerprint, ServerFacing
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import (
    CANCEL,
    ENHANCE_YOUR_CALM,
    HTTP_1_1_REQUIRED,
    NO_ERROR,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
)
from midstream.wire.h2.events import GoAway, Priority
from midstream.wire.h2.frame import END_HEADERS, PADDED, PREFACE
from midstream.wire.h2.limits import DEFAULT_LIMITS
from midstream.wire.h2.read import Reader
from midstream.wire.h2.settings import MAX_CONCURRENT_STREAMS

OK = ResponseHead(200, b"", b"HTTP/2.0", [], 0)


def test_a_reader_alone_does_not_know_what_heads_mean():
    reader = Reader(DEFAULT_LIMITS, Profile.LENIENT, {}, 65_535)
    for step in (reader._first_section, reader._response_section):
        with pytest.raises(NotImplementedError):
            step(None, None, False, [])
    with pytest.raises(NotImplementedError):
        reader._refuse_push(2)
    assert reader._last_taken == 0
    reader._refuse_above(0, [])
    reader._spend_reset()


# Facing a client


def test_the_server_introduces_itself(client):
    remote = client(greets=False, extended=True, table_bytes=100, frame_bytes=20_000)
    settings, update = remote.hears()
    assert frames.pairs(settings.payload) == [(4, 1_048_576), (6, 65_536), (1, 100), (5, 20_000), (3, 256), (8, 1)]
    assert update == (frames.WINDOW_UPDATE, 0, 0, (16_777_216 - 65_535).to_bytes(4, "big"))
    remote = client(greets=False, connection_window=1)
    assert [each.kind for each in remote.hears()] == [frames.SETTINGS]


def test_h2_18_streams_beyond_our_limit_are_refused(client):
    remote = client(concurrent_streams=2)
    assert len(remote.says(*(remote.request(number, (b"x", b"%d" % number)) for number in (1, 3, 5)))) == 4
    assert remote.hears() == [(frames.RST_STREAM, 0, 5, bytes((0, 0, 0, REFUSED_STREAM)))]
    remote.engine.send_whole(1, OK, b"")
    (_, head), _ = remote.says(remote.request(7, (b"x", b"5")))  # HPACK is in step
    assert head.headers == [(b"x", b"5")]


def test_h2_18_rapid_resets_are_bounded(client):
    remote = client(resets_per_second=1)
    for number in range(10):
        remote.says(remote.request(2 * number + 1), frames.rst_stream(2 * number + 1, CANCEL))
    events = remote.says(remote.request(21), frames.rst_stream(21, CANCEL))
    assert events[-1] == (0, ("FatalError", "too many streams that broke off", ENHANCE_YOUR_CALM))
    assert remote.hears()[-1].kind == frames.GOAWAY


def test_h2_18_and_so_are_those_that_we_are_provoked_to_send(client):
    remote = client(resets_per_second=1)
    events = []
    for number in range(11):
        events += remote.says(remote.request(2 * number + 1), frames.window_update(2 * number + 1, 0))
    assert events[-1] == (0, ("FatalError", "too many streams that broke off", ENHANCE_YOUR_CALM))


def test_h2_06_going_away(client):
    remote = client()
    remote.says(remote.request(1, end=False))
    remote.engine.go_away(last=0x7FFF_FFFF)
    assert len(remote.says(remote.request(3))) == 2
    remote.engine.go_away(ENHANCE_YOUR_CALM, b"why")
    first, second = remote.hears()
    assert (frames.long(first.payload), frames.long(first.payload, 4)) == (0x7FFF_FFFF, NO_ERROR)
    assert second.payload == b"\0\0\0\x03\0\0\0\x0bwhy"
    assert remote.says(remote.request(5, (b"x", b"y"), end=False), remote.data(5, b"x")) == []
    assert remote.hears() == []
    assert remote.says(remote.data(1, b"x", end=True)) == [(1, Data(b"x")), (1, END)]
    remote.says(frames.frame(frames.DATA, 0, 0, b""))
    assert remote.hears()[-1].payload[:4] == b"\0\0\0\x03"


def test_h2_37_extended_connect_only_if_we_offered_it(client):
    fields = [
        (b":method", b"CONNECT"),
        (b":protocol", b"websocket"),
        (b":scheme", b"https"),
        (b":path", b"/chat"),
        (b":authority", b"a"),
    ]
    remote = client()
    assert remote.says(remote.headers(1, fields))[0][1][0] == "PeerError"
    remote = client(extended=True)
    ((_, head),) = remote.says(remote.headers(1, fields))
    assert (head.method, head.protocol, head.target, head.body_size) == (b"CONNECT", b"websocket", b"/chat", None)
    remote.engine.send(1, ResponseHead(200, b"", b"HTTP/2.0", [], None))
    assert remote.says(remote.data(1, b"frame")) == [(1, Data(b"frame"))]


def test_h2_38_connect_on_a_stream(client):
    remote = client()
    ((_, head),) = remote.says(remote.headers(1, [(b":method", b"CONNECT"), (b":authority", b"host:443")]))
    assert (head.target, head.authority, head.body_size, head.pseudo_order) == (b"host:443", b"host:443", None, b"m,a")
    remote.engine.send(1, ResponseHead(200, b"", b"HTTP/2.0", [(b"content-length", b"0")], None))
    remote.engine.send(1, Data(b"hello"))
    assert remote.says(remote.data(1, b"hi", end=True)) == [(1, Data(b"hi")), (1, END)]
    remote.engine.send(1, END)
    assert remote.engine.open_streams == 0


def test_the_fingerprint_of_a_client(client):
    remote = client(greets=False)
    settings = [(1, 65_536), (2, 0), (4, 6_291_456), (6, 262_144), (0x4A4A, 7)]
    priority = Priority(0, 201, is_exclusive=False)
    remote.says(PREFACE, frames.settings(settings), frames.window_update(0, 15_663_105))
    remote.says(frames.frame(frames.PRIORITY, 0, 3, priority.payload()), frames.window_update(0, 1))
    fields = [(b":method", b"GET"), (b":path", b"/"), (b":authority", b"a"), (b":scheme", b"https")]
    remote.says(remote.headers(5, fields), frames.window_update(0, 1), frames.settings([(1, 1)]), remote.request(7))
    found = remote.engine.fingerprint
    assert found == Fingerprint(settings, 15_663_105, [(3, priority)], b"m,p,a,s")
    assert str(found) == "1:65536;2:0;4:6291456;6:262144;19018:7|15663105|3:0:0:201|m,p,a,s"


def test_a_client_is_sent_no_request(client):
    remote = client()
    remote.says(remote.request(1))
    with pytest.raises(UsageError, match="not requests"):
        remote.engine.send(1, RequestHead(b"GET", b"/", b"HTTP/2.0", []))


# Facing a server


def test_the_client_introduces_itself(server):
    remote = server(greets=False)
    wire = remote.engine.take_output()
    assert wire.startswith(PREFACE)
    settings, update = frames.frames(wire.removeprefix(PREFACE))
    assert frames.pairs(settings.payload) == [(2, 0), (4, 1_048_576), (6, 65_536)]
    assert update.kind == frames.WINDOW_UPDATE


def test_the_client_introduces_itself_like_another(server):
    priorities = [(3, Priority(0, 201, is_exclusive=False)), (4, Priority(3, 1, is_exclusive=True))]
    like = Fingerprint([(1, 65_536), (4, 131_072), (5, 32_768)], 100, priorities, b"m,p,a,s")
    remote = server(greets=False, like=like)
    head = RequestHead(b"GET", b"/", b"HTTP/1.1", [(b"Host", b"h")], 0)
    assert remote.engine.open(head, Priority(0, 256, is_exclusive=True)) == 5
    wire = remote.engine.take_output()
    twin = ClientFacing()
    (at, found), (_, priority) = twin.receive(wire)[-2:]
    assert (at, found.authority, priority) == (5, b"h", Priority(0, 256, is_exclusive=True))
    assert twin.fingerprint == like
    block = b"\x3f\xe1\xff\x03\x88\x40\x01a\x7f\xc1\x3d" + b"v" * 8000  # puts itself into the larger table
    events = remote.says(frames.settings([]), frames.frame(frames.HEADERS, END_HEADERS, 5, block), b"")
    assert events[-1][1].headers == [(b"a", b"v" * 8000)]
    assert remote.says(frames.frame(frames.DATA, 0, 5, b"x" * 32_768)) == [(5, Data(b"x" * 32_768))]


def test_a_like_without_extras(server):
    remote = server(greets=False, like=Fingerprint([(3, 100)]))
    wire = remote.engine.take_output()
    assert wire == PREFACE + frames.settings([(3, 100)])


def test_an_exchange(server, request_head):
    remote = server()
    assert remote.engine.open_whole(request_head((b"x", b"y"), size=2), b"hi") == 1
    head, data = remote.hears()
    assert head.payload == [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"a"),
        (b":path", b"/"),
        (b"x", b"y"),
    ]
    assert data == (frames.DATA, 1, 1, b"hi")
    events = remote.says(remote.response(1, (b"content-length", b"2")), remote.data(1, b"ok", end=True))
    answer = ResponseHead(200, b"", b"HTTP/2.0", [(b"content-length", b"2")], 2)
    assert events == [(1, answer), (1, Data(b"ok")), (1, END)]
    assert remote.engine.open_streams == 0  # H2-40
    assert remote.engine.open(request_head()) == 3


def test_h2_32_interim_responses_come_first(server):
    remote = server(asked=1)
    events = remote.says(
        remote.response(1, (b"link", b"x"), status=b"103"),
        remote.response(1, status=b"100"),
        remote.response(1, end=True),
    )
    assert [getattr(event, "status", None) for _, event in events] == [103, 100, 200, None]
    remote = server(asked=1, interim_heads=2)
    events = remote.says(*[remote.response(1, status=b"100")] * 3)
    assert events[-1][1][0] == "StreamError"


def test_h2_01_answers_of_trailers_only(server):
    remote = server(asked=2)
    events = remote.says(remote.response(1), remote.headers(1, [(b"grpc-status", b"0")], end=True))
    assert [type(event) for _, event in events] == [ResponseHead, Trailers, End]
    assert events[0][1].body_size is None
    events = remote.says(remote.response(3, (b"grpc-status", b"0"), end=True))
    assert [type(event) for _, event in events] == [ResponseHead, End]
    assert events[0][1].body_size == 0


def test_h2_02_a_reset_after_a_complete_answer(server, request_head):
    remote = server()
    remote.engine.open(request_head(method=b"POST", size=None))
    events = remote.says(remote.response(1, end=True), frames.rst_stream(1, NO_ERROR))
    assert [type(event) for _, event in events] == [ResponseHead, End, Reset]
    assert events[-1][1].code == NO_ERROR
    remote.hears()
    remote.engine.send(1, Data(b"more"))
    remote.engine.send(1, END)
    assert remote.hears() == []


def test_h2_04_http_1_1_required_is_told(server):
    remote = server(asked=1)
    message = "the server reset the stream: HTTP_1_1_REQUIRED"
    assert remote.says(frames.rst_stream(1, HTTP_1_1_REQUIRED)) == [(1, Reset(message, HTTP_1_1_REQUIRED))]


def test_h2_05_h2_06_streams_that_the_server_did_not_look_at(server, request_head):
    remote = server(asked=3)
    events = remote.says(frames.goaway(3, NO_ERROR))
    assert events == [
        (0, GoAway(3, NO_ERROR, b"")),
        (5, Reset("the server went away before it looked at the request", REFUSED_STREAM)),
    ]
    assert remote.engine.is_closing
    assert remote.engine.free_slots == 0
    with pytest.raises(UsageError, match="no further stream"):
        remote.engine.open(request_head())
    assert len(remote.says(remote.response(1, end=True), remote.response(3, end=True))) == 4
    assert remote.engine.open_streams == 0


def test_h2_07_how_many_streams_may_be_opened(server, request_head):
    remote = server([(MAX_CONCURRENT_STREAMS, 2)], asked=1)
    assert remote.engine.free_slots == 1
    remote.engine.open(request_head())
    assert remote.engine.free_slots == 0
    with pytest.raises(UsageError, match="no further stream"):
        remote.engine.open(request_head())
    remote.says(frames.settings([(MAX_CONCURRENT_STREAMS, 0)]))
    remote.engine.abandon(1, CANCEL)
    assert remote.engine.free_slots == 0
    assert not remote.engine.is_closing
    remote.says(frames.settings([(MAX_CONCURRENT_STREAMS, 2)]))
    assert remote.engine.free_slots == 1


def test_h2_08_a_modest_assumption_before_settings(server, request_head):
    remote = server(greets=False)
    assert remote.engine.free_slots == 100
    assert remote.engine.open_whole(request_head(), b"") == 1
    assert [each.kind for each in remote.hears()] == [frames.SETTINGS, frames.WINDOW_UPDATE, frames.HEADERS]


def test_stream_ids_end(server, request_head):
    remote = server()
    for engine in (remote.engine.whole, remote.engine.parted):
        engine._next_id = 0x7FFF_FFFF
    assert remote.engine.open(request_head()) == 0x7FFF_FFFF
    assert remote.engine.is_closing


def test_h2_22_pushes_are_refused_and_the_connection_goes_on(server):
    remote = server(asked=2)
    block = remote.block([(b":method", b"GET"), (b"x-new", b"1")])
    promise = b"\0\0\0\x02" + block
    padded = b"\x01\0\0\0\x04\x82\0"
    events = remote.says(
        frames.frame(frames.PUSH_PROMISE, END_HEADERS, 1, promise),
        frames.frame(frames.PUSH_PROMISE, END_HEADERS | PADDED, 1, padded),
        remote.headers(2, [(b":status", b"200"), (b"x-new", b"2")]),
        remote.data(2, b"pushed"),
        frames.frame(frames.PUSH_PROMISE, 0, 1, b"\0\0\0\x06"),
        frames.frame(frames.CONTINUATION, END_HEADERS, 1, b"\x82"),
    )
    assert events == []
    assert [(each.kind, each.stream_id) for each in remote.hears()] == [
        (frames.RST_STREAM, number) for number in (2, 4, 6)
    ]
    events = remote.says(remote.response(1, (b"x-new", b"1"), (b"x-new", b"2"), end=True))
    assert events[0][1].headers == [(b"x-new", b"1"), (b"x-new", b"2")]


@pytest.mark.parametrize("stream_id", [2, 5])
def test_answers_to_what_was_not_asked(server, stream_id):
    remote = server(asked=2)
    events = remote.says(remote.response(stream_id))
    assert events[-1][1] == ("FatalError", f"HEADERS on stream {stream_id}, which is not open", PROTOCOL_ERROR)


def test_late_answers_are_ignored(server):
    remote = server(asked=2)
    remote.engine.send(1, Reset("enough"))
    assert frames.long(remote.hears()[0].payload) == CANCEL
    assert remote.says(remote.response(1, (b"x", b"y"))) == []
    events = remote.says(remote.response(3, (b"x", b"y"), end=True))
    assert events[0][1].headers == [(b"x", b"y")]


@pytest.mark.parametrize(
    "make",
    [
        lambda remote: remote.data(1, b"x"),
        lambda remote: remote.headers(1, []),
        lambda remote: remote.response(1, status=b"20"),
        lambda remote: remote.response(1, status=b"101"),
        lambda remote: remote.response(1, status=b"100", end=True),
        lambda remote: remote.response(1, (b"content-length", b"5"), end=True),
        lambda remote: remote.response(1, (b"x", b"y" * 500)),
        lambda remote: remote.response(1, status=b"304") + remote.data(1, b"x"),
        lambda remote: remote.response(1) + remote.response(1, end=True),
    ],
)
def test_h2_34_malformed_answers_die_alone(server, make):
    remote = server(asked=2, head_bytes=500)
    events = remote.says(make(remote))
    assert events[-1][0] == 1
    assert events[-1][1][0] in ("PeerError", "StreamError")
    assert remote.hears()[-1].kind == frames.RST_STREAM
    assert len(remote.says(remote.response(3, end=True))) == 2


def test_answers_to_head_and_connect(server):
    remote = server(asked=1, method=b"HEAD")
    events = remote.says(remote.response(1, (b"content-length", b"5")), remote.data(1, b"", end=True))
    assert [type(event) for _, event in events] == [ResponseHead, Data, End]
    assert events[0][1].body_size is None
    remote = server(asked=1, method=b"CONNECT")
    events = remote.says(remote.response(1, (b"content-length", b"5")), remote.data(1, b"whatever"))
    assert [event.body_size if isinstance(event, ResponseHead) else event for _, event in events] == [
        None,
        Data(b"whatever"),
    ]


def test_h2_37_extended_connect_only_if_the_server_offered_it(server, request_head):
    head = request_head(method=b"CONNECT", protocol=b"websocket", size=None)
    remote = server()
    with pytest.raises(UsageError, match="RFC 8441"):
        remote.engine.open(head)
    remote.says(frames.settings([(8, 1)]))
    assert remote.engine.whole.peer.has_extended_connect
    remote.engine.open(head)
    remote.hears_last = remote.hears()[-1].payload
    assert sorted(remote.hears_last) == [
        (b":authority", b"a"), (b":method", b"CONNECT"), (b":path", b"/"), (b":protocol", b"websocket"), (b":scheme", b"https"),
    ]  # fmt: skip


def test_a_server_that_speaks_http_1(server):
    remote = server(greets=False)
    events = remote.says(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert events == [(0, ("FatalError", "the server answers in HTTP/1", PROTOCOL_ERROR))]
    remote = server(greets=False)
    assert remote.says(b"\xff\xff\xff\0\0\0\0\0\0")[0][1][1] == "a frame of 16777215 bytes"


def test_heads_begin_with_open(server, request_head):
    remote = server(asked=1)
    with pytest.raises(UsageError, match="`open`"):
        remote.engine.send(1, request_head())


# Joined


def pump(client: ServerFacing, proxy: ClientFacing) -> tuple[list, list]:
    """Move bytes until nothing moves any more; return what the proxy and the client saw."""
    seen, back = [], []
    while True:
        there, here = client.take_output(), proxy.take_output()
        if not there and not here:
            return seen, back
        seen += proxy.receive(there)
        back += client.receive(here)


def test_two_engines_joined(request_head):
    client, proxy = ServerFacing(), ClientFacing()
    first = client.open_whole(request_head((b"x", b"y"), method=b"POST", size=None), b"a" * 300_000)
    second = client.open_whole(request_head(target=b"/2"), b"")
    seen, _ = pump(client, proxy)
    assert [type(event) for at, event in seen if at == second] == [RequestHead, End]
    body = 0
    while seen:
        for at, event in seen:
            if at == first and isinstance(event, Data):
                body += len(event.data)
                proxy.consumed(first, len(event.data))
        seen, _ = pump(client, proxy)
    assert body == 300_000
    proxy.send_whole(second, ResponseHead(200, b"", b"HTTP/2.0", [], 2), b"ok")
    proxy.send_whole(first, ResponseHead(200, b"", b"HTTP/2.0", [], 0), b"")
    _, back = pump(client, proxy)
    assert [(at, type(event)) for at, event in back] == [
        (second, ResponseHead), (second, Data), (second, End), (first, ResponseHead), (first, End),
    ]  # fmt: skip
    assert (client.open_streams, proxy.open_streams) == (0, 0)
