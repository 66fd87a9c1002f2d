r"""Proxy scenarios as scripts: what each side sends, and what the other side then has received.

```python
def test_response_set_by_addon_never_reaches_upstream() -> None:
    class Answer:
        def request(self, flow):
            flow.response = Response.make(204)

    scenario = Scenario(addons=[Answer()])
    client = scenario.client()
    client.sends(b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 204 No Content\r\n")
    assert scenario.servers == []
```
"""

import errno
from asyncio import DatagramProtocol
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import cache, cached_property
from typing import Any, TypeVar

from midstream.hooks.addons import Addons
from midstream.hooks.commands import Commands
from midstream.hooks.context import entered
from midstream.hooks.table import HookTable
from midstream.options import ModeSpec, Options
from midstream.pki.authority import CertificateAuthority
from midstream.pki.store import CertStore
from midstream.proxy.connection import ClientConnection
from midstream.proxy.datagramlayers import relay_datagrams
from midstream.proxy.datagrams import DatagramClient, DatagramPort
from midstream.proxy.dns import answer_datagrams
from midstream.proxy.dnsasker import Asker
from midstream.proxy.dnsconnection import DnsConnection
from midstream.proxy.patience import Patience
from midstream.proxy.peer import Peer
from midstream.proxy.pool import Pool
from midstream.proxy.replays import Replays
from midstream.proxy.session import Session
from midstream.proxy.tls import TlsProfiles
from midstream.testing.transport import MemoryDatagrams, MemoryTransport

T = TypeVar("T")
CLIENT_ADDRESS = ("127.0.0.1", 50000)
PROXY_ADDRESS = ("127.0.0.1", 8080)


class ScriptedPeer:
    """A client or server as a test plays it."""

    def __init__(self, scenario: "Scenario", peer: Peer, transport: MemoryTransport, address: tuple[str, int]) -> None:
        self.address = address
        """A server's host and port as the proxy asked for them; a client's address."""
        self.transport = transport
        self._scenario = scenario
        self._peer = peer

    def sends(self, data: bytes, *, piece: int = 0) -> None:
        """Send bytes to the proxy, at once or in pieces of `piece` bytes."""
        for start in range(0, len(data), piece or len(data) or 1):
            if not self.transport.is_closing():
                self._scenario.act(self._peer.data_received, data[start : start + (piece or len(data))])

    def ends(self) -> None:
        """Send no more (FIN), and go on reading."""
        if not self._scenario.act(self._peer.eof_received):
            self._scenario.act(self.transport.close)

    def leaves(self) -> None:
        """Close the connection in both directions."""
        self._scenario.act(self.transport.abort)

    def resets(self) -> None:
        """Break the connection off (RST)."""
        self._scenario.act(self.transport.break_off, ConnectionResetError(104, "Connection reset by peer"))

    def received(self) -> bytes:
        """Return what the proxy has sent since the last call."""
        self._scenario.settle()
        return self._scenario.act(self.transport.take)

    @property
    def is_closed(self) -> bool:
        """The proxy has closed the connection."""
        self._scenario.settle()
        return self.transport.is_closing()

    @property
    def was_reset(self) -> bool:
        """The proxy has broken the connection off, without a goodbye."""
        self._scenario.settle()
        return self.transport.was_aborted

    @property
    def was_told_the_end(self) -> bool:
        """The proxy will send no more."""
        self._scenario.settle()
        return self.transport.is_closing() or self.transport.has_written_eof

    @property
    def may_send(self) -> bool:
        """The proxy reads; False while it pushes back."""
        self._scenario.settle()
        return bool(self.transport.is_reading)


class DatagramServer:
    """A server of UDP as a test plays it, seen from one socket of the proxy."""

    def __init__(
        self, scenario: "Scenario", link: DatagramProtocol, transport: MemoryDatagrams, address: tuple[str, int]
    ) -> None:
        self.address = address
        """Its host and port as the proxy asked for them."""
        self.transport = transport
        self._scenario = scenario
        self._link = link

    def sends(self, data: bytes) -> None:
        """Send a datagram to the proxy."""
        self._scenario.act(self._link.datagram_received, data, self.address)

    def refuses(self) -> None:
        """Have the network say that nobody listens."""
        self._scenario.act(self._link.error_received, ConnectionRefusedError(errno.ECONNREFUSED, "refused"))

    def received(self) -> list[bytes]:
        """Return the datagrams that the proxy has sent since the last call."""
        self._scenario.settle()
        sent, self.transport.sent = self.transport.sent, []
        return [data for data, _ in sent]

    @property
    def is_closed(self) -> bool:
        """The proxy has closed its socket."""
        self._scenario.settle()
        return self.transport.is_closing()


class DatagramPeer:
    """A client of UDP as a test plays it."""

    def __init__(self, scenario: "Scenario", port: DatagramPort, transport: MemoryDatagrams, address: Any) -> None:
        self.address = address
        self._scenario = scenario
        self._port = port
        self._transport = transport

    def sends(self, data: bytes) -> None:
        """Send a datagram to the proxy."""
        self._scenario.act(self._port.datagram_received, data, self.address)

    def received(self) -> list[bytes]:
        """Return the datagrams that the proxy has sent to this client since the last call."""
        self._scenario.settle()
        sent = self._transport.sent
        self._transport.sent = [item for item in sent if item[1] != self.address]
        return [data for data, address in sent if address == self.address]


class _Network:
    """Connects to scripted servers: at once, later (`hold`), or not at all (`refuse`)."""

    def __init__(self, scenario: "Scenario") -> None:
        self._scenario = scenario

    async def connect(self, host: str, port: int, source: str | None, peer: Peer) -> None:
        self._scenario.dialled.append((host, port, source))
        error = self._scenario.unreachable.get((host, port)) or self._scenario.unreachable.get((host, 0))
        if error is not None:
            raise error
        address = (host, port)
        transport = MemoryTransport(peer, ("192.0.2.1", port), ("127.0.0.1", 40000 + len(self._scenario.servers)))
        peer.connection_made(transport)
        self._scenario.transports.append(transport)
        self._scenario.servers.append(ScriptedPeer(self._scenario, peer, transport, address))

    async def open_datagrams(self, host: str, port: int, source: str | None, link: DatagramProtocol) -> None:
        self._scenario.dialled.append((host, port, source))
        error = self._scenario.unreachable.get((host, port)) or self._scenario.unreachable.get((host, 0))
        if error is not None:
            raise error
        servers = self._scenario.datagram_servers
        transport = MemoryDatagrams(link, ("127.0.0.1", 45000 + len(servers)), ("192.0.2.1", port))
        servers.append(DatagramServer(self._scenario, link, transport, (host, port)))

    async def addresses(self, host: str) -> list[str]:
        found = self._scenario.addresses.get(host, [])
        if isinstance(found, OSError):
            raise found
        return found

    async def in_thread(self, call: Callable[[], T]) -> T:
        return call()


class _Waiter:
    """What a test's stepped coroutines wait for is stepped itself."""

    def __init__(self, scenario: "Scenario") -> None:
        self._scenario = scenario

    async def wait(self, awaitable: Awaitable[T]) -> T:
        return await awaitable

    async def wait_or_cancel(self, awaitable: Awaitable[T], seconds: float) -> T:  # noqa: ARG002 - no clock here
        return await awaitable

    async def sleep(self, seconds: float) -> None:
        patience = Patience(self._scenario.session.deadlines, seconds)
        try:
            await patience
        finally:
            patience.end()


class Scenario:
    """An engine without sockets: clients and servers are played by the test, time stands until it is moved."""

    def __init__(self, mode: str = "regular", *, addons: Sequence[object] = (), **options: Any) -> None:
        self.options = Options()
        self.options.update(mode=[mode], **options)
        self.hooks = HookTable()
        self.commands = Commands(self)  # type: ignore[arg-type] # as much of an engine as commands need
        self.addons = Addons(self)  # type: ignore[arg-type] # as much of an engine as addons need
        self.servers: list[ScriptedPeer] = []
        """The servers that the proxy has connected to, in that order."""
        self.dialled: list[tuple[str, int, str | None]] = []
        """Every attempt: host, port, source address."""
        self.unreachable: dict[tuple[str, int], OSError] = {}
        """What connecting raises, by host and port (0: all ports)."""
        self.datagram_servers: list[DatagramServer] = []
        """The sockets on which the proxy has spoken to servers of UDP, in that order."""
        self.addresses: dict[str, list[str] | OSError] = {}
        """What the system finds for a name, or raises."""
        self.system_files = ("/nowhere/resolv.conf", "/nowhere/hosts")
        """Where the proxy looks for the system's name servers and hosts; a test may name files of its own."""
        self.transports: list[MemoryTransport] = []
        self.now = 1000.0
        self._mode = ModeSpec.parse(mode)
        self._connections: list[ClientConnection] = []
        self.addons.add(*addons)
        self.addons.configure_all()
        self.session = Session(
            options=self.options,
            hooks=self.hooks,
            tls=_LazyTls(self.options),  # type: ignore[arg-type] # becomes one when TLS is wanted
            network=_Network(self),
            waiter=_Waiter(self),
            time=lambda: self.now,
            call_soon=lambda _call: None,
        )
        self.session.deadlines.sweep(self.now)
        self.session.own_addresses.add(PROXY_ADDRESS)
        self.pool = Pool(self.session.deadlines, self.session.settings.max_pool_idle_per_host)
        self.replays = Replays(self.session, self.pool)
        self.port = DatagramPort(self.session, self._mode, Counter(), self._converse)
        """What clients of UDP send to."""
        self._datagrams = MemoryDatagrams(self.port, PROXY_ADDRESS)

    def shutdown(self) -> None:
        """Stop; nothing runs, so nothing has to be done."""

    def client(
        self, address: tuple[str, int] = CLIENT_ADDRESS, sockname: tuple[str, int] = PROXY_ADDRESS
    ) -> ScriptedPeer:
        """Let a client connect."""
        peer = Peer("client", self.session.deadlines, self.session.turns)
        transport = MemoryTransport(peer, address, sockname)
        peer.connection_made(transport)
        self.transports.append(transport)
        kind = DnsConnection if self._mode.is_dns else ClientConnection
        connection = kind(self.session, self.pool, peer, self._mode, self._connections.remove)
        if isinstance(connection, DnsConnection):
            connection.asker = self.asker
        self._connections.append(connection)
        self.act(connection.start)
        return ScriptedPeer(self, peer, transport, address)

    def datagram_client(self, address: tuple[str, int] = CLIENT_ADDRESS) -> DatagramPeer:
        """Return a client that sends datagrams from this address."""
        return DatagramPeer(self, self.port, self._datagrams, address)

    @cached_property
    def asker(self) -> Asker:
        """Whom a DNS mode asks."""
        return Asker(self.session, self.pool, self._mode, self.system_files)

    async def _converse(self, talker: DatagramClient) -> None:
        await (answer_datagrams(self.asker, talker) if self._mode.is_dns else relay_datagrams(talker))

    @property
    def connections(self) -> int:
        """How many client connections the proxy has open."""
        return len(self._connections)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.act(self.session.deadlines.sweep, self.now)

    def act(self, call: Callable[..., T], *args: Any) -> T:
        """Do something to the proxy, and all that follows from it."""
        with entered(self):  # type: ignore[arg-type] # as much of an engine as addons need
            result = call(*args)
        self.settle()
        return result

    def settle(self) -> None:
        """Do what a loop would do until nothing is left to do."""
        with entered(self):  # type: ignore[arg-type] # as above
            self.session.turns.end()
            while sum(transport.settle() for transport in self.transports):
                self.session.turns.end()


class _LazyTls:
    """Makes certificates only for scenarios that use them."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def __getattr__(self, name: str) -> Any:
        return getattr(self._profiles, name)

    @cached_property
    def _profiles(self) -> TlsProfiles:
        return TlsProfiles(self._options, CertStore(_authority(), custom=self._options.certs), environment={})


@cache
def _authority() -> CertificateAuthority:
    """Return the authority of all scenarios; it is in memory only."""
    return CertificateAuthority.create()
