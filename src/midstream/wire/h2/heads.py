"""Heads and trailers: what their sections mean, and back (RFC 9113 §8.3, RFC 8441 §4)."""

import re
from functools import cache
from typing import Final

from midstream.errors import UsageError
from midstream.wire.errors import PeerError, shown
from midstream.wire.events import Fields, RequestHead, ResponseHead, Trailers
from midstream.wire.h2.fields import ready
from midstream.wire.h2.hpack import Block
from midstream.wire.h2.section import LETTERS, Section, read_section
from midstream.wire.h2.stream import BODILESS, Stream
from midstream.wire.tolerance import Tolerance

_PSEUDO_NAMES: Final = {letter: name for name, letter in LETTERS.items()}
VERSION: Final = b"HTTP/2.0"
DEFAULT_ORDER: Final = b"m,a,s,p"

_REQUEST: Final = frozenset((b":method", b":scheme", b":authority", b":path", b":protocol"))
_RESPONSE: Final = frozenset((b":status",))
_NONE: Final[frozenset[bytes]] = frozenset()
_COMMON_METHODS: Final = frozenset((b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"))
_METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SCHEME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*")
_TARGET: Final = re.compile(rb"[^\x00-\x20\x7f]+")
_AUTHORITY: Final = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]\-\x80-\xff]+")
_STATUS_FIELDS: Final = {status: (b":status", b"%d" % status) for status in range(100, 1000)}


def read_request(block: Block, tolerance: Tolerance, *, is_end: bool, has_extended: bool) -> tuple[RequestHead, int]:
    """Return the head, and the length it announces (-1 for none).

    Raises:
        PeerError: the request is malformed.

    """
    section = block.section
    if not isinstance(section, Section):
        section = read_section(block.fields, _REQUEST, tolerance)
        _check_request(section, tolerance, has_extended=has_extended)
        if not tolerance.faults:
            block.section = section
    length = section.length
    if is_end and length > 0:
        tolerance.pass_raw(f"no body, where Content-Length says {length}", "RFC 9113 §8.1.1")
    pseudo = section.pseudo.get
    method = pseudo(b":method", b"")
    authority = pseudo(b":authority", b"")
    head = RequestHead(
        method,
        pseudo(b":path", authority),
        VERSION,
        section.fields.copy(),
        0 if is_end else length if length > 0 else None,
        b"",
        tolerance.take() if tolerance.faults else (),
        pseudo(b":scheme", b""),
        authority,
        section.host,
        b"",
        section.expects_continue,
        None,
        pseudo(b":protocol", b""),
        section.order,
        block.never_indexed,
    )
    return head, length


def read_response(block: Block, tolerance: Tolerance, *, is_end: bool, method: bytes) -> tuple[ResponseHead, int]:
    """Return the head of an answer to `method`, and the length its body must have (-1 for any).

    Raises:
        PeerError: the response is malformed.

    """
    section = block.section
    if not isinstance(section, Section):
        section = read_section(block.fields, _RESPONSE, tolerance)
        if not tolerance.faults:
            block.section = section
    text = section.pseudo.get(b":status", b"")
    if len(text) != 3 or not text.isdigit() or text < b"100":
        raise PeerError(f"status {shown(text)}", "RFC 9113 §8.3.2")
    status = int(text)
    if status == 101:
        raise PeerError("101 (Switching Protocols), which HTTP/2 does not have", "RFC 9113 §8.6")
    if status < 200:
        if is_end:
            raise PeerError("an interim response that ends its stream", "RFC 9113 §8.1")
        size: int | None = 0
        length = -1
    elif method == b"HEAD" or status in (204, 304):
        size = 0 if is_end else None
        length = 0
    elif method == b"CONNECT" and status < 300:
        size = 0 if is_end else None
        length = -1
    else:
        length = section.length
        if is_end and length > 0:
            tolerance.pass_raw(f"no body, where Content-Length says {length}", "RFC 9113 §8.1.1")
        size = 0 if is_end else length if length >= 0 else None
    faults = tolerance.take() if tolerance.faults else ()
    head = ResponseHead(status, b"", VERSION, section.fields.copy(), size, b"", faults, None, block.never_indexed)
    return head, length


def read_trailers(block: Block, tolerance: Tolerance) -> Trailers:
    """Return the trailer section.

    Raises:
        PeerError: it is malformed.

    """
    section = read_section(block.fields, _NONE, tolerance)
    return Trailers(
        section.fields if section.fields is not block.fields else section.fields.copy(), block.never_indexed
    )


def request_fields(head: RequestHead, order: bytes) -> Fields:
    """Return all fields of a request, pseudo-header fields first and in the head's own order, else in `order`.

    The authority of a head that came by HTTP/1 is its Host field, which goes; one that came by HTTP/2 keeps what it has (H2-29).

    Raises:
        UsageError: the request cannot be sent as it is.

    """
    fields = ready(head.headers)
    authority = head.authority
    if head.version != VERSION:
        hosts = [value for name, value in fields if name == b"host"]
        if hosts:
            authority = authority or hosts[0]
            fields = tuple(field for field in fields if field[0] != b"host")
    method, target, scheme = head.method, head.target, head.scheme or b"https"
    if _METHOD.fullmatch(method) is None or _TARGET.fullmatch(target) is None:
        raise UsageError(f"Method {shown(method)} or target {shown(target)} is empty or holds what it must not.")
    if _SCHEME.fullmatch(scheme) is None or (authority and _TARGET.fullmatch(authority) is None):
        raise UsageError(f"Scheme {shown(scheme)} or authority {shown(authority)} holds what it must not.")
    if method == b"CONNECT" and not head.protocol:
        return [(b":method", method), (b":authority", authority or target), *fields]
    values = {b"m": method, b"a": authority, b"s": scheme, b"p": target, b"r": head.protocol}
    pseudo = [
        (_PSEUDO_NAMES[letter], values[letter]) for letter in _sequence(head.pseudo_order or order) if values[letter]
    ]
    return [*pseudo, *fields]


def response_fields(head: ResponseHead) -> Fields:
    """Return all fields of a response.

    Raises:
        UsageError: the response cannot be sent as it is.

    """
    status = _STATUS_FIELDS.get(head.status)
    if status is None or head.status == 101:
        raise UsageError(f"Status {head.status} cannot be sent in HTTP/2.")
    return [status, *ready(head.headers)]


def settle_length(stream: Stream, fields: Fields, size: int | None) -> Fields:
    """Make Content-Length say what will be sent, or nothing; where it is right it stays as it is (H2-30)."""
    lengths = [value for name, value in fields if name == b"content-length"]
    if not lengths or stream.to_send == BODILESS:
        return fields
    if size is None and lengths != [b"0"]:
        return [field for field in fields if field[0] != b"content-length"]
    stream.to_send = size or 0
    right = b"%d" % stream.to_send
    if lengths != [right]:
        at = [name for name, _ in fields].index(b"content-length")
        fields = [field for field in fields if field[0] != b"content-length"]
        fields.insert(at, (b"content-length", right))
    return fields


@cache
def _sequence(order: bytes) -> tuple[bytes, ...]:
    """Return all letters: those of `order` first."""
    first = dict.fromkeys(letter for letter in order.split(b",") if letter in _PSEUDO_NAMES)
    return tuple(first | dict.fromkeys(_PSEUDO_NAMES))


def _check_request(section: Section, tolerance: Tolerance, *, has_extended: bool) -> None:
    pseudo = section.pseudo
    method = pseudo.get(b":method")
    if method is None or (method not in _COMMON_METHODS and _METHOD.fullmatch(method) is None):
        raise PeerError("no :method" if method is None else f"method {shown(method)}", "RFC 9113 §8.3.1")
    authority = pseudo.get(b":authority")
    protocol = pseudo.get(b":protocol")
    if protocol is not None and (method != b"CONNECT" or not has_extended or not protocol):
        raise PeerError(":protocol, which was not offered or has no place here", "RFC 8441 §4")
    if method == b"CONNECT" and protocol is None:
        if not authority or b":path" in pseudo or b":scheme" in pseudo:
            raise PeerError("a CONNECT has :method and :authority, and nothing else", "RFC 9113 §8.5")
    else:
        _check_target(method, pseudo, tolerance)
    if authority is None:
        if section.host is None:
            tolerance.pass_raw("neither :authority nor Host", "RFC 9113 §8.3.1")
    elif _AUTHORITY.fullmatch(authority) is None:
        if _TARGET.fullmatch(authority) is None:
            raise PeerError(f":authority {shown(authority)}", "RFC 9113 §8.3.1")
        tolerance.pass_raw(f":authority {shown(authority)} is not a host", "RFC 9113 §8.3.1")


def _check_target(method: bytes, pseudo: dict[bytes, bytes], tolerance: Tolerance) -> None:
    path, scheme = pseudo.get(b":path"), pseudo.get(b":scheme")
    if path is None or scheme is None:
        raise PeerError(f"no {':scheme' if scheme is None else ':path'}", "RFC 9113 §8.3.1")
    if _TARGET.fullmatch(path) is None or _SCHEME.fullmatch(scheme) is None:
        raise PeerError(f":path {shown(path)} or :scheme {shown(scheme)}", "RFC 9113 §8.3.1")
    if path[0] != 0x2F and not (path == b"*" and method == b"OPTIONS"):
        tolerance.pass_raw(f":path {shown(path)} does not start with a slash", "RFC 9113 §8.3.1")
