"""Listening sockets: binding what the options ask for, and making a connection of every client."""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import sys
from collections import Counter
from collections.abc import Sequence

from midstream.errors import UsageError
from midstream.flow.dnsrecord import prepare
from midstream.options import Listener, ModeSpec
from midstream.proxy.connection import ClientConnection
from midstream.proxy.datagramlayers import relay_datagrams
from midstream.proxy.datagrams import DatagramClient, DatagramPort
from midstream.proxy.dns import answer_datagrams
from midstream.proxy.dnsasker import Asker
from midstream.proxy.dnsconnection import DnsConnection
from midstream.proxy.network import keep_alive
from midstream.proxy.peer import Peer
from midstream.proxy.pool import Pool
from midstream.proxy.session import Session

BACKLOG = 4096
DATAGRAM_BUFFER = 1 << 20
"""What the system may keep of datagrams while we are busy, as far as it lets us."""
FREE_PORTS_TRIED = 10
"""How often a port is looked for that is free for connections and datagrams alike."""
_log = logging.getLogger("midstream.proxy")


class Door:
    """One mode listening, on one port, with the connections that came through it."""

    def __init__(self, session: Session, pool: Pool, plan: Listener, crowd: Counter[str]) -> None:
        self._plan = plan
        self._streams: set[ClientConnection] = set()
        self._session = session
        self._pool = pool
        self._crowd = crowd
        """Open connections by client address, over all doors."""
        self._sockets: list[socket.socket] = []
        """Bound, and not yet accepting."""
        self._servers: list[asyncio.AbstractServer] = []
        self._addresses: list[tuple[str, int]] = []
        self._ports: list[DatagramPort] = []
        self._asker = self._new_asker()
        self._askers = [self._asker]

    @property
    def connections(self) -> Sequence[ClientConnection | DatagramClient]:
        """The clients that came through it and are still there."""
        return [*self._streams, *(client for port in self._ports for client in port.clients)]

    @property
    def plan(self) -> Listener:
        """The mode, and where it listens; another of the same transports may be assigned, for clients to come."""
        return self._plan

    @plan.setter
    def plan(self, plan: Listener) -> None:
        if plan == self._plan:
            return
        self._plan = plan
        self._asker = self._new_asker()
        self._askers.append(self._asker)
        for port in self._ports:
            port.mode = plan.spec

    @property
    def spec(self) -> ModeSpec:
        return self._plan.spec

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; the first of several addresses."""
        return self._addresses[0]

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return self._addresses

    def is_at(self, plan: Listener) -> bool:
        """True if this is where `plan` wants to listen."""
        own = self._plan
        return (plan.host, plan.port, *_transports(plan)) == (own.host, own.port, *_transports(own))

    def bind(self) -> None:
        """Take the address; clients that come now wait for `open`.

        Raises:
            UsageError: The address cannot be had; the message names the mode.

        """
        if self.spec.name == "transparent" and not sys.platform.startswith("linux"):
            raise UsageError(f"mode {self.spec.full_spec!r} needs Linux: only there we know where clients were going")
        self._sockets = _bind(self.plan)
        self._addresses = list(dict.fromkeys(sock.getsockname()[:2] for sock in self._sockets))
        self._session.own_addresses.update(self._addresses)

    async def open(self) -> None:
        """Accept clients at the bound address."""
        if self._asker is not None:
            await asyncio.to_thread(prepare)
        loop = asyncio.get_running_loop()
        while self._sockets:
            sock = self._sockets.pop(0)
            if sock.type == socket.SOCK_DGRAM:
                await self._open_port(sock)
                continue
            self._servers.append(await loop.create_server(self._welcome, sock=sock, backlog=BACKLOG))

    def close(self) -> None:
        """Accept no more; connections that are open go on."""
        self._session.own_addresses.difference_update(self._addresses)
        for server in self._servers:
            server.close()
        for sock in self._sockets:
            sock.close()
        for port in self._ports:
            port.close()
        self._servers.clear()
        self._sockets.clear()

    def end(self) -> None:
        """Let go of what served connections that are over, or given up."""
        for asker in self._askers:
            if asker is not None:
                asker.close()

    def _new_asker(self) -> Asker | None:
        return Asker(self._session, self._pool, self.spec) if self.spec.is_dns else None

    async def _converse(self, talker: DatagramClient) -> None:
        await (relay_datagrams(talker) if self._asker is None else answer_datagrams(self._asker, talker))

    async def _open_port(self, sock: socket.socket) -> None:
        port = DatagramPort(self._session, self.spec, self._crowd, self._converse)
        self._ports.append(port)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: port, sock=sock)

    def _welcome(self) -> Peer:
        return Peer("client", self._session.deadlines, self._session.turns, self._enter)

    def _enter(self, peer: Peer) -> None:
        host = self._counted_as(peer)
        if host and self._crowd[host] >= self._session.settings.max_connections_per_client:
            _log.warning("%s has %d connections open; refusing more", host, self._crowd[host])
            peer.abort()
            return
        self._crowd[host] += 1
        connection = self._connection(peer)
        self._streams.add(connection)
        connection.start()

    def _connection(self, peer: Peer) -> ClientConnection:
        if self._asker is None:
            return ClientConnection(self._session, self._pool, peer, self.spec, self._leave)
        connection = DnsConnection(self._session, self._pool, peer, self.spec, self._leave)
        connection.asker = self._asker
        return connection

    def _leave(self, connection: ClientConnection) -> None:
        self._streams.discard(connection)
        host = self._counted_as(connection.peer)
        self._crowd[host] -= 1
        if self._crowd[host] <= 0:
            del self._crowd[host]

    def _counted_as(self, peer: Peer) -> str:
        """Return the address under which a client is counted; nothing for a balancer, who is many clients."""
        address = peer.address_of("peername")
        return "" if address is None or self._session.trusts_proxy_line(address) else address[0]


def _transports(plan: Listener) -> list[socket.SocketKind]:
    stream = [socket.SOCK_STREAM] if plan.spec.uses_tcp else []
    return [*stream, socket.SOCK_DGRAM] if plan.spec.uses_udp else stream


def _bind(plan: Listener) -> list[socket.socket]:
    """Bind a port for all that the mode listens for: one address, or IPv4 and IPv6 for all interfaces (MD-19)."""
    for left in reversed(range(1 if plan.port else FREE_PORTS_TRIED)):
        try:
            return _bind_all(plan)
        except OSError as error:
            if not left or error.errno != errno.EADDRINUSE:
                raise UsageError(_refused(plan, error)) from error
    raise AssertionError


def _bind_all(plan: Listener) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        for kind in _transports(plan):
            port = sockets[0].getsockname()[1] if sockets else plan.port
            sockets.append(_listen_on(plan.host or "0.0.0.0", port, kind))  # noqa: S104 - what the user asked for
            if not plan.host:
                with contextlib.suppress(OSError):  # a machine without IPv6
                    sockets.append(_listen_on("::", sockets[0].getsockname()[1], kind))
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _listen_on(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    family, _, proto, _, address = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)[0]
    sock = socket.socket(family, kind, proto)
    try:
        if os.name == "posix" and kind == socket.SOCK_STREAM:  # elsewhere it would let two programs have one port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_DGRAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, DATAGRAM_BUFFER)
        else:
            keep_alive(sock)
        sock.setblocking(False)
        sock.bind(address)
        if kind == socket.SOCK_STREAM:
            sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _refused(plan: Listener, error: OSError) -> str:
    where = f"{plan.host or '*'}:{plan.port}"
    text = f"mode {plan.spec.full_spec!r} cannot listen on {where}: {error.strerror or error}"
    if error.errno == errno.EADDRINUSE and plan.port < 65534:
        text += f"; another port can be chosen with --listen-port {plan.port + 2}"
    return text
