"""Reverse mode: lets what the server says of itself come true for the client, who knows it under another name.

Redirects (Location, Content-Location), cookies (Set-Cookie) and other ways to the server (Alt-Svc, RFC 7838) name it; bodies are
left alone. Nothing is touched with `keep_host_header`, where the server knows the client's name for it.
"""

import ipaddress
import re
from operator import itemgetter

from midstream.addon import HTTPFlow, Options, observe
from midstream.addons.mode import mode_name

NAME_OF = itemgetter(0)
NAMES = frozenset({b"location", b"content-location", b"set-cookie", b"alt-svc"})
DEFAULT_PORTS = {"http": 80, "https": 443}
_ALTERNATIVE = re.compile(r'"([^":\s]*|\[[^\]"]*\]):(\d+)"')


class Reverse:
    """Rewrites response heads of reverse mode."""

    name = "reverse-names"

    def __init__(self, *, is_alt_svc_kept: bool) -> None:
        self._is_alt_svc_kept = is_alt_svc_kept

    @classmethod
    def wanted(cls, options: Options) -> "Reverse | None":
        """Return the addon that the options ask for."""
        has_reverse = any(mode.strip().lower().startswith("reverse:") for mode in options.mode)
        return (
            cls(is_alt_svc_kept=options.keep_alt_svc_header) if has_reverse and not options.keep_host_header else None
        )

    @observe
    def responseheaders(self, flow: HTTPFlow) -> None:
        assert flow.response is not None
        if NAMES.isdisjoint(map(bytes.lower, map(NAME_OF, flow.response.headers.pairs))):
            return
        if mode_name(flow.client_conn) == "reverse" and flow.server_conn.address is not None:
            self._rewrite(flow, Names(flow))

    def _rewrite(self, flow: HTTPFlow, names: "Names") -> None:
        assert flow.response is not None
        headers = flow.response.headers
        rewriters = {"location": names.location, "content-location": names.location, "set-cookie": names.cookie}
        if not self._is_alt_svc_kept:
            rewriters["alt-svc"] = names.alternatives
        for field, rewritten in rewriters.items():
            before = headers.get_all(field)
            after = [rewritten(value) for value in before]
            if after != before:
                headers.set_all(field, after)


class Names:
    """The two names of a server: its own, and the one by which the client called it."""

    def __init__(self, flow: HTTPFlow) -> None:
        address = flow.server_conn.address
        assert address is not None
        self.target = (flow.request.scheme, address[0].lower(), address[1])
        self.is_client_tls = flow.client_conn.tls
        self.client_scheme = "https" if flow.client_conn.tls else "http"
        self.client_authority = (flow.client_authority or b"").decode("utf-8", "replace")
        """Empty if the client called the server by its own name."""
        self.client_host, port = split_authority(self.client_authority)
        sockname = flow.client_conn.sockname
        self.client_port = port or (
            DEFAULT_PORTS[self.client_scheme] if self.client_host else sockname[1] if sockname else 0
        )

    def location(self, value: str) -> str:
        """Return a URL with the client's name for the server; that of any other server as it is."""
        scheme, separator, rest = value.partition("//")
        end = min((place for place in map(rest.find, "/?#") if place >= 0), default=len(rest))
        host, port = split_authority(rest[:end])
        scheme_name = scheme.removesuffix(":").lower() or self.target[0]
        port = port or DEFAULT_PORTS.get(scheme_name, 0)
        if not separator or not self.client_host or (scheme_name, host, port) != self.target:
            return value
        return f"{self.client_scheme + ':' if scheme else ''}//{self.client_authority}{rest[end:]}"

    def cookie(self, value: str) -> str:
        """Return a Set-Cookie value that the client takes (RFC 6265 §5.3): for its name, and without Secure over clear text."""
        pair, *attributes = value.split(";")
        kept = [self._attribute(attribute) for attribute in attributes]
        return ";".join([pair, *(attribute for attribute in kept if attribute is not None)])

    def _attribute(self, attribute: str) -> str | None:
        """Return one attribute of a cookie as the client is to see it; None to leave it out."""
        spelling, _, content = attribute.partition("=")
        name, content = spelling.strip().lower(), content.strip().lower()
        if name == "domain" and self.client_host:
            content = content.lstrip(".")
            if covers(content, self.target[1]) and not covers(content, self.client_host):
                return f"{spelling}={self.client_host}" if is_domain(self.client_host) else None
        if not self.is_client_tls and (name in {"secure", "partitioned"} or (name, content) == ("samesite", "none")):
            return None  # the latter two mean nothing without Secure
        return attribute

    def alternatives(self, value: str) -> str:
        """Return an Alt-Svc value in which the server itself is reached through us."""

        def through_us(found: re.Match[str]) -> str:
            host = found[1].strip("[]").lower()
            return f'":{self.client_port}"' if host in {"", self.target[1]} else found[0]

        return _ALTERNATIVE.sub(through_us, value)


def split_authority(authority: str) -> tuple[str, int | None]:
    """Return host (lower case, without brackets) and port of `host[:port]`; no host if it makes no sense."""
    bare = authority.rpartition("@")[2]
    host, colon, port = bare.rpartition(":")
    if not colon or bare.endswith("]"):
        host, port = bare, ""
    if port and not (port.isascii() and port.isdigit()):
        return "", None
    return host.strip("[]").lower(), int(port) if port else None


def covers(domain: str, host: str) -> bool:
    """Tell whether a cookie with this Domain goes to `host`."""
    return host == domain or (host.endswith(f".{domain}") and is_domain(host))


def is_domain(host: str) -> bool:
    """Tell whether a Domain can name this host: not an address, nor a name without a dot."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host
    return False
