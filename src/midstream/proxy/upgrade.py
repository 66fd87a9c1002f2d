"""WebSocket openings from one HTTP version to the other: Upgrade on HTTP/1, extended CONNECT on HTTP/2 (RFC 8441).

The exchange sees everything in the version of its client; a stream to a server that speaks the other one translates.
"""

import os

from midstream.proxy.origin import Origin
from midstream.proxy.target import join_authority
from midstream.wire.errors import PeerError
from midstream.wire.events import Event, RequestHead, ResponseHead
from midstream.wire.ws import translate
from midstream.wire.ws.handshake import Opening, asks_for_websocket, check_answer, make_key


def as_upgrade(head: RequestHead) -> tuple[bytes, RequestHead]:
    """Return an extended CONNECT as an upgrade, and the key that proves the answer.

    Raises:
        PeerError: HTTP/1 has no way to say that (501).

    """
    if not asks_for_websocket(head):
        protocol = head.protocol.decode("latin-1")
        raise PeerError(f"the server speaks HTTP/1, which has no CONNECT for {protocol!r}", "RFC 8441 §4", status=501)
    key = make_key(os.urandom(16))
    return key, translate.http1_request(head, key)


def answer_of_upgrade(events: list[Event], key: bytes) -> list[Event]:
    """Return the answer to an upgrade as that to an extended CONNECT."""
    for at, event in enumerate(events):
        if type(event) is ResponseHead and event.status == 101:
            try:
                check_answer(Opening(key, (), []), _without_subprotocol(event))
            except PeerError as error:
                return [error]
            events[at] = translate.http2_response(event)
    return events


def as_extended_connect(head: RequestHead, origin: Origin, *, has_extended: bool) -> tuple[bytes, RequestHead]:
    """Return an upgrade as an extended CONNECT, and the key that its client wants to see proved.

    Raises:
        PeerError: The server has no extended CONNECT (502).

    """
    if not has_extended:
        raise no_extended_connect()
    keys = [value for name, value in head.headers if name.lower() == b"sec-websocket-key"]
    scheme = "https" if origin.is_tls else "http"
    authority = head.host or join_authority(origin.host, origin.port, scheme)
    return keys[0] if keys else b"", translate.http2_request(head, scheme.encode(), authority)


def answer_of_connect(events: list[Event], key: bytes) -> list[Event]:
    """Return the answer to an extended CONNECT as that to the upgrade with `key`."""
    return [
        translate.http1_response(event, key) if type(event) is ResponseHead and 200 <= event.status < 300 else event
        for event in events
    ]


def no_extended_connect() -> PeerError:
    """Return the error for a server that cannot be asked for WebSocket over HTTP/2."""
    return PeerError("the server speaks HTTP/2 without extended CONNECT", "RFC 8441 §3", status=501)


def _without_subprotocol(head: ResponseHead) -> ResponseHead:
    """Leave the choice of a subprotocol to the exchange, which knows what was offered."""
    fields = [field for field in head.headers if field[0].lower() != b"sec-websocket-protocol"]
    return ResponseHead(head.status, head.reason, head.version, fields)
