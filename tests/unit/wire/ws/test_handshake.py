import pytest

from midstream.wire.errors import PeerError
from midstream.wire.events import RequestHead, ResponseHead
from midstream.wire.h1 import ClientFacing
from midstream.wire.ws.handshake import (
    accept_for,
    asks_for_websocket,
    check_answer,
    is_accepted,
    is_key,
    make_key,
    read_opening,
)

KEY, ACCEPT = b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
WIRE = (
    b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: %b\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: %b\r\nSec-WebSocket-Version: %b\r\nSec-WebSocket-Protocol: chat, superchat\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate, x-other\r\n\r\n"
)
EXTENDED = RequestHead(
    b"CONNECT", b"/chat", b"HTTP/2.0", [(b"sec-websocket-version", b"13")], None, protocol=b"websocket", authority=b"a"
)


def asked(upgrade=b"websocket", key=KEY, version=b"13"):
    return ClientFacing().receive(WIRE % (upgrade, key, version))[0]


def answered(*fields, status=101):
    return ResponseHead(status, b"", b"HTTP/1.1", list(fields))


def test_the_example_of_rfc_6455():
    assert accept_for(KEY) == ACCEPT
    assert make_key(b"the sample nonce") == KEY
    assert is_key(KEY)


@pytest.mark.parametrize("key", [b"", b"x", KEY[:-1], KEY + b"=", b"dGhlIHNhbXBsZSBub25jZQ=!", b"\xff" * 24, b"A" * 24])
def test_keys_that_are_none(key):
    assert not is_key(key)
    with pytest.raises(PeerError, match="Sec-WebSocket-Key"):
        read_opening(asked(key=key))


def test_who_asks_for_websocket():
    assert asks_for_websocket(asked())
    assert asks_for_websocket(asked(upgrade=b"h2c, WebSocket"))
    assert asks_for_websocket(EXTENDED)
    assert not asks_for_websocket(asked(upgrade=b"h2c"))
    assert not asks_for_websocket(RequestHead(b"GET", b"/", b"HTTP/1.1", []))
    assert not asks_for_websocket(RequestHead(b"POST", b"/", b"HTTP/1.1", [], upgrade=b"websocket"))
    assert not asks_for_websocket(RequestHead(b"CONNECT", b"/", b"HTTP/2.0", [], protocol=b"connect-udp"))


def test_ws_11_only_101_or_2xx_accepts():
    assert is_accepted(asked(), answered())
    assert not is_accepted(asked(), answered(status=200))
    assert not is_accepted(asked(), answered(status=403))
    assert is_accepted(EXTENDED, answered(status=200))
    assert not is_accepted(EXTENDED, answered(status=403))


def test_what_is_asked_for():
    opening = read_opening(asked())
    assert (opening.key, opening.subprotocols) == (KEY, (b"chat", b"superchat"))
    assert [offer.text for offer in opening.offers] == [b"permessage-deflate"]
    extended = read_opening(EXTENDED)
    assert (extended.key, extended.subprotocols, extended.offers) == (b"", (), [])


def test_another_version():
    with pytest.raises(PeerError, match="'8'") as caught:
        read_opening(asked(version=b"8"))
    assert caught.value.status == 426
    with pytest.raises(PeerError, match="none"):
        read_opening(RequestHead(b"GET", b"/", b"HTTP/1.1", [], upgrade=b"websocket"))


def test_ws_11_an_answer_that_fits():
    opening = read_opening(asked())
    accept = (b"sec-websocket-accept", ACCEPT)
    assert check_answer(opening, answered(accept)) == b""
    assert check_answer(opening, answered(accept, (b"Sec-WebSocket-Protocol", b" superchat"))) == b"superchat"
    assert check_answer(read_opening(EXTENDED), answered(status=200)) == b""


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b"Sec-WebSocket-Accept", KEY)],
        [(b"Sec-WebSocket-Accept", ACCEPT.lower())],
        [(b"Sec-WebSocket-Accept", ACCEPT)] * 2,
        [(b"Sec-WebSocket-Accept", ACCEPT), (b"Sec-WebSocket-Protocol", b"other")],
        [(b"Sec-WebSocket-Accept", ACCEPT), (b"Sec-WebSocket-Protocol", b"chat, superchat")],
    ],
)
def test_ws_11_an_answer_that_does_not(fields):
    with pytest.raises(PeerError) as caught:
        check_answer(read_opening(asked()), answered(*fields))
    assert caught.value.status == 502
