"""WebSocket connections: two endpoints (`websocketside.py`) joined by hooks (RFC 6455).

What nobody has to see whole streams through piece by piece, in the frames in which it came. Where an addon may change messages they
are collected first; where addons only look they are told behind the message. Either way one thing is told after the
other, in the order in which it came, whichever side it came from: one line for both sides, and one coroutine that takes from it.
The coroutine waits for hooks and for something to do, never for an endpoint: a slow reader holds up its sender, and nobody else.

A ping is answered at once, with the same payload; the other endpoint gets one without payload, so that its connection does
not fall asleep either, and nobody's pong travels on. The option `websocket_ping=relay` passes both on as they come instead.
"""

import logging
import os
from collections import deque
from collections.abc import Iterator
from typing import Final

from midstream.errors import UsageError
from midstream.flow import HTTPFlow, WebSocketMessage
from midstream.hooks.table import Handlers, dispatch
from midstream.proxy.opened import Opened
from midstream.proxy.session import Session
from midstream.proxy.stepper import Signal
from midstream.proxy.streams import INBOX_BYTES, INBOX_EVENTS, Detached
from midstream.proxy.websocketrecord import WebSocketRecord
from midstream.proxy.websocketside import HOLD, PASS, TELL, Injected, Item, Side
from midstream.wire.errors import Fault
from midstream.wire.ws import ClientFacing, Limits, Message, ServerFacing
from midstream.wire.ws.errors import ABNORMAL, GOING_AWAY, WebSocketError
from midstream.wire.ws.events import Close, Lost, Ping, Pong, close_for

CLOSE_SECONDS: Final = 10.0
"""How long an endpoint may take to answer a close frame."""
SILENCE: Final = "silence"
_log = logging.getLogger("midstream.websocket")


class WebSocketRelay:
    """What passes between two endpoints."""

    def __init__(self, session: Session, flow: HTTPFlow, client: Detached, server: Detached, opened: Opened) -> None:
        settings = session.settings
        self.most_told = settings.body_memory
        self.most_held = settings.websocket_limit
        self.relays_pings = settings.websocket_ping == "relay"
        self._idle_limit = settings.websocket_idle_timeout
        self._hooks = session.hooks
        self._flow = flow
        self._record = WebSocketRecord(flow, settings.body_memory, session.time)
        limits, profile = Limits(), settings.profile
        make_key = _keys().__next__
        client_engine = ClientFacing(limits, profile, compression=opened.with_client)
        server_engine = ServerFacing(make_key, limits, profile, compression=opened.with_server)
        self._client = Side(self, client, client_engine)
        self._server = Side(self, server, server_engine)
        self._client.other, self._server.other = self._server, self._client
        self._sides = (self._client, self._server)
        self._line: deque[tuple[Side, Item, bool]] = deque()
        """What the hooks are to be told of, whose it is, and whether it has gone on already."""
        self._line_size = 0
        self._signal: Signal[None] | None = None
        """What the coroutine waits for if there is nothing to do."""
        self._held: Signal[None] | None = None
        """What it waits for while the flow is intercepted."""
        self._is_telling = False
        self._is_over = False

    async def run(self) -> None:
        """Relay until both ends have closed."""
        flow = self._flow
        flow.on_release = self._released
        flow.on_inject = self.inject
        try:
            await self._tell(self._hooks.websocket_start)
            if flow.error is None:
                self.touch()
                for side in self._sides:
                    side.begin()
            while (self._line or not self._is_over) and flow.error is None:
                if self._line:
                    await self._next()
                else:
                    await self._pause()
        finally:
            self._finish()
        await dispatch(self._hooks.websocket_end, flow)

    def inject(self, to_client: bool, content: bytes, is_text: bool) -> None:
        """Send a message that neither endpoint has sent.

        Raises:
            UsageError: The connection is closed, or will be once this side's last word has gone on.

        """
        side = self._server if to_client else self._client
        has_spoken_last = side.is_gone or side.engine.close_received is not None or side.engine.has_failed
        if self._is_over or has_spoken_last or side.other.engine.close_sent is not None or side.other.is_gone:
            raise UsageError("The WebSocket connection is closed; nothing can be injected any more.")
        self.put(side, Injected(1 if is_text else 2, content))
        self.go_on()

    # What the sides call.

    def mode(self, side: Side) -> int:
        """Tell what is to be done with a message that begins; it never overtakes one that is held."""
        hooks = self._hooks
        if hooks.holds_websocket or side.held or self._flow.intercepted:
            return HOLD
        return TELL if hooks.websocket_message or hooks.websocket_end else PASS

    def touch(self) -> None:
        """Count this as a sign of life of both endpoints."""
        if self._idle_limit and not (self._client.engine.close_sent or self._server.engine.close_sent):
            self._client.peer.within(self._idle_limit, SILENCE)

    def put(self, side: Side, item: Item, *, is_sent: bool = False) -> None:
        """Have the hooks told of something, and what is not sent yet sent then."""
        self._line.append((side, item, is_sent))
        if type(item) is Message:
            self._line_size += len(item.data)
            side.held += not is_sent
        if self.is_crowded:
            side.peer.pause_reading()

    def go_on(self) -> None:
        """Let the coroutine look at what has come, if it waits for that."""
        signal = self._signal
        if signal is not None and (self._line or self._is_over or self._flow.error is not None):
            self._signal = None
            signal.set(None)

    @property
    def is_crowded(self) -> bool:
        """True if so much waits for hooks that the endpoints should wait, too."""
        return self._line_size > INBOX_BYTES or len(self._line) > INBOX_EVENTS

    def side_ended(self) -> None:
        """End once neither endpoint has anything more to say."""
        if all(side.engine.is_closed or side.is_gone for side in self._sides):
            self._is_over = True
        self.go_on()

    def side_lost(self) -> None:
        """Hold nothing any more: there is nobody it could go on to, or nobody who waits for an answer."""
        self._let_go()

    def time_is_over(self, side: Side, stage: str) -> None:
        """End a connection on which nothing moves, or whose endpoint does not answer a close frame."""
        if self._is_telling:  # nobody's time runs out while somebody thinks
            side.peer.within(self._idle_limit if stage == SILENCE else CLOSE_SECONDS, stage)
            return
        self._record.closed(ABNORMAL, b"timed out", by_client=None)
        self._is_over = True
        self.go_on()

    # One after the other.

    async def _pause(self) -> None:
        for side in self._sides:
            if not side.other.peer.is_full:
                side.peer.resume_reading()
        self._signal = Signal()
        await self._signal

    async def _next(self) -> None:
        side, item, is_sent = self._line.popleft()
        if type(item) is Message:
            self._line_size -= len(item.data)
            await self._message(side, item, is_sent=is_sent)
            side.held -= not is_sent
        elif type(item) is Injected:
            await self._message(side, Message(item.opcode, item.data), is_injected=True)
        elif isinstance(item, Ping | Pong):
            await self._sign_of_life(side, item)
        elif isinstance(item, Close):
            await self._close(side, item)
        elif isinstance(item, Lost):
            self._record.closed(ABNORMAL, b"", by_client=side.is_client)
            if not side.other.engine.has_failed or side.other.last_word is not None:
                side.other.leave()  # else its fault stands in the line, and it is told so then
            self.side_ended()
        elif isinstance(item, WebSocketError):
            self._fault(side, item)

    async def _message(self, side: Side, came: Message, *, is_sent: bool = False, is_injected: bool = False) -> None:
        if came.faults:
            self._record.faults(came.faults)
        record = self._record
        message = record.message(came.opcode, came.data, from_client=side.is_client, is_injected=is_injected)
        if self._hooks.websocket_message:
            await self._tell(self._hooks.websocket_message)
        flow = self._flow
        if is_sent or message.dropped or flow.intercepted or flow.error is not None:
            return
        side.other.send(_edited(came, message))
        if side.other.peer.is_full:
            side.peer.pause_reading()

    async def _sign_of_life(self, side: Side, event: Ping | Pong) -> None:
        if self.relays_pings:
            side.other.send(event)
        self._record.faults(event.faults)
        is_ping = type(event) is Ping
        self._record.control("ping" if is_ping else "pong", event.payload, from_client=side.is_client)
        await self._tell(self._hooks.websocket_ping if is_ping else self._hooks.websocket_pong)

    async def _close(self, side: Side, close: Close) -> None:
        self._record.faults(close.faults)
        self._record.close_frame(close, from_client=side.is_client)
        await self._tell(self._hooks.websocket_close)
        if side.other.last_word is None:
            side.other.send(Close(close.code, close.reason))
        else:
            side.other.leave()
        self._await_close(side.other)

    def _fault(self, side: Side, error: WebSocketError) -> None:
        """End because an endpoint broke the rules.

        It is told so behind what the other one has to say to all that came before: once that has answered our close frame.
        """
        self._record.faults((Fault(error.message, error.reference),))
        self._record.closed(error.code, error.message.encode(), by_client=None)
        side.last_word = close_for(error)
        side.other.send(Close(GOING_AWAY))
        if side.other.engine.close_sent is None:  # a frame that will not be completed stands before it
            side.other.leave()
        if side.other.is_gone or side.other.engine.close_received is not None:
            side.leave()
        self._await_close(side.other)

    def _await_close(self, side: Side) -> None:
        side.peer.within(CLOSE_SECONDS, "waiting for a close frame")
        self.side_ended()

    # Hooks, and the end.

    async def _tell(self, handlers: Handlers) -> None:
        """Call hooks, and hold everything while one of them has the flow intercepted and both endpoints are there."""
        if not handlers:
            return
        flow = self._flow
        self._is_telling = True
        await dispatch(handlers, flow)
        if flow.intercepted and not any(side.peer.is_lost for side in self._sides):
            self._held = Signal()
            flow.on_release = self._released
            await self._held
        self._is_telling = False

    def _released(self) -> None:
        """Go on after `resume`, and see to the end after `kill`."""
        self._flow.on_release = self._released
        self._let_go()
        self.go_on()

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.set(None)

    def _finish(self) -> None:
        flow = self._flow
        self._record.end()
        flow.live = False
        flow.on_release = None
        flow.on_inject = None
        for side in self._sides:
            if flow.error is not None:
                side.peer.abort()
            elif not side.peer.is_lingering:
                side.leave()


def _keys() -> Iterator[bytes]:
    """Give masking keys that nobody can foresee (RFC 6455 §5.3); asking the system for each one costs a microsecond."""
    while True:
        block = os.urandom(4096)
        for at in range(0, 4096, 4):
            yield block[at : at + 4]


def _edited(came: Message, message: WebSocketMessage) -> Message:
    """Return what hooks have made of a message; the one that came, if that cannot be sent."""
    data, opcode = message.content, message.type
    if data is came.data and opcode == came.opcode:
        return came
    if type(data) is bytes and opcode in (1, 2):
        return Message(int(opcode), data, came.layout, came.is_compressed)
    _log.error(
        "An addon made a WebSocket message that cannot be sent, so the original is: its type is %r, its content %s.",
        *(opcode, type(data).__name__),
    )
    message.content = came.data
    return came
