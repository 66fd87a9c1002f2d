"""`midstream run -- COMMAND`: run a command with the proxy around it, and leave with its exit code."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

import click

from midstream.cli.childenv import child_environment, make_bundle
from midstream.cli.flags import option_flags, options_from
from midstream.cli.logs import log_to_terminal
from midstream.cli.notices import url
from midstream.cli.serve import run_in_loop, signals_caught, started
from midstream.errors import UsageError
from midstream.options import ModeSpec, Options
from midstream.options.modes import ALL_INTERFACES

NOT_FOUND = 127
NOT_EXECUTABLE = 126

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1", **dict.fromkeys(ALL_INTERFACES, "127.0.0.1")}  # noqa: S104 - replaced, not bound


class Child(Protocol):
    """What runs the command."""

    def send_signal(self, signal: int) -> None: ...


@option_flags
@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--no-proxy", metavar="HOSTS", default="", help="Hosts that the command reaches directly, separated by commas."
)
@click.argument("command", nargs=-1, required=True, metavar="-- COMMAND [ARGUMENT]...")
def run(command: tuple[str, ...], no_proxy: str, **params: Any) -> int:
    """Run COMMAND with the proxy around it, on a free port, and leave with its exit code.

    Sets the proxy variables, and those that make common runtimes trust the CA, for COMMAND alone: nothing is
    installed. Flows are printed to standard error, so that the command's own output stays its own.

    \b
      midstream run -- curl https://example.com/
      midstream run -q -s addon.py -- npm test
    """  # noqa: D301 - the backslash is click's mark for lines to leave alone
    options = options_from(params, listen_port=0 if params["listen_port"] is None else None)
    check_listening(options)
    log_to_terminal(options.termlog_verbosity)
    return run_in_loop(options, lambda: _run(options, command, no_proxy))


def check_listening(options: Options) -> None:
    """Refuse what a program cannot be sent through by variables."""
    if not options.server:
        raise UsageError("run needs the listeners; leave --no-server out")
    for mode in map(ModeSpec.parse, options.mode):
        if mode.name not in {"regular", "upstream"}:
            raise UsageError(
                f"mode {mode.full_spec!r}: run sends the command through an HTTP proxy; take regular or upstream"
            )


def proxy_url(options: Options, address: tuple[str, int]) -> str:
    """Return where the command finds the proxy, with the password that the proxy asks for."""
    place = url("", (_LOOPBACK.get(address[0], address[0]), address[1]))
    user, colon, password = (options.proxyauth or "").partition(":")
    if not colon or user.startswith("@"):
        return f"http://{place}"
    return f"http://{quote(user, safe='')}:{quote(password, safe='')}@{place}"


async def _run(options: Options, command: Sequence[str], no_proxy: str) -> int:
    from midstream.addons import dump_addons  # noqa: PLC0415 - only needed once the options are known to be good

    own_output = os.dup(sys.stdout.fileno())
    with contextlib.redirect_stdout(sys.stderr), os.fdopen(own_output, "wb") as output:
        async with started(options, dump_addons(options)) as engine:
            proxy = proxy_url(options, engine.listeners[0].address)
            with written(make_bundle(os.environ, engine.authority.public_file())) as bundle:
                environment = child_environment(os.environ, proxy=proxy, bundle=bundle, no_proxy=no_proxy)
                serving = asyncio.ensure_future(engine.serve_forever())
                try:
                    return await run_child(command, environment, output.fileno())
                finally:
                    serving.cancel()
                    await asyncio.gather(serving, return_exceptions=True)


async def run_child(command: Sequence[str], environment: Mapping[str, str], output: int | None = None) -> int:
    """Run a command to its end, passing signals on, and return its exit code as shells count it."""
    passer = Passer()
    with signals_caught(passer.pass_on, "SIGINT", "SIGTERM", "SIGHUP"):
        try:
            child = await asyncio.create_subprocess_exec(*command, env=environment, stdout=output)
        except FileNotFoundError:
            click.echo(f"midstream: {command[0]}: command not found", err=True)
            return NOT_FOUND
        except PermissionError:
            click.echo(f"midstream: {command[0]}: not executable", err=True)
            return NOT_EXECUTABLE
        passer.lead_to(child)
        code = await child.wait()
    return code if code >= 0 else 128 - code


class Passer:
    """Passes signals on to a child, those too that came while it was being started."""

    def __init__(self) -> None:
        self._child: Child | None = None
        self._early: list[signal.Signals] = []

    def lead_to(self, child: Child) -> None:
        self._child = child
        for number in self._early:
            pass_on(child, number)

    def pass_on(self, number: signal.Signals) -> None:
        if self._child is None:
            self._early.append(number)
        else:
            pass_on(self._child, number)


def pass_on(child: Child, number: signal.Signals) -> None:
    """Give a signal to the child; Ctrl-C at a terminal reaches it without our help."""
    if number == signal.SIGINT and _is_at_terminal():
        return
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(number)


@contextlib.contextmanager
def written(content: bytes) -> Iterator[str]:
    """Keep `content` in a file while the block runs."""
    with tempfile.NamedTemporaryFile(prefix="midstream-ca-", suffix=".pem") as file:
        file.write(content)
        file.flush()
        yield file.name


def _is_at_terminal() -> bool:
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):  # the last: Windows has no process groups
        return False
