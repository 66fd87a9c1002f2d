"""Scenarios of modes that speak DNS."""

from collections.abc import Callable, Iterator
from typing import Any

from midstream.testing import Scenario


def dns_scenarios(watch: object, usual: str) -> Iterator[Callable[..., Scenario]]:
    """Make scenarios of a mode that asks 192.0.2.53; afterwards nothing must be left of them."""
    scenarios: list[Scenario] = []

    def make(mode: str = usual, *addons: object, **options: Any) -> Scenario:
        options = {"dns_name_servers": ["192.0.2.53"]} | options
        scenarios.append(Scenario(mode, addons=[*addons, watch], **options))
        return scenarios[-1]

    yield make
    for scenario in scenarios:
        for _ in range(3):
            scenario.advance(1000)
        for transport in scenario.transports:
            transport.abort()
        scenario.settle()
        assert scenario.connections == 0
        assert not scenario.port.clients
        assert not scenario.port._crowd
        assert not scenario.session._steps
        scenario.pool.close()
        scenario.settle()
        assert all(server.is_closed for server in (*scenario.servers, *scenario.datagram_servers))
        assert len(scenario.session.deadlines) == 0
