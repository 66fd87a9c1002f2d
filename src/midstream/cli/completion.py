"""`midstream completion`: the script that teaches a shell our commands, flags and choices."""

import click
from click.shell_completion import get_completion_class

from midstream.cli.entry import group
from midstream.errors import UsageError

_WHERE = {
    "bash": 'eval "$(midstream completion bash)"   in ~/.bashrc',
    "zsh": 'eval "$(midstream completion zsh)"   in ~/.zshrc',
    "fish": "midstream completion fish > ~/.config/fish/completions/midstream.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(list(_WHERE)))
def completion(shell: str) -> None:
    """Print the completion script for a shell.

    \b
    bash  eval "$(midstream completion bash)"   in ~/.bashrc
    zsh   eval "$(midstream completion zsh)"   in ~/.zshrc
    fish  midstream completion fish > ~/.config/fish/completions/midstream.fish
    """  # noqa: D301 - the backslash is click's mark for lines to leave alone
    maker = get_completion_class(shell)
    if maker is None:
        raise UsageError(f"no completion for {shell}; expected one of {', '.join(_WHERE)}")
    click.echo(maker(group, {}, "midstream", "_MIDSTREAM_COMPLETE").source())
