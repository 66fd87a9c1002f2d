"""Streams that are broken off: what either side said goes to the other, and what nobody looked at is tried again."""

import pytest

from midstream.testing import Http2Peer
from midstream.wire.events import END, Data, Reset, ResponseHead
from midstream.wire.h2 import Limits
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import (
    CANCEL,
    ENHANCE_YOUR_CALM,
    HTTP_1_1_REQUIRED,
    INTERNAL_ERROR,
    NO_ERROR,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    STREAM_CLOSED,
)
from midstream.wire.h2.heads import VERSION
from scriptkit.wants import Wants

TO_HTTP1 = {"mode": "reverse:http://origin:80", "server_http2": "never"}
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
UNKNOWN = 0x77
CODES = [CANCEL, ENHANCE_YOUR_CALM, INTERNAL_ERROR, PROTOCOL_ERROR, STREAM_CLOSED, UNKNOWN]


# From the server to the client.


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("stage", ["before the head", "inside the body"])
def test_h2_03_codes_of_the_server_reach_the_client(duet, addons, tape, code, stage):
    both = duet(addons=addons)
    stream = both.client.asks("GET")
    if stage == "inside the body":
        both.server.answers(1, 200, None)
        both.server.says(1, Data(b"some"))
    both.server.resets(1, code)
    response = both.client.response(stream)
    assert response.code == code
    assert not response.is_whole
    assert tape.hooks[-1] == "error"
    assert "reset the stream" in tape.flow.error.msg
    assert not both.client.peer.is_closed
    again = both.client.asks("GET")
    both.server.answers(3, 200, b"ok")
    assert both.client.response(again).body == b"ok"


@pytest.mark.parametrize(
    ("code", "status"), [(CANCEL, 502), (INTERNAL_ERROR, 502), (ENHANCE_YOUR_CALM, 503), (UNKNOWN, 502)]
)
def test_h2_03_codes_of_the_server_become_a_status_for_http_1(play, tape, code, status):
    scenario = play("reverse:h2c://origin:80", addons=[tape])
    client = scenario.client()
    client.sends(GET)
    server = Http2Peer.server(scenario.servers[0])
    server.hear()
    server.resets(1, code)
    assert client.received().startswith(b"HTTP/1.1 %d " % status)
    assert tape.hooks[-1] == "error"


def test_h2_03_a_reset_inside_the_body_closes_an_http_1_client(play, tape):
    scenario = play("reverse:h2c://origin:80", addons=[tape])
    client = scenario.client()
    client.sends(GET)
    server = Http2Peer.server(scenario.servers[0])
    server.answers(1, 200, None)
    server.says(1, Data(b"some"))
    server.resets(1, CANCEL)
    assert client.received().endswith(b"\r\n\r\n4\r\nsome\r\n"), "no last chunk"
    assert client.is_closed


# From the client to the server.


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("stage", ["upload", "waiting", "download"])
def test_h2_03_codes_of_the_client_reach_the_server(duet, tape, code, stage):
    both = duet(addons=[tape])
    stream = both.client.asks("POST", "/", None if stage == "upload" else b"abc")
    both.server.hear()
    if stage == "download":
        both.server.answers(1, 200, None)
        both.client.hear()
    both.client.resets(stream, code)
    assert both.server.request(1).code == code
    assert tape.hooks[-1] == "error"
    assert "the client reset the stream" in tape.flow.error.msg
    assert not both.origin.is_closed


@pytest.mark.parametrize("stage", ["upload", "waiting", "download"])
def test_h2_03_a_reset_of_the_client_closes_an_http_1_server(duet, tape, stage):
    both = duet(**TO_HTTP1, addons=[tape])
    stream = both.client.asks("POST", "/", None if stage == "upload" else b"abc")
    if stage == "download":
        both.origin.sends(OK[:-1])
        both.client.hear()
    both.client.resets(stream, CANCEL)
    assert both.origin.is_closed
    assert tape.hooks[-1] == "error"
    assert len(both.scenario.pool) == 0


def test_h1_45_an_http_1_client_that_leaves_cancels_the_stream(play, tape):
    scenario = play("reverse:h2c://origin:80", addons=[tape])
    client = scenario.client()
    client.sends(GET)
    server = Http2Peer.server(scenario.servers[0])
    server.answers(1, 200, None)
    client.leaves()
    assert server.request(1).code == CANCEL
    assert not server.peer.is_closed
    other = scenario.client()
    other.sends(GET)
    server.answers(3, 200, b"ok")
    assert other.received().endswith(b"\r\n\r\n2\r\nok\r\n0\r\n\r\n")


# Complete responses.


def rest_is_refused(both, stream):
    """A while after the response the stream ends, so that it can still be read."""
    both.scenario.advance(3)
    return both.client.response(stream).code == NO_ERROR


@pytest.mark.parametrize("code", [NO_ERROR, CANCEL])
def test_h2_02_a_reset_after_a_complete_response_is_success(duet, addons, tape, code):
    """mm#3470: the server has said all it wants to, and does not want the rest of the upload."""
    both = duet(addons=[addons[0]])
    stream = both.client.asks("POST", "/", None)
    both.client.says(stream, Data(b"some"))
    both.server.answers(1, 413, b"too much")
    both.server.resets(1, code)
    response = both.client.response(stream)
    assert (response.status, response.body, response.is_whole) == (413, b"too much", True)
    assert rest_is_refused(both, stream)
    assert tape.flow.error is None
    assert tape.flow.response.content == b"too much"


def test_h2_02_h2_33_an_early_answer_stops_the_upload(duet, tape):
    both = duet(addons=[tape])
    stream = both.client.asks("POST", "/", None)
    both.client.says(stream, Data(b"some"))
    both.server.answers(1, 401, b"who are you?")
    response = both.client.response(stream)
    assert (response.status, response.body, response.is_whole) == (401, b"who are you?", True)
    assert rest_is_refused(both, stream)
    assert both.server.request(1).code is not None, "the server is told that no more will come"
    assert not both.client.peer.is_closed
    assert not both.origin.is_closed
    assert tape.flow.error is None
    stream = both.client.asks("GET")
    both.server.answers(3, 200, b"ok")
    assert both.client.response(stream).body == b"ok"


def test_h2_33_h1_17_an_early_answer_of_an_http_1_server(duet, tape):
    both = duet(**TO_HTTP1, addons=[tape])
    stream = both.client.asks("POST", "/", None)
    both.client.says(stream, Data(b"some"))
    both.origin.sends(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
    both.origin.ends()
    response = both.client.response(stream)
    assert (response.status, response.body, response.is_whole) == (413, b"no", True)
    assert rest_is_refused(both, stream)
    assert both.origin.is_closed
    assert not both.client.peer.is_closed
    assert tape.flow.error is None


def test_h2_33_the_rest_of_an_upload_may_still_end_by_itself(duet, tape):
    """Until then it is read, and dropped; it takes no window from other streams."""
    both = duet(addons=[tape], http2_stream_window="100k", http2_connection_window="100k")
    for number in range(5):
        stream = both.client.asks("POST", "/", None)
        both.server.hear()
        both.server.answers(both.server.streams[-1], 401, b"no")
        for _ in range(number * 2):
            both.client.says(stream, Data(bytes(30_000)))
        both.client.says(stream, END)
        both.talk()
        assert both.client.engine.open_streams == 0
        assert both.client.response(stream).code is None
    assert not both.client.peer.is_closed


def test_h2_33_an_early_answer_to_an_http_1_client(play, tape):
    scenario = play("reverse:h2c://origin:80", addons=[tape])
    client = scenario.client()
    client.sends(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome")
    server = Http2Peer.server(scenario.servers[0])
    server.answers(1, 413, b"no", fields=[(b"content-length", b"2")])
    server.resets(1, NO_ERROR)
    received = client.received()
    assert received.startswith(b"HTTP/1.1 413 ")
    assert received.endswith(b"\r\n\r\nno")
    assert client.was_told_the_end, "nobody knows whether the rest will come"
    assert not server.peer.is_closed


def test_h2_33_the_answer_may_stream_while_the_upload_goes_on(duet):
    both = duet()
    stream = both.client.asks("POST", "/", None)
    both.server.answers(1, 200, None)
    assert both.client.response(stream).status == 200
    both.client.says(stream, Data(b"late"))
    assert both.server.request(1).body == b"late"
    both.client.says(stream, END)
    assert both.server.request(1).is_whole
    both.server.says(1, Data(b"bye"), END)
    response = both.client.response(stream)
    assert (response.body, response.is_whole, response.code) == (b"bye", True, None)


# What nobody looked at is safe to try again.


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("body", [b"", b"abc"])
def test_h2_05_a_refused_stream_is_tried_again(duet, tape, method, body):
    both = duet(addons=[tape, Wants()])
    stream = both.client.asks(method, "/", body)
    both.server.hear()
    both.server.resets(1, REFUSED_STREAM)
    server = both.server
    if len(both.scenario.servers) > 1:
        server = Http2Peer.server(both.scenario.servers[1])
    at = server.streams[-1]
    assert server.request(at).body == body
    server.answers(at, 200, b"ok")
    assert both.client.response(stream).body == b"ok"
    assert tape.flow.error is None
    assert tape.hooks.count("request") == 1


def test_h2_05_a_stream_refused_twice_is_given_up(duet, tape):
    both = duet(addons=[tape])
    stream = both.client.asks("GET")
    for _ in range(2):
        server = both.server if len(both.scenario.servers) == 1 else Http2Peer.server(both.scenario.servers[1])
        server.hear()
        server.resets(server.streams[-1], REFUSED_STREAM)
    assert both.client.response(stream).code == REFUSED_STREAM
    assert tape.hooks[-1] == "error"


def latest_server(both):
    return both.server if len(both.scenario.servers) == 1 else Http2Peer.server(both.scenario.servers[-1])


@pytest.mark.parametrize("by", ["reset", "goaway"])
def test_h2_05_an_upload_that_streamed_and_was_kept_is_sent_again(duet, tape, by):
    both = duet(addons=[tape])
    stream = both.client.asks("POST", "/", b"abc", fields=[(b"content-length", b"3")])
    assert both.server.request(1).is_whole
    if by == "reset":
        both.server.resets(1, REFUSED_STREAM)
    else:
        both.server.goes_away(last=0)
    server = latest_server(both)
    at = server.streams[-1]
    assert server.request(at).body == b"abc"
    assert server.request(at).is_whole
    server.answers(at, 200, b"ok")
    assert both.client.response(stream).body == b"ok"
    assert tape.flow.error is None
    assert tape.flow.request.content == b"abc"
    assert tape.hooks.count("request") == 1


@pytest.mark.parametrize("pieces", [[], [b"so", b"me"]])
def test_h2_05_an_upload_that_is_under_way_begins_anew(duet, tape, pieces):
    both = duet(addons=[tape])
    stream = both.client.asks("POST", "/", None)
    for piece in pieces:
        both.client.says(stream, Data(piece))
    assert both.server.request(1).body == b"".join(pieces)
    both.server.resets(1, REFUSED_STREAM)
    server = latest_server(both)
    at = server.streams[-1]
    assert server.request(at).body == b"".join(pieces)
    both.client.says(stream, Data(b" more"), END)
    assert server.request(at).body == b"".join(pieces) + b" more"
    assert server.request(at).is_whole
    server.answers(at, 200, b"ok")
    assert both.client.response(stream).body == b"ok"
    assert tape.flow.request.content == b"".join(pieces) + b" more"
    assert tape.hooks.count("request") == 1


def test_h2_05_an_upload_that_waits_for_the_server_begins_anew(duet, tape):
    """More than its window; what the refusing server did not take is not lost either."""
    both = duet(addons=[tape], limits=Limits(stream_window=65_535))
    stream = both.client.asks("POST", "/", None)
    both.server.hear()
    both.server.consumes = False
    sent = b"".join(bytes((number,)) * 10_000 for number in range(60))
    both.client.says(stream, Data(sent))
    both.client.hear()
    both.server.resets(1, REFUSED_STREAM)
    both.server.consumes = True
    server = latest_server(both)
    both.client.says(stream, END)
    for _ in range(20):
        server.hear()
        both.client.hear()
    at = server.streams[-1]
    assert server.request(at).body == sent
    assert server.request(at).is_whole


def test_h2_05_an_http_1_upload_begins_anew(play, tape):
    scenario = play("reverse:h2c://origin:80", addons=[tape])
    client = scenario.client()
    client.sends(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
    first = Http2Peer.server(scenario.servers[0])
    first.hear()
    first.resets(1, REFUSED_STREAM)
    client.sends(b"def")
    server = first if len(scenario.servers) == 1 else Http2Peer.server(scenario.servers[1])
    at = server.streams[-1]
    assert server.request(at).body == b"abcdef"
    server.answers(at, 200, b"ok")
    assert client.received().startswith(b"HTTP/1.1 200 ")


def test_h2_05_an_upload_that_is_with_hooks_is_sent_again_and_told_once(duet):
    class Intercepts:
        told = 0

        def requestheaders(self, flow):
            flow.request.stream = True

        def request(self, flow):
            self.told += 1
            flow.intercept()

    hooks = Intercepts()
    both = duet(addons=[hooks])
    stream = both.client.asks("POST", "/", b"abc")
    both.server.hear()
    both.server.resets(1, REFUSED_STREAM)
    server = latest_server(both)
    at = server.streams[-1]
    assert (server.request(at).body, server.request(at).is_whole) == (b"abc", True)
    server.answers(at, 200, b"ok")
    assert both.client.response(stream).body == b"ok"
    assert hooks.told == 1


def test_h2_05_h2_03_an_upload_that_was_not_kept_is_not_sent_again(duet, tape):
    both = duet(addons=[tape], body_memory=3)
    stream = both.client.asks("POST", "/", None)
    both.client.says(stream, Data(b"some"))
    both.server.hear()
    both.server.resets(1, REFUSED_STREAM)
    assert both.client.response(stream).code == REFUSED_STREAM
    assert len(both.scenario.servers) == 1


def test_h2_05_what_a_script_rewrote_on_its_way_is_not_sent_again(duet, tape):
    class Rewrites:
        def requestheaders(self, flow):
            flow.request.stream = bytes.upper

    both = duet(addons=[tape, Rewrites()])
    stream = both.client.asks("POST", "/", b"abc")
    assert both.server.request(1).body == b"ABC"
    both.server.resets(1, REFUSED_STREAM)
    assert both.client.response(stream).code == REFUSED_STREAM


def test_h2_05_trailers_that_streamed_are_not_sent_again(duet, tape):
    """Nobody kept which of them must not enter a compression table."""
    both = duet(addons=[tape])
    stream = both.client.asks("POST", "/", None)
    both.client.trails(stream, (b"x", b"y"))
    assert both.server.request(1).trailers == [(b"x", b"y")]
    both.server.resets(1, REFUSED_STREAM)
    assert both.client.response(stream).code == REFUSED_STREAM


def test_h2_05_h2_03_what_is_refused_for_good_is_503_for_http_1(play, tape):
    scenario = play("reverse:h2c://origin:80", addons=[tape], body_memory=3)
    client = scenario.client()
    client.sends(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome")
    server = Http2Peer.server(scenario.servers[0])
    server.hear()
    server.resets(1, REFUSED_STREAM)
    assert client.received().startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_h2_05_h2_06_goaway_ends_nothing_that_the_server_took(duet, tape, method):
    both = duet(addons=[tape, Wants()])
    first = both.client.asks("GET", "/first")
    both.server.hear()
    second = both.client.asks(method, "/second", b"abc")
    both.server.hear()
    both.server.goes_away(last=1)
    assert len(both.scenario.servers) == 2, "the second is tried on another connection"
    other = Http2Peer.server(both.scenario.servers[1])
    other.answers(1, 200, b"second")
    both.server.answers(1, 200, b"first")
    assert both.client.response(first).body == b"first"
    assert both.client.response(second).body == b"second"
    assert both.origin.is_closed, "its last stream is over"
    assert all(flow.error is None for flow in tape.flows)


def test_h2_06_after_goaway_new_streams_go_elsewhere(duet):
    both = duet()
    first = both.client.asks("GET", "/first")
    both.server.hear()
    both.server.goes_away()
    second = both.client.asks("GET", "/second")
    assert both.server.streams == [1]
    other = Http2Peer.server(both.scenario.servers[1])
    other.answers(1, 200, b"second")
    assert both.client.response(second).body == b"second"
    assert not both.origin.is_closed
    both.server.answers(1, 200, b"first")
    assert both.client.response(first).body == b"first"
    assert both.origin.is_closed


def test_h2_06_a_graceful_goaway_is_followed_by_the_real_one(duet):
    both = duet()
    first = both.client.asks("GET", "/first")
    both.server.hear()
    both.server.goes_away(last=0x7FFF_FFFF)
    both.server.answers(1, 200, None)
    both.server.goes_away(last=1)
    both.server.says(1, Data(b"whole"), END)
    assert both.client.response(first).body == b"whole"
    assert both.origin.is_closed


def test_h2_06_a_server_that_goes_away_while_idle_is_let_go(duet):
    both = duet()
    stream = both.client.asks("GET")
    both.server.answers(1, 200, b"ok")
    both.client.hear()
    both.server.goes_away()
    assert both.origin.is_closed
    assert len(both.scenario.pool) == 0
    assert both.client.response(stream).is_whole
    stream = both.client.asks("GET")
    Http2Peer.server(both.scenario.servers[1]).answers(1, 200, b"again")
    assert both.client.response(stream).body == b"again"


def test_h2_06_a_client_that_goes_away_still_gets_its_answers(duet, tape):
    both = duet(addons=[tape])
    stream = both.client.asks("GET")
    both.client.goes_away()
    assert not both.client.peer.is_closed
    both.server.answers(1, 200, b"ok")
    assert both.client.response(stream).body == b"ok"
    assert both.client.peer.is_closed
    assert tape.flow.error is None


@pytest.mark.parametrize("code", [ENHANCE_YOUR_CALM, PROTOCOL_ERROR])
def test_h2_06_goaway_with_an_error_is_told(duet, tape, code):
    both = duet(addons=[tape])
    stream = both.client.asks("GET")
    both.server.answers(1, 200, None)
    both.server.goes_away(code)
    both.origin.ends()
    response = both.client.response(stream)
    assert not response.is_whole
    assert isinstance(response.last, Reset)
    assert "CALM" in tape.flow.error.msg or "PROTOCOL" in tape.flow.error.msg


def test_h1_41_a_stream_on_a_connection_that_closed_in_between_is_tried_again(duet, tape):
    both = duet(addons=[tape])
    stream = both.client.asks("GET")
    both.server.answers(1, 200, b"ok")
    both.client.hear()
    again = both.client.asks("GET")
    both.server.hear()
    both.origin.leaves()
    other = Http2Peer.server(both.scenario.servers[1])
    other.answers(1, 200, b"again")
    assert both.client.response(again).body == b"again"
    assert both.client.response(stream).body == b"ok"
    assert tape.flow.error is None


@pytest.mark.parametrize("code", [CANCEL, INTERNAL_ERROR, NO_ERROR])
def test_h2_03_a_reset_on_a_connection_used_before_is_no_reason_to_try_again(duet, tape, code):
    both = duet(addons=[tape])
    both.client.asks("GET")
    both.server.answers(1, 200, b"ok")
    both.client.hear()
    again = both.client.asks("GET")
    both.server.hear()
    both.server.resets(3, code)
    assert both.client.response(again).code == code
    assert both.server.streams == [1, 3]
    assert tape.hooks[-1] == "error"


def test_h1_41_what_cannot_be_repeated_is_not_sent_twice(duet, tape):
    both = duet(addons=[tape])
    both.client.asks("GET")
    both.server.answers(1, 200, b"ok")
    both.client.hear()
    stream = both.client.asks("POST", "/", b"abc")
    both.server.hear()
    both.origin.leaves()
    assert len(both.scenario.servers) == 1
    assert both.client.response(stream).status == 502
    assert tape.hooks[-1] == "error"


# HTTP_1_1_REQUIRED.


def test_h2_04_http_1_1_required_is_retried_and_remembered(duet, tape):
    both = duet("reverse:http://origin:80", addons=[tape])
    stream = both.client.asks("GET")
    both.server.hear()
    both.server.resets(1, HTTP_1_1_REQUIRED)
    plain = both.scenario.servers[1]
    assert plain.received() == b"GET / HTTP/1.1\r\nHost: origin\r\n\r\n"
    plain.sends(OK)
    assert both.client.response(stream).body == b"ok"
    assert tape.flow.error is None
    stream = both.client.asks("GET", "/again")
    assert plain.received().startswith(b"GET /again HTTP/1.1\r\n")
    plain.sends(OK)
    assert both.client.response(stream).body == b"ok"
    assert len(both.scenario.servers) == 2


def test_h2_04_an_upload_that_was_kept_goes_on_in_http_1(duet, tape):
    both = duet("reverse:http://origin:80", addons=[tape])
    stream = both.client.asks("POST", "/", None)
    both.client.says(stream, Data(b"some"))
    both.server.hear()
    both.server.resets(1, HTTP_1_1_REQUIRED)
    both.client.says(stream, Data(b" more"), END)
    plain = both.scenario.servers[1]
    assert plain.received().endswith(b"\r\n\r\n4\r\nsome\r\n5\r\n more\r\n0\r\n\r\n")
    plain.sends(OK)
    assert both.client.response(stream).body == b"ok"


def test_h2_04_http_1_1_required_for_what_streamed_and_is_gone_is_told_the_client(duet, tape):
    """Its next request goes in HTTP/1."""
    both = duet("reverse:http://origin:80", addons=[tape], body_memory=3)
    stream = both.client.asks("POST", "/", None)
    both.client.says(stream, Data(b"some"))
    both.server.hear()
    both.server.resets(1, HTTP_1_1_REQUIRED)
    assert both.client.response(stream).code == HTTP_1_1_REQUIRED
    both.client.asks("GET")
    assert both.scenario.servers[1].received() == b"GET / HTTP/1.1\r\nHost: origin\r\n\r\n"


# One bad stream.


@pytest.mark.parametrize("side", ["client", "server"])
def test_h2_34_one_bad_stream_dies_alone(duet, raw, tape, side):
    both = duet(addons=[tape])
    client = raw.Peer(both.scenario.client(), is_client=True)
    head = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")]
    client.says(raw.headers(1, *head), raw.headers(3, *head))
    server = raw.Peer(both.origin, is_client=False)
    assert [frame.stream_id for frame in server.heard(frames.HEADERS)] == [1, 3]
    if side == "client":
        client.says(frames.frame(frames.DATA, 0, 1, b"after the end"))
    else:
        server.says(raw.headers(1, (b":status", b"nonsense")))
    (reset,) = [*client.heard(frames.RST_STREAM), *server.heard(frames.RST_STREAM)][:1]
    assert reset.stream_id == 1
    server.says(raw.headers(3, (b":status", b"204")))
    came = client.heard(frames.HEADERS)
    assert came[-1].stream_id == 3
    assert not client.peer.is_closed
    assert not server.peer.is_closed


def test_h2_11_h2_12_late_frames_of_a_stream_that_is_over(duet):
    both = duet()
    stream = both.client.asks("POST", "/", None)
    both.server.hear()
    both.client.resets(stream, CANCEL)
    both.origin.sends(frames.window_update(1, 10) + frames.frame(frames.DATA, 0, 1, b"late") + frames.rst_stream(1, 0))
    both.server.says(1, ResponseHead(200, b"", VERSION, [(b"x-new", b"1")], 0), END)
    again = both.client.asks("GET")
    both.server.answers(3, 200, b"ok", fields=[(b"x-new", b"1")])
    response = both.client.response(again)
    assert (response.body, response.fields) == (b"ok", [(b"x-new", b"1")])
    assert not both.origin.is_closed
