"""The types that arguments of commands can have, and how text typed by a user becomes one of them."""

import os
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, get_args, get_origin

import msgspec

from midstream.errors import UsageError
from midstream.flow import Flow

if TYPE_CHECKING:
    from midstream.hooks.commands import Command


class Path(str):
    """A file name; `~` is expanded."""

    __slots__ = ()


class Cmd(str):
    """The name of a command."""

    __slots__ = ()


class CmdArgs(str):
    """An argument of the command that a `Cmd` before it names."""

    __slots__ = ()


class Marker(str):
    """What a flow is marked with: `:name:`, one character, `true`, `false` or nothing."""

    __slots__ = ()


class CutSpec(list[str]):
    """Attribute paths, separated by commas: `request.method,response.status_code`."""

    __slots__ = ()


class Data(list[list[str | bytes]]):
    """Rows of cells; commands return it, nobody can type it."""

    __slots__ = ()


class Choice(msgspec.Struct, frozen=True):
    """A string out of those that the command `options_command` returns."""

    options_command: str


class Caller(Protocol):
    """What conversions may ask of the set of commands."""

    def call(self, name: str, *args: Any) -> Any:
        """Call a command with values."""
        ...

    def find(self, name: str) -> "Command":
        """Return a command. Raises `UsageError`."""
        ...

    def __contains__(self, name: object) -> bool: ...


RESOLVER = "view.flows.resolve"
"""The command that turns `@all`, `@focus`, an id or a filter into flows; provided by the flow list of an interface."""


def show_type(kind: Any) -> str:
    """Return the short name of a type, as in help texts. Raises `UsageError` for one that arguments cannot have."""
    if isinstance(kind, Choice):
        return "choice"
    if isinstance(kind, type) and issubclass(kind, Flow):
        return "flow"
    for known, (name, _read) in _SCALARS.items():
        if kind is known:
            return name
    if _is_sequence_of(kind, str):
        return "str[]"
    if get_origin(kind) is not None and _is_sequence_of(kind, Flow):
        return "flow[]"
    raise UsageError(f"commands cannot take or return {kind!r}; {_KNOWN}")


def read_value(caller: Caller, kind: Any, text: str) -> Any:
    """Make a value of type `kind` from text. Raises `UsageError` saying what was expected."""
    if isinstance(kind, Choice):
        return _read_choice(caller, kind, text)
    if isinstance(kind, type) and issubclass(kind, Flow):
        return _read_flow(caller, text)
    for known, (_name, read) in _SCALARS.items():
        if kind is known:
            return read(caller, text)
    if _is_sequence_of(kind, str):
        return _split(text)
    if _is_sequence_of(kind, Flow):
        return _read_flows(caller, text)
    raise UsageError(f"a value of type {kind!r} cannot be typed")


def unescape(text: str) -> str:
    r"""Replace `\n`, `\t`, `\x41`, `\u00e9` and the like; a backslash before anything else stays."""
    return _ESCAPE.sub(lambda found: found[0].encode("ascii").decode("unicode_escape"), text)


_ESCAPE = re.compile(r"\\(?:[\\'\"abfnrtv]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U0[0-9a-fA-F]{7}|[0-7]{1,3})")


def _is_sequence_of(kind: Any, element: type) -> bool:
    arguments = get_args(kind)
    return (
        get_origin(kind) in {list, tuple, Sequence}
        and isinstance(arguments[0], type)
        and issubclass(arguments[0], element)
        and arguments[1:] in {(), (...,)}
    )


def _read_str(_caller: Caller, text: str) -> str:
    return unescape(text)


def _read_bytes(_caller: Caller, text: str) -> bytes:
    plain = unescape(text)
    try:
        return plain.encode("latin-1")
    except UnicodeEncodeError:
        return plain.encode()


def _read_int(_caller: Caller, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"expected a whole number, got {text!r}") from None


def _read_bool(_caller: Caller, text: str) -> bool:
    try:
        return {"true": True, "false": False}[text.lower()]
    except KeyError:
        raise UsageError(f"expected true or false, got {text!r}") from None


def _read_path(_caller: Caller, text: str) -> Path:
    return Path(os.path.expanduser(text))


def _read_cmd(caller: Caller, text: str) -> Cmd:
    return Cmd(caller.find(text).name)


def _read_marker(_caller: Caller, text: str) -> Marker:
    if text in {"true", "false", ""} or len(text) == 1 or re.fullmatch(r":[\w+-]+:", text):
        return Marker({"true": ":default:", "false": ""}.get(text, text))
    raise UsageError(f"expected a marker such as :default:, one character, true or false, got {text!r}")


def _read_cut(_caller: Caller, text: str) -> CutSpec:
    return CutSpec(_split(text))


def _read_data(_caller: Caller, _text: str) -> Data:
    raise UsageError("a table cannot be typed; call this command from a script")


def _read_choice(caller: Caller, kind: Choice, text: str) -> str:
    choices = list(caller.call(kind.options_command))
    if text not in choices:
        raise UsageError(f"expected one of {', '.join(choices)}, got {text!r}")
    return text


def _read_flows(caller: Caller, text: str) -> Sequence[Flow]:
    if RESOLVER not in caller:
        raise UsageError("flows can be named only where there is a list of flows, not in this program")
    flows: Sequence[Flow] = caller.call(RESOLVER, text)
    return flows


def _read_flow(caller: Caller, text: str) -> Flow:
    flows = _read_flows(caller, text)
    if len(flows) != 1:
        raise UsageError(f"expected exactly one flow, {text!r} means {len(flows)}")
    return flows[0]


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


_SCALARS: dict[type, tuple[str, Callable[[Caller, str], Any]]] = {
    str: ("str", _read_str),
    int: ("int", _read_int),
    bool: ("bool", _read_bool),
    bytes: ("bytes", _read_bytes),
    Path: ("path", _read_path),
    Cmd: ("cmd", _read_cmd),
    CmdArgs: ("arg", lambda _caller, text: CmdArgs(text)),
    Marker: ("marker", _read_marker),
    CutSpec: ("cut[]", _read_cut),
    Data: ("data[][]", _read_data),
}
_KNOWN = "known types: str, int, bool, bytes, Path, Cmd, CmdArgs, Choice, Marker, CutSpec, Data, Flow, Sequence[Flow], Sequence[str]"
