"""What a peer may still send us: RFC 9113 §6.9, from the receiver's side."""


class ReceiveWindow:
    """A window that opens again as what came is consumed, in steps of half its size."""

    __slots__ = ("held", "left", "owed", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.left = size
        """Bytes that may still come."""
        self.held = 0
        """Bytes that came and have not been consumed."""
        self.owed = 0
        """Bytes consumed and not yet granted again."""

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
        if owed * 2 < self.size:
            return 0
        self.owed = 0
        self.left += owed
        return owed
