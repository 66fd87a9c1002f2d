"""What addons can do with a WebSocket connection: look, edit, drop, inject, hold, kill, fail, come and go."""

import pytest

from midstream.addon import observe
from midstream.errors import UsageError
from midstream.flow import ControlException
from midstream.proxy.stepper import Signal
from midstream.testing.websocket import consent, opening
from midstream.wire.ws import Message
from midstream.wire.ws.events import TEXT, Close, Piece, Ping, Pong

DEFLATE = b"permessage-deflate"


class Holds:
    def websocket_message(self, flow):
        pass


class Edits:
    def websocket_message(self, flow):
        message = flow.websocket.messages[-1]
        if b"drop" in message.content:
            message.drop()
        elif message.is_text:
            message.text = message.text.replace("cat", "dog").replace("turn me", "binary")
            if "binary" in message.text:
                message.type = 2
        else:
            message.content += b"!"


class Thinks:
    """Thinks about each message until the test lets it go on."""

    def __init__(self):
        self.gates = []

    async def websocket_message(self, flow):
        gate = Signal()
        self.gates.append(gate)
        await gate

    def goes_on(self):
        self.gates.pop(0).set(None)


class Intercepts:
    hook = "websocket_message"

    def __init__(self):
        setattr(self, self.hook, lambda flow: flow.intercept())


def made_of(flow):
    return [message.content for message in flow.websocket.messages]


# Edit and drop.


@pytest.mark.parametrize("agreed", [b"", DEFLATE])
def test_ws_17_messages_are_edited_and_dropped(chat, agreed):
    talk = chat(Edits(), offered=agreed, agreed_on=agreed)
    for peer, other in ((talk.client, talk.server), (talk.server, talk.client)):
        peer.says("a cat", "drop this cat", "another cat", b"bytes", "turn me", "")
        assert other.heard() == ["a dog", "another dog", b"bytes!", b"binary", ""]
    assert [message.dropped for message in talk.flow.websocket.messages[:3]] == [False, True, False]


@pytest.mark.parametrize("made", ["text", None, 5])
def test_what_cannot_be_sent_is_replaced_by_the_original(chat, caplog, made):
    class Breaks:
        def websocket_message(self, flow):
            flow.websocket.messages[-1].content = made

    talk = chat(Breaks())
    talk.client.says("original")
    assert talk.server.heard() == ["original"]
    assert "cannot be sent" in caplog.text
    assert made_of(talk.flow) == [b"original"]


def test_ws_18_a_hook_that_raises(chat, caplog):
    class Fails:
        def websocket_start(self, flow):
            raise ValueError("at the start")

        def websocket_message(self, flow):
            raise ValueError("in between")

        websocket_ping = websocket_pong = websocket_close = websocket_end = websocket_message

    talk = chat(Fails())
    talk.client.says("goes on", Ping(), Pong())
    assert "goes on" in talk.server.heard()
    talk.client.closes(1000)
    assert talk.server.heard() == [Close(1000)]
    talk.server.closes(1000)
    assert talk.is_over
    assert caplog.text.count("Addon fails failed in websocket_") == 7


# Who waits for whom.


def test_async_hooks_keep_the_order(chat):
    thinks = Thinks()
    talk = chat(thinks)
    talk.client.says("1")
    talk.server.says("2")
    talk.client.says("3")
    talk.client.closes(1000)
    assert talk.server.heard() == talk.client.heard() == []
    thinks.goes_on()
    assert talk.server.heard() == ["1"]
    thinks.goes_on()
    assert talk.client.heard() == ["2"]
    assert talk.server.heard() == []
    thinks.goes_on()
    assert talk.server.heard() == ["3", Close(1000)]


def test_observers_do_not_hold(chat):
    class Looks:
        gate = Signal()
        seen = ()

        @observe
        async def websocket_message(self, flow):
            self.seen += (flow.websocket.messages[-1].content,)
            if len(self.seen) == 1:
                await self.gate

    looks = Looks()
    talk = chat(looks)
    talk.client.says("1", "2")
    talk.client.says("3")
    talk.server.says("4")
    assert talk.server.heard() == ["1", "2", "3"]
    assert talk.client.heard() == ["4"]
    assert looks.seen == (b"1",)
    looks.gate.set(None)
    assert looks.seen == (b"1", b"2", b"3", b"4")


def test_pings_are_answered_while_a_message_is_held(chat):
    thinks = Thinks()
    talk = chat(thinks)
    talk.client.says("held", Ping(b"still there"))
    assert talk.client.heard() == [Pong(b"still there")]
    thinks.goes_on()
    assert talk.server.heard() == [Ping(), "held"]


def test_relayed_pings_keep_their_place(chat):
    thinks = Thinks()
    talk = chat(thinks, websocket_ping="relay")
    talk.client.says("held", Ping(b"behind it"))
    assert talk.server.heard() == talk.client.heard() == []
    thinks.goes_on()
    assert talk.server.heard() == ["held", Ping(b"behind it")]


def test_the_update_hook_is_told(chat):
    class Shows:
        updates = 0

        def update(self, flows):
            self.updates += 1

    shows = Shows()
    talk = chat(shows)
    told = shows.updates
    talk.client.says("one", Ping())
    assert shows.updates == told + 2
    talk.client.closes()
    assert shows.updates == told + 3


# Scripts that come and go.


def test_a_script_that_is_loaded_in_the_middle(chat):
    edits = Edits()
    talk = chat()
    talk.client.says("cat 1", Message(TEXT, b"half a cat", (4, 6)))
    begun = talk.client.engine.send(Piece(TEXT, b"this cat ", is_final=False))
    talk.client.peer.sends(begun)
    talk.scenario.addons.add(edits)
    talk.client.says(Piece(TEXT, b"was begun before", is_first=False), "cat 2")
    assert talk.server.heard() == ["cat 1", "half a cat", "this cat was begun before", "dog 2"]
    begun = talk.client.engine.send(Piece(TEXT, b"a cat ", is_final=False))
    talk.client.peer.sends(begun)
    talk.scenario.addons.remove(edits)
    talk.client.says(Piece(TEXT, b"for the one that has gone", is_first=False), "cat 3")
    assert talk.server.heard() == ["a cat for the one that has gone", "cat 3"]


def test_nothing_overtakes_what_is_held(chat):
    thinks = Thinks()
    talk = chat(thinks)
    talk.client.says("1")
    talk.client.says("2")
    talk.scenario.addons.remove(thinks)
    talk.client.says("3")
    talk.server.says("free")
    assert talk.server.heard() == []
    assert talk.client.heard() == ["free"], "nothing of this direction is held"
    thinks.goes_on()
    assert talk.server.heard() == ["1", "2", "3"]
    talk.client.says("4")
    assert talk.server.heard() == ["4"]


# Inject (WS-16).


@pytest.mark.parametrize("addon", [None, Holds])
@pytest.mark.parametrize("agreed", [b"", DEFLATE])
def test_ws_16_inject_both_ways(chat, addon, agreed):
    talk = chat(*([addon()] if addon else []), offered=agreed, agreed_on=agreed)
    talk.scenario.act(talk.flow.inject, True, "to the client")
    talk.scenario.act(talk.flow.inject, False, b"to the server")
    assert talk.client.heard() == ["to the client"]
    assert talk.server.heard() == [b"to the server"]
    first, second = talk.flow.websocket.messages
    assert (first.injected, first.from_client, first.is_text) == (True, False, True)
    assert (second.injected, second.from_client, second.is_text) == (True, True, False)


def test_ws_16_injected_inside_of_a_message(chat):
    talk = chat()
    talk.client.says(Piece(TEXT, b"one ", is_final=False))
    talk.scenario.act(talk.flow.inject, False, "injected")
    talk.client.says(Piece(TEXT, b"two", is_first=False))
    assert talk.server.heard() == ["one two", "injected"]


def test_ws_16_inject_from_hooks(chat):
    class Echoes:
        def websocket_start(self, flow):
            flow.inject(True, "welcome")

        def websocket_message(self, flow):
            message = flow.websocket.messages[-1]
            if not message.injected:
                flow.inject(message.from_client, message.text)

    talk = chat(Echoes())
    talk.client.says("hello")
    assert talk.client.heard() == ["welcome", "hello"]
    assert talk.server.heard() == ["hello"]


def test_ws_16_hooks_see_what_others_inject(chat):
    talk = chat(Edits())
    talk.scenario.act(talk.flow.inject, True, "cat")
    talk.scenario.act(talk.flow.inject, True, "drop it")
    assert talk.client.heard() == ["dog"]


def test_ws_16_nothing_is_injected_behind_a_close_frame(chat):
    talk = chat()
    talk.client.closes(1000)
    with pytest.raises(UsageError, match="closed"):
        talk.scenario.act(talk.flow.inject, False, "too late")
    talk.scenario.act(talk.flow.inject, True, "the server has not closed yet")
    assert talk.client.heard() == ["the server has not closed yet"]
    talk.server.closes(1000)
    with pytest.raises(ControlException):
        talk.scenario.act(talk.flow.inject, True, "too late")
    assert talk.server.heard() == [Close(1000)]


def test_ws_16_nothing_is_injected_behind_a_close_frame_that_waits(chat):
    thinks = Thinks()
    talk = chat(thinks)
    talk.client.says("held")
    talk.client.closes(1000)
    with pytest.raises(UsageError, match="closed"):
        talk.scenario.act(talk.flow.inject, False, "behind the close frame")
    thinks.goes_on()
    assert talk.server.heard() == ["held", Close(1000)]


# Intercept, resume, kill.


def test_intercepted_at_the_start(chat):
    class AtStart(Intercepts):
        hook = "websocket_start"

    talk = chat(AtStart())
    talk.client.says("waits")
    talk.server.says("waits, too")
    assert talk.server.heard() == talk.client.heard() == []
    talk.scenario.act(talk.flow.resume)
    assert talk.server.heard() == ["waits"]
    assert talk.client.heard() == ["waits, too"]


def test_an_intercepted_message_can_be_edited(chat):
    talk = chat(Intercepts())
    talk.client.says("cat")
    talk.server.says("behind")
    assert talk.flow.intercepted
    assert talk.server.heard() == talk.client.heard() == []
    talk.flow.websocket.messages[-1].text = "dog"
    talk.scenario.act(talk.flow.resume)
    assert talk.server.heard() == ["dog"]
    assert talk.flow.intercepted, "the next one"
    talk.flow.websocket.messages[-1].drop()
    talk.scenario.act(talk.flow.resume)
    assert talk.client.heard() == []


@pytest.mark.parametrize("hook", ["websocket_start", "websocket_message", "websocket_ping", "websocket_close"])
@pytest.mark.parametrize("end", ["kill", "client", "server"])
def test_intercepted_and_then_killed_or_left(chat, hook, end):
    class At(Intercepts):
        pass

    At.hook = hook
    talk = chat(At())
    talk.client.says("secret", Ping())
    talk.client.closes(1000)
    talk.server.heard()
    assert talk.flow.intercepted
    if end == "kill":
        talk.scenario.act(talk.flow.kill)
    else:
        getattr(talk, end).peer.leaves()
        talk.scenario.advance(11)
    assert talk.is_over
    if hook == "websocket_message":
        assert "secret" not in talk.server.heard(), "nobody has consented"
    assert not talk.flow.live


@pytest.mark.parametrize("hook", ["websocket_message", "websocket_ping", "websocket_close"])
def test_killed_by_a_hook(chat, hook):
    class Kills:
        pass

    setattr(Kills, hook, lambda self, flow: flow.kill())
    talk = chat(Kills())
    talk.client.says("text", Ping())
    talk.client.closes(1000)
    assert talk.is_over
    assert talk.flow.error.msg == "Connection killed."


def test_killed_at_the_start(play):
    class Kills:
        def websocket_start(self, flow):
            flow.kill()

    scenario = play(addons=[Kills()])
    client = scenario.client()
    client.sends(opening())
    scenario.servers[0].received()
    scenario.servers[0].sends(consent() + b"\x81\x02hi")
    assert b"hi" not in client.received()
    assert client.is_closed
    assert scenario.servers[0].is_closed


def test_killed_while_nothing_happens(chat):
    talk = chat()
    talk.scenario.act(talk.flow.kill)
    assert talk.is_over


def test_killed_while_a_reader_is_slow(chat):
    talk = chat(Holds())
    talk.server.peer.transport.reads_slowly = True
    talk.client.says(b"x" * 200_000)
    talk.scenario.act(talk.flow.kill)
    assert talk.is_over


def test_no_time_runs_out_while_somebody_thinks(chat):
    talk = chat(Intercepts(), websocket_idle_timeout=30)
    talk.client.says("held")
    for _ in range(5):
        talk.scenario.advance(31)
    assert not talk.client.peer.is_closed
    talk.scenario.act(talk.flow.resume)
    assert talk.server.heard() == ["held"]
    talk.scenario.advance(31)
    assert talk.is_over


def test_no_time_to_close_runs_out_while_somebody_thinks(chat):
    talk = chat(Intercepts())
    talk.server.closes(1000)
    talk.client.says("one last word")
    talk.scenario.advance(11)
    talk.scenario.advance(11)
    assert not talk.client.peer.is_closed
    talk.scenario.act(talk.flow.resume)
    assert talk.server.heard() == ["one last word"]
    talk.scenario.advance(11)
    assert talk.is_over
