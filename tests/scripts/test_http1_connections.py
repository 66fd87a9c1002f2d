"""Connections that outlive their exchange: persistence, pipelining, the pool, authentication bound to a connection."""

import pytest

from midstream.flow import Response

GET = b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST http://a/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Wants:
    def request(self, flow):
        pass


class Answers:
    def __init__(self):
        self.count = 0

    def request(self, flow):
        self.count += 1
        flow.response = Response.make(200, str(self.count))


def warmed_up(play, **kwargs):
    """A scenario with one idle connection to the server."""
    scenario = play(**kwargs)
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(OK)
    client.received()
    server.received()
    assert len(scenario.pool) == 1
    return scenario, client, server


# Persistence.


@pytest.mark.parametrize(
    ("start", "answer", "keeps_client", "keeps_server"),
    [
        (b"HTTP/1.1\r\nHost: a", b"HTTP/1.1 200 OK\r\n", True, True),
        (b"HTTP/1.1\r\nHost: a\r\nConnection: close", b"HTTP/1.1 200 OK\r\n", False, True),
        (b"HTTP/1.1\r\nHost: a\r\nConnection: keep-alive", b"HTTP/1.1 200 OK\r\nConnection: close\r\n", True, False),
        (b"HTTP/1.0", b"HTTP/1.0 200 OK\r\n", False, False),
        (b"HTTP/1.0\r\nConnection: keep-alive", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", True, True),
        (b"HTTP/1.1\r\nHost: a", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", True, True),
        (b"HTTP/1.1\r\nHost: a", b"HTTP/1.0 200 OK\r\n", True, False),
    ],
)
def test_h1_40_each_side_follows_its_own_messages(play, start, answer, keeps_client, keeps_server):
    scenario = play()
    client = scenario.client()
    client.sends(b"GET http://a/ " + start + b"\r\n\r\n")
    (server,) = scenario.servers
    server.sends(answer + b"Content-Length: 2\r\n\r\nok")
    received = client.received()
    assert received.endswith(b"\r\n\r\nok")
    assert client.was_told_the_end != keeps_client
    assert server.is_closed != keeps_server
    assert (b"connection: close" in received.lower()) == (not keeps_client and start.startswith(b"HTTP/1.1"))


def test_ob_02_a_client_that_sends_no_more_is_still_answered(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    client.ends()
    assert not client.is_closed
    (server,) = scenario.servers
    server.sends(OK[:-1])
    server.sends(OK[-1:])
    assert client.received().replace(b"Connection: close\r\n", b"") == OK
    assert client.is_closed
    assert tape.hooks[-1] == "response"


def test_ob_02_pipelined_requests_before_the_end_are_answered_too(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET + GET)
    client.ends()
    scenario.servers[0].sends(OK)
    scenario.servers[0].sends(OK)
    assert client.received().count(b"200 OK") == 2
    assert client.is_closed


# Pipelining.


def test_h1_42_pipelined_requests_are_answered_in_order(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(b"".join(GET.replace(b"/x", b"/%d" % number) for number in range(3)))
    (server,) = scenario.servers
    for number in range(3):
        assert server.received() == b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number
        server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)
        assert client.received() == b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number
    assert tape.hooks == ["requestheaders", "request", "responseheaders", "response"] * 3


@pytest.mark.parametrize("piece", [0, 1000])
def test_h1_42_a_thousand_pipelined_requests_answered_here_are_no_recursion(play, tape, piece):
    scenario = play(addons=[Answers(), tape])
    client = scenario.client()
    client.sends(GET * 1000, piece=piece)
    answers = client.received().split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert [int(answer.rsplit(b"\r\n", 1)[1]) for answer in answers] == list(range(1, 1001))
    assert len(tape.flows) == 1000
    assert not client.is_closed


def test_h1_42_a_thousand_pipelined_requests_to_a_server(play):
    scenario = play()
    client = scenario.client()
    client.sends(GET * 1000)
    (server,) = scenario.servers
    for _ in range(1000):
        server.sends(OK)
    assert client.received() == OK * 1000


def test_h1_42_the_queue_of_pipelined_requests_is_bounded(play):
    scenario = play()
    client = scenario.client()
    sent = 0
    while client.may_send and sent < 10_000:
        client.sends(GET * 100)
        sent += 100
    assert sent < 10_000
    (server,) = scenario.servers
    for _ in range(sent):
        server.sends(OK)
    assert client.may_send
    assert client.received() == OK * sent


def test_h1_42_a_client_that_pipelines_and_never_reads_is_not_served_for_ever(play):
    scenario = play(addons=[Answers()])
    client = scenario.client()
    client.transport.reads_slowly = True
    sent = 0
    while client.may_send and sent < 100_000:
        client.sends(GET * 1000)
        sent += 1000
    assert sent < 100_000
    assert len(client.transport.written) < 1 << 20
    answers = 0
    while client.transport.written:
        answers += client.received().count(b"200 OK")
    assert answers == sent
    assert client.may_send


def test_h1_42_pipelined_bodies_are_not_mixed_up(play, tape):
    scenario = play(addons=[tape, Wants()])
    client = scenario.client()
    client.sends(POST + POST.replace(b"hi", b"yo") + GET)
    (server,) = scenario.servers
    for body in (b"hi", b"yo", b""):
        assert server.received().endswith(b"\r\n\r\n" + body)
        server.sends(OK)
    assert [flow.request.content for flow in tape.flows] == [b"hi", b"yo", b""]


# The pool.


def test_h1_18_bytes_on_an_idle_connection_are_never_an_answer(play, tape):
    scenario, client, server = warmed_up(play, addons=[tape])
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    assert server.is_closed
    assert len(scenario.pool) == 0
    client.sends(GET)
    assert client.received() == b""
    scenario.servers[1].sends(OK)
    assert client.received() == OK


def test_h1_18_bytes_behind_an_answer_poison_the_connection(play):
    scenario = play()
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    assert client.received() == OK
    assert server.is_closed
    assert len(scenario.pool) == 0


def test_h1_18_an_answer_before_its_request_is_refused(play, tape, slow_network):
    scenario = play(addons=[tape])
    network = slow_network(scenario)
    client = scenario.client()
    client.sends(GET)
    network.gates[0].set(None)
    (server,) = scenario.servers
    assert server.received().startswith(b"GET ")


def test_an_idle_connection_that_the_server_closes_is_forgotten(play):
    scenario, client, server = warmed_up(play)
    server.ends()
    assert len(scenario.pool) == 0
    assert server.is_closed
    client.sends(GET)
    assert len(scenario.servers) == 2


@pytest.mark.parametrize("end", ["ends", "leaves"])
@pytest.mark.parametrize("addons", [(), (Wants(),)])
def test_h1_41_a_stale_connection_is_replaced_once(play, tape, end, addons):
    scenario, client, server = warmed_up(play, addons=[tape, *addons])
    client.sends(GET)
    assert server.received().startswith(b"GET ")
    getattr(server, end)()
    fresh = scenario.servers[1]
    assert fresh.received().startswith(b"GET ")
    assert client.received() == b""
    fresh.sends(OK)
    assert client.received() == OK
    assert tape.flow.error is None
    assert tape.hooks.count("request") == 2
    assert tape.flows[0].server_conn.id != tape.flows[1].server_conn.id
    assert tape.flows[1].server_conn.timestamp_end is None
    assert tape.flows[0].server_conn.timestamp_end is not None


def test_h1_41_it_is_replaced_by_a_new_connection_not_by_another_idle_one(play):
    scenario = play()
    clients = [scenario.client() for _ in range(3)]
    for client in clients:
        client.sends(GET)
    for server in list(scenario.servers):
        server.sends(OK)
    assert len(scenario.pool) == 3
    clients[0].received()
    clients[0].sends(GET)
    busy = next(server for server in scenario.servers if server.received().count(b"GET ") == 2)
    busy.leaves()
    assert len(scenario.servers) == 4
    scenario.servers[3].sends(OK)
    assert clients[0].received() == OK


def test_h1_41_a_connection_that_fails_at_once_is_not_replaced(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].leaves()
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert len(scenario.servers) == 1
    assert "closed the connection" in tape.flow.error.msg


def test_h1_41_a_second_failure_is_told(play):
    scenario, client, server = warmed_up(play)
    client.sends(GET)
    server.leaves()
    scenario.servers[1].leaves()
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert len(scenario.servers) == 2


def test_h1_41_what_has_been_answered_in_part_is_not_repeated(play):
    scenario, client, server = warmed_up(play)
    client.sends(GET)
    server.sends(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    server.leaves()
    assert b"HTTP/1.1 502 " in client.received()
    client = scenario.client()
    client.sends(GET)
    half = scenario.servers[1]
    half.sends(b"HTTP/1.1 200 O")
    half.leaves()
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert len(scenario.servers) == 2


@pytest.mark.parametrize("addons", [(), (Wants(),)])
def test_h1_41_what_does_harm_twice_is_not_repeated(play, tape, addons):
    scenario, client, server = warmed_up(play, addons=[tape, *addons])
    client.sends(POST)
    assert server.received().startswith(b"POST ")
    server.leaves()
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert len(scenario.servers) == 1


def test_h1_41_a_post_does_not_trust_a_connection_that_rested(play):
    scenario, client, server = warmed_up(play)
    scenario.advance(2)
    client.sends(POST)
    assert server.received() == b""
    assert scenario.servers[1].received().startswith(b"POST ")


def test_idle_connections_are_closed_in_time(play):
    scenario, _, server = warmed_up(play, server_idle_timeout=10)
    scenario.advance(11)
    assert server.is_closed
    assert len(scenario.pool) == 0


def test_idle_connections_are_few(play):
    scenario = play(max_pool_idle_per_host=1)
    clients = [scenario.client() for _ in range(3)]
    for client in clients:
        client.sends(GET)
    for server in list(scenario.servers):
        server.sends(OK)
    assert len(scenario.pool) == 1
    assert [server.is_closed for server in scenario.servers] == [True, True, False]


def test_h1_59_the_next_request_goes_to_its_own_host(play, tape):
    class Elsewhere:
        def request(self, flow):
            if flow.request.path == "/moved":
                flow.request.host = "b"
                flow.request.port = 81

    scenario = play(addons=[Elsewhere(), tape])
    client = scenario.client()
    client.sends(GET.replace(b"/x", b"/moved"))
    assert scenario.servers[0].address == ("b", 81)
    assert scenario.servers[0].received() == b"GET /moved HTTP/1.1\r\nHost: b:81\r\n\r\n"
    scenario.servers[0].sends(OK)
    client.sends(GET)
    assert scenario.servers[1].address == ("a", 80)
    assert scenario.servers[1].received() == b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
    scenario.servers[1].sends(OK)
    assert client.received() == OK + OK
    assert tape.flows[0].server_conn.address == ("b", 81)


# Authentication bound to connections.


@pytest.mark.parametrize("scheme", [b"NTLM", b"Negotiate", b"negotiate abc"])
def test_ntlm_connections_are_not_shared(play, scheme):
    scenario = play()
    client, other = scenario.client(), scenario.client()
    challenge = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: " + scheme + b"\r\nContent-Length: 0\r\n\r\n"
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(challenge)
    assert client.received() == challenge
    for _ in range(3):
        client.sends(GET)
        assert len(scenario.servers) == 1, "the handshake stays on its connection"
        server.sends(challenge)
    other.sends(GET)
    assert len(scenario.servers) == 2


def test_other_authentication_shares_connections(play):
    scenario = play()
    client, other = scenario.client(), scenario.client()
    challenge = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
    for who in (client, other):
        who.sends(GET)
        (server,) = scenario.servers
        server.sends(challenge)


def test_connections_bound_to_a_client_end_with_it(play):
    scenario = play()
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n")
    client.leaves()
    assert server.is_closed
    assert len(scenario.pool) == 0
