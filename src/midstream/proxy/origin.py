"""Which server connections are interchangeable."""

from typing import Final

import msgspec

from midstream.flow.connection import Via

HTTP1: Final = (b"http/1.1",)
"""HTTP/1 and nothing else, as ALPN names it."""
HTTP2: Final = (b"h2",)
ANY_HTTP: Final = (b"h2", b"http/1.1")


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
    versions: tuple[bytes, ...] = HTTP1
    """The versions of HTTP that may be spoken, by their ALPN names; without TLS the first one is."""
    fingerprint: str = ""
    """How the connection introduces itself, where it does so like a client; empty for our own way."""
