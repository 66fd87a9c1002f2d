"""Frames as bytes (RFC 9113 §4, §6)."""

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Final, NamedTuple

from midstream.wire.h2.errors import FatalError

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9
ALTSVC: Final = 0xA
ORIGIN: Final = 0xC
PRIORITY_UPDATE: Final = 0x10

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
HAS_PRIORITY: Final = 0x20

HEADER_SIZE: Final = 9
ID_MASK: Final = 0x7FFF_FFFF
LARGEST_WINDOW: Final = 0x7FFF_FFFF

HEADER: Final = Struct(">HBBBL")
"""A frame's header: its size as 16 and 8 bits, kind, flags, stream id."""
_LONG: Final = Struct(">L")
_SETTING: Final = Struct(">HL")


class Frame(NamedTuple):
    """One frame."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes


def header(kind: int, flags: int, stream_id: int, size: int) -> bytes:
    return HEADER.pack(size >> 8, size & 0xFF, kind, flags, stream_id)


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    return header(kind, flags, stream_id, len(payload)) + payload


def frames(data: bytes) -> Iterator[Frame]:
    """Split what consists of whole frames."""
    at = 0
    while at < len(data):
        high, low, kind, flags, stream_id = HEADER.unpack_from(data, at)
        end = at + HEADER_SIZE + (high << 8 | low)
        yield Frame(kind, flags, stream_id & ID_MASK, data[at + HEADER_SIZE : end])
        at = end


def rst_stream(stream_id: int, code: int) -> bytes:
    return header(RST_STREAM, 0, stream_id, 4) + _LONG.pack(code)


def window_update(stream_id: int, increment: int) -> bytes:
    return header(WINDOW_UPDATE, 0, stream_id, 4) + _LONG.pack(increment)


def settings(values: Iterable[tuple[int, int]]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(key, value) for key, value in values))


def goaway(last_stream_id: int, code: int, debug: bytes = b"") -> bytes:
    return frame(GOAWAY, 0, 0, _LONG.pack(last_stream_id) + _LONG.pack(code) + debug)


def long(payload: bytes, at: int = 0) -> int:
    """Return the 32 bits that stand at `at`."""
    return _LONG.unpack_from(payload, at)[0]  # type: ignore[no-any-return] # struct knows no types


def pairs(payload: bytes) -> list[tuple[int, int]]:
    """Return the settings that stand in a payload."""
    return list(_SETTING.iter_unpack(payload))


def unpad(payload: bytes) -> bytes:
    """Take the padding off (RFC 9113 §6.1)."""
    if not payload or payload[0] >= len(payload):
        raise FatalError("more padding than payload", "RFC 9113 §6.1")
    return payload[1 : len(payload) - payload[0]]
