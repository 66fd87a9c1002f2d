"""Bodies: when they flow on as they come, when they are held back and why, and who pushes back on whom."""

import pytest

from midstream.addon import observe
from midstream.flow import Response
from scriptkit.wants import Wants

GET = b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
POST = b"POST http://a/ HTTP/1.1\r\nHost: a\r\n"
HELD = "an addon wants the whole body"
MEGABYTE = b"m" * (1 << 20)


class StreamsAll:
    def __init__(self, stream=True):
        self.stream = stream

    def requestheaders(self, flow):
        flow.request.stream = self.stream

    def responseheaders(self, flow):
        flow.response.stream = self.stream


def test_bodies_flow_on_as_they_come_without_an_addon(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(POST + b"Content-Length: 6\r\n\r\nabc")
    (server,) = scenario.servers
    assert server.received().endswith(b"\r\n\r\nabc")
    client.sends(b"def")
    assert server.received() == b"def"
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nuvw")
    assert client.received().endswith(b"\r\n\r\nuvw")
    server.sends(b"xyz")
    assert client.received() == b"xyz"
    assert tape.flow.held_back == ""
    assert tape.flow.request.content == b"abcdef"
    assert tape.flow.response.content == b"uvwxyz"


def test_a_body_is_held_back_for_an_addon_and_the_flow_says_why(play, tape):
    scenario = play(addons=[tape, Wants()])
    client = scenario.client()
    client.sends(POST + b"Content-Length: 6\r\n\r\nabc")
    assert scenario.servers == []
    assert tape.flow.held_back == HELD
    client.sends(b"def")
    (server,) = scenario.servers
    assert server.received().endswith(b"\r\n\r\nabcdef")
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nuvw")
    assert client.received() == b""
    server.sends(b"xyz")
    assert client.received().endswith(b"\r\n\r\nuvwxyz")


@pytest.mark.parametrize("addons", [(Wants(),), ()])
def test_an_empty_chunked_body(play, tape, addons):
    scenario = play(addons=[tape, *addons])
    client = scenario.client()
    client.sends(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    (server,) = scenario.servers
    assert server.received() == b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    server.sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert client.received() == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert len(scenario.pool) == 1


@pytest.mark.parametrize("addons", [(Wants(),), (Wants(), StreamsAll()), ()])
def test_chunked_bodies_stay_chunked(play, tape, addons):
    scenario = play(addons=[tape, *addons])
    client = scenario.client()
    client.sends(POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    (server,) = scenario.servers
    assert server.received() == b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    server.sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    assert client.received() == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    assert not client.is_closed
    assert not server.is_closed


def test_stream_true_lets_bodies_flow_past_addons(play, tape):
    scenario = play(addons=[tape, Wants(), StreamsAll()])
    client = scenario.client()
    client.sends(POST + b"Content-Length: 6\r\n\r\nabc")
    (server,) = scenario.servers
    assert server.received().endswith(b"abc")
    client.sends(b"def")
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nuvw")
    assert client.received().endswith(b"uvw")
    server.sends(b"xyz")
    assert tape.flow.held_back == ""
    assert tape.flow.response.content == b"uvwxyz"


def doubled(data: bytes) -> bytes:
    return data + data


def cut_up(data: bytes):
    return [data[at : at + 1] for at in range(len(data))]


def dropped(data: bytes):
    return []


def with_last_word(data: bytes):
    return data or b"!"


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (doubled, b"8\r\nabcdabcd\r\n0\r\n\r\n"),
        (cut_up, b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n1\r\nd\r\n0\r\n\r\n"),
        (dropped, b"0\r\n\r\n"),
        (with_last_word, b"4\r\nabcd\r\n1\r\n!\r\n0\r\n\r\n"),
    ],
)
def test_ad_13_a_callable_rewrites_bodies_piece_by_piece(play, stream, expected):
    scenario = play(addons=[StreamsAll(stream)])
    client = scenario.client()
    client.sends(POST + b"Content-Length: 4\r\n\r\nabcd")
    (server,) = scenario.servers
    received = server.received()
    assert received.endswith(b"\r\n\r\n" + expected)
    assert b"Content-Length" not in received
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd")
    received = client.received()
    assert received.endswith(b"\r\n\r\n" + expected)
    assert b"Content-Length" not in received


def test_a_callable_that_fails_breaks_off_only_its_flow(play, tape):
    def broken(data):
        raise ValueError("no")

    scenario = play(addons=[tape, StreamsAll(broken)])
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(OK)
    assert client.is_closed
    assert tape.hooks[-1] == "error"
    assert "no" in tape.flow.error.msg
    other = scenario.client()
    other.sends(POST + b"Content-Length: 2\r\n\r\nhi")
    assert other.received().startswith(b"HTTP/1.1 502 ")
    assert other.was_told_the_end


def test_a_callable_that_gives_text_breaks_off_only_its_flow(play, tape):
    scenario = play(addons=[tape, StreamsAll(lambda data: ["text"])])
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(OK)
    assert client.is_closed
    assert tape.hooks[-1] == "error"


def test_ad_14_header_edits_take_effect_before_a_streamed_body(play):
    class Edits:
        def requestheaders(self, flow):
            flow.request.headers["X-New"] = "1"
            flow.request.path = "/y"
            flow.request.stream = True

        def responseheaders(self, flow):
            flow.response.headers["X-New"] = "1"
            flow.response.status_code = 201
            flow.response.stream = True

    scenario = play(addons=[Edits()])
    client = scenario.client()
    client.sends(POST + b"Content-Length: 6\r\n\r\nabc")
    (server,) = scenario.servers
    assert server.received() == b"POST /y HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nX-New: 1\r\n\r\nabc"
    client.sends(b"def")
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
    assert client.received() == b"HTTP/1.1 201 OK\r\nContent-Length: 6\r\nX-New: 1\r\n\r\nabc"


def test_large_bodies_are_not_held_back(play, tape):
    scenario = play(addons=[tape, Wants()], stream_large_bodies=100)
    client = scenario.client()
    client.sends(POST + b"Content-Length: 200\r\n\r\n" + b"a" * 50)
    (server,) = scenario.servers
    assert server.received().endswith(b"a" * 50)
    client.sends(b"a" * 150)
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b"a" * 50)
    assert client.received().endswith(b"a" * 50)
    server.sends(b"a" * 150)
    assert tape.flow.held_back == ""


def test_a_body_that_grows_too_large_is_let_go(play, tape):
    scenario = play(addons=[tape, Wants()], stream_large_bodies=100)
    client = scenario.client()
    client.sends(POST + b"Transfer-Encoding: chunked\r\n\r\n50\r\n" + b"a" * 80 + b"\r\n")
    assert tape.flow.held_back == HELD
    assert scenario.servers == []
    client.sends(b"50\r\n" + b"b" * 80 + b"\r\n")
    assert tape.flow.held_back == ""
    (server,) = scenario.servers
    client.sends(b"2\r\ncd\r\n0\r\n\r\n")
    body = b"50\r\n" + b"a" * 80 + b"\r\n50\r\n" + b"b" * 80 + b"\r\n2\r\ncd\r\n0\r\n\r\n"
    assert server.received().endswith(b"\r\n\r\n" + body)
    assert tape.flow.request.content == b"a" * 80 + b"b" * 80 + b"cd"
    server.sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n" + b"a" * 80 + b"\r\n")
    assert client.received() == b""
    server.sends(b"50\r\n" + b"b" * 80 + b"\r\n")
    assert b"b" * 80 in client.transport.written
    server.sends(b"2\r\ncd\r\n0\r\n\r\n")
    assert client.received().endswith(b"\r\n\r\n" + body)
    assert tape.flow.response.content == b"a" * 80 + b"b" * 80 + b"cd"


@pytest.mark.parametrize("kind", [b"text/event-stream", b"Text/Event-Stream; charset=utf-8", b"application/grpc+proto"])
def test_ob_08_endless_bodies_are_never_held_back(play, tape, kind):
    scenario = play(addons=[tape, Wants()])
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    assert client.received().endswith(b"\r\n\r\n3\r\nabc\r\n")
    server.sends(b"3\r\ndef\r\n")
    assert client.received() == b"3\r\ndef\r\n"
    server.sends(b"0\r\n\r\n")


def test_a_held_request_does_not_hold_its_response_back(play, tape):
    class WantsRequests:
        def request(self, flow):
            pass

    scenario = play(addons=[tape, WantsRequests()])
    client = scenario.client()
    client.sends(POST + b"Content-Length: 6\r\n\r\nabc")
    client.sends(b"def")
    (server,) = scenario.servers
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nuvw")
    assert client.received().endswith(b"uvw")
    server.sends(b"xyz")
    assert tape.flow.held_back == HELD, "of the request"


def test_observers_do_not_hold_bodies_back(play):
    @observe
    class Watches:
        def __init__(self):
            self.bodies = []

        def request(self, flow):
            self.bodies.append(flow.request.content)

        def response(self, flow):
            self.bodies.append(flow.response.content)

    watches = Watches()
    scenario = play(addons=[watches])
    client = scenario.client()
    client.sends(POST + b"Content-Length: 6\r\n\r\nabc")
    assert scenario.servers[0].received().endswith(b"abc")
    client.sends(b"def")
    scenario.servers[0].sends(OK)
    assert watches.bodies == [b"abcdef", b"ok"]


def test_what_is_kept_of_a_body_is_bounded(play, tape):
    scenario = play(addons=[tape], body_memory=100)
    client = scenario.client()
    client.sends(POST + b"Content-Length: 200\r\n\r\n" + b"a" * 200)
    scenario.servers[0].sends(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b"a" * 200, piece=150)
    assert client.received().endswith(b"a" * 200)
    assert tape.flow.request.content is None
    assert tape.flow.response.content is None
    assert tape.flow.response.body.size == 200


def test_large_bodies_are_kept_in_a_file_if_wanted(play, tape):
    scenario = play(addons=[tape], body_memory=100, store_streamed_bodies=True)
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b"a" * 200, piece=150)
    assert tape.flow.response.content == b"a" * 200
    tape.flow.response.body.close()


# Edits.


class Replaces:
    def request(self, flow):
        flow.request.content = b"longer than before"

    def response(self, flow):
        flow.response.content = b"longer than before"


def test_an_edited_body_gets_its_new_length(play):
    scenario = play(addons=[Replaces()])
    client = scenario.client()
    client.sends(POST + b"Content-Length: 2\r\nX: 1\r\n\r\nhi")
    (server,) = scenario.servers
    expected = b"Content-Length: 18\r\nX: 1\r\n\r\nlonger than before"
    assert server.received() == b"POST / HTTP/1.1\r\nHost: a\r\n" + expected
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: 1\r\n\r\nok")
    assert client.received() == b"HTTP/1.1 200 OK\r\n" + expected


def test_h1_14_an_edited_chunked_body_stays_chunked(play):
    scenario = play(addons=[Replaces()])
    client = scenario.client()
    client.sends(POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
    (server,) = scenario.servers
    expected = b"Transfer-Encoding: chunked\r\n\r\n12\r\nlonger than before\r\n0\r\n\r\n"
    assert server.received() == b"POST / HTTP/1.1\r\nHost: a\r\n" + expected
    server.sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    assert client.received() == b"HTTP/1.1 200 OK\r\n" + expected


def test_a_body_can_be_removed(play):
    class Empties:
        def request(self, flow):
            flow.request.content = b""

        def response(self, flow):
            flow.response.content = b""

    scenario = play(addons=[Empties()])
    client = scenario.client()
    client.sends(POST + b"Content-Length: 2\r\n\r\nhi")
    (server,) = scenario.servers
    assert server.received() == b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    server.sends(OK)
    assert client.received() == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("kwargs", [{}, {"headers": "shared"}])
def test_a_response_replaced_in_the_response_hook_is_what_is_sent(play, kwargs):
    class Swaps:
        def response(self, flow):
            headers = flow.response.headers if kwargs else ()
            flow.response = Response(b"HTTP/1.1", 404, b"Gone Fishing", headers, b"swapped")

    scenario = play(addons=[Swaps()])
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(b"HTTP/1.1 200 OK\r\nX: 1\r\nContent-Length: 2\r\n\r\nok")
    received = client.received()
    assert received.startswith(b"HTTP/1.1 404 Gone Fishing\r\n")
    assert b"Content-Length: 7\r\n" in received
    assert received.endswith(b"\r\n\r\nswapped")


@pytest.mark.parametrize("hook", ["requestheaders", "request"])
def test_a_request_replaced_in_a_hook_is_what_is_sent(play, hook):
    def swap(flow):
        old = flow.request
        flow.request = type(old)(
            "b", 8000, b"PUT", b"http", b"", b"/z", b"HTTP/1.1", [(b"Host", b"b:8000")], b"swapped"
        )

    addon = type("Swaps", (), {hook: lambda self, flow: swap(flow)})()
    scenario = play(addons=[addon])
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    assert server.address == ("b", 8000)
    assert server.received() == b"PUT /z HTTP/1.1\r\nHost: b:8000\r\nContent-Length: 7\r\n\r\nswapped"
    server.sends(OK)


# Limits.


@pytest.mark.parametrize("addons", [(), (Wants(),)])
@pytest.mark.parametrize(
    "body", [b"Content-Length: 200\r\n\r\n" + b"a" * 200, b"Transfer-Encoding: chunked\r\n\r\nc8\r\n" + b"a" * 200]
)
def test_body_size_limit_of_requests(play, tape, addons, body):
    scenario = play(addons=[tape, *addons], body_size_limit=100)
    client = scenario.client()
    client.sends(POST + body)
    assert client.received().startswith(b"HTTP/1.1 413 ")
    assert client.was_told_the_end
    assert all(server.is_closed for server in scenario.servers)
    assert "body_size_limit" in tape.flow.error.msg


@pytest.mark.parametrize("addons", [(), (Wants(),)])
def test_body_size_limit_of_responses(play, tape, addons):
    scenario = play(addons=[tape, *addons], body_size_limit=100)
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b"a" * 200)
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert scenario.servers[0].is_closed


@pytest.mark.parametrize("addons", [(), (Wants(),)])
@pytest.mark.parametrize("end", [b"", b"0\r\n\r\n"])
def test_body_size_limit_of_responses_of_unknown_size(play, tape, addons, end):
    scenario = play(addons=[tape, *addons], body_size_limit=100)
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc8\r\n" + b"a" * 200 + b"\r\n" + end)
    server.sends(b"0\r\n\r\n")
    assert client.was_told_the_end
    assert not client.received().endswith(b"\r\n0\r\n\r\n")
    assert server.is_closed
    assert tape.hooks[-1] == "error"


# Back-pressure.


def test_h1_46_a_slow_client_slows_the_server_down(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.transport.reads_slowly = True
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (8 << 20))
    sent = 0
    for _ in range(80):
        if not server.may_send:
            break
        server.sends(MEGABYTE[:65536])
        sent += 65536
    assert not server.may_send
    assert sent < 1 << 20
    got = 0
    while sent < 8 << 20 or client.transport.written:
        got += len(client.received())
        while server.may_send and sent < 8 << 20:
            server.sends(MEGABYTE[:65536])
            sent += 65536
    assert got > 8 << 20
    assert tape.hooks[-1] == "response"
    assert len(scenario.pool) == 1


def test_h1_46_a_slow_server_slows_the_client_down(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(POST + b"Content-Length: %d\r\n\r\n" % (8 << 20))
    (server,) = scenario.servers
    server.transport.reads_slowly = True
    sent = 0
    for _ in range(80):
        if not client.may_send:
            break
        client.sends(MEGABYTE[:65536])
        sent += 65536
    assert not client.may_send
    assert sent < 1 << 20
    got = 0
    while sent < 8 << 20 or server.transport.written:
        got += len(server.received())
        while client.may_send and sent < 8 << 20:
            client.sends(MEGABYTE[:65536])
            sent += 65536
    assert got > 8 << 20
    server.sends(OK)
    assert client.received() == OK
    assert client.may_send
    assert tape.hooks[-1] == "response"


def test_h1_46_a_client_that_never_reads_does_not_hold_the_server_for_ever(play, tape):
    scenario = play(addons=[tape], tcp_timeout=60)
    client = scenario.client()
    client.transport.reads_slowly = True
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (8 << 20))
    while server.may_send:
        server.sends(MEGABYTE[:65536])
    scenario.advance(61)
    scenario.advance(61)
    assert client.is_closed
    assert server.is_closed
    assert scenario.connections == 0


# Trailers.


@pytest.mark.parametrize("addons", [(), (Wants(),)])
def test_h1_10_trailers_are_forwarded_both_ways(play, tape, addons):
    scenario = play(addons=[tape, *addons])
    client = scenario.client()
    end = b"0\r\nX-Sum: 1\r\nx-sum: 2\r\nE:\r\n\r\n"
    client.sends(POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n" + end)
    (server,) = scenario.servers
    assert server.received().endswith(b"2\r\nhi\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\nE: \r\n\r\n")
    server.sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n" + end)
    assert client.received().endswith(b"2\r\nok\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\nE: \r\n\r\n")
    assert tape.flow.request.trailers.get_all("x-sum") == ["1", "2"]
    assert tape.flow.response.trailers.get_all("x-sum") == ["1", "2"]


def test_h1_10_framing_routing_and_credentials_are_dropped_from_trailers(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    trailers = b"Content-Length: 5\r\nHost: evil\r\nAuthorization: x\r\nTransfer-Encoding: chunked\r\nX: 1\r\n\r\n"
    client.sends(POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n" + trailers)
    (server,) = scenario.servers
    assert server.received().endswith(b"2\r\nhi\r\n0\r\nX: 1\r\n\r\n")
    server.sends(OK)


def test_h1_10_trailers_an_addon_sets_are_sent(play):
    class Adds:
        def response(self, flow):
            flow.response.trailers = [(b"X-Sum", b"1")]

    scenario = play(addons=[Adds()])
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    assert client.received().endswith(b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n")


# Empty and missing bodies.


def test_h1_11_h1_12_head_keeps_its_framing_fields_and_has_no_body(play, tape):
    scenario = play(addons=[tape, Wants()])
    client = scenario.client()
    for field in (b"Content-Length: 1234", b"Transfer-Encoding: chunked"):
        client.sends(b"HEAD http://a/ HTTP/1.1\r\nHost: a\r\n\r\n")
        (server,) = scenario.servers
        server.sends(b"HTTP/1.1 200 OK\r\n" + field + b"\r\n\r\n")
        assert client.received() == b"HTTP/1.1 200 OK\r\n" + field + b"\r\n\r\n"
    assert tape.flows[0].response.headers["content-length"] == "1234"
    assert not client.is_closed
    assert len(scenario.pool) == 1


def test_h1_12_not_modified_keeps_its_length(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n")
    assert client.received() == b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"
    client.sends(GET)
    scenario.servers[0].sends(OK)
    assert client.received() == OK


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@pytest.mark.parametrize("together", [True, False])
def test_h1_13_body_bytes_where_there_is_no_body_poison_the_connection(play, tape, status, together):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    head, rest = b"HTTP/1.1 " + status + b"\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    for data in (head + rest,) if together else (head, rest):
        server.sends(data)
    assert client.received() == head
    assert server.is_closed
    assert len(scenario.pool) == 0
    client.sends(GET)
    assert client.received() == b""
    assert len(scenario.servers) == 2


def test_edited_head_response_does_not_gain_a_body(play):
    class Edits:
        def response(self, flow):
            flow.response.content = b"body"

    scenario = play(addons=[Edits()])
    client = scenario.client()
    client.sends(b"HEAD http://a/ HTTP/1.1\r\nHost: a\r\n\r\n")
    scenario.servers[0].sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    received = client.received()
    assert received.endswith(b"\r\n\r\n")
    assert received.count(b"\r\n\r\n") == 1
    client.sends(GET)


# Until close.


@pytest.mark.parametrize("addons", [(), (Wants(),)])
def test_h1_15_a_response_until_close_is_rechunked(play, tape, addons):
    scenario = play(addons=[tape, *addons])
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(b"HTTP/1.1 200 OK\r\nX: 1\r\n\r\nabc")
    server.ends()
    assert client.received() == b"HTTP/1.1 200 OK\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    assert not client.is_closed
    assert server.is_closed
    assert tape.flow.response.content == b"abc"


def test_h1_15_a_response_until_close_for_an_http_1_0_client(play):
    scenario = play()
    client = scenario.client()
    client.sends(b"GET http://a/ HTTP/1.0\r\n\r\n")
    (server,) = scenario.servers
    server.sends(b"HTTP/1.0 200 OK\r\n\r\nabc")
    server.ends()
    assert client.received() == b"HTTP/1.0 200 OK\r\n\r\nabc"
    assert client.was_told_the_end


def test_a_chunked_response_for_an_http_1_0_client(play):
    scenario = play()
    client = scenario.client()
    client.sends(b"GET http://a/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    (server,) = scenario.servers
    server.sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    received = client.received()
    assert b"chunked" not in received
    assert received.endswith(b"\r\n\r\nabc")
    assert client.was_told_the_end
