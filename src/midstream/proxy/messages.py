"""The messages inside bodies that stream: gRPC messages and server-sent events, told to their hooks one by one.

A body is taken apart only if somebody listens; all others pass `bodies.forward` as they are. Each message is sent on as soon as its
hook has returned, in the bytes it came in unless it was edited. What cannot be read is noted on the flow and goes on as
it is; the profile `strict` refuses it.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from midstream.flow import Annotation, GrpcMessage, HTTPFlow, Message, ServerSentEvent
from midstream.flow import encoding as codings
from midstream.hooks.table import Handlers
from midstream.proxy.failure import client_failure, server_failure
from midstream.proxy.session import Session
from midstream.proxy.stepper import Signal
from midstream.proxy.streams import Stream
from midstream.wire import grpc, sse
from midstream.wire.errors import PeerError, Profile
from midstream.wire.events import Data

EVENT_STREAM = "text/event-stream"
GRPC = "application/grpc"
GRPC_WEB = "application/grpc-web"
GRPC_WEB_TEXT = "application/grpc-web-text"

Part = TypeVar("Part", grpc.Frame, sse.Event)


class Reader(Protocol[Part]):
    """What takes a body apart; joined again, its parts are what came."""

    def receive(self, data: bytes) -> list[Part | bytes | PeerError]: ...
    def eof(self) -> list[Part | bytes | PeerError]: ...


class Conversation:
    """What both bodies of one exchange share: the flow's record of messages, and whose turn it is to be told."""

    def __init__(self, session: Session, flow: HTTPFlow, tell: Callable[[Handlers], Awaitable[None]]) -> None:
        """`tell` calls hooks, and holds or ends the exchange as they want."""
        self.session = session
        self.flow = flow
        self._tell = tell
        self._turn: Signal[None] | None = None
        self._sizes: deque[int] = deque()
        """What the messages in the record came with."""
        self._size = 0

    def body(self, message: Message, sink: Stream) -> "AnyBody | None":
        """Return what tells the hooks of the messages in the body of `message`; None if there are none, or nobody listens."""
        hooks, is_request = self.session.hooks, message is self.flow.request
        content_type = message.headers.get("content-type", "").lower()
        if content_type.startswith(EVENT_STREAM):
            make: type[EventStream | GrpcBody] = EventStream
            handlers = () if is_request else hooks.sse_event
        elif content_type.startswith(GRPC):
            make, handlers = GrpcBody, hooks.grpc_message
        else:
            return None
        if not handlers:
            return None
        coding = ", ".join(codings.names(message.headers.get("content-encoding")))
        if coding or content_type.startswith(GRPC_WEB_TEXT):
            self.note(f"messages in {coding or 'base64'} are not read")
            return None
        return make(self, message, sink, handlers)

    def note(self, remark: str, reference: str = "") -> None:
        """Leave a remark on the flow."""
        self.flow.annotations.append(Annotation(remark, reference))

    async def tell(self, handlers: Handlers, message: GrpcMessage | ServerSentEvent, size: int) -> None:
        """Record a message and call its hook. The other direction waits meanwhile, so that the last stays the last."""
        while self._turn is not None:
            await self._turn
        self._turn = turn = Signal[None]()
        if type(message) is GrpcMessage:
            self._keep(self.flow.grpc_messages, message, size)
        else:
            self._keep(self.flow.sse_events, message, size)
        await self._tell(handlers)  # what this raises ends the exchange, and so whoever waits for a turn
        self._turn = None
        turn.set(None)

    def _keep(self, record: list[Any], message: GrpcMessage | ServerSentEvent, size: int) -> None:
        """Add to the record; the oldest make room once there are too many, or too many bytes."""
        settings = self.session.settings
        record.append(message)
        self._sizes.append(size)
        self._size += size
        while len(self._sizes) > 1 and (
            len(self._sizes) > settings.stream_messages_kept or self._size > settings.body_memory
        ):
            self._size -= self._sizes.popleft()
            if len(record) > 1:  # a hook may have emptied it
                del record[0]
            self.flow.messages_forgotten += 1


class MessageBody(Generic[Part]):
    """Takes one body apart; `rewrite` gets its pieces and writes what comes of them."""

    def __init__(
        self, conversation: Conversation, reader: Reader[Part], message: Message, sink: Stream, handlers: Handlers
    ) -> None:
        self.may_edit = any(not handler.observes for handler in handlers)
        """The size of the body may change."""
        self._conversation = conversation
        self._reader: Reader[Part] = reader
        self._handlers = handlers
        self._sink = sink
        self._is_request = message is conversation.flow.request

    async def rewrite(self, data: bytes) -> None:
        """Take the next piece; an empty one is the end."""
        for part in self._reader.receive(data) if data else self._reader.eof():
            if isinstance(part, bytes):
                await self._send(part)
            elif isinstance(part, PeerError):
                self._fault(part)
            else:
                await self._take(part)

    async def _take(self, part: Part) -> None:
        """Tell of a message, and send what is to be sent of it."""
        raise NotImplementedError

    async def _tell(self, message: GrpcMessage | ServerSentEvent, size: int) -> None:
        await self._conversation.tell(self._handlers, message, size)

    async def _send(self, data: bytes) -> None:
        if data:
            self._sink.send(Data(data))
            if self._sink.is_full:
                await self._sink.drained()

    def _fault(self, fault: PeerError) -> None:
        """Note what cannot be read, or refuse it."""
        conversation = self._conversation
        if conversation.session.settings.profile is Profile.STRICT:
            raise client_failure(fault) if self._is_request else server_failure(fault)
        conversation.note(fault.message, fault.reference)


class GrpcBody(MessageBody[grpc.Frame]):
    """A body of gRPC messages."""

    def __init__(self, conversation: Conversation, message: Message, sink: Stream, handlers: Handlers) -> None:
        is_web = message.headers.get("content-type", "").lower().startswith(GRPC_WEB)
        splitter = grpc.Splitter(conversation.session.settings.stream_large_bodies, is_web=is_web)
        super().__init__(conversation, splitter, message, sink, handlers)
        self._encoding = message.headers.get("grpc-encoding", "identity").strip().lower()

    async def _take(self, frame: grpc.Frame) -> None:
        if frame.flags & grpc.TRAILERS:
            await self._send(frame.written())
            return
        message = GrpcMessage(
            self._is_request,
            frame.content,
            bool(frame.flags & grpc.COMPRESSED),
            self._encoding,
            self._conversation.session.time(),
        )
        await self._tell(message, len(frame.content))
        if not self.may_edit:
            await self._send(frame.written())
        elif not message.dropped:
            await self._send(grpc.Frame(grpc.COMPRESSED if message.is_compressed else 0, message.content).written())


class EventStream(MessageBody[sse.Event]):
    """A body of server-sent events."""

    def __init__(self, conversation: Conversation, message: Message, sink: Stream, handlers: Handlers) -> None:
        reader = sse.Reader(conversation.session.settings.stream_large_bodies)
        super().__init__(conversation, reader, message, sink, handlers)

    async def _take(self, came: sse.Event) -> None:
        told = ServerSentEvent(came.data, came.event, came.id, came.retry, came.raw, self._conversation.session.time())
        await self._tell(told, len(came.raw))
        if told.dropped and self.may_edit:
            return
        out = sse.Event(told.data, told.event, told.id, told.retry, came.raw)
        await self._send(sse.written(out) if self.may_edit and out != came else came.raw)


AnyBody: TypeAlias = GrpcBody | EventStream
