import asyncio

import pytest

from midstream.addons.reverse import Names, covers, split_authority

TARGET = "reverse:http://shop.example.com:8000"


@pytest.fixture
def rewrite(scenario, make_flow):
    """A function that returns a response head as a client of reverse mode sees it."""

    def run(
        *fields: tuple[bytes, bytes],
        mode: str = TARGET,
        url: str = "http://shop.example.com:8000/",
        authority: bytes | None = b"localhost:8080",
        client_tls: bool = False,
        **options,
    ) -> list[tuple[bytes, bytes]]:
        made = scenario(mode, **options)
        flow = make_flow(
            url, mode=mode, response_headers=list(fields), client_authority=authority, client_tls=client_tls
        )
        for handler in made.hooks.responseheaders:
            handler.call(flow)
        return list(flow.response.headers.fields)

    return run


@pytest.fixture
def location(rewrite):
    def run(value: str, **settings) -> str:
        [(_, rewritten)] = rewrite((b"Location", value.encode()), **settings)
        return rewritten.decode()

    return run


@pytest.fixture
def cookie(rewrite):
    def run(value: str, **settings) -> str:
        [(_, rewritten)] = rewrite((b"Set-Cookie", value.encode()), **settings)
        return rewritten.decode()

    return run


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://shop.example.com:8000/a?b#c", "http://localhost:8080/a?b#c"),
        ("http://SHOP.example.com:8000", "http://localhost:8080"),
        ("http://shop.example.com:8000?x=//y", "http://localhost:8080?x=//y"),
        ("http://user@shop.example.com:8000/", "http://localhost:8080/"),
        ("//shop.example.com:8000/a", "//localhost:8080/a"),
        ("/a//shop.example.com:8000/", "/a//shop.example.com:8000/"),
        ("a/b", "a/b"),
        ("", ""),
        ("http://shop.example.com/a", "http://shop.example.com/a"),
        ("https://shop.example.com:8000/a", "https://shop.example.com:8000/a"),
        ("http://other.example.com:8000/", "http://other.example.com:8000/"),
        ("http://shop.example.com.evil.test:8000/", "http://shop.example.com.evil.test:8000/"),
        ("mailto:shop.example.com:8000", "mailto:shop.example.com:8000"),
        ("http://shop.example.com:80x0/", "http://shop.example.com:80x0/"),
    ],
)
def test_md_15_redirects_to_the_target(location, value, expected):
    assert location(value) == expected


def test_md_15_default_ports_are_the_same_written_or_not(location):
    settings = {"mode": "reverse:https://a.test", "url": "https://a.test/", "client_tls": True, "authority": b"proxy"}
    assert location("https://a.test/x", **settings) == "https://proxy/x"
    assert location("https://a.test:443/x", **settings) == "https://proxy/x"
    assert location("http://a.test/x", **settings) == "http://a.test/x"


def test_md_15_ipv6(location):
    settings = {"mode": "reverse:http://[::1]:81", "url": "http://[::1]:81/", "authority": b"[::1]:8080"}
    assert location("http://[::1]:81/x", **settings) == "http://[::1]:8080/x"


def test_content_location_too_with_its_spelling(rewrite):
    assert rewrite((b"content-LOCATION", b"http://shop.example.com:8000/a")) == [
        (b"content-LOCATION", b"http://localhost:8080/a")
    ]


def test_a_client_that_used_the_targets_name_keeps_it(location, cookie):
    assert location("http://shop.example.com:8000/a", authority=None) == "http://shop.example.com:8000/a"
    assert cookie("a=b; Domain=example.com", authority=None) == "a=b; Domain=example.com"


@pytest.mark.parametrize(
    ("value", "authority", "expected"),
    [
        ("a=b; Path=/; Domain=shop.example.com; HttpOnly", b"localhost:8080", "a=b; Path=/; HttpOnly"),
        ("a=b; Domain=.example.com", b"127.0.0.1:8080", "a=b"),
        ("a=b; domain=example.com; Path=/", b"proxy.test", "a=b; domain=proxy.test; Path=/"),
        ("a=b; Domain=example.com", b"dev.example.com", "a=b; Domain=example.com"),
        ("a=b; Domain=other.test", b"localhost", "a=b; Domain=other.test"),
        ("a=b=c; Expires=Wed, 21 Oct 2015 07:28:00 GMT", b"localhost", "a=b=c; Expires=Wed, 21 Oct 2015 07:28:00 GMT"),
        ("domain=shop.example.com", b"localhost", "domain=shop.example.com"),
    ],
)
def test_md_15_domains_of_cookies(cookie, value, authority, expected):
    assert cookie(value, authority=authority) == expected


def test_md_15_secure_is_dropped_where_the_client_speaks_clear_text(cookie):
    value = "a=b; Secure; SameSite=None; Partitioned; Path=/"
    assert cookie(value) == "a=b; Path=/"
    assert cookie(value, client_tls=True) == value
    assert cookie("secure=b; SameSite=Lax") == "secure=b; SameSite=Lax"


def test_every_cookie_in_its_place(rewrite):
    assert rewrite((b"Set-Cookie", b"a=1; Secure"), (b"X", b"y"), (b"set-cookie", b"b=2; Secure")) == [
        (b"Set-Cookie", b"a=1"),
        (b"X", b"y"),
        (b"set-cookie", b"b=2"),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('h2=":8000"; ma=60, h3="shop.example.com:443"', 'h2=":8080"; ma=60, h3=":8080"'),
        ('h2="other.test:443"', 'h2="other.test:443"'),
        ('h2="[::1]:443"', 'h2="[::1]:443"'),
        ("clear", "clear"),
    ],
)
def test_md_15_alternative_services(rewrite, value, expected):
    field = (b"Alt-Svc", value.encode())
    assert rewrite(field) == [(b"Alt-Svc", expected.encode())]
    assert rewrite(field, keep_alt_svc_header=True) == [field]


def test_the_port_is_the_one_that_the_client_knows(rewrite):
    field = (b"Alt-Svc", b'h2=":1"')
    assert rewrite(field, authority=b"proxy.test") == [(b"Alt-Svc", b'h2=":80"')]
    assert rewrite(field, authority=b"proxy.test", client_tls=True) == [(b"Alt-Svc", b'h2=":443"')]
    assert rewrite(field, authority=None) == [(b"Alt-Svc", b'h2=":8080"')]


def test_without_a_socket_name_there_is_no_port(make_flow):
    flow = make_flow()
    flow.client_conn.sockname = None
    assert Names(flow).client_port == 0


def test_keep_host_header_leaves_all_alone(scenario):
    assert scenario(TARGET, keep_host_header=True).hooks.responseheaders == ()


def test_other_modes_have_no_such_hook(scenario):
    assert scenario().hooks.responseheaders == ()


def test_clients_of_other_modes_are_left_alone(scenario, make_flow):
    made = scenario(TARGET)
    flow = make_flow(response_headers=[(b"Set-Cookie", b"a=b; Secure")])
    made.hooks.responseheaders[0].call(flow)
    assert flow.response.headers["set-cookie"] == "a=b; Secure"


def test_other_heads_stay_unedited(scenario, make_flow):
    flow = make_flow(mode=TARGET, response_headers=[(b"Location", b"/a")])
    scenario(TARGET).hooks.responseheaders[0].call(flow)
    assert not flow.response.edited


def test_through_the_proxy(scenario):
    made = scenario(TARGET)
    client = made.client()
    client.sends(b"GET / HTTP/1.1\r\nHost: localhost:8080\r\n\r\n")
    made.servers[0].sends(
        b"HTTP/1.1 302 Found\r\nLocation: http://shop.example.com:8000/a\r\nContent-Length: 0\r\n"
        b"Set-Cookie: a=b; Domain=shop.example.com; Secure\r\n\r\n"
    )
    answer = client.received()
    assert b"\r\nLocation: http://localhost:8080/a\r\n" in answer
    assert b"\r\nSet-Cookie: a=b\r\n" in answer
    assert b"\r\nHost: shop.example.com:8000\r\n" in made.servers[0].received()


def test_in_an_engine(engine, ask, origin):
    answer = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nSet-Cookie: a=b; Secure\r\n\r\n"

    async def main():
        async with origin(answer) as (port, _), engine(f"reverse:http://127.0.0.1:{port}") as opened:
            return await ask(opened, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert b"\r\nSet-Cookie: a=b\r\n" in asyncio.run(main())


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("A.test", ("a.test", None)),
        ("a.test:80", ("a.test", 80)),
        ("u:p@a.test", ("a.test", None)),
        ("[::1]", ("::1", None)),
        ("[::1]:8", ("::1", 8)),
        ("", ("", None)),
        ("a.test:", ("a.test", None)),
        ("a.test:x", ("", None)),
    ],
)
def test_authorities(authority, expected):
    assert split_authority(authority) == expected


def test_domains_cover_names_below_them_and_no_addresses():
    assert covers("example.com", "www.example.com")
    assert covers("localhost", "localhost")
    assert not covers("ample.com", "example.com")
    assert not covers("0.0.1", "127.0.0.1")
