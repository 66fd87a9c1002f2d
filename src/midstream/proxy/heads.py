"""From flow messages back to heads for the wire: the original where nothing changed, else what hooks made of it."""

from typing import Final

from midstream.flow import Request, Response
from midstream.flow import status as phrases
from midstream.proxy.target import Target, join_authority
from midstream.wire.events import Fields, RequestHead, ResponseHead
from midstream.wire.h1.hop import end_to_end
from midstream.wire.h1.line import HOST, Field, written_line
from midstream.wire.h2.heads import VERSION
from midstream.wire.memo import Memo

_replacements: Final[Memo[tuple[bytes, int, Field], bytes]] = Memo(room=512, largest=4096)

_ENDS_HERE = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"upgrade", b"http2-settings")
)
"""Fields that are for us and not for the server; in HTTP/2 no Connection field can name others (RFC 9113 §8.2.2)."""
_PRIORITY_ENDS_HERE = _ENDS_HERE | {b"priority"}


def request_head(
    request: Request,
    came: RequestHead,
    target: Target,
    body_size: int | None,
    *,
    is_for_parent: bool,
    passes_priority: bool = False,
) -> RequestHead:
    """Return what is sent to the server.

    `is_for_parent` is for a parent HTTP proxy that gets clear-text requests: the target is a whole URL, and
    Proxy-Authorization is for it. What an HTTP/2 client says in a Priority field goes on only if `passes_priority` (RFC 9218 §5).
    """
    if came.block and not is_for_parent and not request.edited:
        path = target.path or came.target
        if path is came.target and body_size == came.body_size:
            return came
        return RequestHead(came.method, path, came.version, came.headers, body_size, came.block)
    if came.version == VERSION:
        ends_here = _ENDS_HERE if passes_priority else _PRIORITY_ENDS_HERE
        return _http2_request_head(request, came, body_size, ends_here, is_for_parent=is_for_parent)
    data = request.data
    if came.block and not is_for_parent:
        pairs = request.headers.pairs
        block = patched(came.block, came.headers, pairs)
        if block:
            return RequestHead(data.method, data.path or came.target, data.http_version, pairs, body_size, block)
    fields = _request_fields(request, came, is_for_parent=is_for_parent)
    if is_for_parent:
        authority = data.authority or request.headers.get("host", "").encode() or _authority(request)
        path = data.scheme + b"://" + authority + data.path
    else:
        path = data.path or came.target
    head = RequestHead(
        data.method, path, data.http_version, fields, body_size, host=came.host, odd_lines=came.odd_lines
    )
    if came.upgrade:  # as far as hooks have left it
        head.upgrade = b", ".join(value for name, value in fields if name.lower() == b"upgrade")
        head.host = next((value for name, value in fields if name.lower() == b"host"), None)
    return head


def response_head(response: Response, came: ResponseHead | None, body_size: int | None) -> ResponseHead:
    """Return what is sent to the client; `came` is the server's head, None for a response made here."""
    if came is not None and came.block and not response.edited:
        if body_size == came.body_size:
            return came
        return ResponseHead(came.status, came.reason, came.version, came.headers, body_size, came.block)
    if came is not None and came.version == VERSION and not response.edited and body_size == came.body_size:
        return came
    data = response.data
    if came is not None and came.block:
        pairs = response.headers.pairs
        block = patched(came.block, came.headers, pairs)
        if block:
            return ResponseHead(data.status_code, data.reason, data.http_version, pairs, body_size, block)
    fields = end_to_end(response.headers.pairs, keep_upgrade=data.status_code == 101)
    odd_lines = came.odd_lines if came is not None else None
    reason = data.reason
    if not reason and not data.http_version.startswith(b"HTTP/1"):
        reason = phrases.reason(data.status_code).encode("latin-1")  # there are none in HTTP/2
    never_indexed = came.never_indexed if came is not None else frozenset()
    return ResponseHead(
        data.status_code,
        reason,
        data.http_version,
        fields,
        body_size,
        odd_lines=odd_lines,
        never_indexed=never_indexed,
    )


def set_host(head: RequestHead, host: bytes) -> None:
    """Put `host` into the Host field of a head that has just come, where it stands; first if there is none."""
    if head.version == VERSION:
        head.authority = head.host = host
        head.headers = [(name, host if name == b"host" else value) for name, value in head.headers]
        return
    fields = head.headers
    for index, field in enumerate(fields):
        if field[0].lower() == b"host":
            fields[index] = (field[0], host)
            if head.block:
                head.block = _replaced(head.block, index, fields[index])
            break
    else:
        fields.insert(0, (b"Host", host))
        head.block = b"Host: %b\r\n%b" % (host, head.block) if head.block else b""
    head.host = host


def _replaced(block: bytes, index: int, field: Field) -> bytes:
    """Return a block with another field at `index`; for the same again the same object, whose hash is known by then."""
    key = (block, index, field)
    known = _replacements.get(key)
    if known is not None:
        return known
    lines = block.split(b"\r\n", index + 1)
    lines[index] = b"%b: %b" % field
    return _replacements.remember(key, b"\r\n".join(lines), len(block))


def patched(block: bytes, came: Fields, pairs: Fields) -> bytes:
    """Return a forwardable block with the fields that hooks replaced or appended; nothing where more was changed.

    Lines that nobody touched stay as they came. A field that says something about framing, the connection or
    (unless it replaces one) the host has to go the long way.
    """
    count = len(came)
    if len(pairs) < count:
        return b""
    lines = block.split(b"\r\n")
    for index, (old, new) in enumerate(zip(came, pairs, strict=False)):
        if old != new:
            line, kinds = written_line(new)
            if kinds and (kinds != HOST or old[0].lower() != b"host"):
                return b""
            lines[index] = line[:-2]
    for field in pairs[count:]:
        line, kinds = written_line(field)
        if kinds:
            return b""
        lines.insert(-2, line[:-2])
    return b"\r\n".join(lines)


def asks_for_h2c(head: RequestHead) -> bool:
    """True if the client offers to go on in HTTP/2, which a proxy must not half-take (RFC 9113 §3.1)."""
    return b"h2c" in head.upgrade.lower()


def _http2_request_head(
    request: Request, came: RequestHead, body_size: int | None, ends_here: frozenset[bytes], *, is_for_parent: bool
) -> RequestHead:
    """Return what is sent of a request that came by HTTP/2; the stream it is sent on makes HTTP/1 of it where it must."""
    is_as_it_came = not is_for_parent and not request.edited and body_size == came.body_size
    if is_as_it_came and ends_here.isdisjoint([name for name, _ in came.headers]):
        return came
    data = request.data
    if is_for_parent:
        ends_here = ends_here - {b"proxy-authorization"}
    fields = [field for field in request.headers.pairs if field[0].lower() not in ends_here]
    authority, host = data.authority, _named(fields)
    if host is not None and host != came.host and authority == came.authority:
        authority = authority and host  # an addon has set the Host field, and means it
    path = data.path or came.target
    if is_for_parent:
        path = data.scheme + b"://" + (authority or host or _authority(request)) + path
    return RequestHead(
        data.method,
        path,
        data.http_version,
        fields,
        body_size,
        scheme=data.scheme or came.scheme,
        authority=authority,
        host=host,
        protocol=came.protocol,
        pseudo_order=came.pseudo_order,
        never_indexed=came.never_indexed,
    )


def _named(fields: Fields) -> bytes | None:
    return next((value for name, value in fields if name.lower() == b"host"), None)


def _request_fields(request: Request, came: RequestHead, *, is_for_parent: bool) -> Fields:
    pairs = request.headers.pairs
    fields = end_to_end(pairs, keep_upgrade=bool(came.upgrade) and not asks_for_h2c(came))
    if came.upgrade:
        fields = [pair for pair in fields if pair[0].lower() != b"http2-settings"]
    if is_for_parent:
        fields += [pair for pair in pairs if pair[0].lower() == b"proxy-authorization"]
    return fields


def _authority(request: Request) -> bytes:
    return join_authority(request.host, request.port, request.scheme)
