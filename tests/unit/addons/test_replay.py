import pytest

from midstream.addon import UsageError


def resolving(*flows):
    def resolve(spec: str) -> list[type(flows[0])]:
        return list(flows)

    return resolve


def finished(make_flow, *args, **kwargs):
    flow = make_flow(*args, **kwargs)
    flow.live = False
    return flow


def test_as_a_person_types_it(scenario, make_flow):
    proxy, flow = scenario(), finished(make_flow, "http://a.test/x")
    proxy.commands.add("view.flows.resolve", resolving(flow))
    proxy.act(proxy.commands.execute, "replay.client @focus")
    assert proxy.commands.execute("replay.client.count") == 1
    (server,) = proxy.servers
    assert server.received().startswith(b"GET /x HTTP/1.1\r\n")
    proxy.act(proxy.commands.execute, "replay.client.stop")
    assert proxy.commands.execute("replay.client.count") == 0
    assert server.is_closed


def test_what_cannot_be_replayed_is_an_error_of_the_caller(scenario, make_flow):
    with pytest.raises(UsageError, match="under way"):
        scenario().commands.call("replay.client", [make_flow()])


def test_how_they_are_shown(scenario):
    shown = {name: str(found) for name, found in scenario().commands.commands.items() if name.startswith("replay.")}
    assert shown == {
        "replay.client": "replay.client flows:flow[]",
        "replay.client.count": "replay.client.count -> int",
        "replay.client.stop": "replay.client.stop",
    }
