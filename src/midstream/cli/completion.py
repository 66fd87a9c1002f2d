"""`midstream completion`: the script that teaches a shell our commands, flags and choices."""

import click
from click.shell_completion import get_completion_class

from midstream.cli.entry import group
from midstream.errors import UsageError

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that lets a shell complete commands, flags and choices.

    For bash and zsh put the line into ~/.bashrc or ~/.zshrc, for fish run it once:

    \b
      eval "$(midstream completion bash)"
      eval "$(midstream completion zsh)"
      midstream completion fish > ~/.config/fish/completions/midstream.fish
    """  # noqa: D301 - the backslash is click's mark for lines to leave alone
    maker = get_completion_class(shell)
    if maker is None:
        raise UsageError(f"no completion for {shell}; expected one of {', '.join(SHELLS)}")
    click.echo(maker(group, {}, "midstream", "_MIDSTREAM_COMPLETE").source())
