"""Whole messages, and the fragments in which they came (WS-03)."""

from typing import Final

import msgspec

from midstream.wire.errors import Fault
from midstream.wire.ws.events import Piece

_MOST_FRAGMENTS: Final = 4096
"""Beyond this many the borders of a message's fragments are not remembered."""


class Message(msgspec.Struct):
    """A message that is there as a whole."""

    opcode: int
    data: bytes
    layout: tuple[int, ...] = ()
    """The sizes of the fragments in which it came; empty if it came in one frame."""
    is_compressed: bool = False
    faults: tuple[Fault, ...] = ()

    def fragments(self) -> list[bytes]:
        """Cut the message as its sender did; if its size has changed since, into fragments as large as the sender's largest."""
        data, layout = self.data, self.layout
        if not layout:
            return [data]
        if sum(layout) == len(data):
            at = 0
            found = []
            for size in layout:
                found.append(data[at : at + size])
                at += size
            return found
        step = max(layout) or len(data)
        return [data[at : at + step] for at in range(0, len(data), step)] or [data]


class Assembler:
    """Joins the pieces of one message after the other, each byte being copied once (WS-09)."""

    __slots__ = ("_faults", "_layout", "_parts", "_size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._layout: list[int] = []
        self._faults: tuple[Fault, ...] = ()
        self._size = 0
        """Of the fragment being joined."""

    def add(self, piece: Piece) -> Message | None:
        """Take the next piece; return the message if that was the last one."""
        if piece.is_final and not piece.left:
            if piece.is_first:
                return Message(piece.opcode, piece.data, (), piece.is_compressed, piece.faults)
            return self._finish(piece)
        self._take(piece)
        return None

    def clear(self) -> None:
        """Forget a message that will not be completed."""
        self._parts, self._layout, self._faults, self._size = [], [], (), 0

    def _take(self, piece: Piece) -> None:
        if piece.data:
            self._parts.append(piece.data)
        self._faults += piece.faults
        self._size += len(piece.data)
        if not piece.left:
            if len(self._layout) < _MOST_FRAGMENTS:
                self._layout.append(self._size)
            else:
                self._layout[-1] += self._size
            self._size = 0

    def _finish(self, piece: Piece) -> Message:
        self._take(piece)
        layout = tuple(self._layout) if len(self._layout) > 1 else ()
        message = Message(piece.opcode, b"".join(self._parts), layout, piece.is_compressed, self._faults)
        self._parts, self._layout, self._faults = [], [], ()
        return message
