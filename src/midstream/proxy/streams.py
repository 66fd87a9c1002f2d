"""What an exchange speaks to: one message stream to the client and one to the server, of whatever HTTP version.

HTTP/1 lends its connection as the stream of one exchange at a time (`http1.py`); HTTP/2 makes one object per stream.
"""

from collections import deque
from typing import Protocol

from midstream.proxy.stepper import Signal
from midstream.wire.events import Data, Event

INBOX_BYTES = 262_144
"""Body bytes that may wait in an inbox before its stream is told to hold."""


class Stream(Protocol):
    """One message each way. Events are read with `inbox`, written with `send` and put on the wire by `flush`."""

    inbox: "Inbox"

    def send(self, event: Event) -> None:
        """Serialise an event; it leaves with the next `flush`."""

    def flush(self) -> None:
        """Write what was sent, in one go."""

    @property
    def is_full(self) -> bool:
        """The other side reads more slowly than we write."""

    async def drained(self) -> None:
        """Wait until there is room again."""


class ClientStream(Stream, Protocol):
    """The side that asks."""

    close_after: bool
    """Set to end the connection (or, where streams are many, nothing) after this exchange."""

    def finish(self) -> None:
        """The exchange is over and its response written: go on to the next."""

    def abort(self) -> None:
        """The exchange broke off inside its response: make the client see that it is incomplete."""


class ServerStream(Stream, Protocol):
    """The side that answers."""

    is_fresh: bool
    """False if an earlier exchange has used this connection, so that it may turn out to be stale."""

    def finish(self) -> None:
        """The exchange is over: give the connection back, or close it if it cannot be used again."""

    def abort(self) -> None:
        """The exchange broke off: nothing more is wanted from the server."""


class Flow(Protocol):
    """Who is told to hold and to go on when an inbox fills and empties."""

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class Inbox:
    """The events of one side that its exchange has not taken yet. Bounded: a full one pauses its source."""

    __slots__ = ("_is_holding", "_signal", "_size", "_source", "events")

    def __init__(self, source: Flow) -> None:
        self.events: deque[Event] = deque()
        self._source = source
        self._signal: Signal[None] | None = None
        self._size = 0
        self._is_holding = False

    def put(self, event: Event) -> None:
        """Add an event; the exchange goes on inside this call if it waits for one."""
        self.events.append(event)
        if type(event) is Data:
            self._size += len(event.data)
            if self._size > INBOX_BYTES and not self._is_holding:
                self._is_holding = True
                self._source.pause_reading()
        signal = self._signal
        if signal is not None:
            self._signal = None
            signal.set(None)

    def add(self, events: list[Event]) -> None:
        """Add events without waking anybody but for the last, so that what came together is handled together."""
        last = events.pop()
        for event in events:
            self.events.append(event)
            if type(event) is Data:
                self._size += len(event.data)
        self.put(last)

    async def next(self) -> Event:
        """Take the next event, waiting for it if need be."""
        events = self.events
        while not events:
            self._signal = Signal()
            await self._signal
        event = events.popleft()
        if type(event) is Data:
            self._size -= len(event.data)
            if self._is_holding and self._size < INBOX_BYTES // 2:
                self._is_holding = False
                self._source.resume_reading()
        return event

    def clear(self) -> None:
        """Forget what was not taken, for the next exchange on the same connection."""
        self.events.clear()
        self._signal = None
        self._size = 0
        if self._is_holding:
            self._is_holding = False
            self._source.resume_reading()
