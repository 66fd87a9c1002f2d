import pytest

from midstream.flow import Headers, Request
from midstream.proxy.replayhead import has_server, replay_head, replay_target
from midstream.wire.ws.handshake import is_key


def request(version=b"HTTP/1.1", *fields, method=b"GET", authority=b"", content=b"", path=b"/x", scheme=b"https"):
    return Request("a.test", 443, method, scheme, authority, path, version, Headers(fields), content)


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
def test_http1(version):
    made = request(version, (b"HoSt", b"b.test"), (b"X-Y", b"1"), content=b"body", method=b"POST")
    head = replay_head(made, opens_websocket=False)
    assert (head.method, head.target, head.version, head.body_size) == (b"POST", b"/x", version, 4)
    assert head.headers == [(b"HoSt", b"b.test"), (b"X-Y", b"1")]
    assert (head.host, head.upgrade, head.protocol, head.block) == (b"b.test", b"", b"", b"")


def test_h2_39_a_request_without_host():
    made = request(b"HTTP/1.1", (b"X-Y", b"1"))
    assert replay_head(made, opens_websocket=False).host == b"a.test"
    assert made.headers.fields == ((b"Host", b"a.test"), (b"X-Y", b"1"))
    assert replay_head(request(b"HTTP/1.0"), opens_websocket=False).host is None, "HTTP/1.0 can do without"
    assert replay_head(request(b"HTTP/1.1", authority=b"c.test"), opens_websocket=False).host == b"c.test"


def test_http2():
    made = request(b"HTTP/2.0", (b"x-y", b"1"), authority=b"a.test")
    head = replay_head(made, opens_websocket=False)
    assert (head.scheme, head.authority, head.host, head.version) == (b"https", b"a.test", None, b"HTTP/2.0")
    assert head.headers == [(b"x-y", b"1")]


def test_h2_39_a_request_without_authority():
    assert replay_head(request(b"HTTP/2.0"), opens_websocket=False).authority == b"a.test"
    head = replay_head(request(b"HTTP/2.0", (b"host", b"b.test")), opens_websocket=False)
    assert (head.authority, head.host) == (b"", b"b.test"), "as it came"


def test_h2_39_pseudo_fields_are_no_fields():
    made = request(b"HTTP/2.0", (b":authority", b"d.test"), (b":path", b"/"), (b"x-y", b"1"))
    head = replay_head(made, opens_websocket=False)
    assert (head.authority, head.headers) == (b"d.test", [(b"x-y", b"1")])
    made = request(b"HTTP/1.1", (b":authority", b"d.test"), (b"host", b"b.test"), authority=b"a.test")
    assert replay_head(made, opens_websocket=False).headers == [(b"host", b"b.test")]
    assert made.authority == "a.test"


@pytest.mark.parametrize(
    ("version", "spoken"),
    [(b"HTTP/3", b"HTTP/2.0"), (b"HTTP/2", b"HTTP/2.0"), (b"HTTP/0.9", b"HTTP/1.1"), (b"", b"HTTP/1.1")],
)
def test_versions_that_are_not_spoken(version, spoken):
    made = request(version)
    assert replay_head(made, opens_websocket=False).version == spoken
    assert made.data.http_version == spoken


def test_an_upgrade_has_a_new_key():
    fields = [
        (b"Host", b"a"),
        (b"Connection", b"keep-alive, Upgrade"),
        (b"Upgrade", b"websocket"),
        (b"Sec-WebSocket-Key", b"old"),
    ]
    first, second = (request(b"HTTP/1.1", *fields) for _ in range(2))
    assert replay_head(first, opens_websocket=True).upgrade == b"websocket"
    assert replay_head(second, opens_websocket=True).upgrade == b"websocket"
    keys = {each.headers["sec-websocket-key"] for each in (first, second)}
    assert len(keys) == 2
    assert all(is_key(key.encode()) for key in keys)


def test_an_upgrade_that_connection_does_not_name():
    assert replay_head(request(b"HTTP/1.1", (b"Upgrade", b"websocket")), opens_websocket=False).upgrade == b""


def test_an_extended_connect():
    made = request(b"HTTP/2.0", method=b"CONNECT", authority=b"a.test")
    assert replay_head(made, opens_websocket=True).protocol == b"websocket"
    assert "sec-websocket-key" not in made.headers
    assert replay_head(request(b"HTTP/2.0"), opens_websocket=True).protocol == b"", "it is an ordinary one by now"


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/2.0"])
def test_what_else_a_head_tells(version):
    made = request(version, (b"expect", b"100-continue"), path=b"", content=None)
    head = replay_head(made, opens_websocket=False)
    assert (head.target, head.expects_continue, head.body_size) == (b"/", True, 0)


def test_where_it_goes():
    target = replay_target(request(authority=b"b.test"))
    assert (target.scheme, target.host, target.port) == ("https", "a.test", 443)
    assert (target.authority, target.path, target.host_field) == (b"b.test", b"/x", None)
    assert replay_target(request(scheme=b"http")).scheme == "http"
    assert has_server(request())
    assert not has_server(request(scheme=b"ftp"))
    assert not has_server(Request("", 0, b"GET", b"http", b"", b"/", b"HTTP/1.1", (), b""))
