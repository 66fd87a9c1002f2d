"""The two connections of a flow, as facts: addresses, TLS parameters, times. Nothing here reads or writes a socket."""

import time
from collections.abc import Sequence
from enum import Flag
from typing import Any, Literal, Protocol, Self

import msgspec

from midstream.flow.certificate import Cert
from midstream.flow.http2 import Http2Facts
from midstream.flow.identified import Identified

Address = tuple[str, int] | tuple[str, int, int, int]
"""Host and port; IPv6 socket names bring flow info and scope as well."""
Via = tuple[str, tuple[str, int]]
"""A parent proxy: scheme, then host and port."""


class ConnectionState(Flag):
    """Which directions of a connection are open."""

    CLOSED = 0
    CAN_READ = 1
    CAN_WRITE = 2
    OPEN = 3


class ProxyMode(Protocol):
    """The mode through which a client came; the engine's own mode objects fit."""

    @property
    def full_spec(self) -> str: ...


class ModeName(msgspec.Struct, frozen=True):
    """A proxy mode of which only the text is known, such as one read from a file."""

    full_spec: str = "regular"


class Connection(Identified):
    """What `Client` and `Server` share. Equal and hashed by `id`."""

    peername: Address | None = None
    """The other end's address."""
    sockname: Address | None = None
    """Our end's address."""
    state: ConnectionState = ConnectionState.CLOSED
    transport_protocol: Literal["tcp", "udp"] = "tcp"
    error: str | None = None
    """Why the connection failed, for a person."""
    tls: bool = False
    """True once TLS is wanted on this connection, established or not."""
    certificate_list: Sequence[Cert] = ()
    """The peer's certificates, its own first."""
    alpn: bytes | None = None
    """The application protocol agreed on."""
    alpn_offers: Sequence[bytes] = ()
    cipher: str | None = None
    cipher_list: Sequence[str] = ()
    """The suites that a client offers, by OpenSSL's names."""
    tls_version: str | None = None
    """Such as `TLSv1.3`."""
    sni: str | None = None
    """The server name in the ClientHello."""
    timestamp_start: float | None = None
    timestamp_end: float | None = None
    timestamp_tls_setup: float | None = None
    """When the TLS handshake was complete."""
    http2: Http2Facts | None = None
    """What is known of the connection as one of HTTP/2; None if it is none."""

    @property
    def connected(self) -> bool:
        """True while both directions are open."""
        return self.state is ConnectionState.OPEN

    @property
    def tls_established(self) -> bool:
        return self.timestamp_tls_setup is not None

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Connection) and self.id == other.id)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in ("peername", "sockname", "state", "alpn", "sni", "tls_version")}
        facts = ", ".join(f"{name}={value!r}" for name, value in shown.items() if value)
        return f"{type(self).__name__}({facts})"

    def get_state(self) -> dict[str, Any]:
        """Everything worth saving, as plain data."""
        state = {name: getattr(self, name) for name in _SAVED}
        state["certificate_list"] = [cert.to_pem() for cert in self.certificate_list]
        state["http2"] = None if self.http2 is None else self.http2.get_state()
        for name in ("alpn_offers", "cipher_list"):
            state[name] = list(state[name])
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        for name in _SAVED:
            if name in state:
                setattr(self, name, state[name])
        self.certificate_list = [Cert.from_pem(pem) for pem in state.get("certificate_list") or ()]
        http2 = state.get("http2")
        self.http2 = Http2Facts.from_state(http2) if http2 else None
        self.peername = _address(state.get("peername"))
        self.sockname = _address(state.get("sockname"))

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        connection = cls.__new__(cls)
        cls.__init__(connection)
        connection.set_state(state)
        return connection

    def copy(self) -> Self:
        """A new object with the same facts and the same id."""
        return self.from_state(self.get_state())


class Client(Connection):
    """The connection from a client to us."""

    mitmcert: Cert | None = None
    """The certificate that we showed to the client."""

    def __init__(
        self,
        *,
        peername: Address | None = None,
        sockname: Address | None = None,
        timestamp_start: float | None = None,
        state: ConnectionState = ConnectionState.OPEN,
        proxy_mode: ProxyMode = ModeName(),  # noqa: B008 - frozen
        transport_protocol: Literal["tcp", "udp"] = "tcp",
    ) -> None:
        self.peername = peername
        self.sockname = sockname
        self.timestamp_start = time.time() if timestamp_start is None else timestamp_start
        self.state = state
        self.proxy_mode = proxy_mode
        if transport_protocol != "tcp":
            self.transport_protocol = transport_protocol

    def get_state(self) -> dict[str, Any]:
        state = super().get_state()
        state["mitmcert"] = self.mitmcert.to_pem() if self.mitmcert is not None else None
        state["proxy_mode"] = self.proxy_mode.full_spec
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        mitmcert = state.get("mitmcert")
        self.mitmcert = Cert.from_pem(mitmcert) if mitmcert else None
        self.proxy_mode = ModeName(state.get("proxy_mode") or "regular")


class Server(Connection):
    """The connection from us to a server. Where it goes cannot be changed while it is open."""

    timestamp_tcp_setup: float | None = None
    """When the TCP connection was established."""

    def __init__(
        self,
        *,
        address: Address | None = None,
        via: Via | None = None,
        transport_protocol: Literal["tcp", "udp"] = "tcp",
    ) -> None:
        self._address = address
        self._via = via
        if transport_protocol != "tcp":
            self.transport_protocol = transport_protocol

    @classmethod
    def towards(cls, address: Address, via: Via | None) -> Self:
        """Make what `Server(address=…, via=…)` makes, in a third of the time: every exchange begins with one."""
        server = _new(cls)
        server._address = address  # noqa: SLF001 - its own
        server._via = via  # noqa: SLF001 - its own
        return server

    @property
    def address(self) -> Address | None:
        """Where to connect: host name or address, and port."""
        return self._address

    @address.setter
    def address(self, address: Address | None) -> None:
        if address != self._address:
            self._refuse_if_open("address")
            self._address = address

    @property
    def via(self) -> Via | None:
        """The parent proxy on the way, if any."""
        return self._via

    @via.setter
    def via(self, via: Via | None) -> None:
        if via != self._via:
            self._refuse_if_open("via")
            self._via = via

    def _refuse_if_open(self, name: str) -> None:
        if self.state is not ConnectionState.CLOSED:
            raise RuntimeError(f"cannot change server.{name} while the connection is open; set it in an earlier hook")

    def get_state(self) -> dict[str, Any]:
        state = super().get_state()
        state["address"] = self._address
        state["via"] = self._via
        state["timestamp_tcp_setup"] = self.timestamp_tcp_setup
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self._address = _address(state.get("address"))
        via = state.get("via")
        self._via = (via[0], (via[1][0], via[1][1])) if via else None
        self.timestamp_tcp_setup = state.get("timestamp_tcp_setup")


_SAVED = (
    "alpn",
    "alpn_offers",
    "cipher",
    "cipher_list",
    "error",
    "id",
    "peername",
    "sni",
    "sockname",
    "timestamp_end",
    "timestamp_start",
    "timestamp_tls_setup",
    "tls",
    "tls_version",
    "transport_protocol",
)


_new = object.__new__


def _address(saved: Sequence[Any] | None) -> Any:
    return tuple(saved) if saved is not None else None
