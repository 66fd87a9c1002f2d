"""Where HTTP/2 requests go, and what they are called there: `:authority` and Host in all pairs of versions."""

import pytest

from midstream.testing import Http2Peer
from midstream.wire.events import RequestHead
from midstream.wire.h2.heads import VERSION

TO_HTTP1 = {"mode": "reverse:http://origin:80", "server_http2": "never"}
BOTH = [(b"host", b"a:81")]


def asked(both, authority="a:81", fields=()):
    """Ask, and return what the HTTP/2 server is told: authority, fields."""
    both.client.asks("GET", "/x", authority=authority, fields=list(fields))
    head = both.server.request(1).head
    assert head.target == b"/x"
    assert head.scheme == b"http"
    return head.authority, head.headers


# Client and server of HTTP/2.


@pytest.mark.parametrize("is_edited", [False, True])
@pytest.mark.parametrize(("authority", "fields"), [("a:81", []), ("", BOTH), ("a:81", BOTH), ("A:81", [])])
def test_h2_29_h2_to_h2_keeps_what_the_client_said(duet, tape, authority, fields, is_edited):
    """mm#7200: no Host is invented, no authority either."""

    class Edits:
        def request(self, flow):
            if is_edited:
                flow.request.headers["x"] = "1"

    both = duet(addons=[tape, Edits()], keep_host_header=True)
    added = [(b"x", b"1")] if is_edited else []
    assert asked(both, authority, fields) == (authority.encode(), [*fields, *added])
    assert tape.flow.request.host == "origin"
    assert tape.flow.request.authority == authority
    assert tape.flow.request.host_header.lower() == "a:81"
    assert both.origin.address == ("origin", 80)


@pytest.mark.parametrize(("authority", "fields"), [("a:81", []), ("", BOTH), ("a:81", BOTH)])
def test_h2_29_md_13_reverse_mode_names_the_server(duet, tape, authority, fields):
    both = duet(addons=[tape])
    renamed = [(b"host", b"origin") for _ in fields]
    assert asked(both, authority, fields) == (b"origin", renamed)
    assert tape.flow.request.host_header == "origin"
    assert tape.flow.client_authority == b"a:81"


def test_md_13_reverse_mode_names_a_port_that_is_not_the_default(duet):
    both = duet("reverse:h2c://origin:8080")
    assert asked(both) == (b"origin:8080", [])


# One of them of HTTP/1.


@pytest.mark.parametrize("is_edited", [False, True])
@pytest.mark.parametrize(("authority", "fields"), [("a:81", []), ("", BOTH), ("a:81", BOTH)])
@pytest.mark.parametrize("keeps", [False, True])
def test_h2_29_h2_to_http_1_has_one_host_and_it_comes_first(duet, authority, fields, keeps, is_edited):
    class Edits:
        def request(self, flow):
            if is_edited:
                flow.request.headers["x"] = "1"

    both = duet(**TO_HTTP1, addons=[Edits()], keep_host_header=keeps)
    both.client.asks("GET", "/x", authority=authority, fields=[(b"y", b"1"), *fields])
    host = b"a:81" if keeps else b"origin"
    x = b"x: 1\r\n" if is_edited else b""
    assert both.origin.received() == b"GET /x HTTP/1.1\r\nHost: " + host + b"\r\ny: 1\r\n" + x + b"\r\n"


@pytest.mark.parametrize("is_edited", [False, True])
@pytest.mark.parametrize("keeps", [False, True])
def test_h2_29_http_1_to_h2_has_the_host_as_authority(play, tape, keeps, is_edited):
    class Edits:
        def request(self, flow):
            if is_edited:
                flow.request.headers["x"] = "1"

    scenario = play("reverse:h2c://origin:80", addons=[tape, Edits()], keep_host_header=keeps)
    scenario.client().sends(b"GET /x HTTP/1.1\r\nY: 1\r\nHost: a:81\r\n\r\n")
    head = Http2Peer.server(scenario.servers[0]).request(1).head
    assert head.authority == (b"a:81" if keeps else b"origin")
    assert head.headers == [(b"y", b"1"), *([(b"x", b"1")] if is_edited else [])]
    assert (head.method, head.target, head.scheme) == (b"GET", b"/x", b"http")


def test_h2_29_http_1_0_without_a_host_to_h2(play):
    scenario = play("reverse:h2c://origin:80", keep_host_header=True)
    scenario.client().sends(b"GET /x HTTP/1.0\r\n\r\n")
    head = Http2Peer.server(scenario.servers[0]).request(1).head
    assert (head.authority, head.target, head.headers) == (b"origin", b"/x", [])


def test_h1_28_asterisk_form(duet, play):
    both = duet()
    both.client.asks("OPTIONS", "*")
    assert both.server.request(1).head.target == b"*"
    both = duet(**TO_HTTP1)
    both.client.asks("OPTIONS", "*")
    assert both.origin.received() == b"OPTIONS * HTTP/1.1\r\nHost: origin\r\n\r\n"
    scenario = play("reverse:h2c://origin:80")
    scenario.client().sends(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    assert Http2Peer.server(scenario.servers[0]).request(1).head.target == b"*"


def test_h1_27_absolute_form_to_an_h2_server(play):
    scenario = play("reverse:h2c://origin:80", keep_host_header=True)
    scenario.client().sends(b"GET http://a:81/x?y HTTP/1.1\r\nHost: a:81\r\n\r\n")
    head = Http2Peer.server(scenario.servers[0]).request(1).head
    assert (head.authority, head.target) == (b"a:81", b"/x?y")


# The client knows us as its proxy.


@pytest.mark.parametrize(
    ("authority", "address", "host"),
    [
        ("a", ("a", 80), b"a"),
        ("a:81", ("a", 81), b"a:81"),
        ("A", ("a", 80), b"A"),
        ("[::1]:82", ("::1", 82), b"[::1]:82"),
    ],
)
def test_h2_38_ob_09_requests_to_the_proxy_itself(duet, tape, authority, address, host):
    both = duet("regular", addons=[tape])
    stream = both.client.asks("GET", "/x", authority=authority)
    assert both.origin.address == address
    assert both.origin.received() == b"GET /x HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
    both.origin.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert both.client.response(stream).body == b"ok"
    assert tape.flow.request.url == f"http://{authority.lower()}/x"


def test_h2_38_requests_of_one_client_go_to_many_servers(duet):
    both = duet("regular")
    streams = {name: both.client.asks("GET", "/", authority=name) for name in ("a", "b", "c")}
    assert [server.address[0] for server in both.scenario.servers] == ["a", "b", "c"]
    for server in reversed(both.scenario.servers):
        name = server.address[0]
        server.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + name.encode())
        assert both.client.response(streams[name]).body == name.encode()


def test_h2_38_a_server_that_cannot_be_reached(duet, tape):
    both = duet("regular", addons=[tape])
    both.scenario.unreachable["b", 0] = OSError(111, "refused")
    lost = both.client.asks("GET", "/", authority="b")
    stream = both.client.asks("GET", "/", authority="a")
    response = both.client.response(lost)
    assert response.status == 502
    assert response.is_whole
    assert (b"content-type", b"text/plain; charset=utf-8") in response.fields
    both.origin.sends(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert both.client.response(stream).status == 204


@pytest.mark.parametrize("scheme", ["ftp", "x"])
def test_h2_38_a_scheme_that_nobody_can_ask(duet, tape, scheme):
    both = duet("regular", addons=[tape])
    stream = both.client.asks("GET", "/", authority="a", scheme=scheme)
    assert both.client.response(stream).status == 400
    assert both.scenario.servers == []
    assert tape.hooks == ["error"]


def test_h1_27_a_parent_gets_the_whole_url_and_its_credentials(duet):
    both = duet("upstream:http://parent:3128")
    both.client.asks("GET", "/x", authority="a", fields=[(b"proxy-authorization", b"Basic eDp5")])
    assert both.scenario.dialled[0][:2] == ("parent", 3128)
    received = both.origin.received()
    assert received.startswith(b"GET http://a/x HTTP/1.1\r\nHost: a\r\n")
    assert b"proxy-authorization: Basic eDp5\r\n" in received


def test_md_01_a_request_that_would_come_back(duet, tape):
    both = duet("regular", addons=[tape])
    stream = both.client.asks("GET", "/", authority="127.0.0.1:8080")
    assert both.client.response(stream).status == 502
    assert both.scenario.servers == []


# What addons change.


class Does:
    """Does something to each request."""

    def __init__(self, act):
        self.act = act

    def request(self, flow):
        self.act(flow.request)


EDITS = {
    "host": lambda r: setattr(r, "host", "b"),
    "url": lambda r: setattr(r, "url", "http://b:80/x"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("fields", [[], BOTH])
def test_ad_09_a_request_that_an_addon_moves_is_named_by_its_new_server(duet, edit, fields):
    both = duet(addons=[Does(edit)], keep_host_header=True)
    authority, came = asked(both, "a:81", fields)
    assert both.origin.address == ("b", 80)
    assert authority == b"b"
    assert came == [(b"host", b"b") for _ in fields]


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize(("authority", "fields"), [("a:81", []), ("", BOTH), ("a:81", BOTH)])
def test_ad_09_a_request_that_an_addon_moves_to_an_http_1_server(duet, edit, authority, fields):
    both = duet(**TO_HTTP1, addons=[Does(edit)], keep_host_header=True)
    both.client.asks("GET", "/x", authority=authority, fields=fields)
    assert both.origin.address == ("b", 80)
    assert both.origin.received() == b"GET /x HTTP/1.1\r\nHost: b\r\n\r\n"


@pytest.mark.parametrize(("authority", "fields"), [("a:81", []), ("", BOTH), ("a:81", BOTH)])
@pytest.mark.parametrize("way", ["host_header", "headers"])
def test_h2_29_a_host_that_an_addon_sets_counts(duet, way, authority, fields):
    def act(request):
        if way == "headers":
            request.headers["Host"] = "new"
        else:
            request.host_header = "new"

    both = duet(addons=[Does(act)], keep_host_header=True)
    both.client.asks("GET", "/x", authority=authority, fields=fields)
    head = both.server.request(1).head
    assert b"a:81" not in {head.authority, head.host}
    assert b"new" in {head.authority, head.host}
    both = duet(**TO_HTTP1, addons=[Does(act)], keep_host_header=True)
    both.client.asks("GET", "/x", authority=authority, fields=fields)
    assert both.origin.received() == b"GET /x HTTP/1.1\r\nHost: new\r\n\r\n"


def test_h2_29_a_host_that_an_addon_takes_away_from_http_1(play):
    scenario = play("reverse:h2c://origin:80", addons=[Does(lambda r: r.headers.pop("Host"))], keep_host_header=True)
    scenario.client().sends(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    head = Http2Peer.server(scenario.servers[0]).request(1).head
    assert (head.authority, head.headers) == (b"origin", []), "HTTP/2 has to name a server"


@pytest.mark.parametrize("method", ["DELETE", "x-odd!"])
def test_a_method_and_a_path_that_an_addon_sets(duet, method):
    def act(request):
        request.method = method
        request.path = "/new?q=1"
        request.headers["a"] = "1"
        request.headers.pop("gone")
        request.query["more"] = "2"

    fields = [(b"gone", b"1"), (b"stays", b"1")]
    both = duet(addons=[Does(act)])
    both.client.asks("GET", "/x", fields=fields)
    head = both.server.request(1).head
    assert (head.method, head.target) == (method.encode(), b"/new?q=1&more=2")
    assert head.headers == [(b"stays", b"1"), (b"a", b"1")]
    both = duet(**TO_HTTP1, addons=[Does(act)])
    both.client.asks("GET", "/x", fields=fields)
    assert both.origin.received() == (
        method.encode() + b" /new?q=1&more=2 HTTP/1.1\r\nHost: origin\r\nstays: 1\r\na: 1\r\n\r\n"
    )


def test_a_request_that_an_addon_replaces(duet):
    class Replaces:
        def request(self, flow):
            flow.request = flow.request.copy()
            flow.request.path = "/copy"

    both = duet(addons=[Replaces()], keep_host_header=True)
    both.client.asks("GET", "/x", authority="a:81")
    head = both.server.request(1).head
    assert (head.authority, head.target) == (b"a:81", b"/copy")


@pytest.mark.parametrize("attribute", ["method", "path", "authority", "scheme"])
@pytest.mark.parametrize("value", ["a b", "a\r\nEvil: 1"])
@pytest.mark.parametrize("mode", [{}, TO_HTTP1], ids=["to h2", "to http/1"])
def test_h1_58_h2_27_a_pseudo_field_that_cannot_be_sent(duet, tape, attribute, value, mode):
    both = duet(**mode, addons=[tape, Does(lambda r: setattr(r, attribute, value))])
    stream = both.client.asks("GET", "/x")
    for server in both.scenario.servers:
        assert b"Evil" not in server.received()
    if attribute not in {"scheme", "authority"} or not mode:
        assert both.client.response(stream).status == 502
        assert tape.hooks[-1] == "error"
    assert not both.client.peer.is_closed


def test_h2_38_an_absolute_path_is_no_target(duet, tape):
    """A `:path` that is a URL is malformed; it is not to be read as one."""
    both = duet("regular", addons=[tape])
    head = RequestHead(b"GET", b"http://evil/x", VERSION, [], 0, scheme=b"http", authority=b"a")
    both.client.engine.open_whole(head, b"")
    both.client.flush()
    assert both.client.response(1).code is not None
    assert both.scenario.servers == []


def test_h2_36_prior_knowledge_in_an_http_1_tunnel(play):
    """OB-09: h2c inside a CONNECT."""
    scenario = play()
    client = scenario.client()
    client.sends(b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 200 ")
    played = Http2Peer.client(client)
    stream = played.asks("GET", "/x", authority="a")
    server = Http2Peer.server(scenario.servers[0])
    assert server.request(1).head.authority == b"a"
    server.answers(1, 204)
    assert played.response(stream).status == 204
