"""The reading half that both engines share: frames in, events out.

Frames are handled when they are there whole; how the bytes were cut shows in nothing but the borders between pieces of a body,
which carry no meaning. `_step` is what the next frame means:

    _first_frame ─▶ _frame ─ HEADERS without END_HEADERS ─▶ _continuation ─ END_HEADERS ─▶ _frame
                    any fault of the connection ─▶ _failed

A fault ends one stream (`StreamError`, or any other `PeerError` of a message) or, where the state that both sides share is lost,
the connection (`FatalError`).
"""

from typing import Final, NamedTuple

from midstream.wire.errors import PeerError, Profile
from midstream.wire.events import END, Data, End, Reset
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.budget import Budget
from midstream.wire.h2.control import Controller, read_priority
from midstream.wire.h2.errors import (
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    PROTOCOL_ERROR,
    STREAM_CLOSED,
    CodedError,
    FatalError,
    StreamError,
    code_name,
)
from midstream.wire.h2.events import Priority, StreamEvent, Trace
from midstream.wire.h2.frame import ACK, END_HEADERS, END_STREAM, HAS_PRIORITY, HEADER_SIZE, ID_MASK, PADDED
from midstream.wire.h2.heads import read_trailers
from midstream.wire.h2.hpack import Block, Decoder
from midstream.wire.h2.limits import Limits
from midstream.wire.h2.settings import HEADER_TABLE_SIZE, MAX_FRAME_SIZE, SMALLEST_FRAME
from midstream.wire.h2.stream import ANSWERED, BODY, DONE, Stream
from midstream.wire.h2.table import DEFAULT_TABLE

_HEAD_FLAGS: Final = PADDED | HAS_PRIORITY


class _Partial(NamedTuple):
    """A field section of which more is to come."""

    kind: int
    flags: int
    stream_id: int
    priority: Priority | None
    pieces: list[bytes]


class Reader(Controller):
    """Reads what a peer sends."""

    def __init__(self, limits: Limits, profile: Profile, own: dict[int, int], connection_window: int) -> None:
        super().__init__(limits, profile, own, connection_window)
        self.trace: Trace | None = None
        """Set to be told of every frame, for a timeline of the connection."""
        self._decoder = Decoder(limits, own.get(HEADER_TABLE_SIZE, DEFAULT_TABLE))
        self._largest_frame = own.get(MAX_FRAME_SIZE, SMALLEST_FRAME)
        self._expected = b""
        """What has to come before the first frame."""
        self._begun = b""
        """What has come of a frame that is not here whole."""
        self._partial: _Partial | None = None
        self._empties = Budget("empty DATA frames", limits.empties_per_second)
        self._step = self._first_frame
        self.has_failed = False
        """True after a fault of the connection, or its end."""

    @property
    def is_between_frames(self) -> bool:
        """True if no frame, and no field section in several frames, has come in part."""
        return not self._begun and self._partial is None

    @property
    def open_streams(self) -> int:
        """How many streams are not over."""
        return len(self._streams)

    def receive(self, data: bytes, now: float = 0.0) -> list[StreamEvent]:
        """Take bytes from the peer and tell what they mean; `now` counts seconds, for the limits that are rates."""
        events: list[StreamEvent] = []
        if self.has_failed:
            return events
        self._now = now
        at, size = 0, len(data)
        begun = self._begun
        try:
            while begun and at < size:  # of all that came only what is missing goes to the frame that has begun
                missing = self._missing(begun)
                begun += data[at : at + missing]
                at += missing
                begun = begun[self._read(begun, 0, events) :]
            if at < size:
                at = self._read(data, at, events)
                begun = data[at:] if at < size else b""
        except FatalError as fault:
            self._fail(fault, events)
            return events
        self._begun = begun
        return events

    def eof(self) -> list[StreamEvent]:
        """Take note that the peer has closed the connection: streams that are not over break off."""
        if self.has_failed:
            return []
        self._step = self._failed
        self.has_failed = True
        said = f", having said {code_name(self.goaway.code)}" if self.goaway is not None and self.goaway.code else ""
        lost = [stream for stream in self._streams.values() if stream.reading != DONE or stream.writing != DONE]
        self._streams.clear()
        return [(stream.id, Reset(f"the {self.side} closed the connection{said}")) for stream in lost]

    def take_output(self) -> bytes:
        """Return what is to be written to the peer now."""
        wire = b"".join(self._out)
        self._out.clear()
        self._batch += 1
        if self.trace is not None:
            for each in frames.frames(wire.removeprefix(frames.PREFACE)):
                self.trace(True, *each)
        return wire

    def _missing(self, begun: bytes) -> int:
        """Return how much more has to come, at least, before what has begun means anything."""
        have = len(begun)
        if self._expected:
            return len(self._expected) - have
        if have < HEADER_SIZE:
            return HEADER_SIZE - have
        return HEADER_SIZE + int.from_bytes(begun[:3], "big") - have

    def _read(self, buffer: bytes, at: int, events: list[StreamEvent]) -> int:
        """Handle the frames that are here whole, and return where they end."""
        size = len(buffer)
        if self._expected:
            at = self._skip_preface(buffer)
        largest = self._largest_frame
        while size - at >= HEADER_SIZE and not self._expected:
            length = buffer[at] << 16 | buffer[at + 1] << 8 | buffer[at + 2]
            kind = buffer[at + 3]
            if length > largest:
                self._refuse_size(kind, length, buffer[at:])
            end = at + HEADER_SIZE + length
            if end > size:
                break
            flags = buffer[at + 4]
            stream_id = (buffer[at + 5] << 24 | buffer[at + 6] << 16 | buffer[at + 7] << 8 | buffer[at + 8]) & ID_MASK
            run = self._run_of_data(buffer, at, stream_id) if kind == frames.DATA and not flags and end < size else None
            if run is None:
                payload = buffer[at + HEADER_SIZE : end]
            else:
                payload, flags, end = run
            at = end
            if self.trace is not None:
                self.trace(False, kind, flags, stream_id, payload)
            try:
                self._step(kind, flags, stream_id, payload, events)
            except FatalError:
                raise
            except PeerError as fault:
                self._break_off(stream_id, fault, events)
        return at

    def _skip_preface(self, buffer: bytes) -> int:
        """Return where the preface ends; 0 if it is not there whole (RFC 9113 §3.4)."""
        expected = self._expected
        if not expected.startswith(buffer[: len(expected)]):
            raise FatalError("the connection does not begin with HTTP/2's preface", "RFC 9113 §3.4")
        if len(buffer) < len(expected):
            return 0
        self._expected = b""
        return len(expected)

    def _refuse_size(self, kind: int, length: int, start: bytes) -> None:  # noqa: ARG002 - subclasses look at it
        raise FatalError(f"a frame of {length} bytes", "RFC 9113 §4.2", FRAME_SIZE_ERROR)

    def _fail(self, fault: CodedError, events: list[StreamEvent]) -> None:
        self._step = self._failed
        self.has_failed = True
        self._begun = b""
        self._out.append(frames.goaway(self._last_taken, fault.code, str(fault).encode()))
        self._streams.clear()
        self._waiting.clear()
        events.append((0, fault))

    def _break_off(self, stream_id: int, fault: PeerError, events: list[StreamEvent]) -> None:
        """End one stream (H2-34)."""
        self._tolerance.take()
        stream = self._streams.get(stream_id)
        code = fault.code if isinstance(fault, CodedError) else PROTOCOL_ERROR
        self._out.append(frames.rst_stream(stream_id, code))
        self._remember_reset(stream_id)
        if stream is not None:
            self._drop(stream)
        self._spend_reset()
        events.append((stream_id, fault))

    # Steps

    def _failed(self, kind: int, flags: int, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        """Ignore what comes after a fault."""

    def _first_frame(self, kind: int, flags: int, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        if kind != frames.SETTINGS or flags & ACK:
            raise FatalError("the first frame is not SETTINGS", "RFC 9113 §3.4")
        self._step = self._frame
        self._settings(flags, stream_id, payload, events)

    def _frame(self, kind: int, flags: int, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        if kind == frames.DATA:
            self._data(flags, stream_id, payload, events)
        elif kind == frames.HEADERS:
            self._headers(flags, stream_id, payload, events)
        elif kind == frames.PUSH_PROMISE:
            self._push_promise(flags, stream_id, payload)
        else:
            self._control(kind, flags, stream_id, payload, events)

    def _continuation(self, kind: int, flags: int, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        partial = self._partial
        assert partial is not None
        if kind != frames.CONTINUATION or stream_id != partial.stream_id:
            raise FatalError("another frame within a field section", "RFC 9113 §6.10")
        pieces = partial.pieces
        pieces.append(payload)
        limits = self.limits
        if len(pieces) > limits.continuations + 1 or sum(map(len, pieces)) > limits.head_bytes:
            raise FatalError("a field section in too many pieces", "RFC 9113 §10.5.1", ENHANCE_YOUR_CALM)
        if flags & END_HEADERS:
            self._partial = None
            self._step = self._frame
            data = b"".join(pieces)
            if partial.kind == frames.HEADERS:
                self._field_block(partial.flags, stream_id, partial.priority, data, events)
            else:
                self._decoder.decode(data)

    # Data

    def _run_of_data(self, buffer: bytes, at: int, stream_id: int) -> tuple[bytes, int, int] | None:
        """Return the payload, flags and end of DATA frames that follow each other on a stream, as if they were one frame.

        All that comes after costs by the piece, and the borders mean nothing. None if there is no such run: frames that are padded, empty
        or more than there is room for are looked at one by one.
        """
        stream = self._streams.get(stream_id)
        if stream is None or stream.reading != BODY or self._partial is not None or self.trace is not None:
            return None
        room = min(self._window.left, stream.window.left)
        if stream.to_come >= 0:
            room = min(room, stream.to_come)
        whole, size = memoryview(buffer), len(buffer)
        id_bytes = buffer[at + 5 : at + HEADER_SIZE]
        pieces: list[memoryview] = []
        flags = 0
        while size - at >= HEADER_SIZE and not flags:
            if buffer[at + 3] != frames.DATA or buffer[at + 5 : at + HEADER_SIZE] != id_bytes:
                break
            length = buffer[at] << 16 | buffer[at + 1] << 8 | buffer[at + 2]
            flag = buffer[at + 4]
            end = at + HEADER_SIZE + length
            room -= length
            if room < 0 or end > size or length > self._largest_frame or flag > END_STREAM or not (length or flag):
                break
            pieces.append(whole[at + HEADER_SIZE : end])
            flags, at = flag, end
        return (b"".join(pieces), flags, at) if len(pieces) > 1 else None

    def _data(self, flags: int, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        size = len(payload)
        if not self._window.take(size):
            raise FatalError("more data than the connection's window allows", "RFC 9113 §6.9", FLOW_CONTROL_ERROR)
        stream = self._streams.get(stream_id)
        if stream is None or stream.reading != BODY:
            self._stray_data(stream_id, stream, size)
            return
        if not stream.window.take(size):
            raise StreamError("more data than the stream's window allows", "RFC 9113 §6.9", FLOW_CONTROL_ERROR)
        if flags & PADDED:
            payload = frames.unpad(payload)
            self.consumed(stream_id, size - len(payload))
            size = len(payload)
        if stream.to_come >= 0:
            if size > stream.to_come:
                self._tolerance.pass_raw("more data than Content-Length says", "RFC 9113 §8.1.1")
                stream.faults = self._tolerance.take()
                stream.to_come = -1
            else:
                stream.to_come -= size
        if flags & END_STREAM:
            if size or not stream.has_data:
                events.append((stream_id, Data(payload)))  # an empty frame that is all of the body is passed on (H2-14)
            self._end_reading(stream, events)
        elif size:
            stream.has_data = True
            events.append((stream_id, Data(payload)))
        else:
            self._empties.spend(self._now)

    def _stray_data(self, stream_id: int, stream: Stream | None, size: int) -> None:
        """Data for a stream that does not take any: never let it cost the others their window (H2-10)."""
        self._credit_connection(size)
        if stream is not None:
            if stream.reading == ANSWERED:
                return
            if stream.reading == DONE:
                raise StreamError("data after the end of the stream", "RFC 9113 §5.1", STREAM_CLOSED)
            raise StreamError("data before a head", "RFC 9113 §8.1")
        self._check_known(stream_id, "DATA")
        self._stray(stream_id)

    def _stray(self, stream_id: int) -> None:
        """DATA or HEADERS of a stream that is over; no fault for a while if we ended it (H2-12)."""
        if stream_id in self._reset_by_us:
            self._controls.spend(self._now)
            return
        if self._tolerance.profile is Profile.STRICT:
            raise FatalError(f"a frame of stream {stream_id}, which is over", "RFC 9113 §5.1", STREAM_CLOSED)
        self._out.append(frames.rst_stream(stream_id, STREAM_CLOSED))
        self._remember_reset(stream_id)
        self._spend_reset()

    def _end_reading(self, stream: Stream, events: list[StreamEvent]) -> None:
        if stream.to_come > 0:
            message = f"the body is {stream.to_come} bytes shorter than Content-Length says"
            self._tolerance.pass_raw(message, "RFC 9113 §8.1.1")
        faults = stream.faults + self._tolerance.take()
        events.append((stream.id, End(faults) if faults else END))
        stream.reading = DONE
        if stream.writing == DONE:
            self._forget(stream)

    # Field sections

    def _headers(self, flags: int, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        if not stream_id:
            raise FatalError("HEADERS on stream 0", "RFC 9113 §6.2")
        priority = None
        if flags & _HEAD_FLAGS:
            if flags & PADDED:
                payload = frames.unpad(payload)
            if flags & HAS_PRIORITY:
                if len(payload) < 5:
                    raise FatalError("HEADERS too short for its priority", "RFC 9113 §6.2", FRAME_SIZE_ERROR)
                priority = read_priority(payload)
                payload = payload[5:]
        if flags & END_HEADERS:
            self._field_block(flags, stream_id, priority, payload, events)
        else:
            self._partial = _Partial(frames.HEADERS, flags, stream_id, priority, [payload])
            self._step = self._continuation

    def _push_promise(self, flags: int, stream_id: int, payload: bytes) -> None:
        """Refuse a push, and keep HPACK in step (H2-22)."""
        if flags & PADDED:
            payload = frames.unpad(payload)
        if len(payload) < 4:
            raise FatalError("PUSH_PROMISE of a wrong size", "RFC 9113 §6.6", FRAME_SIZE_ERROR)
        self._refuse_push(frames.long(payload) & ID_MASK)
        if flags & END_HEADERS:
            self._decoder.decode(payload[4:])
        else:
            self._partial = _Partial(frames.PUSH_PROMISE, flags, stream_id, None, [payload[4:]])
            self._step = self._continuation

    def _refuse_push(self, promised_id: int) -> None:
        raise NotImplementedError

    def _field_block(
        self, flags: int, stream_id: int, priority: Priority | None, data: bytes, events: list[StreamEvent]
    ) -> None:
        """Handle a field section that is whole; whatever becomes of its stream, HPACK has to see it."""
        block = self._decoder.decode(data)
        is_end = bool(flags & END_STREAM)
        stream = self._streams.get(stream_id)
        if stream is None:
            self._first_section(stream_id, block, is_end, events)
        elif stream.reading == BODY:
            if not is_end:
                raise StreamError("a second head", "RFC 9113 §8.1")
            if not block.is_whole:
                raise StreamError("trailers beyond our limits", "RFC 9113 §10.5.1", ENHANCE_YOUR_CALM)
            trailers = read_trailers(block, self._tolerance)
            events.append((stream_id, trailers))
            self._end_reading(stream, events)
        elif stream.reading == DONE:
            raise StreamError("HEADERS after the end of the stream", "RFC 9113 §5.1", STREAM_CLOSED)
        elif stream.reading != ANSWERED:
            self._response_section(stream, block, is_end, events)
        if priority is not None:
            self._tell_priority(stream_id, priority, events)

    def _first_section(self, stream_id: int, block: Block, is_end: bool, events: list[StreamEvent]) -> None:
        raise NotImplementedError

    def _response_section(self, stream: Stream, block: Block, is_end: bool, events: list[StreamEvent]) -> None:
        raise NotImplementedError
