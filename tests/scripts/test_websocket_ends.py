"""How WebSocket connections end: by close frames, without, by faults, by time; and what happens to those who read slowly."""

import pytest

from midstream.addon import observe
from midstream.proxy.stepper import Signal
from midstream.wire.ws.events import BINARY, TEXT, Close, Lost, Piece, Ping, Pong

PEERS = pytest.mark.parametrize("who", ["client", "server"])


class Holds:
    def websocket_message(self, flow):
        pass


class Looks:
    @observe
    def websocket_message(self, flow):
        pass


ADDONS = pytest.mark.parametrize("addon", [None, Looks, Holds])


@pytest.fixture
def talk(chat):
    def make(who, addon=None, **options):
        made = chat(*([addon()] if addon else []), **options)
        return made, *((made.client, made.server) if who == "client" else (made.server, made.client))

    return make


# Close frames (WS-06).


@PEERS
@ADDONS
@pytest.mark.parametrize(("code", "reason"), [(1000, b""), (1001, b"going"), (4999, "ünïcode".encode()), (None, b"")])
def test_ws_06_code_and_reason_travel(talk, who, addon, code, reason):
    made, first, second = talk(who, addon)
    first.says("last words")
    first.closes(code, reason)
    assert second.heard() == ["last words", Close(code, reason)]
    assert first.heard() == [], "the other end answers, not the proxy"
    second.closes(code)
    assert first.heard() == [Close(code)]
    assert second.heard() == []
    assert made.is_over
    data = made.flow.websocket
    assert (data.close_code, data.close_reason) == (code or 1005, reason.decode())
    assert data.closed_by_client is (who == "client")
    assert data.timestamp_end == made.scenario.now
    assert made.watch.hooks == ["websocket_start", "websocket_close", "websocket_close", "websocket_end"]
    assert [control.kind for control in data.controls] == ["close", "close"]


def test_ws_06_both_close_at_once(talk):
    made, client, server = talk("client")
    client.closes(1000, b"mine")
    server.closes(1001, b"yours")
    assert server.heard() == [Close(1000, b"mine")]
    assert client.heard() == [Close(1001, b"yours")]
    assert made.is_over
    assert made.flow.websocket.close_code == 1000


@PEERS
def test_ws_06_the_other_end_may_say_more_before_it_closes(talk, who):
    made, first, second = talk(who)
    first.closes(1000)
    second.says("but", Ping(b"wait"))
    second.closes(1000)
    assert first.heard() == ["but", Ping(), Close(1000)]
    assert second.heard() == [Close(1000)], "nothing behind a close frame, not even a pong"
    assert made.is_over


@PEERS
def test_ws_06_an_answer_that_does_not_come(talk, who):
    made, first, second = talk(who)
    first.closes(1000)
    made.scenario.advance(9)
    assert not second.peer.is_closed
    second.says("still busy")
    made.scenario.advance(2)
    assert made.is_over
    assert first.heard() == ["still busy"]
    assert made.flow.websocket.close_code == 1000


@PEERS
def test_ws_06_codes_that_nobody_may_send(talk, who):
    made, first, second = talk(who)
    first.closes(1005)
    assert second.heard()[0].code == 1005
    assert made.flow.annotations[0].reference == "RFC 6455 §7.4"
    second.closes()


@PEERS
def test_what_comes_behind_a_close_frame_is_ignored(talk, who):
    made, first, second = talk(who)
    first.closes(1000)
    first.peer.sends(b"\x81\x01x and whatever")
    assert second.heard() == [Close(1000)]
    second.closes(1000)
    assert made.is_over


# Without a close frame (WS-14).


@PEERS
@ADDONS
@pytest.mark.parametrize("how", ["ends", "leaves"])
@pytest.mark.parametrize("where", ["between messages", "within a message", "within a frame"])
def test_ws_14_gone_without_a_word(talk, who, addon, how, where):
    made, first, second = talk(who, addon)
    first.says("before")
    if where == "within a message":
        first.says(Piece(TEXT, b"part", is_final=False))
    elif where == "within a frame":
        first.says(Piece(BINARY, b"part", left=10))
    getattr(first.peer, how)()
    assert second.heard() == ["before"]
    assert made.is_over
    data = made.flow.websocket
    assert (data.close_code, data.close_reason, data.closed_by_client) == (1006, "", who == "client")
    assert isinstance(second.engine.eof()[0], Lost)


@PEERS
def test_ws_14_half_closed_behind_a_close_frame(talk, who):
    made, first, second = talk(who)
    first.closes(1000)
    first.peer.ends()
    assert second.heard() == [Close(1000)]
    second.says("more")
    second.closes(1000)
    assert first.heard() == ["more", Close(1000)]
    assert made.is_over


@PEERS
def test_gone_instead_of_an_answer(talk, who):
    made, first, second = talk(who)
    first.closes(1000)
    second.peer.leaves()
    assert first.heard() == []
    assert made.is_over
    assert made.flow.websocket.close_code == 1000


@PEERS
def test_gone_right_behind_the_close_frame(talk, who):
    made, first, second = talk(who)
    first.closes(1000)
    first.peer.leaves()
    assert second.heard() == [Close(1000)]
    second.closes(1000)
    assert made.is_over


@PEERS
def test_a_fault_within_what_is_passed_on(talk, who):
    """What stands before the close frame will not be completed, so there is none."""
    made, first, second = talk(who, profile="strict")
    first.says(Piece(TEXT, b"a long text", left=100))
    first.says(Piece(TEXT, b"\xff" * 50, False, left=50))
    assert first.heard()[0].code == 1007, "at once, since no answer can come"
    assert second.peer.was_told_the_end
    made.scenario.advance(3)
    assert made.is_over


@PEERS
def test_one_that_broke_the_rules_and_goes(talk, who):
    made, first, second = talk(who)
    first.peer.sends(b"\xff\xff")
    first.peer.leaves()
    assert second.heard() == [Close(1001)]
    made.scenario.advance(11)
    assert made.is_over


# Time (WS-15).


def test_ws_15_no_timeout_unless_it_is_set(talk):
    made, client, server = talk("client")
    made.scenario.advance(100_000)
    client.says("good morning")
    assert server.heard() == ["good morning"]


@PEERS
def test_ws_15_silence(talk, who):
    made, first, _ = talk(who, websocket_idle_timeout=60)
    for _ in range(5):
        made.scenario.advance(40)
        first.says(Pong())
    made.scenario.advance(61)
    assert made.is_over
    data = made.flow.websocket
    assert (data.close_code, data.close_reason, data.closed_by_client) == (1006, "timed out", None)


def test_ws_15_silence_from_the_start(talk):
    made, *_ = talk("client", websocket_idle_timeout=60)
    made.scenario.advance(61)
    assert made.is_over


# Back-pressure.


def never_reads(peer):
    peer.peer.transport.reads_slowly = True


@PEERS
@ADDONS
def test_a_slow_reader_holds_up_its_sender_and_nobody_else(talk, who, addon):
    made, sender, reader = talk(who, addon)
    never_reads(reader)
    sent = 0
    while sender.peer.may_send and sent < 100:
        sender.says(b"x" * 10_000)
        sent += 1
    assert sent < 20
    assert reader.peer.may_send
    reader.says("from the slow reader")
    assert sender.heard() == ["from the slow reader"]
    assert reader.heard() == [b"x" * 10_000] * sent
    assert sender.peer.may_send
    sender.says("goes on")
    assert reader.heard() == ["goes on"]
    assert not made.is_over


@PEERS
def test_a_slow_hook_holds_up_the_senders(talk, who):
    class Intercepts:
        def websocket_message(self, flow):
            flow.intercept()

    made, sender, reader = talk(who, Intercepts)
    sent = 0
    while sender.peer.may_send and sent < 100:
        sender.says(b"x" * 10_000)
        sent += 1
    assert sent < 40
    for _ in range(sent):
        assert made.flow.intercepted
        made.scenario.act(made.flow.resume)
    assert reader.heard() == [b"x" * 10_000] * sent
    assert sender.peer.may_send


@PEERS
def test_pings_do_not_pile_up_for_a_slow_hook(talk, who):
    class Intercepts:
        def websocket_ping(self, flow):
            flow.intercept()

    made, sender, _ = talk(who, Intercepts)
    sent = 0
    while sender.peer.may_send and sent < 5000:
        sender.says(*[Ping()] * 100)
        sent += 100
    assert sent < 2000
    made.scenario.act(made.flow.kill)


@PEERS
def test_pongs_do_not_pile_up_for_one_who_does_not_read_them(talk, who):
    made, pinging, other = talk(who)
    never_reads(pinging)
    for number in range(2000):
        pinging.says(Ping(b"%0100d" % number))
        other.peer.received()
    assert len(pinging.peer.transport.written) < 70_000
    heard = pinging.heard()
    heard += pinging.heard()
    assert heard[-1] == Pong(b"%0100d" % 1999), "the latest one is answered"
    assert not made.is_over


@PEERS
def test_pongs_do_not_pile_up_within_a_frame(talk, who):
    made, pinging, other = talk(who)
    other.says(Piece(BINARY, b"x", left=1))
    pinging.says(*[Ping(b"%d" % number) for number in range(1000)])
    other.says(Piece(BINARY, b"y", False))
    assert pinging.heard() == [b"xy", Pong(b"999")]
    assert not made.is_over


@PEERS
def test_the_end_comes_to_slow_readers_too(talk, who):
    made, sender, reader = talk(who)
    never_reads(reader)
    while sender.peer.may_send:
        sender.says(b"x" * 10_000)
    sender.closes(1000)
    sender.peer.leaves()
    assert reader.heard()[-1] == Close(1000)
    reader.closes(1000)
    assert made.is_over


@PEERS
@pytest.mark.parametrize("how", ["silence", "ends", "leaves"])
def test_one_that_broke_the_rules_is_told_so_even_if_the_other_does_not_answer(talk, who, how):
    made, first, second = talk(who)
    first.peer.sends(b"\xff\xff")
    if how == "silence":
        made.scenario.advance(11)
    else:
        getattr(second.peer, how)()
    assert first.heard()[0].code == 1002
    made.scenario.advance(3)
    assert made.is_over
    assert made.flow.websocket.close_code == 1002


@PEERS
def test_rules_broken_behind_the_last_word_of_the_other(talk, who):
    made, first, second = talk(who)
    second.closes(1000)
    assert first.heard() == [Close(1000)]
    first.peer.sends(b"\xff\xff")
    assert second.heard() == [Close(1001)]
    made.scenario.advance(3)
    assert made.is_over


@PEERS
def test_rules_broken_while_somebody_thinks_about_what_the_other_left_behind(talk, who):
    """The end of the other one stands first in the line, and the fault behind it."""

    class Thinks:
        def __init__(self):
            self.thought = Signal()

        async def websocket_message(self, flow):
            await self.thought

    thinks = Thinks()
    made, first, second = talk(who, lambda: thinks)
    second.says("before I go")
    second.peer.ends()
    first.peer.sends(b"\xff\xff")
    made.scenario.act(thinks.thought.set, None)
    message, close = first.heard()
    assert (message, close.code) == ("before I go", 1002)
    made.scenario.advance(3)
    assert made.is_over
