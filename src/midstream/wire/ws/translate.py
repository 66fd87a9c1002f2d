"""The opening handshake from one HTTP version to the other (RFC 8441 §5).

HTTP/1.1 asks with GET and Upgrade, proves with a key and its Accept, and is answered 101; HTTP/2 asks with CONNECT and
`:protocol`, needs no proof, and is answered 200. Everything else means the same in both.
"""

from typing import Final

from midstream.wire.events import Fields, RequestHead, ResponseHead
from midstream.wire.h1.hop import end_to_end
from midstream.wire.h2.translate import join_cookies
from midstream.wire.ws.handshake import PROTOCOL, accept_for

_HTTP1: Final = b"HTTP/1.1"
_HTTP2: Final = b"HTTP/2.0"
_PROOF: Final = frozenset((b"sec-websocket-key", b"sec-websocket-accept"))
_FRAMING: Final = frozenset((b"content-length", b"transfer-encoding"))


def http2_request(head: RequestHead, scheme: bytes, authority: bytes) -> RequestHead:
    """Return an upgrade as an extended CONNECT; `scheme` and `authority` say where to."""
    fields = _without(end_to_end(head.headers, keep_upgrade=False), _PROOF | _FRAMING | {b"host"})
    return RequestHead(
        b"CONNECT",
        head.target,
        _HTTP2,
        fields,
        None,
        faults=head.faults,
        scheme=scheme,
        authority=authority,
        protocol=PROTOCOL,
    )


def http1_request(head: RequestHead, key: bytes) -> RequestHead:
    """Return an extended CONNECT as an upgrade that is proved by `key`."""
    host = head.authority or head.host or b""
    fields = [
        (b"Host", host),
        (b"Upgrade", PROTOCOL),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Key", key),
        *_without(join_cookies(head.headers), _PROOF | _FRAMING | {b"host"}),
    ]
    return RequestHead(b"GET", head.target, _HTTP1, fields, 0, faults=head.faults, host=host, upgrade=PROTOCOL)


def http2_response(head: ResponseHead) -> ResponseHead:
    """Return the answer that accepts an upgrade as the one that accepts an extended CONNECT."""
    fields = _without(end_to_end(head.headers, keep_upgrade=False), _PROOF | _FRAMING)
    return ResponseHead(200, b"", _HTTP2, fields, None, faults=head.faults)


def http1_response(head: ResponseHead, key: bytes) -> ResponseHead:
    """Return the answer that accepts an extended CONNECT as the one that accepts the upgrade with `key`."""
    fields = [
        (b"Upgrade", PROTOCOL),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Accept", accept_for(key)),
        *_without(head.headers, _PROOF | _FRAMING),
    ]
    return ResponseHead(101, b"Switching Protocols", _HTTP1, fields, 0, faults=head.faults)


def _without(fields: Fields, names: frozenset[bytes]) -> Fields:
    return [field for field in fields if field[0].lower() not in names]
