"""What is said about a started proxy: one line per listener, and where to find the CA."""

from collections.abc import Iterable
from typing import Protocol

from midstream.flow.url import with_port
from midstream.options import ModeSpec, Options
from midstream.options.modes import WILDCARDS

_SCHEMES = {"regular": "http", "upstream": "http", "reverse": "http", "socks5": "socks5", "transparent": "", "dns": ""}


class Bound(Protocol):
    """A listener that has its port."""

    @property
    def spec(self) -> ModeSpec: ...
    @property
    def address(self) -> tuple[str, int]: ...


def start_lines(options: Options, bound: Iterable[Bound]) -> list[str]:
    """Return the lines to print once the proxy listens."""
    lines = [describe(listener) for listener in bound]
    if lines:
        lines.append(f"For https, let clients trust the CA in {options.confdir}: see `midstream trust`.")
    return lines


def describe(listener: Bound) -> str:
    """Say what listens where: `regular proxy at http://127.0.0.1:8080`."""
    spec = listener.spec
    scheme = "" if spec.scheme in {"tcp", "tls", "udp", "dtls", "dns"} else _SCHEMES[spec.name]
    host, port = listener.address
    where = url(scheme, ("*" if host in WILDCARDS else host, port))
    if spec.address is None:
        return f"{spec.name} proxy at {where}"
    target = url(spec.scheme, spec.address)
    return f"{spec.name} proxy at {where}, {'for' if spec.name == 'reverse' else 'through'} {target}"


def url(scheme: str, address: tuple[str, int]) -> str:
    """Write an address as people type it."""
    place = with_port(*address)
    return f"{scheme}://{place}" if scheme else place
