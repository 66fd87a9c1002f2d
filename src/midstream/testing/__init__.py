"""For tests of addons and of the proxy itself: proxy scenarios in memory, without a loop, a socket or a sleep."""

from midstream.testing.scenario import Scenario, ScriptedPeer

__all__ = ["Scenario", "ScriptedPeer"]
