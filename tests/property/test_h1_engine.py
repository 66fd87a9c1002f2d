"""Laws of the HTTP/1 engines: cuts do not matter, what is written reads back, and peers cause `PeerError` only."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from midstream.errors import UsageError
from midstream.wire.errors import PeerError, Profile
from midstream.wire.events import END, Data, End, Event, RequestHead, Reset, ResponseHead, Trailers
from midstream.wire.h1 import ClientFacing, Limits, ServerFacing, end_to_end

TOKEN = st.from_regex(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}", fullmatch=True)
VALUE = st.from_regex(
    rb"(?:[\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff\t]{0,20}[\x21-\x7e\x80-\xff])?)?", fullmatch=True
)
MANAGED = {b"content-length", b"transfer-encoding", b"connection", b"host", b"expect"}
FIELDS = st.lists(st.tuples(TOKEN.filter(lambda name: name.lower() not in MANAGED), VALUE), max_size=6)
TRAILERS = st.lists(st.tuples(TOKEN.map(lambda name: b"X-" + name), VALUE), max_size=3)
BODY = st.lists(st.binary(min_size=1, max_size=40), max_size=5)
PROFILE = st.sampled_from(list(Profile))
FRAGMENTS = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n", b"POST http://a/ HTTP/1.1\r\n", b"CONNECT a:1 HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n",
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200\r\n", b"HTTP/1.1 204 X\r\n", b"HTTP/1.1 103 X\r\n", b"HTTP/1.1 101 X\r\n",
        b"Host: a\r\n", b"Content-Length: 5\r\n", b"Content-Length: 6\r\n", b"Content-Length: +1\r\n",
        b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: x\r\n", b"Transfer-Encoding : chunked\r\n",
        b"Connection: close\r\n", b"Connection: upgrade\r\n", b"Upgrade: x\r\n", b"A: b\r\n", b"A: b\n", b" fold\r\n",
        b"\r\n", b"\n", b"\r", b"hello", b"5\r\nhello\r\n", b'5;x="y"\r\nhello\r\n', b"0\r\n", b"0\r\n\r\n", b"\x00", b":",
    ]
)  # fmt: skip
WIRE = st.one_of(st.lists(FRAGMENTS, max_size=12).map(b"".join), st.binary(max_size=80))
LIMITS = Limits(head_bytes=120, head_fields=4, chunk_line=12, trailer_bytes=20, blank_lines=2)


def plain(events: Sequence[Event]) -> list[object]:
    result: list[object] = []
    for event in events:
        if isinstance(event, PeerError):
            result.append(("PeerError", event.message, event.status))
        elif isinstance(event, Data) and result and isinstance(result[-1], Data):
            result[-1] = Data(result[-1].data + event.data)
        else:
            result.append(event)
    return result


def new_server(profile: Profile, method: bytes = b"GET", limits: Limits = LIMITS) -> ServerFacing:
    server = ServerFacing(limits, profile)
    server.send(RequestHead(method, b"/", b"HTTP/1.1", [(b"Host", b"a")], 0))
    server.send(END)
    return server


def feed(engine: ClientFacing | ServerFacing, pieces: list[bytes]) -> list[object]:
    events = [event for piece in pieces for event in engine.receive(piece)]
    return plain(events + engine.eof())


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(WIRE, PROFILE, st.lists(st.integers(0, 300), max_size=6), st.sampled_from([b"GET", b"HEAD", b"CONNECT"]))
@settings(deadline=None)
def test_cuts_do_not_matter(data, profile, places, method):
    for limits in (Limits(), LIMITS):
        assert feed(ClientFacing(limits, profile), [data]) == feed(ClientFacing(limits, profile), cut(data, places))
        whole = feed(new_server(profile, method, limits), [data])
        assert whole == feed(new_server(profile, method, limits), cut(data, places))


@given(st.lists(WIRE, max_size=5), PROFILE)
@settings(deadline=None)
def test_peers_cause_peer_errors_only_and_those_come_last(pieces, profile):
    for engine in (ClientFacing(LIMITS, profile), new_server(profile)):
        has_failed = False
        for piece in pieces:
            events = engine.receive(piece)
            assert not (events and has_failed)
            kinds = [type(event) for event in events]
            assert PeerError not in kinds[:-1]
            assert Reset not in kinds
            has_failed = has_failed or PeerError in kinds
            engine.next_message()
        engine.eof()
        engine.release()


@given(TOKEN, FIELDS, BODY, TRAILERS, st.booleans())
@settings(deadline=None)
def test_requests_read_back_as_written(method, fields, pieces, trailers, is_chunked):
    body = b"".join(pieces)
    if method == b"CONNECT":
        body, pieces = b"", []
    head = RequestHead(method, b"/x", b"HTTP/1.1", [(b"Host", b"a"), *fields], None if is_chunked else len(body))
    server = ServerFacing()
    wire = server.send(head) + b"".join(server.send(Data(piece)) for piece in pieces)
    server.send(Trailers(trailers))
    wire += server.send(END)
    events = plain(ClientFacing().receive(wire))
    found = events[0]
    assert isinstance(found, RequestHead)
    assert (found.method, found.target) == (method, b"/x")
    assert found.headers[: len(fields) + 1] == head.headers
    assert [event.data for event in events if isinstance(event, Data)] == ([body] if body else [])
    if is_chunked and method != b"CONNECT" and trailers:
        assert Trailers(trailers) in events
    assert isinstance(events[-1], End)


@given(
    st.integers(200, 599),
    VALUE,
    FIELDS,
    BODY,
    st.booleans(),
    st.sampled_from([b"1.1", b"1.0"]),
    st.sampled_from([b"GET", b"HEAD"]),
)
@settings(deadline=None)
def test_responses_read_back_as_written(status, reason, fields, pieces, has_size, version, method):
    body = b"".join(pieces)
    client = ClientFacing()
    client.receive(method + b" / HTTP/" + version + b"\r\nHost: a\r\n\r\n")
    head = ResponseHead(status, reason, b"HTTP/1.1", fields, len(body) if has_size else None)
    wire = client.send(head) + b"".join(client.send(Data(piece)) for piece in pieces) + client.send(END)
    server = new_server(Profile.STRICT, method, Limits())
    events = plain(server.receive(wire) + server.eof())
    found = events[0]
    assert isinstance(found, ResponseHead)
    assert (found.status, found.reason) == (status, reason)
    assert found.headers[: len(fields)] == fields
    expected = [] if method == b"HEAD" or status in (204, 304) or not body else [body]
    assert [event.data for event in events if isinstance(event, Data)] == expected
    assert isinstance(events[-1], End)


@given(st.lists(FRAGMENTS, max_size=8).map(b"".join), PROFILE)
@settings(deadline=None)
def test_what_was_read_unchanged_is_written_unchanged(fields, profile):
    data = b"POST /x HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n"
    events = ClientFacing(Limits(), profile).receive(data)
    for head in events[:1]:
        if isinstance(head, RequestHead) and head.block:
            assert data.startswith(ServerFacing().send(head))


@given(
    st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8)), max_size=4),
    st.binary(max_size=6),
    st.binary(max_size=6),
)
@settings(deadline=None)
def test_addons_cause_usage_errors_only_and_never_split_lines(fields, method, reason):
    messages = [
        (ServerFacing(), RequestHead(method, b"/", b"HTTP/1.1", fields, 3)),
        (ClientFacing(), ResponseHead(200, reason, b"HTTP/1.1", fields, 3)),
    ]
    for engine, head in messages:
        try:
            wire = engine.send(head)
        except UsageError:
            continue
        lines = wire.split(b"\n")
        assert all(line.endswith(b"\r") for line in lines[:-1])
        assert len(lines) <= len(fields) + 5
        assert b"\0" not in wire


@given(
    FIELDS, st.lists(st.sampled_from([b"close", b"keep-alive", b"TE", b"x-a", b"upgrade"]), max_size=3), st.booleans()
)
def test_end_to_end_is_idempotent_and_keeps_order(fields, options, keep_upgrade):
    given_fields = [
        *fields,
        (b"X-A", b"1"),
        (b"TE", b"trailers"),
        (b"Connection", b", ".join(options)),
        (b"Upgrade", b"u"),
    ]
    once = end_to_end(given_fields, keep_upgrade=keep_upgrade)
    assert end_to_end(once, keep_upgrade=keep_upgrade) == once
    remaining = iter(name for name, _ in given_fields)
    assert all(name in remaining for name, _ in once)
