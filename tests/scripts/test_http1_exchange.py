"""One request and its answer: what arrives, in which order the hooks fire, and which fields go on."""

import gc

import pytest

GET = b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ORDER = ["requestheaders", "request", "responseheaders", "response"]


def test_a_request_and_its_answer(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    assert server.address == ("a", 80)
    assert server.received() == b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
    server.sends(OK)
    assert client.received() == OK
    assert tape.hooks == ORDER
    assert tape.flow.response.content == b"ok"
    assert tape.flow.error is None
    assert not tape.flow.live


@pytest.mark.parametrize("piece", [1, 2, 7])
def test_pieces_make_no_difference(play, tape, piece):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(b"POST http://a/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", piece=piece)
    (server,) = scenario.servers
    assert server.received() == b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    server.sends(OK, piece=piece)
    assert client.received() == OK
    assert sorted(tape.hooks) == sorted(ORDER)
    assert tape.flow.request.content == b"hello"


class Looks:
    def request(self, flow): ...
    def response(self, flow): ...


@pytest.mark.parametrize("addons", [[], [Looks()]])
@pytest.mark.parametrize(
    "request_", [GET, b"POST http://a/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"], ids=["get", "post"]
)
def test_an_exchange_leaves_nothing_to_the_garbage_collector(play, addons, request_):
    """Command line programs have it look seldom."""
    scenario = play(addons=addons)
    client = scenario.client()

    def exchange():
        client.sends(request_, piece=len(request_) - 2)
        scenario.servers[0].sends(OK, piece=40)
        assert client.received() == OK

    exchange()
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            exchange()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_connections_are_used_again(play, tape):
    scenario = play(addons=[tape])
    client, other = scenario.client(), scenario.client()
    for who in (client, other, client):
        who.sends(GET)
        (server,) = scenario.servers
        assert server.received() == b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
        server.sends(OK)
        assert who.received() == OK
    assert len({flow.server_conn.id for flow in tape.flows}) == 1


def test_connections_of_one_origin_serve_at_the_same_time(play):
    scenario = play()
    client, other = scenario.client(), scenario.client()
    client.sends(GET)
    other.sends(GET)
    first, second = scenario.servers
    second.sends(OK)
    assert other.received() == OK
    assert client.received() == b""
    first.sends(OK)
    assert client.received() == OK
    assert len(scenario.pool) == 2


# Fidelity.


def test_ob_11_an_unchanged_request_is_passed_on_byte_for_byte(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    fields = b"hOST: a\r\nX-B:  2\r\nx-a:1 \t\r\nX-B: 3\r\nEmpty:\r\nCookie: b=1; a\r\n\r\n"
    client.sends(b"GET http://a/%zz?%20a|b HTTP/1.1\r\n" + fields)
    assert scenario.servers[0].received() == b"GET /%zz?%20a|b HTTP/1.1\r\n" + fields


def test_ob_11_an_unchanged_response_is_passed_on_byte_for_byte(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    answer = (
        b"HTTP/1.1 200 All is  well\r\nsERVER:x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nE:\r\ncontent-length: 2\r\n\r\nok"
    )
    scenario.servers[0].sends(answer)
    assert client.received() == answer


class SetsOneField:
    def request(self, flow):
        flow.request.headers["X-New"] = "1"

    def response(self, flow):
        flow.response.headers["X-New"] = "1"


def test_h1_31_an_edit_changes_only_that_line(play):
    scenario = play(addons=[SetsOneField()])
    client = scenario.client()
    client.sends(b"GET http://a/ HTTP/1.1\r\nB:2\r\nhost:  a\r\na: 1\r\nB: 3\r\nx-new: 0\r\nz:\r\n\r\n")
    expected = b"GET / HTTP/1.1\r\nB:2\r\nhost:  a\r\na: 1\r\nB: 3\r\nx-new: 1\r\nz:\r\n\r\n"
    assert scenario.servers[0].received() == expected
    scenario.servers[0].sends(b"HTTP/1.1 200 Fine\r\nb:2\r\nContent-Length: 0\r\nB: 3\r\n\r\n")
    assert client.received() == b"HTTP/1.1 200 Fine\r\nb:2\r\nContent-Length: 0\r\nB: 3\r\nX-New: 1\r\n\r\n"


def test_h1_32_empty_values_are_kept(play):
    scenario = play(addons=[SetsOneField()])
    client = scenario.client()
    client.sends(b"GET http://a/ HTTP/1.1\r\nHost: a\r\nE:\r\nF: \r\n\r\n")
    assert b"\r\nE:\r\nF: \r\n" in scenario.servers[0].received()


@pytest.mark.parametrize("addons", [(), (SetsOneField(),)])
def test_h1_34_bytes_beyond_ascii_stay_what_they_are(play, tape, addons):
    scenario = play(addons=[tape, *addons])
    client = scenario.client()
    client.sends(b"GET http://a/ HTTP/1.1\r\nHost: a\r\nX: \xff\xe4\xf6\r\n\r\n")
    assert b"X: \xff\xe4\xf6\r\n" in scenario.servers[0].received()
    scenario.servers[0].sends(b"HTTP/1.1 200 \xe9t\xe9\r\nY: \xff\r\nContent-Length: 0\r\n\r\n")
    assert b"HTTP/1.1 200 \xe9t\xe9\r\nY: \xff\r\n" in client.received()
    assert tape.flow.request.headers["x"].encode("utf-8", "surrogateescape") == b"\xff\xe4\xf6"
    assert tape.flow.get_state()


def test_h1_36_odd_bytes_in_the_target_stay_what_they_are(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(b'GET http://a/\xc3\xa4?q={"x"}<>^` HTTP/1.1\r\nHost: a\r\n\r\n')
    assert scenario.servers[0].received().startswith(b'GET /\xc3\xa4?q={"x"}<>^` HTTP/1.1\r\n')


@pytest.mark.parametrize("reason", [b"", b" "])
def test_h1_01_a_status_line_without_reason_phrase(play, tape, reason):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(b"HTTP/1.1 200" + reason + b"\r\nContent-Length: 0\r\n\r\n")
    assert client.received() == b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"
    assert tape.flow.response.reason == ""


def test_h1_38_set_cookie_is_never_joined_and_bare_cookies_stay_bare(play, tape):
    scenario = play(addons=[tape, SetsOneField()])
    client = scenario.client()
    client.sends(b"GET http://a/ HTTP/1.1\r\nHost: a\r\nCookie: a\r\nCookie: b=1\r\n\r\n")
    assert b"Cookie: a\r\nCookie: b=1\r\n" in scenario.servers[0].received()
    scenario.servers[0].sends(b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b; Secure\r\nContent-Length: 0\r\n\r\n")
    assert b"Set-Cookie: a\r\nSet-Cookie: b; Secure\r\n" in client.received()
    assert dict(tape.flow.response.cookies.items(multi=True)).keys() == {"a", "b"}


# Hop-by-hop fields.


def test_h1_39_hop_by_hop_fields_of_a_request_end_here(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(
        b"GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: X-Secret, keep-alive, TE\r\nX-Secret: 1\r\nKeep-Alive: 5\r\n"
        b"Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\nTE: trailers, deflate\r\nX-Rest: 1\r\n\r\n"
    )
    received = scenario.servers[0].received()
    assert received == b"GET / HTTP/1.1\r\nHost: a\r\nConnection: TE\r\nTE: trailers\r\nX-Rest: 1\r\n\r\n"
    assert tape.flow.request.headers["x-secret"] == "1", "the record keeps what came"


def test_h1_39_hop_by_hop_fields_of_a_response_end_here(play):
    scenario = play()
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(
        b"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
        b"Proxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
    )
    received = client.received()
    assert b"X-Hop" not in received
    assert b"Keep-Alive" not in received
    assert b"Content-Length: 0\r\n" in received


@pytest.mark.parametrize("name", [b"Host", b"Content-Length"])
def test_h1_39_connection_cannot_name_away_host_or_framing(play, name):
    scenario = play()
    client = scenario.client()
    client.sends(b"POST http://a/ HTTP/1.1\r\nHost: a\r\nConnection: " + name + b"\r\nContent-Length: 2\r\n\r\nhi")
    assert scenario.servers[0].received() == b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"


def test_h1_39_credentials_for_this_proxy_never_reach_the_origin_after_a_redirect_by_an_addon(play):
    class Elsewhere:
        def request(self, flow):
            flow.request.host = "b"

    scenario = play(addons=[Elsewhere()])
    client = scenario.client()
    client.sends(b"GET http://a/ HTTP/1.1\r\nHost: a\r\nProxy-Authorization: Basic eDp5\r\n\r\n")
    assert scenario.servers[0].address == ("b", 80)
    assert scenario.servers[0].received() == b"GET / HTTP/1.1\r\nHost: b\r\n\r\n"


def test_h1_56_unknown_and_lower_case_methods_pass(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    for method in (b"PROPFIND", b"get", b"X-!#$"):
        client.sends(method + b" http://a/ HTTP/1.1\r\nHost: a\r\n\r\n")
        assert scenario.servers[0].received().startswith(method + b" / HTTP/1.1\r\n")
        scenario.servers[0].sends(OK)
        assert client.received() == OK


def test_h1_56_an_unknown_version_is_refused(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(b"GET http://a/ HTTP/3.0\r\nHost: a\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 505 ")
    assert tape.hooks == ["error"]


def test_h1_57_blank_lines_before_a_request_are_ignored(play):
    scenario = play()
    client = scenario.client()
    client.sends(b"\r\n\r\n" + GET)
    scenario.servers[0].sends(OK)
    client.sends(b"\r\n" + GET)
    scenario.servers[0].sends(OK)
    assert client.received() == OK + OK
