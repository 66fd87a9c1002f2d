"""What a WebSocket engine reports, and what it can be told to send.

A message is one or more `Piece`; control frames may stand between them. `Close` is the last thing a peer says; `Lost` stands
where it went without one. A fault of the peer (`WebSocketError`) is always the last event of its list.
"""

from typing import Final, TypeAlias

import msgspec

from midstream.wire.errors import Fault
from midstream.wire.ws.errors import ABNORMAL, NO_STATUS, WebSocketError

TEXT: Final = 1
BINARY: Final = 2

_LONGEST_REASON: Final = 123
"""A control frame has 125 bytes (RFC 6455 §5.5), and the code takes two."""


class Piece(msgspec.Struct):
    """A part of a message, decompressed. It never reaches over the end of a frame; within one, borders carry no meaning."""

    opcode: int
    """`TEXT` or `BINARY`, the same in all pieces of a message."""
    data: bytes
    is_first: bool = True
    """No other piece of this message came before."""
    is_final: bool = True
    """The frame that this belongs to is the last one of its message (FIN)."""
    left: int = 0
    """How many bytes of its frame are still to come; -1 for some, but their number is not known (compressed frames)."""
    is_compressed: bool = False
    """The message came compressed (RSV1 of its first frame)."""
    faults: tuple[Fault, ...] = ()

    @property
    def is_last(self) -> bool:
        """True if the message ends here."""
        return self.is_final and not self.left


class Ping(msgspec.Struct):
    """A ping; engines do not answer it, since whoever stands on the other side will."""

    payload: bytes = b""
    faults: tuple[Fault, ...] = ()


class Pong(msgspec.Struct):
    """An answer to a ping, or a sign of life nobody asked for (RFC 6455 §5.5.3)."""

    payload: bytes = b""
    faults: tuple[Fault, ...] = ()


class Close(msgspec.Struct):
    """A close frame."""

    code: int | None = None
    """None where it has no body."""
    reason: bytes = b""
    faults: tuple[Fault, ...] = ()

    @property
    def shown_code(self) -> int:
        """The code as it is told to people: 1005 for none (RFC 6455 §7.1.5)."""
        return NO_STATUS if self.code is None else self.code


class Lost(msgspec.Struct):
    """The connection ended without a close frame."""

    message: str

    @property
    def shown_code(self) -> int:
        """The code as it is told to people: 1006 (RFC 6455 §7.1.5)."""
        return ABNORMAL


Event: TypeAlias = Piece | Ping | Pong | Close | Lost | WebSocketError


def close_for(error: WebSocketError) -> Close:
    """Return the close frame that tells a peer what it did wrong."""
    return Close(error.code, error.message.encode()[:_LONGEST_REASON].decode("utf-8", "ignore").encode())
