"""How WebSocket connections open: what is offered and agreed on either side, and what happens to openings that fail."""

import pytest

from midstream.flow import Response
from midstream.proxy.stepper import Signal
from midstream.testing.websocket import WebSocketPeer, consent, opening
from midstream.wire.ws.negotiate import FIELD, Compression

DEFLATE = b"permessage-deflate"
REPETITIVE = "so compressible, " * 100


def offer(value):
    return (FIELD, value)


@pytest.fixture
def asked(play):
    """A client that has asked, and the server that was asked."""

    def ask(*addons, offered=b"", fields=(), **options):
        scenario = play(addons=addons, **options)
        client = scenario.client()
        client.sends(opening(*([offer(offered)] if offered else []), *fields))
        return scenario, client

    return ask


def test_ws_12_nothing_is_answered_before_the_server_has(asked):
    scenario, client = asked()
    (server,) = scenario.servers
    assert server.received() == opening(target="/chat")
    assert client.received() == b""
    server.sends(consent())
    assert client.received() == consent()


def test_ws_13_frames_right_behind_the_101(asked):
    scenario, client = asked()
    scenario.servers[0].sends(consent() + b"\x81\x02hi" + b"\x82\x01")
    assert client.received() == consent() + b"\x81\x02hi"
    scenario.servers[0].sends(b"x")
    assert client.received() == b"\x82\x01x"


def test_ws_13_split_at_every_byte(asked):
    wire = consent() + b"\x81\x02hi\x88\x00"
    for cut in range(1, len(wire)):
        scenario, client = asked()
        scenario.servers[0].sends(wire[:cut])
        scenario.servers[0].sends(wire[cut:])
        assert client.received() == wire, cut


def test_ws_13_frames_of_a_client_that_does_not_wait(play):
    scenario = play()
    client = scenario.client()
    client.sends(opening())
    scenario.servers[0].received()
    early = WebSocketPeer.client(client)
    early.says("early")
    server = WebSocketPeer.server(scenario.servers[0])
    assert server.heard() == []
    scenario.servers[0].sends(consent())
    assert server.heard() == ["early"]


@pytest.mark.parametrize("leaves", [False, True])
def test_ws_13_what_comes_while_the_start_is_told(play, leaves):
    class Thinks:
        async def websocket_start(self, flow):
            self.flow = flow
            await gate

    gate = Signal()
    scenario = play(addons=[Thinks()])
    client = scenario.client()
    client.sends(opening())
    server = scenario.servers[0]
    server.received()
    server.sends(consent() + b"\x81\x01a")
    server.sends(b"\x81\x01b\x81\x01c")
    if leaves:
        server.leaves()
    assert client.received() == consent()
    gate.set(None)
    assert client.received() == b"\x81\x01a\x81\x01b\x81\x01c"
    assert client.is_closed is leaves


# Compression (WS-01) and other extensions (WS-02).

AGREEMENTS = [
    DEFLATE,
    DEFLATE + b"; server_no_context_takeover",
    DEFLATE + b"; client_no_context_takeover",
    DEFLATE + b"; server_no_context_takeover; client_no_context_takeover",
    DEFLATE + b"; server_max_window_bits=9",
    DEFLATE + b"; client_max_window_bits=9",
    DEFLATE + b"; client_max_window_bits=15; server_max_window_bits=12; server_no_context_takeover",
]


@pytest.mark.parametrize("agreed_on", AGREEMENTS)
def test_ws_01_whatever_was_agreed_on(chat, agreed_on):
    talk = chat(offered=DEFLATE + b"; client_max_window_bits", agreed_on=agreed_on)
    for _ in range(3):
        talk.client.says(REPETITIVE)
        talk.server.says(REPETITIVE.encode())
        assert talk.server.heard() == [REPETITIVE]
        assert talk.client.heard() == [REPETITIVE.encode()]
    assert talk.server.messages[0].is_compressed


def test_ws_01_a_hook_may_agree_on_less_with_the_client(asked):
    class Plain:
        def responseheaders(self, flow):
            del flow.response.headers["Sec-WebSocket-Extensions"]

    scenario, client = asked(Plain(), offered=DEFLATE)
    scenario.servers[0].received()
    scenario.servers[0].sends(consent(offer(DEFLATE)))
    assert client.received() == consent()
    plain, packed = WebSocketPeer.client(client), WebSocketPeer.server(scenario.servers[0], Compression())
    packed.says(REPETITIVE)
    plain.says(REPETITIVE)
    assert plain.heard() == packed.heard() == [REPETITIVE]
    assert not plain.messages[0].is_compressed
    assert not packed.messages[0].is_compressed, "what came plain goes on plain"


def test_ws_01_a_hook_may_not_agree_on_what_was_not_offered(asked):
    class Generous:
        def responseheaders(self, flow):
            flow.response.headers["Sec-WebSocket-Extensions"] = "permessage-deflate"

    scenario, client = asked(Generous())
    scenario.servers[0].sends(consent())
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert scenario.servers[0].is_closed


def test_ws_01_a_hook_may_offer_nothing(asked):
    class Plain:
        def requestheaders(self, flow):
            del flow.request.headers["Sec-WebSocket-Extensions"]

    scenario, _ = asked(Plain(), offered=DEFLATE)
    assert b"permessage" not in scenario.servers[0].received()


@pytest.mark.parametrize(
    ("offered", "passed"),
    [
        (b"x-new", b""),
        (b"x-new, " + DEFLATE, DEFLATE),
        (DEFLATE + b"; x=1, " + DEFLATE + b"; client_max_window_bits", DEFLATE + b"; client_max_window_bits"),
    ],
)
def test_ws_02_extensions_that_nobody_here_knows_are_not_offered(asked, offered, passed):
    scenario, _ = asked(offered=offered)
    expected = opening(*([offer(passed)] if passed else []), target="/chat")
    assert scenario.servers[0].received() == expected


def test_ws_02_a_server_that_agrees_to_an_unknown_extension(asked):
    scenario, client = asked(offered=b"x-new")
    scenario.servers[0].sends(consent(offer(b"x-new")))
    assert client.received().startswith(b"HTTP/1.1 502 ")


# Refusals (WS-11).


def test_ws_11_a_refusal_is_plain_http(asked, tape):
    scenario, client = asked(tape)
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
    scenario.servers[0].sends(refusal)
    assert client.received() == refusal
    assert tape.flow.websocket is None
    client.sends(opening())
    assert not client.is_closed
    assert tape.hooks.count("request") == 2


@pytest.mark.parametrize(
    "answer",
    [
        consent(key=b"c" * 24),
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        consent((b"Sec-WebSocket-Protocol", b"chat")),
        consent(offer(DEFLATE)),
        consent(offer(b"=")),
    ],
)
def test_ws_11_answers_that_do_not_fit(asked, tape, answer):
    scenario, client = asked(tape)
    scenario.servers[0].sends(answer)
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert scenario.servers[0].is_closed
    assert (tape.hooks[-1], tape.hooks.count("response")) == ("error", 0)
    assert tape.flow.websocket is None


def test_ws_11_subprotocols_travel_as_they_are(asked):
    scenario, client = asked(fields=[(b"Sec-WebSocket-Protocol", b"one, two")])
    assert b"Sec-WebSocket-Protocol: one, two\r\n" in scenario.servers[0].received()
    scenario.servers[0].sends(consent((b"Sec-WebSocket-Protocol", b"two")))
    assert client.received() == consent((b"Sec-WebSocket-Protocol", b"two"))


def test_ws_11_a_hook_that_refuses_after_the_server_has_agreed(asked, tape):
    class Refuses:
        def response(self, flow):
            flow.response = Response.make(403, b"not here")

    scenario, client = asked(tape, Refuses())
    scenario.servers[0].sends(consent())
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert answer.endswith(b"not here")
    assert scenario.servers[0].is_closed
    assert tape.flow.websocket is None
    client.sends(opening())
    assert len(scenario.servers) == 2


def test_ws_11_an_opening_that_is_none_is_the_servers_to_judge(asked):
    scenario, client = asked(fields=[(b"Sec-WebSocket-Key", b"second")])
    assert b"second" in scenario.servers[0].received()
    scenario.servers[0].sends(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 400 ")


def test_ws_11_strict_refuses_an_opening_that_is_none(asked):
    scenario, client = asked(fields=[(b"Sec-WebSocket-Key", b"second")], profile="strict")
    assert client.received().startswith(b"HTTP/1.1 400 ")
    assert not any(server.received() for server in scenario.servers)


def test_a_hook_that_kills_the_opening(asked):
    class Kills:
        def response(self, flow):
            flow.kill()

    scenario, client = asked(Kills())
    scenario.servers[0].sends(consent())
    assert client.received() == b""
    assert client.is_closed
    assert scenario.servers[0].is_closed


def test_an_addon_can_play_the_server_only_in_http(asked):
    class Answers:
        def request(self, flow):
            flow.response = Response.make(426, b"no")

    scenario, client = asked(Answers())
    assert client.received().startswith(b"HTTP/1.1 426 ")
    assert scenario.servers == []


# Without.


def test_websocket_false_relays_raw_tcp(chat, tape):
    class Tcp:
        def __init__(self):
            self.hooks = []

        def tcp_start(self, flow):
            self.hooks.append("tcp_start")

        def tcp_end(self, flow):
            self.hooks.append("tcp_end")

    tcp = Tcp()
    talk = chat(tcp, tape, websocket=False)
    talk.client.peer.sends(b"these are no frames")
    assert talk.server.peer.received() == b"these are no frames"
    assert tape.flow.websocket is None
    assert not tape.flow.live
    talk.client.peer.ends()
    talk.server.peer.ends()
    assert tcp.hooks == ["tcp_start", "tcp_end"]
    assert talk.watch.hooks == []


def test_open_connections_keep_their_options(chat):
    talk = chat(websocket_ping="answer")
    talk.scenario.options.update(websocket=False)
    talk.client.says("still read")
    assert talk.server.heard() == ["still read"]
    assert [message.text for message in talk.flow.websocket.messages] == ["still read"]
