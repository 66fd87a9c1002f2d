"""`midstream dump`: run the proxy and print what passes."""

from typing import TYPE_CHECKING, Any

import click

from midstream.cli.flags import option_flags, options_from
from midstream.cli.logs import log_to_terminal
from midstream.cli.notices import start_lines
from midstream.cli.serve import run_in_loop, started, until_stopped
from midstream.options import Options

if TYPE_CHECKING:
    from midstream.engine import Engine


@option_flags
@click.command(epilog="All other options are reached with --set; `midstream options` lists them.")
@click.argument("filter_words", nargs=-1, metavar="[FILTER]...")
def dump(filter_words: tuple[str, ...], **params: Any) -> int:
    """Run the proxy and print what passes.

    FILTER chooses the flows to print, by host (~d), method (~m), status (~c) and much else; several words are joined.

    \b
      midstream dump
      midstream dump -p 9090 --flow-detail 2 '~d example.com & !~c 2xx'
      midstream dump -m reverse:http://localhost:3000@8000
    """  # noqa: D301 - the backslash is click's mark for lines to leave alone
    options = options_from(params, dumper_filter=" ".join(filter_words) or None)
    log_to_terminal(options.termlog_verbosity)
    return run_in_loop(options, lambda: _serve(options))


async def _serve(options: Options) -> int:
    from midstream.addons import dump_addons  # noqa: PLC0415 - only needed once the options are known to be good

    async with started(options, dump_addons(options)) as engine:
        return await until_stopped(_announce(options, engine))


async def _announce(options: Options, engine: "Engine") -> None:
    """Say that the proxy is there, and be there; whoever reads it may send a signal at once."""
    if options.termlog_verbosity != "error":
        for line in start_lines(options, engine.listeners):
            click.echo(line, err=True)
    await engine.serve_forever()
