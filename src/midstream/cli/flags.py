"""The flags of the command line, made from the declarations of the options."""

import os
from collections.abc import Mapping
from typing import Any, TypeVar

import click

from midstream.options import Options
from midstream.options.kinds import BoolKind, ChoiceKind, Kind, OptionalKind, PathKind, SequenceKind
from midstream.options.option import Option
from midstream.options.sources import load
from midstream.options.store import Text

Command = TypeVar("Command", bound=click.Command)

_SHORT_CUTS = ("settings", "quiet", "verbose")


def option_flags(command: Command) -> Command:
    """Give a command every flag that an option has, and `--set`, `--quiet`, `--verbose`."""
    command.params.extend(flag_of(known) for known in Options().declared.values() if known.flags)
    command.params.append(
        click.Option(
            ["settings", "--set"],
            multiple=True,
            metavar="NAME[=VALUE]",
            help="Set any option; `midstream options` lists them. Repeat it for lists.",
        )
    )
    command.params.append(click.Option(["-q", "--quiet"], is_flag=True, help="Print nothing but errors."))
    command.params.append(click.Option(["-v", "--verbose"], is_flag=True, help="Print every detail of the log."))
    return command


def flag_of(known: Option) -> click.Option:
    """Return the flag of one option. It tells apart 'not given', so it has no default of its own."""
    if isinstance(known.kind, BoolKind):
        return _switch(known)
    return click.Option(
        [known.name, *known.flags],
        multiple=isinstance(known.kind, SequenceKind),
        metavar=None if isinstance(known.kind, ChoiceKind) else known.metavar,
        type=_completion_type(known.kind),
        help=help_of(known),
    )


def help_of(known: Option) -> str:
    """Return the help of an option with its default."""
    default = known.kind.show(known.default)
    return f"{known.help} [default: {default}]" if default else known.help


def options_from(params: Mapping[str, Any], **overrides: object) -> Options:
    """Return the options of this call from flags, environment and configuration file.

    `overrides` count as flags of which the user said nothing else. Raises `OptionsError`.
    """
    flags: dict[str, object] = {name: value for name, value in overrides.items() if value is not None}
    if params.get("quiet"):
        flags.update(termlog_verbosity="error", flow_detail=0)
    if params.get("verbose"):
        flags.update(termlog_verbosity="debug")
    flags.update((name, as_given(value)) for name, value in params.items() if _is_given(name, value))
    options = Options()
    load(options, environment=os.environ, flags=flags, settings=params.get("settings", ()))
    return options


def as_given(value: object) -> object:
    """Return what click read as the options take it: text stays text until the option reads it."""
    match value:
        case str():
            return Text((value,))
        case tuple():
            return Text(value)
    return value


def _is_given(name: str, value: object) -> bool:
    return name not in _SHORT_CUTS and value is not None and value != ()


def _switch(known: Option) -> click.Option:
    pairs = [f"{flag}/--no-{flag.removeprefix('--')}" if flag.startswith("--") else flag for flag in known.flags]
    return click.Option(
        [known.name, *pairs, *(f" /{flag}" for flag in known.off_flags)], default=None, help=help_of(known)
    )


def _completion_type(kind: Kind) -> "click.ParamType[Any]":
    """Return a click type: it only helps shells complete, what is valid the option decides."""
    inner = kind.inner if isinstance(kind, OptionalKind | SequenceKind) else kind
    if isinstance(inner, ChoiceKind):
        return click.Choice(inner.choices, case_sensitive=False)
    return click.Path() if isinstance(inner, PathKind) else click.STRING
