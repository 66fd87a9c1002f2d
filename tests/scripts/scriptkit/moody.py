"""An addon that does anything addons may do, in any hook, as dice fall."""

import random
from collections.abc import Iterable
from typing import Any

from midstream.flow import Response
from midstream.proxy.stepper import Signal
from midstream.testing import Scenario


class Moody:
    """Meddles with flows, and thinks for as long as it likes; `is_calm` makes it stop."""

    def __init__(self, dice: random.Random, hooks: Iterable[str]) -> None:
        self.dice = dice
        self.is_calm = False
        self.gates: list[Signal[None]] = []
        """What it thinks about."""
        self.flows: list[Any] = []
        """What it may have intercepted."""
        for hook in hooks:
            setattr(self, hook, self.act)

    async def act(self, flow: Any) -> None:
        if self.is_calm:
            return
        if self.may_meddle(flow):
            self.flows.append(flow)
            self.meddle(flow, self.dice.randrange(30))
        if self.dice.randrange(6) == 0:
            gate: Signal[None] = Signal()
            self.gates.append(gate)
            await gate

    def may_meddle(self, flow: Any) -> bool:
        """Tell flows with messages from what else hooks are called with."""
        return hasattr(flow, "request")

    def meddle(self, flow: Any, choice: int) -> None:
        """Do to a flow what this choice says; most do nothing."""
        if choice == 0 and flow.killable:
            flow.kill()
        elif choice in {1, 2}:
            flow.intercept()
        elif choice == 3:
            flow.response = Response.make(418, b"tea")
        elif choice == 4:
            raise ValueError("moody")

    def lets_one_go(self, scenario: Scenario, *, is_thought: bool) -> None:
        """End one thought, or release or kill one flow."""
        dice = self.dice
        if is_thought and self.gates:
            dice.choice(self.gates).set(None)
        elif not is_thought and self.flows:
            flow = dice.choice(self.flows)
            if flow.killable and dice.randrange(2):
                flow.kill()
            else:
                flow.resume()
        scenario.settle()

    def lets_go(self) -> None:
        """Hold nothing any more; letting go of one thing may make another one be held."""
        while self.gates or self.flows:
            gates, self.gates = self.gates, []
            flows, self.flows = self.flows, []
            for gate in gates:
                gate.set(None)
            for flow in flows:
                flow.resume()
