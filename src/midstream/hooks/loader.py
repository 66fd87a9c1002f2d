"""What the `load` hook is given."""

from collections.abc import Callable, Iterable
from typing import Any

from midstream.hooks.context import Master


class Loader:
    """Lets an addon declare its options and commands."""

    def __init__(self, master: Master, addon: str) -> None:
        self.master = master
        self._addon = addon

    def add_option(
        self,
        name: str,
        typespec: Any,
        default: Any,
        help: str,  # noqa: A002 - the name that authors use
        choices: Iterable[str] | None = None,
    ) -> None:
        """Declare an option: its type (`str`, `bool`, `int | None`, `Sequence[str]`, …), default and one line of help.

        Raises `OptionsError` naming the option if the default does not fit the type.
        """
        self.master.options.add_option(name, typespec, default, help, choices)

    def add_command(self, path: str, func: Callable[..., Any]) -> None:
        """Declare a command; its arguments are typed by the annotations of `func`."""
        self.master.commands.add(path, func, addon=self._addon)
