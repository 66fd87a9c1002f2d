"""What values an option can take: reading them from text, checking them when given from Python or TOML, showing them.

A kind is made from the annotation of the option (`int | None`, `Sequence[str]`, `Literal["a", "b"]`, `Size`, …), so
what the type checker believes and what users may write cannot drift apart.
"""

import math
import os
import re
import types
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, TypeAlias, Union, get_args, get_origin

from midstream.errors import OptionsError

Size: TypeAlias = Annotated[int, "size"]
"""A number of bytes, written `512`, `64k`, `10m`, `1g`."""

FilePath: TypeAlias = Annotated[str, "path"]
"""A path; `~` is the home directory, and in the configuration file it is relative to that file."""

_UNITS = "kmgt"
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([bkmgt]?)b?", re.IGNORECASE)
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class Kind(ABC):
    """How the values of one type are read, checked and shown."""

    name: str
    """Short name for listings: `int`, `size`, `list of str`."""
    expects: str
    """What belongs here, for error messages: `a whole number`."""

    @abstractmethod
    def read(self, text: str) -> object:
        """Make a value from what a person wrote, or raise `OptionsError`."""

    @abstractmethod
    def check(self, value: object) -> object:
        """Return `value` in its stored form, or raise `OptionsError`."""

    def show(self, value: object) -> str:
        """Write `value` as `read` would take it."""
        return str(value)

    def within(self, folder: str, value: object) -> object:
        """Return `value` with relative paths taken from `folder`."""
        del folder
        return value

    def refuse(self, value: object) -> OptionsError:
        return OptionsError(f"expected {self.expects}, got {value!r}")


class BoolKind(Kind):
    name = "bool"
    expects = "true or false"

    def read(self, text: str) -> bool:
        try:
            return _WORDS[text.strip().lower()]
        except KeyError:
            raise self.refuse(text) from None

    def check(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise self.refuse(value)
        return value

    def show(self, value: object) -> str:
        return "true" if value else "false"


class IntKind(Kind):
    name = "int"

    def __init__(self, lowest: float | None = None, highest: float | None = None) -> None:
        self.lowest = -math.inf if lowest is None else lowest
        self.highest = math.inf if highest is None else highest
        self.expects = "a whole number" + _bounds(lowest, highest)

    def read(self, text: str) -> int:
        try:
            return self.check(int(text))
        except ValueError:
            raise self.refuse(text) from None

    def check(self, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not self.lowest <= value <= self.highest:
            raise self.refuse(value)
        return value


class FloatKind(Kind):
    name = "float"

    def __init__(self, lowest: float | None = None, highest: float | None = None) -> None:
        self.lowest = -math.inf if lowest is None else lowest
        self.highest = math.inf if highest is None else highest
        self.expects = "a number" + _bounds(lowest, highest)

    def read(self, text: str) -> float:
        try:
            return self.check(float(text))
        except ValueError:
            raise self.refuse(text) from None

    def check(self, value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.refuse(value)
        if not math.isfinite(value) or not self.lowest <= value <= self.highest:
            raise self.refuse(value)
        return float(value)

    def show(self, value: object) -> str:
        return f"{value:g}"


class StrKind(Kind):
    name = "str"
    expects = "text"

    def read(self, text: str) -> str:
        return text

    def check(self, value: object) -> str:
        if not isinstance(value, str):
            raise self.refuse(value)
        return value


class PathKind(StrKind):
    name = "path"
    expects = "a path"

    def read(self, text: str) -> str:
        return self.check(text)

    def check(self, value: object) -> str:
        path = os.fspath(value) if isinstance(value, os.PathLike) else value
        if not isinstance(path, str) or "\0" in path:
            raise self.refuse(value)
        return os.path.expanduser(path)

    def show(self, value: object) -> str:
        home = os.path.join(os.path.expanduser("~"), "")
        path = str(value)
        return "~/" + path.removeprefix(home) if path.startswith(home) else path

    def within(self, folder: str, value: object) -> object:
        return os.path.join(folder, value) if isinstance(value, str) and value else value


class SizeKind(Kind):
    name = "size"
    expects = 'a size such as "512", "64k", "10m" or "1g"'

    def read(self, text: str) -> int:
        found = _SIZE.fullmatch(text.strip())
        if not found:
            raise self.refuse(text)
        unit = found[2].lower()
        return int(float(found[1]) * 1024 ** (_UNITS.find(unit) + 1 if unit in _UNITS and unit else 0))

    def check(self, value: object) -> int:
        if isinstance(value, str):
            return self.read(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.refuse(value)
        return value

    def show(self, value: object) -> str:
        assert isinstance(value, int)
        for power in range(len(_UNITS), 0, -1):
            if value and value % 1024**power == 0:
                return f"{value // 1024**power}{_UNITS[power - 1]}"
        return str(value)


class ChoiceKind(StrKind):
    name = "choice"

    def __init__(self, choices: Iterable[str]) -> None:
        self.choices = tuple(choices)
        self.expects = "one of " + ", ".join(self.choices)

    def read(self, text: str) -> str:
        return self.check(text)

    def check(self, value: object) -> str:
        folded = value.lower() if isinstance(value, str) else value
        for choice in self.choices:
            if choice.lower() == folded:
                return choice
        raise self.refuse(value)


class OptionalKind(Kind):
    """`inner`, or None, which is written as nothing: `--set NAME=`."""

    def __init__(self, inner: Kind) -> None:
        self.inner = inner
        self.name = inner.name
        self.expects = f"{inner.expects} (or nothing)"

    def read(self, text: str) -> object:
        return self.inner.read(text) if text else None

    def check(self, value: object) -> object:
        return None if value is None else self.inner.check(value)

    def show(self, value: object) -> str:
        return "" if value is None else self.inner.show(value)

    def within(self, folder: str, value: object) -> object:
        return self.inner.within(folder, value)


class SequenceKind(Kind):
    """Any number of `inner`, kept as a tuple so that nobody changes it behind the back of the subscribers.

    In text, elements are separated by `;` or line ends; a repeated flag gives one element each.
    """

    def __init__(self, inner: Kind) -> None:
        self.inner = inner
        self.name = f"list of {inner.name}"
        self.expects = f"a list, each {inner.expects}"

    def read(self, text: str) -> tuple[object, ...]:
        return tuple(self.inner.read(part.strip()) for part in re.split(r"[;\n]", text) if part.strip())

    def check(self, value: object) -> tuple[object, ...]:
        if isinstance(value, str | bytes) or not isinstance(value, Iterable):
            raise self.refuse(value)
        return tuple(self.inner.check(each) for each in value)

    def show(self, value: object) -> str:
        assert isinstance(value, tuple)
        return ";".join(self.inner.show(each) for each in value)

    def within(self, folder: str, value: object) -> object:
        assert isinstance(value, tuple)
        return tuple(self.inner.within(folder, each) for each in value)


def kind_of(
    annotation: object,
    *,
    choices: Iterable[str] | None = None,
    lowest: float | None = None,
    highest: float | None = None,
) -> Kind:
    """Return the kind that an annotation stands for.

    Raises `TypeError` for a type that no option can have.
    """
    args = get_args(annotation)
    match get_origin(annotation):
        case types.UnionType | types.NoneType:
            return _optional(annotation, args, choices, lowest, highest)
        case origin if origin is Union:
            return _optional(annotation, args, choices, lowest, highest)
        case origin if origin is Literal:
            return ChoiceKind(args)
        case origin if origin is Annotated:
            return SizeKind() if args[1] == "size" else PathKind()
        case origin if isinstance(origin, type) and issubclass(origin, Sequence):
            return SequenceKind(kind_of(args[0], choices=choices, lowest=lowest, highest=highest))
    if annotation is str:
        return StrKind() if choices is None else ChoiceKind(choices)
    if annotation is int:
        return IntKind(lowest, highest)
    if annotation is float:
        return FloatKind(lowest, highest)
    if annotation is bool:
        return BoolKind()
    raise TypeError(f"no option can be of type {annotation!r}")


def _optional(
    annotation: object,
    args: tuple[object, ...],
    choices: Iterable[str] | None,
    lowest: float | None,
    highest: float | None,
) -> Kind:
    inner = [each for each in args if each is not types.NoneType]
    if len(inner) != 1:
        raise TypeError(f"no option can be of type {annotation!r}")
    return OptionalKind(kind_of(inner[0], choices=choices, lowest=lowest, highest=highest))


def _bounds(lowest: float | None, highest: float | None) -> str:
    if lowest is not None and highest is not None:
        return f" from {lowest:g} to {highest:g}"
    if lowest is not None:
        return f" of at least {lowest:g}"
    return "" if highest is None else f" of at most {highest:g}"
