"""The writing half: events in, frames out (RFC 6455 §5, RFC 7692 §7.2.1).

A frame is written as it came. The length of one that is not compressed is known with its first piece, so its header goes at
once and the rest as it comes; that of a compressed one is known at its end, and until then it is gathered.
What may not stand inside of a frame waits for its end, what may not stand inside of a message for the end of that.
"""

from collections.abc import Callable
from typing import TypeAlias

from midstream.errors import UsageError
from midstream.wire.ws.deflate import Deflater
from midstream.wire.ws.events import BINARY, TEXT, Close, Piece, Ping, Pong
from midstream.wire.ws.frame import CLOSE, FIN, LARGEST_CONTROL, MASKED, PING, PONG, RSV1, header
from midstream.wire.ws.limits import DEFAULT_LIMITS, Limits
from midstream.wire.ws.mask import apply_mask, rotated
from midstream.wire.ws.message import Message

Sendable: TypeAlias = Piece | Message | Ping | Pong | Close
MakeKey: TypeAlias = Callable[[], bytes]


class Writer:
    """Writes frames, masked if there is somebody to make keys."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS, make_key: MakeKey | None = None) -> None:
        self.close_sent: Close | None = None
        """What we said last, once we have said it."""
        self._make_key = make_key
        self._most_held = limits.held_bytes
        self._make_deflater: Callable[[], Deflater] | None = None
        self._deflater: Deflater | None = None
        self._sending = 0
        """Of the message being sent in pieces; 0 between messages."""
        self._is_compressing = False
        self._first_out = 0
        """The first byte of the next frame of that message, without FIN."""
        self._to_send = 0
        """Bytes of the frame being sent that are to come; -1 while it is gathered; 0 between frames."""
        self._is_final_out = False
        self._key_out = b""
        self._held: list[bytes] = []
        self._held_size = 0
        self._waiting: list[Sendable] = []

    @property
    def is_between_messages(self) -> bool:
        """True if a message that is sent now is written at once."""
        return not self._sending

    def send(self, event: Sendable) -> bytes:
        """Turn an event into bytes for the peer; none if it has to wait for the end of the frame or message being sent.

        A second close frame is not sent (RFC 6455 §5.5.1).

        Raises:
            UsageError: the event does not fit here, or cannot be written.

        """
        if self.close_sent is not None:
            if isinstance(event, Close):
                return b""
            raise UsageError("Nothing can be sent on a WebSocket connection after its close frame.")
        if type(event) is Piece:
            return self._send_piece(event)
        if type(event) is Message:
            if not TEXT <= event.opcode <= BINARY:
                raise _no_opcode(event.opcode)
            if not self._sending:
                return self._send_message(event)
            self._waiting.append(event)
            return b""
        opcode, payload = _control(event)
        if self._to_send > 0:
            self._wait(event)
            return b""
        if opcode == CLOSE:
            self.close_sent = event  # type: ignore[assignment] # its opcode tells
        return self._written(FIN | opcode, payload)

    # Whole messages

    def _send_message(self, message: Message) -> bytes:
        opcode = message.opcode
        deflater = self._deflater_for(message.is_compressed)
        if not message.layout:
            data = message.data
            if deflater is None:
                return self._written(FIN | opcode, data)
            return self._written(FIN | RSV1 | opcode, deflater.deflate(data) + deflater.flush(is_last=True))
        *parts, last = message.fragments()
        first = opcode if deflater is None else RSV1 | opcode
        wire = []
        for part in parts:
            wire.append(self._written(first, _packed(deflater, part, is_last=False)))
            first = 0
        wire.append(self._written(FIN | first, _packed(deflater, last, is_last=True)))
        return b"".join(wire)

    def _deflater_for(self, is_compressed: bool) -> Deflater | None:
        if not is_compressed or self._make_deflater is None:
            return None
        if self._deflater is None:
            self._deflater = self._make_deflater()
        return self._deflater

    def _written(self, first: int, data: bytes) -> bytes:
        """Return a frame."""
        if self._make_key is None:
            start = header(first, len(data))
        else:
            key = self._make_key()
            start = header(first, len(data), MASKED) + key
            data = apply_mask(data, key)
        return start + data

    # Messages in pieces

    def _send_piece(self, piece: Piece) -> bytes:
        if piece.is_first:
            self._open(piece)
        elif not self._sending:
            raise UsageError("A piece of a message was sent, but not its first one.")
        wire = (
            self._pass(piece)
            if not self._is_compressing and self._to_send >= 0 and piece.left >= 0
            else self._gather(piece)
        )
        if piece.left:
            return wire
        if piece.is_final:
            self._sending = 0
        return wire if not self._waiting else wire + self._send_waiting()

    def _open(self, piece: Piece) -> None:
        if self._sending:
            raise UsageError("A message was begun inside of another.")
        if not TEXT <= piece.opcode <= BINARY:
            raise _no_opcode(piece.opcode)
        self._sending = piece.opcode
        self._is_compressing = self._deflater_for(piece.is_compressed) is not None
        self._first_out = piece.opcode | (RSV1 if self._is_compressing else 0)

    def _pass(self, piece: Piece) -> bytes:
        """Write a piece at once, with the header of its frame if it is the first one in it."""
        data, left = piece.data, self._to_send
        if not left:
            first = self._next_first(is_final=piece.is_final)
            if not piece.left:
                return self._written(first, data)
            start = header(first, len(data) + piece.left, 0 if self._make_key is None else MASKED)
            if self._make_key is not None:
                self._key_out = self._make_key()
                start += self._key_out
        elif len(data) + piece.left != left:
            raise UsageError(f"A frame was said to have {left} bytes more, and is sent {len(data) + piece.left}.")
        elif piece.is_final is not self._is_final_out:
            raise UsageError("A frame cannot become the last one of its message, or another, when its header is sent.")
        else:
            start = b""
        self._to_send = piece.left
        self._is_final_out = piece.is_final
        if self._make_key is not None:
            data, key = apply_mask(data, self._key_out), self._key_out
            self._key_out = rotated(key, len(data))
        return start + data

    def _gather(self, piece: Piece) -> bytes:
        """Hold back a piece until its frame is complete, or too large to be waited for."""
        if self._to_send > 0:
            raise UsageError("The length of a frame was known at first, and is not any more.")
        data = piece.data
        if self._is_compressing:
            data = self._deflater.deflate(data)  # type: ignore[union-attr] # compressing means that there is one
        if not piece.left:
            if self._is_compressing:
                data += self._deflater.flush(is_last=piece.is_final)  # type: ignore[union-attr] # as above
            return self._release(data, is_final=piece.is_final)
        self._to_send = -1
        if self._held_size + len(data) > self._most_held:
            wire = self._release(data, is_final=False)
            self._to_send = -1
            return wire
        self._held.append(data)
        self._held_size += len(data)
        return b""

    def _release(self, data: bytes, *, is_final: bool) -> bytes:
        if self._held:
            data = b"".join((*self._held, data))
            self._held, self._held_size = [], 0
        self._to_send = 0
        return self._written(self._next_first(is_final=is_final), data)

    def _next_first(self, *, is_final: bool) -> int:
        first = self._first_out
        self._first_out = 0
        return first | FIN if is_final else first

    # What waits

    def _wait(self, event: Sendable) -> None:
        """Have a control frame wait; of several pings, or pongs, the latest is enough (RFC 6455 §5.5.3)."""
        if type(event) is not Close and self._waiting and type(self._waiting[-1]) is type(event):
            self._waiting.pop()
        self._waiting.append(event)

    def _send_waiting(self) -> bytes:
        """Send what can be sent now: between messages everything, between frames control frames only."""
        waiting, self._waiting = self._waiting, []
        return b"".join([self.send(event) for event in waiting if self.close_sent is None])


def _packed(deflater: Deflater | None, data: bytes, *, is_last: bool) -> bytes:
    return data if deflater is None else deflater.deflate(data) + deflater.flush(is_last=is_last)


def _control(event: Sendable) -> tuple[int, bytes]:
    """Return opcode and payload of a control frame.

    Raises:
        UsageError: it cannot be written.

    """
    if isinstance(event, Close):
        if event.code is None:
            payload = b""
        elif 0 <= event.code <= 0xFFFF:
            payload = event.code.to_bytes(2, "big")
        else:
            raise UsageError(f"A close code is a number up to 65535, not {event.code}.")
        opcode = CLOSE
        payload += event.reason
        if event.reason and event.code is None:
            raise UsageError("A close reason needs a close code.")
    elif isinstance(event, (Ping, Pong)):
        opcode, payload = PING if isinstance(event, Ping) else PONG, event.payload
    else:
        raise UsageError(f"{type(event).__name__} cannot be sent.")
    if len(payload) > LARGEST_CONTROL:
        raise UsageError(f"A control frame holds at most {LARGEST_CONTROL} bytes, not {len(payload)}.")
    return opcode, payload


def _no_opcode(opcode: int) -> UsageError:
    return UsageError(f"A message has opcode 1 (text) or 2 (binary), not {opcode}.")
