"""An addon that is in the hook table only while the options ask for it, so that it costs nothing otherwise."""

from collections.abc import Callable

from midstream.addon import Options, ctx


class Switch:
    """Stands for another addon: makes it anew when one of the options changes, or takes it away."""

    def __init__(self, name: str, options: set[str], make: Callable[[Options], object | None]) -> None:
        """`make` returns the addon that the options want, or None; it raises `OptionsError` where they make no sense."""
        self.name = name
        self._watched = options
        self._make = make
        self._addon: object | None = None

    def configure(self, updated: set[str]) -> None:
        if updated & self._watched:
            self._put(self._make(ctx.options))

    def _put(self, addon: object | None) -> None:
        addons = ctx.master.addons
        if addon is None:
            if self._addon is not None:
                addons.remove(self._addon)
        elif self._addon is None:
            addons.add_inside(self, addon)
        else:
            addons.replace(self._addon, addon)
        self._addon = addon
