"""What protocol a connection speaks, told by the first bytes that its client sends.

The rules, in order; each is decided by as few bytes as it needs, and everything else is raw:

- TLS: a handshake record, `16 03 00` to `16 03 04`.
- SOCKS5: `05` and a count of methods that is not 0. SOCKS4: `04 01` or `04 02`.
- PROXY protocol: version 2 by its twelve bytes, version 1 by `PROXY TCP4 `, `PROXY TCP6 ` or `PROXY UNKNOWN`.
- HTTP/2: its preface, up to `PRI * HTTP/2.0`. SSH: `SSH-`.
- HTTP/1: blank lines may lead (RFC 9112 §2.2). A common method and a target that begins with `/` or a scheme decide at
  once (for CONNECT any target does). Any other token is HTTP's as well, in any case, if the first line ends in an HTTP version;
  so `EHLO host`, `get key` and `OPTIONS * RTSP/1.0` are other people's protocols, and nobody's first line is answered 400.
  A line of more than `MAX_LINE` bytes is HTTP if its target looks like one, so that it gets its 414.

A client that waits for the server to speak first sends nothing to look at: that is for a timer to decide, not for here.
"""

import re
from enum import Enum
from typing import Final

MAX_LINE: Final = 8192
"""Bytes after which a first line without an end is judged by its beginning."""
MAX_BLANK: Final = 16
"""Bytes of blank lines that may lead a request."""

_PROXY_V2: Final = b"\r\n\r\n\0\r\nQUIT\n"
_COMMON: Final = re.compile(
    rb"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|TRACE|PATCH|PROPFIND|PROPPATCH|MKCOL|COPY|MOVE|LOCK|UNLOCK|REPORT|QUERY) "
    rb"(?:/|https?://)|CONNECT [!-~]"
)
_SETTINGS: Final = re.compile(rb"\0[\0-\x01].\x04\0\0\0\0\0", re.DOTALL)
"""The header of a frame of at most 511 bytes: its size, its kind, no flags, stream 0."""
_METHOD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+( ?)")
_LINE: Final = re.compile(rb"[^\0-\x08\x0a-\x1f\x7f]*")
_VERSION: Final = re.compile(rb"[ \t]HTTP/\d+(?:\.\d+)?[ \t]*\Z", re.IGNORECASE)
_TARGET: Final = re.compile(rb"[^ ]+ +(?:/|https?://)", re.IGNORECASE)


class Kind(Enum):
    """A protocol that can be told by its first bytes."""

    TLS = "tls"
    HTTP1 = "http1"
    HTTP2 = "http2"
    SOCKS4 = "socks4"
    SOCKS5 = "socks5"
    PROXY_V1 = "proxy-v1"
    PROXY_V2 = "proxy-v2"
    SSH = "ssh"
    RAW = "raw"


_PREFIXES: Final = (
    (_PROXY_V2, Kind.PROXY_V2),
    (b"PROXY TCP4 ", Kind.PROXY_V1),
    (b"PROXY TCP6 ", Kind.PROXY_V1),
    (b"PROXY UNKNOWN", Kind.PROXY_V1),
    (b"PRI * HTTP/2.0", Kind.HTTP2),
    (b"SSH-", Kind.SSH),
)


def sniff(data: bytes | bytearray) -> Kind | None:
    """Tell the protocol from all bytes received so far; None if more are needed."""
    if not data:
        return None
    if _COMMON.match(data):
        return Kind.HTTP1
    binary = _BINARY.get(data[0])
    if binary is not None:
        return binary(data)
    return _by_prefix(data)


def begins_with_settings(data: bytes | bytearray) -> bool:
    """Tell whether a server's first bytes are those of HTTP/2: a SETTINGS frame on stream 0 (RFC 9113 §3.4)."""
    return _SETTINGS.match(data) is not None and int.from_bytes(data[:3], "big") % 6 == 0


def _by_prefix(data: bytes | bytearray) -> Kind | None:
    may_become = False
    for prefix, kind in _PREFIXES:
        if data.startswith(prefix):
            return kind
        may_become = may_become or prefix.startswith(data)
    text = data.lstrip(b"\r\n")
    if not text:
        return None if len(data) <= MAX_BLANK else Kind.RAW
    verdict = _http1(text) if len(data) - len(text) <= MAX_BLANK else Kind.RAW
    return None if may_become else verdict


def _http1(data: bytes | bytearray) -> Kind | None:
    """Judge a line that no prefix decided; the general rule for HTTP/1."""
    if _COMMON.match(data):
        return Kind.HTTP1
    method = _METHOD.match(data)
    if method is None or (not method[1] and method.end() < len(data)):
        return Kind.RAW
    legible = _LINE.match(data[: MAX_LINE + 2])
    end = legible.end() if legible else 0
    rest = data[end : end + 2]
    if end > MAX_LINE:
        return Kind.HTTP1 if _TARGET.match(data) else Kind.RAW
    if rest[:1] == b"\n" or rest == b"\r\n":
        return Kind.HTTP1 if _VERSION.search(data[:end]) else Kind.RAW
    return None if rest in (b"", b"\r") else Kind.RAW


def _tls(data: bytes | bytearray) -> Kind | None:
    if len(data) > 1 and data[1] != 3:
        return Kind.RAW
    if len(data) < 3:
        return None
    return Kind.TLS if data[2] <= 4 else Kind.RAW


def _socks5(data: bytes | bytearray) -> Kind | None:
    if len(data) < 2:
        return None
    return Kind.SOCKS5 if data[1] else Kind.RAW


def _socks4(data: bytes | bytearray) -> Kind | None:
    if len(data) < 2:
        return None
    return Kind.SOCKS4 if data[1] in (1, 2) else Kind.RAW


_BINARY: Final = {0x16: _tls, 0x05: _socks5, 0x04: _socks4}
