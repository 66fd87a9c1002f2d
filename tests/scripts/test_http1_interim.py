"""What comes before or instead of the final response at the end: 100-continue, other 1xx, early answers, 101."""

import pytest

from midstream.flow import Response

GET = b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
EXPECTS = b"POST http://a/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Wants:
    def request(self, flow):
        pass


def test_h1_19_expect_is_forwarded_and_the_real_100_relayed(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(EXPECTS)
    (server,) = scenario.servers
    assert server.received() == EXPECTS.replace(b"http://a", b"")
    assert client.received() == b""
    server.sends(CONTINUE)
    assert client.received() == CONTINUE
    client.sends(b"hello")
    assert server.received() == b"hello"
    server.sends(OK)
    assert client.received() == OK
    assert not client.is_closed
    assert [response.status_code for response in tape.flow.informational] == [100]
    assert len(scenario.pool) == 1


def test_h1_19_a_real_417_is_relayed(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(EXPECTS)
    (server,) = scenario.servers
    server.sends(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 417 Expectation Failed\r\n")
    assert client.was_told_the_end, "nobody knows whether the body will come"
    assert server.is_closed
    assert tape.flow.response.status_code == 417
    assert tape.hooks.count("response") == 1


def test_h1_19_a_client_that_does_not_wait_for_100(play):
    scenario = play()
    client = scenario.client()
    client.sends(EXPECTS + b"hello")
    (server,) = scenario.servers
    assert server.received().endswith(b"\r\n\r\nhello")
    server.sends(CONTINUE + OK)
    assert client.received() == CONTINUE + OK


def test_h1_19_100_is_our_own_if_an_addon_wants_the_body_first(play, tape):
    scenario = play(addons=[tape, Wants()])
    client = scenario.client()
    client.sends(EXPECTS)
    assert client.received() == CONTINUE
    assert scenario.servers == []
    client.sends(b"hello")
    (server,) = scenario.servers
    assert server.received() == b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    server.sends(OK)
    assert client.received() == OK


def test_h1_19_no_100_for_a_client_that_sent_its_body(play):
    scenario = play(addons=[Wants()])
    client = scenario.client()
    client.sends(EXPECTS + b"hello")
    assert client.received() == b""
    assert b"Expect" not in scenario.servers[0].received()
    scenario.servers[0].sends(OK)
    assert client.received() == OK


def test_h1_19_no_100_for_http_1_0(play):
    scenario = play(addons=[Wants()])
    client = scenario.client()
    client.sends(EXPECTS.replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert client.received() == b""
    client.sends(b"hello")
    scenario.servers[0].sends(OK)
    assert b"100 Continue" not in client.received()


@pytest.mark.parametrize("hook", ["requestheaders", "request"])
def test_h1_19_an_answer_of_an_addon_needs_no_100(play, hook):
    def answer(self, flow):
        flow.response = Response.make(403, b"no")

    scenario = play(addons=[type("Refuses", (), {hook: answer})()])
    client = scenario.client()
    client.sends(EXPECTS)
    if hook == "request":
        assert client.received() == CONTINUE
        client.sends(b"hello")
    assert client.received().startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert client.was_told_the_end == (hook == "requestheaders")
    assert scenario.servers == []


@pytest.mark.parametrize("fresh", [True, False])
def test_h1_20_interim_responses_are_relayed_and_listed(play, tape, fresh):
    scenario = play(addons=[tape])
    client = scenario.client()
    if not fresh:
        client.sends(GET)
        scenario.servers[0].sends(OK)
        client.received()
    client.sends(GET)
    (server,) = scenario.servers
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nX:y\r\n\r\n"
    server.sends(b"HTTP/1.1 102 Processing\r\n\r\n" + hints)
    assert client.received() == b"HTTP/1.1 102 Processing\r\n\r\n" + hints
    server.sends(OK)
    assert client.received() == OK
    assert [response.status_code for response in tape.flow.informational] == [102, 103]
    assert tape.hooks[-4:] == ["informational", "informational", "responseheaders", "response"]


def test_ob_04_interim_responses_are_never_carried_over(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    for _ in range(2):
        client.sends(GET)
        (server,) = scenario.servers
        server.sends(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)
        assert client.received() == b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK
    assert [len(flow.informational) for flow in tape.flows] == [1, 1]


def test_h1_20_http_1_0_clients_get_no_interim_responses(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(b"GET http://a/ HTTP/1.0\r\n\r\n")
    scenario.servers[0].sends(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)
    assert client.received().startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(tape.flow.informational) == 1


def test_h1_20_an_interim_response_can_be_edited(play):
    class Edits:
        def informational(self, flow):
            flow.informational[-1].headers["X-New"] = "1"

    scenario = play(addons=[Edits()])
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)
    assert client.received() == b"HTTP/1.1 103 Early Hints\r\nX-New: 1\r\n\r\n" + OK


def test_ob_04_endless_interim_responses_are_a_502(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
    assert b"HTTP/1.1 502 " in client.received()
    assert scenario.servers[0].is_closed


# Early answers.


@pytest.mark.parametrize("leaves", [True, False])
def test_h1_17_an_answer_during_the_upload_is_delivered(play, tape, leaves):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(b"POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nabc")
    (server,) = scenario.servers
    answer = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"
    server.sends(answer)
    if leaves:
        server.leaves()
    client.sends(b"d" * 1000)
    assert client.received() == answer
    assert client.was_told_the_end
    assert server.is_closed
    assert tape.flow.response.status_code == 413
    assert tape.flow.error is None
    assert tape.hooks == ["requestheaders", "responseheaders", "response"]


def test_h1_17_the_client_may_go_on_a_little_so_that_no_reset_overtakes_the_answer(play):
    scenario = play()
    client = scenario.client()
    client.sends(b"POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\nabc")
    scenario.servers[0].sends(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
    assert client.was_told_the_end
    assert not client.is_closed
    client.sends(b"d" * 400_000)
    assert not client.is_closed
    scenario.advance(3)
    assert client.is_closed


def test_h1_17_an_early_answer_may_come_in_pieces_while_the_upload_goes_on(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(b"POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
    (server,) = scenario.servers
    server.received()
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
    assert client.received() == b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc"
    client.sends(b"def")
    assert server.received() == b"def"
    server.sends(b"def")
    assert client.received() == b"def"
    assert not client.is_closed
    assert len(scenario.pool) == 1
    assert tape.flow.request.content == b"abcdef"


def test_an_upload_that_breaks_off_during_an_early_answer(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(b"POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    (server,) = scenario.servers
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
    client.sends(b"zzz\r\n")
    assert client.is_closed
    assert server.is_closed
    assert tape.hooks[-1] == "error"


# Upgrades.

UPGRADE = b"GET http://a/chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.parametrize("addons", [(), (Wants(),)])
def test_h1_21_101_switches_with_the_bytes_right_behind_it(play, tape, addons):
    scenario = play(addons=[tape, *addons])
    client = scenario.client()
    client.sends(UPGRADE)
    (server,) = scenario.servers
    assert server.received() == UPGRADE.replace(b"http://a", b"")
    assert client.received() == b"", "nothing before the origin's word"
    server.sends(SWITCHED + b"\x81\x02hi")
    assert client.received() == SWITCHED + b"\x81\x02hi"
    client.sends(b"\x81\x82\0\0\0\0yo")
    assert server.received() == b"\x81\x82\0\0\0\0yo"
    assert tape.flow.response.status_code == 101
    assert "response" in tape.hooks
    assert len(scenario.pool) == 0
    server.ends()
    client.ends()
    assert client.is_closed
    assert server.is_closed


def test_h1_21_bytes_of_an_eager_client_travel_too(play):
    scenario = play()
    client = scenario.client()
    client.sends(UPGRADE + b"eager")
    (server,) = scenario.servers
    assert server.received() == UPGRADE.replace(b"http://a", b"")
    server.sends(SWITCHED)
    assert server.received() == b"eager"
    assert client.received() == SWITCHED


def test_h1_21_an_upgrade_that_is_declined(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(UPGRADE)
    scenario.servers[0].sends(OK)
    assert client.received() == OK
    client.sends(GET)
    assert scenario.servers[0].received().endswith(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")


def test_h1_21_101_that_nobody_asked_for_is_a_502(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(SWITCHED + b"evil")
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert scenario.servers[0].is_closed
    assert tape.hooks[-1] == "error"


def test_h1_21_a_hook_can_edit_101(play):
    class Edits:
        def responseheaders(self, flow):
            flow.response.headers["X-New"] = "1"

    scenario = play(addons=[Edits()])
    client = scenario.client()
    client.sends(UPGRADE)
    scenario.servers[0].sends(SWITCHED)
    assert client.received() == SWITCHED[:-2] + b"X-New: 1\r\n\r\n"


@pytest.mark.parametrize("addons", [(), (Wants(),)])
def test_h1_22_h2c_is_never_offered_to_the_server(play, addons):
    scenario = play(addons=addons)
    client = scenario.client()
    client.sends(
        b"GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nX: 1\r\n\r\n"
    )
    assert scenario.servers[0].received() == b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n"
    scenario.servers[0].sends(OK)
    assert client.received() == OK


def test_h1_22_http2_settings_alone_are_stripped(play):
    scenario = play()
    client = scenario.client()
    client.sends(b"GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: HTTP2-Settings\r\nHTTP2-Settings: AAMA\r\n\r\n")
    assert scenario.servers[0].received() == b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def test_h1_60_a_websocket_url_is_treated_as_http(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(UPGRADE.replace(b"http:", b"ws:"))
    (server,) = scenario.servers
    assert server.address == ("a", 80)
    assert server.received() == UPGRADE.replace(b"http://a", b"")
    server.sends(SWITCHED + b"hi")
    assert client.received() == SWITCHED + b"hi"
