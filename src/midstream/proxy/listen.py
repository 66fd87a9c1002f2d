"""Listening sockets: binding what the options ask for, and making a connection of every client."""

import asyncio
import contextlib
import logging
import socket
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

    async def open(self) -> None:
        """Bind and accept.

        Raises:
            UsageError: The address cannot be had; the message names the mode.

        """
        for sock in _bind(self.plan):
            loop = asyncio.get_running_loop()
            self._servers.append(await loop.create_server(self._welcome, sock=sock, backlog=BACKLOG))
            name = sock.getsockname()
            self._addresses.append((name[0], name[1]))
        self._session.own_addresses.update(self._addresses)

    async def close(self) -> None:
        """Accept no more; connections that are open go on."""
        self._session.own_addresses.difference_update(self._addresses)
        for server in self._servers:
            server.close()
        self._servers.clear()

    def _welcome(self) -> Peer:
        return Peer("client", self._session.deadlines, self._enter)

    def _enter(self, peer: Peer) -> None:
        address = peer.address_of("peername")
        host = address[0] if address is not None else ""
        if self._crowd[host] >= self._session.settings.max_connections_per_client:
            _log.warning("%s has %d connections open; refusing more", host, self._crowd[host])
            peer.abort()
            return
        self._crowd[host] += 1
        connection = ClientConnection(self._session, self._pool, peer, self.spec, self._leave)
        self.connections.add(connection)
        connection.start()

    def _leave(self, connection: ClientConnection) -> None:
        self.connections.discard(connection)
        address = connection.peer.address_of("peername")
        host = address[0] if address is not None else ""
        self._crowd[host] -= 1
        if self._crowd[host] <= 0:
            del self._crowd[host]


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
        if hasattr(socket, "SO_REUSEADDR") and socket.has_ipv6 is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _refused(plan: Listener, error: OSError) -> str:
    where = f"{plan.host or '*'}:{plan.port}"
    text = f"mode {plan.spec.full_spec!r} cannot listen on {where}: {error.strerror or error}"
    if plan.port and plan.port < 65534:
        text += f"; another port can be chosen with --listen-port {plan.port + 2}"
    return text
