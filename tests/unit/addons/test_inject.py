import pytest

from midstream.addon import ControlException, TCPFlow, UDPFlow, UsageError
from midstream.flow import Client, Server


class Relay:
    def __init__(self):
        self.flow = TCPFlow(Client(), Server(), live=True)
        self.injected = []
        self.flow.on_inject = lambda *what: self.injected.append(what)


def test_bytes_are_injected(scenario):
    relay, commands = Relay(), scenario().commands
    commands.call("inject.tcp", relay.flow, True, b"hello")
    assert relay.injected == [(True, b"hello")]


def test_as_a_person_types_it(scenario):
    relay, commands = Relay(), scenario().commands
    commands.add("view.flows.resolve", resolving(relay.flow))
    commands.execute(r'inject.tcp @focus false "QUIT\r\n"')
    assert relay.injected == [(False, b"QUIT\r\n")]


def resolving(flow):
    def resolve(spec: str) -> list[TCPFlow]:
        return [flow]

    return resolve


def test_other_flows_are_refused(scenario, make_flow):
    with pytest.raises(UsageError, match="wants a TCP flow, got one of type http"):
        scenario().commands.call("inject.tcp", make_flow(), True, b"hello")


def test_a_flow_that_is_over_is_an_error_of_the_caller(scenario):
    with pytest.raises(ControlException, match="not live any more"):
        scenario().commands.call("inject.tcp", TCPFlow(Client(), Server()), True, b"hello")
    with pytest.raises(ControlException):
        scenario().commands.call("inject.tcp", TCPFlow(Client(), Server(), live=True), True, b"hello")


def test_websocket_messages_are_injected(scenario, make_flow):
    flow, injected, commands = make_flow(), [], scenario().commands
    flow.on_inject = lambda *what: injected.append(what)
    commands.call("inject.websocket", flow, True, b"hello")
    commands.call("inject.websocket", flow, False, b"\0", False)
    assert injected == [(True, b"hello", True), (False, b"\0", False)]
    with pytest.raises(UsageError, match="wants an HTTP flow, got one of type tcp"):
        commands.call("inject.websocket", Relay().flow, True, b"hello")


def test_datagrams_are_injected(scenario):
    flow, injected, commands = UDPFlow(Client(), Server(), live=True), [], scenario().commands
    flow.on_inject = lambda *what: injected.append(what)
    commands.call("inject.udp", flow, True, b"hello")
    assert injected == [(True, b"hello")]
    with pytest.raises(UsageError, match="wants a UDP flow, got one of type tcp"):
        commands.call("inject.udp", Relay().flow, True, b"hello")


def test_through_a_proxy(scenario):
    class Script:
        flow = None

        def tcp_start(self, flow):
            self.flow = flow

    script = Script()
    proxy = scenario("reverse:tcp://db:5432", addons=(script,))
    client = proxy.client()
    client.sends(b"x")
    proxy.act(proxy.commands.call, "inject.tcp", script.flow, True, b"hello")
    assert client.received() == b"hello"
