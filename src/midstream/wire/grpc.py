"""gRPC's messages inside a body: a byte of flags, four bytes of length, and the message (gRPC over HTTP/2, Requests).

gRPC-Web puts its trailers into the body, as one more frame of the same form (`TRAILERS`). Its base64 form is not read here,
and no message is decompressed: this takes bodies apart, and puts frames together again.
"""

import struct
from typing import TypeAlias

import msgspec

from midstream.errors import UsageError
from midstream.wire.errors import PeerError

COMPRESSED = 0x01
TRAILERS = 0x80
PREFIX = struct.Struct(">BI")
REFERENCE = "gRPC over HTTP/2, Length-Prefixed-Message"
LARGEST = 0xFFFF_FFFF


class Frame(msgspec.Struct):
    """One message, or gRPC-Web's trailers."""

    flags: int
    content: bytes

    def written(self) -> bytes:
        """Return the frame as it stands in a body."""
        if len(self.content) > LARGEST:
            raise UsageError(f"a gRPC message has at most {LARGEST} bytes, this one has {len(self.content)}")
        return PREFIX.pack(self.flags, len(self.content)) + self.content


Part: TypeAlias = Frame | bytes | PeerError
"""A frame; bytes that go on unread; or a fault, from which on everything is bytes."""


class Splitter:
    """Takes one body apart. Joined again, its parts are what came."""

    def __init__(self, limit: int = 0, *, is_web: bool = False) -> None:
        """Frames of more than `limit` bytes are not gathered, but given as bytes while they come; 0 for no limit."""
        self._limit = limit
        self._flags = (0, COMPRESSED, TRAILERS, TRAILERS | COMPRESSED) if is_web else (0, COMPRESSED)
        self._buffer = bytearray()
        self._passing = 0
        """Bytes to come of a frame that is too large to be gathered."""
        self._is_lost = False

    def receive(self, data: bytes) -> list[Part]:
        """Return the parts that are whole with these bytes."""
        if self._is_lost:
            return [data]
        parts: list[Part] = []
        if self._passing:
            passed, data = data[: self._passing], data[self._passing :]
            self._passing -= len(passed)
            parts.append(passed)
        buffer, at = self._buffer, 0
        buffer += data
        while len(buffer) - at >= PREFIX.size:
            flags, size = PREFIX.unpack_from(buffer, at)
            end = at + PREFIX.size + size
            if flags not in self._flags:
                self._is_lost = True
                parts += PeerError(f"a gRPC message begins with the byte {flags:#04x}", REFERENCE), bytes(buffer[at:])
                at = len(buffer)
            elif self._limit and size > self._limit:
                parts.append(bytes(buffer[at:end]))
                self._passing = max(0, end - len(buffer))
                at = min(end, len(buffer))
            elif end <= len(buffer):
                parts.append(Frame(flags, bytes(buffer[at + PREFIX.size : end])))
                at = end
            else:
                break
        del buffer[:at]
        return parts

    def eof(self) -> list[Part]:
        """The body has ended: return what was waiting for more, with the fault that it is."""
        if not self._buffer and not self._passing:
            return []
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._passing = 0
        self._is_lost = True
        fault = PeerError("the body ends inside a gRPC message", REFERENCE)
        return [fault, rest] if rest else [fault]
