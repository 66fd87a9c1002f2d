"""SETTINGS: what each side may be sent (RFC 9113 §6.5)."""

from typing import Final

from midstream.wire.h2.errors import FLOW_CONTROL_ERROR, PROTOCOL_ERROR, FatalError
from midstream.wire.h2.frame import LARGEST_WINDOW
from midstream.wire.h2.table import DEFAULT_TABLE

HEADER_TABLE_SIZE: Final = 0x1
ENABLE_PUSH: Final = 0x2
MAX_CONCURRENT_STREAMS: Final = 0x3
INITIAL_WINDOW_SIZE: Final = 0x4
MAX_FRAME_SIZE: Final = 0x5
MAX_HEADER_LIST_SIZE: Final = 0x6
ENABLE_CONNECT_PROTOCOL: Final = 0x8
"""RFC 8441 §3."""
NO_RFC7540_PRIORITIES: Final = 0x9
"""RFC 9218 §2.1."""

DEFAULT_WINDOW: Final = 65_535
SMALLEST_FRAME: Final = 16_384
_LARGEST_FRAME: Final = 16_777_215
ASSUMED_STREAMS: Final = 100
"""Streams that we open before the peer has told how many it takes (H2-08)."""


class PeerSettings:
    """What the peer told us; until it does, the defaults."""

    __slots__ = ("frame_bytes", "has_extended_connect", "head_bytes", "streams", "table_bytes", "window")

    def __init__(self) -> None:
        self.table_bytes = DEFAULT_TABLE
        self.streams = ASSUMED_STREAMS
        self.window = DEFAULT_WINDOW
        self.frame_bytes = SMALLEST_FRAME
        self.head_bytes: int | None = None
        self.has_extended_connect = False

    def apply(self, key: int, value: int) -> None:
        """Take over one setting; unknown ones are ignored (RFC 9113 §6.5.2).

        Raises:
            FatalError: the value is none that the setting can have.

        """
        if key == HEADER_TABLE_SIZE:
            self.table_bytes = value
        elif key == ENABLE_PUSH:
            _check(value <= 1, "ENABLE_PUSH", value)
        elif key == MAX_CONCURRENT_STREAMS:
            self.streams = value
        elif key == INITIAL_WINDOW_SIZE:
            _check(value <= LARGEST_WINDOW, "INITIAL_WINDOW_SIZE", value, FLOW_CONTROL_ERROR)
            self.window = value
        elif key == MAX_FRAME_SIZE:
            _check(SMALLEST_FRAME <= value <= _LARGEST_FRAME, "MAX_FRAME_SIZE", value)
            self.frame_bytes = value
        elif key == MAX_HEADER_LIST_SIZE:
            self.head_bytes = value
        elif key == ENABLE_CONNECT_PROTOCOL:
            _check(value <= 1, "ENABLE_CONNECT_PROTOCOL", value)
            self.has_extended_connect = bool(value)


def _check(is_right: bool, name: str, value: int, code: int = PROTOCOL_ERROR) -> None:
    if not is_right:
        raise FatalError(f"SETTINGS_{name} of {value}", "RFC 9113 §6.5.2", code)
