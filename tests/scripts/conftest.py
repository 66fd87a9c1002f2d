"""Scenarios that end in an inspection: whatever a test did, nothing may be left of it."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from midstream.addon import observe
from midstream.flow import HTTPFlow
from midstream.proxy.stepper import Signal
from midstream.testing import Scenario

HOOKS = (
    "http_connect http_connected http_connect_error requestheaders request informational responseheaders response error"
)


class Tape:
    """An addon that records which hooks fired, and keeps the flows. It changes nothing and holds nothing back."""

    def __init__(self) -> None:
        self.hooks: list[str] = []
        self.flows: list[HTTPFlow] = []

    @property
    def flow(self) -> HTTPFlow:
        """The last flow."""
        return self.flows[-1]

    def _heard(self, hook: str, flow: HTTPFlow) -> None:
        self.hooks.append(hook)
        if all(flow is not known for known in self.flows):
            self.flows.append(flow)


def _recorder(hook: str) -> Callable[[Tape, HTTPFlow], None]:
    def heard(self: Tape, flow: HTTPFlow) -> None:
        self._heard(hook, flow)

    return observe(heard)


for _hook in HOOKS.split():
    setattr(Tape, _hook, _recorder(_hook))


class SlowNetwork:
    """Connections come up when the test says so."""

    def __init__(self, scenario: Scenario) -> None:
        self._network = scenario.session.network
        self.gates: list[Signal[None]] = []
        scenario.session.network = self

    async def connect(self, *args: Any) -> None:
        gate: Signal[None] = Signal()
        self.gates.append(gate)
        await gate
        await self._network.connect(*args)


@pytest.fixture
def tape() -> Tape:
    return Tape()


@pytest.fixture
def slow_network() -> type[SlowNetwork]:
    return SlowNetwork


@pytest.fixture
def play() -> Iterator[Callable[..., Scenario]]:
    """Make scenarios as `Scenario(…)` does; afterwards all clients leave, and nothing must be left."""
    scenarios: list[Scenario] = []

    def make(*args: Any, **kwargs: Any) -> Scenario:
        scenario = Scenario(*args, **kwargs)
        scenarios.append(scenario)
        return scenario

    yield make
    for scenario in scenarios:
        _inspect(scenario)
    gc.collect()  # coroutines that nobody finished would warn now


def _inspect(scenario: Scenario) -> None:
    clients = [transport for transport in scenario.transports if transport.get_extra_info("sockname")[1] == 8080]
    for transport in clients:
        transport.abort()
    scenario.settle()
    assert scenario.connections == 0, "a client connection was not cleaned up"
    scenario.pool.close()
    scenario.settle()
    assert len(scenario.pool) == 0
    open_servers = [server.address for server in scenario.servers if not server.is_closed]
    assert not open_servers, "server connections were left open"
    assert not scenario.session._steps, "coroutines were left waiting"
    assert len(scenario.session.deadlines) == 0, "deadlines were left watched"
