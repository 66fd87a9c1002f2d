"""WebSocket in every mode, inside tunnels and through parents: the same messages for hooks."""

import pytest

from midstream.testing.websocket import WebSocketPeer, consent, opening
from midstream.wire.ws.events import Close

SOCKS5 = (b"\x05\x01\x00", b"\x05\x01\x00\x03\x06origin\x00\x50")


class Edits:
    def __init__(self):
        self.flows = []

    def websocket_start(self, flow):
        self.flows.append(flow)

    def websocket_message(self, flow):
        message = flow.websocket.messages[-1]
        message.content = message.content.replace(b"cat", b"dog")


def regular(scenario):
    client = scenario.client()
    client.sends(opening())
    return client, "/chat"


def tunnel(scenario):
    client = scenario.client()
    client.sends(b"CONNECT origin:80 HTTP/1.1\r\nHost: origin:80\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 200 ")
    client.sends(opening(target="/chat"))
    return client, "/chat"


def direct(scenario):
    client = scenario.client()
    client.sends(opening(target="/chat"))
    return client, "/chat"


def socks(scenario):
    client = scenario.client()
    for words in SOCKS5:
        client.sends(words)
    client.received()
    client.sends(opening(target="/chat"))
    return client, "/chat"


def through_parent(scenario):
    client = scenario.client()
    client.sends(opening())
    return client, "http://origin/chat"


@pytest.mark.parametrize(
    ("mode", "come"),
    [
        ("regular", regular),
        ("regular", tunnel),
        ("reverse:http://origin", direct),
        ("socks5", socks),
        ("upstream:http://parent:3128", through_parent),
    ],
)
def test_ws_16_in_every_mode(play, mode, come):
    edits = Edits()
    scenario = play(mode, addons=[edits])
    client, target = come(scenario)
    (server,) = scenario.servers
    assert server.received() == opening(target=target)
    server.sends(consent())
    assert client.received() == consent()
    one, two = WebSocketPeer.client(client), WebSocketPeer.server(server)
    one.says("a cat")
    two.says("a cat")
    assert two.heard() == one.heard() == ["a dog"]
    (flow,) = edits.flows
    scenario.act(flow.inject, True, "injected")
    assert one.heard() == ["injected"]
    assert flow.request.pretty_host == "origin"
    two.closes(1000)
    one.closes(1000)
    assert one.heard() == [Close(1000)]
    assert client.is_closed
    assert server.is_closed


def test_the_server_is_asked_again_where_a_kept_connection_was_stale(play):
    scenario = play()
    client = scenario.client()
    client.sends(b"GET http://origin/ HTTP/1.1\r\nHost: origin\r\n\r\n")
    scenario.servers[0].sends(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    client.received()
    client.sends(opening())
    scenario.servers[0].leaves()
    scenario.servers[1].received()
    scenario.servers[1].sends(consent())
    assert client.received() == consent()


def test_a_websocket_connection_is_never_shared(play):
    scenario = play()
    for number in range(2):
        client = scenario.client()
        client.sends(opening())
        scenario.servers[number].sends(consent())
        assert client.received() == consent()
    assert len(scenario.servers) == 2
