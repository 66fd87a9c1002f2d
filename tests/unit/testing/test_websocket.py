import pytest

from midstream.errors import UsageError
from midstream.testing import Scenario, WebSocketPeer, open_websocket
from midstream.testing.websocket import consent, opening
from midstream.wire.ws import Message
from midstream.wire.ws.events import TEXT, Close, Piece, Ping


@pytest.mark.parametrize("extension", [b"", b"permessage-deflate"])
def test_both_ends(extension):
    client, server = open_websocket(Scenario(), offered=extension, agreed_on=extension)
    client.says("text", b"bytes", Message(TEXT, b"in parts", (3, 5)), Ping())
    heard = server.heard()
    heard.remove(Ping())
    assert heard == ["text", b"bytes", "in parts"]
    assert [message.is_compressed for message in server.messages] == [bool(extension), bool(extension), False]
    assert server.messages[-1].layout == (3, 5)
    server.says(Piece(TEXT, b"\xff", is_final=False), Piece(TEXT, b"!", is_first=False))
    assert client.heard()[-1] == "\udcff!"
    server.closes(1000, b"bye")
    assert client.heard() == [Close(1000, b"bye")]
    with pytest.raises(UsageError):
        server.says("more")
    client.closes()
    assert client.peer.is_closed


def test_an_opening_by_hand():
    scenario = Scenario()
    client = scenario.client()
    client.sends(opening((b"X-Mine", b"1")))
    assert b"X-Mine: 1\r\n" in scenario.servers[0].received()
    scenario.servers[0].sends(consent() + b"\x81\x02hi")
    answer, _, early = client.received().partition(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert WebSocketPeer.client(client, early=early).heard() == ["hi"]
