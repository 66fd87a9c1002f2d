"""What all connections of one engine share, passed along explicitly: there is no other shared state."""

import ipaddress
import os
import socket
from asyncio import DatagramProtocol
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

import msgspec

from midstream.flow import Client, ConnectionState, Server
from midstream.flow.connection import Address, Via
from midstream.hooks.data import Context, ServerConnectionHookData
from midstream.hooks.table import HookTable, dispatch
from midstream.options import Options
from midstream.pki.lru import Lru
from midstream.pki.names import ip_address
from midstream.proxy.deadlines import Deadlines
from midstream.proxy.peer import Peer
from midstream.proxy.policy import Policy
from midstream.proxy.settings import Settings
from midstream.proxy.stepper import Step, Stepped
from midstream.proxy.tls import TlsProfiles
from midstream.proxy.turns import Turns

T = TypeVar("T")
IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
CHAINS = 1000


class Network(Protocol):
    """How connections to servers are made: sockets in an engine, queues in tests."""

    async def connect(self, host: str, port: int, source: str | None, peer: Peer) -> None:
        """Connect `peer`; the coroutine may wait on whatever the engine's `wait` understands.

        Raises:
            OSError: Nothing could be reached, or the name is unknown.

        """

    async def open_datagrams(self, host: str, port: int, source: str | None, link: DatagramProtocol) -> None:
        """Give `link` a UDP socket for one server. Raises OSError as `connect` does."""

    async def addresses(self, host: str) -> list[str]:
        """Have the system find the addresses of a name; none if it has none. Raises OSError if it cannot tell."""

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Do something that may take longer than a connection should wait."""


class Waiter(Protocol):
    """How a stepped coroutine waits for what is not a signal."""

    def wait(self, awaitable: Awaitable[T]) -> Awaitable[T]:
        """Wait to the end, whatever happens to the waiting coroutine meanwhile: an addon's handler is never torn."""

    def wait_or_cancel(self, awaitable: Awaitable[T], seconds: float) -> Awaitable[T]:
        """Wait; cancel `awaitable` if the waiting coroutine is told to stop or the time (0: none) runs out.

        Raises:
            TimeoutError: The time ran out.

        """

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Let time pass, more exactly than `Deadlines` tell it."""


class Shown(msgspec.Struct, frozen=True):
    """What a server has shown in TLS."""

    chain: tuple[bytes, ...]
    """Its certificates (DER)."""
    alpn: bytes
    """The protocol that it chose."""


class Session:
    """The services and settings of one engine."""

    def __init__(
        self,
        *,
        options: Options,
        hooks: HookTable,
        tls: TlsProfiles,
        network: Network,
        waiter: Waiter,
        time: Callable[[], float],
        call_soon: Callable[[Callable[[], None]], object],
    ) -> None:
        self.options = options
        self.hooks = hooks
        self.tls = tls
        self.network = network
        self.waiter = waiter
        self.time = time
        """Seconds since the epoch, for the record."""
        self.deadlines = Deadlines()
        self.turns = Turns(call_soon)
        self.settings = Settings.of(options)
        self.policy = Policy(options)
        self.own_addresses: set[tuple[str, int]] = set()
        """Where the engine listens, so that it never proxies to itself."""
        self.cookie_secret = os.urandom(32)
        """By which cookies that clients of DTLS repeat are known to be ours."""
        self.chains: Lru[tuple[str, int, str | None, Via | None, tuple[bytes, ...]], Shown] = Lru(CHAINS)
        """What servers have shown, by address, server name, way, and what they were offered."""
        self._balancers = _networks(options.proxy_protocol)
        self._steps: set[Step] = set()

    def reload(self) -> None:
        """Take over changed options; connections that are open keep what they began with."""
        self.settings = Settings.of(self.options)
        self.policy = Policy(self.options)
        self._balancers = _networks(self.options.proxy_protocol)

    def is_own(self, host: str, port: int) -> bool:
        """True if the engine itself listens at this address (MD-01); of names only localhost is known."""
        bound = {own_host.partition("%")[0] for own_host, own_port in self.own_addresses if own_port == port}
        if not bound:
            return False
        address = _plain_address("127.0.0.1" if host.lower().rstrip(".") == "localhost" else host)
        if address is None:
            return False
        wildcard = "0.0.0.0" if address.version == 4 else "::"  # noqa: S104 - recognised, not bound
        if str(address) in bound or (address.is_unspecified and {"127.0.0.1", "::1"} & bound):
            return True
        return wildcard in bound and (address.is_loopback or _is_of_this_machine(host))

    def trusts_proxy_line(self, peername: Address | None) -> bool:
        """True if whoever connects from there begins with a PROXY line that is to be believed."""
        if not self._balancers or peername is None:
            return False
        address = _plain_address(peername[0])
        return address is not None and any(address in network for network in self._balancers)

    def spawn(self, coroutine: Stepped) -> Step:
        """Step a coroutine that belongs to nobody else."""
        step = Step(coroutine, lambda error: self._ended(step, error))
        self._steps.add(step)
        return step.start()

    def _ended(self, step: Step, error: BaseException | None) -> None:
        self._steps.discard(step)
        if error is not None:
            raise error

    def tell(self, handlers: Any, *args: Any) -> None:
        """Call hooks that nothing waits for."""
        if handlers:
            self.spawn(dispatch(handlers, *args))

    def context(self, client: Client, server: Server) -> Context:
        """Return the two connections as hooks are given them."""
        return Context(client, server, self.options)

    def server_lost(self, server: Server, client: Client) -> None:
        """Record the end of a server connection and tell whoever listens."""
        server.timestamp_end = self.time()
        server.state = ConnectionState.CLOSED
        self.tell(self.hooks.server_disconnected, ServerConnectionHookData(server, client))


def _is_of_this_machine(host: str) -> bool:
    """Ask the system whether it has this address: only then can a socket be bound to it."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


def _plain_address(text: str) -> IpAddress | None:
    """Read an address without its scope; IPv4 in IPv6's clothes (RFC 4291 §2.5.5.2) as what it is."""
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def _networks(texts: Sequence[str]) -> list[IpNetwork]:
    return [ipaddress.ip_network(text, strict=False) for text in texts]
