"""HTTP/2 without TLS: by its preface wherever HTTP is heard, and never by Upgrade (H2-36, H1-22)."""

import pytest

from midstream.testing.http2 import Http2Peer
from midstream.testing.tls import Origins, tls_client
from midstream.wire.events import Reset
from midstream.wire.h2.frame import PREFACE

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
H2C_FIELDS = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


def asked_over_http1(scenario, client, *, authority="a.example"):
    """Ask over HTTP/2 what the server is to be asked over HTTP/1."""
    speaker = Http2Peer.client(client)
    stream = speaker.asks("GET", "/x", authority=authority)
    request = scenario.servers[0].received()
    scenario.servers[0].sends(OK)
    assert speaker.response(stream).body == b"ok"
    return request


def asked_over_http2(scenario, client):
    """Ask over HTTP/2 what the server is to be asked over HTTP/2."""
    speaker = Http2Peer.client(client)
    stream = speaker.asks("GET", "/x", authority="a.example")
    server = Http2Peer.server(scenario.servers[0])
    server.answers(1, 200, b"ok")
    assert speaker.response(stream).body == b"ok"
    return server.request(1).head


# The preface.


def test_h2_36_to_a_regular_proxy_requests_go_on_in_http1(play, tape):
    scenario = play(addons=[tape])
    request = asked_over_http1(scenario, scenario.client())
    assert request == b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"
    assert scenario.servers[0].address == ("a.example", 80)
    assert tape.flow.request.http_version == "HTTP/2.0"


def test_h2_36_each_request_to_a_proxy_names_its_server(play):
    scenario = play()
    client = Http2Peer.client(scenario.client())
    streams = [client.asks("GET", "/", authority=f"{name}.example:8000") for name in "abc"]
    assert [server.address for server in scenario.servers] == [(f"{name}.example", 8000) for name in "abc"]
    for server in reversed(scenario.servers):
        server.sends(OK)
    assert [client.response(stream).body for stream in streams] == [b"ok"] * 3


def test_a_request_to_a_proxy_for_a_url_of_https_goes_over_tls(play, tmp_path):
    origins = Origins(str(tmp_path))
    scenario = play(ssl_verify_upstream_trusted_ca=origins.path)
    client = Http2Peer.client(scenario.client())
    stream = client.asks("GET", "/", authority="a.example", scheme="https")
    server = origins.serve(scenario.servers[0], "a.example", alpn=(b"h2",)).shake()
    assert server.endpoint.alpn == b"h2"
    assert scenario.servers[0].address == ("a.example", 443)
    played = Http2Peer.server(server)
    played.answers(1, 200, b"ok")
    assert client.response(stream).body == b"ok"


def test_to_a_parent_proxy_in_http1(play):
    scenario = play("upstream:http://parent:3128")
    request = asked_over_http1(scenario, scenario.client())
    assert request == b"GET http://a.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n"


@pytest.mark.parametrize("mode", ["reverse:http://origin:80", "reverse:h2c://origin:80"])
def test_h2_36_in_reverse_mode_it_is_spoken_to_the_server_too(play, mode):
    scenario = play(mode)
    head = asked_over_http2(scenario, scenario.client())
    assert (head.target, head.scheme, head.authority) == (b"/x", b"http", b"origin")


def test_h2_36_behind_socks(play):
    scenario = play("socks5")
    client = scenario.client()
    client.sends(b"\x05\x01\x00")
    client.sends(b"\x05\x01\x00\x03\x09a.example\x00\x50")
    assert client.received().startswith(b"\x05\x00\x05\x00")
    asked_over_http2(scenario, client)


def test_h2_36_in_transparent_mode(play, monkeypatch):
    monkeypatch.setattr("midstream.proxy.connection.original_destination", lambda _peer: ("192.0.2.9", 80))
    scenario = play("transparent")
    asked_over_http2(scenario, scenario.client())
    assert scenario.servers[0].address == ("192.0.2.9", 80)


def test_h2_36_over_a_socks_listener_of_a_regular_proxy(play):
    scenario = play()
    client = scenario.client()
    client.sends(b"CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\n\r\n")
    client.received()
    asked_over_http2(scenario, client)


@pytest.mark.parametrize("piece", [1, 3, 10, 24])
def test_h2_36_the_preface_may_come_in_pieces(play, piece):
    scenario = play("reverse:h2c://origin:80")
    client = scenario.client()
    sends = client.sends
    client.sends = lambda data: sends(data, piece=piece)
    asked_over_http2(scenario, client)


def test_where_http2_is_off_the_preface_is_no_request(play):
    scenario = play(http2=False)
    client = scenario.client()
    client.sends(PREFACE + b"\0\0\0\4\0\0\0\0\0")
    assert client.received().startswith(b"HTTP/1.1 505 ")
    assert client.was_told_the_end
    assert scenario.servers == []


def test_where_http2_and_raw_tcp_are_off_it_is_closed_in_reverse_mode(play):
    scenario = play("reverse:http://origin:80", http2=False, rawtcp=False)
    client = scenario.client()
    client.sends(PREFACE + b"\0\0\0\4\0\0\0\0\0")
    assert client.is_closed
    assert scenario.servers == []


def test_where_http2_is_off_it_is_relayed_in_a_tunnel(play):
    scenario = play(http2=False)
    client = scenario.client()
    client.sends(b"CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\n\r\n")
    client.received()
    client.sends(PREFACE + b"\0\0\0\4\0\0\0\0\0")
    assert scenario.servers[0].received() == PREFACE + b"\0\0\0\4\0\0\0\0\0"


def test_an_http1_client_of_a_server_that_is_said_to_speak_http2(play):
    scenario = play("reverse:h2c://origin:80")
    client = scenario.client()
    client.sends(b"GET /x HTTP/1.1\r\nHost: here\r\n\r\n")
    server = Http2Peer.server(scenario.servers[0])
    head = server.request(1).head
    assert (head.method, head.target, head.scheme, head.authority) == (b"GET", b"/x", b"http", b"origin")
    server.answers(1, 200, b"ok", fields=[(b"content-length", b"2")])
    assert client.received() == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def test_server_http2_never_makes_even_h2c_clients_be_translated(play):
    scenario = play("reverse:http://origin:80", server_http2="never")
    request = asked_over_http1(scenario, scenario.client())
    assert request.startswith(b"GET /x HTTP/1.1\r\nHost: origin\r\n")


# Upgrade.


@pytest.mark.parametrize(
    ("mode", "target"), [("regular", b"http://a.example/x"), ("reverse:http://a.example:80", b"/x")]
)
def test_h1_22_an_offer_of_h2c_is_taken_out_and_answered_over_http1(play, mode, target):
    scenario = play(mode)
    client = scenario.client()
    client.sends(b"GET " + target + b" HTTP/1.1\r\nHost: a.example\r\n" + H2C_FIELDS + b"\r\n")
    request = scenario.servers[0].received()
    assert request == b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"
    scenario.servers[0].sends(OK)
    assert client.received() == OK
    client.sends(b"GET " + target + b" HTTP/1.1\r\nHost: a.example\r\n\r\n")
    assert scenario.servers[0].received()


def test_h1_22_a_server_that_takes_up_what_was_not_offered_is_refused(play):
    scenario = play("reverse:http://a.example:80")
    client = scenario.client()
    client.sends(b"GET / HTTP/1.1\r\nHost: a.example\r\n" + H2C_FIELDS + b"\r\n")
    scenario.servers[0].sends(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 502 ")


def test_h1_22_an_offer_of_h2c_to_a_server_of_http2_does_not_reach_it(play):
    scenario = play("reverse:h2c://a.example:80")
    client = scenario.client()
    client.sends(b"GET / HTTP/1.1\r\nHost: a.example\r\n" + H2C_FIELDS + b"\r\n")
    server = Http2Peer.server(scenario.servers[0])
    assert server.request(1).fields == []
    server.answers(1, 200, b"ok", fields=[(b"content-length", b"2")])
    assert client.received() == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def test_a_websocket_of_an_http1_client_to_a_server_of_http2_only(play):
    """It has no other way than extended CONNECT (RFC 8441)."""
    scenario = play("reverse:h2c://a.example:80")
    client = scenario.client()
    client.sends(
        b"GET /chat HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    server = Http2Peer.server(scenario.servers[0], has_extended_connect=True)
    head = server.request(1).head
    assert (head.method, head.protocol, head.target) == (b"CONNECT", b"websocket", b"/chat")
    server.answers(1, 200, None)
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=" in answer.lower()
    client.sends(b"\x81\x85\0\0\0\0hello")
    assert server.request(1).body.startswith(b"\x81\x85")
    server.says(1, Reset("", 8))
    assert client.is_closed


def test_an_offer_of_h2c_does_not_take_a_websocket_with_it(play):
    """Of several protocols offered the others stay; a client that wants one of them says so in the same field."""
    scenario = play("reverse:http://a.example:80")
    client = scenario.client()
    client.sends(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: h2c, example\r\n\r\n")
    assert b"h2c" not in scenario.servers[0].received().lower()


def test_tls_to_the_proxy_with_the_preface_but_without_alpn(play):
    scenario = play()
    secure = tls_client(scenario, scenario.client(), "127.0.0.1").shake()
    request = asked_over_http1(scenario, secure)
    assert request.startswith(b"GET /x HTTP/1.1\r\n")
