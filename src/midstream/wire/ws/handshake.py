"""The opening handshake: which requests ask for WebSocket, and whether the answer fits (RFC 6455 §4, RFC 8441 §5).

A refusal (anything but 101, or 2xx on HTTP/2) is plain HTTP and none of our business; so are Origin, cookies and credentials.
"""

import base64
import binascii
import hashlib
from typing import Final

import msgspec

from midstream.wire.errors import PeerError, shown
from midstream.wire.events import Fields, RequestHead, ResponseHead
from midstream.wire.ws.negotiate import Offer, offers

PROTOCOL: Final = b"websocket"
VERSION: Final = b"13"

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY: Final = b"sec-websocket-key"
_ACCEPT: Final = b"sec-websocket-accept"
_VERSION: Final = b"sec-websocket-version"
_SUBPROTOCOL: Final = b"sec-websocket-protocol"


class Opening(msgspec.Struct, frozen=True):
    """What a client asks for."""

    key: bytes
    """Sec-WebSocket-Key; empty on HTTP/2, which has none."""
    subprotocols: tuple[bytes, ...]
    offers: list[Offer]
    """The offers of compression that can be followed."""


def asks_for_websocket(head: RequestHead) -> bool:
    """Tell whether a request opens a WebSocket connection, well or badly: by Upgrade, or by an extended CONNECT."""
    if head.protocol:
        return head.method == b"CONNECT" and head.protocol.lower() == PROTOCOL
    upgrade = head.upgrade
    return bool(upgrade) and head.method == b"GET" and PROTOCOL in _members([upgrade.lower()])


def is_accepted(asked: RequestHead, head: ResponseHead) -> bool:
    """Tell whether an answer opens the connection: 101 for an upgrade, 2xx for an extended CONNECT (RFC 8441 §5)."""
    return 200 <= head.status < 300 if asked.protocol else head.status == 101


def read_opening(head: RequestHead) -> Opening:
    """Return what a request that asks for WebSocket asks for.

    Raises:
        PeerError: it does so wrongly; of status 426 where another version is wanted (RFC 6455 §4.2.2).

    """
    fields = head.headers
    versions = _values(fields, _VERSION)
    if versions != [VERSION]:
        came = shown(versions[0]) if versions else "none"
        raise PeerError(f"WebSocket version {came}, where there is only 13", "RFC 6455 §4.2.1", status=426)
    key = b""
    if not head.protocol:
        keys = _values(fields, _KEY)
        if len(keys) != 1 or not is_key(keys[0]):
            raise PeerError("no Sec-WebSocket-Key of 16 bytes in base64", "RFC 6455 §4.2.1")
        key = keys[0]
    return Opening(key, tuple(_members(_values(fields, _SUBPROTOCOL))), offers(fields))


def check_answer(opening: Opening, head: ResponseHead) -> bytes:
    """Return the subprotocol that a server chose when it accepted, empty for none (WS-11).

    Raises:
        PeerError: the answer does not fit what was asked for.

    """
    if opening.key:
        accepts = _values(head.headers, _ACCEPT)
        if accepts != [accept_for(opening.key)]:
            came = shown(accepts[0]) if accepts else "no"
            raise PeerError(f"{came} Sec-WebSocket-Accept, which does not fit the key", "RFC 6455 §4.1", status=502)
    chosen = _members(_values(head.headers, _SUBPROTOCOL))
    if not chosen:
        return b""
    if len(chosen) > 1 or chosen[0] not in opening.subprotocols:
        raise PeerError(f"subprotocol {shown(b', '.join(chosen))}, which was not offered", "RFC 6455 §4.1", status=502)
    return chosen[0]


def make_key(randomness: bytes) -> bytes:
    """Return the Sec-WebSocket-Key made of 16 random bytes."""
    return base64.b64encode(randomness)


def is_key(key: bytes) -> bool:
    """Tell whether a Sec-WebSocket-Key is 16 bytes in base64."""
    try:
        return len(key) == 24 and len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        return False


def accept_for(key: bytes) -> bytes:
    """Return the Sec-WebSocket-Accept that answers a key (RFC 6455 §4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def _values(fields: Fields, name: bytes) -> list[bytes]:
    return [value for each, value in fields if each.lower() == name]


def _members(values: list[bytes]) -> list[bytes]:
    return [member for value in values for part in value.split(b",") if (member := part.strip(b" \t"))]
