import pytest

from midstream.wire import h1, h2
from midstream.wire.events import END, RequestHead, ResponseHead
from midstream.wire.ws.handshake import accept_for, asks_for_websocket, check_answer, is_accepted, read_opening
from midstream.wire.ws.translate import http1_request, http1_response, http2_request, http2_response

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = (
    b"GET /chat?a=b HTTP/1.1\r\nHost: shop\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nOrigin: https://a\r\n"
    b"Sec-WebSocket-Key: "
    + KEY
    + b"\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\nContent-Length: 0\r\n\r\n"
)
KEPT = [(b"Origin", b"https://a"), (b"Sec-WebSocket-Version", b"13"), (b"Sec-WebSocket-Protocol", b"chat")]


@pytest.fixture
def upgrade():
    return h1.ClientFacing().receive(UPGRADE)[0]


@pytest.fixture
def extended():
    return RequestHead(
        b"CONNECT",
        b"/chat",
        b"HTTP/2.0",
        [(b"origin", b"https://a"), (b"cookie", b"a=b"), (b"cookie", b"c=d"), (b"sec-websocket-version", b"13")],
        None,
        scheme=b"https",
        authority=b"shop",
        protocol=b"websocket",
    )


def test_ws_19_an_upgrade_as_extended_connect(upgrade):
    head = http2_request(upgrade, b"https", b"shop")
    assert (head.method, head.target, head.version, head.body_size) == (b"CONNECT", b"/chat?a=b", b"HTTP/2.0", None)
    assert (head.scheme, head.authority, head.protocol) == (b"https", b"shop", b"websocket")
    assert head.headers == KEPT
    assert asks_for_websocket(head)
    assert read_opening(head).subprotocols == (b"chat",)


def test_ws_19_our_engines_speak_it(upgrade):
    client, server = h2.ServerFacing(), h2.ClientFacing(has_extended_connect=True)
    for _ in range(2):
        client.receive(server.take_output())
        server.receive(client.take_output())
    at = client.open(http2_request(upgrade, b"https", b"shop"))
    (_, came), *rest = server.receive(client.take_output())
    assert not rest
    assert came.protocol == b"websocket"
    server.send(
        at, http2_response(ResponseHead(101, b"Switching Protocols", b"HTTP/1.1", [(b"Upgrade", b"websocket")]))
    )
    (_, answer), *rest = client.receive(server.take_output())
    assert not rest
    assert is_accepted(came, answer)


def test_ws_19_an_extended_connect_as_upgrade(extended):
    head = http1_request(extended, KEY)
    engine = h1.ServerFacing()
    wire = engine.send(head) + engine.send(END)
    assert wire == (
        b"GET /chat HTTP/1.1\r\nHost: shop\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: " + KEY + b"\r\norigin: https://a\r\ncookie: a=b; c=d\r\nsec-websocket-version: 13\r\n\r\n"
    )
    assert asks_for_websocket(head)
    assert read_opening(head).key == KEY


def test_a_host_without_authority(extended):
    extended.authority, extended.host = b"", b"there"
    assert http1_request(extended, KEY).host == b"there"
    extended.host = None
    assert http1_request(extended, KEY).host == b""


def test_answers_both_ways(upgrade):
    accepted = ResponseHead(
        101,
        b"Switching Protocols",
        b"HTTP/1.1",
        [
            (b"Upgrade", b"websocket"),
            (b"Connection", b"Upgrade"),
            (b"Sec-WebSocket-Accept", accept_for(KEY)),
            (b"Sec-WebSocket-Protocol", b"chat"),
        ],
    )
    extended = http2_response(accepted)
    assert (extended.status, extended.version, extended.body_size) == (200, b"HTTP/2.0", None)
    assert extended.headers == [(b"Sec-WebSocket-Protocol", b"chat")]
    again = http1_response(extended, KEY)
    assert (again.status, again.reason, again.version) == (101, b"Switching Protocols", b"HTTP/1.1")
    assert sorted(again.headers) == sorted(accepted.headers)
    assert check_answer(read_opening(upgrade), again) == b"chat"
