"""UDP sockets: the port that clients send to, and the sockets on which servers are spoken to.

Where there are no connections, an address that sends to us stands for one: a `DatagramClient` lives as long as something comes from
it, or for it. Addresses can be forged, so there is a bound on how many there are, and on how much is sent to those of strangers.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from typing import Final, TypeAlias, cast

from midstream.flow import Client, ConnectionState, Server
from midstream.flow.connection import Address
from midstream.hooks.data import ServerConnectionHookData
from midstream.hooks.table import dispatch
from midstream.options.modes import ModeSpec
from midstream.pki.names import ip_address
from midstream.proxy.deadlines import NEVER
from midstream.proxy.dial import NotAllowed, cause_of, in_time, refuse_own
from midstream.proxy.failure import ClientLeft, Failed
from midstream.proxy.policy import authority_name
from midstream.proxy.session import Session
from midstream.proxy.stepper import Signal, Step
from midstream.wire.errors import PeerError

WAITING: Final = 256
"""Datagrams of one client that may wait; what comes when so many do is lost, as datagrams may be."""
Converse: TypeAlias = "Callable[[DatagramClient], Awaitable[None]]"
_log = logging.getLogger("midstream.proxy")


class DatagramClient:
    """An address that sends datagrams to us: what stands for a client's connection where there is none."""

    def __init__(self, port: "DatagramPort", address: Address) -> None:
        self.session = port.session
        self.client = Client(
            peername=address,
            sockname=port.sockname,
            proxy_mode=port.mode,
            timestamp_start=self.session.time(),
            transport_protocol="udp",
        )
        self.deadline = NEVER
        self.is_over = False
        self.is_held: Callable[[], bool] = lambda: False
        """Somebody is thinking about what it sent: no time runs out meanwhile."""
        self.is_idle: Callable[[], bool] = lambda: True
        """Nothing is under way, as far as anybody knows."""
        self.on_end: Callable[[], None] = lambda: None
        self.host = address[0]
        self.reads: Callable[[bytes], None] = self.deliver
        """What is done with a datagram of the client; what opens DTLS reads it first, and delivers what is inside."""
        self._port = port
        self._address = address
        self._waiting: deque[bytes] = deque()
        self._signal: Signal[None] | None = None
        self._allowance = port.allowance(address)
        self._step = Step(self._run(), self._ended)

    def start(self) -> None:
        self.touch()
        self.session.deadlines.watch(self)
        self._step.start()

    def received(self, data: bytes) -> None:
        """Take a datagram of the client."""
        self.touch()
        if self._allowance is not None:
            self._allowance += len(data) * self.session.settings.udp_amplification
        self.reads(data)

    def deliver(self, data: bytes) -> None:
        """Have something wait for `next`, unless too much does already."""
        if len(self._waiting) < WAITING:
            self._waiting.append(data)
            self.wake()

    def take(self) -> list[bytes]:
        """Return all that waits."""
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting

    def unread(self, data: Iterable[bytes]) -> None:
        """Put back what was taken, in its order."""
        self._waiting.extendleft(reversed(list(data)))

    @property
    def has_more(self) -> bool:
        """Something waits."""
        return bool(self._waiting)

    def confirm(self) -> None:
        """Take note that the address is not forged: it has answered what was sent to it."""
        self._allowance = None

    async def next(self) -> bytes | None:
        """Return the next datagram of the client; None once it is over, or when somebody else has called `wake`."""
        if not self._waiting and not self.is_over:
            self._signal = Signal()
            await self._signal
        return self._waiting.popleft() if self._waiting and not self.is_over else None

    def wake(self) -> None:
        signal, self._signal = self._signal, None
        if signal is not None:
            signal.set(None)

    @property
    def room(self) -> int:
        """How many bytes the client may be sent at present."""
        return 65_507 if self._allowance is None else self._allowance

    def send(self, data: bytes) -> bool:
        """Send a datagram to the client; False if it is not to be sent so much."""
        if len(data) > self.room:
            return False
        if self._allowance is not None:
            self._allowance -= len(data)
        self.touch()
        self._port.send(data, self._address)
        return True

    def touch(self) -> None:
        """Count this as a sign of life."""
        self.deadline = self.session.deadlines.now + self.session.settings.udp_timeout

    def expired(self) -> None:
        if self.is_held():
            self.touch()
        else:
            self.end()

    def end(self) -> None:
        """Take no more of the client's datagrams; what comes from its address now begins anew."""
        if not self.is_over:
            self.is_over = True
            self.deadline = NEVER
            self.session.deadlines.forget(self)
            self._port.forget(self._address)
            self.on_end()
            self.wake()

    def begin_anew(self, data: bytes) -> None:
        """End, and be another client from this datagram on."""
        self.end()
        self._port.datagram_received(data, self._address)

    def stop(self) -> None:
        """Break off, at shutdown."""
        self.end()

    def stop_if_idle(self) -> None:
        """End if nothing is under way."""
        if self.is_idle():
            self.end()

    async def _run(self) -> None:
        client, hooks = self.client, self.session.hooks
        await dispatch(hooks.client_connected, client)
        if client.error:
            _log.info("%s refused: %s", authority_name(*self._address[:2]), client.error)
            while not self.is_over:
                await self.next()
        else:
            await self._port.converse(self)
        self.end()
        client.timestamp_end = self.session.time()
        client.state = ConnectionState.CLOSED
        await dispatch(hooks.client_disconnected, client)

    def _ended(self, error: BaseException | None) -> None:
        """Take note of the end. A mistake of ours is told here: whoever brought the datagram serves others, too."""
        self.end()
        self._port.ended(self)
        if error is not None:
            _log.error("%s: %r", authority_name(*self._address[:2]), error, exc_info=error)


class DatagramPort(asyncio.DatagramProtocol):
    """A UDP port that we listen at, and those who send there."""

    def __init__(self, session: Session, mode: ModeSpec, crowd: Counter[str], converse: Converse) -> None:
        self.session = session
        self.mode = mode
        self.converse = converse
        """What is to be done with a client: waits until it is over."""
        self.clients: set[DatagramClient] = set()
        """Those about whom not everybody has been told yet that they are over, too."""
        self.sockname: tuple[str, int] | None = None
        self._talking: dict[Address, DatagramClient] = {}
        """By address; the one that was silent longest comes first."""
        self._crowd = crowd
        self._transport: asyncio.DatagramTransport
        self._is_closing = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        self.sockname = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, address: Address) -> None:
        talking = self._talking
        known = talking.pop(address, None)
        if known is not None:
            talking[address] = known
            known.received(data)
        elif not self._is_closing and self._has_place(address[0]):
            talking[address] = new = DatagramClient(self, address)
            self.clients.add(new)
            self._crowd[new.host] += 1
            new.received(data)
            new.start()

    def error_received(self, exc: Exception) -> None:
        """Go on: some systems report here that a client's port is closed (UDP-14)."""
        _log.debug("a datagram could not be delivered: %s", exc)

    # What the rest of the proxy calls.

    def send(self, data: bytes, address: Address) -> None:
        if not self._transport.is_closing():
            send_datagram(self._transport, data, address)

    def close(self) -> None:
        """Take no new clients; close when there are none left."""
        self._is_closing = True
        self._close_if_empty()

    def forget(self, address: Address) -> None:
        """Begin anew with whatever comes from there."""
        self._talking.pop(address, None)

    def ended(self, client: DatagramClient) -> None:
        """Take note that all is said about a client."""
        self.clients.discard(client)
        self._crowd[client.host] -= 1
        if self._crowd[client.host] <= 0:
            del self._crowd[client.host]
        self._close_if_empty()

    def allowance(self, address: Address) -> int | None:
        """Return how many bytes may be sent to an address that has sent nothing; None for any number."""
        return 0 if self.session.settings.udp_amplification and _is_public(address[0]) else None

    def _has_place(self, host: str) -> bool:
        settings = self.session.settings
        if self._crowd[host] >= settings.max_connections_per_client:
            return False
        while len(self._talking) >= settings.max_udp_clients:
            next(iter(self._talking.values())).end()
        return True

    def _close_if_empty(self) -> None:
        if self._is_closing and not self.clients and hasattr(self, "_transport"):
            self._transport.close()


@lru_cache(10_000)
def _is_public(host: str) -> bool:
    address = ip_address(host)
    address = getattr(address, "ipv4_mapped", None) or address
    return address is not None and address.is_global


class DatagramLink(asyncio.DatagramProtocol):
    """A socket of ours on which one server is spoken to."""

    def __init__(self, receive: Callable[[bytes], None], failed: Callable[[str], None]) -> None:
        self._receive = receive
        self._failed = failed
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - connected: it is the server's
        self._receive(data)

    def error_received(self, exc: Exception) -> None:
        """Pass on that nobody listens at the server's port, or that there is no way to it."""
        self._failed(cause_of(exc) if isinstance(exc, OSError) else str(exc))

    def send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            send_datagram(self.transport, data)

    def close(self) -> None:
        self.transport.close()


def send_datagram(transport: asyncio.DatagramTransport, data: bytes, address: Address | None = None) -> None:
    """Send a datagram, an empty one too: loops take those for nothing to do."""
    if data or (handle := transport.get_extra_info("socket")) is None:
        transport.sendto(data, address)
        return
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(handle.fileno())) as same:
        if address is None:
            same.send(data)
        else:
            same.sendto(data, address)


async def open_datagrams(session: Session, server: Server, client: Client, link: DatagramLink) -> None:
    """Make `link` a socket that is connected to `server`, with the hooks that a connection has.

    Raises:
        PeerError: The server has no address, or an addon refused it (502).

    """
    hooks = session.hooks
    data = ServerConnectionHookData(server, client)
    server.timestamp_start = session.time()
    await dispatch(hooks.server_connect, data)
    try:
        if server.error:
            raise NotAllowed(server.error, status=502)
        await _connect(session, server, link)
    except (PeerError, ClientLeft, Failed) as error:
        server.error = error.message
        await dispatch(hooks.server_connect_error, data)
        raise
    await dispatch(hooks.server_connected, data)


async def _connect(session: Session, server: Server, link: DatagramLink) -> None:
    assert server.address is not None
    host, port = server.address[:2]
    refuse_own(session, host, port)
    source = server.sockname[0] if server.sockname is not None else session.options.connect_addr
    opening = session.network.open_datagrams(host, port, source, link)
    await in_time(session, opening, f"cannot reach {authority_name(host, port)}")
    server.peername = link.transport.get_extra_info("peername")
    server.sockname = link.transport.get_extra_info("sockname")
    server.state = ConnectionState.OPEN
    try:
        refuse_own(session, *(server.peername or (host, port))[:2])
    except NotAllowed:
        link.close()
        raise
