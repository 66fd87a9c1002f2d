"""What passes in a TCP flow as messages: each read is one, goes through the hooks, and may be changed, held or dropped there.

Both directions wait in one queue, so that hooks see messages in the order in which they came, with injected ones among them.
"""

import logging
from collections import deque

import msgspec

from midstream.flow import TCPFlow, TCPMessage
from midstream.flow.url import with_port
from midstream.hooks.table import Handlers, dispatch
from midstream.proxy.peer import Peer
from midstream.proxy.session import Session
from midstream.proxy.stepper import Signal
from midstream.proxy.streams import INBOX_BYTES
from midstream.proxy.tunnel import Half, Tunnel
from midstream.wire.errors import shown
from midstream.wire.starttls import Watch

MAX_MESSAGES = 10_000
"""Messages of one flow that are kept at most, so that tiny ones do not add up."""
LOGGED_BYTES = 1024
"""What of a message the log shows."""
_log = logging.getLogger("midstream.proxy")


class _Piece(msgspec.Struct):
    """What waits to be handed on."""

    from_client: bool
    data: bytes
    is_injected: bool = False


class Messages:
    """The messages of one flow, over as many tunnels as it has: a new one begins with TLS."""

    def __init__(self, session: Session, flow: TCPFlow) -> None:
        self._session = session
        self._flow = flow
        self.tunnel: Tunnel
        self._watch: Watch | None
        self._waiting: deque[_Piece] = deque()
        self._waiting_size = 0
        self._kept: deque[int] = deque()
        """The sizes that the flow's messages came with."""
        self._kept_size = 0
        self._signal: Signal[None] | None = None
        self._held: Signal[None] | None = None
        self._is_started = False

    async def run(
        self, client: Peer, server: Peer, from_client: bytes, from_server: bytes, watch: Watch | None
    ) -> Tunnel:
        """Relay until both sides have ended and are closed, or until TLS begins."""
        tunnel = self.tunnel = Tunnel(self._session, client, server, self._put_up, self._put_down)
        self._watch = watch
        tunnel.on_over = self._let_go_and_wake
        tunnel.on_writable = self._wake
        tunnel.is_held = lambda: self._held is not None
        self._flow.on_release = self._let_go_and_wake
        tunnel.join(from_client, from_server)
        try:
            if not self._is_started:
                self._is_started = True
                await self._tell(self._session.hooks.tcp_start)
            while (self._waiting or not tunnel.is_over) and self._flow.error is None and tunnel.tls is None:
                await self._next_message()
                if not self._waiting:
                    tunnel.finish_if_ended()
        finally:
            if tunnel.tls is None:
                tunnel.part(is_orderly=not tunnel.error and self._flow.error is None)
        return tunnel

    def inject(self, to_client: bool, data: bytes) -> None:
        """Put a message behind those that wait. Raises ControlException if it is too late for that."""
        self.tunnel.refuse_injection(to_client=to_client)
        self._put(_Piece(not to_client, data, is_injected=True))

    def _put_up(self, data: bytes) -> None:
        self._put(_Piece(True, data))

    def _put_down(self, data: bytes) -> None:
        self._put(_Piece(False, data))

    def _put(self, piece: _Piece) -> None:
        if not piece.is_injected and self.tunnel.has_begun_tls(piece.data, from_client=piece.from_client):
            return
        self._waiting.append(piece)
        self._waiting_size += len(piece.data)
        if self._waiting_size > INBOX_BYTES:
            self._half(from_client=piece.from_client).source.pause_reading()
        self._wake()

    def _half(self, *, from_client: bool) -> Half:
        return self.tunnel.up if from_client else self.tunnel.down

    def _woken(self) -> Signal[None]:
        """Return what to await until something happens."""
        self._signal = Signal()
        return self._signal

    def _wake(self) -> None:
        signal, self._signal = self._signal, None
        if signal is not None:
            signal.set(None)

    async def _next_message(self) -> None:
        if not self._waiting:
            self.tunnel.up.source.resume_reading()
            self.tunnel.down.source.resume_reading()
            await self._woken()
            if not self._waiting:
                return
        piece = self._waiting.popleft()
        self._waiting_size -= len(piece.data)
        sink = self._half(from_client=not piece.from_client).source
        if piece.data:
            self._look_for_tls(piece)
        elif not piece.is_injected:
            sink.write_eof()
        if piece.data:
            await self._hand_on(piece, sink)

    async def _hand_on(self, piece: _Piece, sink: Peer) -> None:
        message = TCPMessage(piece.from_client, piece.data, self._session.time(), injected=piece.is_injected)
        self._record(message)
        await self._tell(self._session.hooks.tcp_message)
        if self._flow.error is not None or message.dropped:
            return
        if _log.isEnabledFor(logging.DEBUG):
            self._print(message)
        sink.write(message.content)
        while sink.is_full and not self.tunnel.is_over and self._flow.error is None:
            await self._woken()

    def _look_for_tls(self, piece: _Piece) -> None:
        """Cut off what belongs to TLS, if the client begins it here."""
        if self._watch is None or piece.is_injected:
            return
        if not piece.from_client:
            self._watch.from_server(piece.data)
            return
        offset = self._watch.from_client(piece.data)
        if offset is None:
            return
        later, self._waiting = self._waiting, deque(other for other in self._waiting if other.is_injected)
        self._waiting_size = sum(len(other.data) for other in self._waiting)
        up, down = (
            b"".join(other.data for other in later if other.from_client is is_up and not other.is_injected)
            for is_up in (True, False)
        )
        self.tunnel.begin_tls(piece.data[offset:] + up, down)
        piece.data = piece.data[:offset]

    async def _tell(self, handlers: Handlers) -> None:
        """Call hooks, and hold the flow while one of them has it intercepted and both peers are there."""
        flow, tunnel = self._flow, self.tunnel
        await dispatch(handlers, flow)
        if flow.intercepted and not tunnel.up.source.is_lost and not tunnel.down.source.is_lost:
            self._held = Signal()
            flow.on_release = self._let_go_and_wake
            await self._held

    def _let_go_and_wake(self) -> None:
        """Go on after `resume`, and see to the end after `kill` or the end of the tunnel."""
        self._flow.on_release = self._let_go_and_wake
        held, self._held = self._held, None
        if held is not None:
            held.set(None)
        self._wake()

    def _record(self, message: TCPMessage) -> None:
        """Keep the message; the oldest make room once there are more than body_memory bytes, or very many."""
        messages = self._flow.messages
        messages.append(message)
        self._kept.append(len(message.content))
        self._kept_size += len(message.content)
        limit = self._session.settings.body_memory
        while len(messages) > 1 and (self._kept_size > limit or len(messages) > MAX_MESSAGES):
            del messages[0]
            self._kept_size -= self._kept.popleft()

    def _print(self, message: TCPMessage) -> None:
        arrow = "->" if message.from_client else "<-"
        client, server = self._flow.client_conn.peername, self._flow.server_conn.address
        names = [with_port(*address[:2]) if address else "?" for address in (client, server)]
        _log.debug("%s %s tcp %s %s: %s", names[0], arrow, arrow, names[1], shown(message.content, LOGGED_BYTES))
