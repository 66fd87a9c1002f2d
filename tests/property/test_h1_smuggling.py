"""Whatever is forwarded, a strict reader must take for the same single message; or we refuse.

Our engines read each case of the corpus, write it as a proxy would, and h11 reads that. The reference is h11 because it shares
no line with us.
"""

import codecs
from pathlib import Path

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midstream.errors import UsageError
from midstream.wire.errors import PeerError, Profile
from midstream.wire.events import END, Data, End, Event, RequestHead, Reset, ResponseHead
from midstream.wire.h1 import ClientFacing, Limits, ServerFacing, end_to_end

CORPUS = Path(__file__).parent.parent / "corpus" / "smuggling"
NEXT_REQUEST = b"GET /next HTTP/1.1\r\nHost: next\r\n\r\n"
NEXT_RESPONSE = b"HTTP/1.1 299 Next\r\nContent-Length: 0\r\n\r\n"

Message = tuple[bytes | int, bytes, bytes]


def load(name: str) -> dict[str, bytes]:
    lines = (CORPUS / name).read_text("ascii").splitlines()
    cases = (line.partition(": ") for line in lines if not line.startswith("#"))
    return {name: codecs.decode(text, "unicode_escape").encode("latin-1") for name, _, text in cases}


REQUESTS = load("requests.txt")
RESPONSES = load("responses.txt")


def forward(events: list[Event], engine: ClientFacing | ServerFacing) -> bytes:
    wire = b""
    for event in events:
        if isinstance(event, PeerError | Reset):
            break
        if isinstance(event, RequestHead | ResponseHead) and not event.block:
            event.headers = end_to_end(event.headers, keep_upgrade=False)
        wire += engine.send(event)
    return wire


def body_of(events: list[Event]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Data))


def judge(reader: h11.Connection, wire: bytes, *, closed: bool = False) -> tuple[Message, bytes]:
    """Read the one message that `wire` must be, and what is left of it."""
    reader.receive_data(wire)
    if closed:
        reader.receive_data(b"")
    head, body = None, b""
    while type(event := reader.next_event()) is not h11.EndOfMessage:
        assert event is not h11.NEED_DATA, "the reference sees an unfinished message"
        if isinstance(event, h11.Data):
            body += bytes(event.data)
        elif not isinstance(event, h11.InformationalResponse):
            head = event
    rest = reader.trailing_data[0]
    if isinstance(head, h11.Request):
        return (bytes(head.method), bytes(head.target), body), rest
    assert isinstance(head, h11.Response)
    return (head.status_code, b"", body), rest


def check_request(data: bytes, profile: Profile, *, is_single: bool = True) -> str:
    client, server = ClientFacing(Limits(), profile), ServerFacing()
    events = client.receive(data + NEXT_REQUEST)
    if not events or type(events[-1]) is not End:
        assert not client.is_reusable
        return "refused"
    head = events[0]
    assert isinstance(head, RequestHead)
    try:
        wire = forward(events, server)
    except UsageError:
        assert head.version == b"HTTP/1.0"  # chunked from a 1.0 client, which only RAW lets in
        return "refused"
    message, rest = judge(h11.Connection(h11.SERVER), wire)
    assert message == (head.method, head.target, body_of(events))
    assert rest == b""
    if client._keeps and head.method != b"CONNECT" and is_single:
        assert client.buffered == len(NEXT_REQUEST)
    return "forwarded"


def check_response(data: bytes, profile: Profile, method: bytes) -> str:
    server, client = ServerFacing(Limits(), profile), ClientFacing()
    server.send(RequestHead(method, b"/", b"HTTP/1.1", [(b"Host", b"a")], 0))
    server.send(END)
    client.receive(method + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
    events = server.receive(data + NEXT_RESPONSE) + server.eof()
    assert not server.is_reusable
    final = [event for event in events if isinstance(event, ResponseHead) and not event.is_interim]
    if not final or not isinstance(events[-1], End):
        return "refused"
    wire = forward(events, client)
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    reader.send(h11.EndOfMessage())
    message, rest = judge(reader, wire, closed=not client.is_reusable)
    assert message == (final[0].status, b"", body_of(events))
    assert rest == b""
    return "forwarded"


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("profile", [Profile.STRICT, Profile.LENIENT])
def test_requests(name, profile):
    check_request(REQUESTS[name], profile)


@pytest.mark.parametrize("name", RESPONSES)
@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_responses(name, profile, method):
    try:
        check_response(RESPONSES[name], profile, method)
    except h11.RemoteProtocolError:
        # What the reference refuses as a whole, and no client reads as two: an unknown coding, a name that is no token.
        assert name in {"te-gzip", "name-not-token"}


HARMLESS = {
    "te-tab-after-colon", "te-no-space", "te-name-case", "te-underscore", "cl-leading-zero", "cl-on-get", "te-on-get",
    "chunk-ext-fine", "chunk-last-many-zeros", "trailer-framing", "trailer-host", "line-leading-crlf", "expect-with-body",
    "cl-dropped-by-connection", "upgrade-with-body",
}  # fmt: skip
REPAIRED = {
    "cl-te", "te-cl", "cl-te-dropped-by-connection", "te-bare-lf", "cl-twice-same", "cl-list", "host-twice", "line-lf",
    "line-lf-end-only", "line-two-blanks", "line-tabs", "line-version-1-2",
}  # fmt: skip


def test_what_is_forwarded_is_what_we_mean_to_forward():
    strict = {name for name, data in REQUESTS.items() if check_request(data, Profile.STRICT) == "forwarded"}
    lenient = {name for name, data in REQUESTS.items() if check_request(data, Profile.LENIENT) == "forwarded"}
    assert strict == HARMLESS
    assert lenient == HARMLESS | REPAIRED


@pytest.mark.parametrize("name", REQUESTS)
def test_raw_still_writes_one_message(name):
    try:
        check_request(REQUESTS[name], Profile.RAW)
    except h11.RemoteProtocolError:
        # RAW lets through what the reference refuses as a whole: no Host, an unknown coding, a name that is no token.
        assert name in {"host-missing", "te-gzip-chunked", "name-non-ascii", "host-folded"}


PIECES = st.lists(
    st.sampled_from([piece for data in REQUESTS.values() for piece in data.splitlines(keepends=True)]), max_size=8
)


@given(PIECES, st.sampled_from([Profile.STRICT, Profile.LENIENT]))
@settings(deadline=None, max_examples=300)
def test_mixtures_of_requests(pieces, profile):
    check_request(b"POST / HTTP/1.1\r\nHost: a\r\n" + b"".join(pieces), profile, is_single=False)
