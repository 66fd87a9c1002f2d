"""What an exchange speaks to: one message stream to the client and one to the server, of whatever HTTP version.

HTTP/1 lends its connection as the stream of one exchange at a time (`http1.py`); HTTP/2 makes one object per stream.
"""

from collections import deque
from collections.abc import Generator
from typing import NamedTuple, Protocol

from midstream.flow import Server
from midstream.proxy.origin import Origin
from midstream.proxy.peer import Peer
from midstream.proxy.stepper import Step, Waitable
from midstream.wire.events import END, Data, Event, RequestHead, ResponseHead
from midstream.wire.h2.events import Priority, PriorityUpdate

EMPTY = Data(b"")
INBOX_BYTES = 262_144
"""Body bytes that may wait in an inbox before its source is paused."""
INBOX_EVENTS = 1024
"""The same in events, for bodies in very small pieces."""


class Detached(NamedTuple):
    """One end of a connection or stream that has stopped speaking HTTP."""

    peer: Peer
    rest: bytes
    """What came behind the last message."""


class Stream(Protocol):
    """One message each way: events are read from `inbox` and written with `send`."""

    inbox: "Inbox"
    id: int
    """The stream's number on its connection; 0 on HTTP/1, and before a request has been sent."""

    def send(self, *events: Event) -> None:
        """Write events; they leave together at the end of the loop's turn."""

    @property
    def is_full(self) -> bool:
        """The other side reads more slowly than we write."""

    async def drained(self) -> None:
        """Wait until there is room again."""


class ClientStream(Stream, Protocol):
    """The side that asks."""

    def send_whole(self, head: ResponseHead, body: bytes) -> None:
        """Write a response that is complete and has no trailers."""

    passes_codes: bool
    """The client can be told by an error code why there is no answer (RFC 9113 §7)."""

    def say_close(self) -> None:
        """End the connection (or, where streams are many, nothing) after this exchange, and say so in the next head."""

    def finish(self) -> None:
        """The exchange is over and its response written: go on to the next."""

    def abort(self, code: int | None = None) -> None:
        """The exchange broke off: make the client see that the response is incomplete; `code` says why, where it can."""

    def detach(self) -> Detached:
        """Give the stream up for a tunnel."""

    def lend_priority(self, server: "ServerStream") -> None:
        """Have `server` be told what the client says about the stream's priority, now and later."""


class ServerStream(Stream, Protocol):
    """The side that answers."""

    def send_whole(self, head: RequestHead, body: bytes) -> None:
        """Write a request that is complete and has no trailers."""

    @property
    def server(self) -> Server:
        """The connection, as flows show it."""

    origin: Origin
    """Who may share the connection; assign to have it shared otherwise from now on."""
    is_fresh: bool
    """False if an earlier exchange has used this connection, so that it may turn out to be stale."""

    def borrow(self) -> None:
        """Begin an exchange."""

    def await_answer(self) -> None:
        """Give the server its time anew: the request is only now complete, or moves on."""

    def finish(self) -> None:
        """The exchange is over: give the connection back, or close it if it cannot be used again."""

    def abort(self, code: int | None = None) -> None:
        """The exchange broke off: nothing more is wanted from the server; `code` says why, where it can."""

    def detach(self) -> Detached:
        """Give the stream up for a tunnel."""

    async def introduced(self) -> None:
        """Wait until it is known what the server can do beyond plain requests.

        Raises:
            PeerError: It does not say so in time (504), or has gone.

        """

    def prioritise(self, priority: Priority | PriorityUpdate) -> None:
        """Pass on what the client says about the stream's priority."""


class Source(Protocol):
    """Who is told to hold and to go on when an inbox fills and empties."""

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class Inbox:
    """The events of one side that its exchange has not taken yet: `await` it, then `take`. A full one pauses its source."""

    __slots__ = ("_is_holding", "_source", "_step", "events")

    def __init__(self, source: Source) -> None:
        self.events: deque[Event] = deque()
        self._source = source
        self._step: Step | None = None
        self._is_holding = False

    def add(self, events: list[Event]) -> None:
        """Add what came together; the exchange goes on inside this call if it waits for something."""
        self.events.extend(events)
        step = self._step
        if step is not None:
            self._step = None
            step.resume()
        if self.events and not self._is_holding and self._is_full():
            self._is_holding = True
            self._source.pause_reading()

    def take(self) -> Event:
        """Return the next event, which must be there."""
        events = self.events
        event = events.popleft()
        if self._is_holding and not events:
            self._release()
        return event

    def take_whole(self) -> Data | None:
        """Return the body if it is here in one piece (or is empty) and ends without more; else leave everything."""
        events = self.events
        count = len(events)
        if count == 2 and events[1] is END and type(events[0]) is Data:
            body = events[0]
        elif count == 1 and events[0] is END:
            body = EMPTY
        else:
            return None
        events.clear()
        if self._is_holding:
            self._release()
        return body

    def clear(self) -> None:
        """Forget what was not taken, for the next exchange on the same connection."""
        self.events.clear()
        self._step = None
        if self._is_holding:
            self._release()

    def park(self, step: Step) -> bool:
        if self.events:
            return False
        self._step = step
        return True

    def __await__(self) -> Generator[Waitable, None, None]:
        """Wait until there is something to take."""
        while not self.events:
            yield self

    def _is_full(self) -> bool:
        if len(self.events) > INBOX_EVENTS:
            return True
        return sum(len(event.data) for event in self.events if type(event) is Data) > INBOX_BYTES

    def _release(self) -> None:
        self._is_holding = False
        self._source.resume_reading()
