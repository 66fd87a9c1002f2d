"""What hooks may do to an exchange: answer it, hold it, kill it, fail in it, spoil it."""

import pytest

from midstream.flow import Response
from midstream.proxy.stepper import Signal

GET = b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HOOKS = ["requestheaders", "request", "responseheaders", "response"]


def in_hook(hook, act):
    """An addon that does one thing in one hook."""
    return type("On" + hook, (), {hook: lambda self, *args: act(*args)})()


def run(scenario, request=GET):
    """Ask, and let every server there is answer."""
    client = scenario.client()
    client.sends(request)
    for server in scenario.servers:
        server.sends(OK)
    return client


# Answers.


@pytest.mark.parametrize("hook", HOOKS)
def test_ad_11_a_response_set_in_a_hook_is_sent_and_response_hooks_run(play, tape, hook):
    def answer(flow):
        flow.response = Response.make(404, b"gone", {"X-By": "addon"})

    scenario = play(addons=[in_hook(hook, answer), tape])
    client = run(scenario)
    received = client.received()
    assert received.startswith(b"HTTP/1.1 404 Not Found\r\nX-By: addon\r\n")
    assert received.endswith(b"\r\n\r\ngone")
    assert len(scenario.servers) == (0 if hook.startswith("request") else 1)
    assert tape.hooks == HOOKS
    assert not client.is_closed
    client.sends(GET)
    assert not client.is_closed


def test_ad_11_a_later_request_hook_still_sees_an_answered_flow(play, tape):
    scenario = play(
        addons=[in_hook("requestheaders", lambda flow: setattr(flow, "response", Response.make(204))), tape]
    )
    client = run(scenario)
    assert client.received().startswith(b"HTTP/1.1 204 No Content\r\n")
    assert tape.hooks == HOOKS


@pytest.mark.parametrize("rest", [b"def", b""])
def test_ad_12_an_answer_while_the_body_is_still_coming(play, tape, rest):
    def answer(flow):
        flow.response = Response.make(403, b"no")

    scenario = play(addons=[in_hook("requestheaders", answer), tape])
    client = scenario.client()
    client.sends(POST)
    received = client.received()
    assert received.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"Connection: close\r\n" in received
    assert client.was_told_the_end
    client.sends(rest + GET)
    client.ends()
    assert client.received() == b""
    assert client.is_closed
    assert len(tape.flows) == 1
    assert scenario.servers == []


def test_ad_12_an_answer_from_responseheaders_while_both_bodies_are_coming(play, tape):
    def answer(flow):
        flow.response = Response.make(403, b"no")

    scenario = play(addons=[in_hook("responseheaders", answer), tape])
    client = scenario.client()
    client.sends(POST)
    (server,) = scenario.servers
    server.sends(OK[:-1])
    assert client.received().endswith(b"\r\n\r\nno")
    assert client.was_told_the_end
    assert server.is_closed
    assert tape.hooks == ["requestheaders", "responseheaders", "response"]


def test_a_response_replaced_in_responseheaders_drops_the_rest_of_the_original(play, tape):
    def answer(flow):
        flow.response = Response.make(200, b"mine")

    scenario = play(addons=[in_hook("responseheaders", answer), tape])
    client = scenario.client()
    client.sends(GET)
    (server,) = scenario.servers
    server.sends(OK[:-1])
    assert client.received().endswith(b"\r\n\r\nmine")
    assert server.is_closed
    assert len(scenario.pool) == 0
    assert tape.hooks == HOOKS


def test_head_of_an_addons_answer_has_no_body(play):
    def answer(flow):
        flow.response = Response.make(200, b"body")

    scenario = play(addons=[in_hook("request", answer)])
    client = scenario.client()
    client.sends(GET.replace(b"GET", b"HEAD"))
    received = client.received()
    assert received.lower().endswith(b"content-length: 4\r\n\r\n")
    client.sends(GET)
    assert client.received().endswith(b"\r\n\r\nbody")


def test_an_answer_without_content(play):
    def answer(flow):
        flow.response = Response(b"HTTP/1.1", 200, b"OK", [], None)

    scenario = play(addons=[in_hook("request", answer)])
    client = run(scenario)
    assert client.received() == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def test_an_answer_of_http_2_is_written_as_http_1_1(play):
    def answer(flow):
        flow.response = Response(b"HTTP/2.0", 200, b"", [(b"x", b"1")], b"hi")

    scenario = play(addons=[in_hook("request", answer)])
    client = run(scenario)
    assert client.received().startswith(b"HTTP/1.1 200 OK\r\nx: 1\r\n")


def test_an_answer_to_an_http_1_0_client(play):
    def answer(flow):
        flow.response = Response.make(200, b"hi")

    scenario = play(addons=[in_hook("request", answer)])
    client = scenario.client()
    client.sends(b"GET http://a/ HTTP/1.0\r\n\r\n")
    assert client.received().endswith(b"\r\n\r\nhi")
    assert client.was_told_the_end


# Kills.


@pytest.mark.parametrize("hook", [*HOOKS, "informational"])
def test_ad_17_a_flow_killed_in_a_hook_ends_without_an_answer(play, tape, hook):
    scenario = play(addons=[tape, in_hook(hook, lambda flow: flow.kill())])
    client = scenario.client()
    client.sends(GET)
    for server in scenario.servers:
        server.sends(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        if not server.is_closed:
            server.sends(OK)
    assert b"200 OK" not in client.received()
    assert client.is_closed
    assert tape.hooks[-1] == "error"
    assert tape.flow.error.msg == "Connection killed."
    assert not tape.flow.live
    if hook != "response":
        assert all(server.is_closed for server in scenario.servers)


@pytest.mark.parametrize("hook", HOOKS)
def test_ad_17_a_flow_killed_while_it_is_intercepted(play, tape, hook):
    scenario = play(addons=[tape, in_hook(hook, lambda flow: flow.intercept())])
    client = run(scenario)
    assert client.received() == b""
    tape.flow.kill()
    scenario.settle()
    assert client.is_closed
    assert client.received() == b""
    assert tape.hooks[-1] == "error"


@pytest.mark.parametrize("sent", [b"", OK[:-1], b"HTTP/1.1 200 OK\r\nContent-Le"])
@pytest.mark.parametrize("request_", [GET, POST])
def test_ad_17_a_flow_killed_outside_of_hooks(play, tape, sent, request_):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(request_)
    (server,) = scenario.servers
    if sent:
        server.sends(sent)
    tape.flow.kill()
    scenario.settle()
    assert client.is_closed
    assert server.is_closed
    assert tape.hooks[-1] == "error"
    assert tape.flow.error.msg == "Connection killed."


def test_ad_17_a_flow_killed_while_a_hook_waits(play, tape):
    gate = Signal()

    async def wait(flow):
        await gate

    scenario = play(addons=[tape, in_hook("request", wait)])
    client = scenario.client()
    client.sends(GET)
    tape.flow.kill()
    assert not client.is_closed, "an addon's handler is never torn"
    gate.set(None)
    scenario.settle()
    assert client.is_closed
    assert scenario.servers == []


def test_ad_17_a_flow_that_is_over_cannot_be_killed(play, tape):
    scenario = play(addons=[tape])
    client = run(scenario)
    assert not tape.flow.killable
    assert client.received() == OK
    assert tape.flow.on_release is None, "nothing of the exchange is kept alive by its flow"


# Interception.


@pytest.mark.parametrize("hook", HOOKS)
def test_an_intercepted_flow_goes_on_when_it_is_resumed(play, tape, hook):
    scenario = play(addons=[in_hook(hook, lambda flow: flow.intercept()), tape])
    client = run(scenario)
    assert client.received() == b""
    assert tape.hooks[-1] == hook
    tape.flow.resume()
    scenario.settle()
    for server in scenario.servers:
        if hook.startswith("request"):
            server.sends(OK)
    assert client.received() == OK
    assert tape.hooks == HOOKS
    assert not client.is_closed


def test_an_intercepted_flow_can_be_edited_and_answered(play, tape):
    scenario = play(addons=[in_hook("request", lambda flow: flow.intercept()), tape])
    client = run(scenario)
    tape.flow.response = Response.make(418, b"tea")
    tape.flow.resume()
    scenario.settle()
    assert client.received().endswith(b"\r\n\r\ntea")
    assert scenario.servers == []


def test_an_intercepted_upload_does_not_forget_the_response(play, tape):
    scenario = play(addons=[tape, in_hook("requestheaders", lambda flow: setattr(flow.request, "stream", True))])
    client = scenario.client()
    client.sends(POST)
    (server,) = scenario.servers
    holds = [in_hook("request", lambda flow: flow.intercept())]
    scenario.addons.add(*holds)
    client.sends(b"def")
    assert server.received().endswith(b"abcdef")
    server.sends(OK)
    tape.flow.resume()
    scenario.settle()
    assert client.received() == OK
    assert not client.is_closed


def test_an_intercepted_response_does_not_keep_its_server(play, tape):
    scenario = play(addons=[in_hook("response", lambda flow: flow.intercept()), tape])
    client = run(scenario)
    assert len(scenario.pool) == 1
    tape.flow.resume()
    scenario.settle()
    assert client.received() == OK


def test_async_hooks_are_waited_for(play, tape):
    gates = {hook: Signal() for hook in HOOKS}

    def waiting(hook):
        async def wait(flow):
            await gates[hook]

        return wait

    scenario = play(addons=[*(in_hook(hook, waiting(hook)) for hook in HOOKS), tape])
    client = scenario.client()
    client.sends(GET)
    for hook in HOOKS:
        gates[hook].set(None)
        scenario.settle()
        if hook == "request":
            scenario.servers[0].sends(OK)
    assert client.received() == OK
    assert tape.hooks == HOOKS


# Failures.


@pytest.mark.parametrize("hook", [*HOOKS, "error"])
def test_ad_03_a_hook_that_raises_is_logged_and_the_flow_goes_on(play, tape, hook, caplog):
    def fail(flow):
        raise RuntimeError("broken addon")

    scenario = play(addons=[in_hook(hook, fail), tape])
    client = run(scenario)
    assert client.received() == OK
    if hook == "error":
        client.sends(GET)
        scenario.servers[0].leaves()
        scenario.servers[1].leaves()
        assert client.received().startswith(b"HTTP/1.1 502 ")
    assert tape.hooks[:4] == HOOKS
    assert "broken addon" in caplog.text


SPOILERS = {
    "empty name": lambda message: message.headers.insert(0, b"", b"x"),
    "newline in value": lambda message: message.headers.insert(0, b"X", b"a\r\nEvil: 1"),
    "colon in name": lambda message: message.headers.insert(0, b"X: 1\r\nEvil", b"1"),
    "nul": lambda message: message.headers.insert(0, b"X", b"\0"),
}


@pytest.mark.parametrize("spoil", SPOILERS.values(), ids=SPOILERS)
@pytest.mark.parametrize("hook", HOOKS)
def test_h1_58_ob_06_a_header_that_cannot_be_sent_is_a_502_not_a_crash(play, tape, hook, spoil):
    def act(flow):
        spoil(flow.request if hook.startswith("request") else flow.response)

    scenario = play(addons=[in_hook(hook, act), tape])
    client = run(scenario)
    received = client.received()
    assert received.startswith(b"HTTP/1.1 502 ")
    assert b"Evil" not in received.split(b"\r\n\r\n")[0]
    assert not any(b"Evil" in server.transport.written for server in scenario.servers)
    assert tape.hooks[-1] == "error"
    assert "addon" in tape.flow.error.msg


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("value", [b"99", b"1", b"nonsense", b"-1"])
def test_h1_58_a_wrong_content_length_of_an_addon_is_corrected(play, hook, value):
    def act(flow):
        (flow.request if hook.startswith("request") else flow.response).headers["Content-Length"] = value

    scenario = play(addons=[in_hook(hook, act)])
    client = scenario.client()
    client.sends(POST.replace(b"6", b"3"))
    (server,) = scenario.servers
    assert server.received().endswith(b"\r\nContent-Length: 3\r\n\r\nabc")
    server.sends(OK)
    assert client.received() == OK


@pytest.mark.parametrize("field", [(b"Transfer-Encoding", b"gzip"), (b"Transfer-Encoding", b"chunked")])
@pytest.mark.parametrize("hook", ["request", "response"])
def test_h1_58_framing_of_an_addon_is_never_ambiguous(play, hook, field):
    def act(flow):
        (flow.request if hook == "request" else flow.response).headers.insert(0, *field)

    scenario = play(addons=[in_hook(hook, act)])
    client = scenario.client()
    client.sends(POST.replace(b"6", b"3"))
    (server,) = scenario.servers
    server.sends(OK)
    head = (server if hook == "request" else client).received().split(b"\r\n\r\n")[0]
    assert not (b"Transfer-Encoding" in head and b"Content-Length" in head)
    if b"Transfer-Encoding" in head:
        assert head.split(b"Transfer-Encoding: ")[1].split(b"\r\n")[0].endswith(b"chunked")


@pytest.mark.parametrize("attribute", ["method", "path"])
@pytest.mark.parametrize("value", ["a b", "a\r\nEvil: 1", ""])
def test_h1_58_ob_06_a_request_line_that_cannot_be_sent(play, tape, attribute, value):
    scenario = play(addons=[in_hook("request", lambda flow: setattr(flow.request, attribute, value)), tape])
    client = run(scenario)
    received = client.received()
    assert not any(b"Evil" in server.transport.written for server in scenario.servers)
    if (attribute, value) != ("path", ""):
        assert received.startswith(b"HTTP/1.1 502 ")
        assert tape.hooks[-1] == "error"


@pytest.mark.parametrize(
    "act", [lambda r: setattr(r, "status_code", 99), lambda r: setattr(r, "reason", "a\r\nEvil: 1")]
)
def test_h1_58_a_status_line_that_cannot_be_sent(play, tape, act):
    scenario = play(addons=[in_hook("response", lambda flow: act(flow.response)), tape])
    client = run(scenario)
    received = client.received()
    assert received.startswith(b"HTTP/1.1 502 ")
    assert b"\r\nEvil" not in received


def test_h1_58_trailers_that_cannot_be_sent(play, tape):
    def act(flow):
        flow.response.trailers = [(b"X\r\nEvil", b"1")]

    scenario = play(addons=[in_hook("response", act), tape])
    client = scenario.client()
    client.sends(GET)
    scenario.servers[0].sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    received = client.received()
    assert b"\r\nEvil" not in received
    assert client.was_told_the_end
    assert tape.hooks[-1] == "error"


def test_h1_58_a_header_that_cannot_be_sent_in_an_upload(play, tape):
    def act(flow):
        flow.request.stream = True
        flow.request.headers.insert(0, b"", b"x")

    scenario = play(addons=[in_hook("requestheaders", act), tape])
    client = scenario.client()
    client.sends(POST)
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert client.was_told_the_end


def test_ad_14_h1_54_edits_are_literal(play):
    def act(flow):
        flow.request.headers["X"] = r"a\1\n"

    scenario = play(addons=[in_hook("request", act)])
    client = scenario.client()
    client.sends(GET)
    assert b"X: a\\1\\n\r\n" in scenario.servers[0].received()
