"""The two engines: bytes in, events out; events in, bytes out. No socket, no clock, no waiting.

An engine lives as long as its connection and handles one exchange at a time. It stops reading after a message's End, and
goes on when `next_message` says that the exchange is over; what a pipelining client sent meanwhile has been kept.
"""

from midstream.errors import UsageError
from midstream.wire.errors import PeerError, Profile
from midstream.wire.events import END, Data, End, Event, RequestHead, Reset, ResponseHead, Trailers
from midstream.wire.h1.framing import CHUNKED, UNTIL_CLOSE
from midstream.wire.h1.head import is_tunnel, read_request, read_response
from midstream.wire.h1.limits import Limits
from midstream.wire.h1.line import CLOSE, CODING, DOUBTFUL_FRAMING, KEEP_ALIVE
from midstream.wire.h1.read import DEFAULT_LIMITS, Reader
from midstream.wire.h1.section import Section
from midstream.wire.h1.write import write_interim, write_request, write_response, write_trailers

_HEADS = (RequestHead, ResponseHead)  # not a union, which would be made anew for each event
_INTERIM_HEADS = 64
"""More interim responses than this to one request are no progress."""


class _Engine(Reader):
    """What both sides do alike: sending bodies, and the ends of exchanges."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS, profile: Profile = Profile.LENIENT) -> None:
        super().__init__(limits, profile)
        self.close_after = False
        """Say `Connection: close` in the next head written, and do not use the connection again."""
        self._keeps = True
        """Nothing said so far keeps the connection from being used again."""
        self._framing: int | None = None
        """How the body being sent is framed, a size being what is left of it; None while none is being sent."""
        self._is_sent = False
        self._method = b""
        """Of the request of this exchange, once it is known."""
        self._trailer_out: Trailers | None = None

    def send(self, event: Event) -> bytes:
        """Turn an event into bytes for the peer.

        Raises:
            UsageError: the event does not fit here, or cannot be written without becoming something else.

        """
        kind = type(event)
        if kind is Data:
            return self._send_data(event.data)  # type: ignore[union-attr] # narrowed by `kind`, for speed
        if kind is End:
            return self._send_end()
        if isinstance(event, _HEADS):
            return self._send_head(event)
        if isinstance(event, Trailers):
            self._trailer_out = event
            return b""
        if isinstance(event, Reset):
            self._keeps = False
            return b""
        raise UsageError(f"{kind.__name__} cannot be sent.")

    def send_whole(self, head: RequestHead | ResponseHead, body: bytes) -> bytes:
        """Turn a message into bytes that is complete and has no trailers: `send` of its head, its body and its end, in one.

        Raises:
            UsageError: as `send`; nothing counts as sent then.

        """
        wire = self._send_head(head)
        if self._framing == len(body):
            self._framing = None
            self._is_sent = True
            return wire + body
        return b"".join((wire, self._send_data(body), self._send_end()))

    def next_message(self) -> list[Event]:
        """Start on the next exchange of this connection; return what has come of it already."""
        if self._step is not self._resting:
            return []
        self._is_sent = False
        self._framing = None
        self._method = b""
        self._start_over()
        events = self.receive(b"") if self._buffer else []
        if self._peer_is_done:
            self._end_of_input(events)
        return events

    def _send_head(self, head: RequestHead | ResponseHead) -> bytes:
        raise NotImplementedError

    def _send_data(self, data: bytes) -> bytes:
        framing = self._framing
        if framing is None:
            raise UsageError("A body was sent outside of a message.")
        if framing >= 0:
            if len(data) > framing:
                raise UsageError(f"The body is at least {len(data) - framing} bytes longer than its head announced.")
            self._framing = framing - len(data)
            return data
        if framing == CHUNKED:
            return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        return data if framing == UNTIL_CLOSE else b""

    def _send_end(self) -> bytes:
        framing, trailers = self._framing, self._trailer_out
        if framing is None:
            raise UsageError("The end of a message was sent outside of a message.")
        if framing > 0:
            self._keeps = False
            raise UsageError(f"The body is {framing} bytes shorter than its head announced.")
        self._framing = None
        self._trailer_out = None
        self._is_sent = True
        if framing != CHUNKED:
            return b""
        return b"0\r\n\r\n" if trailers is None else write_trailers(trailers.headers)


class ClientFacing(_Engine):
    """Reads requests from a client and writes responses to it."""

    side = "client"
    is_reading_requests = True

    def __init__(self, limits: Limits = DEFAULT_LIMITS, profile: Profile = Profile.LENIENT) -> None:
        super().__init__(limits, profile)
        self._is_modern = True

    @property
    def is_reusable(self) -> bool:
        """True if this exchange is over, or none has begun, and another may follow."""
        if not self._keeps or self.close_after or (self._peer_is_done and not self._buffer):
            return False
        if self._is_sent and self._step is self._resting:
            return True
        return self._step == self._head and not self._buffer and self._framing is None

    def release(self) -> bytes:
        """Hand out the bytes not parsed and retire; what follows is not HTTP."""
        rest = super().release()
        # Some clients end a CONNECT head with one line too many (H1-23).
        return rest.removeprefix(b"\r\n") if self._method == b"CONNECT" else rest

    def _begin(self, line: bytes, block: bytes, section: Section, events: list[Event]) -> bool:
        head = read_request(line, block, section, self._tolerance)
        self._method = head.method
        kinds = section.kinds
        self._is_modern = is_modern = head.version != b"HTTP/1.0"
        if kinds & CLOSE or not (is_modern or kinds & KEEP_ALIVE):
            self._keeps = False
        elif kinds & CODING and (kinds & DOUBTFUL_FRAMING or not is_modern):
            # Whoever stands before us may see another end of this message (RFC 9112 §6.1).
            self._keeps = False
        events.append(head)
        size = head.body_size
        if size == 0:
            events.append(END)
            self._step = self._resting
            return False
        if size is None:
            self._step = self._chunk_size
        else:
            self._left = size
            self._step = self._sized
        return True

    def _send_head(self, head: RequestHead | ResponseHead) -> bytes:
        if not isinstance(head, ResponseHead):
            raise UsageError("A client is sent responses, not requests.")
        if self._framing is not None or self._is_sent:
            raise UsageError("A second response was sent to one request.")
        if head.status < 200 and head.is_interim:
            return write_interim(head)
        keeps = self._keeps and not self.close_after and self._step is not self._failing and self._method != b""
        wire, self._framing, self._keeps = write_response(head, self._method, is_modern=self._is_modern, keeps=keeps)
        return wire


class ServerFacing(_Engine):
    """Writes requests to a server and reads its responses."""

    side = "server"

    def __init__(self, limits: Limits = DEFAULT_LIMITS, profile: Profile = Profile.LENIENT) -> None:
        super().__init__(limits, profile)
        self._interims = 0
        self._idling = self._idle  # bound once, as in `Reader`
        self._step = self._idling

    @property
    def is_reusable(self) -> bool:
        """True if this exchange is over, or none has begun, and another request may be sent."""
        if not self._keeps or self.close_after or self._peer_is_done or self._buffer:
            return False
        return (self._is_sent and self._step is self._resting) or self._step is self._idling

    @property
    def is_sent(self) -> bool:
        """True if the request of this exchange has been sent whole."""
        return self._is_sent

    def _start_over(self) -> None:
        self._step = self._idling  # `_send_head` does the rest

    def _place(self) -> str:
        if self._step is self._idling:
            return ""
        if self._step == self._head and not self.buffered:
            return "before it answered"
        return super()._place()

    def _idle(self, events: list[Event]) -> bool:  # noqa: ARG002 - a step
        """Refuse an answer that nobody asked for, lest it be taken for that to the next request (H1-18)."""
        if self.buffered:
            raise PeerError("bytes from a server that was not asked", "RFC 9112 §9.2", status=502)
        return False

    def _begin(self, line: bytes, block: bytes, section: Section, events: list[Event]) -> bool:
        head, framing = read_response(line, block, section, self._method, self._tolerance)
        events.append(head)
        if head.status < 200 and head.is_interim:
            self._interims += 1
            if self._interims > _INTERIM_HEADS:
                raise PeerError(f"more than {_INTERIM_HEADS} interim responses", "RFC 9110 §15.2")
            self._seen = 0
            return True
        kinds = section.kinds
        is_persistent = not kinds & CLOSE if head.version != b"HTTP/1.0" else kinds & (CLOSE | KEEP_ALIVE) == KEEP_ALIVE
        if not is_persistent or head.faults or framing == UNTIL_CLOSE:
            self._keeps = False
        if framing > 0:
            self._left = framing
            self._step = self._sized
        elif framing == CHUNKED:
            self._step = self._chunk_size
        elif framing == UNTIL_CLOSE:
            self._step = self._until_close
        else:
            if is_tunnel(head.status, self._method):
                self._keeps = False
            return self._finish(events)
        return True

    def _finish(self, events: list[Event]) -> bool:
        if not self._is_sent:
            # The rest of the request, if it is sent at all, will not be read as such (H1-17).
            self._keeps = False
        return super()._finish(events)

    def _send_head(self, head: RequestHead | ResponseHead) -> bytes:
        if not isinstance(head, RequestHead):
            raise UsageError("A server is sent requests, not responses.")
        if self._step is not self._idling:
            raise UsageError("A request was sent before the exchange before it was over.")
        wire, self._framing, self._keeps = write_request(head, close=self.close_after)
        self._method = head.method
        self._interims = 0
        self._seen = 0
        self._step = self._head
        return wire
