"""Mappings that may hold several values under one key and remember the order of all of them.

`MultiDict` owns its pairs; `MultiDictView` shows pairs that live elsewhere (the query of a URL, the cookies of a header)
and writes every change back there.
"""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, MutableMapping
from typing import Any, Self, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class MultiMapping(MutableMapping[K, V]):
    """What `MultiDict` and `MultiDictView` share; `[]` gives the first value of a key."""

    @property
    @abstractmethod
    def fields(self) -> tuple[tuple[K, V], ...]:
        """All pairs, in order."""

    @fields.setter
    @abstractmethod
    def fields(self, fields: Iterable[tuple[K, V]]) -> None: ...

    def __getitem__(self, key: K) -> V:
        for own, value in self.fields:
            if own == key:
                return value
        raise KeyError(key)

    def __setitem__(self, key: K, value: V) -> None:
        self.set_all(key, [value])

    def __delitem__(self, key: K) -> None:
        if key not in self:
            raise KeyError(key)
        self.fields = tuple(pair for pair in self.fields if pair[0] != key)

    def __iter__(self) -> Iterator[K]:
        return iter(dict.fromkeys(key for key, _ in self.fields))

    def __len__(self) -> int:
        return len({key for key, _ in self.fields})

    def __eq__(self, other: object) -> bool:
        return self.fields == other.fields if isinstance(other, MultiMapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable, as every mapping

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.fields)!r})"

    def get_all(self, key: K) -> list[V]:
        """Every value of `key`."""
        return [value for own, value in self.fields if own == key]

    def set_all(self, key: K, values: Iterable[V]) -> None:
        """Replace the values of `key`; pairs that exist keep their place, further ones go to the end."""
        waiting = list(values)
        waiting.reverse()
        pairs: list[tuple[K, V]] = []
        for pair in self.fields:
            if pair[0] != key:
                pairs.append(pair)
            elif waiting:
                pairs.append((key, waiting.pop()))
        while waiting:
            pairs.append((key, waiting.pop()))
        self.fields = tuple(pairs)

    def add(self, key: K, value: V) -> None:
        """Append a pair, whether or not the key is there."""
        self.insert(len(self.fields), key, value)

    def insert(self, index: int, key: K, value: V) -> None:
        """Put a pair before the pair at `index`."""
        pairs = list(self.fields)
        pairs.insert(index, (key, value))
        self.fields = tuple(pairs)

    def keys(self, multi: bool = False) -> Collection[K]:  # type: ignore[override]  # a plain list for `multi`
        """The keys, each once; with `multi` once per pair."""
        return [key for key, _ in self.fields] if multi else super().keys()

    def values(self, multi: bool = False) -> Collection[V]:  # type: ignore[override]  # a plain list for `multi`
        """The first value of each key; with `multi` all values."""
        return [value for _, value in self.fields] if multi else super().values()

    def items(self, multi: bool = False) -> Collection[tuple[K, V]]:  # type: ignore[override]  # a plain list for `multi`
        """Key and first value; with `multi` all pairs."""
        return list(self.fields) if multi else super().items()

    def clear(self) -> None:
        self.fields = ()


class MultiDict(MultiMapping[K, V]):
    """A multi-mapping of its own."""

    def __init__(self, fields: Iterable[tuple[K, V]] = ()) -> None:
        self._fields = _pairs(fields)

    @property
    def fields(self) -> tuple[tuple[K, V], ...]:
        return self._fields

    @fields.setter
    def fields(self, fields: Iterable[tuple[K, V]]) -> None:
        self._fields = _pairs(fields)

    def copy(self) -> "MultiDict[K, V]":
        return MultiDict(self._fields)

    def get_state(self) -> tuple[tuple[K, V], ...]:
        return self._fields

    def set_state(self, state: Iterable[tuple[K, V]]) -> None:
        self.fields = _pairs(state)

    @classmethod
    def from_state(cls, state: Iterable[tuple[K, V]]) -> Self:
        return cls(state)


class MultiDictView(MultiMapping[K, V]):
    """A multi-mapping over pairs that are read by `getter` at each look and written back by `setter` at each change."""

    def __init__(
        self, getter: Callable[[], Iterable[tuple[K, V]]], setter: Callable[[tuple[tuple[K, V], ...]], object]
    ) -> None:
        self._getter = getter
        self._setter = setter

    @property
    def fields(self) -> tuple[tuple[K, V], ...]:
        return _pairs(self._getter())

    @fields.setter
    def fields(self, fields: Iterable[tuple[K, V]]) -> None:
        self._setter(_pairs(fields))

    def copy(self) -> MultiDict[K, V]:
        """A `MultiDict` with the present pairs, no longer tied to the message."""
        return MultiDict(self.fields)


def pairs_of(fields: Any) -> tuple[tuple[Any, Any], ...]:
    """Pairs out of what a script may assign to a view: a multi-mapping, a plain mapping, or an iterable of pairs."""
    if isinstance(fields, MultiMapping):
        return fields.fields
    if isinstance(fields, dict):
        return tuple(fields.items())
    return _pairs(fields)


def _pairs(fields: Iterable[tuple[K, V]]) -> tuple[tuple[K, V], ...]:
    return tuple((key, value) for key, value in fields)
