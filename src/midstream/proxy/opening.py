"""Exchanges that wait for a server connection which somebody else opens, or for room on one that is shared.

Where a server may speak HTTP/2, one connection is enough for many exchanges: the first one opens it, the others wait. When
a server takes no more streams they queue, in order (H2-07).
"""

from collections import deque

from midstream.proxy.deadlines import NEVER, Deadlines
from midstream.proxy.stepper import Signal
from midstream.wire.errors import PeerError


class Queue:
    """Those who wait; each is woken once."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._waiting: deque[_Turn] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    async def wait(self, seconds: float, what: str) -> None:
        """Wait to be woken.

        Raises:
            PeerError: That took too long (504), or what was waited for has failed.

        """
        turn = _Turn(self._deadlines, seconds, what)
        self._waiting.append(turn)
        try:
            await turn.signal
        finally:
            turn.is_over = True
            self._deadlines.forget(turn)
        if turn.error is not None:
            raise turn.error

    def wake(self) -> None:
        """Wake the one that waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.is_over:
                turn.signal.set(None)
                return

    def wake_all(self, error: PeerError | None = None) -> None:
        """Wake everybody who waits now, with bad news or without."""
        waiting = list(self._waiting)
        self._waiting.clear()
        for turn in waiting:
            turn.error = error
            turn.signal.set(None)


class _Turn:
    """One who waits."""

    def __init__(self, deadlines: Deadlines, seconds: float, what: str) -> None:
        self.signal: Signal[None] = Signal()
        self.error: PeerError | None = None
        self.is_over = False
        self.deadline = deadlines.now + seconds if seconds else NEVER
        self._what = what
        deadlines.watch(self)

    def expired(self) -> None:
        self.error = PeerError(f"timed out: {self._what}", status=504)
        self.signal.set(None)
