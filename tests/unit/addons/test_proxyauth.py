import asyncio
import sys
from types import SimpleNamespace

import pytest

from midstream.addon import OptionsError
from midstream.addons import basic, proxyauth
from midstream.flow import HTTPFlow

GET = b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n%s\r\n"
CONNECT = b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n%s\r\n"
RIGHT = f"Proxy-Authorization: {basic.encode('me', 'se:cret')}\r\n".encode()
WRONG = f"Proxy-Authorization: {basic.encode('me', 'wrong')}\r\n".encode()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Seen:
    """Keeps the flows."""

    def __init__(self):
        self.flows: list[HTTPFlow] = []

    def requestheaders(self, flow):
        self.flows.append(flow)


@pytest.fixture
def guarded(scenario):
    return lambda mode="regular", addons=(), **options: scenario(mode, addons, proxyauth="me:se:cret", **options)


@pytest.fixture
def slow(monkeypatch, tmp_path):
    """The option for a file that takes bcrypt, and what was checked."""
    checked = []

    def checkpw(password: bytes, stored: bytes) -> bool:
        checked.append(password)
        return stored == b"$2b$" + password

    monkeypatch.setitem(sys.modules, "bcrypt", SimpleNamespace(checkpw=checkpw))
    path = tmp_path / "htpasswd"
    path.write_text("me:$2b$se:cret\n")
    return f"@{path}", checked


def test_without_the_option_there_is_no_hook(scenario):
    made = scenario()
    hooks = made.hooks
    assert (hooks.http_connect, hooks.requestheaders, hooks.socks5_auth) == ((), (), ())
    made.options.update(proxyauth="any")
    assert all((hooks.http_connect, hooks.requestheaders, hooks.socks5_auth))
    made.options.update(proxyauth=None)
    assert (hooks.http_connect, hooks.requestheaders, hooks.socks5_auth) == ((), (), ())


def test_a_bad_value_is_refused_at_start(scenario):
    with pytest.raises(OptionsError, match="expected USER:PASSWORD"):
        scenario(proxyauth="nobody")


@pytest.mark.parametrize("field", [b"", WRONG, b"Proxy-Authorization: Bearer x\r\n", b"Authorization: x\r\n"])
@pytest.mark.parametrize("request_", [GET, CONNECT])
def test_ad_25_proxy_requests_without_the_password_get_407(guarded, request_, field):
    made = guarded()
    client = made.client()
    client.sends(request_ % field)
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 407 Proxy Authentication Required\r\n")
    assert b'\r\nProxy-Authenticate: Basic realm="midstream", charset="UTF-8"\r\n' in answer
    assert made.servers == []
    assert not client.is_closed


def test_the_right_password_passes_and_is_taken_out(guarded):
    seen = Seen()
    made = guarded(addons=(seen,))
    client = made.client()
    client.sends(GET % RIGHT)
    made.servers[0].sends(OK)
    assert client.received().endswith(b"ok")
    assert b"uthorization" not in made.servers[0].received()
    assert seen.flows[0].metadata["proxyauth"] == "me"
    assert "cret" not in str(seen.flows[0].get_state())


def test_ad_25_a_connection_is_asked_once(guarded):
    made = guarded()
    client = made.client()
    client.sends(GET % RIGHT)
    made.servers[0].sends(OK)
    client.sends(GET % b"")
    made.servers[0].sends(OK)
    assert client.received().count(b"HTTP/1.1 200 OK") == 2
    other = made.client()
    other.sends(GET % b"")
    assert other.received().startswith(b"HTTP/1.1 407 ")


def test_md_09_what_comes_through_the_tunnel_is_not_asked_again(guarded):
    seen = Seen()
    made = guarded(addons=(seen,))
    client = made.client()
    client.sends(CONNECT % WRONG)
    assert client.received().startswith(b"HTTP/1.1 407 ")
    client.sends(CONNECT % RIGHT)
    assert client.received().startswith(b"HTTP/1.1 200 ")
    client.sends(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    made.servers[0].sends(OK)
    assert client.received().endswith(b"ok")
    assert seen.flows[-1].metadata["proxyauth"] == "me"


def test_an_unreachable_server_stays_a_reason_to_refuse_connect(guarded):
    made = guarded()
    made.unreachable["a.test", 0] = OSError("no route")
    client = made.client()
    client.sends(CONNECT % RIGHT)
    assert client.received().startswith(b"HTTP/1.1 502 ")


def test_in_reverse_mode_we_ask_as_the_server_would(guarded):
    made = guarded("reverse:http://a.test")
    client = made.client()
    client.sends(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert b"\r\nWWW-Authenticate: Basic " in answer
    client.sends(b"GET / HTTP/1.1\r\nHost: a.test\r\n%s\r\n" % RIGHT.removeprefix(b"Proxy-"))
    assert b"uthorization" not in made.servers[0].received()


OURS = RIGHT.removeprefix(b"Proxy-")
THEIRS = f"Authorization: {basic.encode('you', 'theirs')}\r\n".encode()
BEARER = b"Authorization: Bearer token\r\n"
PATH = b"GET / HTTP/1.1\r\nHost: a.test\r\n%s\r\n"


@pytest.mark.parametrize("mode", ["regular", "upstream:http://parent.test:3128"])
@pytest.mark.parametrize("later", [RIGHT, WRONG, RIGHT + WRONG])
def test_no_request_carries_on_what_is_for_the_proxy(guarded, mode, later):
    made = guarded(mode)
    client = made.client()
    for fields in (RIGHT + BEARER, later + BEARER, BEARER):
        client.sends(GET % fields)
        made.servers[0].sends(OK)
        sent = made.servers[0].received()
        assert b"Proxy-Authorization" not in sent
        assert BEARER in sent
    assert client.received().count(b"HTTP/1.1 200 OK") == 3


def test_the_parents_password_takes_the_place_of_the_clients(guarded):
    made = guarded("upstream:http://parent.test:3128", upstream_auth="we:parents")
    client = made.client()
    wanted = f"Proxy-Authorization: {basic.encode('we', 'parents')}\r\n".encode()
    for _ in range(2):
        client.sends(GET % RIGHT)
        made.servers[0].sends(OK)
        sent = made.servers[0].received()
        assert sent.count(b"Proxy-Authorization") == 1
        assert wanted in sent


def test_connect_to_a_parent_carries_no_password_of_ours(guarded):
    made = guarded("upstream:http://parent.test:3128")
    client = made.client()
    client.sends(CONNECT % RIGHT)
    sent = made.servers[0].received()
    assert sent.startswith(b"CONNECT a.test:443 ")
    assert b"uthorization" not in sent


def test_in_a_tunnel_authorization_is_the_servers(guarded):
    made = guarded()
    client = made.client()
    client.sends(CONNECT % RIGHT)
    for fields in (OURS, THEIRS, BEARER):
        client.sends(PATH % fields)
        made.servers[0].sends(OK)
        assert fields in made.servers[0].received()
    client.sends(PATH % (RIGHT + BEARER))
    assert b"Proxy-Authorization" not in made.servers[0].received()


@pytest.mark.parametrize(
    ("later", "left"),
    [
        (OURS, b""),
        (THEIRS, THEIRS),
        (BEARER, BEARER),
        (b"", b""),
        (THEIRS + OURS, THEIRS),
        (b"Authorization: Basic nonsense\r\n", b"Authorization: Basic nonsense\r\n"),
    ],
)
def test_in_reverse_mode_only_our_own_passwords_are_taken_out(guarded, later, left):
    made = guarded("reverse:http://a.test")
    client = made.client()
    client.sends(PATH % OURS)
    made.servers[0].sends(OK)
    assert b"uthorization" not in made.servers[0].received()
    client.sends(PATH % later)
    made.servers[0].sends(OK)
    sent = made.servers[0].received()
    assert sent.count(b"Authorization") == left.count(b"Authorization")
    assert left in sent


def test_what_comes_through_socks_is_the_servers(guarded):
    made = guarded("socks5")
    client = made.client()
    client.sends(socks_login(b"se:cret") + TO_A_TEST)
    client.sends(PATH % OURS)
    assert OURS in made.servers[0].received()


def test_replays_are_not_asked(guarded, make_flow):
    made = guarded()
    flow = make_flow()
    flow.response = None
    flow.is_replay = "request"
    assert made.hooks.requestheaders[0].call(flow) is None
    assert flow.response is None


def test_what_was_answered_stays_answered(guarded, make_flow):
    flow = make_flow()
    guarded().hooks.requestheaders[0].call(flow)
    assert flow.response.status_code == 200


def socks_login(password: bytes) -> bytes:
    return b"\x05\x01\x02" + b"\x01\x02me" + bytes([len(password)]) + password


TO_A_TEST = b"\x05\x01\x00\x03\x06a.test\x00\x50"


def test_md_09_socks5_clients_log_in_in_socks_terms(guarded):
    made = guarded("socks5")
    client = made.client()
    client.sends(socks_login(b"se:cret") + TO_A_TEST)
    assert client.received().startswith(b"\x05\x02\x01\x00\x05\x00\x00")
    client.sends(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    made.servers[0].sends(OK)
    assert client.received().endswith(b"ok")


@pytest.mark.parametrize(
    "greeting", [socks_login(b"wrong"), b"\x05\x01\x00", b"\x04\x01\x00\x50\x00\x00\x00\x01me\x00a.test\x00"]
)
def test_md_09_socks_clients_without_the_password_are_refused(guarded, greeting):
    made = guarded("socks5")
    client = made.client()
    client.sends(greeting + TO_A_TEST)
    assert client.is_closed
    assert made.servers == []


def test_slow_passwords_are_checked_once(scenario, slow):
    option, checked = slow

    async def main():
        made = scenario(proxyauth=option)
        guard = made.addons.get("proxyauth-guard")
        assert await guard._check("me", "wrong") is False
        assert await guard._check("me", "se:cret") is True
        assert guard._is_known("me", "se:cret")
        assert not guard._is_known("mes", "e:cret")
        assert not guard._is_known("me", "wrong")

    asyncio.run(main())
    assert checked == [b"wrong", b"se:cret"]


def test_the_memory_of_slow_passwords_is_bounded(scenario, slow, monkeypatch):
    monkeypatch.setattr(proxyauth, "REMEMBERED", 0)

    async def main():
        guard = scenario(proxyauth=slow[0]).addons.get("proxyauth-guard")
        await guard._check("me", "se:cret")
        await guard._check("me", "se:cret")
        assert len(guard._checked) == 1

    asyncio.run(main())


def test_slow_passwords_in_an_engine(engine, ask, origin, slow):
    option, checked = slow

    async def main():
        async with origin(OK) as (port, requests), engine(proxyauth=option) as opened:
            target = b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n"
            wrong = await ask(opened, target % (port, WRONG))
            first = await ask(opened, target % (port, RIGHT))
            second = await ask(opened, target % (port, RIGHT))
            return wrong, first, second, requests

    wrong, first, second, requests = asyncio.run(main())
    assert wrong.startswith(b"HTTP/1.1 407 ")
    assert first.endswith(b"ok")
    assert second.endswith(b"ok")
    assert len(requests) == 2
    assert checked == [b"wrong", b"se:cret"]


def test_slow_passwords_are_taken_out_later_too(scenario, make_flow, slow):
    option, checked = slow
    ours, theirs = basic.encode("me", "se:cret"), basic.encode("me", "theirs")

    async def guarded(made, flow):
        later = made.hooks.requestheaders[0].call(flow)
        if later is not None:
            await later
        return flow.request.headers.get_all("Authorization")

    async def main():
        made = scenario("reverse:http://a.test", proxyauth=option)
        flow = make_flow(mode="reverse:http://a.test")
        flow.response = None
        left = []
        for values in ([ours], [ours], [theirs], [theirs, "Bearer x", ours]):
            flow.request.headers.set_all("Authorization", values)
            left.append(await guarded(made, flow))
        return left

    assert asyncio.run(main()) == [[], [], [theirs], [theirs, "Bearer x"]]
    assert checked == [b"se:cret", b"theirs"]


def test_slow_passwords_over_socks(engine, slow):
    async def main():
        async with engine("socks5", proxyauth=slow[0]) as opened:
            answers = []
            for password in (b"se:cret", b"se:cret", b"wrong"):
                reader, writer = await asyncio.open_connection(*opened.listeners[0].address[:2])
                writer.write(socks_login(password))
                answers.append(await asyncio.wait_for(reader.readexactly(4), 10))
                writer.close()
                await writer.wait_closed()
            return answers

    assert asyncio.run(main()) == [b"\x05\x02\x01\x00", b"\x05\x02\x01\x00", b"\x05\x02\x01\x01"]
