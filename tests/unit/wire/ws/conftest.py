"""Frames by hand. What is read is read whole, split at every byte, byte by byte, and with more bytes behind it."""

from collections.abc import Callable
from typing import Any

import pytest

from midstream.wire.errors import Profile
from midstream.wire.ws import ClientFacing, Limits, ServerFacing
from midstream.wire.ws.errors import WebSocketError
from midstream.wire.ws.events import Close, Event, Piece
from midstream.wire.ws.mask import apply_slowly
from midstream.wire.ws.negotiate import Compression

KEY = b"\x01\x23\x45\x67"


def build(first: int, payload: bytes = b"", *, key: bytes = b"", length: bytes | None = None) -> bytes:
    """Make a frame, well or badly; `length` is what stands from the second byte on."""
    if length is None:
        size = len(payload)
        if size < 65536:
            length = bytes((size,)) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
        else:
            length = b"\x7f" + size.to_bytes(8, "big")
    if not key:
        return bytes((first,)) + length + payload
    return bytes((first, length[0] | 0x80)) + length[1:] + key + apply_slowly(payload, key)


def plain(events: list[Event]) -> list[Any]:
    """Make events comparable, without regard to where frames were cut, and to how much of one was told before its fault."""
    found: list[Any] = []
    for event in events:
        if isinstance(event, WebSocketError):
            if found and isinstance(found[-1], Piece) and found[-1].left:
                found.pop()
            found.append((event.code, event.message, event.reference))
            continue
        last = found[-1] if found else None
        if isinstance(event, Piece) and isinstance(last, Piece) and last.left:
            assert last.opcode == event.opcode
            assert last.is_final == event.is_final
            assert last.is_compressed == event.is_compressed
            assert not event.is_first
            assert last.left == -1 or last.left == len(event.data) + event.left
            found[-1] = Piece(
                last.opcode,
                last.data + event.data,
                last.is_first,
                last.is_final,
                event.left,
                last.is_compressed,
                last.faults + event.faults,
            )
        else:
            found.append(event)
    return found


def read_all_ways(make: Callable[[], ClientFacing | ServerFacing], wire: bytes) -> list[Any]:
    events = make().receive(wire)
    expected = plain(events)
    for cut in range(len(wire) + 1) if len(wire) < 600 else (1, 2, 3, 5, 14, 100, len(wire) - 1):
        engine = make()
        assert plain(engine.receive(wire[:cut]) + engine.receive(wire[cut:])) == expected, f"split at {cut}"
    if len(wire) < 5000:
        engine = make()
        parted = [event for at in range(len(wire)) for event in engine.receive(wire[at : at + 1])]
        assert plain(parted) == expected
    last = events[-1] if events else None
    if isinstance(last, (Close, WebSocketError)):
        engine = make()
        assert plain(engine.receive(wire + b"\x81\x01a trailing")) == expected
        assert engine.receive(b"\x81\x01a") == []
        assert engine.eof() == []
    elif isinstance(last, Piece) and last.is_last:
        engine = make()
        key = KEY if engine.is_peer_masking else b""
        assert plain(engine.receive(wire + build(0x89, b"next", key=key)))[-1].payload == b"next"
    return expected


@pytest.fixture
def frame():
    return build


@pytest.fixture
def masked():
    def make(first: int, payload: bytes = b"", **named: Any) -> bytes:
        return build(first, payload, key=KEY, **named)

    return make


@pytest.fixture
def from_server():
    """Read what a server sends, all ways."""

    def read(*wire: bytes, profile: Profile = Profile.LENIENT, deflate: bool = False, **limits: int) -> list[Any]:
        compression = Compression() if deflate else None
        return read_all_ways(
            lambda: ServerFacing(lambda: KEY, Limits(**limits), profile, compression=compression), b"".join(wire)
        )

    return read


@pytest.fixture
def from_client():
    """Read what a client sends, all ways."""

    def read(*wire: bytes, profile: Profile = Profile.LENIENT, deflate: bool = False, **limits: int) -> list[Any]:
        compression = Compression() if deflate else None
        return read_all_ways(lambda: ClientFacing(Limits(**limits), profile, compression=compression), b"".join(wire))

    return read
