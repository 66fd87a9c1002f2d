"""A rate with room for bursts, without a clock of its own."""

from midstream.wire.h2.errors import ENHANCE_YOUR_CALM, FatalError

BURST_SECONDS = 10


class Budget:
    """So many of something per second; ten seconds' worth may be spent at once, and fills up again with time."""

    __slots__ = ("_left", "_most", "_rate", "_since", "what")

    def __init__(self, what: str, rate: int) -> None:
        self.what = what
        self._rate = rate
        self._most = rate * BURST_SECONDS
        self._left = float(self._most)
        self._since: float | None = None

    def spend(self, now: float) -> None:
        """Take one.

        Raises:
            FatalError: none is left.

        """
        since, self._since = self._since, now
        if since is not None and now > since:
            self._left = min(self._most, self._left + (now - since) * self._rate)
        self._left -= 1
        if self._left < 0:
            raise FatalError(f"too many {self.what}", "RFC 9113 §10.5", ENHANCE_YOUR_CALM)

    def earn(self, count: int) -> None:
        """Allow some more."""
        self._left = min(self._most, self._left + count)
