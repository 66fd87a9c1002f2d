import asyncio

from midstream.addons import basic

VALUE = basic.encode("me", "se:cret").encode()
GET = b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"
CONNECT = b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n"
PARENT = "upstream:http://parent.test:3128"


def test_without_the_option_there_is_no_hook(scenario):
    made = scenario(PARENT)
    assert (made.hooks.http_connect_upstream, made.hooks.requestheaders) == ((), ())
    made.options.update(upstream_auth="me:se:cret")
    assert all((made.hooks.http_connect_upstream, made.hooks.requestheaders))


def test_plain_requests_through_a_parent(scenario):
    made = scenario(PARENT, upstream_auth="me:se:cret")
    made.client().sends(GET)
    sent = made.servers[0].received()
    assert sent.startswith(b"GET http://a.test/ HTTP/1.1\r\n")
    assert b"\r\nProxy-Authorization: " + VALUE + b"\r\n" in sent


def test_connect_to_a_parent(scenario):
    made = scenario(PARENT, upstream_auth="me:se:cret")
    client = made.client()
    client.sends(CONNECT)
    assert b"\r\nProxy-Authorization: " + VALUE + b"\r\n" in made.servers[0].received()
    made.servers[0].sends(b"HTTP/1.1 200 OK\r\n\r\n")
    client.sends(b"GET /inside HTTP/1.1\r\nHost: a.test\r\n\r\n")
    assert b"cret" not in made.servers[0].received()


def test_reverse_mode_shows_them_to_the_server(scenario):
    made = scenario("reverse:http://a.test", upstream_auth="me:se:cret")
    made.client().sends(b"GET / HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic other\r\n\r\n")
    sent = made.servers[0].received()
    assert b"\r\nAuthorization: " + VALUE + b"\r\n" in sent
    assert b"other" not in sent


def test_other_servers_never_see_them(scenario):
    made = scenario(upstream_auth="me:se:cret")
    made.client().sends(GET)
    assert b"uthorization" not in made.servers[0].received()


def test_a_socks_parent_is_not_told_in_http(scenario, make_flow):
    made = scenario(upstream_auth="me:se:cret")
    flow = make_flow()
    flow.server_conn.via = ("socks5", ("parent.test", 1080))
    made.hooks.requestheaders[0].call(flow)
    assert "authorization" not in flow.request.headers
    assert "proxy-authorization" not in flow.request.headers


def test_an_unreachable_server_stays_a_reason_to_refuse_connect(scenario):
    made = scenario(upstream_auth="me:se:cret")
    made.unreachable["a.test", 0] = OSError("no route")
    client = made.client()
    client.sends(CONNECT)
    assert client.received().startswith(b"HTTP/1.1 502 ")


def test_in_an_engine(engine, ask, origin):
    async def main():
        async with origin(b"HTTP/1.1 204 No Content\r\n\r\n") as (port, requests):
            async with engine(f"reverse:http://127.0.0.1:{port}", upstream_auth="me:se:cret") as opened:
                await ask(opened, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return requests

    assert b"\r\nAuthorization: " + VALUE + b"\r\n" in asyncio.run(main())[0]
