"""How much of a peer's streams we are ready to hold, and how often it may make us work for nothing."""

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one connection; each is an option of the proxy.

    Rates are per second; ten seconds' worth may come at once. What comes faster is a flood, and ends the connection with
    ENHANCE_YOUR_CALM.
    """

    head_bytes: int = 65536
    """A field section, encoded and decoded; decoded each field counts 32 bytes more (RFC 9113 §6.5.2)."""
    head_fields: int = 256
    """Fields in one section, pseudo-header fields included."""
    continuations: int = 16
    """CONTINUATION frames of one field section."""
    table_bytes: int = 4096
    """HPACK's dynamic table, of either direction."""
    frame_bytes: int = 16384
    """The largest frame payload we take (SETTINGS_MAX_FRAME_SIZE)."""
    concurrent_streams: int = 256
    """Streams a client may have open at a time."""
    stream_window: int = 1_048_576
    """Body bytes of one stream that a peer may send before they are consumed."""
    window_growth: int = 4
    """To how many times that a window grows while its stream is consumed as fast as it comes."""
    connection_window: int = 16_777_216
    """Body bytes of all streams together; it does not grow."""
    parked_bytes: int = 65536
    """Bytes waiting for a window beyond which a stream is full."""
    interim_heads: int = 64
    """More interim responses than this to one request are no progress."""
    resets_per_second: int = 100
    """Streams that are reset, by the peer or because it broke a rule (rapid reset, MadeYouReset)."""
    controls_per_second: int = 200
    """PING, SETTINGS, PRIORITY, frames of unknown type and frames on streams that are closed."""
    empties_per_second: int = 100
    """DATA frames without data that do not end their stream."""
    updates_per_second: int = 1000
    """WINDOW_UPDATE frames beyond two for each DATA frame sent."""


DEFAULT_LIMITS = Limits()
