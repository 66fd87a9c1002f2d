"""HTTP/2 for scripted clients and servers."""

import pytest

from midstream.testing import Http2Peer, Scenario
from midstream.wire.events import END, Data, End, Reset, ResponseHead
from midstream.wire.h2 import Limits
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import CANCEL, ENHANCE_YOUR_CALM
from midstream.wire.h2.heads import VERSION


@pytest.fixture
def played():
    """A client, and what plays the server once the proxy has connected to it."""
    scenario = Scenario("reverse:h2c://origin:80")
    return Http2Peer.client(scenario.client()), lambda **named: Http2Peer.server(scenario.servers[0], **named)


def test_a_request_and_its_answer(played):
    client, serve = played
    stream = client.asks("POST", "/x", b"question", fields=[(b"a", b"1")], authority="a")
    server = serve()
    assert server.streams == [1]
    request = server.request(1)
    assert (request.head.method, request.head.target, request.fields) == (b"POST", b"/x", [(b"a", b"1")])
    assert (request.body, request.is_whole, request.trailers) == (b"question", True, None)
    server.says(1, ResponseHead(103, b"", VERSION, [], 0))
    server.answers(1, 200, b"answer", fields=[(b"b", b"2")])
    response = client.response(stream)
    assert (response.status, response.interims) == (200, [103])
    assert (response.fields, response.body, response.is_whole) == ([(b"b", b"2")], b"answer", True)
    assert response.code is None
    assert isinstance(response.last, End)


def test_messages_in_pieces(played):
    client, serve = played
    stream = client.asks("POST", "/", None, fields=[(b"content-length", b"4")])
    server = serve()
    assert server.request(1).fields == [(b"content-length", b"4")]
    client.says(stream, Data(b"ab"), Data(b"cd"), END)
    server.answers(1, 200, None)
    server.says(1, Data(b"ef"))
    assert not client.response(stream).is_whole
    server.trails(1, (b"x", b"1"))
    response = client.response(stream)
    assert (server.request(1).body, response.body, response.trailers) == (b"abcd", b"ef", [(b"x", b"1")])
    assert response.is_whole


def test_an_answer_without_body_is_one_frame(played):
    client, serve = played
    stream = client.asks("GET")
    serve().answers(1, 204)
    assert client.response(stream).is_whole
    assert [frame.kind for frame in client.frames if frame.stream_id] == [frames.HEADERS]
    assert (0, frames.SETTINGS) in {(frame.stream_id, frame.kind) for frame in client.frames}


def test_resets_and_goaway(played):
    client, serve = played
    stream = client.asks("GET")
    server = serve()
    server.hear()
    server.resets(1, ENHANCE_YOUR_CALM)
    assert client.response(stream).code == ENHANCE_YOUR_CALM
    assert isinstance(client.response(stream).last, Reset)
    stream = client.asks("GET")
    client.resets(stream, CANCEL)
    assert server.request(3).code == CANCEL
    assert client.goaway is None
    client.goes_away()
    assert server.goaway is None
    server.goes_away(last=0)
    assert server.peer.is_closed
    assert client.peer.is_closed


def test_a_slow_reader(played):
    client, serve = played
    stream = client.asks("GET")
    server = serve(limits=Limits(stream_window=65_535))
    client.hear()
    client.consumes = False
    server.answers(1, 200, bytes(2_000_000))
    server.hear()
    assert len(client.response(stream).body) == Limits().stream_window
    client.consumes = True
    client.engine.consumed(stream, Limits().stream_window)
    client.flush()
    for _ in range(10):
        server.hear()
    assert client.response(stream).is_whole


def test_what_belongs_to_no_message(played):
    client, _ = played
    client.hear()
    assert [stream for stream, _ in client.connection_events] == [0]
    assert not client.response(1).events
    assert client.response(1).code is None
    assert not client.response(1).is_whole
