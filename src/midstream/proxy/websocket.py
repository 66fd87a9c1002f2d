"""WebSocket connections: two engines joined by hooks (RFC 6455).

What nobody has to see whole streams through piece by piece, in the frames in which it came. Where an addon may change messages they
are collected first; where addons only look they are told behind the message. Either way one thing is told after the
other, in the order in which it came, whichever side it came from.

A ping is answered here, at once, with the same payload; the other endpoint gets one without payload, so that its connection does
not fall asleep either, and nobody's pong travels on. The option `websocket_ping=relay` passes both on as they come instead.
"""

import logging
import os
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from midstream.errors import UsageError
from midstream.flow import Annotation, HTTPFlow, WebSocketControl, WebSocketData, WebSocketMessage
from midstream.hooks.table import Handlers, dispatch
from midstream.proxy.deadlines import NEVER
from midstream.proxy.opened import Opened
from midstream.proxy.session import Session
from midstream.proxy.stepper import Signal
from midstream.proxy.streams import INBOX_BYTES, Detached
from midstream.wire.errors import Fault, PeerError
from midstream.wire.ws import Assembler, ClientFacing, Limits, Message, ServerFacing
from midstream.wire.ws.errors import ABNORMAL, GOING_AWAY, WebSocketError
from midstream.wire.ws.events import Close, Event, Lost, Piece, Ping, Pong, close_for
from midstream.wire.ws.write import Sendable

CLOSE_SECONDS: Final = 10.0
"""How long an endpoint may take to answer a close frame."""
CONTROLS_KEPT: Final = 1000
_PASS: Final = 0
_TELL: Final = 1
_HOLD: Final = 2
_log = logging.getLogger("midstream.websocket")


class Injected(msgspec.Struct):
    """A message that a script or a user has made up."""

    opcode: int
    data: bytes


_Item: TypeAlias = Message | Injected | Ping | Pong | Close | Lost | WebSocketError


class _Side:
    """One endpoint: what comes from it, and what is written to it."""

    other: "_Side"

    def __init__(self, relay: "WebSocketRelay", end: Detached, engine: ClientFacing | ServerFacing) -> None:
        self.peer = end.peer
        self.engine = engine
        self.is_client = engine.side == "client"
        self.is_gone = False
        """Nothing more comes from here."""
        self._relay = relay
        self._assembler = Assembler()
        self._mode = _PASS

    # What the peer calls.

    def received(self, data: bytes) -> None:
        self._relay.touch()
        self._take(self.engine.receive(data))

    def ended(self) -> None:
        self.is_gone = True
        self._take(self.engine.eof())
        self._relay.look_for_end()

    def lost(self, error: PeerError) -> None:  # noqa: ARG002 - that it is gone says all
        self.ended()

    def writable(self) -> None:
        if not self._relay.is_crowded:
            self.other.peer.resume_reading()

    def timed_out(self, stage: str) -> None:  # noqa: ARG002 - there is but one
        self._relay.time_is_over()

    # What the relay calls.

    def send(self, event: Sendable) -> None:
        """Write to this endpoint; nothing is, behind a close frame."""
        if self.engine.close_sent is None:
            self.peer.write(self.engine.send(event))

    # Events.

    def _take(self, events: list[Event]) -> None:
        output: list[bytes] = []
        for event in events:
            if isinstance(event, Piece):
                if event.is_first:
                    self._mode = self._relay.mode()
                    self.engine.message_limit = self._relay.limit if self._mode == _HOLD else 0
                if self._mode != _HOLD:
                    if self.other.engine.close_sent is None:
                        output.append(self.other.engine.send(event))
                    if self._mode == _PASS:
                        continue
                message = self._assembler.add(event)
                if message is not None:
                    self._relay.put(self, message, is_sent=self._mode != _HOLD)
            else:
                if output:
                    self.other.peer.write(b"".join(output))
                    output.clear()
                self._control(event)
        if output:
            self.other.peer.write(b"".join(output))
        if self.other.peer.is_full:
            self.peer.pause_reading()

    def _control(self, event: Ping | Pong | Close | Lost | WebSocketError) -> None:
        if isinstance(event, Ping | Pong):
            self._relay.sign_of_life(self, event)
        self._relay.put(self, event)


class WebSocketRelay:
    """Two endpoints and what passes between them."""

    def __init__(self, session: Session, flow: HTTPFlow, client: Detached, server: Detached, opened: Opened) -> None:
        settings = session.settings
        self._session = session
        self._hooks = session.hooks
        self._flow = flow
        self.limit = settings.websocket_limit
        """The largest message that is held back."""
        self._relays_pings = settings.websocket_ping == "relay"
        limits, profile = Limits(), settings.profile
        self._client = _Side(self, client, ClientFacing(limits, profile, compression=opened.with_client))
        make_key: Callable[[], bytes] = lambda: os.urandom(4)  # noqa: E731 - a name for what it does
        self._server = _Side(self, server, ServerFacing(make_key, limits, profile, compression=opened.with_server))
        self._client.other, self._server.other = self._server, self._client
        self._rests = (client.rest, server.rest)
        self._waiting: deque[tuple[_Side, _Item, bool]] = deque()
        self._waiting_size = 0
        self._signal: Signal[None] | None = None
        self._held: Signal[None] | None = None
        self._is_over = False
        self._kept: deque[int] = deque()
        self._kept_size = 0

    async def run(self) -> None:
        """Relay until both ends have closed."""
        flow = self._flow
        flow.on_release = self._released
        flow.on_inject = self.inject
        for side in (self._client, self._server):
            side.peer.receiver = side
            side.peer.deadline = NEVER
        try:
            await self._tell(self._hooks.websocket_start)
            self._listen()
            while (self._waiting or not self._is_over) and flow.error is None:
                await self._next()
        finally:
            self._finish()
        await dispatch(self._hooks.websocket_end, flow)

    # What the sides call.

    def mode(self) -> int:
        """Tell what is to be done with a message that begins."""
        hooks = self._hooks
        if hooks.holds_websocket:
            return _HOLD
        return _TELL if hooks.websocket_message or hooks.websocket_end else _PASS

    def touch(self) -> None:
        """Count this as a sign of life of both endpoints."""
        limit = self._session.settings.websocket_idle_timeout
        if limit and self._client.engine.close_sent is None and self._server.engine.close_sent is None:
            self._client.peer.within(limit, "silence")

    def put(self, side: _Side, item: _Item, *, is_sent: bool = False) -> None:
        """Have the hooks told of something, and what is not sent yet sent then."""
        self._waiting.append((side, item, is_sent))
        if isinstance(item, Message):
            self._waiting_size += len(item.data)
            if self.is_crowded:
                side.peer.pause_reading()
        self._wake()

    @property
    def is_crowded(self) -> bool:
        """True if so much waits for hooks that the endpoints should wait, too."""
        return self._waiting_size > INBOX_BYTES or len(self._waiting) > 1024

    def sign_of_life(self, side: _Side, event: Ping | Pong) -> None:
        """Answer a ping, and keep the other connection alive; or pass it on."""
        _log.debug("%s %s %r", "client" if side.is_client else "server", type(event).__name__.lower(), event.payload)
        if self._relays_pings:
            side.other.send(event)
        elif isinstance(event, Ping):
            side.send(Pong(event.payload))
            if not side.other.peer.is_full:
                side.other.send(Ping())

    def look_for_end(self) -> None:
        """End once both endpoints have nothing more to say."""
        sides = (self._client, self._server)
        if all(side.engine.is_closed or side.is_gone for side in sides):
            self._is_over = True
            self._wake()

    def time_is_over(self) -> None:
        """End a connection on which nothing moves, or whose endpoint does not answer a close frame."""
        if self._held is not None:
            self.touch()
            return
        self._note_close(ABNORMAL, b"timed out", by_client=None)
        self._is_over = True
        self._wake()

    def inject(self, to_client: bool, content: bytes, is_text: bool) -> None:
        """Send a message that neither endpoint has sent.

        Raises:
            UsageError: The connection is closed.

        """
        side = self._server if to_client else self._client
        if self._is_over or side.other.engine.close_sent is not None:
            raise UsageError("The WebSocket connection is closed; nothing can be injected any more.")
        self.put(side, Injected(1 if is_text else 2, content))

    # One after the other.

    def _listen(self) -> None:
        for side, rest in ((self._client, self._rests[0]), (self._server, self._rests[1])):
            side.peer.resume_reading()
            if rest:
                side.received(rest)
        for side in (self._client, self._server):
            if side.peer.has_ended and not side.is_gone:
                side.ended()

    async def _next(self) -> None:
        if not self._waiting:
            for side in (self._client, self._server):
                if not side.other.peer.is_full:
                    side.peer.resume_reading()
            self._signal = Signal()
            await self._signal
            return
        side, item, is_sent = self._waiting.popleft()
        if isinstance(item, Message):
            self._waiting_size -= len(item.data)
            await self._message(side, item, is_sent=is_sent)
        elif isinstance(item, Injected):
            await self._message(side, Message(item.opcode, item.data), is_injected=True)
        elif isinstance(item, Ping | Pong):
            await self._signs(side, item)
        elif isinstance(item, Close):
            await self._close(side, item)
        elif isinstance(item, Lost):
            self._note_close(ABNORMAL, b"", by_client=side.is_client)
            side.other.peer.close()
            side.other.is_gone = True
            self.look_for_end()
        else:
            self._fault(side, item)

    async def _message(self, side: _Side, came: Message, *, is_sent: bool = False, is_injected: bool = False) -> None:
        self._annotate(came.faults)
        message = WebSocketMessage(came.opcode, side.is_client, came.data, self._session.time(), False, is_injected)
        self._record(message)
        await self._tell(self._hooks.websocket_message)
        if is_sent or message.dropped or self._flow.error is not None:
            return
        data = message.content
        if data is not came.data:
            came = Message(int(message.type), data, came.layout, came.is_compressed)
        side.other.send(came)
        if side.other.peer.is_full:
            side.peer.pause_reading()
            await side.other.peer.drained()

    async def _signs(self, side: _Side, event: Ping | Pong) -> None:
        self._annotate(event.faults)
        kind = "ping" if isinstance(event, Ping) else "pong"
        self._control(WebSocketControl(kind, side.is_client, event.payload, self._session.time()))
        await self._tell(self._hooks.websocket_ping if kind == "ping" else self._hooks.websocket_pong)

    async def _close(self, side: _Side, close: Close) -> None:
        self._annotate(close.faults)
        self._note_close(close.shown_code, close.reason, by_client=side.is_client)
        payload = b"" if close.code is None else close.code.to_bytes(2, "big") + close.reason
        self._control(WebSocketControl("close", side.is_client, payload, self._session.time()))
        await self._tell(self._hooks.websocket_close)
        side.other.send(Close(close.code, close.reason))
        self._await_close(side.other)

    def _fault(self, side: _Side, error: WebSocketError) -> None:
        """Tell an endpoint what it has done wrong, and the other that it has gone."""
        self._annotate((Fault(error.message, error.reference),))
        self._note_close(error.code, error.message.encode(), by_client=None)
        side.send(close_for(error))
        side.other.send(Close(GOING_AWAY))
        self._await_close(side.other)

    def _await_close(self, side: _Side) -> None:
        side.peer.within(CLOSE_SECONDS, "waiting for a close frame")
        self.look_for_end()

    # The record.

    @property
    def _data(self) -> WebSocketData:
        data = self._flow.websocket
        assert data is not None
        return data

    def _note_close(self, code: int, reason: bytes, *, by_client: bool | None) -> None:
        data = self._data
        if data.close_code is None:
            data.close_code = code
            data.close_reason = reason.decode("utf-8", "backslashreplace")
            data.closed_by_client = by_client

    def _record(self, message: WebSocketMessage) -> None:
        """Keep the message; the oldest make room once there are more than body_memory bytes."""
        messages, size = self._data.messages, len(message.content)
        messages.append(message)
        self._kept.append(size)
        self._kept_size += size
        while self._kept_size + 64 * len(messages) > self._session.settings.body_memory and len(messages) > 1:
            del messages[0]
            self._kept_size -= self._kept.popleft()

    def _control(self, control: WebSocketControl) -> None:
        controls = self._data.controls
        controls.append(control)
        if len(controls) > CONTROLS_KEPT:
            del controls[0]

    def _annotate(self, faults: tuple[Fault, ...]) -> None:
        self._flow.annotations.extend(Annotation(fault.message, fault.reference) for fault in faults)

    # Hooks, and the end.

    async def _tell(self, handlers: Handlers) -> None:
        """Call hooks, and hold everything while one of them has the flow intercepted and both endpoints are there."""
        if not handlers:
            return
        flow = self._flow
        await dispatch(handlers, flow)
        if flow.intercepted and not self._is_over:
            self._held = Signal()
            flow.on_release = self._released
            await self._held

    def _released(self) -> None:
        """Go on after `resume`, and see to the end after `kill`."""
        self._flow.on_release = self._released
        held, self._held = self._held, None
        if held is not None:
            held.set(None)
        self._wake()

    def _wake(self) -> None:
        signal, self._signal = self._signal, None
        if signal is not None:
            signal.set(None)

    def _finish(self) -> None:
        flow, data = self._flow, self._data
        data.timestamp_end = self._session.time()
        if data.close_code is None:
            data.close_code = ABNORMAL
        flow.live = False
        flow.on_release = None
        flow.on_inject = None
        for side in (self._client, self._server):
            if flow.error is not None:
                side.peer.abort()
            else:
                side.peer.close()
