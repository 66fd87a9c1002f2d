"""The declaration of one option: `listen_port: int | None = option(None, "…", flags=("-p", "--listen-port"))`."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from midstream.options.kinds import Kind, kind_of

T = TypeVar("T")


class Option:
    """What is known about one option; its value lives in the options object."""

    __slots__ = ("check", "default", "flags", "group", "help", "kind", "metavar", "name", "off_flags", "owner")

    def __init__(self, default: object, description: str, *, group: str = "", owner: str = "") -> None:
        self.name = ""
        self.default = default
        self.help = description
        self.group = group
        """Heading in help and documentation."""
        self.owner = owner
        """Empty for built-in options, else the addon that declared it."""
        self.kind: Kind
        self.flags: tuple[str, ...] = ()
        """Short and long flags of the command line; options without flags are reached by `--set`."""
        self.off_flags: tuple[str, ...] = ()
        """For a bool: more flags that switch it off, besides `--no-NAME`."""
        self.metavar = ""
        self.check: Callable[[Any], None] | None = None

    def accept(self, value: object) -> object:
        """Return `value` in its stored form, or raise `OptionsError`."""
        return self.validated(self.kind.check(value))

    def read(self, text: str) -> object:
        """Make a value from text, or raise `OptionsError`."""
        return self.validated(self.kind.check(self.kind.read(text)))

    def validated(self, value: object) -> object:
        """Return `value` if the option's own check has nothing against it, or raise `OptionsError`."""
        if self.check is not None and value is not None:
            self.check(value)
        return value


class Declaration(Option):
    """An option in the body of a class; it becomes whole once the class knows the annotations."""

    __slots__ = ("highest", "lowest")

    def __init__(self, default: object, description: str, *, lowest: float | None, highest: float | None) -> None:
        super().__init__(default, description)
        self.lowest = lowest
        self.highest = highest

    def complete(self, name: str, annotation: object, group: str) -> None:
        self.name = name
        self.group = group
        self.kind = kind_of(annotation, lowest=self.lowest, highest=self.highest)
        self.default = self.accept(self.default)


def option(
    default: T,
    description: str,
    *,
    flags: Iterable[str] = (),
    off_flags: Iterable[str] = (),
    metavar: str = "",
    lowest: float | None = None,
    highest: float | None = None,
    check: Callable[[Any], None] | None = None,
) -> T:
    """Declare an option in the body of an `OptionStore`; its annotation says what it takes.

    To the type checker this is the default value, so that the attribute has the annotated type.
    """
    declared = Declaration(default, description, lowest=lowest, highest=highest)
    declared.flags = tuple(flags)
    declared.off_flags = tuple(off_flags)
    declared.metavar = metavar
    declared.check = check
    made: Any = declared
    return made  # type: ignore[no-any-return]  # the class swaps the declaration for the value
