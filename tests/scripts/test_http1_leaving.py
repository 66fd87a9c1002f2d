"""Clients and servers that leave, or fall silent, at every stage; the inspection at the end of each test finds leaks."""

import pytest

from midstream.proxy.stepper import Signal
from scriptkit.wants import Wants

GET = b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Waits:
    """Waits in one hook until the test lets it go."""

    def __init__(self, hook):
        self.gate = Signal()
        setattr(self, hook, self._wait)

    async def _wait(self, flow):
        await self.gate


# The client leaves.


def test_while_sending_its_first_head(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET[:20])
    client.leaves()
    assert scenario.connections == 0
    assert tape.hooks == []


def test_between_requests(play):
    scenario = play()
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(OK)
    client.leaves()
    assert scenario.connections == 0
    assert len(scenario.pool) == 1, "the server's connection serves others"


@pytest.mark.parametrize("addons", [(), (Wants(),)])
@pytest.mark.parametrize("how", ["leaves", "ends"])
def test_h1_16_while_sending_its_body(play, tape, addons, how):
    scenario = play(addons=[tape, *addons])
    client = scenario.client()
    client.sends(POST)
    getattr(client, how)()
    assert all(server.is_closed for server in scenario.servers)
    assert tape.hooks[-1] == "error"
    assert tape.flow.error is not None
    assert not tape.flow.live
    if how == "ends":
        assert client.received().startswith(b"HTTP/1.1 400 ")
    assert scenario.connections == 0


def test_while_its_server_is_being_connected(play, tape, slow_network):
    scenario = play(addons=[tape])
    network = slow_network(scenario)
    client = scenario.client()
    client.sends(GET)
    client.leaves()
    assert scenario.connections == 0
    assert tape.hooks == ["requestheaders", "request", "error"]
    assert len(network.gates) == 1


def test_while_waiting_for_the_response(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    client.leaves()
    (server,) = scenario.servers
    assert server.is_closed, "H1-45: nobody wants the answer any more"
    assert len(scenario.pool) == 0
    assert tape.hooks == ["requestheaders", "request", "error"]
    assert tape.flow.error.msg == "the client disconnected"


@pytest.mark.parametrize("addons", [(), (Wants(),)])
def test_h1_45_in_the_middle_of_the_response(play, tape, addons):
    scenario = play(addons=[tape, *addons])
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(OK[:-1])
    client.leaves()
    assert server.is_closed
    assert tape.hooks[-1] == "error"
    assert tape.flow.response is not None


def test_h1_45_while_the_server_waits_for_it_to_read(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.transport.reads_slowly = True
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n")
    while server.may_send:
        server.sends(b"x" * 100_000)
    client.leaves()
    assert server.is_closed


def test_while_its_server_does_not_read(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(POST.replace(b"6", b"9000000"))
    (server,) = scenario.servers
    server.transport.reads_slowly = True
    while client.may_send:
        client.sends(b"x" * 100_000)
    client.leaves()
    assert server.is_closed
    assert tape.hooks[-1] == "error"


@pytest.mark.parametrize("hook", ["requestheaders", "request", "responseheaders", "response"])
def test_while_an_addon_thinks(play, tape, hook):
    waits = Waits(hook)
    scenario = play(addons=[waits, tape])
    client = scenario.client()
    client.sends(GET)
    for server in scenario.servers:
        server.sends(OK)
    client.leaves()
    waits.gate.set(None)
    assert tape.hooks[-1] == "error"
    assert scenario.connections == 0


@pytest.mark.parametrize("hook", ["requestheaders", "request", "responseheaders", "response"])
def test_while_its_flow_is_intercepted(play, tape, hook):
    held = []

    def intercept(self, flow):
        flow.intercept()
        held.append(flow)

    scenario = play(addons=[type("Intercepts", (), {hook: intercept})(), tape])
    client = scenario.client()
    client.sends(GET)
    for server in scenario.servers:
        server.sends(OK)
    client.leaves()
    assert tape.hooks[-1] == "error"
    assert scenario.connections == 0
    held[0].resume()
    assert tape.hooks.count("error") == 1


def test_while_an_addon_thinks_about_the_error(play, tape):
    waits = Waits("error")
    scenario = play(addons=[waits, tape])
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].leaves()
    assert client.received() == b""
    client.leaves()
    waits.gate.set(None)
    assert scenario.connections == 0


def test_while_an_addon_thinks_about_a_request_that_cannot_be_read(play, tape):
    waits = Waits("error")
    scenario = play(addons=[waits, tape])
    client = scenario.client()
    client.sends(b"BROKEN\r\n\r\n")
    client.leaves()
    waits.gate.set(None)
    assert scenario.connections == 0


def test_inside_a_pipelined_head(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET + GET[:20])
    client.ends()
    scenario.servers[0].sends(OK)
    assert b"200 OK" in client.received()
    assert client.is_closed
    assert len(tape.flows) == 1


def test_after_a_request_that_cannot_be_read(play):
    scenario = play()
    client = scenario.client()
    client.sends(b"BROKEN\r\n\r\nand more")
    client.leaves()
    assert scenario.connections == 0


def test_with_pipelined_requests_waiting(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET * 5)
    client.leaves()
    assert scenario.servers[0].is_closed
    assert len(tape.flows) == 1


@pytest.mark.parametrize("hook", ["server_connect", "server_connected"])
@pytest.mark.parametrize("end", ["leaves", "kill"])
def test_while_an_addon_thinks_about_its_server(play, tape, hook, end):
    waits = Waits(hook)
    scenario = play(addons=[waits, tape])
    client = scenario.client()
    client.sends(GET)
    if end == "kill":
        tape.flow.kill()
    else:
        client.leaves()
    waits.gate.set(None)
    scenario.settle()
    assert tape.hooks == ["requestheaders", "request", "error"]
    assert scenario.connections == 0


def test_while_its_server_is_being_connected_and_its_flow_is_killed(play, tape, slow_network):
    scenario = play(addons=[tape])
    slow_network(scenario)
    client = scenario.client()
    client.sends(GET)
    tape.flow.kill()
    scenario.settle()
    assert client.is_closed
    assert tape.hooks == ["requestheaders", "request", "error"]


def test_a_client_that_does_not_read_the_rest_when_we_have_closed(play):
    scenario = play()
    client = scenario.client()
    client.sends(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    client.transport.close = lambda: None  # as if it were waiting for the rest to be read
    scenario.servers[0].sends(OK)
    assert not client.is_closed
    scenario.advance(61)
    assert client.is_closed


# The server leaves.


@pytest.mark.parametrize("how", ["leaves", "ends"])
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nX: "])
def test_h1_16_before_its_head_is_complete(play, tape, how, sent):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    if sent:
        server.sends(sent)
    getattr(server, how)()
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert server.is_closed
    assert tape.hooks == ["requestheaders", "request", "error"]


@pytest.mark.parametrize("how", ["leaves", "ends"])
@pytest.mark.parametrize(
    "sent",
    [b"Content-Length: 9\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"Content-Length: 9\r\n\r\n"],
)
def test_h1_16_in_the_middle_of_a_body_that_is_passed_on(play, tape, how, sent):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(b"HTTP/1.1 200 OK\r\n" + sent)
    getattr(server, how)()
    assert client.received() == b"HTTP/1.1 200 OK\r\n" + sent
    assert client.is_closed
    assert tape.hooks[-1] == "error"
    assert tape.flow.response.raw_content == (b"abc" if b"abc" in sent else b""), "the record keeps what came"


@pytest.mark.parametrize("how", ["leaves", "ends"])
def test_h1_16_in_the_middle_of_a_body_that_is_held_back(play, tape, how):
    scenario = play(addons=[tape, Wants()])
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
    getattr(server, how)()
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert tape.hooks[-1] == "error"
    assert tape.flow.response.raw_content == b"abc"


def test_h1_15_a_reset_is_no_end_of_a_body_until_close(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(b"HTTP/1.1 200 OK\r\n\r\nabc")
    server.leaves()
    assert not client.received().endswith(b"0\r\n\r\n")
    assert client.is_closed
    assert tape.hooks[-1] == "error"


def test_during_the_upload_without_an_answer(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(POST)
    scenario.servers[0].leaves()
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert client.was_told_the_end
    assert not client.is_closed, "the rest of the upload must not cause a reset that overtakes the answer"
    client.sends(b"def")
    client.ends()
    assert client.is_closed


@pytest.mark.parametrize("hook", ["responseheaders", "response"])
def test_while_an_addon_thinks_about_its_response(play, tape, hook):
    waits = Waits(hook)
    scenario = play(addons=[waits, tape])
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(OK)
    server.leaves()
    waits.gate.set(None)
    assert client.received() == OK
    assert tape.hooks[-1] == "response"
    assert len(scenario.pool) == 0


def test_an_unreachable_server(play, tape):
    scenario = play(addons=[tape])
    scenario.unreachable["a", 80] = ConnectionRefusedError(111, "Connection refused")
    client = scenario.client()
    client.sends(GET)
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert b"a:80" in answer
    assert tape.hooks == ["requestheaders", "request", "error"]
    assert "refused" in tape.flow.error.msg.lower()


# Time runs out.


def test_an_idle_client_is_closed(play, tape):
    scenario = play(addons=[tape], client_idle_timeout=10)
    client = scenario.client()
    scenario.advance(9)
    assert not client.is_closed
    scenario.advance(2)
    assert client.is_closed
    assert client.received() == b""
    assert tape.hooks == []


def test_a_client_that_idles_after_a_request_is_closed(play):
    scenario = play(client_idle_timeout=10)
    client = scenario.client()
    client.sends(GET)
    scenario.advance(11)
    assert not client.is_closed, "it is the server's turn"
    scenario.servers[0].sends(OK)
    scenario.advance(9)
    assert not client.is_closed
    scenario.advance(2)
    assert client.is_closed


def test_h1_35_a_head_that_never_ends_is_a_408(play, tape):
    scenario = play(addons=[tape], header_timeout=10)
    client = scenario.client()
    client.sends(GET[:11])
    for byte in GET[11:20]:
        client.sends(bytes((byte,)))
        scenario.advance(1)
    assert client.received() == b""
    client.sends(b"/")
    scenario.advance(2)
    assert client.received().startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert client.was_told_the_end
    assert tape.hooks == ["error"]


def test_h1_35_first_bytes_that_never_tell_anything(play, tape):
    scenario = play(addons=[tape], header_timeout=10)
    client = scenario.client()
    for byte in b"GET http:/":
        client.sends(bytes((byte,)))
        scenario.advance(1)
    scenario.advance(1)
    assert client.is_closed


def test_h1_35_a_second_head_that_never_ends_is_a_408(play, tape):
    scenario = play(addons=[tape], header_timeout=10)
    client = scenario.client()
    client.sends(GET + GET[:9])
    scenario.servers[0].sends(OK)
    assert client.received() == OK
    scenario.advance(11)
    assert client.received().startswith(b"HTTP/1.1 408 Request Timeout\r\n")


@pytest.mark.parametrize("addons", [(), (Wants(),)])
def test_a_body_that_stalls_is_a_408(play, tape, addons):
    scenario = play(addons=[tape, *addons], tcp_timeout=10)
    client = scenario.client()
    client.sends(POST)
    scenario.advance(9)
    client.sends(b"d")
    scenario.advance(9)
    assert client.received() == b""
    scenario.advance(2)
    assert client.received().startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert client.was_told_the_end
    assert all(server.is_closed for server in scenario.servers)


def test_a_silent_server_is_a_504(play, tape):
    scenario = play(addons=[tape], first_byte_timeout=10)
    client = scenario.client()
    client.sends(GET)
    scenario.advance(11)
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
    assert scenario.servers[0].is_closed
    assert "too long" in tape.flow.error.msg


def test_a_silent_server_on_a_used_connection_is_not_asked_again(play):
    scenario = play(first_byte_timeout=10)
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(OK)
    client.received()
    client.sends(GET)
    scenario.advance(11)
    assert client.received().startswith(b"HTTP/1.1 504 ")
    assert len(scenario.servers) == 1


def test_a_server_that_stalls_in_its_response(play, tape):
    scenario = play(addons=[tape], tcp_timeout=10)
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(OK[:-1])
    client.received()
    scenario.advance(11)
    assert client.is_closed
    assert client.received() == b""
    assert server.is_closed
    assert tape.hooks[-1] == "error"


def test_no_timeout_at_all(play):
    scenario = play(tcp_timeout=0, first_byte_timeout=0, client_idle_timeout=0, server_idle_timeout=0, header_timeout=0)
    client = scenario.client()
    scenario.advance(1e6)
    client.sends(GET[:9])
    scenario.advance(1e6)
    client.sends(GET[9:])
    scenario.advance(1e6)
    scenario.servers[0].sends(OK[:-1])
    scenario.advance(1e6)
    scenario.servers[0].sends(OK[-1:])
    scenario.advance(1e6)
    assert client.received() == OK
    assert len(scenario.pool) == 1


def test_a_long_upload_does_not_make_the_server_late(play):
    scenario = play(first_byte_timeout=10, tcp_timeout=10)
    client = scenario.client()
    client.sends(POST.replace(b"6", b"20"))
    for _ in range(17):
        scenario.advance(5)
        client.sends(b"x")
    scenario.advance(9)
    assert client.received() == b""
    scenario.servers[0].sends(OK)
    assert client.received() == OK


def test_a_server_that_reads_nothing_is_a_504(play):
    scenario = play(first_byte_timeout=10, tcp_timeout=10)
    client = scenario.client()
    client.sends(POST.replace(b"6", b"9000000"))
    (server,) = scenario.servers
    server.transport.reads_slowly = True
    while client.may_send:
        client.sends(b"x" * 100_000)
    scenario.advance(11)
    scenario.advance(11)
    assert client.received().startswith(b"HTTP/1.1 504 ")
    assert server.is_closed


def test_shutdown_lets_what_is_under_way_end(play):
    scenario = play()
    busy, idle = scenario.client(), scenario.client()
    busy.sends(GET)
    for connection in list(scenario._connections):
        connection.stop_if_idle()
    scenario.settle()
    assert idle.is_closed
    scenario.servers[0].sends(OK)
    assert b"Connection: close\r\n" in busy.received()
    assert busy.is_closed
