"""HTTP/2 with real peers: either version facing the other, in tunnels, in clear text, and to the proxy itself."""

import hashlib
import os
import ssl
import threading

import httpx
import pytest

from livekit.http2 import H2Client, H2Peer, speaks_h2
from livekit.nginx import LARGE_SIZE, SMALL, TEXT
from livekit.rawclient import RawClient

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LARGE_DIGEST = hashlib.sha256(bytes(LARGE_SIZE)).hexdigest()
STATUS_OK = (b":status", b"200")
CANCEL = 0x8


def versions(flow):
    return flow.request.http_version, flow.response.http_version


def alpns(flow):
    return flow.client_conn.alpn, flow.server_conn.alpn


def address_of(url):
    return url.split("/")[2]


def client_context(ca):
    return ssl.create_default_context(cafile=ca)


@pytest.fixture
def h2_origin(scripted_origin):
    """Make an origin that speaks HTTP/2 only; `h2_origin(answer)` calls `answer(peer, stream, request)`."""

    def make(answer, *, tls=True):
        return scripted_origin(speaks_h2(answer), tls=tls, alpn=("h2",))

    return make


def say_ok(peer, stream, request):
    peer.send(stream, [STATUS_OK, (b"content-length", b"2")])
    peer.send_body(stream, b"ok")


# Both versions at both sides.


def test_both_sides_in_a_tunnel(proxy, nginx_origin, curl):
    running = proxy()
    answer = curl(nginx_origin.https2("/protocol"), "--http2", proxy=running.url, ca=running.ca)
    assert (answer.status, answer.body, answer.facts["http_version"]) == (200, b"HTTP/2.0", "2")
    (flow,) = running.recorder.wait_for_flows()
    assert versions(flow) == ("HTTP/2.0", "HTTP/2.0")
    assert alpns(flow) == (b"h2", b"h2")


def test_mirrored_both_sides_are_http1_for_a_client_that_knows_no_other(proxy, nginx_origin, curl):
    running = proxy()
    answer = curl(nginx_origin.https2("/protocol"), "--http1.1", proxy=running.url, ca=running.ca)
    assert (answer.body, answer.facts["http_version"]) == (b"HTTP/1.1", "1.1")


@pytest.mark.parametrize("setting", ["mirror", "never"])
def test_an_origin_of_http1_faces_a_client_that_insists(proxy, nginx_origin, setting):
    """It offers h2 and nothing else, as gRPC clients do."""
    running = proxy(f"reverse:{nginx_origin.https('')}", server_http2=setting)
    with H2Client(running.address, client_context(running.ca)) as client:
        answer = client.get(f"localhost:{running.port}", "/protocol", scheme="https")
    assert (answer.status, answer.body) == (200, b"HTTP/1.1")
    (flow,) = running.recorder.wait_for_flows()
    assert flow.client_conn.alpn == b"h2"


def test_a_client_that_offers_both_gets_an_answer_from_an_origin_of_http1(proxy, nginx_origin, curl):
    running = proxy()
    answer = curl(nginx_origin.https("/protocol"), "--http2", proxy=running.url, ca=running.ca)
    assert (answer.status, answer.body) == (200, b"HTTP/1.1")


def test_a_client_of_http1_faces_an_origin_of_http2_only(proxy, nghttpx_origin, curl):
    running = proxy(server_http2="always")
    answer = curl(nghttpx_origin.url("/small"), "--http1.1", proxy=running.url, ca=running.ca)
    assert (answer.status, answer.body, answer.facts["http_version"]) == (200, SMALL, "1.1")
    (flow,) = running.recorder.wait_for_flows()
    assert flow.server_conn.alpn == b"h2"


def test_http2_can_be_switched_off(proxy, nginx_origin, curl):
    running = proxy(http2=False)
    answer = curl(nginx_origin.https2("/protocol"), "--http2", proxy=running.url, ca=running.ca)
    assert (answer.body, answer.facts["http_version"]) == (b"HTTP/1.1", "1.1")


def test_httpx_in_a_tunnel(proxy, nginx_origin):
    running = proxy()
    with httpx.Client(http2=True, proxy=running.url, verify=client_context(running.ca), trust_env=False) as client:
        for _ in range(3):
            answer = client.get(nginx_origin.https2("/text.txt"))
            assert (answer.http_version, answer.content) == ("HTTP/2", TEXT)
    assert len({flow.client_conn.id for flow in running.recorder.wait_for_flows(3)}) == 1


# Clear text.


def test_prior_knowledge_to_an_origin_of_http2(proxy, nginx_origin, curl):
    running = proxy(f"reverse:h2c://127.0.0.1:{nginx_origin.h2c_port}")
    answer = curl(f"{running.url}/protocol", "--http2-prior-knowledge")
    assert (answer.body, answer.facts["http_version"]) == (b"HTTP/2.0", "2")


def test_prior_knowledge_to_an_origin_of_http1(proxy, nginx_origin, curl):
    running = proxy(f"reverse:http://127.0.0.1:{nginx_origin.http_port}")
    answer = curl(f"{running.url}/protocol", "--http2-prior-knowledge")
    assert (answer.body, answer.facts["http_version"]) == (b"HTTP/1.1", "2")


def test_http1_to_an_origin_of_http2_in_clear_text(proxy, nginx_origin, curl):
    running = proxy(f"reverse:h2c://127.0.0.1:{nginx_origin.h2c_port}")
    answer = curl(f"{running.url}/protocol", "--http1.1")
    assert (answer.body, answer.facts["http_version"]) == (b"HTTP/2.0", "1.1")


def test_prior_knowledge_in_a_tunnel(proxy, nginx_origin, curl):
    running = proxy()
    arguments = ["--proxytunnel", "--http2-prior-knowledge"]
    answer = curl(nginx_origin.h2c("/protocol"), *arguments, proxy=running.url)
    assert (answer.body, answer.facts["http_version"]) == (b"HTTP/2.0", "2")


def test_an_origin_that_speaks_first_is_known_for_http2(proxy, scripted_origin):
    """A server may send SETTINGS before the client's preface came (RFC 9113, section 3.4), as those of gRPC do."""
    has_spoken = threading.Semaphore(0)

    def origin(connection):
        peer = H2Peer(connection.transport, is_client=False)
        has_spoken.release()
        peer.wait_for(1)
        say_ok(peer, 1, None)
        connection.read_to_end()

    server = scripted_origin(origin)
    running = proxy()
    with RawClient(running.address) as tunnel:
        tunnel.send(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n" % server.port)
        tunnel.read_response()
        assert has_spoken.acquire(timeout=20)
        client = H2Peer(tunnel.transport, is_client=True)
        client.send(1, [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"x"), (b":path", b"/")], end=True)
        assert client.wait_for(1)[0].body == b"ok"
    assert len(running.recorder.wait_for_flows(1)) == 1


def test_an_upgrade_offered_is_not_taken(proxy, nginx_origin, curl):
    """RFC 9113, section 3.1: the upgrade to h2c is history; the request is answered in the version it came in."""
    running = proxy(f"reverse:http://127.0.0.1:{nginx_origin.http_port}")
    answer = curl(f"{running.url}/small", "--http2")
    assert (answer.status, answer.body, answer.facts["http_version"]) == (200, SMALL, "1.1")
    assert b"101" not in answer.heads.splitlines()[0]


# To the proxy itself.


def test_requests_to_a_forward_proxy(proxy, nginx_origin):
    running = proxy()
    with H2Client(running.address) as client:
        answer = client.get(address_of(nginx_origin.http("")), "/small")
    assert (answer.status, answer.body) == (200, SMALL)


@pytest.mark.parametrize("is_tls", [True, False])
def test_two_tunnels_on_one_connection(proxy, scripted_origin, is_tls):
    running = proxy(ignore_hosts=[".*"])
    origins = [scripted_origin(OK.replace(b"ok", text)) for text in (b"1.", b"2.")]
    with H2Client(running.address, client_context(running.ca) if is_tls else None, name="localhost") as client:
        tunnels = [client.open_tunnel(f"127.0.0.1:{origin.port}") for origin in origins]
        for tunnel in reversed(tunnels):
            client.send_body(tunnel, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", end=False)
        client.wait_until(lambda: all(client.messages[tunnel].body.endswith(b".") for tunnel in tunnels))
        assert [client.messages[tunnel].body[-2:] for tunnel in tunnels] == [b"1.", b"2."]
        for tunnel in tunnels:
            client.send_body(tunnel, b"")
        client.wait_for(*tunnels)


def test_requests_inside_tunnels_are_seen(proxy, scripted_origin):
    running = proxy()
    origin = scripted_origin(OK)
    with H2Client(running.address) as client:
        tunnel = client.open_tunnel(f"127.0.0.1:{origin.port}")
        client.send_body(tunnel, b"GET /inside HTTP/1.1\r\nHost: x\r\n\r\n", end=False)
        client.wait_until(lambda: client.messages[tunnel].body.endswith(b"ok"))
    assert [flow.request.path for flow in running.recorder.wait_for_flows()] == ["/inside"]


# What messages are made of.


def test_trailers_both_ways(proxy, h2_origin):
    came = []

    def answer(peer, stream, request):
        came.append(request)
        peer.send(stream, [STATUS_OK])
        peer.send_body(stream, b"body", end=False)
        peer.send(stream, [(b"x-sum", b"4")], end=True)

    running = proxy(f"reverse:https://localhost:{h2_origin(answer).port}")
    with H2Client(running.address, client_context(running.ca)) as client:
        stream = client.ask("localhost", "/", method="POST", scheme="https", end=False)
        client.send_body(stream, b"upload", end=False)
        client.send(stream, [(b"x-check", b"6")], end=True)
        (answered,) = client.wait_for(stream)
    assert (answered.body, answered.trailers) == (b"body", [(b"x-sum", b"4")])
    assert (came[0].body, came[0].trailers) == (b"upload", [(b"x-check", b"6")])


def test_trailers_of_http1_become_trailers(proxy, scripted_origin):
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 2\r\n\r\n"
    running = proxy(f"reverse:http://127.0.0.1:{scripted_origin(chunked).port}")
    with H2Client(running.address) as client:
        answer = client.get("localhost", "/", (b"te", b"trailers"))
    assert (answer.body, answer.trailers) == (b"ok", [(b"x-sum", b"2")])
    assert answer.field(b"transfer-encoding") is None


def test_early_hints_come_before_the_answer(proxy, h2_origin):
    hint = [(b":status", b"103"), (b"link", b"</style.css>; rel=preload")]

    def answer(peer, stream, request):
        peer.send(stream, hint)
        say_ok(peer, stream, request)

    running = proxy(f"reverse:https://localhost:{h2_origin(answer).port}")
    with H2Client(running.address, client_context(running.ca)) as client:
        answered = client.get("localhost", "/", scheme="https")
    assert answered.interim == [hint]
    assert (answered.status, answered.body) == (200, b"ok")


def test_cookie_crumbs_are_one_field_for_http1(proxy, scripted_origin):
    origin = scripted_origin(OK)
    running = proxy(f"reverse:http://127.0.0.1:{origin.port}")
    with H2Client(running.address) as client:
        assert client.get("example.test", "/", (b"cookie", b"a=1"), (b"cookie", b"b=2")).status == 200
    received = [bytes(each.received).lower() for each in origin.connections]
    assert b"cookie: a=1; b=2\r\n" in received[-1], received


def test_fields_of_the_connection_do_not_cross(proxy, scripted_origin):
    answer = b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok"
    running = proxy(f"reverse:http://127.0.0.1:{scripted_origin(answer).port}")
    with H2Client(running.address) as client:
        fields = dict(client.get("localhost", "/").fields)
    assert not {b"connection", b"keep-alive", b"x-hop"} & fields.keys()


@pytest.mark.parametrize("door", ["https", "https2"])
def test_large_download(proxy, nginx_origin, curl, door):
    running = proxy(stream_large_bodies="1m")
    url = getattr(nginx_origin, door)("/large.bin")
    answer = curl(url, "--http2", proxy=running.url, ca=running.ca)
    assert hashlib.sha256(answer.body).hexdigest() == LARGE_DIGEST


@pytest.mark.parametrize("door", ["https", "https2"])
def test_large_upload(proxy, nginx_origin, curl, tmp_path, door):
    running = proxy(stream_large_bodies="1m")
    body = os.urandom(1 << 20) * 24
    (tmp_path / "upload").write_bytes(body)
    url = getattr(nginx_origin, door)(f"/upload/{door}")
    answer = curl(url, "--http2", "-T", str(tmp_path / "upload"), proxy=running.url, ca=running.ca)
    assert answer.status in (201, 204)
    assert hashlib.sha256(nginx_origin.uploaded(door)).digest() == hashlib.sha256(body).digest()


# Streams.


@pytest.mark.parametrize("door", ["https", "https2"])
def test_a_hundred_streams_at_once(proxy, nginx_origin, door):
    running = proxy(f"reverse:{getattr(nginx_origin, door)('')}")
    with H2Client(running.address, client_context(running.ca)) as client:
        streams = [client.ask("localhost", "/text.txt", scheme="https") for _ in range(100)]
        answers = client.wait_for(*streams)
    assert {answer.status for answer in answers} == {200}
    assert all(answer.body == TEXT for answer in answers)
    assert len({flow.id for flow in running.recorder.wait_for_flows(100)}) == 100


def test_answers_come_in_the_order_of_the_origin(proxy, h2_origin):
    waiting = []

    def answer(peer, stream, request):
        waiting.append(stream)
        if len(waiting) == 3:
            for each in reversed(waiting):
                say_ok(peer, each, request)

    running = proxy(f"reverse:https://localhost:{h2_origin(answer).port}")
    with H2Client(running.address, client_context(running.ca)) as client:
        answers = client.wait_for(*[client.ask("localhost", f"/{each}", scheme="https") for each in range(3)])
    assert [each.body for each in answers] == [b"ok"] * 3


def test_a_stream_reset_by_the_origin_leaves_its_neighbour_alone(proxy, h2_origin):
    def answer(peer, stream, request):
        if request.field(b":path") == b"/cut":
            peer.send(stream, [STATUS_OK, (b"content-length", b"10")])
            peer.connection.reset_stream(stream, 2)
            peer.flush()
        else:
            say_ok(peer, stream, request)

    running = proxy(f"reverse:https://localhost:{h2_origin(answer).port}", stream_large_bodies="1")
    with H2Client(running.address, client_context(running.ca)) as client:
        cut, whole = (client.ask("localhost", path, scheme="https") for path in ("/cut", "/whole"))
        answers = client.wait_for(cut, whole)
    assert answers[0].reset is not None or answers[0].status == 502
    assert answers[1].body == b"ok"


def test_a_stream_cancelled_by_the_client_is_cancelled_at_the_origin(proxy, scripted_origin):
    resets = []

    def origin(connection):
        peer = H2Peer(connection.transport, is_client=False)
        peer.wait_until(lambda: 1 in peer.messages and peer.messages[1].fields)
        peer.send(1, [STATUS_OK])
        peer.send_body(1, b"first", end=False)
        resets.append(peer.wait_for(1)[0].reset)

    server = scripted_origin(origin, tls=True, alpn=("h2",))
    running = proxy(f"reverse:https://localhost:{server.port}", stream_large_bodies="1")
    with H2Client(running.address, client_context(running.ca)) as client:
        stream = client.ask("localhost", "/", scheme="https", method="POST", end=False)
        client.send_body(stream, b"more to come", end=False)
        client.wait_until(lambda: stream in client.messages and client.messages[stream].body)
        client.connection.reset_stream(stream, CANCEL)
        client.flush()
        (connection,) = server.wait_for_connections(1)
        assert connection.over.wait(20)
    assert resets == [CANCEL]


# Browsers.


def test_chromium_speaks_http2_through_the_proxy(proxy, nginx_origin, chromium):
    page = nginx_origin.documents / "protocol.html"
    page.write_text(
        "<script>onload = () => { document.title = performance.getEntriesByType('navigation')[0].nextHopProtocol }</script>"
    )
    running = proxy()
    chromium.trust(running.ca)
    document = chromium.open(nginx_origin.https2("/protocol.html"), proxy=running.url)
    assert "<title>h2</title>" in document
    flow = next(flow for flow in running.recorder.wait_for_flows() if flow.request.path == "/protocol.html")
    assert versions(flow) == ("HTTP/2.0", "HTTP/2.0")
