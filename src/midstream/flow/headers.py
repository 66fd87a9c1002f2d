"""HTTP header fields as scripts see them: a case-insensitive multi-mapping of text over raw byte pairs.

Order, case and duplicates are those of the wire. A mutation builds a new list, so a list taken over by `Headers.wrap`
is never changed behind the back of whoever made it.
"""

from collections.abc import Collection, Iterable, Iterator, MutableMapping
from typing import Self

Pairs = list[tuple[bytes, bytes]]


class Headers(MutableMapping[str, str]):
    """Header or trailer fields; `headers["Set-Cookie"]` folds repeated fields with a comma, `get_all` does not."""

    __slots__ = ("edited", "pairs")

    pairs: Pairs
    """The fields in wire order, without a copy. Read only: assign to `fields` to change them."""
    edited: bool
    """True once anything was changed; whoever built the object may reset it."""

    def __init__(self, fields: Iterable[tuple[bytes, bytes]] = (), **headers: str | bytes) -> None:
        self.pairs = _checked(fields)
        for name, value in headers.items():
            self[name.replace("_", "-")] = value
        self.edited = False

    @classmethod
    def wrap(cls, fields: Pairs) -> Self:
        """Take over `fields`, a list of byte pairs, without copying or checking it."""
        headers = _new(cls)
        headers.pairs = fields
        headers.edited = False
        return headers

    @property
    def fields(self) -> tuple[tuple[bytes, bytes], ...]:
        """All fields as pairs of bytes, in wire order."""
        return tuple(self.pairs)

    @fields.setter
    def fields(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        self.pairs = _checked(fields)
        self.edited = True

    def __getitem__(self, name: str | bytes) -> str:
        values = self.get_all(name)
        if not values:
            raise KeyError(name)
        return values[0] if len(values) == 1 else ", ".join(values)

    def __setitem__(self, name: str | bytes, value: str | bytes) -> None:
        spelling = _raw(name)
        if self._named(spelling.lower()):
            self.set_all(name, [value])
        else:
            self.pairs = [*self.pairs, (spelling, _raw(value))]
            self.edited = True

    def __delitem__(self, name: str | bytes) -> None:
        wanted = _key(name)
        kept = [pair for pair in self.pairs if pair[0].lower() != wanted]
        if len(kept) == len(self.pairs):
            raise KeyError(name)
        self.pairs = kept
        self.edited = True

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, (str, bytes)):
            return False
        return bool(self._named(_key(name)))

    def __iter__(self) -> Iterator[str]:
        seen = set()
        for name, _ in self.pairs:
            key = name.lower()
            if key not in seen:
                seen.add(key)
                yield _text(name)

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self.pairs})

    def __eq__(self, other: object) -> bool:
        return self.pairs == other.pairs if isinstance(other, Headers) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable, as every mapping

    def __bytes__(self) -> bytes:
        """The header section as it would stand on an HTTP/1 wire, without the final blank line."""
        return b"".join([b"%s: %s\r\n" % pair for pair in self.pairs])

    def __repr__(self) -> str:
        return f"Headers({self.pairs!r})"

    def get_all(self, name: str | bytes) -> list[str]:
        """Every value of `name`, unfolded."""
        return [_text(value) for _, value in self._named(_key(name))]

    def set_all(self, name: str | bytes, values: Iterable[str | bytes]) -> None:
        """Replace the values of `name`; fields that exist keep their place and spelling, further ones go to the end."""
        spelling = _raw(name)
        wanted = spelling.lower()
        waiting = [_raw(value) for value in values]
        waiting.reverse()
        pairs: Pairs = []
        for pair in self.pairs:
            if pair[0].lower() != wanted:
                pairs.append(pair)
            elif waiting:
                pairs.append((pair[0], waiting.pop()))
        while waiting:
            pairs.append((spelling, waiting.pop()))
        self.pairs = pairs
        self.edited = True

    def add(self, name: str | bytes, value: str | bytes) -> None:
        """Append a field, whether or not there is one of that name."""
        self.insert(len(self.pairs), name, value)

    def insert(self, index: int, name: str | bytes, value: str | bytes) -> None:
        """Put a field before the field at `index`."""
        pairs = self.pairs.copy()
        pairs.insert(index, (_raw(name), _raw(value)))
        self.pairs = pairs
        self.edited = True

    def keys(self, multi: bool = False) -> Collection[str]:  # type: ignore[override]  # a plain list for `multi`
        """The names, each once; with `multi` once per field."""
        return [_text(name) for name, _ in self.pairs] if multi else super().keys()

    def values(self, multi: bool = False) -> Collection[str]:  # type: ignore[override]  # a plain list for `multi`
        """The folded values; with `multi` one per field."""
        return [_text(value) for _, value in self.pairs] if multi else super().values()

    def items(self, multi: bool = False) -> Collection[tuple[str, str]]:  # type: ignore[override]  # a plain list for `multi`
        """Name and folded value; with `multi` one pair per field."""
        return [(_text(name), _text(value)) for name, value in self.pairs] if multi else super().items()

    def _named(self, key: bytes) -> Pairs:
        size = len(key)
        return [pair for pair in self.pairs if len(pair[0]) == size and pair[0].lower() == key]

    def copy(self) -> Self:
        return self.wrap(self.pairs)

    def get_state(self) -> tuple[tuple[bytes, bytes], ...]:
        return tuple(self.pairs)

    def set_state(self, state: Iterable[tuple[bytes, bytes]]) -> None:
        self.fields = tuple((bytes(name), bytes(value)) for name, value in state)

    @classmethod
    def from_state(cls, state: Iterable[tuple[bytes, bytes]]) -> Self:
        return cls.wrap([(bytes(name), bytes(value)) for name, value in state])


_new = object.__new__


def _checked(fields: Iterable[tuple[bytes, bytes]]) -> Pairs:
    pairs = [(name, value) for name, value in fields]
    for name, value in pairs:
        if type(name) is not bytes or type(value) is not bytes:
            raise TypeError(f"header fields are pairs of bytes, not ({name!r}, {value!r})")
    return pairs


def _raw(text: str | bytes) -> bytes:
    if isinstance(text, bytes):
        return text
    if isinstance(text, str):
        return text.encode("utf-8", "surrogateescape")
    raise TypeError(f"expected text or bytes for a header, got {text!r}")


def _key(name: str | bytes) -> bytes:
    return _raw(name).lower()


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
