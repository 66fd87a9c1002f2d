"""One HTTP exchange: a request, its response, and what came between or after."""

from collections.abc import Callable
from typing import Any, ClassVar, Self

from midstream.flow.connection import Client, Server
from midstream.flow.flow import ControlException, Flow
from midstream.flow.grpc import GrpcCall, GrpcMessage
from midstream.flow.headers import Headers
from midstream.flow.message import Message
from midstream.flow.request import Request
from midstream.flow.response import Response
from midstream.flow.sse import ServerSentEvent
from midstream.flow.websocket import WebSocketData

__all__ = ["HTTPFlow", "Headers", "Message", "Request", "Response"]


class HTTPFlow(Flow):
    """A request and its answer."""

    type: ClassVar[str] = "http"

    request: Request
    """What the client asked."""
    response: Response | None = None
    """The final answer; a script may set it before there is one."""
    websocket: WebSocketData | None = None
    """The messages, if the exchange became a WebSocket connection."""

    on_inject: Callable[[bool, bytes, bool], None] | None = None
    """Sends what `inject` is given; whoever relays the WebSocket connection sets it."""
    client_authority: bytes | None = None
    """The Host that the client named, where reverse mode has put the target's in its place."""
    stream_id: int | None = None
    """The number of the client's HTTP/2 stream; None on other versions."""
    server_stream_id: int | None = None
    """The same of the stream to the server."""
    messages_forgotten: int = 0
    """How many of the oldest messages (`websocket.messages`, `grpc_messages`, `sse_events`) were let go, so that an endless stream needs no endless memory."""
    _informational: list[Response] | None = None
    _grpc_messages: list[GrpcMessage] | None = None
    _sse_events: list[ServerSentEvent] | None = None

    @classmethod
    def begin(cls, client: Client, server: Server, request: Request) -> Self:
        """Make the live flow of a request that has just come: what the constructor does, in half the time."""
        flow = _new(cls)
        flow.client_conn = client
        flow.server_conn = server
        flow.live = True
        flow.timestamp_created = request.timestamp_start
        flow.request = request
        return flow

    @property
    def informational(self) -> list[Response]:
        """The interim responses (1xx) relayed before the final one."""
        if self._informational is None:
            self._informational = []
        return self._informational

    @informational.setter
    def informational(self, value: list[Response]) -> None:
        self._informational = value

    def inject(self, to_client: bool, content: bytes | str, is_text: bool | None = None) -> None:
        """Send a WebSocket message that neither side has sent; text if `content` is a string, unless `is_text` says otherwise.

        Raises:
            ControlException: There is no WebSocket connection here that is open.

        """
        if not self.live or self.on_inject is None:
            raise ControlException("this flow has no open WebSocket connection, so nothing can be injected")
        data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        self.on_inject(to_client, data, isinstance(content, str) if is_text is None else is_text)

    @property
    def grpc_messages(self) -> list[GrpcMessage]:
        """The latest gRPC messages of both directions, as far as a hook listened for them."""
        if self._grpc_messages is None:
            self._grpc_messages = []
        return self._grpc_messages

    @grpc_messages.setter
    def grpc_messages(self, value: list[GrpcMessage]) -> None:
        self._grpc_messages = value

    @property
    def sse_events(self) -> list[ServerSentEvent]:
        """The latest server-sent events, as far as a hook listened for them."""
        if self._sse_events is None:
            self._sse_events = []
        return self._sse_events

    @sse_events.setter
    def sse_events(self, value: list[ServerSentEvent]) -> None:
        self._sse_events = value

    @property
    def grpc(self) -> GrpcCall | None:
        """What was called and came of it, as the heads and trailers have it now; None if this is no gRPC."""
        return GrpcCall.of(self.request, self.response)

    @property
    def timestamp_start(self) -> float:
        """When the request began."""
        return self.request.timestamp_start

    def __repr__(self) -> str:
        parts = [getattr(self, "request", None), self.response, self.websocket, self.error]
        return f"<HTTPFlow {' '.join(repr(part) for part in parts if part is not None)}>"

    def _state(self) -> dict[str, Any]:
        return {
            **super()._state(),
            "request": self.request.get_state(),
            "response": None if self.response is None else self.response.get_state(),
            "websocket": None if self.websocket is None else self.websocket.get_state(),
            "informational": [response.get_state() for response in self._informational or ()],
            "client_authority": self.client_authority,
            "stream_id": self.stream_id,
            "server_stream_id": self.server_stream_id,
            "grpc_messages": [message.get_state() for message in self._grpc_messages or ()],
            "sse_events": [event.get_state() for event in self._sse_events or ()],
            "messages_forgotten": self.messages_forgotten,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        self.request = Request.from_state(state["request"])
        self.response = None if state["response"] is None else Response.from_state(state["response"])
        self.websocket = None if state["websocket"] is None else WebSocketData.from_state(state["websocket"])
        self.client_authority = state.get("client_authority")
        self.stream_id = state.get("stream_id")
        self.server_stream_id = state.get("server_stream_id")
        self.informational = [Response.from_state(saved) for saved in state.get("informational", ())]
        self.grpc_messages = [GrpcMessage.from_state(saved) for saved in state.get("grpc_messages", ())]
        self.sse_events = [ServerSentEvent.from_state(saved) for saved in state.get("sse_events", ())]
        self.messages_forgotten = state.get("messages_forgotten", 0)


_new = object.__new__
