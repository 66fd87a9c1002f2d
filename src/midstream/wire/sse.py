"""Server-sent events, the lines of `text/event-stream` (WHATWG HTML §9.2.5 and §9.2.6), read and written.

Every byte of a stream comes out again: in the `raw` of an event, or as bytes that make no event. Comments between events, which
keep connections alive, come out as soon as their line is whole. What an event means to a browser (the last event id, when
to connect again) is no concern of this.
"""

import re
from typing import TypeAlias

import msgspec

from midstream.errors import UsageError
from midstream.wire.errors import PeerError

REFERENCE = "WHATWG HTML §9.2.6"
BOM = b"\xef\xbb\xbf"
FIELDS = frozenset({b"event", b"data", b"id", b"retry"})
LINE_END = re.compile(rb"\r\n?|\n")
TEXT_LINE_END = re.compile(r"\r\n?|\n")
RETRY_DIGITS = 15
"""Longer times to wait are no times; readers ignore what is no number."""


class Event(msgspec.Struct):
    """One event. Bytes that are no UTF-8 are kept as lone surrogates."""

    data: str
    """The values of all `data` fields, with line feeds between them."""
    event: str = ""
    """The type; empty for `message`."""
    id: str | None = None
    retry: int | None = None
    """Milliseconds to wait before connecting again."""
    raw: bytes = b""
    """The event as it came, with the blank line that ends it."""


Part: TypeAlias = Event | bytes | PeerError
"""An event; bytes that are none; or a fault, from which on everything is bytes."""


class Reader:
    """Takes one stream apart. Joined again, its parts are what came."""

    def __init__(self, limit: int = 0) -> None:
        """An event of more than `limit` bytes is a fault; 0 for no limit."""
        self._limit = limit
        self._buffer = bytearray()
        """The present event, from its first byte."""
        self._lines: list[bytes] = []
        """Those of its lines that are whole."""
        self._line = 0
        """Where its next line begins."""
        self._searched = 0
        """Up to where there is no other line end."""
        self._is_after_cr = False
        """The last byte was a CR, so a LF belongs to the line before."""
        self._is_first_line = True
        self._is_lost = False

    def receive(self, data: bytes) -> list[Part]:
        """Return the parts that are whole with these bytes."""
        if self._is_lost:
            return [data]
        parts: list[Part] = []
        if self._is_after_cr and data:
            self._is_after_cr = False
            if data[0] == 0x0A:
                data = data[1:]
                self._take_late_feed(parts)
        buffer, start = self._buffer, 0
        buffer += data
        while (end := LINE_END.search(buffer, self._searched)) is not None:
            line = bytes(buffer[self._line : end.start()])
            self._line = self._searched = end.end()
            if self._is_first_line:
                self._is_first_line = False
                line = line.removeprefix(BOM)
            if line and (self._lines or line[0] != 0x3A):
                self._lines.append(line)
                continue
            parts.append(self._part(bytes(buffer[start : self._line])))
            start = self._line
        self._is_after_cr = buffer.endswith(b"\r") if data else self._is_after_cr
        del buffer[:start]
        self._line -= start
        self._searched = len(buffer)
        if self._limit and len(buffer) > self._limit:
            parts += [PeerError(f"an event of more than {self._limit} bytes", REFERENCE), *self.eof()]
            self._is_lost = True
        return parts

    def eof(self) -> list[Part]:
        """The stream has ended: return what was waiting for more, which is no event."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._lines.clear()
        self._line = self._searched = 0
        return [rest] if rest else []

    def _take_late_feed(self, parts: list[Part]) -> None:
        """Take the LF that belongs to a CR at the end of the piece before."""
        if self._buffer:
            self._buffer += b"\n"
            self._line = self._searched = len(self._buffer)
        else:
            parts.append(b"\n")

    def _part(self, raw: bytes) -> Part:
        """Return what has just ended: an event if there was a `data` field."""
        lines, self._lines = self._lines, []
        values: list[bytes] = []
        event = Event("", raw=raw)
        for line in lines:
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"data":
                values.append(value)
            elif name == b"event":
                event.event = value.decode("utf-8", "surrogateescape")
            elif name == b"id" and b"\0" not in value:
                event.id = value.decode("utf-8", "surrogateescape")
            elif name == b"retry" and value.isdigit() and len(value) <= RETRY_DIGITS:
                event.retry = int(value)
        event.data = b"\n".join(values).decode("utf-8", "surrogateescape")
        return event if values else raw


def written(event: Event) -> bytes:
    """Return an event anew, with the comments and the unknown fields of its `raw` behind.

    Raises `UsageError` for a line end in its type or id, and for what cannot be UTF-8.
    """
    if event.id is not None and "\0" in event.id:
        raise UsageError("the id of a server-sent event has no NUL")
    fields = [("event", event.event)] if event.event else []
    if event.id is not None:
        fields.append(("id", event.id))
    if event.retry is not None:
        fields.append(("retry", str(event.retry)))
    for name, value in fields:
        if TEXT_LINE_END.search(value):
            raise UsageError(f"the {name} of a server-sent event has no line end: {value!r}")
    fields += [("data", line) for line in TEXT_LINE_END.split(event.data)]
    kept = [line for line in LINE_END.split(event.raw.removeprefix(BOM)) if line and not _is_known(line)]
    try:
        lines = [f"{name}: {value}".encode("utf-8", "surrogateescape") for name, value in fields]
    except UnicodeEncodeError as error:
        raise UsageError(f"a server-sent event is UTF-8: {error}") from error
    return b"\n".join([*lines, *kept, b"", b""])


def _is_known(line: bytes) -> bool:
    return line.partition(b":")[0] in FIELDS
