"""The frames of an HTTP/2 connection, noted for people: kind, flags and what they say, in the order of time."""

from collections.abc import Callable
from typing import Final

from midstream.flow.http2 import Http2Facts, Http2Frame
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import code_name

_KINDS: Final = (
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
)
_MORE_KINDS: Final = {0xA: "ALTSVC", 0xC: "ORIGIN", frames.PRIORITY_UPDATE: "PRIORITY_UPDATE"}
_FLAGS: Final = (
    (frames.END_STREAM, "END_STREAM", {frames.DATA, frames.HEADERS}),
    (frames.ACK, "ACK", {frames.SETTINGS, frames.PING}),
    (frames.END_HEADERS, "END_HEADERS", {frames.HEADERS, frames.PUSH_PROMISE, frames.CONTINUATION}),
    (frames.PADDED, "PADDED", {frames.DATA, frames.HEADERS, frames.PUSH_PROMISE}),
    (frames.HAS_PRIORITY, "PRIORITY", {frames.HEADERS}),
)


class Timeline:
    """Adds frames to the facts of a connection; the oldest make room."""

    def __init__(self, facts: Http2Facts, most: int, time: Callable[[], float]) -> None:
        self._facts = facts
        self._most = most
        self._time = time

    def add(self, is_sent: bool, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        """Note a frame; what an engine's `trace` calls."""
        facts = self._facts
        if len(facts.frames) >= self._most:
            facts.frames.popleft()
            facts.frames_dropped += 1
        names = tuple(name for bit, name, kinds in _FLAGS if flags & bit and kind in kinds)
        facts.frames.append(
            Http2Frame(self._time(), is_sent, _kind_name(kind), stream_id, len(payload), names, _detail(kind, payload))
        )


def _kind_name(kind: int) -> str:
    return _KINDS[kind] if kind < len(_KINDS) else _MORE_KINDS.get(kind, f"0x{kind:x}")


def _detail(kind: int, payload: bytes) -> str:
    if kind == frames.SETTINGS and not len(payload) % 6:
        return " ".join(f"{key}={value}" for key, value in frames.pairs(payload))
    if kind == frames.RST_STREAM and len(payload) == 4:
        return code_name(frames.long(payload))
    if kind == frames.WINDOW_UPDATE and len(payload) == 4:
        return f"+{frames.long(payload)}"
    if kind == frames.GOAWAY and len(payload) >= 8:
        return f"last stream {frames.long(payload)}, {code_name(frames.long(payload, 4))}"
    if kind == frames.PING:
        return payload.hex()
    return ""
