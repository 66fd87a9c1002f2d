"""HTTP/2 connections: what both sides do alike. Many streams, each of them the stream of one exchange.

The engine knows windows and frames; here its events reach the inboxes of exchanges, what exchanges write leaves with the end
of the loop's turn, and a peer's window opens again as the exchange takes the data (H2-10). So an inbox needs no bound of its
own: its window is the bound.
"""

from collections.abc import Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from midstream.flow.http2 import Http2Facts
from midstream.proxy.deadlines import NEVER
from midstream.proxy.peer import Peer
from midstream.proxy.session import Session
from midstream.proxy.stepper import Signal
from midstream.proxy.streams import Inbox
from midstream.proxy.timeline import Timeline
from midstream.wire.errors import PeerError
from midstream.wire.events import Data, Event, Reset
from midstream.wire.h2.engine import ClientFacing, ServerFacing
from midstream.wire.h2.errors import CANCEL
from midstream.wire.h2.events import WRITABLE, ConnectionEvent, GoAway, Pong, Priority, PriorityUpdate, SettingsChanged

SIGN_OF_LIFE: Final = b"midstrm\0"
"""What our pings carry."""
FLUSH_BYTES: Final = 262_144
"""Body bytes that are written without waiting for the end of the turn. Each write wakes the other side, so not too few."""
_SIDE_EVENTS: Final = frozenset((type(WRITABLE), Priority, PriorityUpdate))
E = TypeVar("E", ClientFacing, ServerFacing)
S = TypeVar("S", bound="Http2Stream[Any]")
C = TypeVar("C", bound="Http2Connection[Any, Any]")


class Taker(Protocol):
    """Who takes what comes on a stream that has become a tunnel."""

    def take(self, events: Sequence[Event]) -> None:
        """Take what came."""

    def writable(self) -> None:
        """There is room again, where there was none."""


class StreamInbox(Inbox):
    """The events of one stream; taking a piece of body lets the peer send as much again."""

    __slots__ = ("_stream",)

    def __init__(self, stream: "Http2Stream[Any]") -> None:
        super().__init__(stream)
        self._stream = stream

    def take(self) -> Event:
        event = self.events.popleft()
        if type(event) is Data:
            self._stream.consumed(len(event.data))
        return event

    def take_whole(self) -> Data | None:
        body = super().take_whole()
        if body is not None and body.data:
            self._stream.consumed(len(body.data))
        return body

    def _is_full(self) -> bool:
        return False


class Http2Stream(Generic[C]):
    """What the streams of both sides do alike."""

    connection: C
    id: int = 0
    """Its number on the connection; 0 before a request has been sent on it."""
    broken = CANCEL
    """With which code a tunnel on the stream breaks off (RFC 9113 §8.5, RFC 8441 §5)."""
    _stage = ""
    _room: Signal[None] | None = None

    def __init__(self, connection: C) -> None:
        self.connection = connection
        self.deadline = NEVER
        self._tunnel: Taker | None = None
        self.inbox: Inbox = StreamInbox(self)

    def pause_reading(self) -> None:
        """Do nothing: the window that is not opened holds the peer."""

    def resume_reading(self) -> None:
        """Do nothing, as `pause_reading`."""

    def send(self, *events: Event) -> None:
        for event in events:
            self.connection.send(self.id, event)

    @property
    def is_full(self) -> bool:
        return self.connection.is_full(self.id)

    async def drained(self) -> None:
        while self.is_full and not self.connection.peer.is_closing:
            self._room = Signal()
            await self._room

    def has_room(self) -> None:
        """Go on writing: called when the peer's windows or the transport have room again."""
        room, self._room = self._room, None
        if room is not None:
            room.set(None)
        if self._tunnel is not None and not self.is_full:
            self._tunnel.writable()

    def consumed(self, count: int) -> None:
        """Let the peer send `count` bytes more."""
        self.connection.consumed(self.id, count)

    def take(self, events: list[Event]) -> None:
        """Take what came for this stream."""
        if self._tunnel is None:
            self.inbox.add(events)
        else:
            self._tunnel.take(events)

    def become(self, tunnel: Taker) -> list[Event]:
        """Hand everything that comes to `tunnel` from now on; return what has come already and was not taken."""
        self.connection.session.deadlines.forget(self)
        self._tunnel = tunnel
        waiting = list(self.inbox.events)
        self.inbox.events.clear()
        return waiting

    def within(self, seconds: float, stage: str) -> None:
        """Give what is now awaited this long; 0 means no limit."""
        deadlines = self.connection.session.deadlines
        self._stage = stage
        if seconds:
            self.deadline = deadlines.now + seconds
            deadlines.watch(self)
        else:
            self.deadline = NEVER

    def expired(self) -> None:
        """Tell the exchange that its time is over."""
        raise NotImplementedError

    def over(self, code: int | None = None) -> None:
        """Leave the connection; what is not over is reset."""
        self.connection.session.deadlines.forget(self)
        self.connection.leave(self, code)


class Http2Connection(Generic[E, S]):
    """An HTTP/2 connection to a client or to a server, on top of its peer."""

    engine: E

    def __init__(self, session: Session, peer: Peer, engine: E, facts: Http2Facts) -> None:
        self.session = session
        self.peer = peer
        self.engine = engine
        self.facts = facts
        self.streams: dict[int, S] = {}
        """The streams that exchanges or tunnels have, by id."""
        self._is_heard = False
        """Something has come since we last asked for a sign of life."""
        self.heard_at = session.deadlines.now
        """When something came last."""
        self._is_flushing = False
        self._queued = 0
        if session.settings.http2_timeline:
            engine.trace = Timeline(facts, session.settings.http2_timeline, session.time).add
        self.flush_later()

    # What the peer calls.

    def received(self, data: bytes) -> None:
        self._is_heard = True
        self.heard_at = now = self.session.deadlines.now
        events = self.engine.receive(data, now)
        at, count = 0, len(events)
        while at < count:
            stream_id, event = events[at]
            at += 1
            if not stream_id:
                self._connection_event(event)
                continue
            batch: list[Event] = []
            while True:
                if type(event) in _SIDE_EVENTS:
                    self._side_event(stream_id, event)  # type: ignore[arg-type] # told by its type
                else:
                    batch.append(event)  # type: ignore[arg-type] # as above
                if at >= count or events[at][0] != stream_id:
                    break
                event = events[at][1]
                at += 1
            if batch:
                self._stream_events(stream_id, batch)
        self.flush_later()
        self._settle()

    def ended(self) -> None:
        for stream_id, event in self.engine.eof():
            self._stream_events(stream_id, [event])  # type: ignore[list-item] # resets, and nothing else
        self.close()

    def lost(self, error: PeerError) -> None:
        self._break_off(error.message, None)
        self._gone()

    def writable(self) -> None:
        for stream in list(self.streams.values()):
            stream.has_room()
        self._settle()

    def timed_out(self, stage: str) -> None:
        if self.peer.is_full or stage == "waiting for a sign of life":
            self.peer.abort()
        elif self.streams or self.engine.open_streams:
            self._is_heard = False
            self.engine.ping(SIGN_OF_LIFE)
            self.flush_later()
            self.peer.within(self.session.settings.http2_ping_keepalive, "waiting for a sign of life")
        else:
            self.retire()

    # What streams call.

    def send(self, stream_id: int, event: Event) -> None:
        """Queue an event; it leaves with the end of the loop's turn."""
        self.engine.send(stream_id, event)
        if type(event) is Data:
            self._queued += len(event.data)
            if self._queued >= FLUSH_BYTES:
                self.flush()
                return
        if not self._is_flushing:
            self.flush_later()

    def is_full(self, stream_id: int) -> bool:
        """Tell whether the other side reads more slowly than we write."""
        return self.peer.is_full or self.engine.is_full(stream_id)

    def consumed(self, stream_id: int, count: int) -> None:
        """Let the peer send more on a stream."""
        engine = self.engine
        engine.consumed(stream_id, count)
        if engine.has_output and not self._is_flushing:
            self.flush_later()

    def leave(self, stream: S, code: int | None) -> None:
        """Forget a stream whose exchange is over; it is reset if it is not over itself."""
        if self.streams.pop(stream.id, None) is not None:
            self.engine.abandon(stream.id, code)
            self.flush_later()
            self._settle()

    def flush_later(self) -> None:
        """Write what the engine has at the end of the loop's turn."""
        if not self._is_flushing:
            self._is_flushing = True
            self.session.turns.add(self)

    def flush(self) -> None:
        """Write what the engine has to say."""
        self._is_flushing = False
        self._queued = 0
        output = self.engine.take_output()
        if output:
            self.peer.write_now(output)
            if self.peer.is_full:
                self.peer.within(self.session.settings.tcp_timeout, "sending")

    # Ends.

    def retire(self) -> None:
        """Take no new streams; close when the last one is over."""
        raise NotImplementedError

    def close(self) -> None:
        """Say what is left to say, and close."""
        self.flush()
        self.peer.close()
        self._gone()

    def _gone(self) -> None:
        """Take note that there is no connection any more."""
        raise NotImplementedError

    def _settle(self) -> None:
        """Give the connection its time anew, and close it if it has no more to do."""
        raise NotImplementedError

    def _await_life(self) -> None:
        """Have the peer show now and then that it is still there, as long as streams are open (H2-19)."""
        self.peer.within(self.session.settings.http2_ping_keepalive, "")

    # Events.

    def _stream_events(self, stream_id: int, events: list[Event]) -> None:
        """Hand a stream what came for it, all at once."""
        raise NotImplementedError

    def _side_event(self, stream_id: int, event: ConnectionEvent) -> None:
        stream = self.streams.get(stream_id)
        if event is WRITABLE:
            if stream is not None:
                stream.has_room()
        elif isinstance(event, Priority | PriorityUpdate):
            self._prioritised(stream_id, event)

    def _prioritised(self, stream_id: int, priority: Priority | PriorityUpdate) -> None:
        """Take note of what the peer says about a stream's priority."""

    def _connection_event(self, event: Event | ConnectionEvent) -> None:
        if isinstance(event, PeerError):
            self._failed(event)
        elif isinstance(event, SettingsChanged):
            self._settings_changed()
        elif isinstance(event, GoAway):
            self._going_away(event)
        else:
            assert isinstance(event, Pong), event
            self._ponged()

    def _settings_changed(self) -> None:
        """Take note that the peer's SETTINGS came."""

    def _ponged(self) -> None:
        """Take note that the peer has answered a ping."""

    def _going_away(self, goaway: GoAway) -> None:
        """Take note that the peer takes no further streams."""
        raise NotImplementedError

    def _failed(self, fault: PeerError) -> None:
        """End a connection whose peer broke the protocol; it is told so by GOAWAY."""
        self._break_off(str(fault), None)
        self.flush()
        self.peer.linger()
        self._gone()

    def _break_off(self, message: str, code: int | None) -> None:
        """Break off all streams."""
        for stream_id in list(self.streams):
            self._stream_events(stream_id, [Reset(message, code)])
