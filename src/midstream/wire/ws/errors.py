"""Close codes, and the fault that carries one (RFC 6455 §7.4)."""

from typing import Final

from midstream.wire.errors import PeerError

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
NO_STATUS: Final = 1005
"""Shown where a close frame had no code; never sent."""
ABNORMAL: Final = 1006
"""Shown where a connection ended without a close frame; never sent."""
INVALID_DATA: Final = 1007
TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011

_NOT_ON_THE_WIRE: Final = frozenset((1004, NO_STATUS, ABNORMAL, 1015))


class WebSocketError(PeerError):
    """A peer broke the protocol; the connection ends with a close frame of this code."""

    def __init__(self, message: str, reference: str, code: int = PROTOCOL_ERROR) -> None:
        super().__init__(message, reference)
        self.code = code


def is_sendable(code: int) -> bool:
    """Tell whether a close frame may carry this code: registered ones, those of libraries (3xxx) and of applications (4xxx)."""
    return (1000 <= code <= 1014 and code not in _NOT_ON_THE_WIRE) or 3000 <= code <= 4999
