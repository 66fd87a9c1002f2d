"""URLs, authorities and query strings, taken apart and put together without losing a byte."""

import ipaddress
import re
from collections.abc import Iterable
from urllib import parse as _urllib

_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443, "quic": 443, "dns": 53}
_AUTHORITY = re.compile(r"^(?P<host>\[[^\]]+\]|[^:\[\]]+)(?::(?P<port>[0-9]{1,5}))?\Z")
_LABELS = re.compile(rb"^[A-Za-z0-9_\-]{1,63}(\.[A-Za-z0-9_\-]{1,63})*\.?\Z")


def parse(url: str | bytes) -> tuple[bytes, bytes, int, bytes]:
    """Split an absolute URL into scheme, host, port and path (with parameters, query and no fragment).

    Raises ValueError if it has no scheme or host, or a port that cannot be.
    """
    text = url.decode("utf-8", "surrogateescape") if isinstance(url, bytes) else url
    scheme, found, rest = text.partition("://")
    if not found or not scheme:
        raise ValueError(f"not an absolute URL: {text!r}")
    cut = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    authority, tail = rest[:cut].rpartition("@")[2], rest[cut:].partition("#")[0]
    host, port = parse_authority(authority, check=True)
    scheme = scheme.lower()
    if port is None:
        port = default_port(scheme)
    if port is None:
        raise ValueError(f"no port in {text!r} and no usual one for {scheme}")
    if not tail.startswith("/"):
        tail = "/" + tail
    path = _urllib.quote(tail, safe="!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", errors="surrogateescape")
    return scheme.encode("ascii"), host_bytes(host), port, path.encode("ascii")


def unparse(scheme: str, host: str, port: int, path: str = "") -> str:
    """Put a URL together; the port is left out where it is the scheme's usual one."""
    return f"{scheme}://{hostport(scheme, host, port)}{path}"


def hostport(scheme: str, host: str, port: int) -> str:
    """Form an authority: brackets around IPv6 addresses, no port where it is the scheme's usual one."""
    return bracketed(host) if port == default_port(scheme) else with_port(host, port)


def with_port(host: str, port: int) -> str:
    """Form an authority that names its port whatever the scheme."""
    return f"{bracketed(host)}:{port}"


def bracketed(host: str) -> str:
    """Put an IPv6 address into the brackets that keep it apart from a port."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def default_port(scheme: str | bytes) -> int | None:
    """Give the usual port of a scheme, None for a scheme without one."""
    name = scheme.decode("ascii", "replace") if isinstance(scheme, bytes) else scheme
    return _DEFAULT_PORTS.get(name.lower())


def parse_authority(authority: str | bytes, check: bool) -> tuple[str, int | None]:
    """Split `host[:port]`; IDNA names become readable, brackets are removed.

    Raises ValueError on nonsense if `check`; otherwise nonsense comes back as the host.
    """
    text = host_text(authority) if isinstance(authority, bytes) else authority
    match = _AUTHORITY.match(text)
    if match is not None:
        host = match["host"].strip("[]")
        if "xn--" in host.lower():
            host = host_text(host.encode("utf-8", "surrogateescape"))
        port = int(match["port"]) if match["port"] else None
        is_host = not check or (":" in host if text.startswith("[") else is_valid_host(host))
        if is_host and (port is None or is_valid_port(port)):
            return host, port
    elif text.endswith(":") and text.count(":") == 1 and len(text) > 1:
        return parse_authority(text[:-1], check)
    if check:
        raise ValueError(f"not a host with an optional port: {text!r}")
    return text, None


def host_text(host: bytes) -> str:
    """Show a host name: IDNA is decoded, other bytes survive as surrogates."""
    if b"xn--" in host.lower():
        try:
            return host.decode("idna")
        except UnicodeError:
            pass
    return host.decode("utf-8", "surrogateescape")


def host_bytes(host: str) -> bytes:
    """Write a host name for the wire, in IDNA where it is not ASCII."""
    if host.isascii():
        return host.encode("ascii")
    try:
        return host.encode("idna")
    except UnicodeError:
        return host.encode("utf-8", "surrogateescape")


def is_valid_host(host: str | bytes) -> bool:
    """Tell whether this is a host name or an IP address (without brackets)."""
    raw = host_bytes(host) if isinstance(host, str) else host
    if len(raw) > 255 or not raw:
        return False
    if _LABELS.match(raw):
        return True
    try:
        ipaddress.ip_address(raw.decode("ascii", "replace"))
    except ValueError:
        return False
    return True


def is_valid_port(port: int) -> bool:
    return 0 <= port <= 65535


def decode(query: str | bytes) -> list[tuple[str, str]]:
    """Read `a=1&b=` into pairs; blank values are kept, bytes that are not UTF-8 survive as surrogates."""
    text = query.decode("utf-8", "surrogateescape") if isinstance(query, bytes) else query
    return _urllib.parse_qsl(text, keep_blank_values=True, errors="surrogateescape")


def encode(pairs: Iterable[tuple[str, str]], similar_to: str | None = None) -> str:
    """Write pairs as a query; where `similar_to` leaves out `=` after a name without value, so does the result."""
    written = _urllib.urlencode([(name, value) for name, value in pairs], errors="surrogateescape")
    if similar_to is not None and _has_bare_names(similar_to):
        written = "&".join(part.removesuffix("=") for part in written.split("&"))
    return written


def quote(text: str, safe: str = "/") -> str:
    return _urllib.quote(text, safe=safe, errors="surrogateescape")


def unquote(text: str) -> str:
    return _urllib.unquote(text, errors="surrogateescape")


def _has_bare_names(query: str) -> bool:
    return any(part and "=" not in part for part in query.split("&"))
