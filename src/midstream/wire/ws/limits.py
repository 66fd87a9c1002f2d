"""How much of a peer's messages we are ready to take."""

from typing import Final

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one connection. A message beyond them ends it with 1009 (message too big)."""

    message_bytes: int = 0
    """A whole message, decompressed; 0 for no bound, which is safe as long as pieces are passed on as they come."""
    inflate_ratio: int = 200
    """How many times larger a message may become by decompression (WS-10) …"""
    inflate_free: int = 16_777_216
    """… once it is larger than this."""
    held_bytes: int = 262_144
    """What is gathered to learn the length of a frame that is being compressed; a larger one is cut into fragments."""


DEFAULT_LIMITS: Final = Limits()
