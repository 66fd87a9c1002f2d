"""For tests of addons and of the proxy itself: proxy scenarios in memory, without a loop, a socket or a sleep."""

from midstream.testing.http2 import Http2Peer, Received
from midstream.testing.scenario import Scenario, ScriptedPeer
from midstream.testing.websocket import WebSocketPeer, open_websocket

__all__ = ["Http2Peer", "Received", "Scenario", "ScriptedPeer", "WebSocketPeer", "open_websocket"]
