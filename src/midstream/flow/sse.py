"""Server-sent events as users see them: the events inside a response of type `text/event-stream`."""

import time
from collections.abc import Sequence
from typing import Any, Self


class ServerSentEvent:
    """One event. Setting `data`, `event`, `id` or `retry` in the hook changes what is forwarded."""

    __slots__ = ("data", "dropped", "event", "id", "raw", "retry", "timestamp")

    def __init__(
        self,
        data: str,
        event: str = "",
        id: str | None = None,  # noqa: A002 - the field's name
        retry: int | None = None,
        raw: bytes = b"",
        timestamp: float | None = None,
        dropped: bool = False,
    ) -> None:
        self.data = data
        """The lines of data, with line feeds between them."""
        self.event = event
        """The type; empty where the stream names none, which means `message`."""
        self.id = id
        """What the client will say in `Last-Event-ID`; None if this event does not set it."""
        self.retry = retry
        """Milliseconds to wait before connecting again; None if this event does not set it."""
        self.raw = raw
        """The event as it came; forwarded if nothing was changed."""
        self.timestamp = time.time() if timestamp is None else timestamp
        self.dropped = dropped

    def __repr__(self) -> str:
        return f"<ServerSentEvent {self.event or 'message'}: {self.data!r}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ServerSentEvent) and self.get_state() == other.get_state()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def drop(self) -> None:
        """Keep the event from being forwarded."""
        self.dropped = True

    def get_state(self) -> tuple[str, str, str | None, int | None, bytes, float, bool]:
        return self.data, self.event, self.id, self.retry, self.raw, self.timestamp, self.dropped

    @classmethod
    def from_state(cls, state: Sequence[Any]) -> Self:
        return cls(*state)
