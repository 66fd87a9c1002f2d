"""Relaying bytes between two peers, whatever they mean.

Each side's bytes are handed on inside the call that brought them. Half-closes stay half-closed, a slow reader slows the
other side down, and what ended it is known: who was first, and how. A reset is passed on as one.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

from midstream.flow import ControlException
from midstream.proxy.peer import ByteReader, Peer
from midstream.proxy.session import Session
from midstream.proxy.stepper import Signal
from midstream.wire.errors import PeerError
from midstream.wire.starttls import Watch

Take: TypeAlias = Callable[[bytes], None]
"""Takes what a side has sent, and b"" for the end of it."""
RST = "RST"


class Half:
    """One direction: what comes from `source` is given to `take`."""

    def __init__(self, tunnel: "Tunnel", source: Peer, side: Literal["client", "server"], take: Take) -> None:
        self.source = source
        self.other: Half
        self.size = 0
        """Bytes that have come."""
        self.has_ended = False
        self._tunnel = tunnel
        self._side = side
        self._take = take

    def received(self, data: bytes) -> None:
        self._tunnel.touch()
        self.size += len(data)
        self._take(data)

    def ended(self) -> None:
        if not self.has_ended:
            self.has_ended = True
            self._tunnel.closed(self._side, self.source.ending or "FIN")
            self._take(b"")

    def lost(self, error: PeerError) -> None:
        if self.source.ending:
            self._tunnel.closed(self._side, self.source.ending)
        else:
            self._tunnel.closed("proxy", "stopped")
        self._tunnel.finish("" if self._is_orderly() else error.message)

    def _is_orderly(self) -> bool:
        """Tell whether a lost connection has lost nothing: clients that have heard the last word often do not say theirs."""
        if self._side == "client" and self.other.has_ended:
            return True
        return self.has_ended and self.source.ending != RST

    def writable(self) -> None:
        self.other.source.resume_reading()
        self._tunnel.on_writable()

    def timed_out(self, stage: str) -> None:
        self._tunnel.timed_out(stage)


class Tunnel:
    """Both directions between two peers, until both have ended or one is lost."""

    def __init__(self, session: Session, client: Peer, server: Peer, up: Take, down: Take) -> None:
        self.up = Half(self, client, "client", up)
        self.down = Half(self, server, "server", down)
        self.up.other, self.down.other = self.down, self.up
        self.is_over = False
        self.error = ""
        """What went wrong; nothing if the end was an orderly one."""
        self.tls: tuple[bytes, bytes] | None = None
        """What both sides have said since the client began TLS; None as long as it has not."""
        self.closed_by: Literal["", "client", "server", "proxy"] = ""
        self.close_reason = ""
        self.on_over: Callable[[], None] | None = None
        self.on_writable: Callable[[], None] = _nothing
        self.is_held: Callable[[], bool] = bool
        """Somebody is thinking about what passes: no time runs out meanwhile."""
        self._deadlines = session.deadlines
        self._idle_limit = session.settings.tcp_timeout

    def join(self, from_client: bytes, from_server: bytes) -> None:
        """Begin, with what has come already: the server's first, for it has heard nothing of the client's yet."""
        self.touch()
        halves = ((self.down, from_server), (self.up, from_client))
        for half, data in halves:
            half.source.receiver = half
            half.source.resume_reading()
            if data:
                half.received(data)
        for half, _ in halves:
            if half.source.is_lost:
                half.lost(PeerError(f"the {half.source.name} closed the connection"))
            elif half.source.has_ended:
                half.ended()

    def touch(self) -> None:
        """Count this as a sign of life of both directions."""
        if self._idle_limit:
            self.up.source.deadline = self.down.source.deadline = self._deadlines.now + self._idle_limit

    def timed_out(self, stage: str) -> None:
        """End because nothing moves, unless somebody is thinking."""
        if self.is_held():
            self.touch()
        else:
            self.closed("proxy", "timeout")
            self.finish(f"timed out: {stage or 'nothing moved'}")

    def closed(self, by: Literal["client", "server", "proxy"], how: str) -> None:
        """Take note of who closes; the first one counts."""
        if not self.closed_by:
            self.closed_by, self.close_reason = by, how

    def finish(self, error: str) -> None:
        """End; `error` is empty for an orderly end."""
        if not self.is_over:
            self.is_over, self.error = True, error
            if self.on_over is not None:
                self.on_over()

    def begin_tls(self, from_client: bytes, from_server: bytes) -> None:
        """End, and leave both connections open, because the client begins TLS with these bytes."""
        self.tls = (from_client, from_server)
        self.finish("")

    def has_begun_tls(self, data: bytes, *, from_client: bool) -> bool:
        """Tell whether `data` comes behind the begin of TLS, and if so keep it for whoever opens that."""
        if self.tls is None:
            return False
        up, down = self.tls
        self.tls = (up + data, down) if from_client else (up, down + data)
        return True

    def refuse_injection(self, *, to_client: bool) -> None:
        """Raise ControlException if nothing can be sent in this direction any more."""
        half, sender = (self.down, "server") if to_client else (self.up, "client")
        if self.is_over and self.tls is None:
            raise ControlException("this connection is over, so nothing can be injected")
        if half.has_ended:
            raise ControlException(f"the {sender} has said that nothing more comes, so nothing can be injected")

    def finish_if_ended(self) -> None:
        """End if neither side has anything to say any more."""
        if self.up.has_ended and self.down.has_ended:
            self.finish("")

    def part(self, *, is_orderly: bool) -> None:
        """Close both sides; a side whose other side has reset the connection is told so in the same way."""
        self.on_over = None
        for half in (self.up, self.down):
            if half.other.source.ending == RST:
                half.source.reset()
            elif is_orderly:
                half.source.close()
            else:
                half.source.break_off()

    def leave(self) -> tuple[ByteReader, ByteReader]:
        """Leave both connections to readers, which begin with the first bytes of TLS."""
        assert self.tls is not None
        self.on_over = None
        readers = (ByteReader(self.up.source), ByteReader(self.down.source))
        for half, reader, data in zip((self.up, self.down), readers, self.tls, strict=True):
            reader.unread(data)
            half.source.resume_reading()
        return readers


def _nothing() -> None:
    pass


class Splice:
    """Relays untouched, inside the calls that bring the bytes."""

    def __init__(self, session: Session, client: Peer, server: Peer, watch: Watch | None = None) -> None:
        """`watch` is told what passes, and ends this where TLS begins."""
        up, down = (self._up, self._down) if watch is None else (self._watched_up, self._watched_down)
        self.tunnel = Tunnel(session, client, server, up, down)
        self._client = client
        self._server = server
        self._watch = watch

    async def run(self, from_client: bytes, from_server: bytes) -> Tunnel:
        """Relay until both sides have ended and are closed, or until TLS begins."""
        over: Signal[None] = Signal()
        tunnel = self.tunnel
        tunnel.on_over = lambda: over.set(None)
        tunnel.join(from_client, from_server)
        try:
            await over
        finally:
            if tunnel.tls is None:
                tunnel.part(is_orderly=not tunnel.error)
        return tunnel

    def _up(self, data: bytes) -> None:
        self._forward(self._server, self._client, data)

    def _down(self, data: bytes) -> None:
        self._forward(self._client, self._server, data)

    def _watched_up(self, data: bytes) -> None:
        assert self._watch is not None
        if self.tunnel.has_begun_tls(data, from_client=True):
            return
        offset = self._watch.from_client(data) if data else None
        if offset is None:
            self._forward(self._server, self._client, data)
        else:
            self._server.write(data[:offset])
            self.tunnel.begin_tls(data[offset:], b"")

    def _watched_down(self, data: bytes) -> None:
        assert self._watch is not None
        if self.tunnel.has_begun_tls(data, from_client=False):
            return
        if data:
            self._watch.from_server(data)
        self._forward(self._client, self._server, data)

    def _forward(self, sink: Peer, source: Peer, data: bytes) -> None:
        if not data:
            sink.write_eof()
            self.tunnel.finish_if_ended()
            return
        sink.write(data)
        if sink.is_full:
            source.pause_reading()
