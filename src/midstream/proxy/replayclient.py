"""The client of a replay, which nobody is: it takes what it is told, and after a switch of protocols something plays it."""

import asyncio
from typing import Protocol

from midstream.proxy.patience import Patience
from midstream.proxy.peer import Peer
from midstream.proxy.session import Session
from midstream.proxy.streams import Detached, Inbox, ServerStream
from midstream.wire.events import Event, ResponseHead


class End(Protocol):
    """What plays the other end of a connection."""

    def received(self, data: bytes) -> None:
        """Take bytes."""

    def lost(self) -> None:
        """The connection is gone; called once, last."""


class PlayedTransport(asyncio.Transport):
    """A connection whose other end is an object of ours.

    Like any transport it calls nobody from inside of what it is told to do: `flush`, at the end of the loop's turn, does.
    """

    end: End | None = None

    def __init__(self, session: Session) -> None:
        super().__init__({})
        self.peer = Peer("client", session.deadlines, session.turns)
        self._session = session
        self._written: list[bytes] = []
        self._is_paused = False
        self._is_closing = False
        self._is_told = False
        self._readable: Patience | None = None
        self.peer.connection_made(self)

    # What the end calls.

    def feed(self, data: bytes) -> None:
        """Have the peer receive bytes."""
        if not self._is_closing:
            self.peer.data_received(data)

    async def readable(self) -> None:
        """Wait until the peer wants to read; one that does not for too long is left."""
        if not self._is_paused or self._is_closing:
            return
        self._readable = patience = Patience(self._session.deadlines, self._session.settings.tcp_timeout)
        try:
            await patience
        finally:
            patience.end()
            self._readable = None
        if patience.has_expired:
            self.close()

    # What the peer calls.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._is_closing:
            self._written.append(bytes(data))
            self._session.turns.add(self)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.close()

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False
        self._session.turns.add(self)

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._session.turns.add(self)

    def abort(self) -> None:
        self.close()

    def flush(self) -> None:
        """Pass on what was written, and tell what else has become of the connection."""
        written, self._written = self._written, []
        if written and self.end is not None:
            self.end.received(b"".join(written))
        if self._is_closing and not self._is_told:
            self._is_told = True
            if self.end is not None:
                self.end.lost()
            self.peer.connection_lost(None)
        if self._readable is not None and (self._is_closing or not self._is_paused):
            self._readable.set(None)


class ReplayClient:
    """A stream on which a request has come, and of which nobody reads the response: the flow has it."""

    id = 0
    passes_codes = False
    is_full = False

    def __init__(self, session: Session) -> None:
        self.inbox = Inbox(self)
        self._session = session
        self.transport: PlayedTransport | None = None
        """What the client goes on with after a switch of protocols."""

    def send(self, *events: Event) -> None:
        """Do nothing."""

    def send_whole(self, head: ResponseHead, body: bytes) -> None:
        """Do nothing."""

    async def drained(self) -> None:
        """Return: who reads nothing is never slow."""

    def say_close(self) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing: there is no next request."""

    def abort(self, code: int | None = None) -> None:
        """Do nothing: the flow tells what happened."""

    def detach(self) -> Detached:
        self.transport = PlayedTransport(self._session)
        return Detached(self.transport.peer, b"")

    def lend_priority(self, server: ServerStream) -> None:
        """Do nothing."""

    def pause_reading(self) -> None:
        """Do nothing: nothing comes."""

    def resume_reading(self) -> None:
        """Do nothing."""
