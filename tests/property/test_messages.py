"""gRPC messages and server-sent events: cuts do not matter, no byte is lost, what is written reads back."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from midstream.wire.errors import PeerError
from midstream.wire.grpc import Frame, Splitter
from midstream.wire.sse import Event, Reader, written

frames = st.builds(Frame, st.sampled_from([0, 1, 0x80, 0x81]), st.binary(max_size=20))
texts = st.text("ab:\u20ac \ufeff", max_size=8)
events = st.builds(
    Event,
    st.text("ab:\u20ac \n", max_size=12),
    texts,
    st.none() | texts,
    st.none() | st.integers(0, 10**14),
)
stream_bytes = st.lists(
    st.sampled_from(
        [b"data", b"event", b"id", b"retry", b":", b" ", b"\n", b"\r", b"\xef\xbb\xbf", b"7", b"\0", b"\xff"]
    ),
    max_size=40,
).map(b"".join)
cuts = st.lists(st.integers(0, 80), max_size=6)
limits = st.sampled_from([0, 5, 30])


def pieces(data, places):
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if end > start]


def read(engine, parts):
    return [part for piece in parts for part in engine.receive(piece)] + engine.eof()


def joined(parts):
    """Return the bytes that came."""
    wire = b""
    for part in parts:
        if isinstance(part, Frame):
            wire += part.written()
        elif isinstance(part, Event):
            wire += part.raw
        elif isinstance(part, bytes):
            wire += part
        else:
            assert isinstance(part, PeerError)
    return wire


def meanings(parts):
    """Return what was understood, without the spelling; and the faults."""
    return [
        (part.data, part.event, part.id, part.retry) if isinstance(part, Event) else str(part)
        for part in parts
        if not isinstance(part, bytes)
    ]


@given(st.lists(frames, max_size=6), cuts, limits)
def test_frames_read_back(sent, places, limit):
    wire = b"".join(frame.written() for frame in sent)
    parts = read(Splitter(limit, is_web=True), pieces(wire, places))
    assert [part for part in parts if isinstance(part, Frame)] == [
        frame for frame in sent if not limit or len(frame.content) <= limit
    ]
    assert joined(parts) == wire
    assert not any(isinstance(part, PeerError) for part in parts)


@given(
    st.binary(max_size=80) | st.lists(st.sampled_from([b"\0", b"\1", b"\5", b"\x80"])).map(b"".join),
    cuts,
    limits,
    st.booleans(),
)
def test_any_bytes_as_grpc(data, places, limit, is_web):
    whole = read(Splitter(limit, is_web=is_web), [data] if data else [])
    parted = read(Splitter(limit, is_web=is_web), pieces(data, places))
    assert meanings(parted) == meanings(whole)
    assert joined(parted) == joined(whole) == data


@given(st.lists(events, max_size=6), cuts)
def test_events_read_back(sent, places):
    wire = b"".join(map(written, sent))
    parts = read(Reader(), pieces(wire, places))
    assert meanings(parts) == meanings(sent)
    assert joined(parts) == wire


@given(stream_bytes, cuts)
def test_any_bytes_as_an_event_stream(data, places):
    whole = read(Reader(), [data] if data else [])
    parted = read(Reader(), pieces(data, places))
    assert meanings(parted) == meanings(whole)
    assert joined(parted) == joined(whole) == data


@given(stream_bytes, cuts, st.sampled_from([3, 9]))
def test_no_limit_loses_a_byte(data, places, limit):
    assert joined(read(Reader(limit), pieces(data, places))) == data


@given(stream_bytes)
def test_an_event_written_anew_means_the_same(data):
    for part in read(Reader(), [data] if data else []):
        if isinstance(part, Event):
            (again,) = read(Reader(), [written(part)])
            assert meanings([again]) == meanings([part])
