"""What TCP and UDP flows share: messages in both directions, in the order in which they came."""

import time
from collections.abc import Sequence
from typing import Any, Self

from midstream.flow.flow import Flow


class StreamMessage:
    """Some bytes, who sent them and when. Setting `content` in a hook changes what is forwarded."""

    __slots__ = ("content", "from_client", "timestamp")

    def __init__(self, from_client: bool, content: bytes, timestamp: float | None = None) -> None:
        self.from_client = from_client
        self.content = content
        self.timestamp = time.time() if timestamp is None else timestamp

    def __repr__(self) -> str:
        return f"{'->' if self.from_client else '<-'} {self.content!r}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.get_state() == other.get_state()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def get_state(self) -> tuple[bool, bytes, float]:
        return self.from_client, self.content, self.timestamp

    @classmethod
    def from_state(cls, state: Sequence[Any]) -> Self:
        return cls(state[0], state[1], state[2])


class MessageFlow(Flow):
    """A flow of messages."""

    message_class: type[StreamMessage] = StreamMessage

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.messages: list[Any] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} ({len(self.messages)} messages)>"

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "messages": [message.get_state() for message in self.messages]}

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        self.messages = [self.message_class.from_state(saved) for saved in state["messages"]]
