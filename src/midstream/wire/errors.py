"""What a peer can do wrong, and how sternly it is taken."""

from enum import Enum

import msgspec


class Profile(Enum):
    """How faults of a peer are treated.

    `STRICT` refuses every fault. `LENIENT` repairs what is unambiguous and annotates the flow with it. `RAW` passes
    on untouched whatever can still be framed. Ambiguous framing is refused by the first two.
    """

    STRICT = "strict"
    LENIENT = "lenient"
    RAW = "raw"


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
