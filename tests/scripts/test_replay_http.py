"""Requests that are sent again: over which way, through which hooks, and who waits for whom."""

import pytest

from midstream.addon import Client, DNSFlow, Headers, HTTPFlow, Request, Response, Server, TCPFlow, UsageError
from midstream.addons import default_addons
from midstream.options import ModeSpec
from midstream.proxy.stepper import Signal
from midstream.testing import Http2Peer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
AGAIN = b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nagain"


def recorded(url="http://a.test/x", method="GET", content=b"", *, mode="regular", version=b"HTTP/1.1", headers=()):
    """Return a flow as if it had been recorded, though nothing has recorded it."""
    flow = HTTPFlow(Client(proxy_mode=ModeSpec.parse(mode)), Server())
    flow.request = Request.make(method, url, content, headers or Headers([(b"Host", b"a.test")]))
    flow.request.http_version = version
    if not content:
        flow.request.headers.pop("content-length", None)
    flow.response = Response.make(200, b"the recorded one")
    return flow


class Replaying:
    """A scenario with the commands."""

    def __init__(self, scenario):
        self.scenario = scenario

    def replay(self, *flows):
        self.scenario.act(self.scenario.commands.call, "replay.client", list(flows))

    @property
    def count(self):
        return self.scenario.commands.call("replay.client.count")

    def stop(self):
        self.scenario.act(self.scenario.commands.call, "replay.client.stop")

    @property
    def servers(self):
        return self.scenario.servers


@pytest.fixture
def replaying(play):
    made = []

    def make(mode="regular", *addons, **options):
        made.append(Replaying(play(mode, addons=[*default_addons(), *addons], **options)))
        return made[-1]

    yield make
    for again in made:
        again.stop()
        assert again.count == 0


# What becomes of the flow.


def test_what_came_through_the_proxy_is_sent_again(replaying, tape):
    again = replaying("regular", tape)
    client = again.scenario.client()
    request = b"POST http://a.test/x HTTP/1.1\r\nHost: a.test\r\nX-oDD: 1\r\nContent-Length: 2\r\n\r\nhi"
    client.sends(request)
    server = again.servers[0]
    first = server.received()
    server.sends(OK)
    flow, key = tape.flow, tape.flow.id
    again.replay(flow)
    assert server.received() == first, "over the connection that is still there"
    assert again.count == 1
    server.sends(AGAIN)
    assert (flow.response.status_code, flow.response.content) == (201, b"again")
    assert tape.hooks == ["requestheaders", "request", "responseheaders", "response"] * 2
    assert tape.flows == [flow]
    assert (flow.id, flow.is_replay, flow.live, again.count) == (key, "request", False, 0)
    assert flow.modified()
    flow.revert()
    assert (flow.response.status_code, flow.is_replay) == (200, None)


def test_ad_23_while_it_is_under_way(replaying, tape):
    again = replaying("regular", tape)
    flow = recorded()
    own = flow.client_conn
    again.replay(flow)
    assert (flow.live, flow.is_replay, flow.response) == (True, "request", None)
    assert flow.client_conn.connected
    assert flow.client_conn != own, "its connection is not the one that there was"
    assert own.timestamp_end is None
    again.servers[0].sends(OK)
    assert flow.client_conn.timestamp_end
    assert not flow.client_conn.connected
    assert flow.server_conn.address == ("a.test", 80)


def test_interfaces_are_told(replaying):
    class Shows:
        def __init__(self):
            self.states = []

        def update(self, flows):
            (flow,) = flows
            self.states.append((flow.live, flow.response is not None))

    shows = Shows()
    replaying("regular", shows).replay(recorded("http://b.test/"))
    assert shows.states[0] == (True, False)


def test_what_was_edited_is_sent(replaying):
    again, flow = replaying(), recorded()
    flow.request.url = "http://c.test:8000/other"
    flow.request.headers["X-New"] = "1"
    flow.request.text = "body"
    again.replay(flow)
    assert again.servers[0].address == ("c.test", 8000)
    assert again.servers[0].received() == (
        b"GET /other HTTP/1.1\r\nHost: c.test:8000\r\nX-New: 1\r\ncontent-length: 4\r\n\r\nbody"
    )


def test_hooks_may_edit_and_answer(replaying):
    class Edits:
        def request(self, flow):
            if flow.is_replay:
                flow.request.host = "d.test"

        def requestheaders(self, flow):
            if flow.request.path == "/answered":
                flow.response = Response.make(204)

    again, edited, answered = replaying("regular", Edits()), recorded(), recorded("http://a.test/answered")
    again.replay(edited)
    assert again.servers[0].address == ("d.test", 80)
    again.servers[0].sends(OK)
    again.replay(answered)
    assert answered.response.status_code == 204
    assert len(again.servers) == 1


def test_chunks_trailers_and_expectations(replaying):
    again = replaying()
    flow = recorded(
        method="POST",
        headers=Headers([(b"Host", b"a"), (b"Transfer-Encoding", b"chunked"), (b"Expect", b"100-continue")]),
    )
    flow.request.raw_content = b"body"
    flow.request.trailers = Headers([(b"x-sum", b"1")])
    again.replay(flow)
    sent = again.servers[0].received()
    assert sent.endswith(b"\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 1\r\n\r\n")
    assert b"Expect" not in sent
    again.servers[0].sends(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)
    assert [interim.status_code for interim in flow.informational] == [103]
    assert flow.response.status_code == 200


def test_a_response_that_streams(replaying):
    again, flow = replaying(stream_large_bodies="10"), recorded()
    again.replay(flow)
    again.servers[0].sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    assert flow.live
    again.servers[0].sends(b"8\r\n, world!\r\n0\r\n\r\n")
    assert flow.response.content == b"hello, world!"


def test_what_a_hook_had_streamed_is_whole_now(replaying):
    again, flow = replaying(), recorded(content=b"body", method="POST")
    flow.request.stream = lambda data: data.upper()
    again.replay(flow)
    assert again.servers[0].received().endswith(b"body")


@pytest.mark.parametrize("how", ["unreachable", "no answer", "nonsense"])
def test_failures(replaying, tape, how):
    again, flow = replaying("regular", tape), recorded()
    if how == "unreachable":
        again.scenario.unreachable["a.test", 80] = ConnectionRefusedError(111, "refused")
    again.replay(flow)
    if how == "no answer":
        again.servers[0].leaves()
    elif how == "nonsense":
        again.servers[0].sends(b"hello\r\n\r\n")
    assert flow.error
    assert (flow.response, flow.live, again.count) == (None, False, 0)
    assert tape.hooks[-1] == "error"


def test_the_proxy_does_not_replay_to_itself(replaying):
    again, flow = replaying(), recorded("http://127.0.0.1:8080/")
    again.replay(flow)
    assert "this proxy itself" in flow.error.msg


def test_a_killed_replay(replaying):
    again, flow = replaying(), recorded()
    again.replay(flow)
    again.scenario.act(flow.kill)
    assert (flow.error.msg, again.count) == ("Connection killed.", 0)
    assert again.servers[0].is_closed


def test_an_intercepted_replay(replaying):
    class Intercepts:
        def request(self, flow):
            flow.intercept()

    again, flow = replaying("regular", Intercepts()), recorded()
    again.replay(flow)
    assert again.servers == []
    again.scenario.act(flow.resume)
    again.servers[0].sends(OK)
    assert flow.response.status_code == 200


def test_a_switch_to_what_nobody_can_replay(replaying):
    again = replaying()
    flow = recorded(headers=Headers([(b"Host", b"a"), (b"Connection", b"upgrade"), (b"Upgrade", b"odd")]))
    again.replay(flow)
    assert b"Upgrade: odd" in again.servers[0].received()
    again.servers[0].sends(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: odd\r\n\r\n")
    assert (flow.response.status_code, flow.live, again.count) == (101, False, 0)
    assert again.servers[0].is_closed


# Ways.


def test_md_11_upstream_mode_and_clear_text(replaying):
    again, flow = replaying("upstream:http://parent.test:3128"), recorded()
    again.replay(flow)
    assert again.servers[0].address == ("parent.test", 3128)
    assert again.servers[0].received() == b"GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n"
    again.servers[0].sends(OK)
    assert flow.response.status_code == 200
    assert flow.server_conn.via == ("http", ("parent.test", 3128))


def test_md_11_upstream_mode_and_tls(replaying):
    again = replaying("upstream:http://parent.test:3128", upstream_auth="me:secret")
    again.replay(recorded("https://a.test/x"))
    sent = again.servers[0].received()
    assert sent.startswith(b"CONNECT a.test:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic " in sent


def test_a_socks_parent(replaying):
    again = replaying("upstream:socks5://parent.test")
    again.replay(recorded())
    assert again.servers[0].received() == b"\x05\x01\x00"


@pytest.mark.parametrize(
    ("modes", "own", "address"),
    [
        (["upstream:http://p.test", "regular@8081"], "regular@8081", "a.test"),
        (["upstream:http://p.test", "regular@8081"], "reverse:http://gone", "p.test"),
        (["regular", "upstream:http://p.test@8081"], "upstream:http://p.test@8081", "p.test"),
        (["regular", "upstream:http://p.test@8081"], "upstream:http://gone", "a.test"),
        (["reverse:http://other.test"], "reverse:http://other.test", "a.test"),
        (["socks5"], "socks5", "a.test"),
    ],
)
def test_which_mode_decides(replaying, modes, own, address):
    again = replaying(modes[0])
    again.scenario.options.update(mode=modes)
    again.replay(recorded(mode=own))
    assert again.servers[0].address[0] == address


def test_reverse_mode(replaying, tape):
    again = replaying("reverse:http://target.test:8000", tape)
    client = again.scenario.client()
    client.sends(b"GET /x HTTP/1.1\r\nHost: outside.test\r\n\r\n")
    server = again.servers[0]
    first = server.received()
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://target.test:8000/y\r\nContent-Length: 0\r\n\r\n"
    server.sends(moved)
    for flow in (tape.flow.copy(), tape.flow):
        again.replay(flow)
        assert server.received() == first
        server.sends(moved)
        assert flow.response.headers["location"] == "http://outside.test/y", "as the client had it"


def test_proxyauth_does_not_ask(replaying):
    again, flow = replaying("regular", proxyauth="me:secret"), recorded()
    again.replay(flow)
    again.servers[0].sends(OK)
    assert flow.response.status_code == 200


def test_h2_39_http2_over_http1(replaying):
    again = replaying()
    flow = recorded(
        version=b"HTTP/2.0", headers=Headers([(b":authority", b"b.test"), (b"cookie", b"a=1"), (b"cookie", b"b=2")])
    )
    again.replay(flow)
    assert again.servers[0].received() == b"GET /x HTTP/1.1\r\nHost: b.test\r\ncookie: a=1; b=2\r\n\r\n"


def test_h2_39_http1_without_host(replaying):
    again, flow = replaying(), recorded("http://a.test:81/x")
    del flow.request.headers["host"]
    again.replay(flow)
    assert again.servers[0].received() == b"GET /x HTTP/1.1\r\nHost: a.test:81\r\n\r\n"


def test_h2_39_http2_in_clear_text(replaying, tape):
    again = replaying("reverse:h2c://origin:80", tape)
    client = Http2Peer.client(again.scenario.client())
    client.asks("GET", "/x")
    server = Http2Peer.server(again.servers[0])
    (first,) = server.streams
    server.answers(first, 200, b"hello")
    again.replay(tape.flow)
    _, second = server.streams
    assert server.request(second).fields == server.request(first).fields
    server.answers(second, 201, b"again")
    assert tape.flow.response.status_code == 201
    assert tape.flow.server_stream_id == second
    assert again.count == 0


def test_http1_to_a_server_of_http2(replaying, tape):
    again = replaying("reverse:h2c://origin:80", tape)
    again.replay(recorded("http://origin:80/x", mode="reverse:h2c://origin:80"))
    server = Http2Peer.server(again.servers[0])
    (stream,) = server.streams
    assert server.request(stream).head.target == b"/x"
    server.answers(stream, 200, b"hello")
    assert tape.flow.response.content == b"hello"


# In line.


def test_one_after_the_other(replaying):
    again, flows = replaying(), [recorded(f"http://a.test/{number}") for number in range(3)]
    again.replay(*flows)
    server = again.servers[0]
    for number in range(3):
        assert again.count == 3 - number
        assert server.received().startswith(b"GET /%d " % number)
        server.sends(OK)
    assert [flow.response.content for flow in flows] == [b"ok"] * 3
    assert len(again.servers) == 1
    assert again.count == 0


@pytest.mark.parametrize(("concurrency", "at_once"), [(1, 1), (2, 2), (0, 5), (-1, 5)])
def test_so_many_at_a_time(replaying, concurrency, at_once):
    again = replaying(client_replay_concurrency=concurrency)
    again.replay(*(recorded() for _ in range(5)))
    assert len(again.servers) == at_once
    while again.count:
        again.servers[-1].sends(OK)
        again.servers[0].sends(OK)
        for server in again.servers:
            if server.received():
                server.sends(OK)


def test_st_22_a_silent_server_does_not_keep_the_others_waiting(replaying):
    again = replaying(client_replay_timeout=5)
    silent, other = recorded("http://silent.test/"), recorded()
    again.replay(silent, other)
    again.scenario.advance(4)
    assert len(again.servers) == 1
    again.scenario.advance(2)
    again.servers[1].sends(OK)
    assert other.response.status_code == 200
    assert again.count == 1, "the first one may still be answered"
    again.servers[0].sends(OK)
    assert silent.response.status_code == 200
    assert again.count == 0


def test_st_22_unless_they_want_to_wait(replaying):
    again = replaying(client_replay_timeout=0, first_byte_timeout=100)
    again.replay(recorded("http://silent.test/"), recorded())
    again.scenario.advance(99)
    assert len(again.servers) == 1
    again.scenario.advance(2)
    again.servers[1].sends(OK)
    assert again.count == 0


def test_one_that_is_killed_late(replaying):
    again, flow = replaying(client_replay_timeout=5), recorded()
    again.replay(flow)
    again.scenario.advance(6)
    again.scenario.act(flow.kill)
    assert again.count == 0


def test_st_22_stop(replaying):
    again, under_way, in_line = replaying(), recorded(), recorded()
    again.replay(under_way, in_line)
    again.stop()
    assert again.count == 0
    assert under_way.error
    assert (in_line.response.content, in_line.is_replay) == (b"the recorded one", None), "it was not touched"
    under_way.revert()
    assert under_way.error is None
    again.replay(in_line)
    again.servers[-1].sends(OK)
    assert in_line.response.content == b"ok"
    again.stop()


def test_st_22_stop_from_within_a_hook(replaying):
    class Stops:
        def requestheaders(self, flow):
            scenario.commands.call("replay.client.stop")

    again = replaying("regular", Stops())
    scenario = again.scenario
    flows = [recorded(), recorded()]
    again.replay(*flows)
    assert again.count == 0
    assert [flow.error is not None for flow in flows] == [True, False]
    assert again.servers == []


def test_stop_while_a_hook_thinks(replaying):
    class Thinks:
        gate = Signal()

        async def request(self, flow):
            await self.gate

    again, flow = replaying("regular", Thinks()), recorded()
    again.replay(flow)
    again.stop()
    again.stop()
    again.replay(recorded(), recorded())
    again.scenario.act(Thinks.gate.set, None)
    assert flow.error
    for _ in range(2):
        again.servers[0].sends(OK)
    assert again.count == 0


def test_from_within_hooks(replaying):
    class Repeats:
        copies = ()

        def response(self, flow):
            if flow.is_replay:
                return
            with pytest.raises(UsageError, match="under way; replay a copy"):
                scenario.commands.call("replay.client", [flow])
            self.copies += (flow.copy(),)
            scenario.commands.call("replay.client", self.copies)

    repeats = Repeats()
    again = replaying("regular", repeats)
    scenario = again.scenario
    client = scenario.client()
    client.sends(b"GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n")
    again.servers[0].sends(OK)
    assert client.received() == OK
    again.servers[0].sends(AGAIN)
    (copy,) = repeats.copies
    assert copy.response.status_code == 201
    assert copy.id


def test_connections_of_a_client_alone(replaying):
    class Steers:
        def server_connect(self, data):
            pass

    again = replaying("regular", Steers())
    again.replay(recorded())
    again.servers[0].sends(OK)
    assert again.servers[0].is_closed, "nobody else may use it"


# What is refused.


def live():
    flow = recorded()
    flow.live = True
    return flow


def intercepted():
    flow = recorded()
    flow.intercepted = True
    return flow


def without_body():
    flow = recorded()
    flow.request.raw_content = None
    return flow


def cut_off():
    flow = recorded(method="POST", content=b"the first ha")
    flow.request.timestamp_end = None
    return flow


def nowhere():
    flow = recorded()
    flow.request = Request("", 0, b"GET", b"", b"", b"/", b"HTTP/1.1", (), b"")
    return flow


@pytest.mark.parametrize(
    ("flow", "why"),
    [
        (live(), "it is under way; replay a copy"),
        (intercepted(), "it is intercepted; resume it"),
        (without_body(), "the body of its request was not kept"),
        (cut_off(), "has not come as a whole"),
        (cut_off().copy(), "has not come as a whole"),
        (nowhere(), "does not say where to"),
        (HTTPFlow(Client(), Server()), "does not say where to"),
        (recorded(method="CONNECT"), "replay what went through it"),
        (TCPFlow(Client(), Server()), "a flow of type tcp"),
        (DNSFlow(Client(), Server()), "a flow of type dns"),
    ],
)
def test_refused(replaying, flow, why, caplog):
    again = replaying()
    with pytest.raises(UsageError, match=why):
        again.replay(flow)
    assert again.count == 0
    good = recorded()
    again.replay(flow, good)
    assert why in caplog.text
    again.servers[0].sends(OK)
    assert good.response.content == b"ok", "those that can be replayed are"


def test_the_same_twice(replaying):
    again, first, second = replaying(), recorded(), recorded()
    again.replay(first, second)
    with pytest.raises(UsageError, match="in line already"):
        again.replay(second)
    with pytest.raises(UsageError, match="under way"):
        again.replay(first)
    again.stop()


def test_what_has_changed_since_it_stood_in_line(replaying, caplog):
    again, first, second = replaying(), recorded(), recorded()
    again.replay(first, second)
    second.request.raw_content = None
    again.servers[0].sends(OK)
    assert "any more: the body of its request was not kept" in caplog.text
    assert second.response.content == b"the recorded one"
    assert again.count == 0


def test_nothing_at_all(replaying):
    again = replaying()
    again.replay()
    assert again.count == 0
