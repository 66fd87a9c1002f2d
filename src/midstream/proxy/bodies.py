"""Bodies on their way: collected whole where somebody may change them, else forwarded as they come."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from midstream.errors import UsageError
from midstream.flow import Body, Headers, Message
from midstream.proxy.failure import Failed
from midstream.proxy.settings import Settings
from midstream.proxy.streams import Inbox, Stream
from midstream.wire.events import END, Data, End, Event, RequestHead, ResponseHead, Trailers

NEVER_HELD = ("text/event-stream", "application/grpc")
"""Content types whose bodies go on for as long as both sides like."""

Rewrite: TypeAlias = Callable[[bytes], Awaitable[None]]
"""Gets the pieces of a body, a last empty one at the end, and writes what goes on instead."""


class Collected:
    """What was read of a body: all of it, or as much as may be held back."""

    __slots__ = ("end", "never_indexed", "pieces")

    def __init__(self, pieces: list[bytes], end: Event | None, never_indexed: frozenset[tuple[bytes, bytes]]) -> None:
        self.pieces = pieces
        self.never_indexed = never_indexed
        """Trailer fields that the sender wants in nobody's compression table."""
        self.end = end
        """The event that ended the body: `End`, or what broke it off; None if it grew too large and goes on."""


def reason_to_hold(message: Message, size: int | None, limit: int) -> str:
    """Return why the body of `message`, of which an addon wants the whole, is held back; nothing if it is not."""
    if message.stream or size == 0 or (limit and size is not None and size > limit):
        return ""
    content_type = message.headers.get("content-type", "").lower()
    return "" if content_type.startswith(NEVER_HELD) else "an addon wants the whole body"


def check_size(size: int | None, settings: Settings, status: int) -> None:
    """Refuse a body over `body_size_limit` with `status`."""
    limit = settings.body_size_limit
    if limit and size is not None and size > limit:
        raise Failed(f"the body is larger than body_size_limit ({limit} bytes)", status)


def size_of(message: Message, content: bytes, came: RequestHead | ResponseHead | None) -> int | None:
    """Return the size to announce for a body that is complete.

    None where trailers follow and no length was announced before, so that HTTP/1 chunks the body: there they cannot stand
    elsewhere (RFC 9112 §7.1.2).
    """
    if message.trailers is not None and (came is None or came.body_size is None):
        return None
    return len(content)


async def collect(inbox: Inbox, message: Message, settings: Settings, status: int) -> Collected:
    """Read a body until it ends, or has become too large to be held back."""
    limit = settings.stream_large_bodies
    pieces: list[bytes] = []
    never_indexed: frozenset[tuple[bytes, bytes]] = frozenset()
    size = 0
    while True:
        if not inbox.events:
            await inbox
        event = inbox.take()
        if type(event) is Data:
            pieces.append(event.data)
            size += len(event.data)
            check_size(size, settings, status)
            if limit and size > limit:
                return Collected(pieces, None, never_indexed)
        elif type(event) is Trailers:
            message.trailers = Headers.wrap(event.headers)
            never_indexed = event.never_indexed
        else:
            return Collected(pieces, event, never_indexed)


async def forward(
    inbox: Inbox,
    sink: Stream,
    message: Message,
    pieces: Sequence[bytes],
    settings: Settings,
    status: int,
    rewrite: Rewrite | None = None,
) -> Event:
    """Write a body to `sink` as it comes, after the `pieces` already read; return the event that ended it.

    A copy is kept in the message as far as the settings allow. Trailers and the end are written too.
    """
    message.body = body = Body(settings.body_memory, settings.store_streamed_bodies)
    rewrite = rewriter(message, sink) or rewrite
    never_indexed: frozenset[tuple[bytes, bytes]] = frozenset()
    for data in pieces:
        body.append(data)
        if rewrite is None:
            sink.send(Data(data))
        else:
            await rewrite(data)
    while True:
        if sink.is_full:
            await sink.drained()
        if not inbox.events:
            await inbox
        event = inbox.take()
        if type(event) is Data:
            body.append(event.data)
            if settings.body_size_limit:
                check_size(body.size, settings, status)
            if rewrite is None:
                sink.send(event)
            elif event.data:
                await rewrite(event.data)
        elif type(event) is Trailers:
            message.trailers = Headers.wrap(event.headers)
            never_indexed = event.never_indexed
        else:
            break
    if type(event) is End:
        if rewrite is not None:
            await rewrite(b"")
        send_end(sink, message, never_indexed)
    return event


def send_end(sink: Stream, message: Message, never_indexed: frozenset[tuple[bytes, bytes]]) -> None:
    """Write trailers, if there are any, and the end of the message."""
    if message.trailers is not None:
        sink.send(Trailers(list(message.trailers.fields), never_indexed))
    sink.send(END)


def rewriter(message: Message, sink: Stream) -> Rewrite | None:
    """Return what has a script's callable rewrite the body; None if there is none."""
    script = message.stream
    if not callable(script):
        return None

    async def rewrite(data: bytes) -> None:
        try:
            result = script(data)
            pieces = (result,) if isinstance(result, bytes) else [bytes(memoryview(piece)) for piece in result]
        except Exception as error:  # a script's own function: whatever it raises ends this flow and no other
            raise UsageError(f"the callable in {type(message).__name__}.stream failed: {error!r}") from error
        for piece in pieces:
            sink.send(Data(piece))

    return rewrite
