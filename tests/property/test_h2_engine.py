"""Laws of the HTTP/2 engines: cuts do not matter, what is written reads back, and peers cause `PeerError` only."""

from collections.abc import Sequence
from itertools import groupby, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from midstream.errors import UsageError
from midstream.wire.errors import PeerError, Profile
from midstream.wire.events import END, Data, End, RequestHead, Reset, ResponseHead, Trailers
from midstream.wire.h2 import ClientFacing, Limits, ServerFacing, huffman
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import FatalError
from midstream.wire.h2.frame import PREFACE
from midstream.wire.h2.hpack import Decoder, Encoder

NAME = st.from_regex(rb"[!#$%&'*+\-.^_`|~0-9a-z]{1,12}", fullmatch=True)
VALUE = st.from_regex(
    rb"(?:[\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff\t]{0,20}[\x21-\x7e\x80-\xff])?)?", fullmatch=True
)
MANAGED = {
    b"content-length", b"transfer-encoding", b"connection", b"host", b"te", b"upgrade", b"keep-alive", b"proxy-connection",
}  # fmt: skip
FIELDS = st.lists(st.tuples(NAME.filter(lambda name: name not in MANAGED), VALUE), max_size=8)
TRAILERS = st.lists(st.tuples(NAME.map(lambda name: b"x-" + name), VALUE), max_size=3)
BODY = st.lists(st.binary(max_size=60), max_size=5)
PROFILE = st.sampled_from(list(Profile))
ANY_FIELDS = st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=40)), max_size=12)
KIND = st.integers(0, 16)
ID = st.sampled_from([0, 1, 1, 1, 2, 3, 5, 9])
BLOCKS = st.lists(
    st.sampled_from(
        [
            b"\x82", b"\x84", b"\x87", b"\x88", b"\x89", b"\x8d", b"\x01\x01a", b"\x40\x01a\x01b", b"\xbe", b"\xbf",
            b"\x5c\x015", b"\x0f\x0d\x015", b"\x40\x02te\x01x", b"\x20", b"\x3f\xe1\x1f", b"\x00\x01A\x01b", b"\x80",
            b"\x10\x07:status\x03100", b"\x00\x09:protocol\x01x", b"\x02\x07CONNECT", b"\x26\x01a", b"\x00\x04host\x01b",
        ]
    ),
    max_size=7,
).map(b"".join)  # fmt: skip
GOOD_BLOCK = st.sampled_from([b"\x82\x84\x87\x01\x01a", b"\x83\x84\x87\x01\x01a\x0f\x0d\x015", b"\x88", b""])
PAYLOAD = st.one_of(
    BLOCKS, GOOD_BLOCK, st.binary(max_size=12), st.integers(0, 70_000).map(lambda n: n.to_bytes(4, "big"))
)
FRAME = st.one_of(
    st.builds(frames.frame, KIND, st.sampled_from([0, 1, 4, 5, 8, 0x2D]), ID, PAYLOAD),
    st.builds(frames.frame, st.just(1), st.sampled_from([4, 5]), ID, GOOD_BLOCK),
    st.builds(frames.frame, st.just(0), st.sampled_from([0, 1]), ID, st.binary(max_size=8)),
    st.builds(
        frames.settings,
        st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0, 1, 9, 70_000, 1 << 31])), max_size=3),
    ),
)
WIRE = st.lists(FRAME, max_size=14).map(b"".join)
LIMITS = Limits(
    head_bytes=200, head_fields=6, continuations=2, concurrent_streams=2, resets_per_second=1, controls_per_second=1,
    empties_per_second=1, updates_per_second=1, stream_window=10, parked_bytes=4, interim_heads=1, table_bytes=100,
)  # fmt: skip
EITHER = st.sampled_from([Limits(), LIMITS])
OK = ResponseHead(200, b"", b"HTTP/2.0", [], None)


def plain(events: Sequence[tuple[int, object]]) -> list[object]:
    """Make events comparable; borders between pieces of one body mean nothing."""
    found: list[object] = []
    for (at, kind), run in groupby(events, lambda each: (each[0], type(each[1]))):
        alike = [event for _, event in run]
        if kind is Data:
            found.append((at, b"".join(event.data for event in alike)))
        elif issubclass(kind, PeerError):
            found += [(at, kind.__name__, event.message, event.status) for event in alike]
        else:
            found += [(at, event) for event in alike]
    return found


def answer(engine: ClientFacing | ServerFacing, at: int) -> None:
    try:
        engine.send(at, OK)
        engine.send(at, Data(b"hello, world"))
        engine.send(at, END)
    except UsageError:  # the peer takes no heads of that size
        engine.abandon(at)


def facing_client(limits: Limits, profile: Profile) -> ClientFacing:
    engine = ClientFacing(limits, profile, has_extended_connect=True)
    engine.receive(PREFACE + frames.settings([(4, 7)]))
    return engine


def facing_server(limits: Limits, profile: Profile) -> ServerFacing:
    engine = ServerFacing(limits, profile)
    engine.receive(frames.settings([(4, 7)]))
    for method in (b"GET", b"HEAD", b"POST"):
        at = engine.open(RequestHead(method, b"/", b"HTTP/2.0", [], None, scheme=b"https", authority=b"a"))
        if method == b"POST":
            engine.send(at, Data(b"x" * 30))
        else:
            engine.send(at, END)
    return engine


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(WIRE, PROFILE, EITHER, st.lists(st.integers(0, 500), max_size=6))
@settings(deadline=None)
def test_cuts_do_not_matter(wire, profile, limits, places):
    for make in (facing_client, facing_server):
        whole, parted = make(limits, profile), make(limits, profile)
        events = plain(whole.receive(wire))
        assert plain([event for piece in cut(wire, places) for event in parted.receive(piece)]) == events
        assert whole.take_output() == parted.take_output()
        assert plain(whole.eof()) == plain(parted.eof())


@given(st.lists(st.one_of(WIRE, st.binary(max_size=60)), max_size=4), PROFILE, EITHER)
@settings(deadline=None)
def test_peers_cause_peer_errors_only(pieces, profile, limits):
    for make in (facing_client, facing_server):
        engine = make(limits, profile)
        for number, piece in enumerate(pieces):
            had_failed = engine.has_failed
            events = engine.receive(piece, float(number))
            assert not (events and had_failed)
            fatal = [isinstance(event, FatalError) for _, event in events]
            assert True not in fatal[:-1]
            assert engine.has_failed == (had_failed or True in fatal)
            for at, event in events:
                if isinstance(event, Data):
                    engine.consumed(at, len(event.data))
                elif isinstance(event, RequestHead):
                    answer(engine, at)
            list(frames.frames(engine.take_output().removeprefix(PREFACE)))  # whole frames only
        engine.eof()
        assert engine.open_streams == 0


@given(WIRE, PROFILE)
@settings(deadline=None)
def test_windows_add_up(wire, profile):
    for make in (facing_client, facing_server):
        engine = make(Limits(), profile)
        for at, event in engine.receive(wire):
            if isinstance(event, Data):
                engine.consumed(at, len(event.data))
        held = sum(stream.window.held for stream in engine._streams.values()) + sum(engine._unconsumed.values())
        assert engine.has_failed or (engine._window.held, held) == (0, 0)
        parked = [stream for stream in engine._streams.values() if stream.parked]
        assert all(stream.parked_bytes == sum(map(len, stream.parked)) for stream in parked)
        assert {stream.id for stream in parked if stream.send_window > 0} == engine._waiting.keys()
        assert engine._send_window <= 0 or not engine._waiting


def pump(left: ServerFacing, right: ClientFacing) -> tuple[list, list]:
    """Move bytes, and consume data as it comes, until nothing moves any more."""
    seen, back = [], []
    while True:
        there, here = left.take_output(), right.take_output()
        if not there and not here:
            return seen, back
        for engine, wire, told in ((right, there, seen), (left, here, back)):
            events = engine.receive(wire)
            told.extend(events)
            for at, event in events:
                if isinstance(event, Data):
                    engine.consumed(at, len(event.data))


def message(events: list, stream_id: int) -> tuple[object, bytes, list[object]]:
    mine = [event for at, event in events if at == stream_id]
    body = b"".join(event.data for event in mine if isinstance(event, Data))
    return mine[0], body, [event for event in mine[1:] if not isinstance(event, Data)]


SMALL = st.integers(1, 40)


@given(
    st.lists(st.tuples(FIELDS, BODY, TRAILERS, FIELDS, BODY, TRAILERS), min_size=1, max_size=4),
    SMALL,
    SMALL,
    st.integers(0, 200),
)
@settings(deadline=None)
def test_messages_read_back_as_written(exchanges, window, answer_window, table):
    client = ServerFacing(Limits(stream_window=answer_window, table_bytes=table), Profile.STRICT)
    proxy = ClientFacing(Limits(stream_window=window), Profile.STRICT)
    pump(client, proxy)  # small windows count once they are acknowledged
    ids = []
    for fields, pieces, trailers, *_ in exchanges:
        head = RequestHead(b"POST", b"/", b"HTTP/2.0", fields, None, scheme=b"https", authority=b"a")
        ids.append(at := client.open(head))
        send(client, at, pieces, trailers)
    seen, _ = pump(client, proxy)
    for at, (_, _, _, fields, pieces, trailers) in zip(ids, exchanges, strict=True):
        proxy.send(at, ResponseHead(200, b"", b"HTTP/2.0", fields, None))
        send(proxy, at, pieces, trailers)
    _, back = pump(client, proxy)
    for at, (fields, pieces, trailers, *answer) in zip(ids, exchanges, strict=True):
        for events, sent in ((seen, (fields, pieces, trailers)), (back, answer)):
            head, body, rest = message(events, at)
            assert head.headers == sent[0]
            assert body == b"".join(sent[1])
            assert rest == [*([Trailers(sent[2])] if sent[2] else []), END]
    assert (client.open_streams, proxy.open_streams) == (0, 0)
    assert (client._waiting, proxy._waiting, client._unconsumed, proxy._unconsumed) == ({}, {}, {}, {})


def send(engine: ServerFacing | ClientFacing, at: int, pieces: list[bytes], trailers: list) -> None:
    for piece in pieces:
        engine.send(at, Data(piece))
    engine.send(at, Trailers(trailers))
    engine.send(at, END)


@given(ANY_FIELDS, st.binary(max_size=8), st.binary(max_size=8), st.integers(-5, 1005))
@settings(deadline=None)
def test_addons_cause_usage_errors_only_and_never_faults(fields, method, target, status):
    """Whatever can be sent, a peer in its default profile either takes or blames on the message, never on the connection."""
    client, proxy = ServerFacing(), ClientFacing()
    pump(client, proxy)
    try:
        at = client.open(RequestHead(method, target, b"HTTP/2.0", fields, None, scheme=b"https", authority=b"a"))
        client.send(at, Trailers(fields))
        client.send(at, END)
    except UsageError:
        at = client.open_whole(RequestHead(b"GET", b"/", b"HTTP/1.1", [(b"Host", b"a")], 0), b"")
    seen, _ = pump(client, proxy)
    assert not proxy.has_failed
    assert any(isinstance(event, End | PeerError) for _, event in seen)
    try:
        proxy.send_whole(at, ResponseHead(status, b"x", b"HTTP/1.1", fields, None), b"x")
    except UsageError:
        proxy.send(at, Reset("x"))
    pump(client, proxy)
    assert not client.has_failed


@given(
    st.lists(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=50)), max_size=6), max_size=6),
    st.lists(st.integers(0, 300)),
)
@settings(deadline=None)
def test_hpack_keeps_in_step(sections, sizes):
    encoder, decoder = Encoder(), Decoder()
    for number, fields in enumerate(sections):
        if number < len(sizes):
            encoder.resize(sizes[number])
        secret = frozenset(fields[:1])
        for never in (frozenset(), secret):
            block = decoder.decode(encoder.encode(fields, never))
            assert block.fields == fields
            assert block.never_indexed == never
        assert decoder._table.entries == encoder._table.entries
        assert encoder._table.size <= encoder._table.capacity


@given(st.binary(max_size=200))
def test_huffman_reads_back_as_written(text):
    assert huffman.decode(huffman.encode(text)) == text


@given(st.binary(max_size=60))
def test_huffman_has_one_code_for_a_text(code):
    text = huffman.decode(code)
    assert text is None or huffman.encode(text) == code
