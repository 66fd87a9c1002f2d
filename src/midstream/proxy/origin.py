"""Which server connections are interchangeable."""

import msgspec

from midstream.flow.connection import Via


class Origin(msgspec.Struct, frozen=True, cache_hash=True):
    """Which connections are interchangeable."""

    host: str
    port: int
    is_tls: bool = False
    sni: str | None = None
    via: Via | None = None
    is_tunnelled: bool = False
    """Clear text behind a CONNECT to the parent proxy, which sees no requests there."""
    owner: str = ""
    """The id of the one client that may use it; empty for all."""
