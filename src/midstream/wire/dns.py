"""What a proxy has to know of DNS messages to carry them: ids, flags, where questions end, how they go over TCP (RFC 1035 §4).

What messages say is `midstream.flow.dns`; here they stay bytes.
"""

import struct

from midstream.wire.errors import PeerError

HEADER = struct.Struct("!HHHHHH")
RESPONSE = 0x8000
TRUNCATED = 0x0200
OP_CODE = 0x7800
RECURSION_DESIRED = 0x0100
RECURSION_AVAILABLE = 0x0080
FORMERR = 1
SERVFAIL = 2
OVER_TCP = 65535
"""What fits in one message over TCP."""
BEFORE_EDNS = 512
"""What fits in one datagram to whoever does not say more (RFC 1035 §4.2.1)."""


class Stream:
    """Messages of one direction of a TCP or TLS connection, each after its length (RFC 1035 §4.2.2)."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive(self, data: bytes) -> list[bytes]:
        """Take bytes; return the messages that are now whole."""
        buffer = self._buffer
        buffer += data
        messages = []
        at = 0
        while len(buffer) - at >= 2:
            end = at + 2 + (buffer[at] << 8 | buffer[at + 1])
            if len(buffer) < end:
                break
            messages.append(bytes(buffer[at + 2 : end]))
            at = end
        del buffer[:at]
        return messages

    def eof(self) -> None:
        """Take note that no more will come.

        Raises:
            PeerError: A message was not whole yet.

        """
        if self._buffer:
            raise PeerError("the connection ended within a DNS message", "RFC 1035 §4.2.2")


def framed(message: bytes) -> bytes:
    """Return a message as it goes over TCP."""
    return len(message).to_bytes(2, "big") + message


def message_id(message: bytes) -> int:
    """Return the id.

    Raises:
        PeerError: This is too short for a message.

    """
    _check(message)
    return message[0] << 8 | message[1]


def with_id(message: bytes, new: int) -> bytes:
    """Return the message with another id."""
    return new.to_bytes(2, "big") + message[2:]


def is_response(message: bytes) -> bool:
    """Tell a response from a query. Raises `PeerError` for what is too short for either."""
    _check(message)
    return message[2] >= 0x80


def is_truncated(message: bytes) -> bool:
    """Say whether the sender had more to say than had room."""
    return bool(message[2] & 0x02)


def answers(query: bytes, response: bytes) -> bool:
    """Say whether `response` answers `query`: same id, same question, letter by letter (RFC 5452 §9.1).

    A server that understood nothing may leave the question out.
    """
    if len(response) < HEADER.size or response[:2] != query[:2] or not response[2] & 0x80:
        return False
    end = questions_end(query)
    if end is None:
        return True
    if response[4:6] == b"\0\0" and response[3] & 15:
        return True
    return response[4:6] == query[4:6] and response[HEADER.size : end] == query[HEADER.size : end]


def continues(query: bytes, response: bytes) -> bool:
    """Say whether `response` is one of several that answer `query`: those behind the first may leave the question out (RFC 5936 §2.2.1)."""
    if len(response) < HEADER.size or response[:2] != query[:2] or not response[2] & 0x80:
        return False
    return response[4:6] == b"\0\0" or answers(query, response)


def questions_end(message: bytes) -> int | None:
    """Return where the questions end; None where they cannot be read, or are written in a way that needs more than a look."""
    at = HEADER.size
    for _ in range(message[4] << 8 | message[5]):
        while at < len(message) and (length := message[at]):
            if length > 63:
                return None
            at += length + 1
        at += 5
        if at > len(message):
            return None
    return at


def failure(query: bytes, code: int) -> bytes:
    """Make a response that says what is wrong, for a query that may itself be unreadable; nothing for what is no query."""
    if len(query) < HEADER.size:
        return b""
    return _bare(query, RESPONSE | RECURSION_AVAILABLE | code, OP_CODE | RECURSION_DESIRED)


def truncated(response: bytes, room: int) -> bytes:
    """Return the response, or as much of it as says that the rest has to be asked for over TCP (RFC 2181 §9)."""
    if len(response) <= room:
        return response
    return _bare(response, TRUNCATED, 0xFFFF)


def _bare(message: bytes, flags: int, kept: int) -> bytes:
    """Return header and questions of a message, with `flags` and those of its own that are in `kept`."""
    own, old, count, *_ = HEADER.unpack_from(message)
    end = questions_end(message)
    header = HEADER.pack(own, old & kept | flags, 0 if end is None else count, 0, 0, 0)
    return header if end is None else header + message[HEADER.size : end]


def _check(message: bytes) -> None:
    if len(message) < HEADER.size:
        raise PeerError(f"a DNS message has at least 12 bytes, not {len(message)}", "RFC 1035 §4.1.1")
