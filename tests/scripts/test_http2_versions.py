"""Which version of HTTP is spoken with whom, without TLS: prior knowledge, h2c mirrored to servers, and what switches it off."""

import pytest

from midstream.testing import Http2Peer
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.frame import PREFACE

GET = b"GET /x HTTP/1.1\r\nHost: origin\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


# What servers are spoken to in.


@pytest.mark.parametrize(
    ("mode", "server_http2", "expected"),
    [
        ("reverse:h2c://origin:80", "mirror", "h2"),
        ("reverse:h2c://origin:80", "always", "h2"),
        ("reverse:h2c://origin:80", "never", "http/1"),
        ("reverse:http://origin:80", "mirror", "h2"),
        ("reverse:http://origin:80", "always", "h2"),
        ("reverse:http://origin:80", "never", "http/1"),
        ("regular", "mirror", "http/1"),
        ("regular", "never", "http/1"),
    ],
)
def test_h2_36_what_a_client_of_http_2_has_servers_spoken_to_in(duet, tape, mode, server_http2, expected):
    both = duet(mode, server_http2=server_http2, addons=[tape])
    stream = both.client.asks("GET", "/x")
    if expected == "h2":
        both.server.answers(1, 200, b"ok")
    else:
        assert both.origin.received() == GET
        both.origin.sends(OK)
    assert both.client.response(stream).body == b"ok"
    assert tape.flow.request.http_version == "HTTP/2.0"
    assert tape.flow.response.http_version == ("HTTP/2.0" if expected == "h2" else "HTTP/1.1")


@pytest.mark.parametrize(
    ("mode", "server_http2", "expected"),
    [
        ("reverse:h2c://origin:80", "mirror", "h2"),
        ("reverse:h2c://origin:80", "never", "http/1"),
        ("reverse:http://origin:80", "mirror", "http/1"),
        ("reverse:http://origin:80", "never", "http/1"),
    ],
)
def test_h2_36_what_a_client_of_http_1_has_servers_spoken_to_in(play, mode, server_http2, expected):
    scenario = play(mode, server_http2=server_http2)
    client = scenario.client()
    client.sends(GET)
    assert scenario.servers[0].transport.written.startswith(PREFACE) == (expected == "h2")
    if expected == "h2":
        Http2Peer.server(scenario.servers[0]).answers(1, 200, b"ok", fields=[(b"content-length", b"2")])
    else:
        scenario.servers[0].sends(OK)
    assert client.received().endswith(b"\r\n\r\nok")


# Servers that turn out not to speak it.


REFUSALS = {
    "an error page": lambda server: server.sends(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    "another version": lambda server: server.sends(b"HTTP/1.0 505 No\r\n\r\n"),
    "no words": lambda server: server.ends(),
    "no patience": lambda server: server.leaves(),
    "nonsense": lambda server: server.sends(b"220 smtp.example ready\r\n"),
}


@pytest.mark.parametrize("refuse", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_h2_36_h2c_falls_back_to_http_1_and_remembers(duet, tape, refuse, method):
    both = duet("reverse:http://origin:80", addons=[tape, Wants()])
    stream = both.client.asks(method, "/x", b"abc")
    assert both.origin.received().startswith(PREFACE)
    refuse(both.origin)
    plain = both.scenario.servers[1]
    assert plain.received().startswith(method.encode() + b" /x HTTP/1.1\r\nHost: origin\r\n")
    plain.sends(OK)
    assert both.client.response(stream).body == b"ok"
    assert tape.flow.error is None
    again = both.client.asks("GET", "/again")
    assert plain.received().startswith(b"GET /again HTTP/1.1\r\n"), "it is remembered"
    plain.sends(OK)
    assert both.client.response(again).body == b"ok"
    assert len(both.scenario.servers) == 2


class Wants:
    """Has request bodies held back, so that they can be sent again."""

    def request(self, flow):
        pass


def test_h2_36_all_streams_fall_back_together(duet, tape):
    both = duet("reverse:http://origin:80", addons=[tape])
    streams = [both.client.asks("GET", f"/{number}") for number in range(3)]
    both.origin.sends(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    others = both.scenario.servers[1:]
    assert len(others) == 3
    for server in others:
        server.sends(OK)
    assert all(both.client.response(stream).body == b"ok" for stream in streams)
    assert all(flow.error is None for flow in tape.flows)


def test_h2_36_a_server_that_speaks_http_2_does_not_fall_back(duet, tape):
    both = duet("reverse:http://origin:80", addons=[tape])
    stream = both.client.asks("POST", "/x", b"abc")
    both.server.hear()
    both.origin.leaves()
    assert both.client.response(stream).status == 502
    assert len(both.scenario.servers) == 1


def test_h2_36_a_mode_that_says_h2c_does_not_fall_back(duet, tape):
    both = duet("reverse:h2c://origin:80", addons=[tape])
    stream = both.client.asks("GET")
    both.origin.sends(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    assert both.client.response(stream).status == 502
    assert tape.hooks[-1] == "error"
    assert len(both.scenario.servers) == 1


def test_h2_36_one_client_learns_for_another(play):
    scenario = play("reverse:http://origin:80")
    first = Http2Peer.client(scenario.client())
    first.asks("GET")
    scenario.servers[0].sends(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    scenario.servers[1].sends(OK)
    second = Http2Peer.client(scenario.client())
    stream = second.asks("GET")
    assert len(scenario.servers) == 2
    scenario.servers[1].sends(OK)
    assert second.response(stream).body == b"ok"


# Switched off.


def test_h2_36_http2_false_speaks_it_with_no_server(play):
    scenario = play("reverse:h2c://origin:80", http2=False)
    client = scenario.client()
    client.sends(GET)
    assert scenario.servers[0].received() == GET
    scenario.servers[0].sends(OK)
    assert client.received() == OK


def test_h2_36_http2_false_reads_no_preface_as_http(play):
    """Inside a known destination it is some protocol like any other."""
    scenario = play("reverse:tcp://origin:80", http2=False)
    client = scenario.client()
    client.sends(PREFACE)
    assert scenario.servers[0].received() == PREFACE


def test_h1_56_http2_false_answers_a_preface_in_http_1(play, tape):
    scenario = play(http2=False, addons=[tape])
    client = scenario.client()
    client.sends(PREFACE)
    assert client.received().startswith(b"HTTP/1.1 505 ")
    assert client.was_told_the_end
    assert scenario.servers == []


def test_a_preface_that_comes_in_pieces(play):
    scenario = play("reverse:h2c://origin:80")
    client = scenario.client()
    client.sends(PREFACE + frames.settings([]), piece=1)
    assert next(frames.frames(client.received())).kind == frames.SETTINGS
    assert not client.is_closed


def test_a_preface_that_goes_wrong(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(PREFACE[:-4] + b"XX\r\n")
    assert client.was_told_the_end
    assert scenario.servers == []
