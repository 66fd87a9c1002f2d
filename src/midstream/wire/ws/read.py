"""The reading half: bytes in, events out (RFC 6455 §5).

Every state is a method, as in HTTP/1's reader. Nothing waits for a whole frame but control frames, which are small: of any
other, what has come is told at once, so that what is buffered is never more than a header.

    _frame ─▶ _payload ─▶ _frame         within a message and between messages
       │ Close                           any fault
       ▼                                   ▼
    _deaf ◀────────────────────────────────┘
"""

from typing import Final, NoReturn

from midstream.wire.errors import Fault, PeerError, Profile
from midstream.wire.tolerance import Tolerance
from midstream.wire.ws.deflate import Inflater
from midstream.wire.ws.errors import INVALID_DATA, TOO_BIG, WebSocketError, is_sendable
from midstream.wire.ws.events import BINARY, TEXT, Close, Event, Lost, Piece, Ping, Pong
from midstream.wire.ws.frame import (
    CLOSE,
    CONTINUATION,
    FIN,
    LARGEST,
    LARGEST_CONTROL,
    MASKED,
    OPCODE,
    OPCODES,
    PING,
    PLAIN,
    RESERVED,
    RSV1,
    WHOLE,
)
from midstream.wire.ws.limits import DEFAULT_LIMITS, Limits
from midstream.wire.ws.mask import apply_mask, rotated
from midstream.wire.ws.text import TextCheck, is_utf8

_DIRECT: Final = 2048
"""A payload up to this size is cut out of the buffer before it is unmasked; a view is worth its making only for larger ones."""


class Reader:
    """Reads frames; a subclass knows whether they ought to be masked."""

    side = "peer"
    is_peer_masking = False

    def __init__(self, limits: Limits = DEFAULT_LIMITS, profile: Profile = Profile.LENIENT) -> None:
        self.limits = limits
        self.message_limit = limits.message_bytes
        """A larger message ends the connection (1009); 0 for no bound. May be changed at any time."""
        self.close_received: Close | None = None
        """What the peer said last, once it has said it."""
        self._tolerance = Tolerance(profile)
        self._is_strict = profile is Profile.STRICT
        self._noted: set[str] = set()
        self._inflater: Inflater | None = None
        self._firsts = PLAIN
        self._text = TextCheck()
        self._buffer = b""
        self._at = 0
        self._step = self._frame
        self._opcode = 0
        """Of the message being read; 0 between messages."""
        self._size = 0
        """How much of that message has come, decompressed."""
        self._is_first = self._is_final = self._is_compressed = False
        self._left = 0
        """Bytes of the frame that have not come yet."""
        self._key = b""
        """The masking key, turned to what comes next; empty without one."""

    @property
    def has_failed(self) -> bool:
        """True if the peer broke the protocol, or went without a close frame."""
        return self._step == self._deaf and self.close_received is None

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes from the peer and tell what they mean; never raises."""
        if self._at == len(self._buffer):
            self._buffer = data
        else:
            self._buffer = self._buffer[self._at :] + data
        self._at = 0
        events: list[Event] = []
        try:
            while self._step(events):
                pass
        except PeerError as error:
            self._tolerance.take()
            self._become_deaf()
            coded = isinstance(error, WebSocketError)
            events.append(error if coded else WebSocketError(error.message, error.reference))  # type: ignore[arg-type] # is one
        if self._at == len(self._buffer):
            self._buffer, self._at = b"", 0
        return events

    def eof(self) -> list[Event]:
        """Take note that the peer has closed its sending side."""
        if self._step == self._deaf:
            return []
        inside = self._opcode or self._at < len(self._buffer)
        self._become_deaf()
        where = "within a message" if inside else "without a close frame"
        return [Lost(f"the {self.side} closed the connection {where}")]

    def _become_deaf(self) -> None:
        self._step = self._deaf
        self._deaf([])

    def _deaf(self, events: list[Event]) -> bool:  # noqa: ARG002 - a step
        """Ignore what comes after a close frame or a fault (RFC 6455 §5.5.1)."""
        self._at = len(self._buffer)
        return False

    # Frames

    def _frame(self, events: list[Event]) -> bool:
        buffer, at = self._buffer, self._at
        size = len(buffer) - at
        if size < 2:
            return False
        first, second = buffer[at], buffer[at + 1]
        length = second & 0x7F
        if first not in self._firsts or (length > LARGEST_CONTROL and first & OPCODE > BINARY):
            self._refuse(first)
        start = at + 2
        if length > LARGEST_CONTROL:
            start = at + (4 if length == 126 else 10)
            if len(buffer) < start:
                return False
            length = self._long_length(length, int.from_bytes(buffer[at + 2 : start], "big"))
        if second & MASKED:
            start += 4
            if len(buffer) < start:
                return False
            self._key = buffer[start - 4 : start]
        else:
            self._key = b""
        if (not self._key) is self.is_peer_masking:
            self._note_masking()
        opcode = first & OPCODE
        if opcode > BINARY:
            return self._control(opcode, start, length, events)
        if first in WHOLE and start + length <= len(buffer) and not (self._opcode or 0 < self.message_limit < length):
            return self._whole(opcode, start, start + length, events)
        self._begin(first, opcode, length)
        self._at = start
        self._left = length
        return self._payload(events)

    def _refuse(self, first: int) -> NoReturn:
        """Say what is wrong with the first byte of a frame (RFC 6455 §5.2, §5.5)."""
        opcode = first & OPCODE
        if opcode not in OPCODES:
            raise WebSocketError(f"the reserved opcode {opcode}", "RFC 6455 §5.2")
        if first & RESERVED:
            raise WebSocketError("reserved bits that no extension gives a meaning", "RFC 6455 §5.2")
        if not first & FIN:
            raise WebSocketError("a control frame in fragments", "RFC 6455 §5.5")
        raise WebSocketError(f"a control frame of more than {LARGEST_CONTROL} bytes", "RFC 6455 §5.5")

    def _long_length(self, form: int, length: int) -> int:
        if length > LARGEST:
            raise WebSocketError("a frame of 2^63 bytes or more", "RFC 6455 §5.2")
        if length < 126 or (form == 127 and length < 65536):
            self._note("a length in more bytes than it needs", "RFC 6455 §5.2")
        return length

    def _note_masking(self) -> None:
        """What is wrong with every frame is told once (WS-08)."""
        if self.is_peer_masking:
            self._note("frames that are not masked", "RFC 6455 §5.1")
        else:
            self._note("frames that are masked", "RFC 6455 §5.1")

    def _note(self, message: str, reference: str) -> None:
        if message not in self._noted:
            self._tolerance.repair(f"{message}, from the {self.side}", reference)
            self._noted.add(message)

    def _begin(self, first: int, opcode: int, length: int) -> None:
        """Take note of the header of a data frame (RFC 6455 §5.4)."""
        if opcode == CONTINUATION:
            if not self._opcode:
                raise WebSocketError("a continuation of no message", "RFC 6455 §5.4")
        elif self._opcode:
            raise WebSocketError("a message within another", "RFC 6455 §5.4")
        else:
            self._opcode = opcode
            self._size = 0
            self._is_first = True
            self._is_compressed = bool(first & RSV1)
        self._is_final = bool(first & FIN)
        if not self._is_compressed:
            self._check_size(length)

    def _check_size(self, to_come: int) -> None:
        if 0 < self.message_limit < self._size + to_come:
            raise WebSocketError(f"a message of more than {self.message_limit} bytes", "RFC 6455 §10.4", TOO_BIG)

    def _payload(self, events: list[Event]) -> bool:
        buffer, at, left = self._buffer, self._at, self._left
        size = len(buffer) - at
        if size < left:
            if not size:
                self._step = self._payload
                return False
            end = len(buffer)
        else:
            size = left
            end = at + left
        key = self._key
        if not key:
            data = buffer[at:end]
        elif size <= _DIRECT:
            data = apply_mask(buffer[at:end], key)
        else:
            data = apply_mask(memoryview(buffer)[at:end], key)
        self._at = end
        left -= size
        if left:
            self._left = left
            self._key = rotated(key, size)
            self._step = self._payload
        else:
            self._step = self._frame
        self._tell(data, left, events)
        return end < len(buffer)

    def _whole(self, opcode: int, start: int, end: int, events: list[Event]) -> bool:
        """Read a message that came in one frame and one read, not compressed: what `_begin` and `_payload` do, in two thirds of the time."""
        buffer = self._buffer
        if not self._key:
            data = buffer[start:end]
        elif end - start <= _DIRECT:
            data = apply_mask(buffer[start:end], self._key)
        else:
            data = apply_mask(memoryview(buffer)[start:end], self._key)
        self._at = end
        if opcode == TEXT and not data.isascii() and self._text.finds_fault(data, is_last=True):
            self._note_text("a text message that is not UTF-8", "RFC 6455 §8.1")
        faults = self._tolerance.take() if self._tolerance.faults else ()
        events.append(Piece(opcode, data, True, True, 0, False, faults))
        return end < len(buffer)

    def _tell(self, data: bytes, left: int, events: list[Event]) -> None:
        opcode, is_compressed = self._opcode, self._is_compressed
        is_last = self._is_final and not left
        if is_compressed:
            data = self._inflate(data, is_last=is_last)
            if left:
                left = -1
                if not data:
                    return
        self._size += len(data)
        self._check_size(left)  # the limit may be another one than when the frame began
        if opcode == TEXT and self._text.finds_fault(data, is_last=is_last):
            self._note_text("a text message that is not UTF-8", "RFC 6455 §8.1")
        faults = self._tolerance.take() if self._tolerance.faults else ()
        events.append(Piece(opcode, data, self._is_first, self._is_final, left, is_compressed, faults))
        self._is_first = False
        if is_last:
            self._opcode = 0

    def _inflate(self, data: bytes, *, is_last: bool) -> bytes:
        inflater = self._inflater
        if inflater is None:
            inflater = self._inflater = Inflater(self.limits)
        return inflater.inflate(data, self.message_limit, is_last=is_last)

    def _note_text(self, message: str, reference: str) -> None:
        """Text that is not UTF-8 is nobody's to mend: it ends the connection or goes on as it is (WS-07)."""
        if self._is_strict:
            raise WebSocketError(message, reference, INVALID_DATA)
        self._tolerance.repair(message, reference)

    # Control frames

    def _control(self, opcode: int, start: int, length: int, events: list[Event]) -> bool:
        end = start + length
        buffer = self._buffer
        if len(buffer) < end:
            return False
        payload = buffer[start:end]
        if self._key:
            payload = apply_mask(payload, self._key)
        self._at = end
        if opcode == CLOSE:
            self._close(payload, events)
            return False
        faults = self._tolerance.take() if self._tolerance.faults else ()
        events.append(Ping(payload, faults) if opcode == PING else Pong(payload, faults))
        return end < len(buffer)

    def _close(self, payload: bytes, events: list[Event]) -> None:
        """Read a close frame, which is the last one (RFC 6455 §5.5.1)."""
        if len(payload) == 1:
            raise WebSocketError("half a close code", "RFC 6455 §5.5.1")
        code = int.from_bytes(payload[:2], "big") if payload else None
        if code is not None and not is_sendable(code):
            self._tolerance.repair(f"close code {code}", "RFC 6455 §7.4")
        if not is_utf8(payload[2:]):
            self._note_text("a close reason that is not UTF-8", "RFC 6455 §5.5.1")
        faults: tuple[Fault, ...] = self._tolerance.take()
        self.close_received = Close(code, payload[2:], faults)
        events.append(self.close_received)
        self._become_deaf()
