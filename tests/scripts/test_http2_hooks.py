"""What hooks may do to exchanges over HTTP/2, many of which are under way on one connection."""

import pytest

from midstream.flow import Headers, Response
from midstream.proxy.stepper import Signal
from midstream.testing import Http2Peer
from midstream.wire.events import END, Data, ResponseHead
from midstream.wire.h2.errors import CANCEL, INTERNAL_ERROR, NO_ERROR
from midstream.wire.h2.heads import VERSION

HOOKS = ["requestheaders", "request", "responseheaders", "response"]
TO_HTTP1 = {"mode": "reverse:http://origin:80", "server_http2": "never"}


def in_hook(hook, act):
    """An addon that does one thing in one hook."""
    return type("On" + hook, (), {hook: lambda self, *args: act(*args)})()


def run(both, method="GET", path="/", body=b"", **kwargs):
    """Ask, and let the server answer if it is asked."""
    stream = both.client.asks(method, path, body, **kwargs)
    if both.scenario.servers:
        for at in both.server.streams:
            if not both.server.request(at).is_whole or at in both.answered:
                continue
            both.answered.add(at)
            both.server.answers(at, 200, b"ok")
    return stream


@pytest.fixture
def quartet(duet):
    """A duet that remembers what was answered."""

    def make(*args, **kwargs):
        both = duet(*args, **kwargs)
        both.answered = set()
        return both

    return make


def test_all_hooks_fire_in_order_with_the_flow(quartet, tape):
    both = quartet(addons=[tape])
    stream = both.client.asks("GET", "/x?q=1")
    both.server.says(1, ResponseHead(103, b"", VERSION, [], 0))
    both.server.answers(1, 200, b"ok", fields=[(b"a", b"b")])
    assert both.client.response(stream).body == b"ok"
    assert tape.hooks == ["requestheaders", "request", "informational", "responseheaders", "response"]
    (flow,) = tape.flows
    assert flow.request.http_version == flow.response.http_version == "HTTP/2.0"
    assert (flow.stream_id, flow.server_stream_id) == (1, 1)
    assert flow.request.path == "/x?q=1"
    assert flow.response.reason == ""
    assert flow.response.headers["a"] == "b"
    assert flow.response.content == b"ok"
    assert not flow.live
    assert flow.client_conn.http2.fingerprint
    assert flow.client_conn.http2.settings
    assert flow.request.timestamp_end
    assert flow.response.timestamp_end


def test_hooks_of_streams_side_by_side(quartet, tape):
    both = quartet(addons=[tape])
    streams = [both.client.asks("GET", f"/{number}") for number in range(5)]
    for at in reversed(both.server.streams):
        both.server.answers(at, 200, b"%d" % at)
    for stream in streams:
        assert both.client.response(stream).body == b"%d" % stream
    assert tape.hooks == ["requestheaders", "request"] * 5 + ["responseheaders", "response"] * 5
    assert [flow.stream_id for flow in tape.flows] == streams
    assert [flow.response.text for flow in tape.flows] == [str(stream) for stream in streams]
    assert len({flow.client_conn.id for flow in tape.flows}) == 1
    assert len({flow.server_conn.id for flow in tape.flows}) == 1


# Holding.


@pytest.mark.parametrize("hook", HOOKS)
def test_a_held_flow_does_not_hold_another(quartet, tape, hook):
    def hold(flow):
        if flow.request.path == "/held":
            flow.intercept()

    both = quartet(addons=[in_hook(hook, hold), tape])
    held = run(both, path="/held")
    free = run(both, path="/free")
    assert both.client.response(free).body == b"ok"
    assert not both.client.response(held).events
    flow = next(flow for flow in tape.flows if flow.request.path == "/held")
    flow.resume()
    both.scenario.settle()
    for at in set(both.server.streams) - both.answered:
        both.server.answers(at, 200, b"ok")
    assert both.client.response(held).body == b"ok"
    assert tape.hooks.count("response") == 2


@pytest.mark.parametrize("hook", HOOKS)
def test_an_async_hook_holds_its_stream_only(quartet, tape, hook):
    gate = Signal()

    async def wait(flow):
        if flow.request.path == "/held":
            await gate

    both = quartet(addons=[in_hook(hook, wait), tape])
    held = run(both, path="/held")
    free = run(both, path="/free")
    assert both.client.response(free).is_whole
    assert not both.client.response(held).events
    gate.set(None)
    both.scenario.settle()
    for at in set(both.server.streams) - both.answered:
        both.server.answers(at, 200, b"ok")
    assert both.client.response(held).body == b"ok"


def test_a_client_that_leaves_while_its_flow_is_held(quartet, tape):
    both = quartet(addons=[in_hook("request", lambda flow: flow.intercept()), tape])
    stream = both.client.asks("GET")
    both.client.resets(stream, CANCEL)
    assert tape.hooks[-1] == "error"
    assert not tape.flow.live
    assert both.scenario.servers == []


# Killing.


@pytest.mark.parametrize("hook", [*HOOKS, "informational"])
def test_ad_17_a_killed_flow_takes_its_stream_with_it_and_no_other(quartet, tape, hook):
    def kill(flow):
        if flow.request.path == "/bad":
            flow.kill()

    both = quartet(addons=[tape, in_hook(hook, kill)])
    bad = both.client.asks("GET", "/bad")
    good = both.client.asks("GET", "/good")
    for at in both.server.streams:
        both.server.says(at, ResponseHead(103, b"", VERSION, [], 0))
        both.server.answers(at, 200, b"ok")
    response = both.client.response(bad)
    assert response.code is not None
    assert not response.is_whole
    assert both.client.response(good).body == b"ok"
    killed = next(flow for flow in tape.flows if flow.request.path == "/bad")
    assert killed.error.msg == "Connection killed."
    assert not both.client.peer.is_closed
    assert not both.origin.is_closed


@pytest.mark.parametrize("body", [b"", None], ids=["whole", "uploading"])
@pytest.mark.parametrize("answered", [False, True])
def test_ad_17_a_flow_killed_outside_of_hooks(quartet, tape, body, answered):
    both = quartet(addons=[tape])
    stream = both.client.asks("POST", "/", body)
    both.server.hear()
    if answered:
        both.server.answers(1, 200, None)
    tape.flow.kill()
    both.scenario.settle()
    assert both.client.response(stream).code is not None
    assert both.server.request(1).code is not None
    assert tape.hooks[-1] == "error"
    assert not both.client.peer.is_closed
    assert not both.origin.is_closed


def test_ad_17_a_killed_flow_closes_its_http_1_server(quartet, tape):
    both = quartet(**TO_HTTP1, addons=[tape])
    stream = both.client.asks("GET")
    tape.flow.kill()
    both.scenario.settle()
    assert both.client.response(stream).code is not None
    assert both.origin.is_closed


# Answering.


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("body", [b"", b"abc"])
def test_ad_11_a_response_set_in_a_hook_is_sent_and_response_hooks_run(quartet, tape, hook, body):
    def answer(flow):
        flow.response = Response.make(404, b"gone", {"X-By": "addon"})

    both = quartet(addons=[in_hook(hook, answer), tape])
    stream = run(both, "POST", body=body)
    response = both.client.response(stream)
    assert (response.status, response.body, response.is_whole) == (404, b"gone", True)
    assert response.fields == [(b"x-by", b"addon"), (b"content-length", b"4")]
    assert tape.hooks == HOOKS
    assert len(both.scenario.servers) == (0 if hook.startswith("request") else 1)
    assert tape.flow.error is None


@pytest.mark.parametrize("hook", ["requestheaders", "responseheaders"])
@pytest.mark.parametrize("content", [b"no", b""])
def test_ad_12_an_answer_while_the_body_is_still_coming(quartet, tape, hook, content):
    def answer(flow):
        flow.response = Response.make(403, content)

    both = quartet(addons=[in_hook(hook, answer), tape])
    stream = both.client.asks("POST", "/", None)
    both.client.says(stream, Data(b"some"))
    if hook == "responseheaders":
        both.server.answers(1, 200, None)
    response = both.client.response(stream)
    assert (response.status, response.body, response.is_whole) == (403, content, True)
    both.scenario.advance(3)
    assert both.client.response(stream).code == NO_ERROR
    if hook == "responseheaders":
        assert both.server.request(1).code == CANCEL
    again = both.client.asks("HEAD")
    assert not both.client.peer.is_closed
    assert tape.flows[0].error is None
    assert again


def test_a_response_replaced_in_responseheaders_drops_the_rest_of_the_original(quartet, tape):
    def answer(flow):
        flow.response = Response.make(200, b"mine")

    both = quartet(addons=[in_hook("responseheaders", answer), tape])
    stream = both.client.asks("GET")
    both.server.answers(1, 200, None)
    both.server.says(1, Data(b"theirs"))
    assert both.client.response(stream).body == b"mine"
    assert both.server.request(1).code == CANCEL
    assert not both.origin.is_closed
    assert tape.hooks == HOOKS


def test_head_of_an_addons_answer_has_no_body(quartet):
    both = quartet(addons=[in_hook("request", lambda flow: setattr(flow, "response", Response.make(200, b"body")))])
    stream = both.client.asks("HEAD")
    response = both.client.response(stream)
    assert (response.body, response.is_whole) == (b"", True)
    assert (b"content-length", b"4") in response.fields


@pytest.mark.parametrize("status", [99, 101, 1000])
def test_h1_58_a_status_that_cannot_be_sent(quartet, tape, status):
    both = quartet(addons=[in_hook("response", lambda flow: setattr(flow.response, "status_code", status)), tape])
    stream = run(both)
    assert both.client.response(stream).status == 502
    assert tape.hooks[-1] == "error"
    assert "addon" in tape.flow.error.msg


def test_an_answer_with_trailers(quartet):
    def answer(flow):
        flow.response = Response.make(200, b"body")
        flow.response.trailers = Headers([(b"X-Sum", b"1")])

    both = quartet(addons=[in_hook("request", answer)])
    response = both.client.response(both.client.asks("GET"))
    assert (response.body, response.trailers, response.is_whole) == (b"body", [(b"x-sum", b"1")], True)


# Editing.


def test_a_request_and_a_response_that_are_edited(quartet, tape):
    class Edits:
        def request(self, flow):
            flow.request.text = "new question"
            flow.request.headers["x"] = "1"

        def response(self, flow):
            flow.response.status_code = 201
            flow.response.text = "new answer"
            flow.response.headers.pop("gone")

    both = quartet(addons=[Edits()])
    stream = both.client.asks("POST", "/", b"question", fields=[(b"content-length", b"8")])
    request = both.server.request(1)
    assert (request.body, request.fields) == (b"new question", [(b"content-length", b"12"), (b"x", b"1")])
    both.server.answers(1, 200, b"answer", fields=[(b"gone", b"1"), (b"content-length", b"6")])
    response = both.client.response(stream)
    assert (response.status, response.body) == (201, b"new answer")
    assert response.fields == [(b"content-length", b"10")]


def test_a_body_that_is_taken_away(quartet):
    class Empties:
        def request(self, flow):
            flow.request.content = b""

        def response(self, flow):
            flow.response.content = b""

    both = quartet(addons=[Empties()])
    stream = both.client.asks("POST", "/", b"question")
    assert (both.server.request(1).body, both.server.request(1).is_whole) == (b"", True)
    both.server.answers(1, 200, b"answer")
    response = both.client.response(stream)
    assert (response.body, response.is_whole) == (b"", True)


def test_ad_14_edits_of_heads_take_effect_before_a_body_streams(quartet):
    class Edits:
        def requestheaders(self, flow):
            flow.request.stream = True
            flow.request.headers["x"] = "1"

        def responseheaders(self, flow):
            flow.response.stream = True
            flow.response.headers["x"] = "2"
            flow.response.status_code = 206

    both = quartet(addons=[Edits(), in_hook("request", lambda flow: None), in_hook("response", lambda flow: None)])
    stream = both.client.asks("POST", "/", None)
    both.client.says(stream, Data(b"abc"))
    assert (both.server.request(1).fields, both.server.request(1).body) == ([(b"x", b"1")], b"abc")
    both.client.says(stream, END)
    both.server.answers(1, 200, None)
    both.server.says(1, Data(b"def"))
    response = both.client.response(stream)
    assert (response.status, response.fields, response.body) == (206, [(b"x", b"2")], b"def")
    both.server.says(1, END)
    assert both.client.response(stream).is_whole


@pytest.mark.parametrize("mode", [{}, TO_HTTP1], ids=["h2", "http/1"])
def test_ad_13_callables_rewrite_bodies_on_the_way(quartet, tape, mode):
    def doubled(data):
        return [data, data] if data else [b"."]

    class Streams:
        def requestheaders(self, flow):
            flow.request.stream = doubled

        def responseheaders(self, flow):
            flow.response.stream = doubled

    both = quartet(**mode, addons=[tape, Streams()])
    stream = both.client.asks("POST", "/", b"abc", fields=[(b"content-length", b"3")])
    if mode:
        received = both.origin.received()
        assert b"Transfer-Encoding: chunked\r\n" in received
        assert received.endswith(b"\r\n\r\n3\r\nabc\r\n3\r\nabc\r\n1\r\n.\r\n0\r\n\r\n")
        both.origin.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ndef")
    else:
        request = both.server.request(1)
        assert (request.body, request.fields, request.is_whole) == (b"abcabc.", [], True)
        both.server.answers(1, 200, b"def", fields=[(b"content-length", b"3")])
    response = both.client.response(stream)
    assert (response.body, response.fields, response.is_whole) == (b"defdef.", [], True)
    assert tape.flow.request.content == b"abc", "the record has what came"
    assert tape.flow.response.content == b"def"


def test_a_callable_that_fails_ends_its_stream_and_no_other(quartet, tape):
    def fails(data):
        raise RuntimeError("broken script")

    class Streams:
        def responseheaders(self, flow):
            if flow.request.path == "/bad":
                flow.response.stream = fails

    both = quartet(addons=[tape, Streams()])
    bad = both.client.asks("GET", "/bad")
    good = both.client.asks("GET", "/good")
    for at in both.server.streams:
        both.server.answers(at, 200, b"ok")
    assert not both.client.response(bad).is_whole
    assert both.client.response(bad).code is not None
    assert both.client.response(good).body == b"ok"


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("field", [("", "x"), ("x", "a\r\nevil: 1"), ("x: 1\r\nevil", "1"), ("x", "a\0b")])
def test_h1_58_ob_06_a_header_that_cannot_be_sent(quartet, tape, hook, field):
    def act(flow):
        message = flow.request if hook.startswith("request") else flow.response
        message.headers.insert(0, *field)

    both = quartet(addons=[in_hook(hook, act), tape])
    stream = run(both)
    assert both.client.response(stream).status == 502
    assert tape.hooks[-1] == "error"
    assert "addon" in tape.flow.error.msg
    assert not both.client.peer.is_closed
    assert all(not server.is_closed for server in both.scenario.servers)


@pytest.mark.parametrize("side", ["request", "response"])
def test_h1_58_a_pseudo_field_of_an_addon_is_no_field(quartet, tape, side):
    both = quartet(addons=[in_hook(side, lambda flow: getattr(flow, side).headers.insert(0, ":path", "/evil")), tape])
    stream = run(both)
    assert both.client.response(stream).status == 502
    assert all(b"evil" not in server.transport.written for server in both.scenario.servers)


def test_h1_58_trailers_that_cannot_be_sent(quartet, tape):
    both = quartet(
        addons=[in_hook("response", lambda flow: setattr(flow.response, "trailers", [(b"x\r\nevil", b"1")])), tape]
    )
    stream = run(both)
    response = both.client.response(stream)
    assert not response.is_whole
    assert response.code is not None
    assert tape.hooks[-1] == "error"
    assert not both.client.peer.is_closed


@pytest.mark.parametrize("hook", [*HOOKS, "error"])
def test_ad_03_a_hook_that_raises_is_logged_and_the_flow_goes_on(quartet, tape, hook, caplog):
    def fail(flow):
        raise RuntimeError("broken addon")

    both = quartet(addons=[in_hook(hook, fail), tape])
    stream = run(both)
    assert both.client.response(stream).body == b"ok"
    if hook == "error":
        both.client.asks("GET")
        both.server.hear()
        both.server.resets(3, INTERNAL_ERROR)
        assert tape.hooks[-1] == "error"
    assert "broken addon" in caplog.text


# Bodies and their limits.


@pytest.mark.parametrize("announces", [False, True])
@pytest.mark.parametrize("holds", [False, True])
def test_body_size_limit_of_requests(quartet, tape, announces, holds):
    wants = [in_hook("request", lambda flow: None)] if holds else []
    both = quartet(addons=[tape, *wants], body_size_limit=5)
    stream = both.client.asks("POST", "/", None, fields=[(b"content-length", b"8")] if announces else [])
    both.client.says(stream, Data(b"1234"))
    both.client.says(stream, Data(b"5678"))
    response = both.client.response(stream)
    assert (response.status, response.is_whole) == (413, True)
    both.scenario.advance(3)
    assert both.client.response(stream).code == NO_ERROR
    assert tape.hooks[-1] == "error"
    if both.scenario.servers:
        assert both.server.request(1).code is not None
    again = both.client.asks("POST", "/", b"12345")
    both.server.answers(both.server.streams[-1], 200, b"ok")
    assert both.client.response(again).body == b"ok"


@pytest.mark.parametrize("announces", [False, True])
def test_body_size_limit_of_responses(quartet, tape, announces):
    both = quartet(addons=[tape], body_size_limit=5)
    stream = both.client.asks("GET")
    both.server.answers(1, 200, None, fields=[(b"content-length", b"8")] if announces else [])
    both.server.says(1, Data(b"1234"))
    if not announces:
        both.server.says(1, Data(b"5678"))
    response = both.client.response(stream)
    assert response.status == (502 if announces else 200)
    assert response.is_whole == announces
    assert both.server.request(1).code == CANCEL
    assert tape.hooks[-1] == "error"
    assert not both.client.peer.is_closed


def test_stream_large_bodies(quartet, tape):
    both = quartet(
        addons=[tape, in_hook("request", lambda flow: None), in_hook("response", lambda flow: None)],
        stream_large_bodies=5,
    )
    stream = both.client.asks("POST", "/", None)
    both.client.says(stream, Data(b"123"))
    assert both.scenario.servers == []
    assert tape.flow.held_back
    both.client.says(stream, Data(b"456"))
    assert both.server.request(1).body == b"123456"
    assert tape.flow.held_back == ""
    both.client.says(stream, END)
    both.server.answers(1, 200, None)
    both.server.says(1, Data(b"123"))
    assert not both.client.response(stream).events
    both.server.says(1, Data(b"456"))
    assert both.client.response(stream).body == b"123456"
    both.server.says(1, END)
    assert both.client.response(stream).is_whole


def test_what_was_announced_to_be_large_is_not_held(quartet):
    both = quartet(addons=[in_hook("request", lambda flow: None)], stream_large_bodies=5)
    stream = both.client.asks("POST", "/", None, fields=[(b"content-length", b"8")])
    assert both.server.request(1).fields == [(b"content-length", b"8")]
    both.client.says(stream, Data(b"12345678"), END)
    assert both.server.request(1).is_whole


# Addons that are servers, and the errors that nobody answers.


def test_an_addon_that_is_the_server(quartet):
    def answer(flow):
        flow.response = Response.make(200, b"mine")

    class Serves:
        serves = {"here.example": answer}  # noqa: RUF012 - an example

    both = quartet("regular", addons=[Serves()])
    stream = both.client.asks("GET", authority="here.example")
    assert both.client.response(stream).body == b"mine"
    assert both.scenario.servers == []


def test_an_http_1_client_and_an_http_2_client_share_a_connection(play, tape):
    scenario = play("reverse:h2c://origin:80", addons=[tape])
    old = scenario.client()
    old.sends(b"GET /old HTTP/1.1\r\nHost: a\r\n\r\n")
    new = Http2Peer.client(scenario.client())
    stream = new.asks("GET", "/new")
    server = Http2Peer.server(scenario.servers[0])
    assert server.streams == [1, 3]
    server.answers(3, 200, b"new")
    server.answers(1, 200, b"old", fields=[(b"content-length", b"3")])
    assert new.response(stream).body == b"new"
    assert old.received() == b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nold"
    assert len(scenario.servers) == 1
