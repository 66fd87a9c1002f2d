"""Timeouts of a whole engine by one coarse sweep: no timer object per connection, request or wait.

A watched thing carries `deadline`, in seconds of the engine's clock; assigning it is all that setting, moving or
clearing (`NEVER`) a timeout costs. The sweep calls `expired()` on those that have passed, at most one period late.
"""

from typing import Protocol

NEVER = float("inf")


class Watched(Protocol):
    """What has a deadline."""

    deadline: float

    def expired(self) -> None:
        """Act on the deadline having passed; it has been set to `NEVER` before the call."""


class Deadlines:
    """The watched things of one engine, and its coarse clock."""

    __slots__ = ("_watched", "now")

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        """Monotonic seconds as of the last sweep."""
        self._watched: set[Watched] = set()

    def watch(self, thing: Watched) -> None:
        self._watched.add(thing)

    def forget(self, thing: Watched) -> None:
        self._watched.discard(thing)

    def sweep(self, now: float) -> None:
        """Move the clock and expire what is due."""
        self.now = now
        for thing in [thing for thing in self._watched if thing.deadline <= now]:
            if (
                thing.deadline <= now and thing in self._watched
            ):  # others that expired may have given it time, or ended it
                thing.deadline = NEVER
                thing.expired()

    def __len__(self) -> int:
        return len(self._watched)
