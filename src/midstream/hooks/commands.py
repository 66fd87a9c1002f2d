"""Commands: functions of addons that users type, keys are bound to, and other addons call.

`@command("name")` marks a method; the annotations of its arguments say how text becomes values (`argtypes`).
"""

import inspect
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from midstream.errors import UsageError
from midstream.hooks.argtypes import Choice, read_value, show_type
from midstream.hooks.context import entered

if TYPE_CHECKING:
    from midstream.hooks.context import Master

Func = TypeVar("Func", bound=Callable[..., Any])

_NAME = "__midstream_command__"
_ARGUMENTS = "__midstream_arguments__"
_log = logging.getLogger("midstream.addon")


def command(name: str | None = None) -> Callable[[Func], Func]:
    """Make a method of an addon a command; without a name, `view_clear` becomes `view.clear`."""

    def mark(function: Func) -> Func:
        setattr(function, _NAME, name or function.__name__.replace("_", "."))
        return function

    return mark


def argument(name: str, *, type: Choice | Any) -> Callable[[Func], Func]:  # noqa: A002 - the name that authors use
    """Give an argument of a command a type that an annotation cannot express: `type=Choice("flow.encode.options")`."""

    def mark(function: Func) -> Func:
        setattr(function, _ARGUMENTS, {**getattr(function, _ARGUMENTS, {}), name: type})
        return function

    return mark


class Command:
    """One command with its typed arguments."""

    __slots__ = ("addon", "function", "help", "name", "returns", "signature", "types")

    def __init__(self, name: str, function: Callable[..., Any], addon: str) -> None:
        self.name = name
        self.function = function
        self.addon = addon
        self.help = inspect.getdoc(function) or ""
        if inspect.iscoroutinefunction(function):
            raise UsageError(f"Command {name}: commands cannot be async; start a task and return.")
        try:
            self.signature = inspect.signature(function, eval_str=True)
        except NameError as error:
            raise UsageError(f"Command {name}: an annotation means nothing: {error}.") from None
        special = getattr(function, _ARGUMENTS, {})
        self.types = {key: special.get(key, found.annotation) for key, found in self.signature.parameters.items()}
        self.returns = self.signature.return_annotation
        for key, kind in self.types.items():
            if kind is inspect.Parameter.empty:
                raise UsageError(f"Command {name}: argument {key} needs a type annotation.")
            self._check_type(key, kind)
        if self.returns not in {None, inspect.Signature.empty}:
            self._check_type("the result", self.returns)

    def __str__(self) -> str:
        """`name first *rest -> result`, with types in place of a person's guess."""
        words = [self.name]
        for key, found in self.signature.parameters.items():
            star = "*" if found.kind is found.VAR_POSITIONAL else ""
            default = "" if found.default is found.empty else f"={found.default}"
            words.append(f"{star}{key}:{show_type(self.types[key])}{default}")
        if self.returns not in {None, inspect.Signature.empty}:
            words += ["->", show_type(self.returns)]
        return " ".join(words)

    def read(self, commands: "Commands", texts: Sequence[str]) -> list[Any]:
        """Make the arguments from text.

        Raises `UsageError` if there are too few or too many, or one does not fit its type.
        """
        try:
            bound = self.signature.bind(*texts)
        except TypeError as error:
            raise UsageError(f"{error}; usage: {self}") from None
        values: list[Any] = []
        for key, given in bound.arguments.items():
            is_rest = self.signature.parameters[key].kind is inspect.Parameter.VAR_POSITIONAL
            for text in given if is_rest else (given,):
                try:
                    values.append(read_value(commands, self.types[key], text))
                except UsageError as error:
                    raise UsageError(f"{self.name}: argument {key}: {error}") from None
        return values

    def _check_type(self, what: str, kind: Any) -> None:
        try:
            show_type(kind)
        except UsageError as error:
            raise UsageError(f"Command {self.name}: {what}: {error}.") from None


class Commands:
    """The commands of one engine."""

    def __init__(self, master: "Master | None" = None) -> None:
        self._master = master
        self._known: dict[str, Command] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._known

    @property
    def commands(self) -> dict[str, Command]:
        """All commands, sorted by name."""
        return dict(sorted(self._known.items()))

    def find(self, name: str) -> Command:
        """Return the command called `name`. Raises `UsageError`."""
        try:
            return self._known[name]
        except KeyError:
            raise UsageError(f"there is no command {name!r}; `midstream commands` lists them all") from None

    def add(self, name: str, function: Callable[..., Any], *, addon: str = "") -> None:
        """Add one command; of two with one name the later one counts.

        Raises `UsageError` if its arguments have types that commands cannot have.
        """
        added = Command(name, function, addon)
        before = self._known.get(name)
        if before is not None and before.addon != addon:
            _log.warning("Command %s of %s replaces that of %s.", name, addon, before.addon)
        self._known[name] = added

    def collect(self, owner: object, *, addon: str) -> None:
        """Add what `@command` marks in an addon."""
        for key in dir(owner):
            if key.startswith("__"):
                continue
            marked = inspect.getattr_static(owner, key)
            name = getattr(getattr(marked, "__func__", marked), _NAME, None)
            if isinstance(name, str):
                self.add(name, getattr(owner, key), addon=addon)

    def remove(self, addon: str) -> None:
        """Forget the commands of an addon."""
        self._known = {name: known for name, known in self._known.items() if known.addon != addon}

    def saved(self) -> dict[str, Command]:
        """Return what `restore` goes back to."""
        return dict(self._known)

    def restore(self, saved: dict[str, Command]) -> None:
        """Go back to the commands that there were."""
        self._known = dict(saved)

    def call(self, name: str, *args: Any) -> Any:
        """Call a command with values. Raises `UsageError` if there is none, and whatever the command raises."""
        found = self.find(name)
        if self._master is None:
            return found.function(*args)
        with entered(self._master):
            return found.function(*args)

    def call_strings(self, name: str, args: Sequence[str]) -> Any:
        """Call a command with text, as a person types it. Raises `UsageError`."""
        return self.call(name, *self.find(name).read(self, args))

    def execute(self, line: str) -> Any:
        """Run one command line. Raises `UsageError`."""
        words = split_line(line)
        if not words:
            raise UsageError("expected a command, got nothing")
        return self.call_strings(words[0], words[1:])


def split_line(line: str) -> list[str]:
    r"""Split at blanks outside of quotes. Nothing escapes a quote inside quotes: use the other kind, or `\x22`.

    Raises `UsageError` if a quote is not closed.
    """
    words: list[str] = []
    word: str | None = None
    quote = ""
    for character in line:
        if quote:
            quote, word = ("", word) if character == quote else (quote, (word or "") + character)
        elif character in "\"'":
            quote, word = character, word or ""
        elif not character.isspace():
            word = (word or "") + character
        elif word is not None:
            words.append(word)
            word = None
    if quote:
        raise UsageError(f"the quote {quote} is never closed")
    return words if word is None else [*words, word]
