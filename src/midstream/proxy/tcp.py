"""A TCP flow from its begin to its end: its messages go through the hooks if anybody listens, else the bytes are spliced."""

import logging
from typing import Protocol, TypeAlias

from midstream.flow import Client, Error, Server, TCPFlow
from midstream.hooks.table import dispatch
from midstream.proxy.peer import ByteReader, Peer
from midstream.proxy.session import Session
from midstream.proxy.tcpmessages import Messages
from midstream.proxy.tunnel import Splice, Tunnel
from midstream.wire.starttls import Watch

Facts: TypeAlias = tuple[Client, Server]
_log = logging.getLogger("midstream.proxy")


async def relay(
    session: Session, facts: Facts, client: Peer, server: Peer, from_client: bytes, from_server: bytes
) -> None:
    """Relay as a `TCPFlow` until the end, whatever it is that passes."""
    tcp = TcpRelay(session, facts)
    await tcp.run(client, server, from_client, from_server)
    await tcp.end()


class TcpRelay:
    """Relays one `TCPFlow`: over one tunnel, or over several where TLS begins in between."""

    def __init__(self, session: Session, facts: Facts) -> None:
        self.flow = TCPFlow(*facts, live=True)
        self._session = session
        hooks = session.hooks
        is_read = hooks.tcp_start or hooks.tcp_message or _log.isEnabledFor(logging.DEBUG)
        self._way: _Way = Messages(session, self.flow) if is_read else _Unseen(session, self.flow)
        self.flow.on_inject = self._way.inject

    async def run(
        self, client: Peer, server: Peer, from_client: bytes, from_server: bytes, watch: Watch | None = None
    ) -> tuple[ByteReader, ByteReader] | None:
        """Relay until both connections are closed; or until TLS begins, which `watch` tells: then return what reads it."""
        tunnel = await self._way.run(client, server, from_client, from_server, watch)
        return None if tunnel.tls is None else tunnel.leave()

    def look_away(self) -> None:
        """Have what follows pass unseen."""
        unseen = _Unseen(self._session, self.flow)
        unseen.tunnel = self._way.tunnel
        self._way = unseen
        self.flow.on_inject = None

    async def end(self, error: str = "") -> None:
        """Tell that the flow is over, and why."""
        flow, tunnel, hooks = self.flow, self._way.tunnel, self._session.hooks
        flow.live = False
        flow.on_release = flow.on_inject = None
        error = error or tunnel.error
        if flow.error is not None:
            tunnel.closed("proxy", "killed")
        elif error:
            flow.error = Error(error, self._session.time())
            tunnel.closed("proxy", error)
        flow.closed_by, flow.close_reason = tunnel.closed_by, tunnel.close_reason
        await dispatch(hooks.tcp_error if flow.error is not None else hooks.tcp_end, flow)


class _Way(Protocol):
    """How bytes pass."""

    tunnel: Tunnel

    async def run(
        self, client: Peer, server: Peer, from_client: bytes, from_server: bytes, watch: Watch | None, /
    ) -> Tunnel: ...

    def inject(self, to_client: bool, data: bytes, /) -> None: ...


class _Unseen:
    """The way of a flow whose messages nobody wants to see."""

    def __init__(self, session: Session, flow: TCPFlow) -> None:
        self.tunnel: Tunnel
        self._session = session
        self._flow = flow
        self._injected: list[tuple[bool, bytes]] = []
        """What waits for TLS to be there."""

    async def run(
        self, client: Peer, server: Peer, from_client: bytes, from_server: bytes, watch: Watch | None
    ) -> Tunnel:
        splice = Splice(self._session, client, server, watch)
        self.tunnel = splice.tunnel
        self._flow.on_release = self._end_if_killed
        self._end_if_killed()
        for to_client, data in self._injected:
            self._write(to_client, data)
        self._injected.clear()
        return await splice.run(from_client, from_server)

    def inject(self, to_client: bool, data: bytes) -> None:
        self.tunnel.refuse_injection(to_client=to_client)
        if self.tunnel.tls is None:
            self._write(to_client, data)
        else:
            self._injected.append((to_client, data))

    def _write(self, to_client: bool, data: bytes) -> None:
        (self.tunnel.up if to_client else self.tunnel.down).source.write(data)

    def _end_if_killed(self) -> None:
        if self._flow.error is not None:
            self.tunnel.closed("proxy", "killed")
            self.tunnel.up.source.abort()
            self.tunnel.down.source.abort()
