"""What the two bodies of one exchange share while hooks are told of the messages in them: the record, and whose turn it is."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from midstream.flow import Annotation, GrpcMessage, HTTPFlow, ServerSentEvent
from midstream.hooks.table import Handlers
from midstream.proxy.session import Session
from midstream.proxy.stepper import Signal


class Conversation:
    """The messages of one exchange, told one after the other."""

    def __init__(self, session: Session, flow: HTTPFlow, tell: Callable[[Handlers], Awaitable[None]]) -> None:
        """`tell` calls hooks, and holds or ends the exchange as they want."""
        self.session = session
        self.flow = flow
        self._tell = tell
        self._is_telling = False
        self._waiting: Signal[None] | None = None
        """What the other direction waits for."""
        self._sizes: deque[int] = deque()
        """What the messages in the record came with."""
        self._size = 0

    def note(self, remark: str, reference: str = "") -> None:
        """Leave a remark on the flow."""
        self.flow.annotations.append(Annotation(remark, reference))

    async def tell(self, message: GrpcMessage | ServerSentEvent, size: int) -> None:
        """Record a message and call its hook, with whoever listens now: scripts are reloaded while a stream goes on.

        The other direction waits meanwhile, so that the last of the record stays the last.
        """
        while self._is_telling:
            self._waiting = Signal()
            await self._waiting
        self._is_telling = True
        if type(message) is GrpcMessage:
            handlers = self.session.hooks.grpc_message
            self._keep(self.flow.grpc_messages, message, size)
        else:
            handlers = self.session.hooks.sse_event
            self._keep(self.flow.sse_events, message, size)
        await self._tell(handlers)  # what this raises ends the exchange, and so whoever waits for a turn
        self._is_telling = False
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.set(None)

    def _keep(self, record: list[Any], message: GrpcMessage | ServerSentEvent, size: int) -> None:
        """Add to the record; the oldest make room once there are too many, or too many bytes."""
        settings, sizes = self.session.settings, self._sizes
        record.append(message)
        sizes.append(size)
        self._size += size
        while len(sizes) > 1 and (len(sizes) > settings.stream_messages_kept or self._size > settings.body_memory):
            self._size -= sizes.popleft()
            if len(record) > 1:  # a hook may have emptied it
                del record[0]
            self.flow.messages_forgotten += 1
