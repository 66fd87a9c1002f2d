"""The two engines: bytes in, events out; events in, bytes out. No socket, no clock, no waiting.

An engine lives as long as its connection and handles all its streams. `receive` tells what came, each event with the id of its stream
(0 for the connection); `send` and what else sends only queue, and `take_output` hands out what is to be written. The
window that a peer used opens again when somebody says `consumed`; whoever is done with a stream before it is over says
`abandon`.
"""

from typing import Final

from midstream.errors import UsageError
from midstream.wire.errors import PeerError, Profile
from midstream.wire.events import END, Data, RequestHead, Reset, ResponseHead
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.budget import Budget
from midstream.wire.h2.errors import CANCEL, ENHANCE_YOUR_CALM, NO_ERROR, REFUSED_STREAM, FatalError, StreamError
from midstream.wire.h2.events import Priority, StreamEvent
from midstream.wire.h2.fingerprint import Fingerprint
from midstream.wire.h2.frame import HAS_PRIORITY, PREFACE
from midstream.wire.h2.heads import (
    DEFAULT_ORDER,
    read_request,
    read_response,
    request_fields,
    response_fields,
    settle_length,
)
from midstream.wire.h2.hpack import Block
from midstream.wire.h2.limits import DEFAULT_LIMITS, Limits
from midstream.wire.h2.read import Reader
from midstream.wire.h2.settings import (
    DEFAULT_WINDOW,
    ENABLE_CONNECT_PROTOCOL,
    ENABLE_PUSH,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    SMALLEST_FRAME,
)
from midstream.wire.h2.stream import ANSWERED, BODILESS, BODY, DONE, HEAD, Stream
from midstream.wire.h2.table import DEFAULT_TABLE

_LARGEST_ID: Final = 0x7FFF_FFFF


class ClientFacing(Reader):
    """Reads requests from a client and writes responses to it.

    A stream whose request is malformed is reset, and its event is the `PeerError`; one that is merely larger than we take is a
    `PeerError` of status 431 and waits to be answered.
    """

    side = "client"

    def __init__(
        self, limits: Limits = DEFAULT_LIMITS, profile: Profile = Profile.LENIENT, *, has_extended_connect: bool = False
    ) -> None:
        own = _own_settings(limits)
        own[MAX_CONCURRENT_STREAMS] = limits.concurrent_streams
        if has_extended_connect:
            own[ENABLE_CONNECT_PROTOCOL] = 1
        window = max(limits.connection_window, DEFAULT_WINDOW)
        super().__init__(limits, profile, own, window)
        self.fingerprint = Fingerprint([], 0, [], b"")
        """How the client introduced itself; complete when its first request has come."""
        self._has_extended = has_extended_connect
        self._taken_until = _LARGEST_ID
        self._resets = Budget("streams that broke off", limits.resets_per_second)
        self._expected = PREFACE
        self._out.append(frames.settings(own.items()))
        if window > DEFAULT_WINDOW:
            self._out.append(frames.window_update(0, window - DEFAULT_WINDOW))

    def send_whole(self, stream_id: int, head: ResponseHead, body: bytes) -> None:
        """Queue a response that is complete and has no trailers.

        Raises:
            UsageError: as `send`.

        """
        stream = self._streams.get(stream_id)
        if stream is None:
            self.send(stream_id, head)  # which knows what to make of that
            return
        self._send_head(stream, head)
        if body or head.body_size is None:
            self._send_data(stream, body)
        self._send_end(stream)

    def go_away(self, code: int = NO_ERROR, debug: bytes = b"", *, last: int | None = None) -> None:
        """Tell the client that no stream of its beyond `last` will be looked at; by default, beyond those that are there."""
        self._taken_until = self._highest if last is None else last
        super().go_away(code, debug, last=last)

    def abandon(self, stream_id: int, code: int | None = None) -> None:
        """Take no further interest in a stream; if its response is complete, what is left of its request is not wanted (H2-33)."""
        stream = self._streams.get(stream_id)
        if code is None and stream is not None and stream.writing == DONE:
            code = NO_ERROR
        super().abandon(stream_id, code)

    def _spend_reset(self) -> None:
        self._resets.spend(self._now)

    @property
    def _last_taken(self) -> int:
        return min(self._highest, self._taken_until)

    def _first_frame(self, kind: int, flags: int, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        super()._first_frame(kind, flags, stream_id, payload, events)
        self.fingerprint.settings = frames.pairs(payload)
        self._step = self._introduction

    def _introduction(self, kind: int, flags: int, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        """Take notes until the first request."""
        count = len(events)
        if kind == frames.HEADERS:
            self._step = self._frame
        self._frame(kind, flags, stream_id, payload, events)
        if kind == frames.WINDOW_UPDATE and not stream_id and not self.fingerprint.increment:
            self.fingerprint.increment = frames.long(payload)
        elif kind == frames.PRIORITY:
            self.fingerprint.priorities += [(at, each) for at, each in events[count:] if isinstance(each, Priority)]

    def _first_section(self, stream_id: int, block: Block, is_end: bool, events: list[StreamEvent]) -> None:
        if not stream_id & 1:
            raise FatalError(f"a request on stream {stream_id}", "RFC 9113 §5.1.1")
        if stream_id <= self._highest:
            self._stray(stream_id)
            return
        self._highest = stream_id
        if stream_id > self._taken_until:
            self._remember_reset(stream_id)
            return
        if len(self._streams) >= self.limits.concurrent_streams:
            self._out.append(frames.rst_stream(stream_id, REFUSED_STREAM))
            self._remember_reset(stream_id)
            self._spend_reset()
            return
        if not block.is_whole:
            stream = self._new_stream(stream_id, b"")
            stream.reading = DONE if is_end else ANSWERED
            events.append((stream_id, PeerError("a head beyond our limits", "RFC 6585 §5", status=431)))
            return
        head, length = read_request(block, self._tolerance, is_end=is_end, has_extended=self._has_extended)
        if not self.fingerprint.pseudo_order:
            self.fingerprint.pseudo_order = head.pseudo_order
        stream = self._new_stream(stream_id, head.method)
        events.append((stream_id, head))
        if is_end:
            stream.reading = DONE
            events.append((stream_id, END))
        else:
            stream.reading = BODY
            stream.to_come = length

    def _new_stream(self, stream_id: int, method: bytes) -> Stream:
        stream = self._streams[stream_id] = Stream(stream_id, method, self.peer.window, self._new_window())
        return stream

    def _refuse_push(self, promised_id: int) -> None:
        raise FatalError(f"a client promised stream {promised_id}", "RFC 9113 §8.4")

    def _send_head(self, stream: Stream, head: RequestHead | ResponseHead) -> None:
        if not isinstance(head, ResponseHead):
            raise UsageError("A client is sent responses, not requests.")
        if stream.writing != HEAD:
            raise UsageError("A second response was sent to one request.")
        fields = response_fields(head)
        if not head.is_interim and stream.method != b"CONNECT":
            if stream.method == b"HEAD" or head.status in (204, 304):
                stream.to_send = BODILESS
            fields = settle_length(stream, fields, head.body_size)
        self._check_size(fields)
        if not head.is_interim:
            stream.writing = BODY
        self._write_fields(stream, fields, head.never_indexed)


class ServerFacing(Reader):
    """Writes requests to a server and reads its responses."""

    side = "server"
    default_reset = CANCEL

    def __init__(
        self, limits: Limits = DEFAULT_LIMITS, profile: Profile = Profile.LENIENT, *, like: Fingerprint | None = None
    ) -> None:
        own = _own_settings(limits)
        window = max(limits.connection_window, DEFAULT_WINDOW)
        introduction = [(ENABLE_PUSH, 0), *own.items()]
        if like is not None:
            introduction = like.settings
            own = dict(introduction)
            window = DEFAULT_WINDOW + like.increment
        super().__init__(limits, profile, own, window)
        self._order = (like.pseudo_order if like is not None else b"") or DEFAULT_ORDER
        self._next_id = 1
        self._promised = 0
        """The highest stream that the server promised."""
        self._out += [PREFACE, frames.settings(introduction)]
        if window > DEFAULT_WINDOW:
            self._out.append(frames.window_update(0, window - DEFAULT_WINDOW))
        for stream_id, priority in like.priorities if like is not None else ():
            self._out.append(frames.frame(frames.PRIORITY, 0, stream_id, priority.payload()))
            self._next_id = max(self._next_id, stream_id + 1 | 1)

    @property
    def is_closing(self) -> bool:
        """True if no stream can be opened any more, be there room or not."""
        return self.has_failed or self.goaway is not None or self._next_id > _LARGEST_ID

    @property
    def free_slots(self) -> int:
        """How many streams can be opened now (H2-07)."""
        room = self.peer.streams - len(self._streams)
        return room if room > 0 and not self.is_closing else 0

    def open(self, head: RequestHead, priority: Priority | None = None) -> int:
        """Queue a request head on a new stream, and return the stream's id.

        Raises:
            UsageError: no stream can be opened now, or the head cannot be sent.

        """
        if not self.free_slots:
            raise UsageError("The server takes no further stream now.")
        if head.protocol and not self.peer.has_extended_connect:
            raise UsageError("The server does not take extended CONNECT (RFC 8441 §3).")
        stream = Stream(self._next_id, head.method, self.peer.window, self._new_window())
        fields = request_fields(head, self._order)
        if head.method != b"CONNECT":
            fields = settle_length(stream, fields, head.body_size)
        self._check_size(fields)
        self._streams[stream.id] = stream
        self._highest = stream.id
        self._next_id = stream.id + 2
        stream.writing = BODY
        if priority is None:
            self._write_fields(stream, fields, head.never_indexed)
        else:
            self._write_fields(stream, fields, head.never_indexed, HAS_PRIORITY, priority.payload())
        return stream.id

    def open_whole(self, head: RequestHead, body: bytes) -> int:
        """Queue a request that is complete and has no trailers on a new stream, and return the stream's id.

        Raises:
            UsageError: as `open` and `send`.

        """
        stream_id = self.open(head)
        if body or head.body_size is None:
            self.send(stream_id, Data(body))
        self.send(stream_id, END)
        return stream_id

    def _send_head(self, stream: Stream, head: RequestHead | ResponseHead) -> None:  # noqa: ARG002 - a request needs a new stream
        raise UsageError("A request begins with `open`.")

    def _refuse_size(self, kind: int, length: int, start: bytes) -> None:
        if self._step == self._first_frame and start.startswith(b"HTTP/"):
            raise FatalError("the server answers in HTTP/1", "RFC 9113 §3.4")
        super()._refuse_size(kind, length, start)

    def _check_known(self, stream_id: int, name: str) -> None:
        if stream_id & 1 or not 0 < stream_id <= self._promised:
            super()._check_known(stream_id, name)

    def _first_section(self, stream_id: int, block: Block, is_end: bool, events: list[StreamEvent]) -> None:  # noqa: ARG002 - as declared
        self._check_known(stream_id, "HEADERS")
        self._stray(stream_id)

    def _response_section(self, stream: Stream, block: Block, is_end: bool, events: list[StreamEvent]) -> None:
        if not block.is_whole:
            raise StreamError("a head beyond our limits", "RFC 9113 §10.5.1", ENHANCE_YOUR_CALM)
        head, length = read_response(block, self._tolerance, is_end=is_end, method=stream.method)
        events.append((stream.id, head))
        if head.status < 200:
            stream.interims += 1
            if stream.interims > self.limits.interim_heads:
                raise StreamError(f"more than {self.limits.interim_heads} interim responses", "RFC 9110 §15.2")
        elif is_end:
            stream.reading = BODY
            self._end_reading(stream, events)
        else:
            stream.reading = BODY
            stream.to_come = length

    def _refuse_push(self, promised_id: int) -> None:
        self._promised = max(self._promised, promised_id)
        self._out.append(frames.rst_stream(promised_id, REFUSED_STREAM))
        self._remember_reset(promised_id)
        self._controls.spend(self._now)

    def _refuse_above(self, last: int, events: list[StreamEvent]) -> None:
        """Streams that the server has not looked at can safely be tried elsewhere (H2-05, H2-06)."""
        for stream in [each for each in self._streams.values() if each.id > last]:
            self._drop(stream)
            events.append((stream.id, Reset("the server went away before it looked at the request", REFUSED_STREAM)))


def _own_settings(limits: Limits) -> dict[int, int]:
    """Return what the peer is to know of our limits, where they are not the defaults of HTTP/2."""
    own = {INITIAL_WINDOW_SIZE: limits.stream_window, MAX_HEADER_LIST_SIZE: limits.head_bytes}
    if limits.table_bytes != DEFAULT_TABLE:
        own[HEADER_TABLE_SIZE] = limits.table_bytes
    if limits.frame_bytes != SMALLEST_FRAME:
        own[MAX_FRAME_SIZE] = limits.frame_bytes
    return own
