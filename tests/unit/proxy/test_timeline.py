"""Frames as people read them."""

import pytest

from midstream.flow.http2 import Http2Facts
from midstream.proxy.timeline import Timeline
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import CANCEL, ENHANCE_YOUR_CALM


@pytest.fixture
def facts():
    return Http2Facts()


def told(facts, wire, *, most=10, is_sent=True):
    """Note frames, and return them as text without time and direction."""
    timeline = Timeline(facts, most, lambda: 7.5)
    for each in frames.frames(wire):
        timeline.add(is_sent, *each)
    return [str(frame)[2:] for frame in facts.frames]


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (frames.settings([(1, 2), (9, 1)]), "SETTINGS stream 0, 12 bytes 1=2 9=1"),
        (frames.frame(frames.SETTINGS, frames.ACK, 0, b""), "SETTINGS stream 0, 0 bytes ACK"),
        (frames.frame(frames.SETTINGS, 0, 0, b"12345"), "SETTINGS stream 0, 5 bytes"),
        (frames.window_update(3, 70), "WINDOW_UPDATE stream 3, 4 bytes +70"),
        (frames.frame(frames.WINDOW_UPDATE, 0, 3, b""), "WINDOW_UPDATE stream 3, 0 bytes"),
        (frames.rst_stream(5, CANCEL), "RST_STREAM stream 5, 4 bytes CANCEL"),
        (frames.frame(frames.RST_STREAM, 0, 5, b"123"), "RST_STREAM stream 5, 3 bytes"),
        (
            frames.goaway(7, ENHANCE_YOUR_CALM, b"why"),
            "GOAWAY stream 0, 11 bytes last stream 7, ENHANCE_YOUR_CALM",
        ),
        (frames.frame(frames.GOAWAY, 0, 0, b"1234567"), "GOAWAY stream 0, 7 bytes"),
        (frames.frame(frames.PING, frames.ACK, 0, b"\0\1\2\3\4\5\6\7"), "PING stream 0, 8 bytes ACK 0001020304050607"),
        (frames.frame(frames.DATA, frames.END_STREAM | frames.PADDED, 1, b"x"), "DATA stream 1, 1 bytes END_STREAM PADDED"),
        (
            frames.frame(frames.HEADERS, 0x2D, 1, b""),
            "HEADERS stream 1, 0 bytes END_STREAM END_HEADERS PADDED PRIORITY",
        ),
        (frames.frame(frames.PUSH_PROMISE, frames.END_HEADERS, 1, b""), "PUSH_PROMISE stream 1, 0 bytes END_HEADERS"),
        (frames.frame(frames.CONTINUATION, frames.END_HEADERS, 1, b""), "CONTINUATION stream 1, 0 bytes END_HEADERS"),
        (frames.frame(frames.PRIORITY, 0, 1, b"12345"), "PRIORITY stream 1, 5 bytes"),
        (frames.frame(frames.PRIORITY_UPDATE, 0, 0, b"1234u=1"), "PRIORITY_UPDATE stream 0, 7 bytes"),
        (frames.frame(0xA, 0, 0, b""), "ALTSVC stream 0, 0 bytes"),
        (frames.frame(0xC, 0, 0, b""), "ORIGIN stream 0, 0 bytes"),
        (frames.frame(0xBA, 0xFF, 0, b""), "0xba stream 0, 0 bytes"),
    ],
)  # fmt: skip
def test_what_frames_say(facts, wire, text):
    assert told(facts, wire) == [text]


def test_who_said_it_and_when(facts):
    told(facts, frames.window_update(0, 1), is_sent=True)
    told(facts, frames.window_update(0, 2), is_sent=False)
    assert [(frame.is_sent, frame.timestamp) for frame in facts.frames] == [(True, 7.5), (False, 7.5)]
    assert [str(frame)[0] for frame in facts.frames] == [">", "<"]


def test_the_oldest_make_room(facts):
    wire = b"".join(frames.window_update(0, number) for number in range(1, 6))
    assert [text.rpartition("+")[2] for text in told(facts, wire, most=3)] == ["3", "4", "5"]
    assert facts.frames_dropped == 2
