"""Bytes that are relayed without being understood: TCP flows, their hooks, half-closes, back-pressure, time."""

import pytest

from midstream.addon import ControlException, TCPFlow, observe
from midstream.proxy.stepper import Signal
from scriptkit.recorder import Recorder

MODE = "reverse:tcp://server:7000"
CLOSED = "the client closed the connection"


@pytest.fixture
def tcp():
    return Recorder("tcp_start", "tcp_message", "tcp_end", "tcp_error", but="tcp_")


class Ends:
    """Hears of the end only, so that bytes are spliced."""

    def __init__(self):
        self.flows = []

    @property
    def flow(self):
        return self.flows[-1]

    @observe
    def tcp_end(self, flow):
        self.flows.append(flow)

    @observe
    def tcp_error(self, flow):
        self.flows.append(flow)


@pytest.fixture
def ends():
    return Ends()


def contents(flow):
    return [(message.from_client, message.content) for message in flow.messages]


@pytest.mark.parametrize("is_watched", [True, False])
def test_bytes_pass_both_ways_and_both_ends_end_it(play, tcp, is_watched):
    scenario = play(MODE, addons=[tcp] if is_watched else [])
    client = scenario.client()
    client.sends(b"\x00\x01hello")
    (server,) = scenario.servers
    assert server.address == ("server", 7000)
    assert server.received() == b"\x00\x01hello"
    server.sends(b"world")
    assert client.received() == b"world"
    client.ends()
    assert server.was_told_the_end
    assert not server.is_closed
    server.ends()
    assert client.is_closed
    assert server.is_closed
    if is_watched:
        assert tcp.hooks == ["start", "message", "message", "end"]
        assert contents(tcp.flow) == [(True, b"\x00\x01hello"), (False, b"world")]
        assert tcp.flow.error is None
        assert not tcp.flow.live


@pytest.mark.parametrize("is_watched", [True, False])
def test_tcp_01_a_half_closed_client_still_gets_its_answer(play, tcp, is_watched):
    scenario = play(MODE, addons=[tcp] if is_watched else [])
    client = scenario.client()
    client.sends(b"all I have to say")
    client.ends()
    (server,) = scenario.servers
    assert server.was_told_the_end
    server.sends(b"much ")
    server.sends(b"to tell")
    server.ends()
    assert client.received() == b"much to tell"
    assert client.is_closed


def test_tcp_03_the_server_may_speak_first(play, tcp):
    scenario = play(MODE, addons=[tcp])
    client = scenario.client()
    (server,) = scenario.servers
    server.sends(b"220 hello\r\n")
    assert client.received() == b"220 hello\r\n"
    client.sends(b"EHLO me\r\n")
    assert server.received() == b"EHLO me\r\n"


def test_tcp_03_the_server_may_speak_first_in_a_connect_tunnel(play, tcp):
    scenario = play(addons=[tcp])
    client = scenario.client()
    client.sends(b"CONNECT mail:25 HTTP/1.1\r\nHost: mail:25\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 200 ")
    (server,) = scenario.servers
    server.sends(b"220 hello\r\n")
    assert client.received() == b"220 hello\r\n"
    client.sends(b"QUIT\r\n")
    assert server.received() == b"QUIT\r\n"
    assert tcp.hooks == ["start", "message", "message"]


def test_a_protocol_that_is_not_http_is_relayed_in_a_tunnel(play, tcp):
    scenario = play(addons=[tcp])
    client = scenario.client()
    client.sends(b"CONNECT box:22 HTTP/1.1\r\nHost: box:22\r\n\r\nSSH-2.0-x\r\n")
    assert client.received().startswith(b"HTTP/1.1 200 ")
    assert scenario.servers[0].received() == b"SSH-2.0-x\r\n"


def test_without_rawtcp_it_is_closed(play, tcp, caplog):
    caplog.set_level("INFO")
    scenario = play(addons=[tcp], rawtcp=False)
    client = scenario.client()
    client.sends(b"CONNECT box:22 HTTP/1.1\r\nHost: box:22\r\n\r\nSSH-2.0-x\r\n")
    assert client.received().endswith(b"\r\n\r\n")
    assert client.is_closed
    assert scenario.servers[0].received() == b""
    assert tcp.hooks == []
    assert "this is not HTTP, and the option rawtcp is off" in caplog.text


TO_BOX = b"CONNECT box:22 HTTP/1.1\r\nHost: box:22\r\n\r\n"


@pytest.mark.parametrize("data", [b"SSH-2.0-x\r\n", b"\0\1\2", b"EHLO x\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
def test_without_rawtcp_reverse_mode_waits_for_no_head_either(play, data, caplog):
    caplog.set_level("INFO")
    scenario = play("reverse:http://server:80", rawtcp=False, http2=False)
    client = scenario.client()
    client.sends(data)
    assert client.is_closed
    assert scenario.servers == []
    assert "this is not HTTP, and the option rawtcp is off" in caplog.text


def test_without_rawtcp_who_says_nothing_is_not_blamed(play, caplog):
    caplog.set_level("INFO")
    scenario = play("reverse:http://server:80", rawtcp=False)
    client = scenario.client()
    client.ends()
    assert client.is_closed
    assert caplog.text == ""


def test_without_rawtcp_what_only_begins_like_tls_is_closed(play):
    scenario = play(rawtcp=False)
    client = scenario.client()
    client.sends(TO_BOX + b"\x16\x03\x01\x00\x05hello")
    assert client.is_closed
    assert scenario.servers[0].received() == b""


def test_tcp_hosts_and_modes_for_tcp_are_relayed_without_rawtcp(play, tcp):
    scenario = play(addons=[tcp], rawtcp=False, tcp_hosts=["box"])
    scenario.client().sends(TO_BOX + b"SSH-2.0-x\r\n")
    assert scenario.servers[0].received() == b"SSH-2.0-x\r\n"
    scenario = play(MODE, addons=[tcp], rawtcp=False)
    scenario.client().sends(b"SSH-2.0-x\r\n")
    assert scenario.servers[0].received() == b"SSH-2.0-x\r\n"


def test_without_rawtcp_an_addon_may_still_leave_it_alone(play):
    class Leave:
        def next_layer(self, nextlayer):
            nextlayer.layer = "ignore"

    scenario = play(addons=[Leave()], rawtcp=False)
    scenario.client().sends(TO_BOX + b"SSH-2.0-x\r\n")
    assert scenario.servers[0].received() == b"SSH-2.0-x\r\n"


def test_tcp_12_a_message_can_be_changed_and_dropped(play):
    class Edit:
        def tcp_message(self, flow):
            message = flow.messages[-1]
            message.content = b"" if message.content == b"secret" else message.content.upper()

    scenario = play(MODE, addons=[Edit()])
    client = scenario.client()
    for data in (b"one", b"secret", b"two"):
        client.sends(data)
    (server,) = scenario.servers
    assert server.received() == b"ONETWO"
    server.sends(b"back")
    assert client.received() == b"BACK"


def test_a_message_can_be_killed(play, tcp):
    class Kill:
        def tcp_message(self, flow):
            flow.kill()

    scenario = play(MODE, addons=[tcp, Kill()])
    client = scenario.client()
    client.sends(b"never arrives")
    (server,) = scenario.servers
    assert server.received() == b""
    assert client.is_closed
    assert server.is_closed
    assert tcp.hooks == ["start", "message", "error"]


@pytest.mark.parametrize("hook", ["tcp_start", "tcp_message"])
def test_a_held_flow_waits_and_loses_nothing(play, tcp, hook):
    class Hold:
        pass

    def hold(self, flow):
        if not flow.metadata.get("was held"):
            flow.metadata["was held"] = True
            flow.intercept()

    setattr(Hold, hook, hold)
    scenario = play(MODE, addons=[tcp, Hold()])
    client = scenario.client()
    client.sends(b"one")
    (server,) = scenario.servers
    client.sends(b"two")
    server.sends(b"answer")
    assert server.received() == b""
    scenario.advance(5000)
    assert not client.is_closed, "the user may think as long as it takes"
    tcp.flow.resume()
    assert server.received() == b"onetwo"
    assert client.received() == b"answer"


@pytest.mark.parametrize("hook", ["tcp_start", "tcp_message"])
def test_a_held_flow_can_be_killed(play, tcp, hook):
    class Hold:
        pass

    setattr(Hold, hook, lambda self, flow: flow.intercept())
    scenario = play(MODE, addons=[tcp, Hold()])
    client = scenario.client()
    client.sends(b"one")
    tcp.flow.kill()
    scenario.settle()
    assert scenario.servers[0].received() == b""
    assert client.is_closed
    assert tcp.hooks[-1] == "error"


def test_a_held_flow_ends_with_its_client(play, tcp):
    class Hold:
        def tcp_message(self, flow):
            flow.intercept()

    scenario = play(MODE, addons=[tcp, Hold()])
    client = scenario.client()
    client.sends(b"one")
    client.leaves()
    assert scenario.servers[0].is_closed
    assert tcp.hooks[-1] == "error"


def test_a_quiet_flow_can_be_killed_from_outside(play, tcp):
    scenario = play(MODE, addons=[tcp])
    client = scenario.client()
    client.sends(b"one")
    tcp.flow.kill()
    scenario.settle()
    assert client.is_closed
    assert tcp.hooks == ["start", "message", "error"]


def test_a_line_without_its_end_is_not_waited_for_for_ever(play, tcp):
    scenario = play(addons=[tcp])
    client = scenario.client()
    client.sends(b"CONNECT box:23 HTTP/1.1\r\nHost: box:23\r\n\r\nlogin")
    (server,) = scenario.servers
    assert server.received() == b""
    scenario.advance(5)
    assert server.received() == b"login"
    server.sends(b"password?")
    assert client.received().endswith(b"\r\n\r\npassword?")


@pytest.mark.parametrize("is_watched", [True, False])
def test_a_slow_reader_slows_the_other_side_down(play, tcp, is_watched):
    scenario = play(MODE, addons=[tcp] if is_watched else [])
    client = scenario.client()
    client.sends(b"go")
    (server,) = scenario.servers
    client.transport.reads_slowly = True
    sent = 0
    while server.may_send:
        server.sends(b"x" * 65536)
        sent += 65536
        assert sent < 10 * 2**20, "nothing pushed back"
    got = b""
    while len(got) < sent:
        more = client.received()
        assert more
        got += more
    assert server.may_send
    assert len(got) == sent


@pytest.mark.parametrize("how", ["leaves", "time", "kill"])
def test_a_slow_reader_is_not_waited_for_when_the_flow_is_over(play, tcp, how):
    scenario = play(MODE, addons=[tcp], tcp_timeout=60)
    client = scenario.client()
    client.sends(b"\x00")
    (server,) = scenario.servers
    server.received()
    server.transport.reads_slowly = True
    client.sends(b"x" * 100_000)
    client.sends(b"y")
    if how == "leaves":
        client.leaves()
    elif how == "time":
        scenario.advance(61)
    else:
        tcp.flow.kill()
    assert server.is_closed
    assert tcp.hooks[-1] == "error"
    assert server.received() == b"x" * 100_000 + (b"" if how == "kill" else b"y"), "what had come is not lost"


@pytest.mark.parametrize("is_watched", [True, False])
def test_tcp_04_a_relay_on_which_nothing_moves_is_closed(play, tcp, is_watched):
    scenario = play(MODE, addons=[tcp] if is_watched else [], tcp_timeout=60)
    client = scenario.client()
    client.sends(b"one")
    scenario.advance(50)
    scenario.servers[0].sends(b"a sign of life")
    scenario.advance(50)
    assert not client.is_closed
    scenario.advance(11)
    assert client.is_closed
    assert scenario.servers[0].is_closed
    if is_watched:
        assert "timed out" in tcp.flow.error.msg


@pytest.mark.parametrize("is_watched", [True, False])
def test_a_broken_connection_is_an_error_of_the_flow(play, tcp, is_watched):
    scenario = play(MODE, addons=[tcp] if is_watched else [])
    client = scenario.client()
    client.sends(b"one")
    client.leaves()
    assert scenario.servers[0].received() == b"one"
    assert scenario.servers[0].is_closed
    if is_watched:
        assert tcp.hooks == ["start", "message", "error"]
        assert tcp.flow.error.msg == CLOSED


def test_tcp_08_messages_of_a_long_flow_make_room_for_new_ones(play, tcp):
    scenario = play(MODE, addons=[tcp], body_memory=10_000)
    client = scenario.client()
    for number in range(20):
        client.sends(bytes([number]) * 1000)
    assert len(scenario.servers[0].received()) == 20_000
    assert [content[:1] for _, content in contents(tcp.flow)] == [bytes([number]) for number in range(10, 20)]


def test_a_server_that_cannot_be_reached_ends_the_connection(play, tcp):
    scenario = play(MODE, addons=[tcp])
    scenario.unreachable[("server", 7000)] = ConnectionRefusedError(111, "refused")
    client = scenario.client()
    assert client.is_closed
    assert tcp.hooks == []


def test_bytes_that_come_while_an_async_hook_thinks_are_kept(play):
    gate = Signal()

    class Think:
        async def tcp_start(self, flow):
            await gate

    scenario = play(MODE, addons=[Think()])
    client = scenario.client()
    client.sends(b"one")
    client.sends(b"two")
    scenario.servers[0].sends(b"early")
    gate.set(None)
    scenario.settle()
    assert scenario.servers[0].received() == b"onetwo"
    assert client.received() == b"early"


# Who closed, and how.


@pytest.mark.parametrize("is_watched", [True, False])
@pytest.mark.parametrize("first", ["client", "server"])
def test_tcp_02_who_closed_first_is_known(play, tcp, ends, is_watched, first):
    scenario = play(MODE, addons=[tcp if is_watched else ends])
    client = scenario.client()
    client.sends(b"one")
    peers = {"client": client, "server": scenario.servers[0]}
    peers.pop(first).ends()
    (second,) = peers.values()
    second.ends()
    flow = (tcp if is_watched else ends).flow
    assert (flow.closed_by, flow.close_reason, flow.error) == (first, "FIN", None)
    assert not second.was_reset


@pytest.mark.parametrize("is_watched", [True, False])
@pytest.mark.parametrize("who", ["client", "server"])
def test_tcp_02_a_reset_is_passed_on_behind_what_came_before_it(play, tcp, ends, is_watched, who):
    scenario = play(MODE, addons=[tcp if is_watched else ends])
    client = scenario.client()
    client.sends(b"one")
    peers = {"client": client, "server": scenario.servers[0]}
    broken = peers.pop(who)
    (other,) = peers.values()
    other.received()
    broken.sends(b"last words")
    broken.resets()
    assert other.received() == b"last words"
    assert other.was_reset
    flow = (tcp if is_watched else ends).flow
    assert (flow.closed_by, flow.close_reason) == (who, "RST")
    assert f"the {who} closed the connection" in flow.error.msg


def test_tcp_02_a_reset_behind_a_half_close_is_passed_on_too(play, ends):
    scenario = play(MODE, addons=[ends])
    client = scenario.client()
    client.sends(b"one")
    client.ends()
    client.resets()
    assert scenario.servers[0].was_reset
    assert (ends.flow.closed_by, ends.flow.close_reason) == ("client", "FIN")
    assert "reset" in ends.flow.error.msg


@pytest.mark.parametrize(("first", "is_error"), [("client", True), ("server", False)])
def test_a_client_that_has_heard_the_last_word_may_just_go(play, ends, first, is_error):
    scenario = play(MODE, addons=[ends])
    client = scenario.client()
    client.sends(b"one")
    peers = {"client": client, "server": scenario.servers[0]}
    peers.pop(first).ends()
    (second,) = peers.values()
    second.resets()
    assert (ends.flow.error is not None) is is_error
    assert (ends.flow.closed_by, ends.flow.close_reason) == (first, "FIN")


@pytest.mark.parametrize("is_watched", [True, False])
def test_our_own_closing_is_known_as_such(play, tcp, ends, is_watched):
    addon = tcp if is_watched else ends
    scenario = play(MODE, addons=[addon], tcp_timeout=60)
    scenario.client().sends(b"one")
    scenario.advance(61)
    assert (addon.flow.closed_by, addon.flow.close_reason) == ("proxy", "timeout")
    scenario.client().sends(b"one")
    for connection in list(scenario._connections):
        scenario.act(connection.stop)
    assert (addon.flow.closed_by, addon.flow.close_reason) == ("proxy", "stopped")


def test_tcp_04_no_idle_limit_with_0(play, tcp):
    scenario = play(MODE, addons=[tcp], tcp_timeout=0)
    client = scenario.client()
    client.sends(b"one")
    scenario.advance(1e6)
    assert not client.is_closed


def test_a_killed_flow_says_so(play, tcp):
    scenario = play(MODE, addons=[tcp])
    scenario.client().sends(b"one")
    scenario.act(tcp.flow.kill)
    assert (tcp.flow.closed_by, tcp.flow.close_reason) == ("proxy", "killed")


# Dropping and injecting.


def test_a_message_can_be_dropped(play, tcp):
    class Drop:
        def tcp_message(self, flow):
            if flow.messages[-1].content == b"secret":
                flow.messages[-1].drop()

    scenario = play(MODE, addons=[tcp, Drop()])
    client = scenario.client()
    for data in (b"one", b"secret", b"two"):
        client.sends(data)
    assert scenario.servers[0].received() == b"onetwo"
    assert [(message.content, message.dropped) for message in tcp.flow.messages] == [
        (b"one", False),
        (b"secret", True),
        (b"two", False),
    ]


def test_messages_can_be_injected_both_ways(play, tcp):
    scenario = play(MODE, addons=[tcp])
    client = scenario.client()
    client.sends(b"one")
    (server,) = scenario.servers
    scenario.act(tcp.flow.inject, True, b"to the client")
    scenario.act(tcp.flow.inject, False, b"+ to the server")
    scenario.act(tcp.flow.inject, False, b"")
    assert client.received() == b"to the client"
    assert server.received() == b"one+ to the server"
    assert contents(tcp.flow) == [(True, b"one"), (False, b"to the client"), (True, b"+ to the server")]
    assert [message.injected for message in tcp.flow.messages] == [False, True, True]
    server.ends()
    client.ends()
    assert tcp.hooks == ["start", "message", "message", "message", "end"]


def test_hooks_may_inject_and_the_order_stays(play, tcp):
    class Answer:
        def tcp_message(self, flow):
            message = flow.messages[-1]
            if not message.injected:
                flow.inject(message.from_client, b"echo of " + message.content)

    scenario = play(MODE, addons=[Answer(), tcp])
    client = scenario.client()
    client.sends(b"one")
    client.sends(b"two")
    assert client.received() == b"echo of oneecho of two"
    assert scenario.servers[0].received() == b"onetwo"
    assert [content for _, content in contents(tcp.flow)] == [b"one", b"echo of one", b"two", b"echo of two"]


def test_what_is_injected_waits_behind_a_held_message(play, tcp):
    class Hold:
        def tcp_message(self, flow):
            if not flow.messages[-1].injected:
                flow.intercept()

    scenario = play(MODE, addons=[tcp, Hold()])
    client = scenario.client()
    client.sends(b"one")
    tcp.flow.inject(False, b"two")
    assert scenario.servers[0].received() == b""
    scenario.act(tcp.flow.resume)
    assert scenario.servers[0].received() == b"onetwo"


def test_a_flow_that_nobody_listens_to_can_be_injected_into(play, ends):
    scenario = play(MODE, addons=[ends])
    made = []
    patched = pytest.MonkeyPatch()
    patched.setattr(
        "midstream.proxy.tcp.TCPFlow", lambda *args, **kwargs: made.append(TCPFlow(*args, **kwargs)) or made[-1]
    )
    client = scenario.client()
    client.sends(b"one")
    patched.undo()
    scenario.act(made[0].inject, True, b"hello")
    scenario.act(made[0].inject, False, b"+")
    assert client.received() == b"hello"
    assert scenario.servers[0].received() == b"one+"
    client.ends()
    with pytest.raises(ControlException, match="the client has said that nothing more comes"):
        made[0].inject(False, b"x")
    scenario.act(made[0].kill)
    assert client.is_closed
    assert (made[0].closed_by, made[0].close_reason) == ("client", "FIN")


def test_tcp_13_an_ended_direction_and_an_ended_flow_take_no_injection(play, tcp):
    scenario = play(MODE, addons=[tcp])
    client = scenario.client()
    client.sends(b"one")
    client.ends()
    with pytest.raises(ControlException, match="the client has said that nothing more comes"):
        tcp.flow.inject(False, b"x")
    scenario.act(tcp.flow.inject, True, b"still possible")
    assert client.received() == b"still possible"
    scenario.servers[0].ends()
    with pytest.raises(ControlException, match="not live any more"):
        tcp.flow.inject(True, b"x")


def test_a_broken_connection_takes_no_injection_though_messages_wait(play, tcp):
    gate = Signal()

    class Think:
        async def tcp_message(self, flow):
            await gate

    scenario = play(MODE, addons=[tcp, Think()])
    client = scenario.client()
    client.sends(b"one")
    client.resets()
    with pytest.raises(ControlException, match="this connection is over"):
        tcp.flow.inject(False, b"x")
    gate.set(None)
    scenario.settle()
    assert scenario.servers[0].received() == b"one"
    assert tcp.flow.close_reason == "RST"


@pytest.mark.parametrize("how", ["leaves", "resets", "ends"])
@pytest.mark.parametrize("is_watched", [True, False])
def test_a_client_may_be_gone_before_the_relay_begins(play, tcp, ends, is_watched, how):
    gate = Signal()

    class Think:
        async def next_layer(self, nextlayer):
            await gate

    addon = tcp if is_watched else ends
    scenario = play(addons=[addon, Think()])
    client = scenario.client()
    client.sends(TO_BOX + b"\0\1")
    getattr(client, how)()
    gate.set(None)
    scenario.settle()
    (server,) = scenario.servers
    assert server.received() == b"\0\1"
    assert server.was_told_the_end
    server.ends()
    assert addon.flow.closed_by == "client"
    assert addon.flow.close_reason == ("RST" if how == "resets" else "FIN")


def test_what_the_server_said_before_the_relay_began_came_first(play, tcp):
    gate = Signal()

    class Think:
        async def next_layer(self, nextlayer):
            await gate

    scenario = play(addons=[tcp, Think()])
    client = scenario.client()
    client.sends(TO_BOX)
    scenario.servers[0].sends(b"hello")
    client.sends(b"who are you?")
    gate.set(None)
    scenario.settle()
    assert contents(tcp.flow) == [(False, b"hello"), (True, b"who are you?")]


def test_a_flow_that_is_about_to_end_takes_no_injection(play, tcp):
    refused = []

    class Late:
        def tcp_end(self, flow):
            with pytest.raises(ControlException) as caught:
                flow.inject(True, b"x")
            refused.append(caught.value)

    scenario = play(MODE, addons=[tcp, Late()])
    client = scenario.client()
    client.sends(b"one")
    client.ends()
    scenario.servers[0].ends()
    assert len(refused) == 1


# The log.


def test_messages_are_printed_to_the_log_in_all_detail_only(play, ends, caplog):
    caplog.set_level("DEBUG")
    scenario = play(MODE, addons=[ends])
    scenario.client().sends(b"one\x1b[2J")
    scenario.servers[0].sends(b"x" * 2000)
    lines = [line for line in caplog.messages if "tcp" in line]
    assert lines[0] == r"127.0.0.1:50000 -> tcp -> server:7000: 'one\x1b[2J'"
    assert lines[1] == f"127.0.0.1:50000 <- tcp <- server:7000: '{'x' * 1024}…'"


def test_tcp_08_tiny_messages_are_not_kept_without_end(play, tcp, monkeypatch):
    monkeypatch.setattr("midstream.proxy.tcpmessages.MAX_MESSAGES", 3)
    scenario = play(MODE, addons=[tcp])
    client = scenario.client()
    for number in range(10):
        client.sends(b"%d" % number)
    assert [content for _, content in contents(tcp.flow)] == [b"7", b"8", b"9"]


# Untouched connections.


def test_untouched_connections_are_metered_if_wanted(play, caplog):
    caplog.set_level("INFO")
    scenario = play(ignore_hosts=["box"], meter_ignored_hosts=True)
    client = scenario.client()
    client.sends(TO_BOX + b"\x16\x03anything")
    (server,) = scenario.servers
    server.sends(b"back")
    scenario.advance(2.5)
    client.ends()
    server.ends()
    assert "127.0.0.1:50000 <-> box:22 relayed untouched: 10 bytes up, 4 bytes down, 2.5 s" in caplog.messages


def test_broken_untouched_connections_are_metered_too(play, caplog):
    caplog.set_level("INFO")
    scenario = play(ignore_hosts=["box"], meter_ignored_hosts=True)
    client = scenario.client()
    client.sends(TO_BOX + b"anything")
    client.resets()
    assert scenario.servers[0].was_reset
    assert any("8 bytes up, 0 bytes down" in line for line in caplog.messages)


def test_untouched_connections_are_not_metered_unless_wanted(play, caplog):
    caplog.set_level("INFO")
    scenario = play(ignore_hosts=["box"])
    client = scenario.client()
    client.sends(TO_BOX + b"anything")
    client.ends()
    scenario.servers[0].ends()
    assert "untouched" not in caplog.text
