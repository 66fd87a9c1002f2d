"""Our engines with the `h2` package at the other end, which shares no line with us and is strict."""

import h2.config
import h2.connection
import h2.events
from hypothesis import given, settings
from hypothesis import strategies as st

from midstream.wire.events import END, Data, RequestHead, ResponseHead, Trailers
from midstream.wire.h2 import ClientFacing, Limits, ServerFacing

VALUE = st.from_regex(rb"(?:[\x21-\x7e](?:[\x20-\x7e]{0,20}[\x21-\x7e])?)?", fullmatch=True)
FIELDS = st.lists(st.tuples(st.from_regex(rb"x-[a-z0-9\-]{1,8}", fullmatch=True), VALUE), max_size=6)
BODY = st.lists(st.binary(min_size=1, max_size=30_000), max_size=4)
EXCHANGES = st.lists(st.tuples(FIELDS, BODY, FIELDS, FIELDS, BODY, FIELDS), min_size=1, max_size=4)
REQUEST = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/x")]


class Other:
    """A connection of `h2` that consumes what it gets, and says what it has as its windows allow."""

    def __init__(self, *, is_client: bool) -> None:
        config = h2.config.H2Configuration(client_side=is_client, header_encoding=None)
        self.connection = h2.connection.H2Connection(config)
        self.connection.initiate_connection()
        self.heads: dict[int, list] = {}
        self.bodies: dict[int, bytes] = {}
        self.trailers: dict[int, list] = {}
        self.ended: set[int] = set()
        self._to_say: dict[int, tuple[bytes, list]] = {}

    def receive(self, wire: bytes) -> None:
        for event in self.connection.receive_data(wire):
            if isinstance(event, h2.events.RequestReceived | h2.events.ResponseReceived):
                self.heads[event.stream_id] = list(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.TrailersReceived):
                self.trailers[event.stream_id] = list(event.headers)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended.add(event.stream_id)
            else:
                assert not isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated), event

    def say(self, stream_id: int, fields: list, body: bytes, trailers: list) -> None:
        self.connection.send_headers(stream_id, fields)
        self._to_say[stream_id] = body, trailers

    def take_output(self) -> bytes:
        for stream_id, (body, trailers) in list(self._to_say.items()):
            left = body
            while left and (room := min(self.connection.local_flow_control_window(stream_id), 16_384)):
                self.connection.send_data(stream_id, left[:room])
                left = left[room:]
            self._to_say[stream_id] = left, trailers
            if not left:
                del self._to_say[stream_id]
                if trailers:
                    self.connection.send_headers(stream_id, trailers, end_stream=True)
                else:
                    self.connection.end_stream(stream_id)
        return self.connection.data_to_send()


def pump(ours: ClientFacing | ServerFacing, other: Other, places: list[int]) -> list:
    """Move bytes, in pieces, until nothing moves any more; return what we saw."""
    seen: list = []
    while True:
        there, here = ours.take_output(), other.take_output()
        if not there and not here:
            return seen
        other.receive(there)
        cut = places[len(seen) % len(places)] % (len(here) + 1) if places else 0
        for wire in (here[:cut], here[cut:]):
            events = ours.receive(wire)
            seen += events
            for at, event in events:
                if isinstance(event, Data):
                    ours.consumed(at, len(event.data))


def send(ours: ClientFacing | ServerFacing, at: int, pieces: list[bytes], trailers: list) -> None:
    for piece in pieces:
        ours.send(at, Data(piece))
    if trailers:
        ours.send(at, Trailers(trailers))
    ours.send(at, END)


def check(seen: list, at: int, fields: list, pieces: list[bytes], trailers: list) -> None:
    mine = [event for number, event in seen if number == at]
    assert mine[0].headers == fields
    assert b"".join(event.data for event in mine if isinstance(event, Data)) == b"".join(pieces)
    assert [event.headers for event in mine if isinstance(event, Trailers)] == ([trailers] if trailers else [])
    assert mine[-1] is END


@given(EXCHANGES, st.lists(st.integers(0, 100_000), max_size=4), st.sampled_from([1, 1000, 100_000]))
@settings(deadline=None, max_examples=50)
def test_h2_as_the_client(exchanges, places, window):
    ours, other = ClientFacing(Limits(stream_window=window)), Other(is_client=True)
    pump(ours, other, places)
    ids = range(1, 2 * len(exchanges), 2)
    for at, (fields, pieces, trailers, *_) in zip(ids, exchanges, strict=True):
        other.say(at, [*REQUEST, *fields], b"".join(pieces[:1] if window == 1 else pieces)[: window * 50], trailers)
    seen = pump(ours, other, places)
    for at, (fields, pieces, trailers, *answer) in zip(ids, exchanges, strict=True):
        check(seen, at, fields, [b"".join(pieces[:1] if window == 1 else pieces)[: window * 50]], trailers)
        ours.send(at, ResponseHead(200, b"", b"HTTP/2.0", answer[0], None))
        send(ours, at, answer[1], answer[2])
    pump(ours, other, places)
    for at, (*_, fields, pieces, trailers) in zip(ids, exchanges, strict=True):
        assert other.heads[at] == [(b":status", b"200"), *fields]
        assert other.bodies.get(at, b"") == b"".join(pieces)
        assert other.trailers.get(at, []) == trailers
    assert other.ended == set(ids)
    assert ours.open_streams == 0


@given(EXCHANGES, st.lists(st.integers(0, 100_000), max_size=4))
@settings(deadline=None, max_examples=50)
def test_h2_as_the_server(exchanges, places):
    ours, other = ServerFacing(), Other(is_client=False)
    pump(ours, other, places)
    ids = []
    for fields, pieces, trailers, *_ in exchanges:
        ids.append(
            at := ours.open(RequestHead(b"POST", b"/x", b"HTTP/2.0", fields, None, scheme=b"https", authority=b"a"))
        )
        send(ours, at, pieces, trailers)
    pump(ours, other, places)
    for at, (fields, pieces, trailers, *answer) in zip(ids, exchanges, strict=True):
        assert other.heads[at] == [
            (b":method", b"POST"),
            (b":authority", b"a"),
            (b":scheme", b"https"),
            (b":path", b"/x"),
            *fields,
        ]
        assert other.bodies.get(at, b"") == b"".join(pieces)
        assert other.trailers.get(at, []) == trailers
        other.say(at, [(b":status", b"200"), *answer[0]], b"".join(answer[1]), answer[2])
    seen = pump(ours, other, places)
    for at, (*_, fields, pieces, trailers) in zip(ids, exchanges, strict=True):
        check(seen, at, fields, pieces, trailers)
    assert other.ended == set(ids)
    assert ours.open_streams == 0
