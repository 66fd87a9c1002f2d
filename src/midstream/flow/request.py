"""An HTTP request as scripts see it."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Self

from midstream.flow import cookies, multipart, url
from midstream.flow.headers import Headers
from midstream.flow.message import DataField, Message, MessageData, as_bytes, as_headers, headers_of
from midstream.flow.multidict import MultiDictView, pairs_of


class RequestData(MessageData):
    """The stored fields of a request."""

    __slots__ = ()

    host = DataField[str]("_host")
    port = DataField[int]("_port")
    method = DataField[bytes]("_method")
    scheme = DataField[bytes]("_scheme")
    authority = DataField[bytes]("_authority")
    path = DataField[bytes]("_path")


class Request(Message):
    """A request: where it goes (`host`, `port`, `scheme`), what it asks for, and what it carries."""

    __slots__ = ("_authority", "_host", "_method", "_path", "_port", "_scheme")

    def __init__(  # noqa: PLR0913, PLR0917 - the signature that scripts know
        self,
        host: str,
        port: int,
        method: bytes,
        scheme: bytes,
        authority: bytes,
        path: bytes,
        http_version: bytes,
        headers: Headers | Iterable[tuple[bytes, bytes]],
        content: bytes | None,
        trailers: Headers | Iterable[tuple[bytes, bytes]] | None = None,
        timestamp_start: float = 0.0,
        timestamp_end: float | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._method = method
        self._scheme = scheme
        self._authority = authority
        self._path = path
        self._http_version = http_version
        self._headers = headers if type(headers) is Headers else as_headers(headers)
        self._content = content
        self._trailers = trailers if trailers is None or type(trailers) is Headers else as_headers(trailers)
        self.timestamp_start = timestamp_start
        self.timestamp_end = timestamp_end
        self._edited = False
        self._decoded = None
        self.stream = False

    @classmethod
    def make(
        cls,
        method: str,
        url: str,
        content: bytes | str = "",
        headers: Headers | Mapping[str, str | bytes] | Mapping[bytes, str | bytes] | Iterable[tuple[bytes, bytes]] = (),
    ) -> Self:
        """Make a request for an absolute URL; a Content-Length comes with the content."""
        now = time.time()
        fields = headers_of(headers)
        request = cls("", 0, as_bytes(method), b"", b"", b"", b"HTTP/1.1", fields, b"", None, now, now)
        request.url = url
        if isinstance(content, str):
            request.text = content
        else:
            request.content = content
        return request

    def __repr__(self) -> str:
        return f"Request({self.method} {self.pretty_url})"

    @property
    def data(self) -> RequestData:
        """The stored fields, in bytes."""
        return RequestData(self)

    @property
    def first_line_format(self) -> str:
        """The form of the request target (RFC 9112 §3.2): `authority`, `absolute` or `relative`."""
        if self._method == b"CONNECT":
            return "authority"
        return "absolute" if self._authority else "relative"

    @property
    def method(self) -> str:
        """The method, in upper case; `data.method` has it as it came."""
        return self._method.decode("utf-8", "surrogateescape").upper()

    @method.setter
    def method(self, method: str | bytes) -> None:
        self._method = as_bytes(method)
        self._edited = True

    @property
    def scheme(self) -> str:
        return self._scheme.decode("utf-8", "surrogateescape")

    @scheme.setter
    def scheme(self, scheme: str | bytes) -> None:
        self._scheme = as_bytes(scheme)
        self._edited = True

    @property
    def authority(self) -> str:
        """The authority of the request target: of the absolute form or CONNECT on HTTP/1, `:authority` on HTTP/2."""
        return url.host_text(self._authority)

    @authority.setter
    def authority(self, authority: str | bytes) -> None:
        self._authority = authority if isinstance(authority, bytes) else _authority_bytes(authority)
        self._edited = True

    @property
    def host(self) -> str:
        """Where to send the request. Setting it corrects the Host field and the authority, where there are any."""
        return self._host

    @host.setter
    def host(self, host: str | bytes) -> None:
        self._host = url.host_text(host) if isinstance(host, bytes) else host
        self._update_authority()

    @property
    def port(self) -> int:
        """The port to send the request to. Setting it corrects what setting `host` does."""
        return self._port

    @port.setter
    def port(self, port: int) -> None:
        self._port = port
        self._update_authority()

    @property
    def path(self) -> str:
        """Path and query."""
        return self._path.decode("utf-8", "surrogateescape")

    @path.setter
    def path(self, path: str | bytes) -> None:
        self._path = as_bytes(path)
        self._edited = True

    @property
    def host_header(self) -> str | None:
        """The host that the client named: `:authority` on HTTP/2 and 3, else the Host field."""
        if self._authority and (self.is_http2 or self.is_http3):
            return self.authority
        return self._headers.get("host")

    @host_header.setter
    def host_header(self, value: str | None) -> None:
        multiplexed = self.is_http2 or self.is_http3
        if value is None:
            if multiplexed:
                self.authority = b""
            self._headers.pop("host", None)
            return
        if multiplexed:
            self.authority = value
        if not multiplexed or "host" in self._headers:
            self._headers["Host"] = value

    @property
    def url(self) -> str:
        """The URL that the request is sent to; setting it sets scheme, host, port and path."""
        if self.first_line_format == "authority":
            return f"{self._host}:{self._port}"
        return url.unparse(self.scheme, self._host, self._port, self._shown_path)

    @url.setter
    def url(self, value: str | bytes) -> None:
        scheme, host, port, path = url.parse(value)
        self._scheme, self._path, self._port = scheme, path, port
        self.host = url.host_text(host)

    @property
    def pretty_host(self) -> str:
        """The host as the client named it, where that differs from the address it is sent to. For display only."""
        named = self.host_header
        return url.parse_authority(named, check=False)[0] if named else self._host

    @property
    def pretty_url(self) -> str:
        """`url` with `pretty_host`. For display only."""
        if self.first_line_format == "authority":
            return self.authority or self.url
        named = self.host_header
        if not named:
            return self.url
        host, port = url.parse_authority(named, check=False)
        port = port or url.default_port(self.scheme) or 443
        return url.unparse(self.scheme, host, port, self._shown_path)

    @property
    def query(self) -> MultiDictView[str, str]:
        """The query of the URL; changes are written back."""
        return MultiDictView(self._get_query, self._set_query)

    @query.setter
    def query(self, value: Any) -> None:
        self._set_query(pairs_of(value))

    @property
    def cookies(self) -> MultiDictView[str, str]:
        """The cookies sent; changes are written back."""
        return MultiDictView(self._get_cookies, self._set_cookies)

    @cookies.setter
    def cookies(self, value: Any) -> None:
        self._set_cookies(pairs_of(value))

    @property
    def path_components(self) -> tuple[str, ...]:
        """The parts of the path, unquoted."""
        path = self.path.partition("?")[0]
        return tuple(url.unquote(part) for part in path.split("/") if part)

    @path_components.setter
    def path_components(self, components: Iterable[str]) -> None:
        _, mark, query = self.path.partition("?")
        self.path = "/" + "/".join(url.quote(part, safe="") for part in components) + mark + query

    @property
    def urlencoded_form(self) -> MultiDictView[str, str]:
        """The fields of a form sent as application/x-www-form-urlencoded; empty for other bodies."""
        return MultiDictView(self._get_form, self._set_form)

    @urlencoded_form.setter
    def urlencoded_form(self, value: Any) -> None:
        self._set_form(pairs_of(value))

    @property
    def multipart_form(self) -> MultiDictView[bytes, bytes]:
        """The fields of a form sent as multipart/form-data; a part whose name stays keeps its own headers."""
        return MultiDictView(self._get_multipart, self._set_multipart)

    @multipart_form.setter
    def multipart_form(self, value: Any) -> None:
        self._set_multipart(pairs_of(value))

    def anticache(self) -> None:
        """Remove what lets a server answer 304 instead of the whole."""
        for name in ("if-modified-since", "if-none-match"):
            self._headers.pop(name, None)

    def anticomp(self) -> None:
        """Ask for an answer without content coding."""
        self._headers["accept-encoding"] = "identity"

    def constrain_encoding(self) -> None:
        """Leave only such codings in Accept-Encoding as can be undone here."""
        accepted = self._headers.get("accept-encoding")
        if accepted:
            known = {"gzip", "identity", "deflate", "br", "zstd"}
            kept = [item.strip() for item in accepted.split(",") if item.partition(";")[0].strip().lower() in known]
            self._headers["accept-encoding"] = ", ".join(kept)

    def get_state(self) -> dict[str, Any]:
        return {
            **super().get_state(),
            "host": self._host,
            "port": self._port,
            "method": self._method,
            "scheme": self._scheme,
            "authority": self._authority,
            "path": self._path,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self._host = state["host"]
        self._port = state["port"]
        self._method = state["method"]
        self._scheme = state["scheme"]
        self._authority = state["authority"]
        self._path = state["path"]

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        request = cls("", 0, b"", b"", b"", b"", b"", (), None)
        request.set_state(state)
        request.mark_unedited()
        return request

    @property
    def _shown_path(self) -> str:
        return "" if self._path == b"*" else self.path

    def _update_authority(self) -> None:
        self._edited = True
        authority = url.hostport(self.scheme, self._host, self._port)
        if self._authority:
            if self._method == b"CONNECT":  # RFC 9110 §9.3.6: always with a port
                authority = url.hostport("", self._host, self._port)
            self.authority = authority
        if "host" in self._headers:
            self._headers["Host"] = authority

    def _get_query(self) -> list[tuple[str, str]]:
        return url.decode(self.path.partition("?")[2])

    def _set_query(self, pairs: tuple[tuple[str, str], ...]) -> None:
        path, _, old = self.path.partition("?")
        query = url.encode(pairs, old)
        self.path = f"{path}?{query}" if query else path

    def _get_cookies(self) -> list[tuple[str, str]]:
        return [pair for value in self._headers.get_all("cookie") for pair in cookies.parse_cookie_header(value)]

    def _set_cookies(self, pairs: tuple[tuple[str, str], ...]) -> None:
        if pairs:
            self._headers["Cookie"] = cookies.format_cookie_header(pairs)
        else:
            self._headers.pop("cookie", None)

    def _get_form(self) -> list[tuple[str, str]]:
        is_form = "application/x-www-form-urlencoded" in self._headers.get("content-type", "").lower()
        return url.decode(self.get_text(strict=False) or "") if is_form else []

    def _set_form(self, pairs: tuple[tuple[str, str], ...]) -> None:
        old = (self.get_text(strict=False) or "") if self._get_form() else ""
        if "application/x-www-form-urlencoded" not in self._headers.get("content-type", "").lower():
            self._headers["Content-Type"] = "application/x-www-form-urlencoded"
        self.content = as_bytes(url.encode(pairs, old))

    def _form(self) -> multipart.Form | None:
        return multipart.parse(self._headers.get("content-type", ""), self.get_content(strict=False) or b"")

    def _get_multipart(self) -> list[tuple[bytes, bytes]]:
        form = self._form()
        return form.pairs() if form else []

    def _set_multipart(self, pairs: tuple[tuple[bytes, bytes], ...]) -> None:
        old = self._form()
        form = old.with_pairs(pairs) if old else multipart.new_form(pairs)
        if old is None:
            self._headers["Content-Type"] = f"multipart/form-data; boundary={form.boundary.decode()}"
        self.content = form.dump()


def _authority_bytes(authority: str) -> bytes:
    host, colon, port = authority.rpartition(":") if ":" in authority else (authority, "", "")
    return url.host_bytes(host) + as_bytes(colon + port)
