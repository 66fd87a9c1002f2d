"""What a peer can do wrong, and how sternly it is taken."""

from enum import Enum

import msgspec


class Profile(Enum):
    """How faults of a peer are treated.

    `STRICT` refuses every fault. `LENIENT` repairs what has one safe meaning and annotates the flow with it: of two ways
    to read a message it refuses both, but for Content-Length beside chunked, where chunked counts, the length is dropped
    and the connection closed (RFC 9112 §6.3). `RAW` takes whatever can still be framed, and passes on untouched what can
    be written so; what cannot (folded lines, blanks before a colon, framing that others would read otherwise) is mended.
    """

    STRICT = "strict"
    LENIENT = "lenient"
    RAW = "raw"


def shown(data: bytes | bytearray, limit: int = 64) -> str:
    """Quote bytes in a message for a person: text as text, everything else escaped, and not too much of it."""
    text = bytes(data[:limit]).decode("utf-8", "backslashreplace")
    safe = "".join(letter if letter.isprintable() else letter.encode("unicode-escape").decode() for letter in text)
    return f"'{safe}…'" if len(data) > limit else f"'{safe}'"


class Fault(msgspec.Struct, frozen=True):
    """A fault that was tolerated: what came, and the rule it breaks."""

    message: str
    """What is wrong, for a person: `two equal Content-Length fields`."""
    reference: str
    """Where the rule stands: `RFC 9112 §6.3`."""


class PeerError(Exception):
    """A peer broke its protocol beyond repair; the only exception an engine lets out."""

    def __init__(self, message: str, reference: str = "", *, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.reference = reference
        self.status = status
        """The HTTP status to answer with where the peer is a client; a server's fault is answered 502."""

    def __str__(self) -> str:
        return f"{self.message} ({self.reference})" if self.reference else self.message
