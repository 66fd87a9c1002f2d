"""UDP through the proxy, in memory: mode reverse:udp."""

import pytest

from midstream.addon import ControlException
from midstream.testing import Scenario
from scriptkit.leaving import left_no_datagrams
from scriptkit.recorder import Recorder

SERVER = ("192.0.2.7", 7)
PUBLIC = ("8.8.8.8", 4000)


@pytest.fixture
def watch():
    return Recorder("udp_start", "udp_message", "udp_end", "udp_error")


@pytest.fixture
def play(watch):
    scenarios = []

    def make(*addons, **options):
        scenarios.append(Scenario("reverse:udp://192.0.2.7:7", addons=[*addons, watch], **options))
        return scenarios[-1]

    yield make
    for scenario in scenarios:
        left_no_datagrams(scenario)


def test_datagrams_are_relayed_both_ways_until_nothing_comes(play, watch):
    scenario = play()
    client = scenario.datagram_client()
    for data in (b"one", b"", b"three"):
        client.sends(data)
    (server,) = scenario.datagram_servers
    assert server.address == SERVER
    assert server.received() == [b"one", b"", b"three"]
    server.sends(b"answer")
    server.sends(b"")
    assert client.received() == [b"answer", b""]
    (flow,) = watch.flows
    assert [(message.from_client, message.content) for message in flow.messages] == [
        (True, b"one"),
        (True, b""),
        (True, b"three"),
        (False, b"answer"),
        (False, b""),
    ]
    assert flow.live
    scenario.advance(59)
    server.sends(b"late")
    scenario.advance(59)
    assert flow.live
    scenario.advance(2)
    assert not flow.live
    assert watch.hooks == ["udp_start", *["udp_message"] * 6, "udp_end"]
    assert server.is_closed


def test_each_client_has_a_flow_of_its_own(play, watch):
    scenario = play()
    one, two = scenario.datagram_client(), scenario.datagram_client(("127.0.0.1", 2))
    one.sends(b"1")
    two.sends(b"2")
    for server, data in zip(scenario.datagram_servers, (b"1", b"2"), strict=True):
        assert server.received() == [data]
        server.sends(data * 2)
    assert (one.received(), two.received()) == ([b"11"], [b"22"])
    assert len(watch.flows) == 2


def test_after_a_while_the_same_client_is_another(play, watch):
    scenario = play(udp_timeout=5)
    client = scenario.datagram_client()
    client.sends(b"1")
    scenario.advance(6)
    client.sends(b"2")
    assert len(watch.flows) == 2
    assert scenario.datagram_servers[1].received() == [b"2"]


def test_messages_are_changed_and_dropped(play):
    class Changes:
        def udp_message(self, flow):
            message = flow.messages[-1]
            message.content = b"" if message.content == b"drop" else message.content.upper()

    scenario = play(Changes())
    client = scenario.datagram_client()
    for data in (b"one", b"drop", b"two"):
        client.sends(data)
    (server,) = scenario.datagram_servers
    assert server.received() == [b"ONE", b"TWO"]
    server.sends(b"three")
    server.sends(b"drop")
    assert client.received() == [b"THREE"]


def test_without_listeners_datagrams_pass_as_well(watch):
    scenario = Scenario("reverse:udp://192.0.2.7:7")
    client = scenario.datagram_client()
    client.sends(b"one")
    scenario.datagram_servers[0].sends(b"two")
    assert scenario.datagram_servers[0].received() == [b"one"]
    assert client.received() == [b"two"]
    scenario.advance(100)
    assert not scenario.port.clients


def test_held_flows_wait_and_keep_their_order(play, watch):
    class Holds:
        def udp_message(self, flow):
            if len(flow.messages) == 1:
                flow.intercept()

    scenario = play(Holds())
    client = scenario.datagram_client()
    client.sends(b"1")
    client.sends(b"2")
    (server,) = scenario.datagram_servers
    server.sends(b"3")
    assert server.received() == []
    for _ in range(10):
        scenario.advance(50)
    (flow,) = watch.flows
    assert flow.live
    scenario.act(flow.resume)
    assert server.received() == [b"1", b"2"]
    assert client.received() == [b"3"]


@pytest.mark.parametrize("is_held", [False, True])
def test_killed_flows_end(play, watch, is_held):
    class Holds:
        def udp_message(self, flow):
            if is_held:
                flow.intercept()

    scenario = play(Holds())
    client = scenario.datagram_client()
    client.sends(b"1")
    scenario.act(watch.flows[0].kill)
    assert watch.hooks[-1] == "udp_error"
    assert scenario.datagram_servers[0].is_closed
    client.sends(b"2")
    assert len(watch.flows) == 2
    for talker in list(scenario.port.clients):
        scenario.act(talker.stop)
    assert not watch.flows[1].live
    assert scenario.datagram_servers[1].received() == ([] if is_held else [b"2"])


def test_a_server_that_cannot_be_reached(play, watch):
    scenario = play()
    scenario.unreachable[SERVER] = OSError(101, "Network is unreachable")
    scenario.datagram_client().sends(b"1")
    assert watch.hooks == ["udp_error"]
    assert watch.flows[0].error.msg == "cannot reach 192.0.2.7:7: Network is unreachable"


def test_udp_14_a_server_that_does_not_listen_ends_nothing(play, watch):
    scenario = play()
    client = scenario.datagram_client()
    client.sends(b"1")
    (server,) = scenario.datagram_servers
    server.refuses()
    client.sends(b"2")
    assert server.received() == [b"1", b"2"]
    scenario.advance(61)
    assert watch.hooks[-1] == "udp_error"
    assert watch.flows[0].error.msg == "the server cannot be reached: Connection refused"


def test_udp_14_a_server_that_comes_late_is_no_failure(play, watch):
    scenario = play()
    client = scenario.datagram_client()
    client.sends(b"1")
    (server,) = scenario.datagram_servers
    server.refuses()
    server.sends(b"here")
    assert client.received() == [b"here"]
    scenario.advance(61)
    assert watch.hooks[-1] == "udp_end"


def test_udp_15_public_addresses_are_sent_no_more_than_a_multiple(play):
    scenario = play(block_global=False, udp_amplification=3)
    client = scenario.datagram_client(PUBLIC)
    client.sends(bytes(10))
    (server,) = scenario.datagram_servers
    server.sends(bytes(31))
    server.sends(bytes(20))
    server.sends(bytes(11))
    server.sends(bytes(10))
    assert list(map(len, client.received())) == [20, 10]
    unlimited = play(block_global=False, udp_amplification=0)
    client = unlimited.datagram_client(PUBLIC)
    client.sends(b"1")
    unlimited.datagram_servers[0].sends(bytes(1000))
    assert client.received() == [bytes(1000)]


def test_udp_15_what_waits_is_bounded(play, watch):
    class Holds:
        def udp_start(self, flow):
            flow.intercept()

    scenario = play(Holds())
    client = scenario.datagram_client()
    for number in range(300):
        client.sends(b"%d" % number)
        scenario.datagram_servers[0].sends(b"%d" % number)
    scenario.act(watch.flows[0].resume)
    assert len(scenario.datagram_servers[0].received()) == 256
    assert len(client.received()) == 256


def test_udp_15_flows_are_bounded(play, watch):
    scenario = play(max_udp_clients=2)
    for port in (1, 2, 3):
        scenario.datagram_client(("127.0.0.1", port)).sends(b"x")
    assert len(scenario.port.clients) == 2
    assert [flow.live for flow in watch.flows] == [False, True, True]


def test_what_is_kept_of_a_flow_is_bounded(play, watch):
    scenario = play(body_memory=100)
    client = scenario.datagram_client()
    for _ in range(10):
        client.sends(bytes(40))
    (flow,) = watch.flows
    assert len(flow.messages) == 2


def test_stopping(play, watch):
    scenario = play()
    client = scenario.datagram_client()
    client.sends(b"1")
    for talker in list(scenario.port.clients):
        scenario.act(talker.stop_if_idle)
    assert watch.hooks[-1] == "udp_end"
    client.sends(b"2")
    for talker in list(scenario.port.clients):
        scenario.act(talker.stop)
    assert watch.hooks[-1] == "udp_end"


def test_the_proxy_does_not_send_to_itself(play, watch):
    scenario = play()
    scenario.session.own_addresses.add(SERVER)
    scenario.datagram_client().sends(b"1")
    assert "would come back for ever" in watch.flows[0].error.msg


def test_messages_are_dropped_and_stay_in_the_record(play, watch):
    class Drop:
        def udp_message(self, flow):
            if flow.messages[-1].content == b"secret":
                flow.messages[-1].drop()

    scenario = play(Drop())
    client = scenario.datagram_client()
    for data in (b"one", b"secret", b"two"):
        client.sends(data)
    assert scenario.datagram_servers[0].received() == [b"one", b"two"]
    assert [message.dropped for message in watch.flows[0].messages] == [False, True, False]


def test_datagrams_are_injected_both_ways(play, watch):
    scenario = play()
    client = scenario.datagram_client()
    client.sends(b"one")
    (flow,) = watch.flows
    scenario.act(flow.inject, True, b"to the client")
    scenario.act(flow.inject, False, b"to the server")
    assert client.received() == [b"to the client"]
    assert scenario.datagram_servers[0].received() == [b"one", b"to the server"]
    assert [(message.from_client, message.injected) for message in flow.messages] == [
        (True, False),
        (False, True),
        (True, True),
    ]
    scenario.advance(100_000)
    with pytest.raises(ControlException, match="not live any more"):
        flow.inject(True, b"x")
