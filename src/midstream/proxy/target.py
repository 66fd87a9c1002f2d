"""Where a request goes: its target and Host field, read against what its connection already knows.

One value decides: what is checked, what hooks see as host and port, and what is sent on are the same (RFC 9110 §7.2).
"""

import re
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import idna
import msgspec

from midstream.flow.url import hostport
from midstream.wire.errors import PeerError, Profile, shown
from midstream.wire.events import RequestHead
from midstream.wire.memo import Memo

Scheme: TypeAlias = Literal["http", "https"]

DEFAULT_PORTS = {"http": 80, "https": 443}
_IPV6 = re.compile(rb"[0-9A-Fa-f.]*:[0-9A-Fa-f:.]+(?:%[\w.~-]+)?", re.ASCII)
_FORBIDDEN = re.compile(rb"[\x00-\x20\x7f/?#@\\<>\"^`{|}]")

Absolute: TypeAlias = tuple[Scheme, str, int, bytes, bytes, bytes]
"""Of a target in absolute form: scheme, host, port, the authority whole and without userinfo, path and query."""
_absolute_targets: Final[Memo[bytes, Absolute]] = Memo(room=512, largest=512)


class Target(msgspec.Struct):
    """A request's destination and the parts that its flow shows."""

    scheme: Scheme
    host: str
    port: int
    authority: bytes
    """As in the request target; empty in origin and asterisk form."""
    path: bytes
    """Path and query, or `*`; empty for CONNECT."""
    host_field: bytes | None
    """What the Host field must say when forwarded; None where it may stay as it is."""

    def moved_to(self, scheme: str, host: str, port: int) -> "Target":
        """Return the target after hooks have had their say about where the request goes."""
        if (scheme, host, port) == (self.scheme, self.host, self.port):
            return self
        return Target("https" if scheme == "https" else "http", host, port, self.authority, self.path, None)


class Way(msgspec.Struct):
    """What a connection knows of the destination of the requests on it."""

    is_explicit: bool
    """Clients name the destination themselves: regular and upstream mode outside of tunnels."""
    scheme: Scheme = "http"
    """The scheme that origin-form requests have here."""
    destination: tuple[str, int] | None = None
    """Where the connection leads; None if only the requests tell."""


def resolve(head: RequestHead, way: Way, profile: Profile) -> Target:
    """Return where `head` goes.

    Raises:
        PeerError: The target cannot be read, or Host is missing or contradicts it (400).

    """
    target = head.target
    if head.method == b"CONNECT" and not head.protocol:
        return _authority_form(target, way)
    if head.scheme:
        return _by_pseudo_fields(head, way)
    if target[:1] == b"/" or target == b"*":
        return _origin_form(head, way, profile)
    return _absolute_form(head, way)


def _origin_form(head: RequestHead, way: Way, profile: Profile) -> Target:
    if head.host is None and head.version == b"HTTP/1.1" and profile is not Profile.RAW:
        raise PeerError("the Host field is missing", "RFC 9112 §3.2")
    if way.destination is not None and not way.is_explicit:
        host, port = way.destination
        return Target(way.scheme, host, port, b"", head.target, None)
    if not head.host:
        raise PeerError(
            "this is a proxy: the request names no server; send the whole URL, or a Host field", "RFC 9112 §3.2.2"
        )
    host, own_port = split_authority(head.host)
    return Target(way.scheme, host, own_port or DEFAULT_PORTS[way.scheme], b"", head.target, None)


def _by_pseudo_fields(head: RequestHead, way: Way) -> Target:
    """Read the target of HTTP/2, whose parts come one by one (RFC 9113 §8.3.1)."""
    if way.destination is not None and not way.is_explicit:
        host, port = way.destination
        return Target(way.scheme, host, port, head.authority, head.target, None)
    scheme = _SCHEMES.get(head.scheme.lower())
    named = head.authority or head.host
    if scheme is None or not named:
        raise PeerError(
            f"expected http or https and a host, got {shown(head.scheme)} and {shown(named or b'')}", "RFC 9113 §8.3.1"
        )
    host, own_port = split_authority(named.rpartition(b"@")[2])
    return Target(scheme, host, own_port or DEFAULT_PORTS[scheme], head.authority, head.target, None)


def _absolute_form(head: RequestHead, way: Way) -> Target:
    known = _absolute_targets.get(head.target)
    scheme, host, port, authority, bare, path = known if known is not None else _read_absolute(head.target)
    must_say = None
    if head.host is None or (head.host != bare and _differ(head.host, host, port, scheme)):
        must_say = bare  # the target counts (RFC 9112 §3.2.2); that they differ has been annotated by the engine
    if not way.is_explicit and way.destination is not None:
        # Inside a tunnel, or behind a fixed destination, the connection decides where bytes go; the name only travels.
        host, port = way.destination
        scheme = way.scheme
    return Target(scheme, host, port, authority, path, must_say)


def _authority_form(target: bytes, way: Way) -> Target:
    host, port = split_authority(target)
    if port is None:
        raise PeerError("CONNECT needs host:port as its target", "RFC 9110 §9.3.6")
    if not way.is_explicit and way.destination is not None:
        host, port = way.destination  # whoever is there is asked, not we
    return Target(way.scheme, host, port, target, b"", None)


def _read_absolute(target: bytes) -> Absolute:
    """Read `scheme://[userinfo@]host[:port]/path?query`."""
    slash = target.find(b"/", target.find(b"//") + 2)
    start, path = (target[:slash], target[slash:]) if slash > 0 else (target, b"/")
    if 0x3F in start:
        start, _, query = target.partition(b"?")
        path = b"/?" + query
    scheme_raw, separator, authority = start.partition(b"://")
    scheme = _SCHEMES.get(scheme_raw.lower())
    if not separator or scheme is None:
        raise PeerError(f"expected a path or an http(s) URL as request target, got {shown(start)}", "RFC 9112 §3.2")
    bare = authority.rpartition(b"@")[2]
    host, own_port = split_authority(bare)
    absolute = (scheme, host, own_port or DEFAULT_PORTS[scheme], authority, bare, path)
    return _absolute_targets.remember(target, absolute, len(target))


def _differ(host_field: bytes, host: str, port: int, scheme: Scheme) -> bool:
    try:
        own_host, own_port = split_authority(host_field)
    except PeerError:
        return True
    return (own_host, own_port or DEFAULT_PORTS[scheme]) != (host, port)


@lru_cache(maxsize=4096)
def split_authority(authority: bytes) -> tuple[str, int | None]:
    """Split `host[:port]`; the host comes back in lower case, as A-labels, an IPv6 address without brackets.

    Raises:
        PeerError: It is neither.

    """
    if authority.startswith(b"["):
        inner, bracket, rest = authority[1:].partition(b"]")
        port_text = rest[1:] if rest.startswith(b":") else rest
        if not bracket or (rest and not rest.startswith(b":")) or not _IPV6.fullmatch(inner):
            raise PeerError(f"expected [IPv6]:port, got {shown(authority)}", "RFC 3986 §3.2.2")
        return inner.decode("ascii", "replace").lower(), _port(port_text)
    name, _, port_text = authority.partition(b":")
    if not name or _FORBIDDEN.search(name):
        raise PeerError(f"expected host:port, got {shown(authority)}", "RFC 9110 §7.2")
    return ascii_host(name), _port(port_text)


@lru_cache(maxsize=4096)
def named_host(host_field: bytes) -> str:
    """Return the host of a Host field, without its port; as it stands where it makes no sense."""
    try:
        return split_authority(host_field)[0]
    except PeerError:
        return host_field.decode("latin-1").lower()


def ascii_host(name: bytes) -> str:
    """Return a host name in lower case and ASCII; what IDNA cannot read stays as DNS would get it."""
    if name.isascii():
        return name.decode("ascii").lower()
    try:
        return idna.encode(name.decode("utf-8"), uts46=True).decode("ascii")
    except (UnicodeError, idna.IDNAError):
        raise PeerError(f"not a host name: {shown(name)}", "RFC 5891 §4.4") from None


def _port(text: bytes) -> int | None:
    if not text:
        return None
    if not text.isdigit() or len(text) > 5 or not 0 < int(text) < 65536:
        raise PeerError(f"invalid port {shown(text)}", "RFC 3986 §3.2.3")
    return int(text)


def join_authority(host: str, port: int, scheme: str) -> bytes:
    """Return `host[:port]`, with brackets where they are needed and without a default port."""
    return hostport(scheme, host, port).encode()


_SCHEMES: dict[bytes, Scheme] = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}
