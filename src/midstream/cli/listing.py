"""`midstream options` and `midstream commands`: what there is to set and to call, that of scripts included."""

import json
from collections.abc import Iterable
from typing import Any

import click

from midstream.cli.flags import option_flags, options_from
from midstream.cli.logs import log_to_terminal
from midstream.cli.serve import run_in_loop, started
from midstream.options import Options
from midstream.options.option import Option
from midstream.options.reference import all_flags, reference


@option_flags
@click.command()
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.option("--markdown", "form", flag_value="markdown", help="Print the reference as Markdown tables.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def options(names: tuple[str, ...], form: str | None, **params: Any) -> None:
    """List all options, or those named, with their values and where these come from.

    Flags given here count as in the other commands, so that their effect can be seen before anything is started.
    """
    found = options_from(params)
    if found.scripts:
        log_to_terminal(found.termlog_verbosity)
        run_in_loop(found, lambda: _load_scripts(found))
    chosen = [found.find(name.replace("-", "_")) for name in names] or list(found.declared.values())
    match form:
        case "json":
            click.echo(json.dumps([as_json(found, known) for known in chosen], indent=2))
        case "markdown":
            click.echo(reference(chosen), nl=False)
        case _:
            _print_options(found, chosen)


@option_flags
@click.command()
def commands(**params: Any) -> None:
    """List the commands of built-in addons and, with -s, of scripts.

    Scripts call them through ctx.master.commands. Nothing is listened to; other flags count as in `midstream dump`.
    """
    found = options_from(params)
    log_to_terminal(found.termlog_verbosity)
    listed = run_in_loop(found, lambda: _commands(found))
    if not listed:
        click.echo("There are no commands; scripts may bring some: midstream commands -s SCRIPT", err=True)
    for signature, description in listed:
        click.echo(signature)
        if description:
            click.echo(f"    {description}")


def as_text(found: Options, known: Option) -> str:
    """Return the paragraph about one option."""
    value = click.style(found.show(known.name) or "(nothing)", fg="cyan")
    source = found.explain(known.name)
    came = "" if source == "default" else f", from {source}; default {known.kind.show(known.default) or '(nothing)'}"
    return f"  {click.style(known.name, bold=True)} = {value}  ({known.kind.name}{came})\n      {known.help}"


def as_json(found: Options, known: Option) -> dict[str, Any]:
    """Return what is known about one option as JSON takes it."""
    return {
        "name": known.name,
        "type": known.kind.name,
        "expects": known.kind.expects,
        "value": found.value(known.name),
        "default": known.default,
        "source": found.explain(known.name),
        "help": known.help,
        "group": known.group,
        "flags": all_flags(known),
    }


def _print_options(found: Options, chosen: Iterable[Option]) -> None:
    group = None
    for known in chosen:
        if known.group != group:
            group = known.group
            click.secho(f"\n{group}", bold=True)
        click.echo(as_text(found, known))


async def _load_scripts(found: Options) -> None:
    """Let scripts declare their options, without opening a port."""
    found.update(server=False)
    async with started(found, ()):
        pass


async def _commands(found: Options) -> list[tuple[str, str]]:
    found.update(server=False)
    async with started(found, ()) as engine:
        return [(str(each), each.help.partition("\n")[0]) for each in engine.commands.commands.values()]
