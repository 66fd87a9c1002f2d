"""Recorded WebSocket sessions that are played once more."""

import re

import pytest

from midstream.addon import (
    Client,
    Headers,
    HTTPFlow,
    Request,
    Response,
    Server,
    UsageError,
    WebSocketData,
    WebSocketMessage,
)
from midstream.addons import default_addons
from midstream.testing import Http2Peer, WebSocketPeer, open_websocket
from midstream.testing.websocket import KEY, consent
from midstream.wire.events import Data
from midstream.wire.h2.errors import CANCEL
from midstream.wire.ws.events import Close, Ping, Pong
from midstream.wire.ws.negotiate import FIELD, agreed, offers

DEFLATE = (FIELD, b"permessage-deflate")


class Tape:
    """Looks at everything."""

    def __init__(self):
        self.hooks = []
        self.flow = None

    def _heard(self, hook, flow):
        self.hooks.append(hook)
        self.flow = flow


for _name in (
    *("requestheaders", "request", "responseheaders", "response", "error"),
    *("websocket_start", "websocket_message", "websocket_ping", "websocket_pong", "websocket_close", "websocket_end"),
):
    setattr(Tape, _name, lambda self, flow, hook=_name: self._heard(hook, flow))


def recorded(*words, fields=(), closes=(1000, "", True), pace=1.0):
    """Return a recording: `">a"` was said by the client, `"<b"` by the server, every `pace` seconds."""
    flow = HTTPFlow(Client(), Server())
    flow.request = Request.make(
        "GET",
        "http://origin/chat",
        headers=Headers(
            [
                *((b"Host", b"origin"), (b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")),
                *((b"Sec-WebSocket-Version", b"13"), (b"Sec-WebSocket-Key", KEY)),
                *fields,
            ]
        ),
    )
    flow.request.headers.pop("content-length", None)
    flow.response = Response(b"HTTP/1.1", 101, b"", (), b"", None, 100.0, 100.0)
    flow.websocket = data = WebSocketData()
    now = 100.0
    for word in words:
        now += pace
        data.messages.append(WebSocketMessage(1, word[0] == ">", word[1:].encode(), now))
    data.close_code, data.close_reason, data.closed_by_client = closes
    data.timestamp_end = now + pace
    return flow


class Replayed:
    """A session under way once more, and its server."""

    def __init__(self, scenario, flow):
        self.scenario = scenario
        self.flow = flow
        self.request = b""
        self.server = None

    def start(self):
        self.scenario.act(self.scenario.commands.call, "replay.client", [self.flow])
        self.request = self.scenario.servers[-1].received()
        return self

    def accepts(self, *fields):
        """Have the server agree."""
        key = re.search(rb"(?i)sec-websocket-key: (.*)\r\n", self.request)[1]
        peer = self.scenario.servers[-1]
        peer.sends(consent(*fields, key=key))
        offered = [(FIELD, value) for value in re.findall(rb"(?i)extensions: (.*)\r\n", self.request)]
        self.server = WebSocketPeer.server(peer, agreed(offers(offered), list(fields)))
        return self.server

    @property
    def said(self):
        return [str(message) for message in self.flow.websocket.messages]

    @property
    def is_over(self):
        return not self.flow.live and self.server.peer.is_closed and not self.scenario.replays.count


@pytest.fixture
def replaying(play):
    """Replay a flow: `replaying(flow, Addon(), any_option=…)`."""
    scenarios = []

    def make(flow, *addons, mode="regular", **options):
        scenarios.append(play(mode, addons=[*default_addons(), *addons], **options))
        return Replayed(scenarios[-1], flow).start()

    yield make
    for scenario in scenarios:
        scenario.act(scenario.replays.stop)


@pytest.fixture
def session(replaying):
    """Replay a flow whose server agrees."""

    def make(*args, **kwargs):
        replayed = replaying(*args, **kwargs)
        replayed.accepts()
        return replayed

    return make


# The whole way.


def test_a_session_is_recorded_and_replayed(play):
    tape = Tape()
    scenario = play(addons=[*default_addons(), tape])
    client, server = open_websocket(scenario)
    client.says("one", b"two")
    server.says("answer")
    client.says("three")
    client.closes(4000, b"done")
    server.closes(4000, b"done")
    client.heard()
    flow, hooks = tape.flow, tape.hooks
    before = flow.websocket.get_state()
    tape.hooks = []
    replayed = Replayed(scenario, flow).start()
    assert replayed.request.startswith(b"GET /chat HTTP/1.1\r\nHost: origin\r\nUpgrade: websocket\r\n")
    assert KEY not in replayed.request, "each connection has a key of its own"
    assert (flow.is_replay, flow.live, flow.websocket, flow.response) == ("request", True, None, None)
    server = replayed.accepts()
    assert server.heard() == ["one", b"two"]
    server.says("another answer")
    assert server.heard() == ["three", Close(4000, b"done")]
    server.closes(4000, b"done")
    assert replayed.is_over
    assert tape.hooks == hooks
    assert tape.flow is flow
    messages = flow.websocket.messages
    assert [(message.from_client, message.content) for message in messages] == [
        *((True, b"one"), (True, b"two"), (False, b"another answer"), (True, b"three"))
    ]
    assert (flow.websocket.close_code, flow.websocket.closed_by_client) == (4000, True)
    flow.revert()
    assert flow.websocket.get_state() == before
    assert flow.is_replay is None


def test_it_is_recorded_even_if_no_addon_looks(session):
    replayed = session(recorded(">a", "<b"))
    replayed.server.says("new", b"bytes")
    assert [message.content for message in replayed.flow.websocket.messages] == [b"a", b"new", b"bytes"]


def test_a_recording_of_a_recording(session):
    replayed = session(recorded(">a", "<b", ">c"))
    for _ in range(2):
        assert replayed.server.heard() == ["a"]
        replayed.server.says("b")
        assert replayed.server.heard() == ["c", Close(1000)]
        replayed.server.closes(1000)
        assert replayed.is_over
        replayed = Replayed(replayed.scenario, replayed.flow).start()
        replayed.accepts()


@pytest.mark.parametrize("agrees", [False, True])
def test_compression(replaying, agrees):
    replayed = replaying(recorded(">hello hello hello", "<b", fields=[DEFLATE]))
    server = replayed.accepts(*[DEFLATE] * agrees)
    assert server.heard() == ["hello hello hello"]
    assert [message.is_compressed for message in server.messages] == [agrees]
    server.says("answer")
    assert server.heard() == [Close(1000)]
    assert replayed.flow.websocket.messages[-1].text == "answer"


def test_ad_23_dropped_and_injected(session):
    flow = recorded(">dropped", ">injected", "<injected, too", ">last")
    flow.websocket.messages[0].drop()
    flow.websocket.messages[1].injected = flow.websocket.messages[2].injected = True
    replayed = session(flow)
    assert replayed.server.heard() == ["injected", "last", Close(1000)]
    assert [message.injected for message in flow.websocket.messages] == [False, False]


def test_hooks_edit_drop_and_inject(session):
    class Edits:
        def websocket_message(self, flow):
            message = flow.websocket.messages[-1]
            if message.injected:
                return
            if message.text == "drop":
                message.drop()
            message.text = message.text.replace("cat", "dog")
            flow.inject(False, "injected")

    replayed = session(recorded(">cat", "<x", ">drop", ">end", "<x"), Edits())
    assert replayed.server.heard() == ["dog", "injected"]
    replayed.server.says("drop")
    assert replayed.server.heard() == ["injected", "end", "injected", "injected"]
    assert [message.dropped for message in replayed.flow.websocket.messages].count(True) == 2


def test_a_message_that_is_held(session):
    class Intercepts:
        def websocket_message(self, flow):
            flow.intercept()

    replayed = session(recorded(">a", ">b"), Intercepts())
    assert replayed.server.heard() == []
    replayed.flow.websocket.messages[-1].text = "edited"
    replayed.scenario.act(replayed.flow.resume)
    assert replayed.server.heard() == ["edited"]
    replayed.scenario.act(replayed.flow.kill)
    assert replayed.is_over


def test_large_messages(session):
    replayed = session(recorded(">" + "x" * 300_000, ">" + "y" * 300_000, ">z"))
    assert [len(heard) for heard in replayed.server.heard()[:3]] == [300_000, 300_000, 1]


def test_a_server_that_reads_slowly(replaying):
    replayed = replaying(recorded(*[">" + "x" * 100_000] * 5))
    replayed.scenario.transports[-1].reads_slowly = True
    replayed.accepts()
    heard = []
    while len(heard) < 6:
        came = replayed.server.heard()
        assert came
        heard += came
    assert heard[-1] == Close(1000)


def test_a_server_that_does_not_read_at_all(replaying):
    replayed = replaying(recorded(*[">" + "x" * 100_000] * 5), tcp_timeout=50)
    replayed.scenario.transports[-1].reads_slowly = True
    replayed.accepts()
    replayed.scenario.advance(51)
    replayed.scenario.advance(11)
    assert replayed.is_over


def test_pings_are_answered(session):
    replayed = session(recorded("<a"), websocket_ping="relay")
    replayed.server.says(Ping(b"there?"))
    assert replayed.server.heard() == [Pong(b"there?")]
    assert [(each.kind, each.from_client) for each in replayed.flow.websocket.controls] == [
        ("ping", False),
        ("pong", True),
    ]


# When it speaks.


def test_as_much_is_heard_before_as_had_been(session):
    replayed = session(recorded(">a", "<1", "<2", ">b", "<3"))
    assert replayed.server.heard() == ["a"]
    replayed.server.says("1")
    assert replayed.server.heard() == []
    replayed.server.says("2")
    assert replayed.server.heard() == ["b"]
    replayed.server.says("3")
    assert replayed.server.heard() == [Close(1000)]


def test_a_server_that_is_ahead(session):
    replayed = session(recorded(">a", "<1", ">b", "<2", ">c"))
    replayed.server.says("1", "2", "3")
    assert replayed.server.heard() == ["a", "b", "c", Close(1000)]


def test_a_server_that_says_less_is_waited_for_once(session, caplog):
    caplog.set_level("INFO")
    replayed = session(recorded(">a", "<1", "<2", ">b", "<3", ">c"))
    replayed.server.heard()
    replayed.server.says("1")
    replayed.scenario.advance(10.5)
    assert replayed.server.heard() == [], "ten seconds, and the one that it had taken"
    replayed.scenario.advance(1)
    assert replayed.server.heard() == ["b"]
    assert "has sent 1 messages, where it had sent 2" in caplog.text
    replayed.server.says("3")
    assert replayed.server.heard() == ["c", Close(1000)]


def test_with_the_pauses_of_the_recording(session):
    replayed = session(recorded(">a", "<1", ">b", ">c", pace=4), websocket_replay_timing="recorded")
    advance = replayed.scenario.advance
    advance(3.5)
    assert replayed.server.heard() == []
    advance(0.5)
    assert replayed.server.heard() == ["a"]
    advance(10)
    replayed.server.says("1")
    advance(3)
    assert replayed.server.heard() == []
    advance(1)
    assert replayed.server.heard() == ["b"]
    advance(4)
    assert replayed.server.heard() == ["c"]
    advance(4)
    assert replayed.server.heard() == [Close(1000)]


def test_at_once(session):
    replayed = session(recorded(">a", "<1", ">b", "<2", ">c"), websocket_replay_timing="at_once")
    assert replayed.server.heard() == ["a", "b", "c"], "and answers are waited for before it closes"
    replayed.server.says("1", "2")
    assert replayed.server.heard() == [Close(1000)]


# How it ends.


def test_who_had_gone_without_a_word_does_so_again(session):
    replayed = session(recorded(">a", closes=(1006, "", True)))
    assert replayed.server.heard() == ["a"]
    assert replayed.is_over
    assert (replayed.flow.websocket.close_code, replayed.flow.websocket.closed_by_client) == (1006, True)


def test_a_close_frame_without_a_code(session):
    replayed = session(recorded(closes=(1005, "", True)))
    assert replayed.server.heard() == [Close()]


def test_the_server_closed_and_does_so_again(session):
    replayed = session(recorded(">a", "<b", closes=(4001, "go", False)))
    replayed.server.says("b", "and one more")
    assert replayed.server.heard() == ["a"]
    replayed.server.closes(4002, b"go away")
    assert replayed.server.heard() == [Close(4002, b"go away")]
    assert replayed.is_over
    assert (replayed.flow.websocket.close_code, replayed.flow.websocket.closed_by_client) == (4002, False)


def test_the_server_closed_and_does_not_do_so_again(session):
    replayed = session(recorded(">a", closes=(4001, "go", False)))
    assert replayed.server.heard() == ["a"]
    replayed.scenario.advance(12)
    assert replayed.server.heard() == [Close(4001, b"go")]


def test_the_server_closes_early(session):
    replayed = session(recorded(">a", "<1", ">b"))
    replayed.server.heard()
    replayed.server.closes(1001, b"restart")
    assert replayed.server.heard() == [Close(1001, b"restart")]
    assert replayed.is_over
    assert [message.content for message in replayed.flow.websocket.messages] == [b"a"]


@pytest.mark.parametrize("how", ["leaves", "ends", "resets"])
def test_the_server_is_gone(session, how):
    replayed = session(recorded(">a", "<1", ">b"))
    replayed.server.heard()
    getattr(replayed.server.peer, how)()
    replayed.scenario.advance(11)
    assert replayed.is_over
    assert replayed.flow.websocket.close_code == 1006


def test_the_server_breaks_the_rules(session):
    replayed = session(recorded(">a", "<1", ">b"))
    replayed.server.heard()
    replayed.server.peer.sends(b"\xff" * 20)
    replayed.scenario.advance(11)
    assert replayed.is_over
    assert replayed.flow.websocket.close_code == 1002


def test_a_server_that_does_not_answer_the_close_frame(session):
    replayed = session(recorded(">a"))
    assert replayed.server.heard() == ["a", Close(1000)]
    replayed.scenario.advance(11)
    assert replayed.is_over


@pytest.mark.parametrize("when", ["opening", "waiting", "pausing", "closing"])
def test_st_22_stopped(replaying, when):
    flow = recorded(">a", "<1", ">b", pace=2)
    replayed = replaying(flow, websocket_replay_timing="recorded")
    if when == "opening":
        replayed.scenario.act(replayed.scenario.replays.stop)
        assert flow.error
        assert not flow.live
        return
    replayed.accepts()
    if when != "pausing":
        replayed.scenario.advance(2)
    if when == "closing":
        replayed.server.says("1")
        replayed.scenario.advance(2)
        replayed.scenario.advance(2)
        assert Close(1000) in replayed.server.heard()
    replayed.scenario.act(replayed.scenario.replays.stop)
    assert replayed.is_over
    assert flow.error


def test_a_server_that_refuses(replaying):
    replayed = replaying(recorded(">a"))
    replayed.scenario.servers[-1].sends(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    flow = replayed.flow
    assert (flow.response.status_code, flow.response.content, flow.websocket) == (403, b"no", None)
    assert not flow.live
    flow.revert()
    assert flow.websocket.messages[0].content == b"a"


def test_a_server_that_answers_something_else(replaying):
    replayed = replaying(recorded(">a"))
    replayed.scenario.servers[-1].sends(consent(key=b"of somebody else"))
    assert "does not fit the key" in replayed.flow.error.msg
    assert replayed.scenario.replays.count == 0


def test_killed_at_the_start(replaying):
    class Kills:
        def websocket_start(self, flow):
            flow.kill()

    replayed = replaying(recorded(">a"), Kills())
    replayed.accepts()
    assert replayed.server.heard() == []
    assert replayed.is_over


def test_an_upgrade_that_had_been_refused_is_a_session_with_nothing_to_say(replaying):
    flow = recorded()
    flow.websocket = None
    flow.response = Response.make(403)
    replayed = replaying(flow)
    server = replayed.accepts()
    assert server.heard() == [Close(1000)]
    server.closes(1000)
    assert replayed.is_over


# In line.


def test_sessions_wait_for_each_other_but_not_for_ever(replaying):
    first, second = recorded("<1", closes=(1000, "", False), pace=100), recorded(">b")
    replayed = replaying(first, client_replay_timeout=5)
    replayed.scenario.act(replayed.scenario.commands.call, "replay.client", [second])
    replayed.accepts()
    assert len(replayed.scenario.servers) == 1
    replayed.scenario.advance(6)
    assert len(replayed.scenario.servers) == 2
    replayed.server.closes(1000)
    assert not first.live
    assert second.live


# Over HTTP/2.


def test_h2_39_over_http2(play):
    tape = Tape()
    scenario = play("reverse:h2c://origin:80", addons=[*default_addons(), tape])
    client = Http2Peer.client(scenario.client())
    client.hear()
    asked = client.asks("CONNECT", "/chat", None, fields=[(b"sec-websocket-version", b"13")], protocol="websocket")
    server = Http2Peer.server(scenario.servers[0], has_extended_connect=True)
    (first,) = server.streams
    head = server.request(first).head
    server.answers(first, 200, None)
    engine = WebSocketPeer.client(None).engine
    client.says(asked, Data(engine.send(Close(1000))))
    server.says(first, Data(b"\x88\x02\x03\xe8"))
    assert tape.flow.websocket.close_code == 1000
    flow = tape.flow
    flow.websocket.messages = [WebSocketMessage(1, True, b"hello")]
    scenario.act(scenario.commands.call, "replay.client", [flow])
    *_, second = server.streams
    assert second != first
    again = server.request(second).head
    assert (again.protocol, again.headers, again.target) == (b"websocket", head.headers, b"/chat")
    server.answers(second, 200, None)
    talk = WebSocketPeer.server(None)
    came = talk.engine.receive(server.received(second).body)
    assert [getattr(event, "data", event) for event in came] == [b"hello", Close(1000)]
    server.says(second, Data(b"\x88\x02\x03\xe8"))
    assert not flow.live
    assert scenario.replays.count == 0


def test_h2_39_over_http2_and_reset(play):
    scenario = play("reverse:h2c://origin:80", addons=default_addons())
    flow = recorded(">a", "<1")
    flow.client_conn.proxy_mode = scenario._mode
    flow.request.port = 80
    replayed = Replayed(scenario, flow)
    scenario.act(scenario.commands.call, "replay.client", [flow])
    server = Http2Peer.server(scenario.servers[0], has_extended_connect=True)
    (stream,) = server.streams
    server.answers(stream, 200, None)
    assert flow.live
    server.resets(stream, CANCEL)
    scenario.advance(11)
    assert not flow.live
    assert replayed.flow.websocket.close_code == 1006


# Through a parent.


@pytest.mark.parametrize(
    ("authority", "sent"),
    [(b"", b"CONNECT origin:80 HTTP/1.1\r\n"), (b"origin", b"GET http://origin/chat HTTP/1.1\r\n")],
)
def test_through_a_parent_as_it_had_come(replaying, authority, sent):
    flow = recorded(">a")
    flow.request.authority = authority
    assert replaying(flow, mode="upstream:http://parent.test").request.startswith(sent)


# What is refused.


def test_what_was_not_kept(replaying):
    flow = recorded(">a")
    flow.messages_forgotten = 7
    with pytest.raises(UsageError, match="its first 7 messages were not kept"):
        replaying(flow)


def test_without_websocket(replaying):
    with pytest.raises(UsageError, match="the option websocket is off"):
        replaying(recorded(">a"), websocket=False)


def test_what_is_forgotten_of_a_long_session_is_counted(play):
    tape = Tape()
    scenario = play(addons=[*default_addons(), tape], body_memory=2000)
    client, _server = open_websocket(scenario)
    client.says(*["x" * 200] * 20)
    flow = tape.flow
    assert flow.messages_forgotten + len(flow.websocket.messages) == 20
    client.peer.leaves()
    with pytest.raises(UsageError, match="were not kept"):
        scenario.act(scenario.commands.call, "replay.client", [flow])
