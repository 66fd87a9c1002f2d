"""Waiting for something, but not for ever."""

from midstream.proxy.deadlines import NEVER, Deadlines
from midstream.proxy.stepper import Signal


class Patience(Signal[None]):
    """A signal that is set when its time is over, if nobody sets it before; `end` has to follow."""

    __slots__ = ("_deadlines", "deadline", "has_expired")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        super().__init__()
        self.deadline = deadlines.now + seconds if seconds else NEVER
        self.has_expired = False
        self._deadlines = deadlines
        deadlines.watch(self)

    def expired(self) -> None:
        self.has_expired = True
        self.set(None)

    def end(self) -> None:
        """Wait no longer, whatever came of it."""
        self._deadlines.forget(self)
