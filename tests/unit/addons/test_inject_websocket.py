import pytest

from midstream.addon import ControlException, HTTPFlow, TCPFlow, UsageError
from midstream.flow import Client, Server
from midstream.testing.websocket import open_websocket


class Script:
    flow = None

    def websocket_start(self, flow):
        self.flow = flow


def test_websocket_messages_are_injected(scenario):
    script = Script()
    proxy = scenario(addons=(script,))
    client, server = open_websocket(proxy)
    proxy.act(proxy.commands.call, "inject.websocket", script.flow, True, b"hello")
    proxy.act(proxy.commands.call, "inject.websocket", script.flow, False, b"\x00\xff", False)
    assert client.heard() == ["hello"]
    assert server.heard() == [b"\x00\xff"]
    assert [message.injected for message in script.flow.websocket.messages] == [True, True]


def test_as_a_person_types_it(scenario):
    def resolve(spec: str) -> list[HTTPFlow]:
        return [script.flow]

    script = Script()
    proxy = scenario(addons=(script,))
    proxy.commands.add("view.flows.resolve", resolve)
    client, server = open_websocket(proxy)
    proxy.act(proxy.commands.execute, 'inject.websocket @focus true "hello there"')
    proxy.act(proxy.commands.execute, "inject.websocket @focus false hello false")
    assert client.heard() == ["hello there"]
    assert server.heard() == [b"hello"]


def test_other_flows_are_refused_by_inject_websocket(scenario, make_flow):
    commands = scenario().commands
    with pytest.raises(UsageError, match="wants an HTTP flow, got one of type tcp"):
        commands.call("inject.websocket", TCPFlow(Client(), Server(), live=True), True, b"hello")
    with pytest.raises(ControlException, match="no open WebSocket connection"):
        commands.call("inject.websocket", make_flow(), True, b"hello")
