"""WebSocket for scripted clients and servers: messages, pings and close frames, with an engine that makes frames of them.

```python
scenario = Scenario()
client, server = open_websocket(scenario)
client.says("hello")
assert server.heard() == ["hello"]
server.closes(1000, b"bye")
assert client.heard() == [Close(1000, b"bye")]
```
"""

import base64
from typing import Protocol, TypeAlias

from midstream.testing.scenario import Scenario
from midstream.wire.ws import Assembler, ClientFacing, Message, ServerFacing
from midstream.wire.ws.errors import WebSocketError
from midstream.wire.ws.events import BINARY, TEXT, Close, Lost, Piece, Ping, Pong
from midstream.wire.ws.handshake import accept_for
from midstream.wire.ws.negotiate import FIELD, Compression, agreed, offers

KEY = base64.b64encode(b"sixteen bytes ok")
Heard: TypeAlias = str | bytes | Ping | Pong | Close | Lost | WebSocketError


class Carrier(Protocol):
    """What carries the bytes: a scripted peer, or one stream of it."""

    def sends(self, data: bytes) -> None: ...

    def received(self) -> bytes: ...

    @property
    def is_closed(self) -> bool: ...


class WebSocketPeer:
    """A scripted peer that speaks WebSocket, over whatever carries its bytes."""

    def __init__(self, peer: Carrier, engine: ClientFacing | ServerFacing, early: bytes = b"") -> None:
        self.peer = peer
        self.engine = engine
        self.messages: list[Message] = []
        """All that came, with the fragments in which they came."""
        self._assembler = Assembler()
        self._early = early
        """What came right behind the opening."""

    @classmethod
    def client(cls, peer: Carrier, compression: Compression | None = None, early: bytes = b"") -> "WebSocketPeer":
        """Play a client whose opening is over."""
        return cls(peer, ServerFacing(lambda: b"mask", compression=compression), early)

    @classmethod
    def server(cls, peer: Carrier, compression: Compression | None = None) -> "WebSocketPeer":
        """Play a server whose opening is over."""
        return cls(peer, ClientFacing(compression=compression))

    def says(self, *contents: str | bytes | Message | Piece | Ping | Pong | Close) -> None:
        """Send something: a string is a text message, bytes are a binary one."""
        self.peer.sends(b"".join(self.engine.send(self._event(content)) for content in contents))

    def closes(self, code: int | None = None, reason: bytes = b"") -> None:
        """Send a close frame."""
        self.says(Close(code, reason))

    def heard(self) -> list[Heard]:
        """Return what came since the last call: text messages as strings, binary ones as bytes."""
        found: list[Heard] = []
        early, self._early = self._early, b""
        for event in self.engine.receive(early + self.peer.received()):
            if not isinstance(event, Piece):
                found.append(event)
            elif (message := self._assembler.add(event)) is not None:
                self.messages.append(message)
                is_text = message.opcode == TEXT
                found.append(message.data.decode("utf-8", "surrogateescape") if is_text else message.data)
        return found

    def _event(
        self, content: str | bytes | Message | Piece | Ping | Pong | Close
    ) -> Message | Piece | Ping | Pong | Close:
        is_compressed = self.engine.compression is not None
        if isinstance(content, str):
            return Message(TEXT, content.encode(), is_compressed=is_compressed)
        return Message(BINARY, content, is_compressed=is_compressed) if isinstance(content, bytes) else content


def opening(*fields: tuple[bytes, bytes], target: str = "http://origin/chat", key: bytes = KEY) -> bytes:
    """Return a request that asks for WebSocket."""
    return _head(
        f"GET {target} HTTP/1.1".encode(),
        (b"Host", b"origin"),
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Version", b"13"),
        (b"Sec-WebSocket-Key", key),
        *fields,
    )


def consent(*fields: tuple[bytes, bytes], key: bytes = KEY) -> bytes:
    """Return the answer that agrees."""
    return _head(
        b"HTTP/1.1 101 Switching Protocols",
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Accept", accept_for(key)),
        *fields,
    )


def open_websocket(
    scenario: Scenario, *, offered: bytes = b"", agreed_on: bytes = b"", target: str = "http://origin/chat"
) -> tuple[WebSocketPeer, WebSocketPeer]:
    """Open a connection over HTTP/1; `offered` and `agreed_on` are the extensions."""
    client = scenario.client()
    client.sends(opening(*([(FIELD, offered)] if offered else []), target=target))
    server = scenario.servers[-1]
    server.received()
    answer = [(FIELD, agreed_on)] if agreed_on else []
    server.sends(consent(*answer))
    head, _, early = client.received().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    compression = agreed(offers([(FIELD, offered)]), answer) if offered else None
    return WebSocketPeer.client(client, compression, early), WebSocketPeer.server(server, compression)


def _head(first: bytes, *fields: tuple[bytes, bytes]) -> bytes:
    return b"\r\n".join([first, *(b"%b: %b" % field for field in fields), b"", b""])
