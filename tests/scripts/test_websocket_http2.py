"""WebSocket over HTTP/2 (RFC 8441): on both sides, and from one version of HTTP to the other."""

import pytest

from midstream.testing.http2 import Http2Peer
from midstream.testing.websocket import WebSocketPeer, consent, opening
from midstream.wire.events import END, Data, Reset
from midstream.wire.ws.events import Close, Ping, Pong
from midstream.wire.ws.handshake import accept_for
from midstream.wire.ws.negotiate import FIELD, Compression

DEFLATE = (FIELD, b"permessage-deflate")
ASKS = [(b"sec-websocket-version", b"13"), (b"origin", b"http://page")]


class StreamEnd:
    """One stream, as what carries a WebSocket connection."""

    def __init__(self, peer, stream):
        self._peer = peer
        self._stream = stream
        self._taken = 0

    def sends(self, data):
        if data:
            self._peer.says(self._stream, Data(data))

    def ends(self):
        self._peer.says(self._stream, END)

    def leaves(self):
        self._peer.says(self._stream, Reset("gone", 8))

    def received(self):
        body = self._peer.received(self._stream).body
        taken, self._taken = self._taken, len(body)
        return body[taken:]

    @property
    def is_closed(self):
        received = self._peer.received(self._stream)
        return received.is_whole or isinstance(received.last, Reset)


class Edits:
    def __init__(self):
        self.flow = None
        self.hooks = []

    def websocket_start(self, flow):
        self.flow = flow

    def websocket_message(self, flow):
        message = flow.websocket.messages[-1]
        message.content = message.content.replace(b"cat", b"dog")

    def websocket_end(self, flow):
        self.hooks.append("websocket_end")


@pytest.fixture
def h2_client(play):
    """A client of HTTP/2 that has asked for WebSocket."""

    def make(*addons, mode="reverse:h2c://origin:80", fields=(), **options):
        scenario = play(mode, addons=addons, **options)
        client = Http2Peer.client(scenario.client())
        client.hear()
        asked = client.asks("CONNECT", "/chat", None, fields=[*ASKS, *fields], protocol="websocket")
        return scenario, client, asked

    return make


def both(h2_client, *addons, deflate=False, **options):
    extensions = [DEFLATE] if deflate else []
    scenario, client, asked = h2_client(*addons, fields=extensions, **options)
    server = Http2Peer.server(scenario.servers[0], has_extended_connect=True)
    (given,) = server.streams
    head = server.request(given).head
    assert (head.method, head.target, head.protocol) == (b"CONNECT", b"/chat", b"websocket")
    assert dict(head.headers) == dict([*ASKS, *extensions])
    server.answers(given, 200, None, fields=extensions)
    assert client.response(asked).status == 200
    compression = Compression() if deflate else None
    ends = (
        WebSocketPeer.client(StreamEnd(client, asked), compression),
        WebSocketPeer.server(StreamEnd(server, given), compression),
    )
    return scenario, *ends


@pytest.mark.parametrize("deflate", [False, True])
def test_ws_19_over_http2_on_both_sides(h2_client, deflate):
    edits = Edits()
    scenario, client, server = both(h2_client, edits, deflate=deflate)
    client.says("a cat", b"x" * 100_000, Ping(b"!"))
    heard = server.heard()
    heard.remove(Ping())  # its place does not matter
    assert heard == ["a dog", b"x" * 100_000]
    assert client.heard() == [Pong(b"!")]
    scenario.act(edits.flow.inject, True, "injected")
    assert client.heard() == ["injected"]
    server.closes(1000, b"bye")
    assert client.heard() == [Close(1000, b"bye")]
    client.closes(1000)
    assert server.heard() == [Close(1000)]
    assert client.peer.is_closed
    assert server.peer.is_closed
    assert edits.hooks == ["websocket_end"]
    assert edits.flow.websocket.close_code == 1000


@pytest.mark.parametrize("how", ["ends", "leaves"])
@pytest.mark.parametrize("who", [0, 1])
def test_ws_19_a_stream_that_ends(h2_client, how, who):
    edits = Edits()
    _, *ends = both(h2_client, edits)
    getattr(ends[who].peer, how)()
    assert ends[1 - who].peer.is_closed
    assert edits.flow.websocket.close_code == 1006
    assert edits.flow.websocket.closed_by_client is (who == 0)
    assert edits.hooks == ["websocket_end"]


def test_ws_19_the_connection_goes_on(h2_client):
    scenario, client, server = both(h2_client)
    other = client.peer._peer.asks("GET", "/other")
    given = server.peer._peer.streams[-1]
    server.peer._peer.answers(given, 200, b"beside it")
    assert client.peer._peer.response(other).body == b"beside it"
    client.says("still here")
    assert server.heard() == ["still here"]
    assert len(scenario.servers) == 1


def test_ws_19_a_kill_ends_its_stream_only(h2_client):
    edits = Edits()
    scenario, client, server = both(h2_client, edits)
    scenario.act(edits.flow.kill)
    assert client.peer.is_closed
    assert server.peer.is_closed
    assert client.peer._peer.asks("GET", "/other")
    assert edits.hooks == ["websocket_end"]


def test_ws_19_a_slow_reader_closes_its_window(h2_client):
    _, client, server = both(h2_client)
    server.peer._peer.consumes = False
    for _ in range(100):
        client.says(b"x" * 50_000)
        client.peer._peer.hear()
        server.peer._peer.hear()
    passed = len(server.peer.received())
    assert passed < 2_000_000
    server.peer._peer.consumes = True
    given = server.peer._stream
    server.peer._peer.engine.consumed(given, passed)
    server.peer._peer.flush()
    for _ in range(1000):
        client.peer._peer.hear()
        server.peer._peer.hear()
    assert passed + len(server.peer.received()) > 100 * 50_000


def test_a_refusal_is_plain_http(h2_client):
    scenario, client, asked = h2_client()
    server = Http2Peer.server(scenario.servers[0], has_extended_connect=True)
    server.answers(server.streams[0], 403, b"no")
    assert (client.response(asked).status, client.response(asked).body) == (403, b"no")


def test_a_server_without_extended_connect(h2_client):
    scenario, client, asked = h2_client()
    server = Http2Peer.server(scenario.servers[0])
    assert client.response(asked).status == 501
    assert server.streams == []


# From one version to the other.


def http1_server(scenario):
    """Play a server that does not know HTTP/2, and return it as it is asked again."""
    scenario.servers[0].sends(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    assert scenario.servers[0].received().startswith(b"PRI ")
    return scenario.servers[1]


@pytest.mark.parametrize("deflate", [False, True])
def test_an_http2_client_and_an_http1_server(h2_client, deflate):
    edits = Edits()
    scenario, client, asked = h2_client(edits, mode="reverse:http://origin:80", fields=[DEFLATE] if deflate else [])
    peer = http1_server(scenario)
    request = peer.received()
    head, _, rest = request.partition(b"\r\n\r\n")
    assert rest == b""
    lines = head.split(b"\r\n")
    assert lines[0] == b"GET /chat HTTP/1.1"
    fields = dict(line.lower().split(b": ", 1) for line in lines[1:])
    assert fields[b"upgrade"] == b"websocket"
    assert fields[b"origin"] == b"http://page"
    (key,) = [line.split(b": ")[1] for line in lines if line.startswith(b"Sec-WebSocket-Key")]
    peer.sends(consent(*([DEFLATE] if deflate else []), key=key) + b"\x81\x05a cat")
    assert client.response(asked).status == 200
    assert b"sec-websocket-accept" not in dict(client.response(asked).fields)
    compression = Compression() if deflate else None
    one = WebSocketPeer.client(StreamEnd(client, asked), compression)
    two = WebSocketPeer.server(peer, compression)
    assert one.heard() == ["a dog"]
    one.says("cat")
    assert two.heard() == ["dog"]
    two.closes(1000)
    one.closes(1000)
    assert one.heard() == [Close(1000)]
    assert peer.is_closed
    assert edits.hooks == ["websocket_end"]


def test_an_http1_server_that_proves_nothing(h2_client):
    scenario, client, asked = h2_client(mode="reverse:http://origin:80")
    server = http1_server(scenario)
    server.sends(consent(key=b"c" * 24))
    assert client.response(asked).status == 502
    assert server.is_closed


def test_an_http1_server_that_refuses(h2_client):
    scenario, client, asked = h2_client(mode="reverse:http://origin:80")
    http1_server(scenario).sends(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")
    assert (client.response(asked).status, client.response(asked).body) == (404, b"no")


def test_an_http1_client_and_a_server_of_http2_only(play):
    edits = Edits()
    scenario = play("reverse:h2c://origin:80", addons=[edits])
    client = scenario.client()
    client.sends(opening(target="/chat"))
    server = Http2Peer.server(scenario.servers[0], has_extended_connect=True)
    (given,) = server.streams
    head = server.request(given).head
    assert (head.method, head.protocol, head.target, head.authority) == (b"CONNECT", b"websocket", b"/chat", b"origin")
    assert b"sec-websocket-key" not in dict(head.headers)
    server.answers(given, 200, None)
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert accept_for(b"c2l4dGVlbiBieXRlcyBvaw==") in answer
    one, two = WebSocketPeer.client(client), WebSocketPeer.server(StreamEnd(server, given))
    one.says("cat")
    assert two.heard() == ["dog"]
    two.says("cat")
    assert one.heard() == ["dog"]
    one.closes(1000)
    two.closes(1000)
    assert one.heard() == [Close(1000)]
    assert client.is_closed
    assert edits.hooks == ["websocket_end"]


def set_field(flow):
    flow.request.headers["Host"] = "other.example"


def set_header(flow):
    flow.request.host_header = "other.example"


def set_twice(flow):
    flow.request.headers["Host"] = "other.example"
    flow.request.headers["X-More"] = "yes"


@pytest.mark.parametrize("edit", [set_field, set_header, set_twice])
@pytest.mark.parametrize("hook", ["requestheaders", "request"])
@pytest.mark.parametrize("way", ["http1 to http2", "http2 to http1", "http2", "http1"])
def test_h2_29_a_host_that_an_addon_has_set_counts(play, h2_client, way, hook, edit):
    class SetsHost:
        pass

    addon = SetsHost()
    setattr(addon, hook, edit)
    if way.startswith("http1"):
        scenario = play(
            "reverse:h2c://origin:80" if way.endswith("http2") else "reverse:http://origin:80", addons=[addon]
        )
        scenario.client().sends(opening(target="/chat"))
    else:
        mode = "reverse:http://origin:80" if way.endswith("http1") else "reverse:h2c://origin:80"
        scenario, _, _ = h2_client(addon, mode=mode)
    if way.endswith("http2"):
        server = Http2Peer.server(scenario.servers[0], has_extended_connect=True)
        head = server.request(server.streams[0]).head
        assert (head.protocol, head.authority) == (b"websocket", b"other.example")
        assert dict(head.headers).get(b"host", b"other.example") == b"other.example"
    else:
        server = http1_server(scenario) if way == "http2 to http1" else scenario.servers[0]
        head, _, _ = server.received().partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        assert [line for line in lines if line.lower().startswith(b"host")] == [b"Host: other.example"]
        assert [line for line in lines if line.lower().startswith(b"upgrade")] == [b"Upgrade: websocket"]


@pytest.mark.parametrize("who", [0, 1])
def test_ws_19_one_that_broke_the_rules(h2_client, who):
    edits = Edits()
    scenario, *ends = both(h2_client, edits)
    first, second = ends[who], ends[1 - who]
    first.peer.sends(b"\xff\xff")
    assert second.heard() == [Close(1001)]
    second.says("still answering")
    second.closes(1001)
    text, close = first.heard()
    assert (text, close.code) == ("still answering", 1002)
    assert edits.hooks == ["websocket_end"]
    scenario.advance(3)
    assert first.peer.is_closed
    assert second.peer.is_closed
    assert edits.flow.websocket.close_code == 1002
