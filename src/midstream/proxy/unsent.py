"""Responses whose exchanges are over while their rest still waits for the client's window.

A client may leave its window shut for ever, and still answer pings. Nobody else waits for it any more, so it has its time here.
"""

from collections.abc import Callable

from midstream.proxy.deadlines import NEVER, Deadlines
from midstream.wire.h2.engine import ClientFacing


class Unsent:
    """What waits on one connection, and until when."""

    def __init__(
        self, deadlines: Deadlines, engine: ClientFacing, seconds: float, give_up: Callable[[int, str], None]
    ) -> None:
        self.deadline = NEVER
        self._deadlines = deadlines
        self._engine = engine
        self._seconds = seconds
        self._give_up = give_up
        """Gets the stream that does not move, and a line for the log."""
        self._waiting: dict[int, tuple[int, float]] = {}
        """Of each stream how much waits, and until when some of it has to go."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, stream_id: int) -> None:
        """Give what waits on a stream its time, if there is a limit."""
        if not self._seconds:
            return
        self._deadlines.watch(self)
        self._waiting[stream_id] = self._engine.parked(stream_id), self._deadlines.now + self._seconds
        self._set_deadline()

    def look(self) -> None:
        """Take note of what has gone since; what moves has its time anew."""
        until = self._deadlines.now + self._seconds
        for stream_id, (size, _) in list(self._waiting.items()):
            left = self._engine.parked(stream_id)
            if not left:
                del self._waiting[stream_id]
            elif left < size:
                self._waiting[stream_id] = left, until
        self._set_deadline()

    def expired(self) -> None:
        """Give up what does not move."""
        now = self._deadlines.now
        for stream_id in [stream_id for stream_id, (_, until) in self._waiting.items() if until <= now]:
            size, _ = self._waiting.pop(stream_id)
            what = f"for {self._seconds:g} seconds it took nothing of the last {size} bytes of a response"
            self._give_up(stream_id, what)
        self._set_deadline()

    def end(self) -> None:
        """Wait for nothing any more."""
        self._waiting.clear()
        self._set_deadline()

    def _set_deadline(self) -> None:
        self.deadline = min((until for _, until in self._waiting.values()), default=NEVER)
        if self.deadline == NEVER:
            self._deadlines.forget(self)
