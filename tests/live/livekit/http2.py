"""HTTP/2 to the frame, by the strict `h2` package: a client, and an origin that a test scripts.

Both keep to blocking sockets, so a test reads like the conversation. `h2` raises on whatever breaks the protocol.
"""

import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import h2.config
import h2.connection
import h2.events
import h2.settings

from livekit.scripted import Handler, ScriptedConnection
from livekit.tools import TIME_LIMIT

_READ = 65536
_WINDOW = 2**24
Fields = list[tuple[bytes, bytes]]


@dataclass
class Message:
    """What came on a stream so far."""

    fields: Fields = field(default_factory=list)
    interim: list[Fields] = field(default_factory=list)
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    is_over: bool = False
    reset: int | None = None
    """The error code of RST_STREAM."""

    def field(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.fields if key == name), None)

    @property
    def status(self) -> int:
        return int(self.field(b":status") or 0)


class H2Peer:
    """One connection, as client or as server."""

    def __init__(self, transport: socket.socket, *, is_client: bool) -> None:
        self.transport = transport
        transport.settimeout(TIME_LIMIT)
        self.messages: dict[int, Message] = {}
        self.goaway: int | None = None
        """The error code of GOAWAY."""
        config = h2.config.H2Configuration(client_side=is_client, header_encoding=None)
        self.connection = h2.connection.H2Connection(config)
        self.connection.local_settings[h2.settings.SettingCodes.INITIAL_WINDOW_SIZE] = _WINDOW
        self.connection.initiate_connection()
        self.connection.increment_flow_control_window(_WINDOW)
        self.flush()

    def flush(self) -> None:
        self.transport.sendall(self.connection.data_to_send())

    def send(self, stream: int, fields: Fields, *, end: bool = False) -> None:
        self.connection.send_headers(stream, fields, end_stream=end)
        self.flush()

    def send_body(self, stream: int, body: bytes, *, end: bool = True) -> None:
        """Send DATA, and wait for the window where it is too small."""
        while body:
            room = min(self.connection.local_flow_control_window(stream), self.connection.max_outbound_frame_size)
            if room <= 0:
                self.receive()
                continue
            self.connection.send_data(stream, body[:room])
            body = body[room:]
            self.flush()
        if end:
            self.connection.end_stream(stream)
        self.flush()

    def receive(self) -> list[h2.events.Event]:
        """Read once, and note what came; raise EOFError if the peer closed."""
        data = self.transport.recv(_READ)
        if not data:
            raise EOFError("the peer closed")
        events = self.connection.receive_data(data)
        for event in events:
            self._note(event)
        self.flush()
        return events

    def wait_until(self, is_so: Callable[[], Any]) -> None:
        while not is_so():
            self.receive()

    def wait_for(self, *streams: int) -> list[Message]:
        """Wait until these streams are over, whole or reset."""
        self.wait_until(lambda: all(stream in self.messages and self.messages[stream].is_over for stream in streams))
        return [self.messages[stream] for stream in streams]

    def _note(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = int(event.error_code)
        stream = getattr(event, "stream_id", None)
        if not stream:
            return
        message = self.messages.setdefault(stream, Message())
        match event:
            case h2.events.RequestReceived() | h2.events.ResponseReceived():
                message.fields = list(event.headers)
            case h2.events.InformationalResponseReceived():
                message.interim.append(list(event.headers))
            case h2.events.TrailersReceived():
                message.trailers = list(event.headers)
            case h2.events.DataReceived():
                message.body += event.data
                if event.flow_controlled_length:
                    self.connection.acknowledge_received_data(event.flow_controlled_length, stream)
            case h2.events.StreamEnded():
                message.is_over = True
            case h2.events.StreamReset():
                message.is_over, message.reset = True, int(event.error_code)


class H2Client(H2Peer):
    """`with H2Client(address) as client: client.get(url)`; give it a context to speak TLS and agree on `h2`."""

    def __init__(
        self, address: tuple[str, int], context: ssl.SSLContext | None = None, *, name: str = "localhost"
    ) -> None:
        transport = socket.create_connection(address, TIME_LIMIT)
        if context:
            context.set_alpn_protocols(["h2"])
            transport = context.wrap_socket(transport, server_hostname=name)
            if (agreed := transport.selected_alpn_protocol()) != "h2":
                transport.close()
                raise AssertionError(f"the peer agreed on {agreed} instead of h2")
        super().__init__(transport, is_client=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()

    def ask(self, authority: str, path: str, *more: tuple[bytes, bytes], method: str = "GET", scheme: str = "http",
            end: bool = True) -> int:  # fmt: skip
        """Open a stream with a request; return its number."""
        stream = self.connection.get_next_available_stream_id()
        pseudo = {":method": method, ":scheme": scheme, ":authority": authority, ":path": path}
        self.send(stream, [(name.encode(), value.encode()) for name, value in pseudo.items()] + list(more), end=end)
        return stream

    def get(self, authority: str, path: str, *more: tuple[bytes, bytes], scheme: str = "http") -> Message:
        return self.wait_for(self.ask(authority, path, *more, scheme=scheme))[0]

    def open_tunnel(self, authority: str) -> int:
        """Ask for a tunnel (RFC 9113, section 8.5) and wait until it stands; DATA on the stream is what passes in it."""
        stream = self.connection.get_next_available_stream_id()
        self.send(stream, [(b":method", b"CONNECT"), (b":authority", authority.encode())])
        self.wait_until(lambda: stream in self.messages and self.messages[stream].fields)
        assert self.messages[stream].status == 200, self.messages[stream]
        return stream


Answer = Callable[[H2Peer, int, Message], None]


def speaks_h2(answer: Answer) -> Handler:
    """For a scripted origin: speak HTTP/2, and call `answer(peer, stream, request)` for each request that is whole."""

    def handle(connection: ScriptedConnection) -> None:
        peer = H2Peer(connection.transport, is_client=False)
        answered: set[int] = set()
        while True:
            for stream in _whole(peer.receive()):
                if stream not in answered:
                    answered.add(stream)
                    answer(peer, stream, peer.messages[stream])

    return handle


def _whole(events: Iterable[h2.events.Event]) -> list[int]:
    return [event.stream_id for event in events if isinstance(event, h2.events.StreamEnded)]
