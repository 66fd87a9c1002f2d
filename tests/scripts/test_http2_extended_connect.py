"""Extended CONNECT: another protocol on a stream (RFC 8441, H2-37). What is WebSocket is read; here is what is not."""

import pytest

from midstream.testing.http2 import Http2Peer
from midstream.wire.events import END, Data, Reset
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import CANCEL, REFUSED_STREAM
from scriptkit.recorder import Recorder

H2C = "reverse:h2c://origin:80"


@pytest.fixture
def tcp():
    return Recorder("tcp_start", "tcp_end", "tcp_error", but="tcp_")


def ask(client, *, protocol="example", **more):
    client.hear()
    return client.asks("CONNECT", "/chat", None, protocol=protocol, fields=[(b"x-version", b"13")], **more)


def opened(scenario):
    """Open a tunnel through both connections."""
    client = Http2Peer.client(scenario.client())
    stream = ask(client)
    server = Http2Peer.server(scenario.servers[0], has_extended_connect=True)
    server.answers(1, 200, None, fields=[(b"x-answer", b"yes")])
    assert client.response(stream).status == 200
    return client, stream, server


def test_h2_37_the_request_is_passed_on_as_it_is(play, tape, tcp):
    scenario = play(H2C, keep_host_header=True, addons=[tape, tcp])
    client, stream, server = opened(scenario)
    head = server.request(1).head
    assert (head.method, head.protocol, head.scheme, head.authority, head.target) == (
        b"CONNECT", b"example", b"http", b"origin", b"/chat",
    )  # fmt: skip
    assert head.headers == [(b"x-version", b"13")]
    assert client.response(stream).fields == [(b"x-answer", b"yes")]
    assert tape.hooks == ["requestheaders", "request", "responseheaders", "response"]
    assert tape.flow.request.path == "/chat"
    assert tape.flow.response.status_code == 200


def test_h2_37_bytes_go_both_ways_and_each_side_ends_its_half(play, tcp):
    scenario = play(H2C, addons=[tcp])
    client, stream, server = opened(scenario)
    client.says(stream, Data(b"\x81\x85hello"))
    server.says(1, Data(b"\x81\x05world"))
    assert server.request(1).body == b"\x81\x85hello"
    assert client.response(stream).body == b"\x81\x05world"
    client.says(stream, END)
    assert server.request(1).is_whole
    assert not client.response(stream).is_whole
    server.says(1, Data(b"bye"), END)
    assert client.response(stream).body == b"\x81\x05worldbye"
    assert client.response(stream).is_whole
    assert tcp.hooks == ["start", "end"]
    assert scenario.pool._shared[next(iter(scenario.pool._shared))][0].streams == {}


def test_what_comes_before_the_answer_is_not_lost(play):
    scenario = play(H2C)
    client = Http2Peer.client(scenario.client())
    stream = ask(client)
    client.says(stream, Data(b"early"))
    server = Http2Peer.server(scenario.servers[0], has_extended_connect=True)
    server.answers(1, 200, None)
    assert server.request(1).body == b"early"
    client.says(stream, Data(b" bird"))
    assert server.request(1).body == b"early bird"


def test_many_streams_stay_apart(play):
    scenario = play(H2C)
    client, stream, server = opened(scenario)
    other = ask(client)
    server.answers(3, 200, None)
    client.says(stream, Data(b"one"))
    client.says(other, Data(b"two"))
    assert [server.request(number).body for number in (1, 3)] == [b"one", b"two"]
    plain = client.asks("GET", "/")
    server.answers(5, 200, b"three")
    assert client.response(plain).body == b"three"


@pytest.mark.parametrize("whose", ["client", "server"])
def test_a_reset_on_one_side_is_a_reset_on_the_other(play, tcp, whose):
    scenario = play(H2C, addons=[tcp])
    client, stream, server = opened(scenario)
    if whose == "client":
        client.says(stream, Reset("", CANCEL))
        came = server.request(1).last
    else:
        server.says(1, Reset("", CANCEL))
        came = client.response(stream).last
    assert isinstance(came, Reset)
    assert came.code == CANCEL
    assert tcp.hooks == ["start", "error"]
    assert not client.peer.is_closed
    assert not server.peer.is_closed


def test_when_the_server_goes_the_stream_breaks_off(play, tcp):
    scenario = play(H2C, addons=[tcp])
    client, stream, server = opened(scenario)
    server.peer.leaves()
    assert client.response(stream).last == Reset("the server reset the stream: CANCEL", CANCEL)
    assert tcp.hooks == ["start", "error"]
    assert not client.peer.is_closed


def test_when_the_client_goes_the_stream_breaks_off(play, tcp):
    scenario = play(H2C, addons=[tcp])
    client, _, server = opened(scenario)
    client.peer.leaves()
    assert server.request(1).last == Reset("the client reset the stream: CANCEL", CANCEL)
    assert tcp.hooks == ["start", "error"]
    assert not server.peer.is_closed


def test_a_refusal_is_an_answer_like_any_other(play, tape):
    scenario = play(H2C, addons=[tape])
    client = Http2Peer.client(scenario.client())
    stream = ask(client)
    server = Http2Peer.server(scenario.servers[0], has_extended_connect=True)
    server.answers(1, 403, b"not here")
    assert (client.response(stream).status, client.response(stream).body) == (403, b"not here")
    assert tape.hooks[-1] == "response"


def test_h2_37_nothing_is_asked_before_the_server_has_said_that_it_takes_it(play):
    scenario = play(H2C)
    client = Http2Peer.client(scenario.client())
    ask(client)
    (server,) = scenario.servers
    assert [each.kind for each in frames.frames(server.received().removeprefix(frames.PREFACE))] == [
        frames.SETTINGS, frames.WINDOW_UPDATE,
    ]  # fmt: skip
    server.sends(frames.settings([(8, 1)]))
    assert frames.HEADERS in [each.kind for each in frames.frames(server.received())]


def test_h2_37_a_server_that_does_not_take_it_is_a_501_on_the_stream(play, tape):
    scenario = play(H2C, addons=[tape])
    client = Http2Peer.client(scenario.client())
    first, second = ask(client), ask(client, protocol="websocket")
    server = Http2Peer.server(scenario.servers[0])
    assert server.streams == []
    assert client.response(first).status == 501
    assert b"the server speaks HTTP/2 without extended CONNECT" in client.response(first).body
    assert client.response(second).status == 501
    assert tape.hooks[-1] == "error"
    plain = client.asks("GET", "/")
    server.answers(1, 200, b"ok")
    assert client.response(plain).body == b"ok"


def test_a_server_of_http1_is_a_501_on_the_stream(play, tape):
    scenario = play("reverse:http://origin:80", server_http2="never", addons=[tape])
    client = Http2Peer.client(scenario.client())
    stream = ask(client)
    assert scenario.servers[0].received() == b""
    assert client.response(stream).status == 501
    assert b"the server speaks HTTP/1, which has no CONNECT for 'example'" in client.response(stream).body


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(play):
    scenario = play(H2C, first_byte_timeout=30)
    client = Http2Peer.client(scenario.client())
    stream = ask(client)
    scenario.advance(31)
    assert client.response(stream).status == 504
    assert b"SETTINGS" in client.response(stream).body


def test_a_server_that_leaves_before_it_has_said_so_is_asked_again(play):
    scenario = play(H2C)
    client = Http2Peer.client(scenario.client())
    stream = ask(client)
    scenario.servers[0].leaves()
    assert len(scenario.servers) == 2
    server = Http2Peer.server(scenario.servers[1], has_extended_connect=True)
    server.answers(1, 200, None)
    assert client.response(stream).status == 200


def test_a_client_that_leaves_while_the_server_is_still_silent(play):
    scenario = play(H2C)
    client = Http2Peer.client(scenario.client())
    stream = ask(client)
    client.says(stream, Reset("", CANCEL))
    server = Http2Peer.server(scenario.servers[0], has_extended_connect=True)
    assert server.streams == []
    plain = client.asks("GET", "/")
    server.answers(1, 200, b"ok")
    assert client.response(plain).body == b"ok"


def test_a_refused_stream_is_asked_again(play):
    scenario = play(H2C)
    client = Http2Peer.client(scenario.client())
    stream = ask(client)
    server = Http2Peer.server(scenario.servers[0], has_extended_connect=True)
    server.hear()
    server.says(1, Reset("", REFUSED_STREAM))
    again = Http2Peer.server(scenario.servers[-1], has_extended_connect=True)
    again.answers(1, 200, None)
    assert client.response(stream).status == 200


def test_to_the_proxy_itself_it_is_a_request_for_a_server(play):
    """Only a plain CONNECT is for us."""
    scenario = play(server_http2="always")
    client = Http2Peer.client(scenario.client())
    stream = ask(client, authority="b.example")
    assert scenario.servers[0].address == ("b.example", 80)
    assert client.response(stream).status == 501, "which is asked in HTTP/1 where nobody has agreed on more"
