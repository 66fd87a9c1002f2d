"""Exchanges that wait for a server connection which somebody else opens, or for room on one that is shared.

Where a server may speak HTTP/2, one connection is enough for many exchanges: the first one opens it, the others wait. When
a server takes no more streams they queue, in order (H2-07).
"""

from collections import OrderedDict

from midstream.proxy.deadlines import Deadlines
from midstream.proxy.patience import Patience
from midstream.wire.errors import PeerError


class Queue:
    """Those who wait; each is woken once."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._waiting: OrderedDict[_Turn, None] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    async def wait(self, seconds: float, what: str) -> None:
        """Wait to be woken.

        Raises:
            PeerError: That took too long (504), or what was waited for has failed.

        """
        turn = _Turn(self._deadlines, seconds)
        self._waiting[turn] = None
        try:
            await turn
        finally:
            turn.end()
            self._waiting.pop(turn, None)
        if turn.has_expired:
            raise PeerError(f"timed out: {what}", status=504)
        if turn.error is not None:
            raise turn.error

    def wake(self) -> None:
        """Wake the one that waited longest, if there is one."""
        if self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            turn.set(None)

    def wake_all(self, error: PeerError | None = None) -> None:
        """Wake everybody who waits now, with bad news or without."""
        waiting = list(self._waiting)
        self._waiting.clear()
        for turn in waiting:
            turn.error = error
            turn.set(None)


class _Turn(Patience):
    """One who waits."""

    __slots__ = ("error",)

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        super().__init__(deadlines, seconds)
        self.error: PeerError | None = None
