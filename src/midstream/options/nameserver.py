"""Name servers as people write them: `1.1.1.1`, `[2606:4700::1111]:53`, `tls://dns.example`, `https://dns.example/dns-query`."""

import ipaddress
from collections.abc import Iterable
from typing import Literal, cast

import msgspec

from midstream.errors import OptionsError
from midstream.options.modes import read_host, read_port, split_port

Scheme = Literal["udp", "tcp", "tls", "https"]
PORTS: dict[str, int] = {"udp": 53, "tcp": 53, "tls": 853, "https": 443}
"""How name servers are spoken to, and at which port: plainly, over TLS (RFC 7858), within HTTP (RFC 8484)."""
PATH = "/dns-query"


class NameServer(msgspec.Struct, frozen=True):
    """Somebody to ask."""

    scheme: Scheme
    """`udp`: over TCP where the answer is too long for a datagram."""
    host: str
    port: int
    path: str = ""
    """Of the URL with `https`."""

    @classmethod
    def parse(cls, text: str) -> "NameServer":
        """Read one. Raises `OptionsError` that says what was expected."""
        try:
            return _parse(text.strip())
        except ValueError as fault:
            raise OptionsError(f"name server {text!r}: {fault}") from None


def check_name_servers(value: Iterable[str]) -> None:
    """Refuse a list with something in it that is no name server."""
    for text in value:
        NameServer.parse(text)


def _parse(text: str) -> NameServer:
    scheme, separator, rest = text.rpartition("://")
    scheme = scheme.lower() if separator else "udp"
    if scheme not in PORTS:
        raise ValueError(f"no scheme {scheme!r} here; expected one of {', '.join(PORTS)}")
    place, slash, path = rest.partition("/")
    if path and scheme != "https":
        raise ValueError(f"with {scheme} there is no path")
    host, port = _place(place)
    path = f"/{path}" if slash and path else PATH
    return NameServer(
        cast("Scheme", scheme), host, PORTS[scheme] if port is None else port, path if scheme == "https" else ""
    )


def _place(text: str) -> tuple[str, int | None]:
    try:
        return str(ipaddress.ip_address(text)), None  # IPv6 needs no brackets where no port follows
    except ValueError:
        host, port = split_port(text)
    return read_host(host), None if port is None else read_port(port, 1)
