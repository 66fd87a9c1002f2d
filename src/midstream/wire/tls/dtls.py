"""What DTLS adds to TLS so that it goes in datagrams, as far as it is in the clear: records, the ClientHello, the cookie exchange.

The handshake itself is OpenSSL's business (`datagrams`). Here is what has to happen before it: telling DTLS from other datagrams, reading
the hello from its fragments in any order, and asking an address whether it is its own. The last needs no memory: all that
a server has to know again is in the second hello.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from midstream.wire.errors import PeerError
from midstream.wire.tls.hello import ClientHello, parse_client_hello

HEADER: Final = 13
"""Bytes of a record's header (RFC 6347 §4.1)."""
MAX_BODY: Final = 16384 + 2048
"""The most that a record carries when it is encrypted (RFC 6347 §4.1.2)."""
MAX_HELLO: Final = 16000
"""The longest hello that is put together, in bytes; so it fits into one record, too."""
MAX_GAPS: Final = 64
"""The most parts of a hello that may be missing at a time: each fragment costs a walk over them."""
ALERT: Final = 21
HANDSHAKE: Final = 22
DATA: Final = 23
CLIENT_HELLO: Final = 1
HANDSHAKE_FAILURE: Final = 40
_MESSAGE_HEADER: Final = 12
_TYPES: Final = range(20, 27)
"""Content types, up to the ones of DTLS 1.2 with connection ids (RFC 9146 §4)."""
_DTLS_1_0: Final = b"\xfe\xff"
_VERSIONS: Final = frozenset({_DTLS_1_0, b"\xfe\xfd"})
_SEQUENCES: Final = 1 << 48


class Record(msgspec.Struct, frozen=True):
    """A record as it is on the wire."""

    raw: bytes

    @property
    def kind(self) -> int:
        return self.raw[0]

    @property
    def epoch(self) -> int:
        """How often its sender had changed its keys; 0: it is in the clear."""
        return int.from_bytes(self.raw[3:5])

    @property
    def sequence(self) -> int:
        return int.from_bytes(self.raw[5:11])

    @property
    def body(self) -> bytes:
        return self.raw[HEADER:]


def records(datagram: bytes) -> Iterator[Record]:
    """Take a datagram apart; what makes no sense is dropped, with all that follows it there (RFC 6347 §4.1.2.7)."""
    at = 0
    while len(datagram) - at > HEADER:
        size = int.from_bytes(datagram[at + 11 : at + HEADER])
        end = at + HEADER + size
        is_record = datagram[at] in _TYPES and datagram[at + 1 : at + 3] in _VERSIONS
        if not is_record or not 0 < size <= MAX_BODY or end > len(datagram):
            return
        yield Record(datagram[at:end])
        at = end


def first_record(datagram: bytes) -> Record | None:
    """Return the record with which a datagram begins, if it is DTLS at all."""
    return next(records(datagram), None)


def begins_with_hello(datagram: bytes) -> bool:
    """Tell whether a datagram is, or begins, a ClientHello in the clear."""
    first = first_record(datagram)
    return first is not None and first.kind == HANDSHAKE and first.epoch == 0 and first.raw[HEADER] == CLIENT_HELLO


def record(kind: int, body: bytes, sequence: int) -> bytes:
    """Write a record in the clear, in the version that everybody reads (RFC 6347 §4.2.1)."""
    return bytes((kind,)) + _DTLS_1_0 + bytes(2) + (sequence % _SEQUENCES).to_bytes(6) + len(body).to_bytes(2) + body


def alert(description: int, sequence: int) -> bytes:
    """Write a fatal alert in the clear, for a peer whose handshake goes no further (RFC 5246 §7.2)."""
    return record(ALERT, bytes((2, description)), sequence)


def hello_verify_request(cookie: bytes, sequence: int) -> bytes:
    """Write the question for a cookie; `sequence` is that of the record with the hello (RFC 6347 §4.2.1)."""
    return record(HANDSHAKE, _message(3, 0, _DTLS_1_0 + bytes((len(cookie),)) + cookie), sequence)


def without_cookie(hello: ClientHello) -> bytes:
    """Return the handshake message that a client said first, told from the one in which it has repeated the cookie."""
    body = hello.raw[_MESSAGE_HEADER:]
    at = 2 + 32 + 1 + len(hello.session_id)
    return _message(CLIENT_HELLO, 0, body[:at] + b"\0" + body[at + 1 + len(hello.cookie) :])


class HelloReader:
    """Puts a ClientHello together from fragments, which may come in any order, twice, and overlapping (RFC 6347 §4.2.3).

    A fragment of another hello begins anew: there is a second one, with the cookie.
    """

    def __init__(self) -> None:
        self.sequence = 0
        """The number of the last record that was of use."""
        self._head = b""
        """Kind, length and message number, which all fragments share."""
        self._body = bytearray()
        self._missing: list[tuple[int, int]] = []

    def receive(self, datagram: bytes) -> ClientHello | None:
        """Take a datagram, and return the hello once it is whole; the last one, if a client says an older one again in the same datagram.

        What does not belong to it is left out.

        Raises:
            PeerError: This is no hello, it cannot be taken apart, or it is longer than `MAX_HELLO`.

        """
        whole = b""
        for found in records(datagram):
            if found.kind == HANDSHAKE and found.epoch == 0:
                self._take(found)
                whole = whole if self._missing else self._whole()
        if not self._head:
            raise PeerError("expected a DTLS ClientHello", "RFC 6347 §4.2.2")
        return parse_client_hello(whole, is_dtls=True) if whole else None

    def _take(self, found: Record) -> None:
        """Take the fragment in a record."""
        body = found.body
        if len(body) < _MESSAGE_HEADER or body[0] != CLIENT_HELLO:
            raise PeerError("expected a DTLS ClientHello", "RFC 6347 §4.2.2")
        head, start, size = body[:6], int.from_bytes(body[6:9]), int.from_bytes(body[9:12])
        length = int.from_bytes(head[1:4])
        end = start + size
        if end > length or len(body) != _MESSAGE_HEADER + size:
            raise PeerError("a fragment of the DTLS ClientHello does not keep its own lengths", "RFC 6347 §4.2.3")
        if length > MAX_HELLO:
            raise PeerError(f"the DTLS ClientHello has {length} bytes, more than {MAX_HELLO}", "RFC 6347 §4.2.2")
        if head != self._head:
            self._head = head
            self._body = bytearray(length)
            self._missing = [(0, length)]
        self._body[start:end] = body[_MESSAGE_HEADER:]
        self._missing = [rest for gap in self._missing for rest in _without(gap, start, end)]
        self.sequence = found.sequence
        if len(self._missing) > MAX_GAPS:
            raise PeerError(f"the DTLS ClientHello has more than {MAX_GAPS} gaps", "RFC 6347 §4.2.3")

    def _whole(self) -> bytes:
        return self._head + bytes(3) + self._head[1:4] + bytes(self._body)


def _without(gap: tuple[int, int], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield what is left of a gap when what is between `start` and `end` has come."""
    if gap[0] < start:
        yield gap[0], min(gap[1], start)
    if end < gap[1]:
        yield max(gap[0], end), gap[1]


def _message(kind: int, number: int, body: bytes) -> bytes:
    """Write a handshake message in one fragment (RFC 6347 §4.2.2)."""
    size = len(body).to_bytes(3)
    return bytes((kind,)) + size + number.to_bytes(2) + bytes(3) + size + body
