"""What TCP and UDP flows share: messages in both directions, in the order in which they came."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Self

from midstream.flow.flow import ControlException, Flow


class StreamMessage:
    """Some bytes, who sent them and when. Setting `content` in a hook changes what is forwarded; nothing if it is empty."""

    __slots__ = ("content", "dropped", "from_client", "injected", "timestamp")

    def __init__(
        self,
        from_client: bool,
        content: bytes,
        timestamp: float | None = None,
        dropped: bool = False,
        injected: bool = False,
    ) -> None:
        self.from_client = from_client
        self.content = content
        self.timestamp = time.time() if timestamp is None else timestamp
        self.dropped = dropped
        """It was not forwarded, because somebody called `drop`."""
        self.injected = injected
        """Nobody sent it: `inject` did."""

    def drop(self) -> None:
        """Keep the message from being forwarded; it stays in the record."""
        self.dropped = True

    def __repr__(self) -> str:
        return f"{'->' if self.from_client else '<-'} {self.content!r}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.get_state() == other.get_state()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def get_state(self) -> tuple[bool, bytes, float, bool, bool]:
        return self.from_client, self.content, self.timestamp, self.dropped, self.injected

    @classmethod
    def from_state(cls, state: Sequence[Any]) -> Self:
        return cls(*state)


class MessageFlow(Flow):
    """A flow of messages."""

    message_class: type[StreamMessage] = StreamMessage
    on_inject: Callable[[bool, bytes], None] | None = None
    """Sends what `inject` is given; whoever relays the flow sets it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.messages: list[Any] = []

    def inject(self, to_client: bool, content: bytes) -> None:
        """Send bytes to one side as if the other had sent them, behind what waits already; hooks see them, too.

        Raises:
            ControlException: The flow, or its end in this direction, is over.

        """
        if not self.live or self.on_inject is None:
            raise ControlException("this flow is not live any more, so nothing can be injected")
        self.on_inject(to_client, content)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} ({len(self.messages)} messages)>"

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "messages": [message.get_state() for message in self.messages]}

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        self.messages = [self.message_class.from_state(saved) for saved in state["messages"]]
