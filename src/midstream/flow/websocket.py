"""The messages of a WebSocket connection, kept on the flow of the request that opened it."""

import time
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple, Self


class Opcode(IntEnum):
    """The kinds of message that carry data (RFC 6455 §5.6)."""

    TEXT = 1
    BINARY = 2


class WebSocketMessage:
    """One message. Setting `content` in a hook changes what is forwarded."""

    __slots__ = ("content", "dropped", "from_client", "injected", "timestamp", "type")

    def __init__(
        self,
        type: Opcode | int,  # noqa: A002 - the name that addon authors know
        from_client: bool,
        content: bytes,
        timestamp: float | None = None,
        dropped: bool = False,
        injected: bool = False,
    ) -> None:
        self.type = type if isinstance(type, Opcode) else Opcode(type)
        self.from_client = from_client
        self.content = content
        self.timestamp = time.time() if timestamp is None else timestamp
        self.dropped = dropped
        self.injected = injected

    def __repr__(self) -> str:
        return f"{'->' if self.from_client else '<-'} {self.content!r}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WebSocketMessage) and self.get_state() == other.get_state()

    __hash__ = None  # type: ignore[assignment]  # mutable

    @property
    def is_text(self) -> bool:
        return self.type is Opcode.TEXT

    @property
    def text(self) -> str:
        """The content of a text message. Raises AttributeError for a binary one."""
        if not self.is_text:
            raise AttributeError("a binary message has content, but no text")
        return self.content.decode("utf-8", "surrogateescape")

    @text.setter
    def text(self, text: str) -> None:
        if not self.is_text:
            raise AttributeError("a binary message has content, but no text")
        self.content = text.encode("utf-8", "surrogateescape")

    def drop(self) -> None:
        """Keep the message from being forwarded."""
        self.dropped = True

    def kill(self) -> None:
        """Do what `drop` does; the older name."""
        self.drop()

    def get_state(self) -> tuple[int, bool, bytes, float, bool, bool]:
        return int(self.type), self.from_client, self.content, self.timestamp, self.dropped, self.injected

    @classmethod
    def from_state(cls, state: Sequence[Any]) -> Self:
        return cls(*state)


class WebSocketControl(NamedTuple):
    """A frame that carries no message (RFC 6455 §5.5)."""

    kind: str
    """`ping`, `pong` or `close`."""
    from_client: bool
    payload: bytes
    """Of a close frame: its code in two bytes, then its reason."""
    timestamp: float


class WebSocketData:
    """The messages of a connection, and how it was closed."""

    __slots__ = ("close_code", "close_reason", "closed_by_client", "controls", "messages", "timestamp_end")

    def __init__(self) -> None:
        self.messages: list[WebSocketMessage] = []
        """The latest ones; of a long connection the oldest make room, see the option `body_memory`."""
        self.controls: list[WebSocketControl] = []
        """Pings, pongs and close frames, the latest thousand."""
        self.closed_by_client: bool | None = None
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self.timestamp_end: float | None = None

    def __repr__(self) -> str:
        return f"<WebSocketData ({len(self.messages)} messages)>"

    def get_state(self) -> dict[str, Any]:
        return {
            "messages": [message.get_state() for message in self.messages],
            "controls": [tuple(control) for control in self.controls],
            "closed_by_client": self.closed_by_client,
            "close_code": self.close_code,
            "close_reason": self.close_reason,
            "timestamp_end": self.timestamp_end,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        data = cls()
        data.messages = [WebSocketMessage.from_state(saved) for saved in state["messages"]]
        data.controls = [WebSocketControl(*saved) for saved in state.get("controls", ())]
        data.closed_by_client = state["closed_by_client"]
        data.close_code = state["close_code"]
        data.close_reason = state["close_reason"]
        data.timestamp_end = state["timestamp_end"]
        return data
