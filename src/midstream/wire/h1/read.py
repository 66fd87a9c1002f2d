"""The reading half that both engines share: the buffer, finding the head's end, and bodies.

Every state is a method. A step looks at the buffer from `_at` on, appends what it found to `events`, moves `_at`, names the
next step, and returns True; or it returns False because it needs more bytes or because there is nothing more to read. All
steps can be interrupted at any byte, and the events do not depend on where that was, save for where `Data` is cut.

    _head ─▶ _sized ─────────────────────────────────┐
          ─▶ _until_close ── eof ────────────────────┤
          ─▶ _chunk_size ─▶ _chunk ─▶ _chunk_end     ├─▶ _rest ── next_message ─▶ _head
                  ▲    └─────────────────┘           │
                  └ 0 ─▶ _trailers ──────────────────┘        any fault ─▶ _failed
"""

import re
from typing import Final

from midstream.wire.errors import PeerError, Profile, shown
from midstream.wire.events import END, Data, End, Event, Reset, Trailers
from midstream.wire.h1.limits import Limits
from midstream.wire.h1.mend import mend_section, split_lines
from midstream.wire.h1.section import Section, read_section
from midstream.wire.tolerance import Tolerance

_HEAD_END: Final = re.compile(rb"\n\r?\n")
_LONE_LF: Final = re.compile(rb"(?<!\r)\n")
_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")
_QUOTED: Final = rb'"(?:[^\x00-\x08\x0a-\x1f\x7f"\\]|\\[^\x00-\x08\x0a-\x1f\x7f])*"'
_EXTENDED_CHUNK_LINE: Final = re.compile(
    rb"([0-9A-Fa-f]{1,15})([ \t]*)((?:;(?:[^\x00-\x08\x0a-\x1f\x7f\"]|" + _QUOTED + rb")*)?)"
)

DEFAULT_LIMITS: Final = Limits()


class Reader:
    """Reads one message after the other; a subclass knows what a head means."""

    side: str = "peer"
    is_reading_requests: bool = False

    def __init__(self, limits: Limits = DEFAULT_LIMITS, profile: Profile = Profile.LENIENT) -> None:
        self.limits = limits
        self._tolerance = Tolerance(profile)
        self._buffer = b""
        """What has come and is not parsed, from `_at` on; empty as soon as all is."""
        self._at = 0
        self._seen = 0
        """Bytes from `_at` on in which no head end starts."""
        self._blank_lines = 0
        self._left = 0
        """Bytes still to come of a sized body or of a chunk."""
        self._section: Section | None = None
        """That of the message before, if it was clean: peers repeat themselves."""
        self._peer_is_done = False
        # Bound once, so that `is` can tell whether they are the step: comparing bound methods costs three times as much.
        self._resting, self._failing = self._rest, self._failed
        self._step = self._head

    @property
    def buffered(self) -> int:
        """Bytes received and not yet parsed."""
        return len(self._buffer) - self._at

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes from the peer and tell what they mean; never raises."""
        self._buffer = self._buffer[self._at :] + data if self._buffer else data
        self._at = 0
        events: list[Event] = []
        try:
            while self._step(events):
                pass
        except PeerError as error:
            self._tolerance.take()
            self._step = self._failing
            self._failed(events)
            events.append(error)
        if self._at == len(self._buffer):
            self._buffer, self._at = b"", 0
        return events

    def eof(self) -> list[Event]:
        """Take note that the peer has closed its sending side."""
        self._peer_is_done = True
        events: list[Event] = []
        self._end_of_input(events)
        return events

    def release(self) -> bytes:
        """Hand out the bytes not parsed and retire; what follows is not HTTP."""
        rest = self._buffer[self._at :]
        self._buffer, self._at = b"", 0
        self._step = self._failing
        return rest

    def _start_over(self) -> None:
        self._seen = self._blank_lines = 0
        self._step = self._head

    def _end_of_input(self, events: list[Event]) -> None:
        """Finish or break off the message being read."""
        step = self._step
        if step == self._until_close:
            self._finish(events)
        elif step not in (self._resting, self._failing):
            where = self._place()
            self._step = self._failing
            self._failed(events)
            if where:
                events.append(Reset(f"the {self.side} closed the connection {where}"))

    def _place(self) -> str:
        """Say where in a message the reader stands; empty between messages."""
        if self._step == self._head:
            return "within a head" if self.buffered else ""
        if self._step == self._sized:
            return f"with {self._left} bytes of the body missing"
        return "within a chunked body"

    # Heads

    def _head(self, events: list[Event]) -> bool:
        buffer, at = self._buffer, self._at
        line_end = buffer.find(b"\r\n", at)
        section = self._section
        if section is not None and buffer.startswith(section.block, line_end + 2):
            end = line_end + 2 + len(section.block)
        else:
            section = None
            end = buffer.find(b"\r\n\r\n", at + self._seen) + 4
        if end < 4 or end - at > self.limits.head_bytes or buffer[at] <= 0x0D:
            return self._odd_head(events)
        if section is None:
            most = self.limits.head_fields
            section = read_section(buffer[line_end + 2 : end], most)
            if section is None or len(section.fields) > most:
                return self._odd_head(events)
            self._section = section
        line = buffer[at:line_end]
        if 0x0A in line:
            return self._odd_head(events)
        self._at = end
        return self._begin(line, section.block, section, events)

    def _odd_head(self, events: list[Event]) -> bool:
        """Read a head that is incomplete, too long, not clean, or preceded by blank lines."""
        if self._skip_blank_lines():
            return self._head(events)
        buffer, at = self._buffer, self._at
        found = _HEAD_END.search(buffer, at + self._seen)
        size = len(buffer) - at if found is None else found.end() - at
        limit = self.limits.head_bytes
        if size > limit or (found is None and size == limit):
            self._refuse_size(limit)
        if found is None:
            self._seen = max(0, size - 3)
            return False
        tolerance = self._tolerance
        line, *lines = split_lines(buffer[at : found.end()], tolerance)[:-1]
        self._check_count(len(lines), "header")
        section = mend_section(lines, tolerance, is_request=self.is_reading_requests)
        self._at = found.end()
        return self._begin(line, b"", section, events)

    def _begin(self, line: bytes, block: bytes, section: Section, events: list[Event]) -> bool:
        """Make the event of a head, and choose the step for its body."""
        raise NotImplementedError

    def _skip_blank_lines(self) -> bool:
        """Skip an empty line before a request line (RFC 9112 §2.2); tell whether there was one."""
        buffer, at = self._buffer, self._at
        size = 1 if buffer[at : at + 1] == b"\n" else 2 if buffer[at : at + 2] == b"\r\n" else 0
        if not size:
            return False
        if not self.is_reading_requests:
            raise PeerError("a blank line instead of a status line", "RFC 9112 §4")
        self._blank_lines += 1
        if self._blank_lines > self.limits.blank_lines:
            raise PeerError("too many blank lines before the request line", "RFC 9112 §2.2")
        self._at += size
        self._seen = 0
        return True

    def _check_count(self, count: int, kind: str) -> None:
        if count > self.limits.head_fields:
            message = f"more than {self.limits.head_fields} {kind} fields"
            raise PeerError(message, "RFC 6585 §5", status=431)

    def _refuse_size(self, limit: int) -> None:
        if self._buffer.find(b"\n", self._at, self._at + limit) < 0:
            raise PeerError(f"a start line of more than {limit} bytes", "RFC 9110 §15.5.15", status=414)
        raise PeerError(f"a head of more than {limit} bytes", "RFC 6585 §5", status=431)

    # Bodies

    def _sized(self, events: list[Event]) -> bool:
        return self._take_left(events) and self._finish(events)

    def _until_close(self, events: list[Event]) -> bool:
        here = len(self._buffer) - self._at
        if here:
            events.append(self._take(here))
        return False

    def _take_left(self, events: list[Event]) -> bool:
        """Take what is here of what is left to come; tell whether that is all."""
        left = self._left
        here = len(self._buffer) - self._at
        if here >= left:
            events.append(self._take(left))
            return True
        if here:
            events.append(self._take(here))
            self._left = left - here
        return False

    def _take(self, size: int) -> Data:
        """Take a piece of body off the buffer; all of it at once is not copied."""
        buffer, at = self._buffer, self._at
        self._at = end = at + size
        return Data(buffer if size == len(buffer) else buffer[at:end])

    def _chunk_size(self, events: list[Event]) -> bool:
        buffer = self._buffer
        match = _CHUNK_LINE.match(buffer, self._at)
        if match is not None and match.end() - self._at <= self.limits.chunk_line:
            size, start = int(match[1], 16), match.end()
        else:
            extended = self._read_chunk_line()
            if extended is None:
                return False
            size, start = extended
        end = start + size
        if not size:
            self._at = start
            self._step = self._trailers
        elif buffer[end : end + 2] == b"\r\n":
            events.append(Data(buffer[start:end]))
            self._at = end + 2
        else:
            self._at = start
            self._left = size
            self._step = self._chunk
        return True

    def _read_chunk_line(self) -> tuple[int, int] | None:
        """Read a chunk's size line that has extensions or faults; None if it is not there whole (RFC 9112 §7.1)."""
        buffer, at, limit = self._buffer, self._at, self.limits.chunk_line
        end = buffer.find(b"\n", at)
        if (end if end >= 0 else len(buffer)) - at >= limit:
            raise PeerError(f"a chunk size line of more than {limit} bytes", "RFC 9112 §7.1.1")
        if end < 0:
            return None
        has_cr = end > at and buffer[end - 1] == 0x0D
        match = _EXTENDED_CHUNK_LINE.fullmatch(buffer, at, end - 1) if has_cr else None
        if match is None:
            raise PeerError(f"no chunk size in {shown(buffer[at:end])}", "RFC 9112 §7.1")
        size, blanks, extensions = match.groups()
        if blanks and not extensions:
            report = self._tolerance.pass_raw if self.is_reading_requests else self._tolerance.repair
            report("a blank after a chunk size", "RFC 9112 §7.1")
        return int(size, 16), end + 1

    def _chunk(self, events: list[Event]) -> bool:
        if not self._take_left(events):
            return False
        self._step = self._chunk_end
        return True

    def _chunk_end(self, events: list[Event]) -> bool:  # noqa: ARG002 - a step
        found = self._buffer[self._at : self._at + 2]
        if found == b"\r\n":
            self._at += 2
            self._step = self._chunk_size
            return True
        if found not in (b"", b"\r"):
            raise PeerError("a chunk is longer than its size says", "RFC 9112 §7.1")
        return False

    def _trailers(self, events: list[Event]) -> bool:
        buffer, at, limit = self._buffer, self._at, self.limits.trailer_bytes
        if buffer[at : at + 2] == b"\r\n":
            self._at = at + 2
            return self._finish(events)
        end = buffer.find(b"\r\n\r\n", at)
        size = len(buffer) - at if end < 0 else end + 4 - at
        if size > limit or (end < 0 and size == limit):
            raise PeerError(f"a trailer section of more than {limit} bytes", "RFC 6585 §5", status=431)
        if end < 0 and not _LONE_LF.search(buffer, at):
            return False
        section = read_section(buffer[at : end + 4]) if end >= 0 else None
        if section is None:
            raise PeerError("a malformed trailer section", "RFC 9112 §7.1.2")
        self._check_count(len(section.fields), "trailer")
        self._at = end + 4
        events.append(Trailers(section.fields.copy()))
        return self._finish(events)

    def _finish(self, events: list[Event]) -> bool:
        events.append(End(self._tolerance.take()) if self._tolerance.faults else END)
        self._step = self._resting
        return False

    # Where nothing is read

    def _rest(self, events: list[Event]) -> bool:  # noqa: ARG002 - a step
        """Keep what comes until somebody asks for the next message."""
        return False

    def _failed(self, events: list[Event]) -> bool:  # noqa: ARG002 - a step
        """Ignore what comes after a fault."""
        self._at = len(self._buffer)
        return False
