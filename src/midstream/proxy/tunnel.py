"""Relaying bytes that are not HTTP, or that nobody is to read.

Two ways: spliced, where each side's bytes are written to the other inside the call that brought them, and as a `TCPFlow`,
where each read is a message that hooks see, and may change, in order. Both keep half-closes and push back on a fast sender.
"""

from collections import deque
from collections.abc import Callable

from midstream.flow import Client, Error, Server, TCPFlow, TCPMessage
from midstream.hooks.table import Handlers, dispatch
from midstream.proxy.peer import Peer
from midstream.proxy.session import Session
from midstream.proxy.stepper import Signal
from midstream.proxy.streams import INBOX_BYTES
from midstream.wire.errors import PeerError


class Half:
    """One direction: what comes from `source` goes to `take`, and the end of it to `take` as b""."""

    def __init__(self, session: Session, source: Peer, take: Callable[[bytes], None]) -> None:
        self.source = source
        self.other: Half
        self.on_over: Callable[[str], None] | None = None
        self.on_writable: Callable[[], None] | None = None
        self.is_held: Callable[[], bool] = lambda: False
        """Somebody is thinking about a message: no time runs out meanwhile."""
        self.has_ended = False
        self._deadlines = session.deadlines
        self._idle_limit = session.settings.tcp_timeout
        self._take = take

    def received(self, data: bytes) -> None:
        self.touch()
        self._take(data)

    def ended(self) -> None:
        if not self.has_ended:
            self.has_ended = True
            self._take(b"")

    def lost(self, error: PeerError) -> None:
        self.finish("" if self.has_ended else error.message)

    def writable(self) -> None:
        self.other.source.resume_reading()
        if self.on_writable is not None:
            self.on_writable()

    def timed_out(self, stage: str) -> None:
        if self.is_held():
            self.touch()
        else:
            self.finish("timed out: nothing moved" if not stage else f"timed out: {stage}")

    def touch(self) -> None:
        """Count this as a sign of life of both directions."""
        if self._idle_limit:
            self.source.deadline = self.other.source.deadline = self._deadlines.now + self._idle_limit

    def finish(self, why: str) -> None:
        """End the relay; `why` is empty for an orderly end."""
        if self.on_over is not None:
            self.on_over(why)


async def splice(session: Session, client: Peer, server: Peer, from_client: bytes, from_server: bytes) -> None:
    """Relay untouched and unrecorded until both sides have ended."""

    def forward(sink: Peer, source: Peer) -> Callable[[bytes], None]:
        def take(data: bytes) -> None:
            if data:
                sink.write(data)
                if sink.is_full:
                    source.pause_reading()
            else:
                sink.write_eof()
                _finish_if_ended(up, down)

        return take

    up = Half(session, client, forward(server, client))
    down = Half(session, server, forward(client, server))
    await _run(up, down, from_client, from_server)


async def relay(
    session: Session, facts: tuple[Client, Server], client: Peer, server: Peer, from_client: bytes, from_server: bytes
) -> None:
    """Relay as a `TCPFlow`, each read a message."""
    hooks = session.hooks
    flow = TCPFlow(*facts, live=True)
    if hooks.tcp_start or hooks.tcp_message:
        error = await _Messages(session, flow, client, server).run(from_client, from_server)
    else:
        error = await _spliced(session, flow, client, server, from_client, from_server)
    flow.live = False
    flow.on_release = None
    if error and flow.error is None:
        flow.error = Error(error, session.time())
    await dispatch(hooks.tcp_error if flow.error is not None else hooks.tcp_end, flow)


async def _spliced(
    session: Session, flow: TCPFlow, client: Peer, server: Peer, from_client: bytes, from_server: bytes
) -> str:
    """Relay for a flow whose messages nobody wants to see."""

    def killed() -> None:
        if flow.error is not None:
            client.abort()
            server.abort()

    flow.on_release = killed
    try:
        await splice(session, client, server, from_client, from_server)
    except PeerError as error:
        return error.message
    return ""


class _Messages:
    """Takes what both sides send through the hooks, one message after the other."""

    def __init__(self, session: Session, flow: TCPFlow, client: Peer, server: Peer) -> None:
        self._session = session
        self._flow = flow
        self._sinks = {True: server, False: client}
        self._sources = {True: client, False: server}
        self._waiting: deque[tuple[bool, bytes]] = deque()
        self._waiting_size = 0
        self._kept: deque[int] = deque()
        """The sizes that the flow's messages came with."""
        self._kept_size = 0
        self._signal: Signal[None] | None = None
        self._held: Signal[None] | None = None
        self._is_over = False
        """One side has broken off; what waits is still delivered, but no slow reader is waited for."""

    async def run(self, from_client: bytes, from_server: bytes) -> str:
        """Relay until the end; return what went wrong, or nothing."""
        up = Half(self._session, self._sources[True], lambda data: self._put(True, data))
        down = Half(self._session, self._sources[False], lambda data: self._put(False, data))
        error = ""

        def stop(why: str) -> None:
            nonlocal error
            error, self._is_over = why, True
            self._let_go()
            self._wake()

        up.on_over = down.on_over = stop
        up.on_writable = down.on_writable = self._wake
        up.is_held = down.is_held = lambda: self._held is not None
        self._flow.on_release = self._let_go_and_wake
        _join(up, down, from_client, from_server)
        try:
            await self._tell(self._session.hooks.tcp_start)
            while (self._waiting or not self._is_over) and self._flow.error is None:
                await self._next_message()
                if up.has_ended and down.has_ended and not self._waiting:
                    break
        finally:
            _part(up, down, is_orderly=not error and self._flow.error is None)
        return error

    def _put(self, from_client: bool, data: bytes) -> None:
        self._waiting.append((from_client, data))
        self._waiting_size += len(data)
        if self._waiting_size > INBOX_BYTES:
            self._sources[from_client].pause_reading()
        self._wake()

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
            for source in self._sources.values():
                source.resume_reading()
            await self._woken()
            if not self._waiting:
                return
        from_client, data = self._waiting.popleft()
        self._waiting_size -= len(data)
        sink = self._sinks[from_client]
        if not data:
            sink.write_eof()
            return
        message = TCPMessage(from_client, data, self._session.time())
        self._record(message)
        await self._tell(self._session.hooks.tcp_message)
        if self._flow.error is None:
            sink.write(message.content)
            while sink.is_full and not self._is_over and self._flow.error is None:
                await self._woken()

    async def _tell(self, handlers: Handlers) -> None:
        """Call hooks, and hold the flow while one of them has it intercepted and both peers are there."""
        flow = self._flow
        await dispatch(handlers, flow)
        if flow.intercepted and not any(peer.is_lost for peer in self._sources.values()):
            self._held = Signal()
            flow.on_release = self._let_go_and_wake
            await self._held

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.set(None)

    def _let_go_and_wake(self) -> None:
        """Go on after `resume`, and see to the end after `kill`."""
        self._flow.on_release = self._let_go_and_wake
        self._let_go()
        self._wake()

    def _record(self, message: TCPMessage) -> None:
        """Keep the message; the oldest make room once there are more than body_memory bytes."""
        messages = self._flow.messages
        messages.append(message)
        self._kept.append(len(message.content))
        self._kept_size += len(message.content)
        while self._kept_size > self._session.settings.body_memory and len(messages) > 1:
            del messages[0]
            self._kept_size -= self._kept.popleft()


async def _run(up: Half, down: Half, from_client: bytes, from_server: bytes) -> None:
    over: Signal[str] = Signal()
    up.on_over = down.on_over = over.set
    why = ""
    _join(up, down, from_client, from_server)
    try:
        why = await over
    finally:
        _part(up, down, is_orderly=not why)
    if why:
        raise PeerError(why)


def _join(up: Half, down: Half, from_client: bytes, from_server: bytes) -> None:
    up.other, down.other = down, up
    up.touch()
    for half, data in ((up, from_client), (down, from_server)):
        half.source.receiver = half
        half.source.resume_reading()
        if data:
            half.received(data)
    for half in (up, down):
        if half.source.is_lost:
            half.finish("")
        elif half.source.has_ended:
            half.ended()


def _part(up: Half, down: Half, *, is_orderly: bool) -> None:
    up.on_over = down.on_over = None
    for half in (up, down):
        if is_orderly:
            half.source.close()
        else:
            half.source.break_off()


def _finish_if_ended(up: Half, down: Half) -> None:
    if up.has_ended and down.has_ended:
        up.finish("")
