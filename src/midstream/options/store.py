"""Where the values of options live: one object, plain attributes, changes all-or-nothing.

Values sit in the `__dict__` of the object, so that reading one costs what any attribute costs. Nothing here knows which
options there are (`options.py`), nor files and environment (`sources.py`).
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple, TypeAlias, get_type_hints

from midstream.errors import OptionsError
from midstream.options.kinds import BoolKind, OptionalKind, SequenceKind, kind_of
from midstream.options.option import Declaration, Option

Names: TypeAlias = set[str]  # the class has a method of the name `set`
Subscriber = Callable[[Names], None]


RUN_TIME = "set at run time"
IfUnknown = Literal["refuse", "warn", "ignore"]


class Deferred(NamedTuple):
    """A value for an option that nobody has declared yet; a script may still do so."""

    value: object
    source: str
    if_unknown: IfUnknown
    """What to do if no script declares it."""


class Text(tuple[str, ...]):
    """Values as a person wrote them, one per flag."""

    __slots__ = ()


class Line(str):
    """One text with the whole value, as in the environment: `;` separates the elements of a list."""

    __slots__ = ()


class OptionStore:
    """A set of options with their values, where these came from, and who wants to know of changes."""

    _built_in: dict[str, Option] = {}  # noqa: RUF012 - one per class, filled when the class is made

    def __init_subclass__(cls) -> None:
        hints = get_type_hints(cls, include_extras=True)
        cls._built_in = {
            name: known for base in cls.__mro__[1:] for name, known in vars(base).get("_built_in", {}).items()
        }
        group = (cls.__doc__ or "").partition("\n")[0].rstrip(".")
        for name, declared in list(vars(cls).items()):
            if isinstance(declared, Declaration):
                declared.complete(name, hints[name], group)
                cls._built_in[name] = declared
                delattr(cls, name)

    def __init__(self, **values: object) -> None:
        """Start from the defaults, with `values` over them.

        Raises `OptionsError`.
        """
        state = self.__dict__
        state["_declared"] = dict(self._built_in)
        state["_sources"] = {}
        state["_subscribers"] = []
        state["_deferred"] = {}
        state.update((name, declared.default) for name, declared in self._built_in.items())
        if values:
            self.update(**values)

    _declared: dict[str, Option]
    _sources: dict[str, str]
    _subscribers: list[Subscriber]
    _deferred: dict[str, Deferred]

    def __setattr__(self, name: str, value: object) -> None:
        self.update(**{name: value})

    def __getattr__(self, name: str) -> object:
        """Refuse what is no option; typed `object`, so that a misspelt name does not pass the type checker unseen."""
        raise AttributeError(name if name.startswith("_") else self._unknown(name))

    @property
    def declared(self) -> Mapping[str, Option]:
        """Every option by name, in order of declaration; those of scripts last."""
        return self._declared

    @property
    def deferred(self) -> Mapping[str, Deferred]:
        """Values whose option nobody has declared so far."""
        return self._deferred

    def value(self, name: str) -> object:
        """Return the value of the option called `name`, or raise `OptionsError`."""
        self.find(name)
        return self.__dict__[name]

    def show(self, name: str) -> str:
        """Return the value of the option called `name` as one would write it."""
        return self.find(name).kind.show(self.__dict__[name])

    def find(self, name: str) -> Option:
        """Return the declaration of `name`, or raise `OptionsError` that tells the nearest one."""
        try:
            return self._declared[name]
        except KeyError:
            raise OptionsError(self._unknown(name)) from None

    def explain(self, name: str) -> str:
        """Say where the value of `name` comes from: `default`, a flag, a variable, a file, a script."""
        self.find(name)
        return self._sources.get(name, "default")

    def changed(self) -> dict[str, object]:
        """Return the options that differ from their defaults."""
        values = self.__dict__
        return {name: values[name] for name, known in self._declared.items() if values[name] != known.default}

    def update(self, **values: object) -> None:
        """Set several options at once; if one is refused, by its kind or by a subscriber, none is changed.

        Raises `OptionsError`.
        """
        self.assign(values, RUN_TIME)

    def assign(self, values: Mapping[str, object], source: str) -> None:
        """Set `values`, remembering that they come from `source`; `Text` values are read first.

        Raises `OptionsError`, and then nothing has changed.
        """
        accepted = {name: self.accept(name, value, source) for name, value in values.items()}
        before = {name: self.__dict__[name] for name in accepted}
        sources = dict(self._sources)
        self.__dict__.update(accepted)
        self._sources.update(dict.fromkeys(accepted, source))
        updated = {name for name, value in accepted.items() if before[name] != value}
        if updated:
            self._notify(updated, before, sources)

    def accept(self, name: str, value: object, source: str) -> object:
        """Return `value` as the option called `name` would store it.

        Raises `OptionsError` that names the option and the source.
        """
        return self._accept(self.find(name), value, source)

    def set(self, *settings: str) -> None:
        """Set options from texts: `NAME=VALUE`, or `NAME` for true, nothing or no elements, or `NAME=toggle`.

        Raises `OptionsError`.
        """
        self.assign(read_settings(settings), RUN_TIME)

    def __contains__(self, name: object) -> bool:
        return name in self._declared

    def keys(self) -> list[str]:
        """Return the names of all options."""
        return list(self._declared)

    def reset(self, *names: str) -> None:
        """Put options back to their defaults."""
        self.assign({name: self.find(name).default for name in names}, "default")

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call `callback` with the names of changed options after each change; returns what ends that.

        A callback may raise `OptionsError`: the whole change is taken back, and callbacks that had seen it are called again.
        """
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback) if callback in self._subscribers else None

    def add_option(
        self,
        name: str,
        typespec: object,
        default: object,
        description: str,
        choices: Iterable[str] | None = None,
        *,
        owner: str = "script",
    ) -> None:
        """Declare an option at run time, as addons do; a value given earlier for that name is taken up now.

        Declaring it again, as a reloaded script does, keeps a value that is still valid.
        Raises `OptionsError` for a built-in name, a bad default, or a bad value given earlier.
        """
        if name in self._built_in or not name.isidentifier() or hasattr(type(self), name):
            raise OptionsError(f"option {name}: the name is taken by midstream itself, choose another")
        declared = Option(default, description, group="Options of scripts", owner=owner)
        declared.name = name
        try:
            declared.kind = kind_of(typespec, choices=choices)
            declared.default = declared.accept(default)
        except (OptionsError, TypeError) as fault:
            raise OptionsError(f"option {name}: {fault}") from None
        waiting = self._deferred.get(name)
        value = declared.default if waiting is None else self._accept(declared, waiting.value, waiting.source)
        if name in self._declared and waiting is None:
            value = self._still_valid(declared)
        self._declared[name] = declared
        self.__dict__[name] = value
        if waiting is not None:
            self._sources[name] = waiting.source
            del self._deferred[name]
        self._notify({name}, {name: value}, dict(self._sources))

    def defer(self, name: str, waiting: Deferred) -> None:
        """Keep a value for an option that a script may declare later; a later call wins."""
        self._deferred[name] = waiting

    def check_deferred(self) -> list[str]:
        """Return a warning for each unknown option of the configuration file, once all scripts are loaded.

        Raises `OptionsError` if the command line named an option that no script declared.
        """
        warnings = []
        for name, waiting in self._deferred.items():
            if waiting.if_unknown == "refuse":
                raise OptionsError(f"{waiting.source}: {self._unknown(name)}")
            if waiting.if_unknown == "warn":
                warnings.append(f"{waiting.source}: {self._unknown(name)}")
        return warnings

    def _accept(self, known: Option, value: object, source: str) -> object:
        try:
            match value:
                case Text():
                    return read_texts(known, value, self.__dict__.get(known.name))
                case Line():
                    return known.read(value)
            return known.accept(value)
        except OptionsError as fault:
            where = "" if source == RUN_TIME else f" ({source})"
            raise OptionsError(f"option {known.name}{where}: {fault}") from None

    def _still_valid(self, declared: Option) -> object:
        try:
            return declared.accept(self.__dict__[declared.name])
        except OptionsError:
            self._sources.pop(declared.name, None)
            return declared.default

    def _notify(self, updated: Names, before: dict[str, object], sources: dict[str, str]) -> None:
        subscribers = list(self._subscribers)
        for position, subscriber in enumerate(subscribers):
            try:
                subscriber(set(updated))
            except OptionsError:
                self.__dict__.update(before)
                self.__dict__["_sources"] = sources
                _tell_back(subscribers[: position + 1], updated)
                raise

    def _unknown(self, name: str) -> str:
        known = difflib.get_close_matches(name.replace("-", "_"), self._declared, n=1)
        hint = f"; did you mean {known[0]}?" if known else "; `midstream options` lists them all"
        return f"there is no option {name!r}{hint}"


def read_settings(settings: Iterable[str]) -> dict[str, Text]:
    """Read `NAME=VALUE` and `NAME` texts; a name given several times gets several values."""
    found: dict[str, Text] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        name = plain_name(name)
        if not name:
            raise OptionsError(f"expected NAME=VALUE, got {setting!r}")
        before = found.get(name, Text())
        found[name] = Text([*before, value]) if equals else before
    return found


def plain_name(name: str) -> str:
    """Return the name of an option as it is declared; people write `-` for `_`."""
    return name.strip().replace("-", "_")


def read_texts(known: Option, texts: Text, current: object = None) -> object:
    """Make a value of what flags or `--set` gave: no text is the plainest value, several are elements of a list.

    Raises `OptionsError`.
    """
    kind = known.kind
    if not texts:
        return _plainest(known)
    if isinstance(kind, SequenceKind):
        return known.accept([kind.inner.read(text) for text in texts if text])
    if isinstance(kind, BoolKind) and texts[-1].strip().lower() == "toggle":
        return not current
    return known.read(texts[-1])


def _plainest(known: Option) -> object:
    match known.kind:
        case BoolKind():
            return True
        case OptionalKind():
            return None
        case SequenceKind():
            return ()
    raise OptionsError(f"expected {known.kind.expects}, got nothing")


def _tell_back(subscribers: list[Subscriber], updated: Names) -> None:
    for subscriber in subscribers:
        try:
            subscriber(set(updated))
        except OptionsError:
            continue  # it saw the values it had accepted before; the first refusal is the one to report
