"""How much of a peer's message we are ready to hold."""

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """Bounds on what is buffered while reading; each is an option of the proxy."""

    head_bytes: int = 65536
    """Start line and header section together, with their line ends."""
    head_fields: int = 256
    """Fields in one header or trailer section."""
    chunk_line: int = 4096
    """A chunk's size line with its extensions."""
    trailer_bytes: int = 16384
    """The trailer section."""
    blank_lines: int = 4
    """Empty lines that may precede a request line (RFC 9112 §2.2)."""
