"""HTTP/2 for scripted clients and servers: requests and responses in words of messages, with an engine that makes frames of them.

```python
scenario = Scenario("reverse:h2c://origin:80")
client = Http2Peer.client(scenario.client())
stream = client.asks("GET", "/")
server = Http2Peer.server(scenario.servers[0])
server.answers(server.streams[0], 200, b"hello")
assert client.response(stream).body == b"hello"
```
"""

from collections.abc import Sequence

from midstream.testing.scenario import ScriptedPeer
from midstream.wire.events import END, Data, End, Event, Fields, RequestHead, Reset, ResponseHead, Trailers
from midstream.wire.h2 import ClientFacing, Limits, ServerFacing
from midstream.wire.h2.errors import NO_ERROR
from midstream.wire.h2.events import GoAway, StreamEvent
from midstream.wire.h2.fingerprint import Fingerprint
from midstream.wire.h2.frame import Frame
from midstream.wire.h2.heads import VERSION


class Received:
    """What has come on one stream."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = list(events)

    @property
    def head(self) -> RequestHead | ResponseHead:
        """The last head: of a response the final one, if it has come."""
        return [event for event in self.events if isinstance(event, RequestHead | ResponseHead)][-1]

    @property
    def fields(self) -> Fields:
        return self.head.headers

    @property
    def status(self) -> int:
        head = self.head
        assert isinstance(head, ResponseHead)
        return head.status

    @property
    def interims(self) -> list[int]:
        """The status codes of the interim responses, in their order."""
        return [event.status for event in self.events if isinstance(event, ResponseHead) and event.is_interim]

    @property
    def body(self) -> bytes:
        return b"".join(event.data for event in self.events if isinstance(event, Data))

    @property
    def trailers(self) -> Fields | None:
        found = [event.headers for event in self.events if isinstance(event, Trailers)]
        return found[0] if found else None

    @property
    def is_whole(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], End)

    @property
    def code(self) -> int | None:
        """The error code with which the proxy reset the stream; None if it did not."""
        last = self.events[-1] if self.events else None
        return last.code if isinstance(last, Reset) else None

    @property
    def last(self) -> Event:
        return self.events[-1]


class Http2Peer:
    """A scripted peer that speaks HTTP/2."""

    def __init__(self, peer: ScriptedPeer, engine: ClientFacing | ServerFacing) -> None:
        self.peer = peer
        self.engine = engine
        self.connection_events: list[StreamEvent] = []
        """What came that belongs to no message, in its order."""
        self.frames: list[Frame] = []
        """Every frame that came, for what no message tells: how it was cut, padded, credited."""
        engine.trace = self._note
        self._received: dict[int, list[Event]] = {}
        self.consumes = True
        """Open windows again for what has come; set to False to be a slow reader."""

    @classmethod
    def client(
        cls, peer: ScriptedPeer, *, limits: Limits | None = None, like: Fingerprint | None = None
    ) -> "Http2Peer":
        """Play a client: the preface is sent at once."""
        played = cls(peer, ServerFacing(limits or Limits(), like=like))
        played.flush()
        return played

    @classmethod
    def server(
        cls, peer: ScriptedPeer, *, limits: Limits | None = None, has_extended_connect: bool = False
    ) -> "Http2Peer":
        """Play a server, which reads what the proxy has sent so far."""
        played = cls(peer, ClientFacing(limits or Limits(), has_extended_connect=has_extended_connect))
        played.flush()
        return played

    # What a client does.

    def asks(
        self,
        method: str,
        path: str = "/",
        body: bytes | None = b"",
        *,
        fields: Fields = [],  # noqa: B006 - nobody changes it
        scheme: str = "http",
        authority: str = "origin",
        protocol: str = "",
    ) -> int:
        """Send a request, and return its stream; with None as body its end stays open."""
        head = RequestHead(
            method.encode(),
            path.encode(),
            VERSION,
            list(fields),
            _size(body, fields),
            scheme=scheme.encode(),
            authority=authority.encode(),
            protocol=protocol.encode(),
        )
        assert isinstance(self.engine, ServerFacing)
        stream = self.engine.open_whole(head, body) if body is not None else self.engine.open(head)
        self.flush()
        return stream

    # What a server does.

    @property
    def streams(self) -> list[int]:
        """The streams on which something came, in order."""
        self.hear()
        return list(self._received)

    def answers(self, stream: int, status: int, body: bytes | None = b"", *, fields: Fields = []) -> None:  # noqa: B006 - as above
        """Send a response; with None as body its end stays open."""
        head = ResponseHead(status, b"", VERSION, list(fields), _size(body, fields))
        self.says(stream, head, *([Data(body)] if body else []), *([END] if body is not None else []))

    # What both do.

    def says(self, stream: int, *events: Event) -> None:
        """Send events on a stream."""
        self.hear()
        for event in events:
            self.engine.send(stream, event)
        self.flush()

    def trails(self, stream: int, *trailers: tuple[bytes, bytes]) -> None:
        """End a message with trailers."""
        self.says(stream, Trailers(list(trailers)), END)

    def resets(self, stream: int, code: int) -> None:
        """Break a stream off."""
        self.says(stream, Reset("", code))

    def goes_away(self, code: int = NO_ERROR, *, last: int | None = None) -> None:
        """Take no streams beyond `last`; by default, beyond those that are there."""
        self.engine.go_away(code, last=last)
        self.flush()

    @property
    def goaway(self) -> GoAway | None:
        """The proxy's latest GOAWAY."""
        self.hear()
        return self.engine.goaway

    def hear(self) -> None:
        """Read what the proxy has sent, and what it sends as windows open again."""
        while data := self.peer.received():
            for stream, event in self.engine.receive(data):
                if stream and isinstance(event, Event):
                    self._received.setdefault(stream, []).append(event)
                    if isinstance(event, Data) and self.consumes:
                        self.engine.consumed(stream, len(event.data))
                else:
                    self.connection_events.append((stream, event))
            self.flush()

    def received(self, stream: int) -> Received:
        """Return all that has come on a stream."""
        self.hear()
        return Received(self._received.get(stream, ()))

    response = received
    request = received

    def flush(self) -> None:
        """Send what the engine has to say."""
        output = self.engine.take_output()
        if output:
            self.peer.sends(output)

    def _note(self, is_sent: bool, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if not is_sent:
            self.frames.append(Frame(kind, flags, stream, payload))


def _size(body: bytes | None, fields: Fields) -> int | None:
    """Return the size to announce: of a body that comes later what the fields say."""
    if body is not None:
        return len(body)
    return next((int(value) for name, value in fields if name == b"content-length"), None)
