"""WebSocket: what is written reads back as it was, cuts change nothing, and only `WebSocketError` tells of faults."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.errors import UsageError
from midstream.wire.errors import PeerError, Profile
from midstream.wire.ws import Assembler, ClientFacing, Limits, Message, ServerFacing
from midstream.wire.ws.errors import WebSocketError
from midstream.wire.ws.events import Close, Piece, Ping, Pong
from midstream.wire.ws.extensions import read_extensions, written_extension
from midstream.wire.ws.negotiate import Compression, agreed, answer, offers

compressions = st.builds(Compression, st.integers(8, 15), st.integers(8, 15), st.booleans(), st.booleans())
contents = st.sampled_from([b"", b"\0", b"abc" * 300, "é".encode(), bytes(range(256))]) | st.binary(max_size=40)
pieces = st.lists(contents, max_size=4)


def message_of(parts, is_compressed):
    return Message(2, b"".join(parts), tuple(map(len, parts)) if len(parts) > 1 else (), is_compressed)


messages = st.builds(message_of, pieces, st.booleans())
controls = st.builds(Ping, st.binary(max_size=125)) | st.builds(Pong, st.binary(max_size=125))
events = st.lists(messages | controls, max_size=5)
cuts = st.lists(st.integers(0, 3000), max_size=6)


def parted(wire, at):
    """Cut bytes at some places."""
    at = [0, *sorted(each for each in at if each < len(wire)), len(wire)]
    return [wire[start:end] for start, end in pairwise(at)]


def joined(found):
    """Join pieces to messages."""
    assembler = Assembler()
    whole = [assembler.add(event) if isinstance(event, Piece) else event for event in found]
    return [each for each in whole if each is not None]


def make_pair(compression):
    return ClientFacing(compression=compression), ServerFacing(lambda: b"\x9a\x00\xff\x31", compression=compression)


@given(events, cuts, st.none() | compressions, st.booleans())
def test_ws_03_messages_and_their_fragments_come_back(said, at, compression, is_upwards):
    client, server = make_pair(compression)
    writer, reader = (server, client) if is_upwards else (client, server)
    wire = b"".join([writer.send(event) for event in said])
    found = joined([event for part in parted(wire, at) for event in reader.receive(part)])
    for each in said:
        if isinstance(each, Message) and compression is None:
            each.is_compressed = False
    assert found == said


@given(events, cuts, st.none() | compressions, st.none() | compressions)
def test_ws_03_a_relay_of_pieces_keeps_frames(said, at, one, other):
    client, near = make_pair(one)[::-1]
    far, server = make_pair(other)[::-1]
    relay_in, relay_out = ClientFacing(compression=one), ServerFacing(lambda: b"abcd", compression=other)
    assert near.is_open
    assert far.is_open
    wire = b"".join([client.send(event) for event in said])
    found = []
    for part in parted(wire, at):
        for event in relay_in.receive(part):
            found += server.receive(relay_out.send(event))
    expected = [
        Message(each.opcode, each.data, each.layout, each.is_compressed and one is not None and other is not None)
        if isinstance(each, Message)
        else each
        for each in said
    ]
    assert joined(found) == expected


@given(st.binary(max_size=300), cuts, st.sampled_from(Profile), st.booleans(), st.booleans(), st.sampled_from([0, 20]))
def test_only_websocket_errors_and_always_last(wire, at, profile, is_client, deflates, most):
    def make():
        compression = Compression() if deflates else None
        limits = Limits(message_bytes=most)
        if is_client:
            return ClientFacing(limits, profile, compression=compression)
        return ServerFacing(bytes, limits, profile, compression=compression)

    whole, cut = make(), make()
    events = whole.receive(wire)
    again = [event for part in parted(wire, at) for event in cut.receive(part)]
    assert not any(isinstance(event, PeerError) for event in events[:-1])
    assert all(type(event) is WebSocketError for event in events if isinstance(event, PeerError))
    assert last_of(events) == last_of(again)
    whole_messages, cut_messages = joined(events), joined(again)
    strip = [each for each in whole_messages if not isinstance(each, PeerError)]
    assert strip == [each for each in cut_messages if not isinstance(each, PeerError)]
    whole.eof()
    assert whole.receive(b"\x81\x00") == []


def last_of(events):
    return (events[-1].code, events[-1].message) if events and isinstance(events[-1], WebSocketError) else None


@given(
    st.lists(
        messages
        | controls
        | st.builds(
            Piece,
            st.integers(0, 3),
            st.binary(max_size=9),
            st.booleans(),
            st.booleans(),
            st.integers(-1, 9),
            st.booleans(),
        )
        | st.builds(Close, st.none() | st.integers(-1, 70000), st.binary(max_size=130)),
        max_size=9,
    )
)
def test_only_usage_errors_and_whole_frames(said):
    writer, reader = make_pair(Compression())
    for event in said:
        try:
            wire = writer.send(event)
        except UsageError:
            continue
        assert not any(isinstance(found, PeerError) for found in reader.receive(wire))


parameters = st.lists(
    st.tuples(
        st.sampled_from(
            [
                b"server_no_context_takeover",
                b"client_no_context_takeover",
                b"server_max_window_bits",
                b"client_max_window_bits",
                b"x",
            ]
        ),
        st.none() | st.integers(7, 16).map(b"%d".__mod__),
    ),
    max_size=4,
)


@given(st.lists(parameters, max_size=4))
def test_ws_01_what_we_answer_fits_what_was_offered(offered):
    value = b", ".join([written_extension(b"permessage-deflate", each) for each in offered])
    found = offers([(b"Sec-WebSocket-Extensions", value)])
    result = answer(found)
    assert (result is None) == (not found)
    if result is not None:
        agreement = agreed(found, [(b"sec-websocket-extensions", result[0])])
        assert agreement.server_bits == result[1].server_bits
        assert agreement.server_keeps_context == result[1].server_keeps_context


@given(st.text(alphabet='ab=;, "\\\t\x01é', max_size=30).map(str.encode))
def test_headers_are_read_or_refused(value):
    try:
        found = read_extensions(value)
    except PeerError:
        return
    assert read_extensions(b", ".join([each.text for each in found])) == found


@pytest.mark.parametrize("size", [1, 70_000])
def test_large_messages_in_odd_pieces(size):
    client, server = make_pair(Compression())
    message = Message(1, b"0123456789" * size, (), True)
    wire = server.send(message)
    found = [event for at in range(0, len(wire), 997) for event in client.receive(wire[at : at + 997])]
    assert joined(found) == [message]
