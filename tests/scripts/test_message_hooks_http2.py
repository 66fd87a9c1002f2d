"""Hooks of messages inside bodies over HTTP/2, where gRPC lives: the same hooks, and windows that open again."""

import pytest

from midstream.addon import observe
from midstream.testing import Scenario
from midstream.testing.http2 import Http2Peer
from midstream.wire.events import END, Data, Reset, Trailers

GRPC = [(b"content-type", b"application/grpc"), (b"te", b"trailers")]
SUCCESS = Trailers([(b"grpc-status", b"0")])


def message(content):
    return b"\0" + len(content).to_bytes(4, "big") + content


class Doubles:
    """Doubles each message."""

    def __init__(self):
        self.flow = None

    def grpc_message(self, flow):
        self.flow = flow
        flow.grpc_messages[-1].content *= 2


class Looks:
    def __init__(self):
        self.seen = []

    @observe
    def grpc_message(self, flow):
        self.seen.append(len(flow.grpc_messages[-1].content))


@pytest.fixture
def call():
    """Begin a call through a proxy with some addons: the scenario, client, server and both stream numbers."""

    def begin(*addons, **options):
        scenario = Scenario("reverse:h2c://origin:80", addons=addons, **options)
        client = Http2Peer.client(scenario.client())
        asked = client.asks("POST", "/pkg.Service/Method", None, fields=GRPC)
        server = Http2Peer.server(scenario.servers[0])
        (given,) = server.streams
        return client, asked, server, given

    return begin


def test_a_call_in_both_directions(call):
    doubles = Doubles()
    client, asked, server, given = call(doubles)
    client.says(asked, Data(message(b"a")))
    assert server.request(given).body == message(b"aa")
    server.answers(given, 200, None, fields=GRPC[:1])
    server.says(given, Data(message(b"b")))
    assert client.response(asked).body == message(b"bb")
    client.says(asked, Data(message(b"c")), END)
    assert server.request(given).body == message(b"aa") + message(b"cc")
    assert server.request(given).is_whole
    server.says(given, SUCCESS, END)
    assert client.response(asked).trailers == SUCCESS.headers
    flow = doubles.flow
    assert [(seen.from_client, seen.content) for seen in flow.grpc_messages] == [
        (True, b"aa"),
        (False, b"bb"),
        (True, b"cc"),
    ]
    assert (flow.grpc.service, flow.grpc.status_name) == ("pkg.Service", "OK")
    assert flow.annotations == []


def test_a_response_that_is_only_trailers(call):
    doubles = Doubles()
    client, asked, server, given = call(doubles)
    client.says(asked, Data(message(b"a")), END)
    server.answers(given, 200, b"", fields=[*GRPC[:1], (b"grpc-status", b"12")])
    assert client.response(asked).is_whole
    assert (doubles.flow.grpc.status, doubles.flow.grpc.status_name) == (12, "UNIMPLEMENTED")


def test_messages_larger_than_the_window_pass(call):
    looks = Looks()
    client, asked, server, given = call(looks)
    large = message(b"x" * 1_000_000)
    client.says(asked, Data(large))
    for _ in range(40):
        server.hear()
        client.hear()
    assert server.request(given).body == large
    assert looks.seen == [1_000_000]


def test_a_call_that_is_killed_is_reset(call):
    class Kills:
        def grpc_message(self, flow):
            flow.kill()

    client, asked, server, given = call(Kills())
    client.says(asked, Data(message(b"a")))
    assert isinstance(client.response(asked).last, Reset)
    assert isinstance(server.request(given).last, Reset)


def test_events_come_one_by_one():
    class Numbers:
        def sse_event(self, flow):
            flow.sse_events[-1].id = str(len(flow.sse_events))

    scenario = Scenario("reverse:h2c://origin:80", addons=[Numbers()])
    client = Http2Peer.client(scenario.client())
    asked = client.asks("GET")
    server = Http2Peer.server(scenario.servers[0])
    (given,) = server.streams
    server.answers(given, 200, None, fields=[(b"content-type", b"text/event-stream")])
    server.says(given, Data(b"data: a\n\ndata"))
    assert client.response(asked).body == b"id: 1\ndata: a\n\n"
    server.says(given, Data(b": b\n\n"), END)
    assert client.response(asked).body == b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n"
    assert client.response(asked).is_whole
