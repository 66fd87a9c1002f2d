"""What engines send: frames that are merged, split, parked, and refused."""

import pytest

from midstream.errors import UsageError
from midstream.wire.events import END, Data, PeerError, RequestHead, Reset, ResponseHead, Trailers
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import CANCEL, ENHANCE_YOUR_CALM, INTERNAL_ERROR
from midstream.wire.h2.events import WRITABLE, Priority, PriorityUpdate
from midstream.wire.h2.frame import END_HEADERS, END_STREAM
from midstream.wire.h2.limits import DEFAULT_LIMITS
from midstream.wire.h2.settings import INITIAL_WINDOW_SIZE, MAX_HEADER_LIST_SIZE
from midstream.wire.h2.stream import HEAD, Stream
from midstream.wire.h2.write import Writer

STATUS = (b":status", b"200")


def ok(*fields, size=None, status=200, **named) -> ResponseHead:
    return ResponseHead(status, b"", b"HTTP/2.0", list(fields), size, **named)


def asked(client, *args, count=1, method=b"GET", end=True, **named):
    remote = client(*args, **named)
    for number in range(count):
        remote.says(remote.request(2 * number + 1, method=method, end=end))
    return remote


def test_a_writer_alone_does_not_know_what_heads_mean():
    writer = Writer(DEFAULT_LIMITS, 65_535)
    writer._streams[1] = Stream(1, b"GET", 0, 0)
    assert writer._streams[1].writing == HEAD
    with pytest.raises(NotImplementedError):
        writer.send(1, ok())


def test_h2_14_the_end_is_a_flag_of_the_last_frame(client):
    remote = asked(client, count=3)
    remote.engine.send_whole(1, ok(size=0), b"")
    remote.engine.send_whole(3, ok(size=2), b"ok")
    remote.engine.send(5, ok())
    remote.engine.send(5, Data(b""))  # a real empty frame
    remote.engine.send(5, END)
    assert remote.hears() == [
        (frames.HEADERS, END_HEADERS | END_STREAM, 1, [STATUS]),
        (frames.HEADERS, END_HEADERS, 3, [STATUS]),
        (frames.DATA, END_STREAM, 3, b"ok"),
        (frames.HEADERS, END_HEADERS, 5, [STATUS]),
        (frames.DATA, END_STREAM, 5, b""),
    ]
    assert remote.engine.open_streams == 0


def test_an_end_that_comes_later_is_a_frame(client):
    remote = asked(client)
    remote.engine.send(1, ok())
    remote.hears()
    remote.engine.send(1, END)
    assert remote.hears() == [(frames.DATA, END_STREAM, 1, b"")]


def test_h2_01_trailers_and_trailers_only(client):
    remote = asked(client, count=3)
    remote.engine.send(1, ok())
    remote.engine.send(1, Data(b"x"))
    remote.engine.send(1, Trailers([(b"Grpc-Status", b"0"), (b"Connection", b"x")]))
    remote.engine.send(1, END)
    remote.engine.send(3, ok())
    remote.engine.send(3, Trailers([(b"grpc-status", b"0")]))
    remote.engine.send(3, END)
    remote.engine.send(5, ok())
    remote.engine.send(5, Trailers([]))
    remote.engine.send(5, END)
    heard = remote.hears()
    assert heard[2] == (frames.HEADERS, END_HEADERS | END_STREAM, 1, [(b"grpc-status", b"0")])
    assert heard[3:5] == [
        (frames.HEADERS, END_HEADERS, 3, [STATUS]),
        (frames.HEADERS, END_HEADERS | END_STREAM, 3, [(b"grpc-status", b"0")]),
    ]
    assert heard[5:] == [(frames.HEADERS, END_HEADERS | END_STREAM, 5, [STATUS])]


def test_h2_32_interim_responses(client):
    remote = asked(client)
    remote.engine.send(1, ok(status=103, size=0))
    remote.engine.send(1, ok(status=100, size=0))
    remote.engine.send_whole(1, ok(size=0), b"")
    assert [(each.flags, each.payload[0][1]) for each in remote.hears()] == [(4, b"103"), (4, b"100"), (5, b"200")]


def test_h2_16_large_heads_are_split(client):
    remote = asked(client)
    value = bytes(range(128, 256)) * 150
    remote.engine.send_whole(1, ok((b"x", value), size=2), b"ok")
    heard = remote.hears()
    assert [(each.kind, each.flags, len(each.payload)) for each in heard[:1]] == [(frames.HEADERS, 0, 16_384)]
    assert [(each.kind, each.flags) for each in heard[1:]] == [
        (frames.CONTINUATION, END_HEADERS),
        (frames.DATA, END_STREAM),
    ]
    assert remote.decoder.decode(heard[0].payload + heard[1].payload).fields == [STATUS, (b"x", value)]
    remote = asked(client)
    remote.engine.send_whole(1, ok((b"x", value), size=0), b"")
    assert [each.flags for each in remote.hears()] == [END_STREAM, END_HEADERS]


def test_data_beyond_the_largest_frame_is_split(client):
    remote = asked(client)
    body = bytes(range(256)) * 160
    remote.engine.send_whole(1, ok(size=40_960), body)
    remote.engine.ping(bytes(8))  # what follows does not make the end a frame of its own
    *_, first, second, third, ping = remote.hears()
    assert [len(each.payload) for each in (first, second, third)] == [16_384, 16_384, 8_192]
    assert [each.flags for each in (first, second, third)] == [0, 0, END_STREAM]
    assert first.payload + second.payload + third.payload == body
    assert ping.kind == frames.PING


def test_each_frame_of_split_data_earns_window_updates(client):
    remote = asked(client, [(INITIAL_WINDOW_SIZE, 1_000_000)], updates_per_second=1)
    remote.says(*[frames.window_update(0, 100_000)] * 10)  # as many as come for nothing
    remote.engine.send(1, ok())
    remote.engine.send(1, Data(bytes(5 * 16_384)))
    assert remote.says(*[frames.window_update(0, 1)] * 10) == []
    assert remote.says(frames.window_update(0, 1)) == [
        (0, ("FatalError", "too many WINDOW_UPDATE frames", ENHANCE_YOUR_CALM))
    ]


def test_h2_17_no_more_fields_than_the_peer_takes(client):
    remote = asked(client, [(MAX_HEADER_LIST_SIZE, 100)])
    with pytest.raises(UsageError, match="100 bytes"):
        remote.engine.send(1, ok((b"x", b"y" * 30)))
    remote.engine.send(1, ok((b"x", b"y" * 10)))
    with pytest.raises(UsageError, match="100 bytes"):
        remote.engine.send(1, Trailers([(b"x", b"y" * 80)]))


def test_h2_09_data_waits_for_its_window_and_so_does_the_end(client):
    remote = asked(client, [(INITIAL_WINDOW_SIZE, 5)], parked_bytes=8)
    remote.engine.send(1, ok())
    remote.engine.send(1, Data(b"0123456789"))
    assert remote.engine.parked(1) == 5
    assert not remote.engine.is_full(1)
    remote.engine.send(1, Data(b"abcdefgh"))
    assert remote.engine.is_full(1)
    remote.engine.send(1, Trailers([(b"t", b"1")]))
    remote.engine.send(1, END)
    assert [each.payload for each in remote.hears()[1:]] == [b"01234"]
    assert remote.says(frames.window_update(1, 9)) == []  # its consumer is done, and needs no word
    assert not remote.engine.is_full(1)
    assert [each.payload for each in remote.hears()] == [b"56789", b"abcd"]
    remote.says(frames.window_update(1, 8))
    heard = remote.hears()
    assert [each.payload for each in heard] == [b"efgh", [(b"t", b"1")]]
    assert heard[-1].flags & END_STREAM
    assert remote.engine.open_streams == 0


def test_h2_09_the_end_of_parked_data_is_a_flag(client):
    remote = asked(client, [(INITIAL_WINDOW_SIZE, 5)])
    remote.engine.send_whole(1, ok(size=7), b"0123456")
    remote.hears()
    remote.says(frames.window_update(1, 5))
    assert remote.hears() == [(frames.DATA, END_STREAM, 1, b"56")]


def test_a_stream_with_room_again_says_so(client):
    remote = asked(client, [(INITIAL_WINDOW_SIZE, 0)], parked_bytes=8)
    remote.engine.send(1, ok())
    remote.engine.send(1, Data(b"0123456789"))
    assert remote.engine.is_full(1)
    assert remote.says(frames.window_update(1, 5)) == []
    assert remote.says(frames.window_update(1, 1)) == [(1, WRITABLE)]
    assert not remote.engine.is_full(1)
    assert remote.says(frames.window_update(1, 10)) == []


def test_h2_09_streams_share_the_connections_window(client):
    remote = asked(client, [(INITIAL_WINDOW_SIZE, 1_000_000)], count=3)
    for stream_id in (1, 3, 5):
        remote.engine.send_whole(stream_id, ok(), b"%d" % stream_id * 40_000)
    heard = [(each.stream_id, len(each.payload)) for each in remote.hears() if each.kind == frames.DATA]
    assert heard == [(1, 16_384), (1, 16_384), (1, 7_232), (3, 16_384), (3, 9_151)]
    assert remote.engine.is_full(5) is False
    remote.says(frames.window_update(0, 40_000))
    heard = [(each.stream_id, len(each.payload)) for each in remote.hears()]
    assert heard == [(3, 14_465), (5, 16_384), (5, 9_151)]
    remote.says(frames.window_update(0, 100_000))
    assert [(each.flags, each.stream_id, len(each.payload)) for each in remote.hears()] == [(1, 5, 14_465)]
    assert remote.engine.open_streams == 0


def test_streams_are_served_in_turn(client):
    remote = asked(client, [(INITIAL_WINDOW_SIZE, 1_000_000)], count=3)
    remote.engine.send_whole(1, ok(), b"1" * 65_535)
    remote.engine.send_whole(3, ok(), b"3" * 40_000)
    remote.engine.send_whole(5, ok(), b"5" * 40_000)
    remote.hears()
    served = []
    for _ in range(5):
        remote.says(frames.window_update(0, 16_384))
        served += [each.stream_id for each in remote.hears()]
    assert served == [3, 5, 3, 5, 3, 5]


def test_h2_30_content_length_says_what_is_sent(client):
    length = (b"content-length", b"5")
    for size, fields, expected in [
        (5, [length, (b"a", b"b")], [length, (b"a", b"b")]),
        (3, [(b"Content-Length", b"5"), (b"a", b"b")], [(b"content-length", b"3"), (b"a", b"b")]),
        (5, [length, length], [length]),
        (None, [length], []),
        (None, [(b"content-length", b"0")], [(b"content-length", b"0")]),
        (4, [], []),
    ]:
        remote = asked(client)
        remote.engine.send(1, ok(*fields, size=size))
        assert remote.hears()[0].payload[1:] == expected


def test_h2_30_and_nothing_else_is_sent(client):
    remote = asked(client)
    remote.engine.send(1, ok((b"content-length", b"5"), size=5))
    with pytest.raises(UsageError, match="1 bytes longer"):
        remote.engine.send(1, Data(b"123456"))
    remote.engine.send(1, Data(b"123"))
    with pytest.raises(UsageError, match="2 bytes shorter"):
        remote.engine.send(1, END)
    remote.engine.send(1, Data(b"45"))
    remote.engine.send(1, END)


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 304), (b"GET", 204)])
def test_answers_without_a_body_keep_their_length_and_lose_their_data(client, method, status):
    remote = asked(client, method=method)
    remote.engine.send_whole(1, ok((b"content-length", b"5"), size=5, status=status), b"12345")
    assert len(remote.hears()) == 1
    assert remote.engine.open_streams == 0


def test_h2_03_resets_go_with_their_code(client):
    remote = asked(client, count=2, end=False)
    remote.engine.send(1, Reset("x", CANCEL))
    remote.engine.send(3, Reset("x"))
    assert [(each.kind, frames.long(each.payload)) for each in remote.hears()] == [
        (frames.RST_STREAM, CANCEL),
        (frames.RST_STREAM, INTERNAL_ERROR),
    ]
    assert remote.engine.open_streams == 0
    remote.engine.send(3, Data(b"x"))
    assert remote.hears() == []
    assert not remote.engine.is_full(3)
    assert remote.engine.parked(3) == 0


def test_a_reset_drops_what_waits(client):
    remote = asked(client, [(INITIAL_WINDOW_SIZE, 0)])
    remote.engine.send_whole(1, ok(), b"x")
    remote.engine.send(1, Reset("x"))
    remote.hears()
    remote.says(frames.window_update(0, 10), frames.window_update(1, 10))
    assert remote.hears() == []


def test_few_resets_are_remembered(client):
    remote = client(concurrent_streams=1000)
    for number in range(600):
        remote.says(remote.request(2 * number + 1))
        remote.engine.send(2 * number + 1, Reset("x"))
    assert len(remote.engine.whole._reset_by_us) == 512


def test_h2_10_credit_is_given_when_data_was_consumed(client):
    remote = asked(client, end=False, stream_window=100_000, connection_window=200_000)
    remote.says(remote.data(1, b"x" * 16_000) * 6)
    assert remote.hears() == []
    remote.engine.consumed(1, 49_999)
    assert remote.hears() == []
    remote.engine.consumed(1, 1)
    assert remote.hears() == [(frames.WINDOW_UPDATE, 0, 1, (50_000).to_bytes(4, "big"))]
    remote.says(remote.data(1, b"x" * 16_000) * 3)
    remote.engine.consumed(1, 200_000)
    assert remote.hears() == [
        (frames.WINDOW_UPDATE, 0, 1, (94_000 + 100_000).to_bytes(4, "big")),  # twice the window, for nothing waits
        (frames.WINDOW_UPDATE, 0, 0, (144_000).to_bytes(4, "big")),
    ]


def test_h2_10_no_stream_credit_after_the_end(client):
    remote = asked(client, end=False, stream_window=65_535, connection_window=65_535)
    remote.says(remote.data(1, b"x" * 16_000) * 3, remote.data(1, b"", end=True))
    remote.engine.consumed(1, 48_000)
    assert [each.stream_id for each in remote.hears()] == [0]


def test_h2_40_data_of_a_freed_stream_counts_until_it_is_consumed(client):
    remote = asked(client, end=False, connection_window=65_535)
    engine = remote.engine
    remote.says(remote.data(1, b"x" * 16_000) * 3, remote.data(1, b"", end=True))
    engine.send_whole(1, ok(size=0), b"")
    assert engine.open_streams == 0
    remote.hears()
    engine.consumed(1, 16_000)
    assert engine.whole._unconsumed == {1: 32_000}
    engine.consumed(1, 17_000)
    assert engine.whole._unconsumed == {1: 15_000}
    assert [each.kind for each in remote.hears()] == [frames.WINDOW_UPDATE]
    engine.abandon(1)
    assert engine.whole._unconsumed == {}
    assert engine.unconsumed == 0
    engine.consumed(1, 5)
    assert engine.unconsumed == 0


def test_h2_33_an_early_answer_ends_the_upload(client):
    remote = asked(client, end=False)
    remote.says(remote.data(1, b"x" * 100))
    remote.engine.send_whole(1, ok(size=0), b"")
    remote.engine.abandon(1)
    assert [each[:3] for each in remote.hears()] == [(frames.HEADERS, 5, 1), (frames.RST_STREAM, 0, 1)]
    assert remote.engine.unconsumed == 0
    assert remote.engine.open_streams == 0


def test_streams_that_are_abandoned_in_the_middle(client, server):
    remote = asked(client)
    remote.engine.send(1, ok())
    remote.hears()
    remote.engine.abandon(1)
    assert [frames.long(each.payload) for each in remote.hears()] == [INTERNAL_ERROR]
    remote = server(asked=2)
    remote.engine.abandon(1)
    remote.engine.abandon(3, 7)
    remote.engine.abandon(3)
    assert [frames.long(each.payload) for each in remote.hears()] == [CANCEL, 7]


def test_abandoned_streams_still_send_what_waits(client):
    remote = asked(client, [(INITIAL_WINDOW_SIZE, 0)])
    remote.engine.send_whole(1, ok(), b"x")
    remote.engine.abandon(1)
    remote.hears()
    remote.says(frames.window_update(1, 10))
    assert remote.hears() == [(frames.DATA, END_STREAM, 1, b"x")]


def test_priorities_can_be_sent(server):
    remote = server(asked=1)
    remote.engine.send(1, Priority(3, 256, is_exclusive=True))
    remote.engine.send(1, PriorityUpdate(b"u=1"))
    assert remote.hears() == [
        (frames.PRIORITY, 0, 1, b"\x80\0\0\x03\xff"),
        (frames.PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01u=1"),
    ]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (Data(b"x"), "outside of a message"),
        (END, "outside of a message"),
        (PeerError("x"), "cannot be sent"),
        (RequestHead(b"GET", b"/", b"HTTP/2.0", []), "responses, not requests"),
        (ok(status=101), "101"),
        (ok(status=99), "99"),
        (ok((b"a b", b"c")), "'a b'"),
        (ok((b"a", b"b\r\nc")), "read as something else"),
        (Trailers([(b":path", b"/")]), ":path"),
    ],
)
def test_what_cannot_be_sent(client, event, message):
    remote = asked(client)
    with pytest.raises(UsageError, match=message):
        remote.engine.send(1, event)
    assert remote.hears() == []


def test_two_answers(client):
    remote = asked(client)
    remote.engine.send(1, ok())
    with pytest.raises(UsageError, match="second response"):
        remote.engine.send(1, ok())
    with pytest.raises(UsageError, match="stream 3"):
        remote.engine.send(3, ok())


def test_h2_24_h2_25_fields_are_made_fit(client):
    remote = asked(client)
    fields = [
        (b"X-Odd", b" y "),
        (b"Connection", b"x"),
        (b"Transfer-Encoding", b"chunked"),
        (b"TE", b"gzip"),
        (b"te", b"trailers"),
    ]
    remote.engine.send(1, ok(*fields))
    assert remote.hears()[0].payload == [STATUS, (b"x-odd", b"y"), (b"te", b"trailers")]


def test_never_indexed_fields_stay_so(client):
    remote = client()
    secret = (b"authorization", b"Basic Zm9v")
    block = b"\x82\x87\x84\x01\x01a\x1f\x08\x0aBasic Zm9v"
    (_, head), _ = remote.says(frames.frame(frames.HEADERS, END_HEADERS | END_STREAM, 1, block))
    assert head.never_indexed == {secret}
    remote.engine.send(1, ok(secret, never_indexed=head.never_indexed))
    assert remote.decoder.decode(remote.engine.take_output()[9:]).never_indexed == {secret}


def test_nothing_waits_where_nothing_was_said(client):
    remote = asked(client, [(INITIAL_WINDOW_SIZE, 3)])
    remote.engine.send(1, ok())
    remote.engine.send(1, Data(b"abc"))
    remote.says(frames.settings([(INITIAL_WINDOW_SIZE, 0)]))
    remote.hears()
    remote.engine.send(1, Data(b""))  # the window is below zero
    remote.engine.send(1, END)
    assert remote.hears() == [(frames.DATA, END_STREAM, 1, b"")]
