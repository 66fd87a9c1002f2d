"""Listening sockets: binding what the options ask for, and making a connection of every client."""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import sys
from collections import Counter

from midstream.errors import UsageError
from midstream.options import Listener, ModeSpec
from midstream.proxy.connection import ClientConnection
from midstream.proxy.peer import Peer
from midstream.proxy.pool import Pool
from midstream.proxy.session import Session

BACKLOG = 4096
_log = logging.getLogger("midstream.proxy")


class Door:
    """One mode listening, on one port, with the connections that came through it."""

    def __init__(self, session: Session, pool: Pool, plan: Listener, crowd: Counter[str]) -> None:
        self.plan = plan
        self.connections: set[ClientConnection] = set()
        self._session = session
        self._pool = pool
        self._crowd = crowd
        """Open connections by client address, over all doors."""
        self._sockets: list[socket.socket] = []
        """Bound, and not yet accepting."""
        self._servers: list[asyncio.AbstractServer] = []
        self._addresses: list[tuple[str, int]] = []

    @property
    def spec(self) -> ModeSpec:
        return self.plan.spec

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; the first of several addresses."""
        return self._addresses[0]

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return self._addresses

    def is_at(self, plan: Listener) -> bool:
        """True if this is where `plan` wants to listen."""
        return (plan.host, plan.port) == (self.plan.host, self.plan.port)

    def bind(self) -> None:
        """Take the address; clients that come now wait for `open`.

        Raises:
            UsageError: The address cannot be had; the message names the mode.

        """
        if self.spec.name == "transparent" and not sys.platform.startswith("linux"):
            raise UsageError(f"mode {self.spec.full_spec!r} needs Linux: only there we know where clients were going")
        self._sockets = _bind(self.plan)
        self._addresses = [sock.getsockname()[:2] for sock in self._sockets]
        self._session.own_addresses.update(self._addresses)

    async def open(self) -> None:
        """Accept clients at the bound address."""
        loop = asyncio.get_running_loop()
        while self._sockets:
            sock = self._sockets.pop(0)
            self._servers.append(await loop.create_server(self._welcome, sock=sock, backlog=BACKLOG))

    def close(self) -> None:
        """Accept no more; connections that are open go on."""
        self._session.own_addresses.difference_update(self._addresses)
        for server in self._servers:
            server.close()
        for sock in self._sockets:
            sock.close()
        self._servers.clear()
        self._sockets.clear()

    def _welcome(self) -> Peer:
        return Peer("client", self._session.deadlines, self._session.turns, self._enter)

    def _enter(self, peer: Peer) -> None:
        host = self._counted_as(peer)
        if host and self._crowd[host] >= self._session.settings.max_connections_per_client:
            _log.warning("%s has %d connections open; refusing more", host, self._crowd[host])
            peer.abort()
            return
        self._crowd[host] += 1
        connection = ClientConnection(self._session, self._pool, peer, self.spec, self._leave)
        self.connections.add(connection)
        connection.start()

    def _leave(self, connection: ClientConnection) -> None:
        self.connections.discard(connection)
        host = self._counted_as(connection.peer)
        self._crowd[host] -= 1
        if self._crowd[host] <= 0:
            del self._crowd[host]

    def _counted_as(self, peer: Peer) -> str:
        """Return the address under which a client is counted; nothing for a balancer, who is many clients."""
        address = peer.address_of("peername")
        return "" if address is None or self._session.trusts_proxy_line(address) else address[0]


def _bind(plan: Listener) -> list[socket.socket]:
    """Bind one address, or IPv4 and IPv6 on the same port for all interfaces (MD-19)."""
    try:
        if plan.host:
            return [_listen_on(plan.host, plan.port)]
        first = _listen_on("0.0.0.0", plan.port)  # noqa: S104 - what the user asked for
    except OSError as error:
        raise UsageError(_refused(plan, error)) from error
    sockets = [first]
    with contextlib.suppress(OSError):  # a machine without IPv6
        sockets.append(_listen_on("::", first.getsockname()[1]))
    return sockets


def _listen_on(host: str, port: int) -> socket.socket:
    family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
        0
    ]
    sock = socket.socket(family, kind, proto)
    try:
        if os.name == "posix":  # elsewhere it would let two programs have one port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind(address)
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
