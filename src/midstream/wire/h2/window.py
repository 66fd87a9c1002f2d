"""What a peer may still send us: RFC 9113 §6.9, from the receiver's side."""


class ReceiveWindow:
    """A window that opens again as what came is consumed, in steps of half its size.

    With `growth` it doubles with each step, up to so many times its first size, while its consumer keeps up: then nothing piles up, and
    whoever sends need not wait for us. It halves again when the consumer lags behind.
    """

    __slots__ = ("growth", "held", "left", "owed", "size", "smallest")

    def __init__(self, size: int, growth: int = 1) -> None:
        self.growth = growth
        self.size = self.smallest = size
        self.left = size
        """Bytes that may still come."""
        self.held = 0
        """Bytes that came and have not been consumed."""
        self.owed = 0
        """Bytes consumed and not yet granted again; below 0 after the window has become smaller."""

    def take(self, count: int) -> bool:
        """Count what came; False if it is more than was allowed."""
        self.left -= count
        self.held += count
        return self.left >= 0

    def release(self, count: int) -> int:
        """Count what was consumed, and return by how much to open the window now."""
        held = self.held
        if count > held:  # noqa: PLR1730 - `min` takes three times as long, for each DATA frame
            count = held
        self.held = held - count
        self.owed = owed = self.owed + count
        size = self.size
        if owed * 2 < size:
            return 0
        if self.growth > 1:
            if self.held * 4 <= size:  # it keeps up
                self.size = min(size * 2, self.smallest * self.growth)
            else:
                self.size = max(size // 2, self.smallest)
            self.owed = owed = owed + self.size - size
            if owed <= 0:
                return 0
        self.owed = 0
        self.left += owed
        return owed

    def begin_with(self, size: int) -> None:
        """Count from another initial size, which the peer knows by itself now (RFC 9113 §6.9.2)."""
        change = size - self.smallest
        self.left += change
        self.size += change
        self.smallest = size
