"""An addon that records which hooks fired."""

from collections.abc import Callable
from typing import Any

from midstream.addon import observe


class Recorder:
    """Records `hooks` in the order in which they fire, and keeps the flows. It changes nothing and holds nothing back."""

    def __init__(self, *hooks: str, but: str = "") -> None:
        """Listen to hooks; `but` is what their names are recorded without, in front."""
        self.name = f"recorder of {hooks[0]}"
        self.hooks: list[str] = []
        self.flows: list[Any] = []
        self.data: dict[str, Any] = {}
        """What each hook was given last."""
        for hook in hooks:
            setattr(self, hook, self._listener(hook.removeprefix(but)))

    @property
    def flow(self) -> Any:
        """The last flow."""
        return self.flows[-1]

    def _listener(self, name: str) -> Callable[[Any], None]:
        @observe
        def heard(flow: Any) -> None:
            self.hooks.append(name)
            self.data[name] = flow
            if all(flow is not known for known in self.flows):
                self.flows.append(flow)

        return heard
