"""The messages inside bodies that stream: gRPC messages and server-sent events, told to their hooks one by one.

A body is taken apart only if somebody listens; all others pass `bodies.forward` as they are. Each message is sent on as soon as its
hook has returned, in the bytes it came in unless it was edited. What cannot be read is noted on the flow and goes on as
it is; the profile `strict` refuses it.
"""

from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from midstream.flow import GrpcMessage, Message, ServerSentEvent, encoding, recoding
from midstream.hooks.table import Handlers
from midstream.proxy.conversation import Conversation
from midstream.proxy.failure import client_failure, server_failure
from midstream.wire import grpc, sse
from midstream.wire.errors import PeerError, Profile
from midstream.wire.events import Data, Event

EVENT_STREAM = "text/event-stream"
GRPC = "application/grpc"
GRPC_WEB = "application/grpc-web"
GRPC_WEB_TEXT = "application/grpc-web-text"

Part = TypeVar("Part", grpc.Frame, sse.Event)


class Sink(Protocol):
    """Where what goes on is written."""

    def send(self, *events: Event) -> None: ...
    @property
    def is_full(self) -> bool: ...
    async def drained(self) -> None: ...


class Reader(Protocol[Part]):
    """What takes a body apart; joined again, its parts are what came."""

    def receive(self, data: bytes) -> list[Part | bytes | PeerError]: ...
    def eof(self) -> list[Part | bytes | PeerError]: ...


class MessageBody(Protocol):
    """A body whose messages hooks are told of."""

    may_edit: bool
    """What goes on may be another body, of another size."""

    async def rewrite(self, data: bytes) -> None:
        """Take the next piece, and write what comes of it; an empty one is the end."""


def message_body(conversation: Conversation, message: Message, sink: Sink) -> MessageBody | None:
    """Return what tells hooks of the messages in the body of `message`; None if there are none, or nobody listens."""
    hooks = conversation.session.hooks
    content_type = message.headers.get("content-type", "").lower()
    if content_type.startswith(EVENT_STREAM) and message is not conversation.flow.request:
        kind: type[EventStream | GrpcBody] = EventStream
        handlers = hooks.sse_event
    elif content_type.startswith(GRPC):
        kind, handlers = GrpcBody, hooks.grpc_message
    else:
        return None
    if not handlers:
        return None
    coding = ", ".join(encoding.names(message.headers.get("content-encoding")))
    if content_type.startswith(GRPC_WEB_TEXT) or (coding and not recoding.is_known(coding)):
        conversation.note(f"messages in {coding or 'base64'} are not read")
        return None
    if coding:
        return CodedBody(coding, sink, lambda inner: kind(conversation, message, inner, handlers))
    return kind(conversation, message, sink, handlers)


class PlainBody(Generic[Part]):
    """Takes a body apart that is not compressed as a whole."""

    def __init__(
        self, conversation: Conversation, reader: Reader[Part], message: Message, sink: Sink, handlers: Handlers
    ) -> None:
        self.may_edit = any(not handler.observes for handler in handlers)
        self._conversation = conversation
        self._time = conversation.session.time
        self._reader: Reader[Part] = reader
        self._sink = sink
        self._is_request = message is conversation.flow.request

    async def rewrite(self, data: bytes) -> None:
        for part in self._reader.receive(data) if data else self._reader.eof():
            if isinstance(part, bytes):
                await self._send(part)
            elif isinstance(part, PeerError):
                self.fault(part)
            else:
                await self._take(part)

    def fault(self, fault: PeerError) -> None:
        """Note what cannot be read, or refuse it."""
        if self._conversation.session.settings.profile is Profile.STRICT:
            self.refuse(fault)
        self._conversation.note(fault.message, fault.reference)

    def refuse(self, fault: PeerError) -> None:
        """End the exchange."""
        raise client_failure(fault) if self._is_request else server_failure(fault)

    async def _take(self, part: Part) -> None:
        """Tell of a message, and send what is to be sent of it."""
        raise NotImplementedError

    async def _send(self, data: bytes) -> None:
        self._sink.send(Data(data))
        if self._sink.is_full:
            await self._sink.drained()


class GrpcBody(PlainBody[grpc.Frame]):
    """A body of gRPC messages."""

    def __init__(self, conversation: Conversation, message: Message, sink: Sink, handlers: Handlers) -> None:
        is_web = message.headers.get("content-type", "").lower().startswith(GRPC_WEB)
        splitter = grpc.Splitter(conversation.session.settings.stream_large_bodies, is_web=is_web)
        super().__init__(conversation, splitter, message, sink, handlers)
        self._encoding = message.headers.get("grpc-encoding", "identity").strip().lower()

    async def _take(self, part: grpc.Frame) -> None:
        if part.flags & grpc.TRAILERS:
            await self._send(part.written())
            return
        is_compressed = bool(part.flags & grpc.COMPRESSED)
        told = GrpcMessage(self._is_request, part.content, is_compressed, self._encoding, self._time())
        await self._conversation.tell(told, len(part.content))
        if not self.may_edit:
            await self._send(part.written())
        elif not told.dropped:
            await self._send(grpc.Frame(grpc.COMPRESSED if told.is_compressed else 0, told.content).written())


class EventStream(PlainBody[sse.Event]):
    """A body of server-sent events."""

    def __init__(self, conversation: Conversation, message: Message, sink: Sink, handlers: Handlers) -> None:
        reader = sse.Reader(conversation.session.settings.stream_large_bodies)
        super().__init__(conversation, reader, message, sink, handlers)

    async def _take(self, part: sse.Event) -> None:
        told = ServerSentEvent(part.data, part.event, part.id, part.retry, part.raw, self._time())
        await self._conversation.tell(told, len(part.raw))
        if told.dropped and self.may_edit:
            return
        out = sse.Event(told.data, told.event, told.id, told.retry, part.raw)
        await self._send(sse.written(out) if self.may_edit and out != part else part.raw)


class CodedBody:
    """A body that is compressed as a whole: decoded for its reader, and encoded anew if it may be edited."""

    def __init__(self, coding: str, sink: Sink, make: Callable[[Sink], GrpcBody | EventStream]) -> None:
        """`make` returns the body inside, which writes to this one."""
        self._sink = sink
        self._decode = recoding.decoder(coding)
        self._inside = make(self)
        self._is_lost = False
        """What came last could not be decoded."""
        self.may_edit = self._inside.may_edit
        self._encoder = recoding.encoder(coding) if self.may_edit else None

    async def rewrite(self, data: bytes) -> None:
        if data:
            if not self._is_lost:
                for piece in self._decoded(data):
                    await self._inside.rewrite(piece)
            if self._encoder is None:
                self._sink.send(Data(data))
        else:
            await self._inside.rewrite(b"")
            if self._encoder is not None and (end := self._encoder.finish()):
                self._sink.send(Data(end))

    def send(self, *events: Event) -> None:
        """Take what the body inside writes; where nobody edits, the pieces go on as they came instead."""
        if self._encoder is not None:
            for event in events:
                assert type(event) is Data
                self._sink.send(Data(self._encoder.encode(event.data)))

    @property
    def is_full(self) -> bool:
        return self._sink.is_full

    async def drained(self) -> None:
        await self._sink.drained()

    def _decoded(self, data: bytes) -> Iterator[bytes]:
        try:
            yield from self._decode(data)
        except ValueError as error:
            self._is_lost = True
            fault = PeerError(str(error), "RFC 9110 §8.4")
            if self.may_edit:  # half of it may be encoded anew by now
                self._inside.refuse(fault)
            self._inside.fault(fault)
