"""What an HTTP/2 engine reports besides the messages: facts of the connection (stream 0) and of its streams."""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from midstream.wire.events import Event


class SettingsChanged(msgspec.Struct):
    """The peer's SETTINGS came; the engine obeys them already."""

    values: list[tuple[int, int]]
    """In the order in which they came, unknown ones included."""


class GoAway(msgspec.Struct):
    """The peer takes no further streams; those above `last_stream_id` have been reset as REFUSED_STREAM."""

    last_stream_id: int
    code: int
    debug: bytes


class Pong(msgspec.Struct):
    """The peer answered our ping."""

    payload: bytes


class Writable(msgspec.Struct):
    """A stream that was full has room again."""


class Priority(msgspec.Struct):
    """What a client said about a stream's priority (RFC 7540 §5.3)."""

    depends_on: int
    weight: int
    """1 to 256."""
    is_exclusive: bool

    def payload(self) -> bytes:
        """Return what stands in a frame."""
        return (self.depends_on | self.is_exclusive << 31).to_bytes(4, "big") + bytes((self.weight - 1,))


class PriorityUpdate(msgspec.Struct):
    """What a client said about a stream's priority after its request (RFC 9218 §7.1)."""

    value: bytes


WRITABLE = Writable()

ConnectionEvent: TypeAlias = SettingsChanged | GoAway | Pong | Writable | Priority | PriorityUpdate
StreamEvent: TypeAlias = tuple[int, Event | ConnectionEvent]
"""The id of a stream, or 0 for the connection, and what happened to it."""
Trace: TypeAlias = Callable[[bool, int, int, int, bytes], None]
"""Told of each frame: whether we sent it, kind, flags, stream id, payload."""
