"""The grammar of `mode`: `NAME[:DATA][@[HOST:]PORT]`, such as `reverse:https://example.com@127.0.0.1:8443`.

Only what the text says is decided here: binding is the engine's business, meaning the proxy's. The text is split at the
last `@`, then at the first `:`, so that addresses of both parts may hold colons.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from midstream.errors import OptionsError

DEFAULT_PORTS = {"regular": 8080, "upstream": 8080, "reverse": 8080, "transparent": 8080, "socks5": 1080, "dns": 53}
"""The modes there are, and where each listens unless told otherwise."""

TARGET_SCHEMES: dict[str, dict[str, int | None]] = {
    "upstream": {"http": 80, "https": 443, "socks5": 1080},
    "reverse": {"http": 80, "https": 443, "h2c": 80, "tcp": None, "tls": None, "udp": None, "dtls": None, "dns": 53},
}
"""The schemes that a mode's DATA may have with their default ports; None: the port must be given."""

DATAGRAM_SCHEMES = frozenset({"udp", "dtls"})
"""Targets that are sent datagrams, and nothing else."""

OPEN_MODES = frozenset({"regular", "upstream", "socks5", "dns"})
"""Modes in which clients choose where to go, so that a stranger could use the proxy as his own."""

_LATER = frozenset({"wireguard", "local", "tun"})
_LATER_SCHEMES = frozenset({"http3", "quic"})
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
ALL_INTERFACES = frozenset({"", "*"})
"""How people write every address of this machine."""
WILDCARDS = ALL_INTERFACES | {"0.0.0.0", "::"}  # noqa: S104 - recognised, not bound
"""How people and systems write it."""


class ModeSpec(msgspec.Struct, frozen=True):
    """One listener as the user asked for it."""

    name: str
    """regular, upstream, reverse, transparent, socks5 or dns."""
    full_spec: str
    """The text it was made of."""
    data: str = ""
    """What stood after the name, untouched."""
    scheme: str = ""
    """The scheme of the target (reverse) or parent proxy (upstream); empty in other modes."""
    address: tuple[str, int] | None = None
    """Host and port of the target or parent proxy; None in other modes."""
    listen_host: str | None = None
    """The host after `@`, or None: `listen_host` decides."""
    listen_port: int | None = None
    """The port after `@`, or None: `listen_port` decides, then the default of the mode."""

    @property
    def default_port(self) -> int:
        return DEFAULT_PORTS["dns" if self.is_dns else self.name]

    @property
    def is_dns(self) -> bool:
        """Clients send DNS queries, and nothing else."""
        return "dns" in {self.name, self.scheme}

    @property
    def uses_tcp(self) -> bool:
        """It listens for connections."""
        return self.scheme not in DATAGRAM_SCHEMES

    @property
    def uses_udp(self) -> bool:
        """It listens for datagrams."""
        return self.is_dns or self.scheme in DATAGRAM_SCHEMES

    @classmethod
    def parse(cls, text: str) -> "ModeSpec":
        """Read one mode.

        Raises `OptionsError`, a `UsageError`, that names the text and what was expected.
        """
        try:
            return _parse(text)
        except ValueError as fault:
            raise OptionsError(f"mode {text!r}: {fault}") from None

    def listen_at(self, host: str, port: int | None) -> tuple[str, int]:
        """Return where to listen, given the options `listen_host` and `listen_port`."""
        own_host = host if self.listen_host is None else self.listen_host
        own_port = self.listen_port if self.listen_port is not None else port
        return own_host, self.default_port if own_port is None else own_port


class _ListenOptions(Protocol):
    """The options that decide where the proxy listens."""

    mode: Sequence[str]
    listen_host: str
    listen_port: int | None
    proxyauth: str | None
    allow_open_proxy: bool


class Listener(msgspec.Struct, frozen=True):
    """A mode with the address it is to be bound to."""

    spec: ModeSpec
    host: str
    """Empty: all interfaces."""
    port: int
    """0: any free port."""


def listeners(options: _ListenOptions) -> list[Listener]:
    """Return every listener that the options ask for.

    Raises `OptionsError` for an unreadable mode, for an address asked for twice, and for a proxy that strangers could use.
    """
    planned: list[Listener] = []
    for text in options.mode:
        spec = ModeSpec.parse(text)
        host, port = spec.listen_at(options.listen_host, options.listen_port)
        listener = Listener(spec, "" if host in ALL_INTERFACES else host, port)
        _refuse_collision(planned, listener)
        _refuse_open_proxy(options, listener)
        planned.append(listener)
    return planned


def check_modes(value: Iterable[str]) -> None:
    """Refuse a list of modes with an unreadable one in it, or with the same listen address written twice."""
    seen: list[ModeSpec] = []
    for spec in map(ModeSpec.parse, value):
        if not spec.listen_port:
            continue
        place = (spec.listen_host, spec.listen_port)
        for other in seen:
            if (other.listen_host, other.listen_port) == place and _share_transport(spec, other):
                raise OptionsError(_collision(spec, other, spec.listen_port))
        seen.append(spec)


def _refuse_collision(planned: list[Listener], new: Listener) -> None:
    for other in planned:
        is_same_place = other.port == new.port and (new.host == other.host or {new.host, other.host} & WILDCARDS)
        if new.port and is_same_place and _share_transport(new.spec, other.spec):
            raise OptionsError(_collision(new.spec, other.spec, new.port))


def _share_transport(one: ModeSpec, other: ModeSpec) -> bool:
    return (one.uses_tcp and other.uses_tcp) or (one.uses_udp and other.uses_udp)


def _collision(new: ModeSpec, other: ModeSpec, port: int) -> str:
    return (
        f"mode {new.full_spec!r} would listen on port {port}, where mode {other.full_spec!r} already listens; "
        f"give it a port of its own, such as {new.full_spec.rpartition('@')[0] or new.full_spec}@{port + 1}"
    )


def _refuse_open_proxy(options: _ListenOptions, listener: Listener) -> None:
    name = listener.spec.name
    asks_for_password = options.proxyauth and name != "dns"
    if options.allow_open_proxy or asks_for_password or name not in OPEN_MODES or is_loopback(listener.host):
        return
    where = listener.host or "all interfaces"
    password = "" if name == "dns" else "ask for a password with --proxyauth, "
    raise OptionsError(
        f"mode {listener.spec.full_spec!r} would listen on {where} and let everybody who reaches it use it; "
        f"{password}listen on 127.0.0.1, or say --allow-open-proxy if that is what you want"
    )


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _parse(text: str) -> ModeSpec:
    before, at, after = text.strip().rpartition("@")
    listen_host, listen_port = _listen(after) if at else (None, None)
    name, colon, data = (before if at else after).partition(":")
    name = name.strip().lower()
    _check_name(name)
    schemes = TARGET_SCHEMES.get(name)
    if schemes is None:
        if colon:
            raise ValueError(f"{name} takes no arguments, got {data!r}")
        return ModeSpec(name, text, listen_host=listen_host, listen_port=listen_port)
    if not data:
        example = "http://parent.example:3128" if name == "upstream" else "https://example.com"
        raise ValueError(f"{name} needs a server, such as {name}:{example}")
    scheme, host, port = _target(name, data, schemes)
    return ModeSpec(name, text, data, scheme, (host, port), listen_host, listen_port)


def _check_name(name: str) -> None:
    if name == "osproxy":
        raise ValueError("osproxy is called local, and is not there yet")
    if name in _LATER:
        raise ValueError(f"{name} is not there yet")
    if name not in DEFAULT_PORTS:
        raise ValueError(f"no mode is called {name!r}; expected one of {', '.join(DEFAULT_PORTS)}")


def _listen(text: str) -> tuple[str | None, int]:
    host, colon, port = text.rpartition(":")
    if not colon:
        return None, read_port(port, 0)
    return ("" if host in {"", "*"} else read_host(host)), read_port(port, 0)


def _target(name: str, data: str, schemes: dict[str, int | None]) -> tuple[str, str, int]:
    scheme, separator, rest = data.rpartition("://")
    scheme = scheme.lower()
    host_text, port_text = split_port(rest.removesuffix("/"))
    host = read_host(host_text)
    port = None if port_text is None else read_port(port_text, 1)
    if not separator:
        scheme = "http" if name == "upstream" else _guess_scheme(data, port)
    if scheme in _LATER_SCHEMES:
        raise ValueError(f"scheme {scheme} is not there yet")
    if scheme not in schemes:
        raise ValueError(f"no scheme {scheme!r} here; expected one of {', '.join(schemes)}")
    port = schemes[scheme] if port is None else port
    if port is None:
        raise ValueError(f"scheme {scheme} needs a port, such as {scheme}://{host_text}:9000")
    return scheme, host, port


def _guess_scheme(data: str, port: int | None) -> str:
    """Return the scheme of a reverse target that names none: a well-known port tells, any other is not guessed at."""
    if port in {None, 443}:
        return "https"
    if port == 80:
        return "http"
    raise ValueError(f"does the server at port {port} speak TLS? Write https://{data} or http://{data}")


def split_port(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"expected [IPv6]:port, got {text!r}")
        return host + bracket, rest[1:] if rest else None
    host, colon, port = text.partition(":")
    return host, port if colon else None


def read_port(text: str, lowest: int) -> int:
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= 65535:
        raise ValueError(f"invalid port {text!r}: expected a number from {lowest} to 65535")
    return int(text)


def read_host(text: str) -> str:
    """Return a host name, IPv4 address or (without its brackets) IPv6 address, or raise `ValueError`."""
    if text.startswith("[") and text.endswith("]"):
        return str(ipaddress.IPv6Address(text[1:-1]))
    try:
        ascii_name = text.encode("idna").decode() if not text.isascii() else text
    except UnicodeError:
        raise ValueError(f"invalid host {text!r}") from None
    labels = ascii_name.removesuffix(".").split(".")
    if not all(map(_LABEL.fullmatch, labels)) or len(ascii_name) > 253:
        raise ValueError(
            f"invalid host {text!r}: expected a name, an IPv4 address or [an IPv6 address], without path or password"
        )
    return ascii_name
