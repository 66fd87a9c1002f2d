"""The sending half that both engines share: heads, data within the peer's windows, ends.

What is sent is collected as a list of frame headers and payloads, and leaves as one. As long as a stream's latest frame
has not left, the end of the stream is a flag set in that frame's header; so a head with its body and its end, sent one after
the other, are two frames and not three.
"""

from collections import deque
from itertools import chain
from typing import Final

from midstream.errors import UsageError
from midstream.wire.events import Data, End, Event, Fields, RequestHead, Reset, ResponseHead, Trailers
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import FLOW_CONTROL_ERROR, INTERNAL_ERROR, NO_ERROR, FatalError, StreamError
from midstream.wire.h2.events import WRITABLE, Priority, PriorityUpdate, StreamEvent
from midstream.wire.h2.fields import ready
from midstream.wire.h2.frame import CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADER, HEADERS, LARGEST_WINDOW
from midstream.wire.h2.hpack import Encoder
from midstream.wire.h2.limits import Limits
from midstream.wire.h2.settings import DEFAULT_WINDOW, PeerSettings
from midstream.wire.h2.stream import ANSWERED, BODILESS, BODY, DONE, ENDING, Stream
from midstream.wire.h2.table import FIELD_OVERHEAD, Field
from midstream.wire.h2.window import ReceiveWindow

_REMEMBERED: Final = 512
"""Streams that we reset and whose late frames are no fault (H2-12)."""


class Writer:
    """Sends, and knows which streams there are."""

    def __init__(self, limits: Limits, connection_window: int) -> None:
        self.limits = limits
        self.peer = PeerSettings()
        """What the peer's SETTINGS say."""
        self._out: list[bytes | memoryview] = []
        self._batch = 0
        self._encoder = Encoder()
        self._streams: dict[int, Stream] = {}
        self._highest = 0
        """The highest id of a stream that ever was."""
        self._send_window = DEFAULT_WINDOW
        self._waiting: dict[int, Stream] = {}
        """Streams with data that only the connection's window holds back, in the order in which they are served."""
        self._window = ReceiveWindow(connection_window)
        self._unconsumed: dict[int, int] = {}
        """Bytes of complete streams that their consumers have not taken yet."""
        self._reset_by_us: dict[int, None] = {}

    def send(self, stream_id: int, event: Event | Priority | PriorityUpdate) -> None:
        """Queue an event for the peer; one for a stream that is over goes nowhere.

        Raises:
            UsageError: the event does not fit here, or cannot be written without becoming something else.

        """
        stream = self._streams.get(stream_id)
        if stream is None:
            if stream_id > self._highest:
                raise UsageError(f"Something was sent on stream {stream_id}, which was never opened.")
            return
        kind = type(event)
        if kind is Data:
            self._send_data(stream, event.data)  # type: ignore[union-attr] # narrowed by `kind`, for speed
        elif kind is End:
            self._send_end(stream)
        elif isinstance(event, ResponseHead | RequestHead):
            self._send_head(stream, event)
        elif isinstance(event, Trailers):
            stream.trailers = Trailers(list(ready(event.headers)), event.never_indexed)
            self._check_size(stream.trailers.headers)
        elif isinstance(event, Reset):
            self._reset(stream, event.code)
        elif isinstance(event, Priority):
            self._out.append(frames.frame(frames.PRIORITY, 0, stream_id, event.payload()))
        elif isinstance(event, PriorityUpdate):
            payload = stream_id.to_bytes(4, "big") + event.value
            self._out.append(frames.frame(frames.PRIORITY_UPDATE, 0, 0, payload))
        else:
            raise UsageError(f"{kind.__name__} cannot be sent.")

    @property
    def has_output(self) -> bool:
        """True if there is something to write."""
        return bool(self._out)

    def is_full(self, stream_id: int) -> bool:
        """Tell whether more waits on a stream for the peer's window than should; `Writable` says when that is over."""
        stream = self._streams.get(stream_id)
        return stream is not None and stream.is_full

    def parked(self, stream_id: int) -> int:
        """Return how many bytes wait on a stream for the peer's window."""
        stream = self._streams.get(stream_id)
        return 0 if stream is None else stream.parked_bytes

    # Heads and ends

    def _send_head(self, stream: Stream, head: RequestHead | ResponseHead) -> None:
        raise NotImplementedError

    def _write_fields(
        self, stream: Stream, fields: Fields, never_indexed: frozenset[Field], flags: int = 0, prefix: bytes = b""
    ) -> None:
        """Write a field section as one HEADERS frame, with CONTINUATIONs where it is too long (H2-16)."""
        block = prefix + self._encoder.encode(fields, never_indexed)
        out, size, largest = self._out, len(block), self.peer.frame_bytes
        stream.tail = len(out)
        stream.batch = self._batch
        if size <= largest:
            out.append(HEADER.pack(size >> 8, size & 0xFF, HEADERS, flags | END_HEADERS, stream.id))
            out.append(block)
            return
        kind = HEADERS
        for at in range(0, size, largest):
            piece = block[at : at + largest]
            is_last = at + largest >= size
            out.append(frames.header(kind, flags | END_HEADERS if is_last else flags, stream.id, len(piece)))
            out.append(piece)
            kind, flags = CONTINUATION, 0

    def _check_size(self, fields: Fields) -> None:
        """Refuse to send more than the peer said it takes (H2-17)."""
        most = self.peer.head_bytes
        if most is not None and sum(map(len, chain.from_iterable(fields))) + FIELD_OVERHEAD * len(fields) > most:
            raise UsageError(f"The fields are more than the peer takes, which is {most} bytes (RFC 9113 §6.5.2).")

    def _send_end(self, stream: Stream) -> None:
        if stream.writing != BODY:
            raise UsageError("The end of a message was sent outside of a message.")
        if stream.to_send > 0:
            raise UsageError(f"The body is {stream.to_send} bytes shorter than its head announced.")
        if stream.parked:
            stream.writing = ENDING
        else:
            self._write_end(stream)

    def _write_end(self, stream: Stream) -> None:
        trailers = stream.trailers
        if trailers is not None and trailers.headers:
            self._write_fields(stream, trailers.headers, trailers.never_indexed, END_STREAM)
        elif stream.batch == self._batch:
            header = self._out[stream.tail]
            self._out[stream.tail] = b"".join((header[:4], bytes((header[4] | END_STREAM,)), header[5:]))
        else:
            self._out.append(frames.header(DATA, END_STREAM, stream.id, 0))
        stream.writing = DONE
        if stream.reading == DONE:
            self._forget(stream)
        elif stream.reading == ANSWERED:
            self._reset(stream, NO_ERROR)  # the answer is out, and the rest of the request of no use

    def _reset(self, stream: Stream, code: int | None) -> None:
        """End a stream with RST_STREAM (H2-03)."""
        self._out.append(frames.rst_stream(stream.id, self.default_reset if code is None else code))
        self._remember_reset(stream.id)
        self._drop(stream)

    default_reset: int = INTERNAL_ERROR
    """The code of a reset that has none."""

    def _remember_reset(self, stream_id: int) -> None:
        known = self._reset_by_us
        if len(known) >= _REMEMBERED:
            del known[next(iter(known))]
        known[stream_id] = None

    def _forget(self, stream: Stream) -> None:
        """Free a stream that is complete; what its consumer has not taken yet still counts (H2-40)."""
        del self._streams[stream.id]
        if stream.window.held:
            self._unconsumed[stream.id] = stream.window.held

    def _drop(self, stream: Stream) -> None:
        """Free a stream that broke off, with all that waits in it."""
        self._streams.pop(stream.id, None)
        self._waiting.pop(stream.id, None)
        self._credit_connection(stream.window.held)

    # Data

    def _send_data(self, stream: Stream, data: bytes) -> None:
        if stream.writing != BODY:
            raise UsageError("A body was sent outside of a message.")
        size = len(data)
        if stream.to_send == BODILESS:
            return
        if stream.to_send >= 0:
            if size > stream.to_send:
                raise UsageError(f"The body is at least {size - stream.to_send} bytes longer than its head announced.")
            stream.to_send -= size
        if size > self._send_window or size > stream.send_window or stream.parked:
            self._park(stream, data)
            return
        self._send_window -= size
        stream.send_window -= size
        if size > self.peer.frame_bytes:
            self._write_frames(stream, memoryview(data))
            return
        out = self._out
        stream.tail = len(out)
        stream.batch = self._batch
        out.append(HEADER.pack(size >> 8, size & 0xFF, DATA, 0, stream.id))
        out.append(data)
        self._sent_data()

    def _write_frames(self, stream: Stream, data: memoryview) -> None:
        """Write data that the windows allow, in as few frames as the peer takes."""
        out, largest = self._out, self.peer.frame_bytes
        for at in range(0, len(data), largest):
            piece = data[at : at + largest]
            stream.tail = len(out)
            out.append(frames.header(DATA, 0, stream.id, len(piece)))
            out.append(piece)
            self._sent_data()
        stream.batch = self._batch

    def _sent_data(self) -> None:
        """Take note of a DATA frame."""

    def _park(self, stream: Stream, data: bytes) -> None:
        """Send as much as the windows allow, and keep the rest (H2-09)."""
        if not data:
            return
        stream.parked_bytes += len(data)
        if stream.parked:
            stream.parked.append(memoryview(data))
        else:
            stream.parked = deque((memoryview(data),))
            while self._send_parked(stream):
                pass
        if stream.parked_bytes > self.limits.parked_bytes:
            stream.is_full = True

    def _send_parked(self, stream: Stream) -> bool:
        """Send one frame of what is parked; tell whether more could follow."""
        parked = stream.parked
        assert parked
        room = min(self._send_window, stream.send_window, self.peer.frame_bytes)
        if room <= 0:
            if stream.send_window > 0:
                self._waiting[stream.id] = stream
            else:
                self._waiting.pop(stream.id, None)
            return False
        piece = parked.popleft()
        if len(piece) > room:
            parked.appendleft(piece[room:])
            piece = piece[:room]
        size = len(piece)
        stream.parked_bytes -= size
        self._send_window -= size
        stream.send_window -= size
        stream.tail = len(self._out)
        stream.batch = self._batch
        self._out.append(frames.header(DATA, 0, stream.id, size))
        self._out.append(piece)
        self._sent_data()
        if parked:
            return True
        self._waiting.pop(stream.id, None)
        if stream.writing == ENDING:
            self._write_end(stream)
        return False

    def _resume(self, stream: Stream, events: list[StreamEvent]) -> None:
        """Go on with a stream whose window opened."""
        if stream.parked:
            while self._send_parked(stream):
                pass
            self._tell_room(stream, events)

    def _resume_all(self, events: list[StreamEvent]) -> None:
        """Go on with all streams, a frame of each in turn, since the connection's window opened."""
        queue = deque(self._waiting.values())
        touched = list(queue)
        while queue and self._send_window > 0:
            stream = queue.popleft()
            if self._send_parked(stream):
                queue.append(stream)
                # Whoever was served goes to the end, for the next time.
                self._waiting[stream.id] = self._waiting.pop(stream.id)
        for stream in touched:
            self._tell_room(stream, events)

    def _tell_room(self, stream: Stream, events: list[StreamEvent]) -> None:
        if stream.is_full and stream.parked_bytes * 2 <= self.limits.parked_bytes:
            stream.is_full = False
            if stream.writing == BODY:
                events.append((stream.id, WRITABLE))

    def _open_send_window(self, stream_id: int, increment: int, events: list[StreamEvent]) -> None:
        """Obey a WINDOW_UPDATE (RFC 9113 §6.9)."""
        if not stream_id:
            if not increment:
                raise FatalError("WINDOW_UPDATE by nothing", "RFC 9113 §6.9")
            self._send_window += increment
            if self._send_window > LARGEST_WINDOW:
                raise FatalError("the connection's window grew too large", "RFC 9113 §6.9.1", FLOW_CONTROL_ERROR)
            self._resume_all(events)
            return
        stream = self._streams[stream_id]
        if not increment:
            raise StreamError("WINDOW_UPDATE by nothing", "RFC 9113 §6.9")
        stream.send_window += increment
        if stream.send_window > LARGEST_WINDOW:
            raise StreamError("the stream's window grew too large", "RFC 9113 §6.9.1", FLOW_CONTROL_ERROR)
        self._resume(stream, events)

    def _shift_send_windows(self, change: int, events: list[StreamEvent]) -> None:
        """Obey a new initial window: open streams get the difference, and may owe some (H2-08)."""
        for stream in list(self._streams.values()):
            stream.send_window += change
            if stream.send_window > LARGEST_WINDOW:
                raise FatalError("a stream's window grew too large", "RFC 9113 §6.9.2", FLOW_CONTROL_ERROR)
            if change > 0:
                self._resume(stream, events)

    # What was received and is done with

    @property
    def unconsumed(self) -> int:
        """Body bytes that came and that nobody has consumed."""
        return self._window.held

    def consumed(self, stream_id: int, count: int) -> None:
        """Let the peer send `count` more: its data has gone on (H2-10). More than there was is taken for all there was."""
        stream = self._streams.get(stream_id)
        if stream is None:
            held = self._unconsumed.pop(stream_id, 0)
            count = min(count, held)
            if held > count:
                self._unconsumed[stream_id] = held - count
        else:
            count = min(count, stream.window.held)
            grant = stream.window.release(count)
            if grant and stream.reading == BODY:
                self._out.append(frames.window_update(stream_id, grant))
        self._credit_connection(count)

    def abandon(self, stream_id: int, code: int | None = None) -> None:
        """Take no further interest in a stream: give its credit back, and reset it if it is not over."""
        stream = self._streams.get(stream_id)
        if stream is None:
            self._credit_connection(self._unconsumed.pop(stream_id, 0))
        elif stream.reading == DONE and stream.writing == ENDING:
            self.consumed(stream_id, stream.window.held)  # all is said, and the rest waits for the window
        else:
            self._reset(stream, code)

    def _credit_connection(self, count: int) -> None:
        if count:
            grant = self._window.release(count)
            if grant:
                self._out.append(frames.window_update(0, grant))
