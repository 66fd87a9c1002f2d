"""nginx as the origin: the framings, statuses and connection habits of an ordinary server come through whole."""

import gzip
import os

import pytest

from livekit.nginx import SMALL, TEXT
from livekit.rawclient import RawClient


def get(url, *fields, version="1.1", method="GET"):
    lines = [f"{method} {url} HTTP/{version}", "Host: 127.0.0.1", *fields, "", ""]
    return "\r\n".join(lines).encode()


def server_ids(running, count):
    return [flow.server_conn.id for flow in running.recorder.wait_for_flows(count)]


# Connections.


def test_a_server_connection_serves_one_client_after_the_other(proxy, nginx_origin, curl):
    running = proxy()
    for _ in range(3):
        curl(nginx_origin.http("/small"), proxy=running.url)
    assert len(set(server_ids(running, 3))) == 1
    assert len({flow.client_conn.id for flow in running.flows}) == 3


def test_tls_connections_are_kept_too(proxy, nginx_origin, curl):
    running = proxy()
    for _ in range(3):
        assert curl(nginx_origin.https("/small"), proxy=running.url, ca=running.ca).body == SMALL
    assert len(set(server_ids(running, 3))) == 1


def test_a_server_that_closes_is_connected_to_anew(proxy, nginx_origin, curl):
    running = proxy()
    url = nginx_origin.http("/close")
    answer = curl(url, url, "-o", os.devnull, proxy=running.url)
    assert (answer.status, answer.body) == (200, b"closing\n")
    assert len(set(server_ids(running, 2))) == 2


def test_the_client_keeps_its_connection_when_the_server_closes(proxy, nginx_origin):
    running = proxy()
    with RawClient(running.address) as client:
        for _ in range(2):
            client.send(get(nginx_origin.http("/close")))
            assert client.read_response().endswith(b"closing\n")


def test_a_client_that_closes_is_let_go(proxy, nginx_origin):
    with RawClient(proxy().address) as client:
        client.send(get(nginx_origin.http("/small"), "Connection: close"))
        answer = client.read_to_end()
        assert b"\r\nConnection: close\r\n" in answer
        assert answer.endswith(SMALL)


def test_pipelined_requests_are_answered_in_their_order(proxy, nginx_origin):
    running = proxy()
    paths = ["/small", "/seen?1", "/no-content", "/text.txt", "/chunked/text.txt", "/seen?2"] * 5
    with RawClient(running.address) as client:
        client.send(b"".join(get(nginx_origin.http(path)) for path in paths))
        for path in paths:
            answer = client.read_response()
            assert answer.startswith(b"HTTP/1.1 204" if path == "/no-content" else b"HTTP/1.1 200")
            if path.startswith("/seen"):
                assert answer.split(b"\r\n\r\n")[1].startswith(f"GET {path} HTTP/1.1\n".encode())
    assert [flow.request.path for flow in running.recorder.wait_for_flows(30)] == paths


def test_a_pipelined_upload_in_small_segments(proxy, nginx_origin):
    put = get(nginx_origin.http("/upload/slow"), "Content-Length: 5", method="PUT") + b"hello"
    with RawClient(proxy().address) as client:
        client.send_slowly(put + get(nginx_origin.http("/upload/slow")))
        assert client.read_response().startswith((b"HTTP/1.1 201", b"HTTP/1.1 204"))
        assert client.read_response().endswith(b"\r\n\r\nhello")


# Framings.


def test_chunks_stay_chunks(proxy, nginx_origin):
    with RawClient(proxy().address) as client:
        client.send(get(nginx_origin.http("/chunked/text.txt")))
        head, _, coded = client.read_response().partition(b"\r\n\r\n")
    assert b"\r\nTransfer-Encoding: chunked" in head
    assert b"content-length" not in head.lower()
    assert coded.endswith(b"\r\n0\r\n\r\n")


def test_chunks_for_a_client_that_knows_none(proxy, nginx_origin):
    with RawClient(proxy().address) as client:
        client.send(get(nginx_origin.http("/chunked/text.txt"), version="1.0"))
        head, _, body = client.read_to_end().partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body == TEXT


def test_gzip_goes_on_as_it_came(proxy, nginx_origin, curl):
    running = proxy()
    url = nginx_origin.http("/gzip/text.txt")
    direct = curl(url, "-H", "Accept-Encoding: gzip")
    through = curl(url, "-H", "Accept-Encoding: gzip", proxy=running.url)
    assert through.body == direct.body
    assert gzip.decompress(through.body) == TEXT
    (flow,) = running.recorder.wait_for_flows()
    assert flow.response.text == TEXT.decode()
    assert curl(url, proxy=running.url).body == TEXT


def test_gzip_with_an_addon_that_edits_the_text(proxy, nginx_origin, curl):
    class Fox:
        def response(self, flow):
            flow.response.text = flow.response.text.replace("fox", "cat")

    answer = curl(nginx_origin.https("/gzip/text.txt"), "--compressed", **through(proxy(addons=(Fox(),))))
    assert answer.header("content-encoding") == "gzip"
    assert answer.body == TEXT.replace(b"fox", b"cat")


def through(running):
    return {"proxy": running.url, "ca": running.ca}


# Statuses.


@pytest.mark.parametrize(
    ("path", "status"), [("/no-content", 204), ("/moved", 302), ("/teapot", 418), ("/broken", 500), ("/none", 404)]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_statuses(proxy, nginx_origin, curl, path, status, scheme):
    running = proxy()
    url = getattr(nginx_origin, scheme)(path)
    answer, direct = curl(url, **through(running)), curl(url, "--insecure")
    assert answer.status == status
    assert answer.body == direct.body
    assert without_date(answer.heads) == without_date(direct.heads)


def without_date(heads):
    """The lines of the last head; nginx alone answers for them, apart from the time of day."""
    lines = heads.rstrip().rpartition(b"\r\n\r\n")[2].split(b"\r\n")
    return [line for line in lines if not line.startswith(b"Date:")]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_not_modified(proxy, nginx_origin, method):
    url = nginx_origin.http("/text.txt")
    with RawClient(proxy().address) as client:
        client.send(get(url))
        etag = client.read_response().partition(b"ETag: ")[2].split(b"\r\n")[0].decode()
        client.send(get(url, f"If-None-Match: {etag}", method=method))
        head = client.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 304 Not Modified\r\n")
        assert f"\r\nETag: {etag}\r\n".encode() in head
        client.send(get(nginx_origin.http("/small")))  # the connection is where it should be
        assert client.read_response().endswith(SMALL)


def test_head_leaves_the_connection_usable(proxy, nginx_origin):
    running = proxy()
    with RawClient(running.address) as client:
        for path in ("/text.txt", "/chunked/text.txt", "/small"):
            client.send(get(nginx_origin.http(path), method="HEAD"))
            assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        client.send(get(nginx_origin.http("/small")))
        assert client.read_response().endswith(SMALL)
    assert len(set(server_ids(running, 4))) == 1


def test_partial_content(proxy, nginx_origin, curl):
    running = proxy()
    url = nginx_origin.https("/text.txt")
    assert curl(url, "--range", "0-9", **through(running)).body == TEXT[:10]
    assert curl(url, "--range", "-5", **through(running)).body == TEXT[-5:]
    several = curl(url, "--range", "0-3,10-13", **through(running))
    assert several.status == 206
    assert several.header("content-type").startswith("multipart/byteranges")
    assert several.body.count(b"Content-Range: bytes") == 2
    beyond = curl(url, "--range", f"{len(TEXT)}-", **through(running))
    assert (beyond.status, beyond.header("content-range")) == (416, f"bytes */{len(TEXT)}")


def test_a_bad_request_of_the_client_reaches_nobody(proxy, nginx_origin):
    running = proxy()
    with RawClient(running.address) as client:
        client.send(get(nginx_origin.http("/upload/x"), "Content-Length: 3", "Content-Length: 4", method="POST"))
        assert client.read_to_end().startswith(b"HTTP/1.1 400 ")
    (flow,) = running.recorder.wait_for_flows()
    assert flow.error
    assert flow.response is None
