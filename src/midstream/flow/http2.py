"""What is known of an HTTP/2 connection beyond its messages: how it was introduced, and its frames in the order of time."""

from collections import deque
from typing import Any

import msgspec

__all__ = ["Http2Facts", "Http2Frame"]


class Http2Frame(msgspec.Struct):
    """One frame (RFC 9113 §4)."""

    timestamp: float
    """When it came or was sent."""
    is_sent: bool
    """We sent it; else the other end did."""
    kind: str
    """Such as `HEADERS`; `0x…` for kinds that nobody knows."""
    stream_id: int
    """0 for the connection."""
    length: int
    """Bytes of payload."""
    flags: tuple[str, ...] = ()
    """Such as `END_STREAM`."""
    detail: str = ""
    """What it says, in words, where that is short."""

    def __str__(self) -> str:
        said = " ".join((*self.flags, self.detail)).strip()
        return (
            f"{'>' if self.is_sent else '<'} {self.kind} stream {self.stream_id}, {self.length} bytes {said}".rstrip()
        )


class Http2Facts:
    """An HTTP/2 connection, as `Client.http2` and `Server.http2` have it."""

    __slots__ = ("fingerprint", "frames", "frames_dropped", "settings")

    def __init__(self) -> None:
        self.fingerprint = ""
        """How the other end introduced itself, in Akamai's form: `SETTINGS|WINDOW_UPDATE|PRIORITY|order of pseudo-fields`."""
        self.settings: list[tuple[int, int]] = []
        """Its first SETTINGS, in their order."""
        self.frames: deque[Http2Frame] = deque()
        """The latest frames of both directions, as many as the option `http2_timeline` says."""
        self.frames_dropped = 0
        """Earlier ones that made room."""

    def introduce(self, fingerprint: str, settings: list[tuple[int, int]]) -> None:
        """Take note of how the other end introduced itself."""
        self.fingerprint = fingerprint
        self.settings = settings

    def get_state(self) -> dict[str, Any]:
        """Everything worth saving, as plain data."""
        return {"fingerprint": self.fingerprint, "settings": [list(pair) for pair in self.settings]}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Http2Facts":
        facts = cls()
        facts.fingerprint = state["fingerprint"]
        facts.settings = [(key, value) for key, value in state["settings"]]
        return facts
