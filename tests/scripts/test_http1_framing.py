"""Where a message ends: what two readers could read differently is refused, or made unambiguous, and never passed on."""

import pytest

GET = b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
POST = b"POST http://a/ HTTP/1.1\r\nHost: a\r\n"
SMUGGLED = b"GET http://evil/ HTTP/1.1\r\nHost: evil\r\n\r\n"


def status(answer: bytes) -> int:
    """Return the status of the one response in `answer`."""
    assert answer.startswith(b"HTTP/1.1 "), answer
    assert answer.count(b"HTTP/1.1 ", 0, answer.index(b"\r\n\r\n")) == 1, answer
    return int(answer.split(b" ", 2)[1])


def refused(play, tape, request: bytes, expected: int = 400, **options) -> None:
    """A request is answered with one error page; no server gets all of it, or anything that came after it."""
    scenario = play(addons=[tape], **options)
    client = scenario.client()
    client.sends(request + SMUGGLED)
    client.sends(SMUGGLED)
    assert status(client.received()) == expected
    assert client.was_told_the_end
    assert not any(b"evil" in server.transport.written for server in scenario.servers)
    assert not any(server.transport.written.endswith(b"0\r\n\r\n") for server in scenario.servers)
    assert all(server.is_closed for server in scenario.servers)
    assert tape.hooks[-1] == "error"
    assert tape.flow.error is not None


AMBIGUOUS = {
    "h1_04": b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "h1_04_list": b"Content-Length: 3, 4\r\n\r\nabcd",
    "h1_05_plus": b"Content-Length: +3\r\n\r\nabc",
    "h1_05_underscore": b"Content-Length: 1_0\r\n\r\n0123456789",
    "h1_05_blank": b"Content-Length: 1 0\r\n\r\n0123456789",
    "h1_05_not_ascii": b"Content-Length: \xd9\xa3\r\n\r\nabc",
    "h1_05_minus": b"Content-Length: -3\r\n\r\nabc",
    "h1_05_hex": b"Content-Length: 0x3\r\n\r\nabc",
    "h1_05_empty": b"Content-Length: \r\n\r\nabc",
    "h1_05_huge": b"Content-Length: 99999999999999999999999\r\n\r\nabc",
    "h1_06_identity": b"Transfer-Encoding: identity\r\n\r\nabc",
    "h1_06_doubled": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "h1_06_list": b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "h1_06_not_last": b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "h1_06_unknown": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "h1_06_quoted": b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "h1_06_vertical_tab": b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "h1_08_not_hex": b"Transfer-Encoding: chunked\r\n\r\n3x\r\nabc\r\n0\r\n\r\n",
    "h1_08_sign": b"Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
    "h1_08_prefix": b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
    "h1_08_blank": b"Transfer-Encoding: chunked\r\n\r\n 3\r\nabc\r\n0\r\n\r\n",
    "h1_08_lone_lf": b"Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
    "h1_08_no_crlf": b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n",
    "h1_08_digits": b"Transfer-Encoding: chunked\r\n\r\n0000000000000000000003\r\nabc\r\n0\r\n\r\n",
    "h1_33_space_before_colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "h1_33_obs_fold": b"X: 1\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "h1_33_bare_cr": b"X: 1\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "h1_33_nul": b"X: 1\0\r\n\r\n",
    "h1_33_no_colon": b"X\r\n\r\n",
    "ob_06_control": b"X: 1\x01\r\n\r\n",
    "ob_06_name": b"X\x02: 1\r\n\r\n",
}


@pytest.mark.parametrize("rest", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_h1_04_05_06_08_33_ob_06_what_can_be_read_in_two_ways_is_refused(play, tape, rest):
    refused(play, tape, POST + rest)


@pytest.mark.parametrize(("rest", "code"), [(b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501)])
def test_h1_06_codings_that_are_not_implemented(play, tape, rest, code):
    refused(play, tape, POST + rest, code)


def test_h1_07_chunked_in_http_1_0_is_refused(play, tape):
    refused(play, tape, b"POST http://a/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")


def test_h1_03_both_framings_are_refused_in_strict(play, tape):
    refused(play, tape, POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", profile="strict")


def test_h1_03_chunked_wins_in_lenient_and_both_connections_end(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(POST + b"Content-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" + SMUGGLED)
    (server,) = scenario.servers
    request = server.received()
    assert b"Content-Length" not in request
    assert request.endswith(b"\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
    server.sends(OK)
    answer = client.received()
    assert status(answer) == 200
    assert b"Connection: close\r\n" in answer
    assert client.was_told_the_end
    assert len(scenario.servers) == 1, "what came behind is not read as a request"
    assert tape.flow.annotations


def test_h1_03_both_framings_in_a_response(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
    answer = client.received()
    assert b"Content-Length" not in answer
    assert answer.endswith(b"2\r\nhi\r\n0\r\n\r\n")
    assert server.is_closed
    assert tape.flow.annotations


def test_h1_04_equal_lengths_become_one(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi")
    (server,) = scenario.servers
    assert server.received() == b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok")
    assert client.received().endswith(b"\r\nContent-Length: 2\r\n\r\nok")
    assert len(tape.flow.annotations) == 2


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"Content-Length: +2\r\n\r\nab",
        b"X: 1\0\r\nContent-Length: 0\r\n\r\n",
        b"X\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_h1_04_h1_05_h1_33_a_response_that_cannot_be_framed_is_a_502(play, tape, rest):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(b"HTTP/1.1 200 OK\r\n" + rest)
    assert status(client.received()) == 502
    assert scenario.servers[0].is_closed
    assert tape.hooks == ["requestheaders", "request", "error"]


@pytest.mark.parametrize("coding", [b"gzip", b"chunked, gzip"])
def test_h1_06_an_unknown_coding_in_a_response_is_read_until_close(play, tape, coding):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + coding + b"\r\n\r\nabc")
    server.ends()
    assert tape.flow.response.content is not None
    assert tape.flow.annotations
    assert server.is_closed
    client.received()


def test_h1_06_chunked_sent_twice_by_a_server_is_read_once(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    )
    assert client.received().count(b"chunked") == 1
    assert tape.flow.response.content == b"hi"


def test_h1_07_chunked_in_an_http_1_0_response_is_dropped(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nabc")
    server.ends()
    assert b"Transfer-Encoding" not in client.received().split(b"\r\n\r\n")[0]
    assert server.is_closed


def test_h1_08_a_broken_chunk_in_a_response_breaks_it_off(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhiXX0\r\n\r\n")
    answer = client.received()
    assert status(answer) == 200
    assert b"2\r\nhi\r\n" in answer, "OB-05: what came whole before the fault is delivered"
    assert not answer.endswith(b"0\r\n\r\n")
    assert client.is_closed
    assert scenario.servers[0].is_closed
    assert tape.hooks[-1] == "error"


def test_h1_09_chunk_extensions_are_dropped(play):
    scenario = play()
    client = scenario.client()
    client.sends(POST + b'Transfer-Encoding: chunked\r\n\r\n2;a="b\\"c;d";e\r\nhi\r\n0;x=y\r\n\r\n')
    assert scenario.servers[0].received().endswith(b"\r\n\r\n2\r\nhi\r\n0\r\n\r\n")


@pytest.mark.parametrize("extension", [b'a="b\r\nc"', b"a" * 5000, b'a="b\nc"'])
def test_h1_09_bad_chunk_extensions_are_refused(play, tape, extension):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(POST + b"Transfer-Encoding: chunked\r\n\r\n2;" + extension + b"\r\nhi\r\n0\r\n\r\n")
    assert status(client.received()) == 400
    assert not any(b"hi" in server.received() for server in scenario.servers)


def test_h1_55_a_body_of_get_is_forwarded_with_its_framing(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(b"GET http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 39\r\n\r\n" + SMUGGLED[:39])
    (server,) = scenario.servers
    assert server.received() == b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 39\r\n\r\n" + SMUGGLED[:39]
    server.sends(OK)
    assert len(tape.flows) == 1


def test_h1_55_a_body_added_to_get_by_an_addon_is_framed(play):
    class AddsBody:
        def request(self, flow):
            flow.request.content = b"x"

    scenario = play(addons=[AddsBody()])
    client = scenario.client()
    client.sends(GET)
    received = scenario.servers[0].received()
    assert received.lower() == b"get /x http/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx"


def test_h1_35_too_large_a_head_is_refused(play, tape):
    refused(play, tape, b"GET http://a/ HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431)


def test_h1_35_too_long_a_target_is_refused(play, tape):
    refused(play, tape, b"GET http://a/" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414)


def test_h1_35_too_many_fields_are_refused(play, tape):
    refused(play, tape, b"GET http://a/ HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * 300 + b"\r\n", 431)


def test_h1_35_an_endless_head_of_a_response_is_a_502(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 20_000)
    assert status(client.received()) == 502
    assert scenario.servers[0].is_closed


def test_ob_05_a_request_before_a_fault_is_answered_first(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET + b"BROKEN\r\n\r\n")
    scenario.servers[0].sends(OK)
    answer = client.received()
    assert answer.startswith(OK)
    assert answer[len(OK) :].startswith(b"HTTP/1.1 400 ")
    assert tape.hooks == ["requestheaders", "request", "responseheaders", "response", "error"]


def test_h1_43_a_shoutcast_greeting_is_tolerated(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(b"ICY 200 OK\r\nicy-name: x\r\n\r\nmusic")
    server.ends()
    answer = client.received()
    assert answer.startswith(b"HTTP/1.0 200 OK\r\nicy-name: x\r\n")
    assert answer.endswith(b"music")
    assert client.was_told_the_end
    assert tape.flow.annotations


def test_no_http_at_all_is_a_502(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(b"SSH-2.0-OpenSSH_9\r\n\r\n")
    assert status(client.received()) == 502
    assert scenario.servers[0].is_closed


def test_ad_15_a_request_that_cannot_be_read_is_on_the_record(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(b"GET http://a/ HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n")
    assert tape.hooks == ["error"]
    assert "RFC 9112" in tape.flow.error.msg
    assert tape.flow.get_state()
