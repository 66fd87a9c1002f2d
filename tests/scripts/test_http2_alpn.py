"""Which version is spoken over TLS, to whom and why (H2-35)."""

import pytest

from midstream.flow import Cert
from midstream.testing.http2 import Http2Peer
from midstream.testing.tls import tls_client
from midstream.wire.events import Reset
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import HTTP_1_1_REQUIRED

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
H1, H2 = (b"http/1.1",), (b"h2",)
BOTH = (b"h2", b"http/1.1")
NO_APPLICATION_PROTOCOL = b"\x15\x03\x03\x00\x02\x02\x78"
"""The alert of a server that speaks none of the protocols that are offered (RFC 7301 §3.2)."""


def tunnel(scenario, target=b"a.example:443"):
    client = scenario.client()
    client.sends(b"CONNECT " + target + b" HTTP/1.1\r\nHost: " + target + b"\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 200 ")
    return client


def client_of(scenario, alpn):
    """Begin TLS in a tunnel, as a client that offers these protocols."""
    client = tls_client(scenario, tunnel(scenario), "a.example", alpn=tuple(name.decode() for name in alpn))
    client.turn()
    return client


def origin_of(scenario, origins, alpn, number=-1):
    return origins.serve(scenario.servers[number], "a.example", alpn=alpn)


def refuse(scenario):
    """Be an origin that does not speak what it is offered."""
    assert scenario.servers[-1].received().startswith(b"\x16\x03\x01"), "a ClientHello has come"
    scenario.servers[-1].sends(NO_APPLICATION_PROTOCOL)


def ask(client, server):
    """Have a request answered, in whatever version both sides speak."""
    if client.endpoint.alpn == b"h2":
        speaker = Http2Peer.client(client)
        stream = speaker.asks("GET", "/", authority="a.example", scheme="https")
    else:
        client.sends(GET)
    while server.turn():
        pass
    answer(server)
    if client.endpoint.alpn == b"h2":
        assert speaker.response(stream).body == b"ok"
    else:
        assert b"\r\n\r\nok" in client.received()


def answer(server):
    if server.endpoint.alpn == b"h2":
        played = Http2Peer.server(server)
        (stream,) = played.streams
        played.answers(stream, 200, b"ok", fields=[(b"content-length", b"2")])
    else:
        assert server.received().startswith(b"GET / HTTP/1.1\r\n")
        server.sends(OK)


@pytest.mark.parametrize(
    ("client_offers", "server_speaks", "to_client", "to_server"),
    [
        (BOTH, BOTH, b"h2", b"h2"),
        (BOTH, H2, b"h2", b"h2"),
        (BOTH, H1, b"http/1.1", b"http/1.1"),
        (BOTH, (), b"http/1.1", b""),
        (H2, BOTH, b"h2", b"h2"),
        (H2, H1, b"h2", b"http/1.1"),
        (H1, BOTH, b"http/1.1", b"http/1.1"),
        ((), BOTH, b"", b"http/1.1"),
    ],
)
def test_h2_35_the_client_is_offered_what_the_origin_chose(
    trusting, origins, client_offers, server_speaks, to_client, to_server
):
    scenario = trusting()
    client = client_of(scenario, client_offers)
    server = origin_of(scenario, origins, server_speaks)
    client.shake(server)
    assert (client.endpoint.alpn or b"", server.endpoint.alpn or b"") == (to_client, to_server)
    ask(client, server)
    assert len(scenario.servers) == 1, "the connection that was made for the certificate is used"


def test_h2_35_what_the_origin_chose_is_remembered_with_its_certificate(trusting, origins):
    scenario = trusting()
    first = client_of(scenario, BOTH)
    server = origin_of(scenario, origins, H2)
    first.shake(server)
    speakers = [Http2Peer.client(first)]
    second = client_of(scenario, BOTH).shake()
    assert second.endpoint.alpn == b"h2"
    assert len(scenario.servers) == 1
    played = Http2Peer.server(server)
    speakers.append(Http2Peer.client(second))
    streams = [speaker.asks("GET", "/", authority="a.example", scheme="https") for speaker in speakers]
    assert len(played.streams) == 2
    for stream in played.streams:
        played.answers(stream, 200, b"ok")
    assert [speaker.response(stream).body for speaker, stream in zip(speakers, streams, strict=True)] == [b"ok"] * 2
    assert len(scenario.servers) == 1


def test_h2_35_an_origin_of_http1_is_remembered_too(trusting, origins):
    scenario = trusting()
    first = client_of(scenario, BOTH)
    server = origin_of(scenario, origins, H1)
    first.shake(server)
    ask(first, server)
    second = client_of(scenario, BOTH).shake()
    assert second.endpoint.alpn == b"http/1.1"
    third = client_of(scenario, H2)
    third.shake()
    assert third.endpoint.alpn == b"h2", "who speaks nothing else is met in it"
    assert len(scenario.servers) == 1


def test_h2_35_a_client_of_http1_may_ask_an_origin_of_http2(trusting, origins, tape):
    """The origin refuses what the client speaks; that is learned, and HTTP/2 spoken to it."""
    scenario = trusting(addons=[tape])
    client = client_of(scenario, H1)
    refuse(scenario)
    client.turn()
    server = origin_of(scenario, origins, H2)
    client.shake(server)
    assert client.endpoint.alpn == b"http/1.1"
    assert Cert(client.endpoint.peer_chain[0]).organization == "Origins Ltd", "its certificate was seen all the same"
    client.sends(GET)
    played = Http2Peer.server(server)
    played.answers(1, 200, b"ok", fields=[(b"content-length", b"2")])
    assert client.received() == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    assert tape.flow.server_conn.alpn == b"h2"
    number = len(scenario.servers)
    other = client_of(scenario, H1)
    other.shake()
    other.sends(GET)
    assert len(scenario.servers) == number, "nobody is refused again"
    assert played.streams == [1, 3]


def test_h2_35_the_same_without_upstream_cert(trusting, origins):
    scenario = trusting(upstream_cert=False)
    client = client_of(scenario, H1).shake()
    assert client.endpoint.alpn == b"http/1.1"
    client.sends(GET)
    refuse(scenario)
    server = origin_of(scenario, origins, H2).shake()
    answer(server)
    assert client.received().endswith(b"\r\n\r\nok")


def test_an_origin_that_refuses_http2_as_well_is_not_said_to_speak_it(trusting, origins):
    scenario = trusting()
    client = client_of(scenario, BOTH)
    refuse(scenario)
    assert len(scenario.servers) == 1, "there is nothing else to offer"
    client.shake()
    speaker = Http2Peer.client(client)
    stream = speaker.asks("GET", "/", authority="a.example", scheme="https")
    refuse(scenario)
    assert speaker.response(stream).status == 502
    later = client_of(scenario, H1)
    server = origin_of(scenario, origins, H1)
    later.shake(server)
    assert server.endpoint.alpn == b"http/1.1"


def test_h2_35_the_same_in_reverse_mode(trusting, origins):
    """No connection is made before there is a request; its refusal is learned from all the same."""
    scenario = trusting("reverse:https://a.example", upstream_cert=False)
    client = tls_client(scenario, scenario.client(), "a.example", alpn=("http/1.1",)).shake()
    assert scenario.servers == []
    client.sends(GET)
    refuse(scenario)
    assert len(scenario.servers) == 2
    answer(origin_of(scenario, origins, H2).shake())
    assert client.received().endswith(b"\r\n\r\nok")
    other = tls_client(scenario, scenario.client(), "a.example", alpn=("http/1.1",)).shake()
    other.sends(GET)
    assert len(scenario.servers) == 2


@pytest.mark.parametrize("offers", [BOTH, H2, H1])
def test_h2_35_without_upstream_cert_the_client_may_choose(trusting, origins, offers):
    scenario = trusting(upstream_cert=False)
    client = client_of(scenario, offers).shake()
    assert client.endpoint.alpn == offers[0]
    if offers[0] == b"h2":
        speaker = Http2Peer.client(client)
        stream = speaker.asks("GET", "/", authority="a.example", scheme="https")
    else:
        client.sends(GET)
    server = origin_of(scenario, origins, H1).shake()
    assert server.endpoint.alpn == b"http/1.1"
    answer(server)
    if offers[0] == b"h2":
        assert speaker.response(stream).body == b"ok"
    else:
        assert client.received() == OK


def test_h2_35_an_origin_that_turns_out_to_speak_http1_makes_nobody_wait_twice(trusting, origins):
    """Without its certificate all is unknown: many requests wait for one connection, then each gets its own."""
    scenario = trusting(upstream_cert=False)
    client = client_of(scenario, H2).shake()
    speaker = Http2Peer.client(client)
    streams = [speaker.asks("GET", "/", authority="a.example", scheme="https") for _ in range(5)]
    assert len(scenario.servers) == 1
    first = origin_of(scenario, origins, H1).shake()
    assert len(scenario.servers) == 5
    servers = [first, *(origin_of(scenario, origins, H1, number).shake() for number in range(1, 5))]
    for server in servers:
        answer(server)
    assert [speaker.response(stream).body for stream in streams] == [b"ok"] * 5
    late = [speaker.asks("GET", "/", authority="a.example", scheme="https") for _ in range(6)]
    assert len(scenario.servers) == 6, "five are idle, and the sixth does not wait for anybody"
    for server in servers:
        answer(server)
    answer(origin_of(scenario, origins, H1).shake())
    assert [speaker.response(stream).body for stream in late] == [b"ok"] * 6


def test_h2_35_an_unreachable_origin(trusting):
    """The client gets what it prefers, and is told why in a language it speaks."""

    class Answer:
        def request(self, flow):
            """Somebody may answer in the server's stead, so that the tunnel is granted."""

    scenario = trusting(addons=[Answer()])
    scenario.unreachable["a.example", 443] = ConnectionRefusedError(111, "Connection refused")
    client = client_of(scenario, BOTH).shake()
    assert client.endpoint.alpn == b"h2"
    speaker = Http2Peer.client(client)
    stream = speaker.asks("GET", "/", authority="a.example", scheme="https")
    assert speaker.response(stream).status == 502
    assert b"Connection refused" in speaker.response(stream).body


@pytest.mark.parametrize("upstream_cert", [True, False])
def test_without_http2_nobody_is_offered_it(trusting, origins, upstream_cert):
    scenario = trusting(http2=False, upstream_cert=upstream_cert)
    client = client_of(scenario, BOTH)
    if upstream_cert:
        server = origin_of(scenario, origins, BOTH)
        client.shake(server)
    else:
        client.shake()
        client.sends(GET)
        server = origin_of(scenario, origins, BOTH).shake()
    assert client.endpoint.alpn == b"http/1.1"
    assert server.endpoint.alpn == b"http/1.1"


@pytest.mark.parametrize("options", [{"http2": False}, {"server_http2": "never"}])
def test_without_http2_an_origin_that_speaks_nothing_else_is_a_502(trusting, options):
    scenario = trusting(**options, upstream_cert=False)
    client = client_of(scenario, H1).shake()
    client.sends(GET)
    refuse(scenario)
    refuse(scenario)
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert len(scenario.servers) == 2


@pytest.mark.parametrize("offers", [H1, BOTH, ()])
def test_server_http2_never(trusting, origins, offers):
    scenario = trusting(server_http2="never")
    client = client_of(scenario, offers)
    server = origin_of(scenario, origins, BOTH)
    client.shake(server)
    assert server.endpoint.alpn == b"http/1.1"
    assert (client.endpoint.alpn or b"") == (b"http/1.1" if offers else b"")
    ask(client, server)


@pytest.mark.parametrize("offers", [H1, BOTH, ()])
def test_server_http2_always(trusting, origins, offers):
    scenario = trusting(server_http2="always")
    client = client_of(scenario, offers)
    server = origin_of(scenario, origins, BOTH)
    client.shake(server)
    assert server.endpoint.alpn == b"h2"
    assert (client.endpoint.alpn or b"") == (offers[0] if offers else b"")
    ask(client, server)


def test_server_http2_always_falls_back(trusting, origins):
    scenario = trusting(server_http2="always", upstream_cert=False)
    client = client_of(scenario, H1).shake()
    client.sends(GET)
    server = origin_of(scenario, origins, H1).shake()
    answer(server)
    assert client.received() == OK


@pytest.mark.parametrize("offers", [("h3", "h2", "http/1.1"), ("spdy/3.1", "h2")])
def test_other_versions_of_http_are_not_passed_on(trusting, origins, offers):
    scenario = trusting()
    client = client_of(scenario, tuple(name.encode() for name in offers))
    server = origin_of(scenario, origins, (b"h3", b"spdy/3.1", b"h2"))
    client.shake(server)
    assert client.endpoint.alpn == server.endpoint.alpn == b"h2"


def test_a_client_may_choose_between_http_and_something_else(trusting, origins):
    scenario = trusting()
    client = client_of(scenario, (b"x-mqtt", b"h2"))
    server = origin_of(scenario, origins, (b"x-mqtt",))
    client.shake(server)
    assert client.endpoint.alpn == server.endpoint.alpn == b"x-mqtt"
    client.sends(b"\x10\x0c\x00\x04MQTT")
    assert server.received() == b"\x10\x0c\x00\x04MQTT"


# TLS to the proxy itself.


@pytest.mark.parametrize(("offers", "chosen"), [(BOTH, b"h2"), (H1, b"http/1.1"), (H2, b"h2"), ((), b"")])
def test_tls_to_the_proxy_itself_offers_http2(play, offers, chosen):
    scenario = play()
    names = tuple(name.decode() for name in offers)
    client = tls_client(scenario, scenario.client(), "127.0.0.1", alpn=names).shake()
    assert (client.endpoint.alpn or b"") == chosen


def test_tls_to_the_proxy_itself_does_not_offer_it_where_it_is_off(play):
    scenario = play(http2=False)
    client = tls_client(scenario, scenario.client(), "127.0.0.1", alpn=("h2", "http/1.1")).shake()
    assert client.endpoint.alpn == b"http/1.1"


def test_in_reverse_mode(trusting, origins):
    scenario = trusting("reverse:https://a.example")
    client = tls_client(scenario, scenario.client(), "a.example", alpn=("h2", "http/1.1"))
    client.turn()
    server = origin_of(scenario, origins, BOTH)
    client.shake(server)
    assert client.endpoint.alpn == server.endpoint.alpn == b"h2"
    ask(client, server)


# Trouble.


def test_a_server_connection_whose_tls_fails_is_given_no_further_streams(trusting, origins):
    scenario = trusting()
    client = client_of(scenario, BOTH)
    server = origin_of(scenario, origins, H2)
    client.shake(server)
    ask(client, server)
    other = client_of(scenario, BOTH).shake()
    speaker = Http2Peer.client(other)
    stream = speaker.asks("GET", "/", authority="a.example", scheme="https")
    server.received()
    scenario.servers[0].sends(b"\x17\x03\x03\x00\x20" + b"nonsense" * 4)
    assert scenario.servers[0].is_closed
    assert len(scenario.servers) == 2, "asked again, on another connection"
    again = origin_of(scenario, origins, H2).shake()
    answer(again)
    assert speaker.response(stream).body == b"ok"


def test_an_origin_that_takes_no_stream_yet_is_waited_for(trusting, origins):
    """What a server says of its streams may be here before the first request is."""
    scenario = trusting()
    client = client_of(scenario, BOTH)
    server = origin_of(scenario, origins, H2)
    client.shake(server)
    server.sends(frames.settings([(3, 0)]))
    speaker = Http2Peer.client(client)
    stream = speaker.asks("POST", "/", b"body", authority="a.example", scheme="https")
    assert not speaker.response(stream).events
    server.sends(frames.settings([(3, 1)]))
    answer(server)
    assert speaker.response(stream).body == b"ok"


def test_h2_04_a_server_that_wants_http1_is_asked_in_it_from_then_on(trusting, origins):
    scenario = trusting()
    client = client_of(scenario, BOTH)
    server = origin_of(scenario, origins, BOTH)
    client.shake(server)
    speaker = Http2Peer.client(client)
    stream = speaker.asks("GET", "/", authority="a.example", scheme="https")
    played = Http2Peer.server(server)
    played.hear()
    played.says(1, Reset("", HTTP_1_1_REQUIRED))
    again = origin_of(scenario, origins, BOTH).shake()
    assert again.endpoint.alpn == b"http/1.1"
    answer(again)
    assert speaker.response(stream).body == b"ok"
    late = speaker.asks("GET", "/", authority="a.example", scheme="https")
    answer(again)
    assert speaker.response(late).body == b"ok"
    other = client_of(scenario, BOTH)
    seen = origin_of(scenario, origins, BOTH)
    other.shake(seen)
    assert (other.endpoint.alpn, seen.endpoint.alpn) == (b"http/1.1", b"http/1.1"), "new clients are told as well"
