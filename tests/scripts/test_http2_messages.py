"""HTTP/2 messages as they pass: trailers, ends, padding, interim responses, cookies, what only HTTP/2 can say."""

import pytest

from midstream.addon import observe
from midstream.flow import Headers
from midstream.testing import Http2Peer
from midstream.wire.events import END, Data, RequestHead, ResponseHead, Trailers
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.frame import END_HEADERS, END_STREAM, PADDED
from midstream.wire.h2.heads import VERSION
from scriptkit.wants import Wants

TO_HTTP1 = {"mode": "reverse:http://origin:80", "server_http2": "never"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GRPC = [(b"content-type", b"application/grpc"), (b"te", b"trailers")]


# Trailers.


def test_h2_01_trailers_go_both_ways(duet, addons, tape):
    both = duet(addons=addons)
    stream = both.client.asks("POST", "/", None)
    both.client.says(stream, Data(b"question"), Trailers([(b"x-sum", b"1")]), END)
    (at,) = both.server.streams
    request = both.server.request(at)
    assert (request.body, request.trailers, request.is_whole) == (b"question", [(b"x-sum", b"1")], True)
    both.server.answers(at, 200, None)
    both.server.says(at, Data(b"answer"))
    both.server.trails(at, (b"grpc-status", b"0"))
    response = both.client.response(stream)
    assert (response.body, response.trailers, response.is_whole) == (b"answer", [(b"grpc-status", b"0")], True)
    assert tape.flow.request.trailers.fields == ((b"x-sum", b"1"),)
    assert tape.flow.response.trailers.fields == ((b"grpc-status", b"0"),)


def test_h2_01_trailers_only(duet, addons, tape):
    """A response of headers and trailers without data, as gRPC has it for errors."""
    both = duet(addons=addons)
    stream = both.client.asks("POST", "/", b"call", fields=GRPC)
    (at,) = both.server.streams
    both.server.says(at, ResponseHead(200, b"", VERSION, [(b"content-type", b"application/grpc")], None))
    both.server.trails(at, (b"grpc-status", b"5"))
    response = both.client.response(stream)
    assert (response.body, response.trailers, response.is_whole) == (b"", [(b"grpc-status", b"5")], True)
    assert not [frame for frame in both.client.frames if frame.kind == frames.DATA]


def test_h2_01_a_response_that_is_one_header_section(duet, addons):
    both = duet(addons=addons)
    stream = both.client.asks("POST", "/", b"call", fields=GRPC)
    (at,) = both.server.streams
    both.server.says(at, ResponseHead(200, b"", VERSION, [(b"grpc-status", b"5")], 0), END)
    assert both.client.response(stream).fields == [(b"grpc-status", b"5")]
    (frame,) = [frame for frame in both.client.frames if frame.stream_id == stream]
    assert frame.kind == frames.HEADERS
    assert frame.flags & END_STREAM


def test_h2_01_trailers_of_a_request_reach_an_http_1_server(duet, addons):
    both = duet(**TO_HTTP1, addons=addons)
    stream = both.client.asks("POST", "/", None)
    both.client.says(stream, Data(b"abc"), Trailers([(b"x-sum", b"1")]), END)
    assert both.origin.received() == (
        b"POST / HTTP/1.1\r\nHost: origin\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n"
    )


def test_h2_01_trailers_of_an_http_1_server_reach_the_client(duet, addons):
    both = duet(**TO_HTTP1, addons=addons)
    stream = both.client.asks("GET")
    both.origin.sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n")
    response = both.client.response(stream)
    assert (response.body, response.trailers, response.is_whole) == (b"abc", [(b"x-sum", b"1")], True)
    assert response.fields == []


def test_h2_01_trailers_of_an_http_2_server_reach_an_http_1_client(play, addons):
    scenario = play("reverse:h2c://origin:80", addons=addons)
    client = scenario.client()
    client.sends(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: TE\r\nTE: trailers\r\n\r\n")
    server = Http2Peer.server(scenario.servers[0])
    (at,) = server.streams
    assert (b"te", b"trailers") in server.request(at).fields
    server.answers(at, 200, None)
    server.says(at, Data(b"abc"))
    server.trails(at, (b"x-sum", b"1"))
    assert client.received() == (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n"
    )


def test_h2_01_ob_08_grpc_ping_pong_is_never_held(duet, tape):
    """Both bodies are under way at the same time."""
    both = duet(addons=[tape, Wants()])
    stream = both.client.asks("POST", "/", None, fields=GRPC)
    (at,) = both.server.streams
    both.server.answers(at, 200, None, fields=GRPC[:1])
    for number in range(3):
        both.client.says(stream, Data(b"ping%d" % number))
        assert both.server.request(at).body.endswith(b"ping%d" % number)
        both.server.says(at, Data(b"pong%d" % number))
        assert both.client.response(stream).body.endswith(b"pong%d" % number)
    both.client.says(stream, END)
    both.server.trails(at, (b"grpc-status", b"0"))
    assert both.client.response(stream).is_whole
    assert both.server.request(at).is_whole
    assert tape.flow.request.content == b"ping0ping1ping2"
    assert tape.flow.held_back == ""


def test_trailers_that_an_addon_makes(duet):
    class Trails:
        def request(self, flow):
            flow.request.trailers = Headers([(b"X-Request", b"1")])

        def response(self, flow):
            flow.response.trailers = Headers([(b"X-Response", b"1")])

    both = duet(addons=[Trails()])
    stream = both.client.asks("POST", "/", b"abc")
    (at,) = both.server.streams
    assert both.server.request(at).trailers == [(b"x-request", b"1")]
    both.server.answers(at, 200, b"abc")
    assert both.client.response(stream).trailers == [(b"x-response", b"1")]


# Ends.


def kinds(peer, stream):
    peer.hear()
    return [
        (frame.kind, bool(frame.flags & END_STREAM), len(frame.payload))
        for frame in peer.frames
        if frame.stream_id == stream and frame.kind in {frames.HEADERS, frames.DATA}
    ]


def test_h2_14_without_a_body_the_head_ends_the_stream(duet, addons):
    both = duet(addons=addons)
    stream = both.client.asks("GET")
    (at,) = both.server.streams
    both.server.answers(at, 204)
    for peer, its in ((both.server, at), (both.client, stream)):
        (only,) = kinds(peer, its)
        assert only[:2] == (frames.HEADERS, True)


def test_h2_14_an_empty_data_frame_that_is_all_of_the_body_is_relayed(duet, raw, tape):
    both = duet(addons=[tape])
    client = raw.Peer(both.scenario.client(), is_client=True)
    head = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")]
    client.says(raw.headers(1, *head, flags=END_HEADERS), frames.frame(frames.DATA, END_STREAM, 1, b""))
    server = raw.Peer(both.origin, is_client=False)
    sent = [frame for frame in server.heard() if frame.stream_id]
    assert [(frame.kind, bool(frame.flags & END_STREAM)) for frame in sent] == [
        (frames.HEADERS, False),
        (frames.DATA, True),
    ]
    server.says(raw.headers(1, (b":status", b"200"), flags=END_HEADERS), frames.frame(frames.DATA, END_STREAM, 1, b""))
    came = [frame for frame in client.heard() if frame.stream_id]
    assert [(frame.kind, bool(frame.flags & END_STREAM)) for frame in came] == [
        (frames.HEADERS, False),
        (frames.DATA, True),
    ]


def test_h2_14_no_empty_frame_follows_a_body_that_is_here_whole(duet, addons):
    both = duet(addons=addons)
    stream = both.client.asks("POST", "/", b"abc")
    (at,) = both.server.streams
    both.server.answers(at, 200, b"abc")
    for peer, its in ((both.server, at), (both.client, stream)):
        assert kinds(peer, its)[1:] == [(frames.DATA, True, 3)]


def test_h2_14_a_head_request_has_an_answer_of_one_frame(duet, addons):
    both = duet(addons=addons)
    stream = both.client.asks("HEAD")
    (at,) = both.server.streams
    both.server.says(at, ResponseHead(200, b"", VERSION, [(b"content-length", b"5")], 0), END)
    assert both.client.response(stream).fields == [(b"content-length", b"5")]
    assert len(kinds(both.client, stream)) == 1


def test_h1_12_head_and_304_keep_their_length_from_http_1(duet):
    both = duet(**TO_HTTP1)
    stream = both.client.asks("HEAD")
    both.origin.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    assert both.client.response(stream).fields == [(b"content-length", b"5")]
    assert both.client.response(stream).is_whole
    stream = both.client.asks("GET")
    both.origin.sends(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n")
    assert both.client.response(stream).fields == [(b"content-length", b"7")]
    assert both.client.response(stream).is_whole


def test_h1_15_a_body_until_close_ends_the_stream(duet, addons):
    both = duet(**TO_HTTP1, addons=addons)
    stream = both.client.asks("GET")
    both.origin.sends(b"HTTP/1.1 200 OK\r\n\r\nuntil ")
    both.origin.sends(b"close")
    both.origin.ends()
    response = both.client.response(stream)
    assert (response.body, response.is_whole) == (b"until close", True)


def test_h1_15_a_body_without_length_is_chunked_for_http_1(play, addons):
    scenario = play("reverse:h2c://origin:80", addons=addons)
    client = scenario.client()
    client.sends(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    server = Http2Peer.server(scenario.servers[0])
    server.answers(1, 200, None)
    server.says(1, Data(b"abc"), END)
    assert client.received() == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


def test_h1_01_a_response_without_reason_has_one_in_http_1(play, tape):
    scenario = play("reverse:h2c://origin:80", addons=[tape])
    client = scenario.client()
    client.sends(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    server = Http2Peer.server(scenario.servers[0])
    server.says(1, ResponseHead(404, b"", VERSION, [], 0), END)
    assert client.received() == b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    assert tape.flow.response.data.reason == b""
    assert tape.flow.response.http_version == "HTTP/2.0"


# Padding and size.


@pytest.mark.parametrize("padding", [0, 1, 255])
def test_h2_13_padding_goes_no_further(duet, raw, padding):
    both = duet()
    client = raw.Peer(both.scenario.client(), is_client=True)
    head = raw.literal((b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/"))
    padded = bytes((padding,)), bytes(padding)
    client.says(
        frames.frame(frames.HEADERS, END_HEADERS | PADDED, 1, padded[0] + head + padded[1]),
        frames.frame(frames.DATA, PADDED, 1, padded[0] + b"abc" + padded[1]),
        frames.frame(frames.DATA, PADDED | END_STREAM, 1, padded[0] + padded[1]),
    )
    request = both.server.request(1)
    assert (request.body, request.is_whole) == (b"abc", True)
    assert not [frame for frame in both.server.frames if frame.flags & PADDED]


@pytest.mark.parametrize("size", [65_535, 65_536, 200_000, 1_000_000])
def test_h2_13_h2_15_bodies_beyond_a_window_and_a_frame(duet, addons, tape, size):
    both = duet(addons=addons, stream_large_bodies=None)
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    stream = both.client.asks("PUT", "/", body)
    both.talk()
    assert both.server.request(1).body == body
    both.server.answers(1, 200, body)
    both.talk()
    response = both.client.response(stream)
    assert response.is_whole
    assert response.body == body
    assert tape.flow.request.raw_content == body
    assert max(len(frame.payload) for frame in both.client.frames) <= 16384


def test_h2_15_each_side_has_its_own_frame_size(duet, raw):
    both = duet(http2_max_frame_size=40_000)
    client = raw.Peer(both.scenario.client(), is_client=True)
    head = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")]
    client.says(raw.headers(1, *head, flags=END_HEADERS), frames.frame(frames.DATA, END_STREAM, 1, b"x" * 40_000))
    assert both.server.request(1).body == b"x" * 40_000
    sizes = [len(frame.payload) for frame in both.server.frames if frame.kind == frames.DATA]
    assert max(sizes) == 16384


def test_h2_16_a_long_head_comes_and_goes_in_continuations(duet, tape):
    both = duet(addons=[tape], max_head_bytes=200_000)
    fields = [(b"x-%d" % number, b"~" * 3000) for number in range(20)]
    stream = both.client.asks("GET", fields=fields)
    assert both.server.request(1).fields == fields
    assert [frame.kind for frame in both.server.frames if frame.stream_id == 1][:2] == [
        frames.HEADERS,
        frames.CONTINUATION,
    ]
    both.server.answers(1, 200, b"", fields=fields)
    assert both.client.response(stream).fields == fields


# Interim responses.


@pytest.mark.parametrize("status", [100, 102, 103])
def test_h2_32_interim_responses_are_relayed(duet, addons, tape, status):
    both = duet(addons=addons)
    stream = both.client.asks("GET")
    both.server.says(1, ResponseHead(status, b"", VERSION, [(b"link", b"</a>")], 0))
    assert both.client.response(stream).interims == [status]
    assert both.client.response(stream).fields == [(b"link", b"</a>")]
    both.server.answers(1, 200, b"ok")
    response = both.client.response(stream)
    assert (response.status, response.body) == (200, b"ok")
    assert [interim.status_code for interim in tape.flow.informational] == [status]
    assert tape.flow.response.status_code == 200


def test_h2_32_interim_responses_between_the_versions(play, duet):
    both = duet(**TO_HTTP1)
    stream = both.client.asks("GET")
    both.origin.sends(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    assert both.client.response(stream).interims == [103]
    both.origin.sends(OK)
    assert both.client.response(stream).body == b"ok"

    scenario = play("reverse:h2c://origin:80")
    client = scenario.client()
    client.sends(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    server = Http2Peer.server(scenario.servers[0])
    server.says(1, ResponseHead(103, b"", VERSION, [(b"link", b"</a>")], 0))
    assert client.received() == b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"


def test_h2_32_http_1_0_clients_get_no_interim_response(play, tape):
    scenario = play("reverse:h2c://origin:80", addons=[tape])
    client = scenario.client()
    client.sends(b"GET / HTTP/1.0\r\n\r\n")
    server = Http2Peer.server(scenario.servers[0])
    server.says(1, ResponseHead(103, b"", VERSION, [(b"link", b"</a>")], 0))
    assert client.received() == b""
    server.answers(1, 200, b"ok")
    assert client.received().endswith(b"\r\n\r\nok")
    assert client.was_told_the_end
    assert len(tape.flow.informational) == 1


def test_h1_19_expect_goes_to_an_http_2_server_and_its_100_comes_back(duet):
    both = duet()
    stream = both.client.asks("POST", "/", None, fields=[(b"expect", b"100-continue"), (b"content-length", b"3")])
    assert (b"expect", b"100-continue") in both.server.request(1).fields
    assert both.server.request(1).body == b""
    both.server.says(1, ResponseHead(100, b"", VERSION, [], 0))
    assert both.client.response(stream).interims == [100]
    both.client.says(stream, Data(b"abc"), END)
    assert both.server.request(1).is_whole


def test_h1_19_100_is_our_own_if_an_addon_wants_the_body_first(duet):
    both = duet(addons=[Wants()])
    stream = both.client.asks("POST", "/", None, fields=[(b"expect", b"100-continue"), (b"content-length", b"3")])
    assert both.client.response(stream).interims == [100]
    assert both.scenario.servers == []
    both.client.says(stream, Data(b"abc"), END)
    assert both.server.request(1).fields == [(b"content-length", b"3")]
    assert both.server.request(1).body == b"abc"


def test_101_of_an_http_2_server_is_refused(duet, raw, tape):
    both = duet(addons=[tape])
    stream = both.client.asks("GET")
    server = raw.Peer(both.origin, is_client=False)
    server.says(raw.headers(1, (b":status", b"101"), flags=END_HEADERS))
    assert both.client.response(stream).status == 502
    assert "101" in tape.flow.error.msg


# Cookies.


CRUMBS = [(b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b"), (b"cookie", b"c=3")]


def test_h2_31_cookie_crumbs_pass_as_they_are(duet, addons, tape):
    both = duet(addons=addons)
    both.client.asks("GET", fields=CRUMBS)
    assert both.server.request(1).fields == CRUMBS
    assert list(tape.flow.request.cookies.items(multi=True)) == [("a", "1"), ("b", ""), ("c", "3")]


@pytest.mark.parametrize("is_edited", [False, True])
def test_h2_31_h1_38_cookie_crumbs_are_joined_for_http_1(duet, is_edited):
    class Edits:
        def request(self, flow):
            if is_edited:
                flow.request.headers["X"] = "z"

    both = duet(**TO_HTTP1, addons=[Edits()])
    both.client.asks("GET", fields=CRUMBS)
    assert both.origin.received() == b"GET / HTTP/1.1\r\nHost: origin\r\ncookie: a=1; b; c=3\r\nx: %b\r\n\r\n" % (
        b"z" if is_edited else b"y"
    )


def test_h1_38_set_cookie_is_never_joined(play):
    scenario = play("reverse:h2c://origin:80")
    client = scenario.client()
    client.sends(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    server = Http2Peer.server(scenario.servers[0])
    server.answers(1, 204, fields=[(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")])
    assert client.received() == b"HTTP/1.1 204 No Content\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\r\n"


# What only HTTP/2 can say.


SECRET = (b"authorization", b"Bearer x")


@pytest.mark.parametrize("is_edited", [False, True])
def test_h1_31_never_indexed_fields_stay_so_and_pseudo_fields_keep_their_order(duet, raw, is_edited):
    class Edits:
        def request(self, flow):
            if is_edited:
                flow.request.headers["x"] = "1"

        def response(self, flow):
            if is_edited:
                flow.response.headers["x"] = "1"

    both = duet(addons=[Edits()])
    head = RequestHead(
        b"GET",
        b"/",
        VERSION,
        [SECRET],
        scheme=b"http",
        authority=b"origin",
        pseudo_order=b"m,p,s,a",
        never_indexed=frozenset({SECRET}),
    )
    both.client.engine.open_whole(head, b"")
    both.client.flush()
    request = both.server.request(1).head
    assert request.pseudo_order == b"m,p,s,a"
    assert request.never_indexed == {SECRET}
    secret = (b"set-cookie", b"k=v")
    both.server.says(1, ResponseHead(200, b"", VERSION, [secret], 0, never_indexed=frozenset({secret})), END)
    assert both.client.response(1).head.never_indexed == {secret}


def test_never_indexed_trailers_stay_so(duet, addons):
    both = duet(addons=addons)
    secret = (b"x-key", b"v")
    stream = both.client.asks("POST", "/", None)
    both.client.says(stream, Data(b"a"), Trailers([secret], frozenset({secret})), END)
    (trailers,) = [event for event in both.server.request(1).events if isinstance(event, Trailers)]
    assert trailers.never_indexed == {secret}
    both.server.answers(1, 200, None)
    both.server.says(1, Data(b"a"), Trailers([secret], frozenset({secret})), END)
    (trailers,) = [event for event in both.client.response(stream).events if isinstance(event, Trailers)]
    assert trailers.never_indexed == {secret}


def test_h1_31_order_case_and_repetition_of_values_survive(duet, addons):
    fields = [(b"b", b"2"), (b"a", b""), (b"b", b"1"), (b"a", b"X Y"), (b"c", "é".encode())]
    both = duet(addons=addons)
    stream = both.client.asks("GET", fields=fields)
    assert both.server.request(1).fields == fields
    both.server.answers(1, 200, b"", fields=fields)
    assert both.client.response(stream).fields == fields


PRIORITY = (b"priority", b"u=1, i")


@pytest.mark.parametrize("passes", [False, True])
@pytest.mark.parametrize("is_edited", [False, True])
def test_h2_23_the_priority_field(duet, tape, passes, is_edited):
    class Edits:
        def request(self, flow):
            if is_edited:
                flow.request.headers["x"] = "1"

    both = duet(addons=[tape, Edits()], http2_priority=passes)
    both.client.asks("GET", fields=[PRIORITY])
    assert (PRIORITY in both.server.request(1).fields) == passes
    assert tape.flow.request.headers["priority"] == "u=1, i", "what the client said is on the record"


@pytest.mark.parametrize("passes", [False, True])
def test_h2_23_the_priority_field_towards_http_1(duet, passes):
    both = duet(**TO_HTTP1, http2_priority=passes)
    both.client.asks("GET", fields=[PRIORITY])
    assert (b"priority: u=1, i" in both.origin.received()) == passes


@pytest.mark.parametrize("passes", [False, True])
def test_h2_23_priority_frames(duet, raw, passes):
    both = duet(http2_priority=passes)
    client = raw.Peer(both.scenario.client(), is_client=True)
    head = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")]
    weight = (3).to_bytes(4, "big") + b"\x07"
    update = frames.frame(frames.PRIORITY_UPDATE, 0, 0, (1).to_bytes(4, "big") + b"u=2")
    client.says(frames.frame(frames.PRIORITY, 0, 1, weight), raw.headers(1, *head))
    client.says(update)
    both.server.hear()
    said = [frame for frame in both.server.frames if frame.kind in {frames.PRIORITY, frames.PRIORITY_UPDATE}]
    if passes:
        assert [(frame.kind, frame.payload) for frame in said] == [
            (frames.PRIORITY, bytes(4) + b"\x07"),
            (frames.PRIORITY_UPDATE, (1).to_bytes(4, "big") + b"u=2"),
        ]
    else:
        assert said == []


def test_the_priority_of_an_answer_is_passed_on(duet):
    both = duet()
    stream = both.client.asks("GET")
    both.server.answers(1, 200, b"", fields=[PRIORITY])
    assert both.client.response(stream).fields == [PRIORITY]


# What ends at a hop.


class Edits:
    def request(self, flow):
        flow.request.headers["x"] = "1"


@pytest.mark.parametrize("script", [[], [Edits()]], ids=["as it came", "edited"])
def test_h1_39_te_trailers_goes_on_and_proxy_authorization_does_not(duet, script):
    fields = [(b"te", b"trailers"), (b"proxy-authorization", b"Basic eDp5"), (b"a", b"b")]
    both = duet(addons=script)
    both.client.asks("GET", fields=fields)
    added = [(b"x", b"1")] if script else []
    assert both.server.request(1).fields == [(b"te", b"trailers"), (b"a", b"b"), *added]


@pytest.mark.parametrize("script", [[], [Edits()]], ids=["as it came", "edited"])
def test_h1_39_te_is_named_by_connection_for_an_http_1_server(duet, script):
    fields = [(b"te", b"trailers"), (b"proxy-authorization", b"Basic eDp5"), (b"a", b"b")]
    both = duet(**TO_HTTP1, addons=script)
    both.client.asks("GET", fields=fields)
    assert both.origin.received() == (
        b"GET / HTTP/1.1\r\nHost: origin\r\nConnection: TE\r\nte: trailers\r\na: b\r\n%b\r\n"
        % (b"x: 1\r\n" if script else b"")
    )


def test_h1_39_what_an_addon_says_about_the_connection_goes_no_further(duet):
    class Adds:
        def request(self, flow):
            flow.request.headers.update({"Connection": "close", "Keep-Alive": "1", "Upgrade": "x", "TE": "trailers"})

    both = duet(addons=[Adds()])
    both.client.asks("GET")
    assert both.server.request(1).fields == [(b"te", b"trailers")]
    both = duet(**TO_HTTP1, addons=[Adds()])
    both.client.asks("GET")
    assert both.origin.received() == b"GET / HTTP/1.1\r\nHost: origin\r\nConnection: TE\r\nTE: trailers\r\n\r\n"


def test_h1_10_edited_messages_keep_their_trailers_towards_http_1(play, duet):
    class Edits:
        def request(self, flow):
            flow.request.text = "question"

        def response(self, flow):
            flow.response.text = "answer"

    both = duet(**TO_HTTP1, addons=[Edits()])
    stream = both.client.asks("POST", "/", None)
    both.client.says(stream, Data(b"abc"), Trailers([(b"x-sum", b"1")]), END)
    assert both.origin.received().endswith(b"\r\n\r\n8\r\nquestion\r\n0\r\nx-sum: 1\r\n\r\n")

    scenario = play("reverse:h2c://origin:80", addons=[Edits()])
    client = scenario.client()
    client.sends(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    server = Http2Peer.server(scenario.servers[0])
    server.answers(1, 200, None)
    server.says(1, Data(b"abc"))
    server.trails(1, (b"x-sum", b"1"))
    assert client.received().endswith(b"\r\n\r\n6\r\nanswer\r\n0\r\nx-sum: 1\r\n\r\n")


# Names and lengths.


@pytest.mark.parametrize("hook", ["requestheaders", "request"])
def test_h2_24_upper_case_names_of_an_addon_become_lower_case(duet, hook):
    def act(self, flow):
        flow.request.headers["X-Upper"] = "1"

    def answer(self, flow):
        flow.response.headers["X-Upper"] = "1"

    both = duet(addons=[type("Shouts", (), {hook: act, hook.replace("request", "response"): answer})()])
    stream = both.client.asks("GET", fields=[(b"x-own", b"1")])
    assert both.server.request(1).fields == [(b"x-own", b"1"), (b"x-upper", b"1")]
    both.server.answers(1, 200, b"", fields=[(b"x-own", b"1")])
    assert both.client.response(stream).fields == [(b"x-own", b"1"), (b"x-upper", b"1")]


def test_h2_24_names_of_http_1_become_lower_case(play, duet):
    both = duet(**TO_HTTP1)
    stream = both.client.asks("GET")
    both.origin.sends(b"HTTP/1.1 200 OK\r\nX-Upper: 1\r\nContent-Length: 0\r\n\r\n")
    assert both.client.response(stream).fields == [(b"x-upper", b"1"), (b"content-length", b"0")]

    scenario = play("reverse:h2c://origin:80")
    scenario.client().sends(b"GET / HTTP/1.1\r\nHost: a\r\nX-Upper: 1\r\n\r\n")
    server = Http2Peer.server(scenario.servers[0])
    assert server.request(1).fields == [(b"x-upper", b"1")]


@pytest.mark.parametrize("value", ["99", "1", "-1", "nonsense"])
def test_h2_30_a_wrong_length_of_an_addon_is_corrected(duet, value):
    class Lies:
        def request(self, flow):
            flow.request.headers["content-length"] = value

        def response(self, flow):
            flow.response.headers["content-length"] = value

    both = duet(addons=[Lies()])
    stream = both.client.asks("POST", "/", b"abc")
    assert both.server.request(1).fields == [(b"content-length", b"3")]
    both.server.answers(1, 200, b"abcd")
    response = both.client.response(stream)
    assert response.fields == [(b"content-length", b"4")]
    assert response.is_whole


def test_h2_30_a_length_that_a_script_makes_untrue_is_dropped(duet):
    class Doubles:
        def requestheaders(self, flow):
            flow.request.stream = lambda data: data * 2

        def responseheaders(self, flow):
            flow.response.stream = lambda data: data * 2

    both = duet(addons=[Doubles()])
    stream = both.client.asks("POST", "/", b"abc", fields=[(b"content-length", b"3")])
    assert (both.server.request(1).fields, both.server.request(1).body) == ([], b"abcabc")
    both.server.answers(1, 200, b"xyz", fields=[(b"content-length", b"3")])
    response = both.client.response(stream)
    assert (response.fields, response.body, response.is_whole) == ([], b"xyzxyz", True)


def test_h2_30_a_length_that_fits_is_kept(duet, addons):
    both = duet(addons=addons)
    stream = both.client.asks("POST", "/", b"abc", fields=[(b"content-length", b"3")])
    assert both.server.request(1).fields == [(b"content-length", b"3")]
    both.server.answers(1, 200, b"abcd", fields=[(b"content-length", b"4")])
    assert both.client.response(stream).fields == [(b"content-length", b"4")]


def test_h2_40_streams_are_freed_when_they_are_over(duet, tape):
    """mm#4786: hundreds of requests on one connection leave nothing behind."""
    both = duet(addons=[tape])
    for number in range(50):
        stream = both.client.asks("POST", f"/{number}", b"abc")
        both.server.answers(both.server.streams[-1], 200, b"ok")
        assert both.client.response(stream).body == b"ok"
    (connection,) = both.scenario._connections
    assert not connection._http.streams
    assert connection._http.engine.open_streams == 0
    (shared,) = both.scenario.pool._shared.values()
    assert not shared[0].streams
    assert shared[0].engine.open_streams == 0
    assert shared[0].engine.unconsumed == 0
    assert connection._http.engine.unconsumed == 0
    assert len(both.scenario.servers) == 1
    assert len(tape.flows) == 50
    assert [flow.stream_id for flow in tape.flows] == list(range(1, 100, 2))


@pytest.mark.parametrize("length", [None, 3])
def test_bodies_of_one_direction_in_all_versions(play, length):
    """HTTP/1 to HTTP/2, chunked and with a length."""

    class Looks:
        @observe
        def request(self, flow):
            pass

    scenario = play("reverse:h2c://origin:80", addons=[Looks()])
    client = scenario.client()
    framing = b"Content-Length: 3\r\n\r\nabc" if length else b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    client.sends(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing)
    server = Http2Peer.server(scenario.servers[0])
    request = server.request(1)
    assert (request.body, request.is_whole) == (b"abc", True)
    assert request.fields == ([(b"content-length", b"3")] if length else [])
    server.answers(1, 200, b"ok", fields=[(b"content-length", b"2")] if length else [])
    assert client.received().endswith(b"\r\n\r\nok" if length else b"2\r\nok\r\n0\r\n\r\n")
