"""What is to be left of a scenario in which everybody has gone: nothing."""

from midstream.testing import Scenario

LONG = 100_000
"""Seconds after which every time limit has passed."""


def left_no_datagrams(scenario: Scenario) -> None:
    """Let all time limits pass, and check that clients, servers, coroutines and deadlines are gone."""
    scenario.advance(LONG)
    assert not scenario.port.clients
    assert not scenario.session._steps
    assert all(server.is_closed for server in scenario.datagram_servers)
    assert len(scenario.session.deadlines) == 0
