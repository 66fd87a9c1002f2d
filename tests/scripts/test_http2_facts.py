"""How HTTP/2 connections introduce themselves, and what is noted of them."""

import pytest

from midstream.testing.http2 import Http2Peer
from midstream.wire.events import RequestHead
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.events import Priority
from midstream.wire.h2.fingerprint import Fingerprint
from midstream.wire.h2.heads import VERSION

H2C = "reverse:h2c://origin:80"
CHROME = Fingerprint([(1, 65536), (2, 0), (4, 6291456), (6, 262144)], 15663105, [], b"m,a,s,p")
FIREFOX = Fingerprint(
    [(1, 65536), (4, 131072), (5, 16384)],
    12517377,
    [
        (3, Priority(0, 201, is_exclusive=False)),
        (5, Priority(0, 101, is_exclusive=False)),
        (7, Priority(3, 1, is_exclusive=True)),
    ],
    b"m,p,a,s",
)


def client_like(scenario, fingerprint):
    return Http2Peer.client(scenario.client(), like=fingerprint)


def seen_by(server):
    """Return how the proxy has introduced itself."""
    server.hear()
    return server.engine.fingerprint


@pytest.mark.parametrize("fingerprint", [CHROME, FIREFOX])
def test_the_fingerprint_of_a_client_is_noted(play, tape, fingerprint):
    scenario = play(H2C, addons=[tape])
    client = client_like(scenario, fingerprint)
    client.asks("GET", "/")
    facts = tape.flow.client_conn.http2
    assert facts.fingerprint == str(fingerprint)
    assert facts.settings == fingerprint.settings


def test_it_is_written_as_akamai_does(play, tape):
    scenario = play(H2C, addons=[tape])
    client_like(scenario, FIREFOX).asks("GET", "/")
    assert tape.flow.client_conn.http2.fingerprint == (
        "1:65536;4:131072;5:16384|12517377|3:0:0:201,5:0:0:101,7:1:3:1|m,p,a,s"
    )
    client_like(scenario, Fingerprint([(4, 65535)], 0, [], b"m,s,a,p")).asks("GET", "/")
    assert tape.flow.client_conn.http2.fingerprint == "4:65535|00|0|m,s,a,p"


def test_it_is_noted_for_requests_that_are_refused(play, tape):
    scenario = play(addons=[tape])
    client = client_like(scenario, CHROME)
    client.asks("GET", "/", scheme="ftp")
    assert tape.flow.client_conn.http2.fingerprint == str(CHROME)


def test_servers_see_our_own_way_unless_told_otherwise(play):
    scenario = play(H2C)
    client_like(scenario, FIREFOX).asks("GET", "/")
    server = Http2Peer.server(scenario.servers[0])
    ours = seen_by(server)
    assert ours.settings == [(2, 0), (4, 1048576), (6, 65536)]
    assert ours.priorities == []
    assert ours.pseudo_order == b"m,p,a,s", "the order of a head is its own"


@pytest.mark.parametrize("fingerprint", [CHROME, FIREFOX])
def test_http2_mirror_fingerprint_lets_servers_see_the_client(play, fingerprint):
    scenario = play(H2C, http2_mirror_fingerprint=True)
    client = client_like(scenario, fingerprint)
    stream = client.asks("GET", "/")
    server = Http2Peer.server(scenario.servers[0])
    assert str(seen_by(server)) == str(fingerprint)
    assert seen_by(server) == fingerprint
    number = server.streams[0]
    assert number == stream
    server.answers(number, 200, b"x" * 200_000)
    for _ in range(5):
        client.hear()
        server.hear()
    assert len(client.response(stream).body) == 200_000


def test_windows_that_a_mirrored_client_does_not_have_are_not_promised(play):
    """What we let servers send is what the client's introduction says."""
    small = Fingerprint([(4, 1000)], 0, [], b"m,a,s,p")
    scenario = play(H2C, http2_mirror_fingerprint=True)
    client = client_like(scenario, small)
    stream = client.asks("GET", "/")
    server = Http2Peer.server(scenario.servers[0])
    client.consumes = False
    server.answers(1, 200, b"x" * 5000)
    assert server.engine.parked(1) == 4000
    client.hear()
    client.consumes = True
    client.engine.consumed(stream, 1000)
    client.flush()
    for _ in range(10):
        client.hear()
        server.hear()
    assert len(client.response(stream).body) == 5000


def test_connections_are_shared_only_with_clients_that_introduce_themselves_alike(play):
    scenario = play(H2C, http2_mirror_fingerprint=True)
    for fingerprint in (CHROME, FIREFOX, CHROME):
        client_like(scenario, fingerprint).asks("GET", "/")
    assert len(scenario.servers) == 2
    servers = [Http2Peer.server(server) for server in scenario.servers]
    assert [str(seen_by(server)) for server in servers] == [str(CHROME), str(FIREFOX)]
    assert [len(server.streams) for server in servers] == [2, 1]


def test_clients_of_http1_have_no_way_to_mirror(play):
    scenario = play(H2C, http2_mirror_fingerprint=True)
    client_like(scenario, FIREFOX).asks("GET", "/")
    scenario.client().sends(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len(scenario.servers) == 2
    ours = seen_by(Http2Peer.server(scenario.servers[1]))
    assert ours.settings == [(2, 0), (4, 1048576), (6, 65536)]
    assert ours.pseudo_order == b"m,a,s,p"


def test_the_order_of_pseudo_fields_is_that_of_each_request(play):
    scenario = play(H2C, http2_mirror_fingerprint=True)
    client = client_like(scenario, CHROME)
    client.asks("GET", "/")
    head = RequestHead(b"GET", b"/2", VERSION, [], 0, scheme=b"http", authority=b"origin", pseudo_order=b"p,s,a,m")
    client.engine.open_whole(head, b"")
    client.flush()
    server = Http2Peer.server(scenario.servers[0])
    assert [server.request(stream).head.pseudo_order for stream in server.streams] == [b"m,a,s,p", b"p,s,a,m"]


# The timeline.


def kinds(facts, *, is_sent):
    return [frame.kind for frame in facts.frames if frame.is_sent is is_sent]


def test_no_frames_are_kept_unless_asked_for(play, tape):
    scenario = play(H2C, addons=[tape])
    client_like(scenario, CHROME).asks("GET", "/")
    assert not tape.flow.client_conn.http2.frames
    assert not tape.flow.server_conn.http2.frames


def test_the_frames_of_both_connections_are_kept(play, tape):
    scenario = play(H2C, http2_timeline=100, addons=[tape])
    client = Http2Peer.client(scenario.client())
    stream = client.asks("GET", "/")
    scenario.advance(1.5)
    server = Http2Peer.server(scenario.servers[0])
    server.answers(1, 200, b"ok")
    assert client.response(stream).body == b"ok"
    of_client, of_server = tape.flow.client_conn.http2, tape.flow.server_conn.http2
    assert kinds(of_client, is_sent=False)[:3] == ["SETTINGS", "WINDOW_UPDATE", "HEADERS"]
    assert kinds(of_client, is_sent=True) == ["SETTINGS", "WINDOW_UPDATE", "SETTINGS", "HEADERS", "DATA"]
    assert kinds(of_server, is_sent=True)[:3] == ["SETTINGS", "WINDOW_UPDATE", "HEADERS"]
    assert kinds(of_server, is_sent=False)[-2:] == ["HEADERS", "DATA"]
    headers = [frame for frame in of_server.frames if frame.kind == "HEADERS"]
    assert [(frame.is_sent, frame.stream_id, frame.timestamp) for frame in headers] == [
        (True, 1, 1000.0),
        (False, 1, 1001.5),
    ]
    assert str(of_server.frames[-1]).startswith(("< DATA stream 1, 2 bytes END_STREAM", "> "))
    assert of_client.frames_dropped == of_server.frames_dropped == 0


def test_the_timeline_is_bounded(play, tape):
    scenario = play(H2C, http2_timeline=5, addons=[tape])
    client = Http2Peer.client(scenario.client())
    client.asks("GET", "/")
    for _ in range(10):
        client.peer.sends(frames.frame(frames.PING, 0, 0, b"12345678"))
    facts = tape.flow.client_conn.http2
    assert [frame.kind for frame in facts.frames] == ["PING"] * 5
    assert facts.frames_dropped >= 20


def test_the_most_detailed_output_keeps_frames(play, tape):
    scenario = play(H2C, flow_detail=4, addons=[tape])
    client_like(scenario, CHROME).asks("GET", "/")
    assert tape.flow.client_conn.http2.frames


def test_what_is_saved_of_a_flow_has_the_fingerprint(play, tape):
    scenario = play(H2C, addons=[tape])
    client_like(scenario, CHROME).asks("GET", "/")
    Http2Peer.server(scenario.servers[0])
    again = type(tape.flow).from_state(tape.flow.get_state())
    assert again.client_conn.http2.fingerprint == str(CHROME)
    assert again.server_conn.http2.fingerprint == ""
