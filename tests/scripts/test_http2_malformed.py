"""Malformed heads and bodies over HTTP/2: the stream dies, no byte of it reaches the other side, the connection goes on."""

import pytest

from midstream.testing import Http2Peer
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import PROTOCOL_ERROR
from midstream.wire.h2.frame import END_HEADERS, END_STREAM

TO_HTTP1 = {"mode": "reverse:http://origin:80", "server_http2": "never"}
GET = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"origin"), (b":path", b"/")]
M, S, A, P = GET
REFUSED_BY_ALL = {
    "h2_27 line end in a value": [*GET, (b"x", b"a\r\nEvil: 1")],
    "h2_27 bare LF in a value": [*GET, (b"x", b"a\nEvil: 1")],
    "h2_27 bare CR in a value": [*GET, (b"x", b"a\rEvil")],
    "h2_27 NUL in a value": [*GET, (b"x", b"a\0b")],
    "h2_27 line end in a name": [*GET, (b"x\r\nEvil", b"1")],
    "h2_27 colon in a name": [*GET, (b"evil:x", b"1")],
    "h2_27 blank in a name": [*GET, (b"x y", b"1")],
    "h2_27 empty name": [*GET, (b"", b"1")],
    "h2_27 blank in the method": [(b":method", b"GET / HTTP/1.1"), S, A, P],
    "h2_27 blank in the path": [M, S, A, (b":path", b"/ HTTP/1.1")],
    "h2_27 line end in the path": [M, S, A, (b":path", b"/\r\nEvil: 1")],
    "h2_27 line end in the authority": [M, S, (b":authority", b"a\r\nEvil: 1"), P],
    "h2_27 blank in the scheme": [M, (b":scheme", b"ht tp"), A, P],
    "h2_27 empty method": [(b":method", b""), S, A, P],
    "h2_28 method twice": [M, *GET],
    "h2_28 path twice": [*GET, P],
    "h2_28 unknown": [*GET, (b":evil", b"1")],
    "h2_28 of a response": [*GET, (b":status", b"200")],
    "h2_28 after regular ones": [M, S, A, (b"x", b"1"), P],
    "h2_28 no method": [S, A, P],
    "h2_28 no path": [M, S, A],
    "h2_28 no scheme": [M, A, P],
    "h2_28 empty path": [M, S, A, (b":path", b"")],
    "h2_28 protocol on GET": [*GET, (b":protocol", b"websocket")],
    "h2_28 CONNECT with a path": [(b":method", b"CONNECT"), A, P],
    "h2_30 two lengths": [*GET, (b"content-length", b"1"), (b"content-length", b"2")],
    "h2_30 length is no number": [*GET, (b"content-length", b"+1")],
}
REFUSED_UNLESS_RAW = {
    "h2_24 upper case": [*GET, (b"X-Upper", b"1")],
    "h2_29 Host differs": [*GET, (b"host", b"other")],
    "h2_29 two Hosts": [M, S, P, (b"host", b"origin"), (b"host", b"origin")],
    "h2_29 two different Hosts": [*GET, (b"host", b"origin"), (b"host", b"evil")],
    "h2_29 userinfo": [M, S, (b":authority", b"evil@origin"), P],
    "h2_29 neither": [M, S, P],
    "h2_28 no slash": [M, S, A, (b":path", b"x")],
    "h2_30 a length without a body": [*GET, (b"content-length", b"3")],
}
MENDED = {
    "h2_25 connection": [*GET, (b"connection", b"close")],
    "h2_25 keep-alive": [*GET, (b"keep-alive", b"1")],
    "h2_25 proxy-connection": [*GET, (b"proxy-connection", b"close")],
    "h2_25 transfer-encoding": [*GET, (b"transfer-encoding", b"chunked")],
    "h2_25 upgrade": [*GET, (b"upgrade", b"websocket")],
    "h2_25 te": [*GET, (b"te", b"gzip")],
    "h2_26 blank in front": [*GET, (b"x", b" 1")],
    "h2_26 blank behind": [*GET, (b"x", b"1\t")],
    "h2_30 the same length twice": [*GET, (b"content-length", b"0"), (b"content-length", b"0")],
}


def ask(both, raw, fields, flags=END_HEADERS | END_STREAM):
    client = raw.Peer(both.scenario.client(), is_client=True)
    client.says(raw.headers(1, *fields, flags=flags))
    return client


def goes_on(client, both, raw, is_http1):
    """The connection is as good as before."""
    client.says(raw.headers(3, *GET))
    origin = both.scenario.servers[-1]
    if is_http1:
        assert origin.received() == b"GET / HTTP/1.1\r\nHost: origin\r\n\r\n"
    else:
        assert Http2Peer.server(origin).streams == [1]
    assert not client.peer.is_closed
    return True


@pytest.mark.parametrize("profile", ["lenient", "raw"])
@pytest.mark.parametrize("is_http1", [False, True], ids=["to h2", "to http/1"])
@pytest.mark.parametrize("fields", REFUSED_BY_ALL.values(), ids=REFUSED_BY_ALL)
def test_h2_27_h2_28_h2_30_what_is_never_passed_on(duet, raw, tape, fields, is_http1, profile):
    both = duet(**TO_HTTP1 if is_http1 else {}, addons=[tape], profile=profile)
    client = ask(both, raw, fields)
    (reset,) = client.heard(frames.RST_STREAM)
    assert (reset.stream_id, frames.long(reset.payload)) == (1, PROTOCOL_ERROR)
    assert both.scenario.servers == []
    assert tape.hooks == ["error"], "AD-15: hooks hear of it"
    assert "cannot be read" in tape.flow.error.msg
    assert goes_on(client, both, raw, is_http1)


@pytest.mark.parametrize("profile", ["strict", "lenient"])
@pytest.mark.parametrize("is_http1", [False, True], ids=["to h2", "to http/1"])
@pytest.mark.parametrize("fields", REFUSED_UNLESS_RAW.values(), ids=REFUSED_UNLESS_RAW)
def test_h2_24_h2_28_h2_29_h2_30_what_only_raw_passes_on(duet, raw, tape, fields, is_http1, profile):
    both = duet(**TO_HTTP1 if is_http1 else {}, addons=[tape], profile=profile)
    client = ask(both, raw, fields)
    assert len(client.heard(frames.RST_STREAM)) == 1
    assert both.scenario.servers == []
    assert tape.hooks == ["error"]
    assert goes_on(client, both, raw, is_http1)


@pytest.mark.parametrize("fields", MENDED.values(), ids=MENDED)
@pytest.mark.parametrize("is_http1", [False, True], ids=["to h2", "to http/1"])
def test_h2_25_h2_26_h2_30_what_lenient_mends(duet, raw, tape, fields, is_http1):
    both = duet(**TO_HTTP1 if is_http1 else {}, addons=[tape])
    ask(both, raw, fields)
    kept = {(b"x", b"1"), (b"content-length", b"0")} & {(name, value.strip()) for name, value in fields}
    if is_http1:
        lines = b"".join(b"%b: %b\r\n" % field for field in kept)
        assert both.origin.received() == b"GET / HTTP/1.1\r\nHost: origin\r\n%b\r\n" % lines
    else:
        assert both.server.request(1).fields == list(kept)
    assert tape.flow.annotations
    assert "RFC" in tape.flow.annotations[0].reference


@pytest.mark.parametrize("fields", MENDED.values(), ids=MENDED)
def test_h2_25_h2_26_h2_30_what_strict_refuses(duet, raw, tape, fields):
    both = duet(addons=[tape], profile="strict")
    client = ask(both, raw, fields)
    assert len(client.heard(frames.RST_STREAM)) == 1
    assert both.scenario.servers == []
    assert goes_on(client, both, raw, is_http1=False)


@pytest.mark.parametrize("fields", {**REFUSED_UNLESS_RAW, **MENDED}.values(), ids=[*REFUSED_UNLESS_RAW, *MENDED])
@pytest.mark.parametrize("is_http1", [False, True], ids=["to h2", "to http/1"])
def test_what_raw_lets_through_is_framed_all_the_same(duet, raw, tape, fields, is_http1):
    both = duet(**TO_HTTP1 if is_http1 else {}, addons=[tape], profile="raw")
    client = ask(both, raw, fields)
    assert not client.heard(frames.GOAWAY)
    for server in both.scenario.servers:
        if is_http1:
            head = server.received()
            assert head.count(b"GET ") == 1
            assert not (b"content-length: 3" in head and b"chunked" in head.lower())
            server.sends(b"HTTP/1.1 204 No Content\r\n\r\n")
            client.heard()
    assert not client.peer.is_closed


# Bodies and trailers.


BODIES = {
    "h2_30 too short": [b"ab"],
    "h2_30 too long": [b"abcd"],
    "h2_30 too long in pieces": [b"ab", b"cd"],
    "h2_30 nothing": [b""],
}


@pytest.mark.parametrize("pieces", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("is_http1", [False, True], ids=["to h2", "to http/1"])
@pytest.mark.parametrize("holds", [False, True])
def test_h2_30_a_body_that_is_not_as_long_as_it_says(duet, raw, tape, pieces, is_http1, holds):
    class Wants:
        def request(self, flow):
            pass

    both = duet(**TO_HTTP1 if is_http1 else {}, addons=[tape, Wants()] if holds else [tape])
    client = ask(both, raw, [*GET, (b"content-length", b"3")], END_HEADERS)
    for number, piece in enumerate(pieces):
        is_last = number == len(pieces) - 1
        client.says(frames.frame(frames.DATA, END_STREAM if is_last else 0, 1, piece))
    (reset,) = client.heard(frames.RST_STREAM)
    assert (reset.stream_id, frames.long(reset.payload)) == (1, PROTOCOL_ERROR)
    assert tape.hooks[-1] == "error"
    if holds:
        assert both.scenario.servers == []
    elif is_http1:
        assert both.origin.is_closed
    else:
        request = both.server.request(1)
        assert not request.is_whole
        assert request.code is not None
    assert goes_on(client, both, raw, is_http1) if is_http1 or holds else not client.peer.is_closed


TRAILERS = {
    "h2_28 pseudo": [(b":path", b"/evil")],
    "h2_27 line end": [(b"x", b"1\r\nEvil: 1")],
    "h2_24 upper case": [(b"X", b"1")],
}


@pytest.mark.parametrize("fields", TRAILERS.values(), ids=TRAILERS)
def test_h2_28_malformed_trailers(duet, raw, tape, fields):
    both = duet(addons=[tape])
    client = ask(both, raw, GET, END_HEADERS)
    client.says(frames.frame(frames.DATA, 0, 1, b"abc"), raw.headers(1, *fields))
    assert len(client.heard(frames.RST_STREAM)) == 1
    request = both.server.request(1)
    assert request.trailers is None
    assert not request.is_whole
    assert tape.hooks[-1] == "error"


def test_h2_28_a_second_head_is_no_trailer(duet, raw, tape):
    both = duet(addons=[tape])
    client = ask(both, raw, GET, END_HEADERS)
    client.says(raw.headers(1, *GET, flags=END_HEADERS))
    assert len(client.heard(frames.RST_STREAM)) == 1
    assert not both.server.request(1).is_whole


# Servers.


RESPONSES = {
    "h2_28 no status": [(b"x", b"1")],
    "h2_28 status twice": [(b":status", b"200"), (b":status", b"200")],
    "h2_28 status is no number": [(b":status", b"2xx")],
    "h2_28 status of four": [(b":status", b"2000")],
    "h2_28 of a request": [(b":status", b"200"), (b":path", b"/")],
    "h2_27 line end": [(b":status", b"200"), (b"x", b"1\r\nEvil: 1")],
    "h2_27 colon": [(b":status", b"200"), (b"x:y", b"1")],
    "h2_24 upper case": [(b":status", b"200"), (b"X-Upper", b"1")],
    "h2_30 two lengths": [(b":status", b"200"), (b"content-length", b"1"), (b"content-length", b"2")],
    "h2_30 a length without a body": [(b":status", b"200"), (b"content-length", b"1")],
}


@pytest.mark.parametrize("fields", RESPONSES.values(), ids=RESPONSES)
@pytest.mark.parametrize("is_http1", [False, True], ids=["for h2", "for http/1"])
def test_h2_24_h2_27_h2_28_h2_30_malformed_responses(play, raw, tape, fields, is_http1):
    scenario = play("reverse:h2c://origin:80", addons=[tape])
    client = scenario.client()
    if is_http1:
        client.sends(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    else:
        played = Http2Peer.client(client)
        played.asks("GET")
    server = raw.Peer(scenario.servers[0], is_client=False)
    server.heard()
    server.says(raw.headers(1, *fields))
    (reset,) = server.heard(frames.RST_STREAM)
    assert frames.long(reset.payload) == PROTOCOL_ERROR
    assert not server.peer.is_closed
    assert tape.hooks[-1] == "error"
    if is_http1:
        received = client.received()
        assert received.startswith(b"HTTP/1.1 502 ")
        assert b"\r\nEvil" not in received
    else:
        assert played.response(1).status == 502


@pytest.mark.parametrize("body", [b"abcd", b"ab"])
def test_h2_30_a_response_that_is_not_as_long_as_it_says(duet, raw, tape, body):
    both = duet(addons=[tape])
    stream = both.client.asks("GET")
    server = raw.Peer(both.origin, is_client=False)
    server.says(
        raw.headers(1, (b":status", b"200"), (b"content-length", b"3"), flags=END_HEADERS),
        frames.frame(frames.DATA, END_STREAM, 1, body),
    )
    assert not both.client.response(stream).is_whole
    assert tape.hooks[-1] == "error"
    assert not server.peer.is_closed
    assert not both.client.peer.is_closed


@pytest.mark.parametrize(("status", "method"), [(b"204", "GET"), (b"304", "GET"), (b"200", "HEAD")])
def test_h1_13_a_body_where_there_is_none(duet, raw, tape, status, method):
    both = duet(addons=[tape])
    stream = both.client.asks(method)
    server = raw.Peer(both.origin, is_client=False)
    server.says(
        raw.headers(1, (b":status", status), flags=END_HEADERS), frames.frame(frames.DATA, END_STREAM, 1, b"evil")
    )
    assert both.client.response(stream).body == b""
    assert not both.client.peer.is_closed
    assert not server.peer.is_closed


def test_h2_25_what_a_server_says_about_its_connection_goes_no_further(duet, raw, tape):
    both = duet(addons=[tape])
    stream = both.client.asks("GET")
    server = raw.Peer(both.origin, is_client=False)
    server.says(raw.headers(1, (b":status", b"200"), (b"connection", b"x"), (b"x", b"1"), (b"keep-alive", b"5")))
    assert both.client.response(stream).fields == [(b"x", b"1")]
    assert tape.flow.annotations


def test_h2_25_what_an_http_1_server_says_about_its_connection_goes_no_further(duet):
    both = duet(**TO_HTTP1)
    stream = both.client.asks("GET")
    both.origin.sends(
        b"HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\nY: 1\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    )
    response = both.client.response(stream)
    assert (response.fields, response.body) == ([(b"y", b"1")], b"ok")
    assert response.is_whole


# Heads beyond the limits.


@pytest.mark.parametrize("is_end", [True, False])
def test_h2_17_h1_35_a_head_beyond_our_limits_is_answered_431(duet, raw, tape, is_end):
    both = duet(addons=[tape], max_head_fields=50)
    client = ask(both, raw, [*GET, *[(b"x", b"1")] * 50], END_HEADERS | (END_STREAM if is_end else 0))
    if not is_end:
        client.says(frames.frame(frames.DATA, END_STREAM, 1, b"rest"))
    (head,) = client.heard(frames.HEADERS)
    assert (b":status", b"431") in client.fields(head)
    assert tape.hooks == ["error"]
    assert goes_on(client, both, raw, is_http1=False)


def test_h2_17_a_response_beyond_our_limits_is_a_502(duet, raw, tape):
    both = duet(addons=[tape], max_head_fields=50)
    stream = both.client.asks("GET")
    server = raw.Peer(both.origin, is_client=False)
    server.says(raw.headers(1, (b":status", b"200"), *[(b"x", b"1")] * 50))
    assert both.client.response(stream).status == 502
    assert not server.peer.is_closed


def test_h2_17_a_request_beyond_the_servers_limits_is_not_sent(duet, raw, tape):
    both = duet(addons=[tape])
    first = both.client.asks("GET")
    server = raw.Peer(both.origin, is_client=False)
    server.says(frames.settings([(6, 300)]))
    stream = both.client.asks("GET", fields=[(b"x", b"~" * 300)])
    server.says(raw.headers(1, (b":status", b"204")))
    assert both.client.response(first).status == 204
    assert both.client.response(stream).status in {431, 502}
    assert tape.hooks.count("error") == 1
    assert len(server.heard(frames.HEADERS)) == 1
    both.client.asks("GET")
    assert len(server.heard(frames.HEADERS)) == 1
