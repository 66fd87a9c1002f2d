"""The request of a flow as the head of a request that is sent again, in the version in which it came.

What a request cannot be sent without is put in where the flow lacks it, because it was edited, copied from elsewhere, or came in another
version of HTTP (H2-39): the server's name, and for WebSocket a key of its own (RFC 6455 §4.1 wants a new one each time).
"""

import os
from typing import Final

from midstream.flow import Request
from midstream.proxy.target import DEFAULT_PORTS, Target, join_authority
from midstream.wire.events import Fields, RequestHead
from midstream.wire.h1.line import options_of
from midstream.wire.h2.heads import VERSION
from midstream.wire.ws.handshake import PROTOCOL, make_key

KEY: Final = "Sec-WebSocket-Key"
_HTTP1: Final = frozenset((b"HTTP/1.0", b"HTTP/1.1"))


def replay_target(request: Request) -> Target:
    """Return where a request goes."""
    data = request.data
    scheme = "https" if request.scheme == "https" else "http"
    return Target(scheme, request.host, request.port, data.authority, data.path, None)  # type: ignore[arg-type] # one of two


def replay_head(request: Request, *, opens_websocket: bool) -> RequestHead:
    """Complete a request, and return its head; `opens_websocket`: it did when it was recorded."""
    _choose_version(request)
    _take_out_pseudo_fields(request)
    if not request.path:
        request.path = "/"
    if request.data.http_version == VERSION:
        return _http2_head(request, opens_websocket=opens_websocket)
    if opens_websocket:
        request.headers[KEY] = make_key(os.urandom(16))
    if "host" not in request.headers and not request.is_http10:
        request.headers.insert(0, "Host", _authority(request))
    fields = list(request.headers.fields)
    return RequestHead(
        request.data.method,
        request.data.path,
        request.data.http_version,
        fields,
        _size(request),
        host=_first(fields, b"host"),
        upgrade=_upgrade(fields),
        expects_continue="expect" in request.headers,
    )


def _http2_head(request: Request, *, opens_websocket: bool) -> RequestHead:
    """Return a head whose server is named by its authority (RFC 9113 §8.3.1), unless by Host alone, as it came."""
    data = request.data
    fields = list(request.headers.fields)
    host = _first(fields, b"host")
    if not data.authority and host is None:
        request.authority = _authority(request)
    is_connect = opens_websocket and data.method == b"CONNECT"
    return RequestHead(
        data.method,
        data.path,
        VERSION,
        fields,
        _size(request),
        scheme=data.scheme,
        authority=data.authority,
        host=host,
        expects_continue="expect" in request.headers,
        protocol=PROTOCOL if is_connect else b"",
    )


def _choose_version(request: Request) -> None:
    """Have the request be of a version that is spoken here; heads of HTTP/3 say what those of HTTP/2 do."""
    version = request.data.http_version
    if version in _HTTP1 or version == VERSION:
        return
    request.http_version = "HTTP/2.0" if version[:6] in {b"HTTP/2", b"HTTP/3"} else "HTTP/1.1"


def _take_out_pseudo_fields(request: Request) -> None:
    """Take fields such as `:authority` out of the header section, where those who import flows may have left them."""
    pseudo = [name for name in request.headers if name.startswith(":")]
    for name in pseudo:
        if name == ":authority" and not request.authority:
            request.authority = request.headers[name]
        del request.headers[name]


def _authority(request: Request) -> bytes:
    return request.data.authority or join_authority(request.host, request.port, request.scheme)


def _size(request: Request) -> int:
    return len(request.raw_content or b"")


def _first(fields: Fields, name: bytes) -> bytes | None:
    return next((value for each, value in fields if each.lower() == name), None)


def _upgrade(fields: Fields) -> bytes:
    """Return what Upgrade says, if Connection names it (RFC 9110 §7.8)."""
    named = [option for name, value in fields if name.lower() == b"connection" for option in options_of(value)]
    if b"upgrade" not in named:
        return b""
    return b", ".join(value for name, value in fields if name.lower() == b"upgrade")


def has_server(request: Request) -> bool:
    """Tell whether it is known where a request goes."""
    return bool(request.host and request.port and request.scheme in DEFAULT_PORTS)
