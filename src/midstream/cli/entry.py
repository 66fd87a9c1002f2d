"""The `midstream` command: finds the subcommand, and turns errors into messages and exit codes.

Exit codes: 0 all well, 1 the engine could not start, 2 the user asked for something impossible, 130 stopped by Ctrl-C.
Subcommands are imported when they run, so that none pays for what another needs.
"""

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, NoReturn

import click

from midstream.errors import UsageError

COMMANDS = {
    "dump": ("midstream.cli.dump", "dump", "Run the proxy and print what passes."),
    "run": ("midstream.cli.run", "run", "Run a command with the proxy around it."),
    "trust": ("midstream.cli.trust", "trust", "Show, install, remove or renew the CA certificate."),
    "explain": ("midstream.cli.explain", "explain", "Tell how a connection to a host would be treated."),
    "options": ("midstream.cli.listing", "options", "List all options with their values and where these come from."),
    "commands": ("midstream.cli.listing", "commands", "List the commands of built-in addons and scripts."),
    "completion": ("midstream.cli.completion", "completion", "Print the completion script for a shell."),
}
"""Every subcommand: module, name in it, one-line help."""

INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group that imports a subcommand only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


def _print_version(ctx: click.Context, _: click.Parameter, is_asked: bool) -> None:
    if is_asked:
        click.echo(f"midstream {version('midstream')}, {_build()}, Python {sys.version.split()[0]}, {sys.platform}")
        ctx.exit()


def _build() -> str:
    """Say which of the two builds this is: one module of the hot path stands for all."""
    spec = importlib.util.find_spec("midstream.wire.events")
    return "plain" if spec is None or str(spec.origin).endswith(".py") else "compiled"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
@click.pass_context
def group(ctx: click.Context) -> None:
    """See and change what programs say to servers: a proxy for HTTP/1, TLS, WebSocket and TCP.

    Start with `midstream dump`, point a client at http://127.0.0.1:8080, and see `midstream trust` for https.
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave the process."""
    sys.exit(call(args))


def call(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        result: Any = group.main(args, prog_name="midstream", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.ClickException as fault:
        fault.show()
        return fault.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return 1
    except UsageError as fault:
        click.echo(f"midstream: {fault}", err=True)
        return 2


def _forget_stdout() -> None:
    """Let the interpreter's last flush go nowhere: the reader of our output has left."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
