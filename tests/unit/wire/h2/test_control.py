"""Settings, windows, resets, priorities, signs of life."""

import pytest

from midstream.wire.errors import Profile
from midstream.wire.events import Data, Reset, ResponseHead
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import CANCEL, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR
from midstream.wire.h2.events import WRITABLE, GoAway, Pong, Priority, SettingsChanged
from midstream.wire.h2.frame import ACK, LARGEST_WINDOW
from midstream.wire.h2.settings import INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE

PING = frames.frame(frames.PING, 0, 0, b"8 bytes!")


def told(events) -> int:
    at, (kind, _, code) = events[-1]
    assert (at, kind) == (0, "FatalError")
    return code


def sent_data(remote) -> bytes:
    return b"".join(each.payload for each in remote.hears() if each.kind == frames.DATA)


def test_settings_are_acknowledged_and_told(client):
    remote = client()
    values = [(4, 100), (0x7777, 1), (3, 7)]  # H2-20: unknown ones, too
    assert remote.says(frames.settings(values)) == [(0, SettingsChanged(values))]
    assert remote.hears() == [(frames.SETTINGS, ACK, 0, b"")]
    assert remote.engine.whole.peer.streams == 7


def test_h2_19_pings_are_answered_and_bounded(client):
    remote = client(controls_per_second=1)
    assert remote.says(PING, now=5.0) == []
    assert remote.hears() == [(frames.PING, ACK, 0, b"8 bytes!")]
    assert remote.says(PING * 9, now=20.0) == []
    assert told(remote.says(PING * 9, now=20.5)) == ENHANCE_YOUR_CALM


def test_h2_19_our_pings_are_answered(client):
    remote = client()
    remote.engine.ping(b"12345678")
    assert remote.hears() == [(frames.PING, 0, 0, b"12345678")]
    assert remote.says(frames.frame(frames.PING, ACK, 0, b"12345678")) == [(0, Pong(b"12345678"))]


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (frames.frame(frames.SETTINGS, 0, 1, b""), PROTOCOL_ERROR),
        (frames.frame(frames.SETTINGS, 0, 0, b"x"), FRAME_SIZE_ERROR),
        (frames.frame(frames.SETTINGS, ACK, 0, b"123456"), FRAME_SIZE_ERROR),
        (frames.settings([(2, 2)]), PROTOCOL_ERROR),
        (frames.settings([(4, 1 << 31)]), FLOW_CONTROL_ERROR),
        (frames.settings([(5, 100)]), PROTOCOL_ERROR),
        (frames.frame(frames.PING, 0, 1, b"8 bytes!"), PROTOCOL_ERROR),
        (frames.frame(frames.PING, 0, 0, b"7bytes!"), FRAME_SIZE_ERROR),
        (frames.frame(frames.GOAWAY, 0, 1, b"8 bytes!"), PROTOCOL_ERROR),
        (frames.frame(frames.GOAWAY, 0, 0, b"x"), FRAME_SIZE_ERROR),
        (frames.frame(frames.WINDOW_UPDATE, 0, 0, b"x"), FRAME_SIZE_ERROR),
        (frames.window_update(0, 0), PROTOCOL_ERROR),
        (frames.window_update(0, LARGEST_WINDOW), FLOW_CONTROL_ERROR),
        (frames.window_update(1, 1), PROTOCOL_ERROR),
        (frames.rst_stream(1, 0), PROTOCOL_ERROR),
        (frames.rst_stream(0, 0), PROTOCOL_ERROR),
        (frames.frame(frames.RST_STREAM, 0, 1, b"x"), FRAME_SIZE_ERROR),
        (frames.frame(frames.PRIORITY, 0, 0, b"12345"), PROTOCOL_ERROR),
        (frames.frame(frames.PRIORITY_UPDATE, 0, 1, b"12345"), PROTOCOL_ERROR),
        (frames.frame(frames.PRIORITY_UPDATE, 0, 0, b"123"), PROTOCOL_ERROR),
        (frames.frame(frames.PRIORITY_UPDATE, 0, 0, bytes(4) + b"u=1"), PROTOCOL_ERROR),
    ],
)
def test_faults_of_control_frames(client, wire, expected):
    remote = client()
    assert told(remote.says(wire)) == expected
    goaway = remote.hears()[-1]
    assert (goaway.kind, frames.long(goaway.payload, 4)) == (frames.GOAWAY, expected)


def test_h2_03_resets_come_with_their_code(client):
    remote = client()
    remote.says(remote.request(1, end=False), remote.data(1, b"x"))
    assert remote.says(frames.rst_stream(1, CANCEL)) == [(1, Reset("the client reset the stream: CANCEL", CANCEL))]
    assert remote.engine.open_streams == 0
    assert remote.engine.whole._window.held == 0
    remote.engine.send(1, ResponseHead(200, b"", b"HTTP/2.0", [], 0))  # goes nowhere
    assert remote.hears() == []


def test_h2_23_priorities(client):
    remote = client()
    priority = Priority(3, 16, is_exclusive=False)
    assert remote.says(frames.frame(frames.PRIORITY, 0, 9, priority.payload())) == [(9, priority)]
    itself = frames.frame(frames.PRIORITY, 0, 9, Priority(9, 1, is_exclusive=False).payload())
    assert remote.says(itself) == []
    assert remote.says(frames.frame(frames.PRIORITY, 0, 9, b"1234"))[0][1][0] == "StreamError"
    remote = client(profile=Profile.STRICT)
    assert remote.says(itself)[0][1][0] == "StreamError"


def test_h2_09_window_updates_of_streams_and_connection(client):
    remote = client([(INITIAL_WINDOW_SIZE, 3)])
    remote.says(remote.request(1))
    remote.engine.send(1, ResponseHead(200, b"", b"HTTP/2.0", [], None))
    remote.engine.send(1, Data(b"0123456789"))
    assert sent_data(remote) == b"012"
    remote.says(frames.window_update(1, 2))
    assert sent_data(remote) == b"34"
    remote.says(frames.window_update(0, 100))
    assert sent_data(remote) == b""
    remote.says(frames.window_update(1, 100))
    assert sent_data(remote) == b"56789"


def test_window_updates_that_are_wrong_end_their_stream(client):
    remote = client()
    remote.says(remote.request(1), remote.request(3))
    assert remote.says(frames.window_update(1, 0))[0][1][2] == PROTOCOL_ERROR
    assert remote.says(frames.window_update(3, LARGEST_WINDOW))[0][1][2] == FLOW_CONTROL_ERROR
    assert not remote.engine.has_failed


def test_h2_18_window_updates_are_bounded_by_what_is_sent(client):
    remote = client(updates_per_second=1)
    remote.says(remote.request(1))
    remote.engine.send(1, ResponseHead(200, b"", b"HTTP/2.0", [], None))
    for _ in range(50):
        remote.engine.send(1, Data(b"x"))
        assert remote.says(frames.window_update(0, 1), frames.window_update(1, 1)) == []
    assert told(remote.says(frames.window_update(0, 1) * 11)) == ENHANCE_YOUR_CALM


def test_h2_08_a_new_initial_window_changes_open_streams(client):
    remote = client([(INITIAL_WINDOW_SIZE, 10)], parked_bytes=4)
    remote.says(remote.request(1))
    remote.engine.send(1, ResponseHead(200, b"", b"HTTP/2.0", [], None))
    remote.engine.send(1, Data(b"x" * 8))
    remote.says(frames.settings([(INITIAL_WINDOW_SIZE, 4)]))
    remote.engine.send(1, Data(b"y" * 6))
    assert remote.engine.is_full(1)
    assert sent_data(remote) == b"x" * 8
    assert remote.says(frames.window_update(1, 4)) == []  # that was what it owed
    assert sent_data(remote) == b""
    assert remote.says(frames.window_update(1, 1)) == []
    assert sent_data(remote) == b"y"
    events = remote.says(frames.settings([(INITIAL_WINDOW_SIZE, 100)]))
    assert (1, WRITABLE) in events
    assert sent_data(remote) == b"y" * 5


def test_h2_08_and_may_not_push_them_over_the_limit(client):
    remote = client()
    remote.says(remote.request(1), frames.window_update(1, LARGEST_WINDOW - 65_535))
    assert told(remote.says(frames.settings([(INITIAL_WINDOW_SIZE, 65_536)]))) == FLOW_CONTROL_ERROR


def test_h2_15_the_peers_frame_size_is_respected(client):
    remote = client([(MAX_FRAME_SIZE, 20_000), (INITIAL_WINDOW_SIZE, 1_000_000)])
    remote.says(remote.request(1))
    remote.engine.send(1, ResponseHead(200, b"", b"HTTP/2.0", [], None))
    remote.engine.send(1, Data(b"x" * 50_000))
    assert [len(each.payload) for each in remote.hears()[1:]] == [20_000, 20_000, 10_000]


def test_a_window_below_the_default_counts_when_it_is_acknowledged(client):
    remote = client(stream_window=100, greets=False)
    remote.says(frames.PREFACE, frames.settings([]), remote.request(1, end=False))
    remote.says(remote.data(1, b"x" * 60))
    assert remote.says(frames.frame(frames.SETTINGS, ACK, 0, b"")) == []
    assert remote.says(remote.data(1, b"x" * 40)) == [(1, Data(b"x" * 40))]
    assert remote.says(remote.data(1, b"x"))[0][1][2] == FLOW_CONTROL_ERROR
    remote.says(remote.request(3, end=False))
    assert remote.says(remote.data(3, b"x" * 101))[0][1][2] == FLOW_CONTROL_ERROR


def test_goaway_of_a_client_is_told_and_changes_nothing(client):
    remote = client()
    remote.says(remote.request(1))
    assert remote.says(frames.goaway(0, 11, b"why")) == [(0, GoAway(0, 11, b"why"))]
    remote.engine.send_whole(1, ResponseHead(200, b"", b"HTTP/2.0", [], 0), b"")
    assert [each.kind for each in remote.hears()] == [frames.HEADERS]
    assert remote.says(remote.request(3))
    assert remote.engine.eof() == [(3, Reset("the client closed the connection, having said ENHANCE_YOUR_CALM"))]


def test_h2_18_one_frame_changes_the_windows_once(client):
    remote = client()
    remote.says(remote.request(1))
    remote.says(frames.settings([(INITIAL_WINDOW_SIZE, LARGEST_WINDOW), (INITIAL_WINDOW_SIZE, 5)] * 1000))
    assert remote.engine.whole._streams[1].send_window == 5
