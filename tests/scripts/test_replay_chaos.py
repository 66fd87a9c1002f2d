"""Whatever was recorded, and whatever the server does now: a replay comes to its end, and leaves nothing behind."""

import contextlib
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from midstream.addon import Client, Headers, HTTPFlow, Request, Response, Server, WebSocketData, WebSocketMessage
from midstream.addons import default_addons
from midstream.errors import UsageError
from midstream.proxy.replayway import REGULAR
from midstream.testing import Scenario, WebSocketPeer
from midstream.testing.websocket import KEY, consent
from midstream.wire.ws.events import Ping, Pong

MESSAGES = st.builds(
    WebSocketMessage,
    st.sampled_from([1, 2]),
    st.booleans(),
    st.binary(max_size=20),
    st.floats(0, 30),
    st.booleans(),
    st.booleans(),
)
ENDS = st.tuples(
    st.sampled_from([None, 1000, 1005, 1006, 4000, 70000, -1]),
    st.text(max_size=70),
    st.sampled_from([None, True, False]),
)
DOES = st.one_of(
    st.tuples(st.just("says"), st.sampled_from(["text", b"bytes", Ping(b"x"), Pong()])),
    st.tuples(st.just("closes"), st.sampled_from([None, 1001])),
    st.tuples(st.just("sends"), st.binary(max_size=5)),
    st.tuples(st.sampled_from(["leaves", "ends", "resets", "kill", "stop", "drop"])),
    st.tuples(st.just("waits"), st.sampled_from([1, 8, 35])),
)


class Addon:
    """Intercepts or drops now and then."""

    drops = False

    def websocket_message(self, flow):
        if self.drops:
            flow.websocket.messages[-1].drop()


def recording(messages, ends):
    flow = HTTPFlow(Client(), Server())
    flow.client_conn.proxy_mode = REGULAR
    fields = [
        (b"Host", b"a"),
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Version", b"13"),
    ]
    flow.request = Request.make("GET", "http://a/", headers=Headers([*fields, (b"Sec-WebSocket-Key", KEY)]))
    flow.response = Response(b"HTTP/1.1", 101, b"", (), b"", None, 1.0, 1.0)
    flow.websocket = WebSocketData()
    flow.websocket.messages.extend(messages)
    flow.websocket.close_code, flow.websocket.close_reason, flow.websocket.closed_by_client = ends
    flow.websocket.timestamp_end = 31.0
    return flow


def act(scenario, flow, server, addon, what, argument=None):
    if what in {"says", "closes"}:
        with contextlib.suppress(UsageError):  # it has closed
            getattr(server, what)(argument)
    elif what == "sends":
        server.peer.sends(argument)
    elif what == "waits":
        scenario.advance(argument)
    elif what == "kill":
        if flow.killable:
            scenario.act(flow.kill)
    elif what == "stop":
        scenario.act(scenario.replays.stop)
    elif what == "drop":
        addon.drops = not addon.drops
    elif not server.peer.transport.is_closing():
        getattr(server.peer, what)()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(MESSAGES, max_size=6),
    ENDS,
    st.lists(DOES, max_size=8),
    st.sampled_from(["answers", "recorded", "at_once"]),
    st.booleans(),
)
def test_every_replay_ends(messages, ends, does, timing, agrees):
    addon = Addon()
    scenario = Scenario(addons=[*default_addons(), addon], websocket_replay_timing=timing)
    flow = recording(messages, ends)
    before = flow.get_state()
    scenario.act(scenario.commands.call, "replay.client", [flow])
    peer = scenario.servers[0]
    key = re.search(rb"(?i)sec-websocket-key: (.*)\r\n", peer.received())[1]
    peer.sends(consent(key=key) if agrees else b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
    server = WebSocketPeer.server(peer)
    for one in does:
        act(scenario, flow, server, addon, *one)
    for _ in range(40):
        scenario.advance(20)
    assert not flow.live
    assert scenario.replays.count == 0
    assert not scenario.session._steps
    scenario.pool.close()
    scenario.advance(60)
    assert len(scenario.session.deadlines) == 0
    flow.revert()
    assert {**flow.get_state(), "backup": None} == before
