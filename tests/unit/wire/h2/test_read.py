"""What engines make of messages that come, and of frames that are wrong."""

import pytest

from midstream.wire.errors import Profile
from midstream.wire.events import END, Data, End, RequestHead, Reset, ResponseHead, Trailers
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import (
    COMPRESSION_ERROR,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    PROTOCOL_ERROR,
    STREAM_CLOSED,
)
from midstream.wire.h2.events import Priority, PriorityUpdate
from midstream.wire.h2.frame import END_HEADERS, END_STREAM, HAS_PRIORITY, PADDED, PREFACE

RST = frames.RST_STREAM


def code(wire: bytes) -> int:
    return frames.long(wire)


def fatal(remote, events) -> int:
    """Check that the connection is over, and return what the peer was told."""
    at, (kind, _, told) = events[-1]
    assert (at, kind) == (0, "FatalError")
    goaway = remote.hears()[-1]
    assert goaway.kind == frames.GOAWAY
    assert frames.long(goaway.payload, 4) == told
    assert remote.engine.has_failed
    assert remote.says(frames.frame(frames.PING, 0, 0, b"8 bytes!")) == []
    assert remote.hears() == []
    return told


def broken(remote, events, stream_id=1) -> int:
    """Check that one stream broke off, and return what the peer was told; the connection goes on."""
    at, fault = events[-1]
    assert at == stream_id
    assert fault[0] in ("StreamError", "PeerError")
    reset = next(each for each in remote.hears() if each.kind == RST)
    assert reset.stream_id == stream_id
    assert remote.engine.open_streams == 0
    assert len(remote.says(remote.request(101))) == 2
    return code(reset.payload)


# Requests


def test_a_request_without_a_body(client):
    remote = client()
    events = remote.says(remote.request(1, (b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2")))
    head = events[0][1]
    assert events == [(1, head), (1, END)]
    assert isinstance(head, RequestHead)
    assert (head.method, head.target, head.version, head.body_size) == (b"GET", b"/", b"HTTP/2.0", 0)
    assert (head.scheme, head.authority, head.host, head.pseudo_order) == (b"https", b"a", None, b"m,s,a,p")
    assert head.headers == [(b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2")]  # H2-31


def test_heads_that_come_again_do_not_share_their_fields(client):
    remote = client()
    remote.says(remote.request(1, (b"x", b"y")))
    (_, first), _ = remote.says(remote.request(3, (b"x", b"y")))
    first.headers.append((b"more", b"z"))
    (_, second), _ = remote.says(remote.request(5, (b"x", b"y")))
    assert second.headers == [(b"x", b"y")]


def test_h2_01_trailers_and_h2_13_padding(client):
    remote = client()
    padded = frames.frame(frames.DATA, PADDED, 1, b"\x05hello" + b"\0" * 5)
    events = remote.says(
        remote.request(1, end=False), padded, remote.data(1, b"!"), remote.headers(1, [(b"t", b"1")], end=True)
    )
    assert [event for _, event in events[1:]] == [Data(b"hello!"), Trailers([(b"t", b"1")]), END]
    assert events[0][1].body_size is None
    stream = remote.engine.whole._streams[1]
    assert (stream.window.held, stream.window.left) == (6, 1_048_576 - 12)


def test_h2_14_an_empty_frame_that_is_all_of_the_body_is_told(client):
    remote = client()
    events = remote.says(remote.request(1, end=False), remote.data(1, b"", end=True))
    assert [event for _, event in events[1:]] == [Data(b""), END]
    events = remote.says(remote.request(3, end=False), remote.data(3, b"x"), remote.data(3, b"", end=True))
    assert [event for _, event in events[1:]] == [Data(b"x"), END]


def test_h2_16_a_head_in_many_frames(client):
    remote = client()
    block = remote.block([*frames_request(), (b"x", b"y" * 100)])
    pieces = [block[at : at + 10] for at in range(0, len(block), 10)]
    wire = frames.frame(frames.HEADERS, END_STREAM, 1, pieces[0])
    wire += b"".join(frames.frame(frames.CONTINUATION, 0, 1, piece) for piece in pieces[1:])
    events = remote.says(wire, frames.frame(frames.CONTINUATION, END_HEADERS, 1, b""))
    assert [type(event) for _, event in events] == [RequestHead, End]
    assert events[0][1].headers == [(b"x", b"y" * 100)]


def frames_request():
    return [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")]


def test_h2_16_continuation_floods_end_the_connection(client):
    remote = client(continuations=3)
    wire = frames.frame(frames.HEADERS, 0, 1, b"\x82") + frames.frame(frames.CONTINUATION, 0, 1, b"") * 4
    assert fatal(remote, remote.says(wire)) == ENHANCE_YOUR_CALM
    remote = client(head_bytes=20)
    wire = frames.frame(frames.HEADERS, 0, 1, b"\x82") + frames.frame(frames.CONTINUATION, 0, 1, b"\x82" * 20)
    assert fatal(remote, remote.says(wire)) == ENHANCE_YOUR_CALM


@pytest.mark.parametrize(
    "second",
    [
        frames.frame(frames.DATA, 0, 1, b""),
        frames.frame(frames.CONTINUATION, END_HEADERS, 3, b""),
        frames.frame(frames.PING, 0, 0, b"8 bytes!"),
    ],
)
def test_nothing_comes_within_a_field_section(client, second):
    remote = client()
    assert fatal(remote, remote.says(frames.frame(frames.HEADERS, 0, 1, b"\x82"), second)) == PROTOCOL_ERROR


def test_h2_23_priority_in_a_head(client):
    remote = client()
    block = remote.block(frames_request())
    flags = END_HEADERS | END_STREAM | HAS_PRIORITY | PADDED
    wire = frames.frame(
        frames.HEADERS, flags, 3, b"\x02" + Priority(1, 201, is_exclusive=True).payload() + block + b"\0\0"
    )
    events = remote.says(wire)
    assert events[1:] == [(3, END), (3, Priority(1, 201, is_exclusive=True))]


def test_h2_17_a_head_beyond_our_limits_can_be_answered(client):
    remote = client(head_bytes=200)
    events = remote.says(remote.request(1, (b"x", b"y" * 100), end=False), remote.data(1, b"body"))
    assert events == [(1, ("PeerError", "a head beyond our limits", 431))]
    remote.engine.send_whole(1, ResponseHead(431, b"", b"HTTP/2.0", [], 2), b"no")
    heard = remote.hears()
    assert heard[0].payload == [(b":status", b"431")]
    assert [each.kind for each in heard] == [frames.HEADERS, frames.DATA, RST]
    assert code(heard[-1].payload) == 0
    assert remote.engine.open_streams == 0
    assert remote.says(remote.data(1, b"late")) == []
    events = remote.says(remote.request(3, (b"x", b"y" * 100)), remote.headers(5, [], end=True))
    assert [at for at, _ in events] == [3, 5]
    remote.engine.send_whole(3, ResponseHead(431, b"", b"HTTP/2.0", [], 0), b"")
    assert remote.engine.open_streams == 0


def test_trailers_of_a_request_that_is_refused_are_ignored(client):
    remote = client(head_bytes=200)
    remote.says(remote.request(1, (b"x", b"y" * 100), end=False))
    assert remote.says(remote.headers(1, [(b"t", b"1")], end=True)) == []


def test_h2_30_bodies_have_the_length_they_say(client):
    remote = client()
    length = (b"content-length", b"5")
    events = remote.says(remote.request(1, length, end=False), remote.data(1, b"hello", end=True))
    assert [type(event) for _, event in events] == [RequestHead, Data, End]
    assert events[0][1].body_size == 5


@pytest.mark.parametrize("body", [b"hell", b"hello!", b""])
def test_h2_30_and_if_not_the_stream_dies(client, body):
    length = (b"content-length", b"5")
    remote = client()
    assert broken(remote, remote.says(remote.request(1, length, end=False), remote.data(1, body, end=True))) == 1
    remote = client()
    assert broken(remote, remote.says(remote.request(1, length, end=True))) == 1
    remote = client()
    trailers = remote.says(remote.request(1, length, end=False), remote.headers(1, [(b"t", b"1")], end=True))
    assert broken(remote, trailers) == 1
    remote = client(profile=Profile.RAW)
    events = remote.says(remote.request(1, length, end=False), remote.data(1, body, end=True))
    assert events[-1][1].faults[0].reference == "RFC 9113 §8.1.1"


# Streams that are wrong


@pytest.mark.parametrize(
    "fields",
    [
        [(b":method", b"GET"), (b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")],
        [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a")],
        [(b":status", b"200")],
        [(b":method", b"GET"), (b":scheme", b"https"), (b"x", b"y"), (b":path", b"/")],
        [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/"), (b"x", b"y\r\nz")],
        [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/"), (b"X", b"y")],
    ],
)
def test_h2_34_a_malformed_request_dies_alone(client, fields):
    remote = client()
    assert broken(remote, remote.says(remote.headers(1, fields, end=True))) == PROTOCOL_ERROR


def test_a_second_head_without_an_end(client):
    remote = client()
    events = remote.says(remote.request(1, end=False), remote.headers(1, [(b"t", b"1")]))
    assert broken(remote, events) == PROTOCOL_ERROR


def test_h2_28_pseudo_header_fields_in_trailers(client):
    remote = client()
    events = remote.says(remote.request(1, end=False), remote.headers(1, [(b":path", b"1")], end=True))
    assert broken(remote, events) == PROTOCOL_ERROR


def test_trailers_beyond_our_limits(client):
    remote = client(head_bytes=300)
    events = remote.says(remote.request(1, end=False), remote.headers(1, [(b"t", b"1" * 300)], end=True))
    assert broken(remote, events) == ENHANCE_YOUR_CALM


def test_more_after_the_end(client):
    remote = client()
    assert broken(remote, remote.says(remote.request(1), remote.data(1, b"x"))) == STREAM_CLOSED
    remote = client()
    assert broken(remote, remote.says(remote.request(1), remote.headers(1, [], end=True))) == STREAM_CLOSED


def test_h2_10_more_data_than_the_stream_allows(client):
    remote = client(stream_window=70_000)
    wire = remote.request(1, end=False) + remote.data(1, b"x" * 14_000) * 5
    assert [event for _, event in remote.says(wire)[1:]] == [Data(b"x" * 70_000)]
    assert broken(remote, remote.says(remote.data(1, b"x"))) == FLOW_CONTROL_ERROR
    assert remote.engine.whole._window.held == 0


def test_data_frames_in_a_row_are_one_piece(client):
    remote = client()
    body = remote.data(1, b"ab") + remote.data(1, b"cd") + remote.data(1, b"ef", end=True)
    events = remote.engine.whole.receive(remote.request(1, end=False) + body)
    assert events[1:] == [(1, Data(b"abcdef")), (1, END)]


@pytest.mark.parametrize(
    "then",
    [
        lambda remote: remote.data(3, b"other"),
        lambda remote: frames.frame(frames.DATA, PADDED, 1, b"\1x\0"),
        lambda remote: frames.frame(frames.PING, 0, 0, b"p" * 8),
        lambda remote: remote.data(1, b""),
        lambda remote: remote.data(1, b"x" * 20)[:15],
        lambda remote: remote.data(1, b"x" * 98),
    ],
    ids=["stream", "padding", "kind", "empty", "part", "window"],
)
def test_a_row_of_data_ends_where_something_else_comes(client, then):
    remote = client(stream_window=100_000)
    remote.says(remote.request(1, end=False), remote.request(3, end=False))
    remote.engine.whole._streams[1].window.left = remote.engine.parted._streams[1].window.left = 101
    events = remote.says(remote.data(1, b"a"), remote.data(1, b"b"), remote.data(1, b"c"), then(remote))
    assert events[0][1].data.startswith(b"abc")


def test_h2_30_a_row_of_data_ends_where_the_body_should(client):
    remote = client()
    events = remote.says(
        remote.request(1, (b"content-length", b"3"), end=False), remote.data(1, b"ab") + remote.data(1, b"cd") * 2
    )
    assert events[1] == (1, Data(b"ab"))
    assert broken(remote, events) == PROTOCOL_ERROR


def test_h2_12_late_frames_of_a_stream_that_we_reset(client):
    remote = client()
    remote.says(remote.request(1, end=False))
    remote.engine.send(1, Reset("enough"))
    remote.hears()
    trailers = remote.headers(1, [(b"x-new", b"1")], end=True)
    assert remote.says(remote.data(1, b"late"), trailers, frames.window_update(1, 5), frames.rst_stream(1, 8)) == []
    assert remote.hears() == []
    (_, head), _ = remote.says(remote.request(3, (b"x-new", b"1")))  # HPACK is in step
    assert head.headers == [(b"x-new", b"1")]


def test_frames_of_a_stream_that_is_long_over(client):
    remote = client()
    remote.says(remote.request(1))
    remote.engine.send_whole(1, ResponseHead(204, b"", b"HTTP/2.0", [], 0), b"")
    remote.hears()
    assert remote.says(remote.data(1, b"x"), frames.rst_stream(1, 0), frames.window_update(1, 1)) == []  # H2-11
    assert [(each.kind, code(each.payload)) for each in remote.hears()] == [(RST, STREAM_CLOSED)]
    assert remote.says(remote.data(1, b"x"), remote.headers(1, [(b"a", b"b")])) == []
    assert remote.hears() == []
    remote = client(profile=Profile.STRICT)
    remote.says(remote.request(1))
    remote.engine.send_whole(1, ResponseHead(204, b"", b"HTTP/2.0", [], 0), b"")
    assert fatal(remote, remote.says(remote.data(1, b"x"))) == STREAM_CLOSED


def test_h2_10_data_of_dead_streams_gives_the_connection_its_window_back(client):
    remote = client(connection_window=65_535)
    remote.says(remote.request(1, end=False))
    remote.engine.send(1, Reset("enough"))
    for _ in range(8):
        remote.says(remote.data(1, b"x" * 16_000))
    updates = [each for each in remote.hears() if each.kind == frames.WINDOW_UPDATE]
    assert sum(code(each.payload) for each in updates) == 96_000
    assert {each.stream_id for each in updates} == {0}
    assert not remote.engine.has_failed


# Connections that are wrong


def test_only_the_preface_opens_a_connection(client):
    remote = client(greets=False)
    assert fatal(remote, remote.says(b"GET / HTTP/1.1\r\n\r\n")) == PROTOCOL_ERROR
    remote = client(greets=False)
    assert remote.says(PREFACE[:10]) == []
    assert remote.says(PREFACE[10:]) == []
    assert fatal(remote, remote.says(frames.frame(frames.PING, 0, 0, b"8 bytes!"))) == PROTOCOL_ERROR


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (frames.header(frames.HEADERS, 0, 1, 16_385), FRAME_SIZE_ERROR),  # OB-07
        (frames.header(frames.DATA, 0, 1, 16_385), FRAME_SIZE_ERROR),
        (frames.frame(frames.HEADERS, END_HEADERS, 1, b"\x80"), COMPRESSION_ERROR),
        (frames.frame(frames.HEADERS, END_HEADERS, 0, b""), PROTOCOL_ERROR),
        (frames.frame(frames.HEADERS, END_HEADERS, 2, b""), PROTOCOL_ERROR),
        (frames.frame(frames.HEADERS, END_HEADERS | PADDED, 1, b"\x05xxxx"), PROTOCOL_ERROR),
        (frames.frame(frames.HEADERS, END_HEADERS | PADDED, 1, b""), PROTOCOL_ERROR),
        (frames.frame(frames.HEADERS, END_HEADERS | HAS_PRIORITY, 1, b"xxxx"), FRAME_SIZE_ERROR),
        (frames.frame(frames.DATA, 0, 0, b""), PROTOCOL_ERROR),
        (frames.frame(frames.DATA, 0, 1, b""), PROTOCOL_ERROR),
        (frames.frame(frames.CONTINUATION, 0, 1, b""), PROTOCOL_ERROR),
        (frames.frame(frames.PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2"), PROTOCOL_ERROR),
        (frames.frame(frames.PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0"), FRAME_SIZE_ERROR),
    ],
)
def test_faults_of_the_connection(client, wire, expected):
    remote = client()
    assert fatal(remote, remote.says(wire)) == expected


def test_data_padded_beyond_its_end(client):
    remote = client()
    wire = remote.request(1, end=False) + frames.frame(frames.DATA, PADDED, 1, b"\x03xx")
    assert fatal(remote, remote.says(wire)) == PROTOCOL_ERROR


def test_ob_05_what_came_before_a_fault_is_told(client):
    remote = client()
    events = remote.says(remote.request(1, end=False), remote.data(1, b"x"), frames.frame(frames.DATA, 0, 0, b""))
    assert [type(event) for _, event in events[:-1]] == [RequestHead, Data]
    assert fatal(remote, events) == PROTOCOL_ERROR


def test_more_data_than_the_connection_allows(client):
    remote = client(connection_window=65_535, stream_window=200_000)
    remote.says(remote.request(1, end=False), remote.data(1, b"x" * 16_000) * 4)
    assert fatal(remote, remote.says(remote.data(1, b"x" * 16_000))) == FLOW_CONTROL_ERROR


def test_h2_18_empty_data_is_bounded(client):
    remote = client(empties_per_second=1)
    wire = remote.request(1, end=False) + remote.data(1, b"") * 10
    assert len(remote.says(wire)) == 1
    assert fatal(remote, remote.says(remote.data(1, b""))) == ENHANCE_YOUR_CALM


def test_h2_20_h2_21_unknown_frames_are_ignored(client):
    remote = client(controls_per_second=1)
    unknown = [frames.frame(kind, 0xFF, 1, b"x") for kind in (frames.ALTSVC, frames.ORIGIN, 0x55)]
    assert remote.says(*unknown) == []
    assert remote.hears() == []
    assert fatal(remote, remote.says(*unknown * 4)) == ENHANCE_YOUR_CALM


def test_the_end_of_the_connection_breaks_streams_off(client):
    remote = client()
    remote.says(remote.request(1, end=False), remote.request(3))
    assert remote.engine.eof() == [
        (1, Reset("the client closed the connection")),
        (3, Reset("the client closed the connection")),
    ]
    assert remote.engine.has_failed
    assert remote.engine.eof() == []
    assert remote.says(remote.data(1, b"x")) == []


def test_every_frame_can_be_traced(client):
    remote = client()
    seen = []
    remote.engine.whole.trace = lambda *frame: seen.append(frame)
    remote.says(remote.request(1, end=False), remote.data(1, b"x"), frames.frame(0x55, 7, 1, b"y"))
    remote.engine.send_whole(1, ResponseHead(200, b"", b"HTTP/2.0", [], 2), b"ok")
    remote.hears()
    assert [(is_sent, kind, flags, at) for is_sent, kind, flags, at, _ in seen] == [
        (False, frames.HEADERS, END_HEADERS, 1),
        (False, frames.DATA, 0, 1),
        (False, 0x55, 7, 1),
        (True, frames.HEADERS, END_HEADERS, 1),
        (True, frames.DATA, END_STREAM, 1),
    ]
    assert seen[1][4] == b"x"


def test_priority_updates_are_told(client):
    remote = client()
    update = frames.frame(frames.PRIORITY_UPDATE, 0, 0, b"\0\0\0\x05u=1, i")
    assert remote.says(update) == [(5, PriorityUpdate(b"u=1, i"))]


def test_a_fault_of_one_body_is_not_told_of_another_stream(client):
    remote = client(profile=Profile.RAW)
    wire = remote.request(1, (b"content-length", b"1"), end=False) + remote.data(1, b"xx")
    events = remote.says(wire, remote.request(3), remote.data(1, b"", end=True))
    assert events[2][1].faults == ()
    assert [len(event.faults) for _, event in events if isinstance(event, End)] == [0, 1]


def test_h2_13_padding_of_a_head(client):
    remote = client()
    wire = frames.frame(
        frames.HEADERS, END_HEADERS | END_STREAM | PADDED, 1, b"\x03" + remote.block(frames_request()) + b"\0" * 3
    )
    assert [type(event) for _, event in remote.says(wire)] == [RequestHead, End]


def test_what_comes_behind_a_message_waits_for_its_rest(client):
    remote = client()
    message = remote.request(1, end=False) + remote.data(1, b"x") + remote.headers(1, [(b"t", b"1")], end=True)
    following = remote.request(3)
    for size in range(len(following)):
        events = remote.says(message + following[:size])
        assert [type(event) for _, event in events] == [RequestHead, Data, Trailers, End]
        assert [at for at, _ in remote.says(following[size:])] == [3, 3]
        remote = client()
        message = remote.request(1, end=False) + remote.data(1, b"x") + remote.headers(1, [(b"t", b"1")], end=True)
        following = remote.request(3)
