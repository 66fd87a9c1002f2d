"""CONNECT: the tunnel and what goes on inside it, refusals by servers, parents and addons."""

import pytest

from midstream.flow import Response
from midstream.proxy.stepper import Signal

CONNECT = b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"
GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def in_hook(hook, act):
    return type("On" + hook, (), {hook: lambda self, flow: act(flow)})()


def test_http_inside_a_tunnel(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(CONNECT)
    assert client.received() == ESTABLISHED
    (server,) = scenario.servers
    assert server.address == ("a", 80)
    for _ in range(2):
        client.sends(GET)
        assert server.received() == GET
        server.sends(OK)
        assert client.received() == OK
    assert scenario.servers == [server]
    assert tape.hooks[:2] == ["http_connect", "http_connected"]
    assert tape.hooks[2:] == ["requestheaders", "request", "responseheaders", "response"] * 2
    connect, inner, _ = tape.flows
    assert connect.request.method == "CONNECT"
    assert connect.request.pretty_url == "a:80"
    assert connect.response.status_code == 200
    assert not connect.live
    assert inner.request.pretty_url == "http://a/x"


def test_the_other_name_inside_a_tunnel_does_not_move_the_request(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(CONNECT)
    client.received()
    client.sends(b"GET /x HTTP/1.1\r\nHost: evil\r\n\r\n")
    (server,) = scenario.servers
    assert server.address == ("a", 80)
    assert server.received() == b"GET /x HTTP/1.1\r\nHost: evil\r\n\r\n"
    assert tape.flow.request.host == "a"


@pytest.mark.parametrize("extra", [b"", b"\r\n"])
@pytest.mark.parametrize("piece", [0, 1])
def test_h1_23_h1_24_bytes_behind_the_head_are_the_tunnels(play, tape, extra, piece):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(CONNECT + extra + GET, piece=piece)
    assert client.received() == ESTABLISHED
    (server,) = scenario.servers
    assert server.received() == GET
    server.sends(OK)
    assert client.received() == OK


def test_h1_24_bytes_that_come_before_the_answer_are_kept(play, slow_network):
    scenario = play()
    network = slow_network(scenario)
    client = scenario.client()
    client.sends(CONNECT)
    client.sends(GET)
    assert client.received() == b""
    network.gates[0].set(None)
    scenario.settle()
    assert client.received() == ESTABLISHED
    assert scenario.servers[0].received() == GET


def test_a_client_that_leaves_while_its_tunnel_is_made(play, tape, slow_network):
    scenario = play(addons=[tape])
    slow_network(scenario)
    client = scenario.client()
    client.sends(CONNECT)
    client.leaves()
    assert scenario.connections == 0
    assert "http_connected" not in tape.hooks


def test_a_client_that_leaves_its_tunnel(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(CONNECT)
    client.leaves()
    assert scenario.servers[0].is_closed
    assert scenario.connections == 0


def test_h1_26_an_unreachable_server(play, tape):
    scenario = play(addons=[tape])
    scenario.unreachable["a", 80] = ConnectionRefusedError(111, "Connection refused")
    client = scenario.client()
    client.sends(CONNECT)
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert client.was_told_the_end
    assert tape.hooks == ["http_connect", "http_connect_error", "error"]
    assert "refused" in tape.flow.error.msg.lower()


def test_h1_26_a_refusal_made_by_an_addon(play, tape):
    def refuse(flow):
        flow.response = Response.make(403, b"not there", {"X": "1"})

    scenario = play(addons=[in_hook("http_connect", refuse), tape])
    client = scenario.client()
    client.sends(CONNECT)
    received = client.received()
    assert received.startswith(b"HTTP/1.1 403 Forbidden\r\nX: 1\r\n")
    assert received.endswith(b"\r\n\r\nnot there")
    assert scenario.servers == []
    assert "http_connected" not in tape.hooks
    assert "http_connect_error" in tape.hooks
    assert not client.is_closed
    client.sends(GET.replace(b"/x", b"http://a/x"))
    assert scenario.servers[0].received() == GET


def test_a_success_made_by_an_addon_keeps_its_fields(play, tape):
    def accept(flow):
        flow.response = Response(b"HTTP/1.1", 200, b"Fine", [(b"X", b"1"), (b"Content-Length", b"5")], b"")

    scenario = play(addons=[in_hook("http_connect", accept), tape])
    client = scenario.client()
    client.sends(CONNECT)
    assert client.received() == b"HTTP/1.1 200 Fine\r\nX: 1\r\n\r\n"
    client.sends(GET)
    assert scenario.servers[0].received() == GET


def test_an_addon_may_lead_a_tunnel_elsewhere(play, tape):
    def move(flow):
        flow.request.host = "b"
        flow.request.port = 81

    scenario = play(addons=[in_hook("http_connect", move), tape])
    client = scenario.client()
    client.sends(CONNECT)
    assert client.received() == ESTABLISHED
    assert scenario.servers[0].address == ("b", 81)


@pytest.mark.parametrize("hook", ["http_connect", "http_connected"])
def test_ad_17_a_tunnel_killed_in_a_hook(play, tape, hook):
    scenario = play(addons=[tape, in_hook(hook, lambda flow: flow.kill())])
    client = scenario.client()
    client.sends(CONNECT)
    assert client.received() == b""
    assert client.is_closed
    assert all(server.is_closed for server in scenario.servers)
    assert tape.hooks[-1] == "error"


def test_a_tunnel_that_is_intercepted(play, tape):
    scenario = play(addons=[tape, in_hook("http_connect", lambda flow: flow.intercept())])
    client = scenario.client()
    client.sends(CONNECT)
    assert client.received() == b""
    tape.flow.resume()
    scenario.settle()
    assert client.received() == ESTABLISHED


def test_an_addon_that_thinks_about_a_tunnel(play):
    gate = Signal()

    class Thinks:
        async def http_connect(self, flow):
            await gate

    scenario = play(addons=[Thinks()])
    client = scenario.client()
    client.sends(CONNECT)
    assert client.received() == b""
    gate.set(None)
    scenario.settle()
    assert client.received() == ESTABLISHED


@pytest.mark.parametrize("target", [b"a", b"a:", b"a:x", b"/x", b"http://a/", b":80", b"a:80/x", b"[::1:80"])
def test_connect_with_a_target_that_is_none(play, tape, target):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(b"CONNECT " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 400 ")
    assert scenario.dialled == []
    assert tape.hooks == ["error"]


def test_connect_in_http_1_0(play):
    scenario = play()
    client = scenario.client()
    client.sends(b"CONNECT a:80 HTTP/1.0\r\n\r\n")
    assert client.received().endswith(b" 200 Connection established\r\n\r\n")
    client.sends(GET)
    assert scenario.servers[0].received() == GET


def test_h1_25_an_ipv6_server(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(b"CONNECT [2001:db8::1]:80 HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n")
    assert client.received() == ESTABLISHED
    assert scenario.servers[0].address == ("2001:db8::1", 80)


def test_connect_with_a_body_is_refused(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\n\r\nhello")
    assert client.received().startswith(b"HTTP/1.1 400 ")
    assert scenario.dialled == []


def test_a_request_before_connect_on_the_same_connection(play):
    scenario = play()
    client = scenario.client()
    client.sends(GET.replace(b"/x", b"http://b/x"))
    scenario.servers[0].sends(OK)
    assert client.received() == OK
    client.sends(CONNECT)
    assert client.received() == ESTABLISHED
    client.sends(GET)
    assert scenario.servers[1].address == ("a", 80)
    assert scenario.servers[1].received() == GET


# Parents.


@pytest.mark.parametrize("target", [b"a:80", b"[2001:db8::1]:80"])
def test_h1_25_connect_to_a_parent_names_the_host(play, tape, target):
    scenario = play("upstream:http://parent:3128", addons=[tape])
    client = scenario.client()
    client.sends(b"CONNECT " + target + b" HTTP/1.1\r\nHost: " + target + b"\r\n\r\n")
    (parent,) = scenario.servers
    assert parent.address == ("parent", 3128)
    assert parent.received() == b"CONNECT " + target + b" HTTP/1.1\r\nHost: " + target + b"\r\n\r\n"
    assert client.received() == b""
    parent.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
    assert client.received() == ESTABLISHED, "H1-26: lengths mean nothing in a 2xx to CONNECT"
    client.sends(GET)
    assert parent.received() == GET
    parent.sends(OK)
    assert client.received() == OK


def test_h1_26_md_12_a_refusal_of_the_parent_is_passed_on_with_its_body(play, tape):
    scenario = play("upstream:http://parent:3128", addons=[tape])
    client = scenario.client()
    client.sends(CONNECT)
    (parent,) = scenario.servers
    parent.sends(b"HTTP/1.1 403 No Way\r\nX: 1\r\nContent-Length: 5\r\n\r\nnever")
    received = client.received()
    assert received.startswith(b"HTTP/1.1 403 No Way\r\nX: 1\r\n")
    assert received.endswith(b"\r\n\r\nnever")
    assert tape.hooks[:2] == ["http_connect", "http_connect_error"]
    assert tape.flow.response.status_code == 403
    assert tape.flow.response.content == b"never"
    assert tape.flow.error is not None
    assert tape.flow.request.pretty_url == "a:80"
    assert parent.is_closed


def test_h1_26_a_parent_that_says_nothing_sensible(play, tape):
    scenario = play("upstream:http://parent:3128", addons=[tape])
    client = scenario.client()
    client.sends(CONNECT)
    scenario.servers[0].sends(b"what?\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert "http_connect_error" in tape.hooks


def test_h1_26_a_parent_that_hangs_up(play, tape):
    scenario = play("upstream:http://parent:3128", addons=[tape])
    client = scenario.client()
    client.sends(CONNECT)
    scenario.servers[0].leaves()
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert "http_connect_error" in tape.hooks


def test_a_parent_that_says_nothing_at_all(play, tape):
    scenario = play("upstream:http://parent:3128", addons=[tape], connect_timeout=10)
    client = scenario.client()
    client.sends(CONNECT)
    scenario.advance(11)
    assert client.received()[:12] in {b"HTTP/1.1 504", b"HTTP/1.1 502"}
    assert scenario.servers[0].is_closed
