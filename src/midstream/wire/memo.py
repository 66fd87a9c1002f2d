"""A bounded memory of pure computations."""

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Memo(dict[K, V]):
    """A dict that forgets everything once it is full; cheaper than any order of eviction, and traffic soon refills it.

    Values must be functions of their key alone, so that losing one costs time and nothing else, and must not be changed.
    Every read and write is one dict operation, so engines in several threads can share a memo.
    """

    __slots__ = ("_largest", "_room")

    def __init__(self, room: int, largest: int) -> None:
        super().__init__()
        self._room = room
        self._largest = largest

    def remember(self, key: K, value: V, size: int) -> V:
        """Keep `value` unless its `size` is unusual, and return it."""
        if size <= self._largest:
            if len(self) >= self._room:
                self.clear()
            self[key] = value
        return value
