"""The peers of the live tests do what they promise, with no proxy between: a wrong peer would blame the proxy."""

import ssl
import urllib.request

import pytest

from livekit.http2 import H2Client, speaks_h2
from livekit.nginx import LARGE_SIZE, SMALL, TEXT
from livekit.scripted import ScriptedConnection, reply_and_close

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nginx_answers_on_both_ports(nginx_origin, authority, curl, scheme):
    answer = curl(getattr(nginx_origin, scheme)("/small"), ca=authority.path)
    assert (answer.status, answer.body) == (200, SMALL)
    assert answer.header("server").startswith("nginx")


def test_nginx_tells_what_it_saw(nginx_origin, authority, curl):
    answer = curl(nginx_origin.https("/seen?a=b"), ca=authority.path)
    assert answer.body.decode().splitlines() == [
        "GET /seen?a=b HTTP/1.1",
        f"localhost:{nginx_origin.https_port}",
        "https",
        "localhost",
    ]


def test_nginx_sends_gzip_chunks_and_large_bodies(nginx_origin, curl):
    zipped = curl(nginx_origin.http("/gzip/text.txt"), "--compressed")
    assert zipped.header("content-encoding") == "gzip"
    assert zipped.body == TEXT
    chunked = curl(nginx_origin.http("/chunked/text.txt"))
    assert chunked.header("transfer-encoding") == "chunked"
    assert chunked.body == TEXT
    assert len(curl(nginx_origin.http("/large.bin")).body) == LARGE_SIZE


def test_nginx_keeps_uploads(nginx_origin, curl, tmp_path):
    sent = bytes(range(256)) * 1000
    (tmp_path / "upload").write_bytes(sent)
    assert curl(nginx_origin.http("/upload/bytes"), "-T", str(tmp_path / "upload")).status == 201
    assert nginx_origin.uploaded("bytes") == sent


@pytest.mark.parametrize(
    ("path", "status"), [("/no-content", 204), ("/moved", 302), ("/teapot", 418), ("/broken", 500)]
)
def test_nginx_statuses(nginx_origin, curl, path, status):
    assert curl(nginx_origin.http(path)).status == status


def test_scripted_origin_sends_and_keeps_exact_bytes(scripted_origin, curl):
    origin = scripted_origin(b"HTTP/1.1 200  Fine \r\nX-ODD:  kept\r\nContent-Length: 2\r\n\r\nok")
    answer = curl(origin.url("/x"), "-H", "User-Agent: me", "-H", "Accept:")
    assert answer.heads == b"HTTP/1.1 200  Fine \r\nX-ODD:  kept\r\nContent-Length: 2\r\n\r\n"
    assert origin.received == b"GET /x HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: me\r\n\r\n" % origin.port


def test_scripted_origin_reads_bodies(scripted_origin, curl):
    origin = scripted_origin(OK)
    assert curl(origin.url(), "-d", "abcdef").body == b"ok"
    assert curl(origin.url(), "-d", "abc", "-H", "Transfer-Encoding: chunked").body == b"ok"
    sized, chunked = origin.wait_for_connections(2)
    assert sized.received.endswith(b"\r\n\r\nabcdef")
    assert chunked.received.endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")


def test_scripted_origin_converses(scripted_origin, curl):
    def one_byte_at_a_time(connection: ScriptedConnection) -> None:
        assert connection.read_until(b" ") == b"GET "
        connection.read_until(b"\r\n\r\n")
        connection.send_slowly(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)

    answer = curl(scripted_origin(one_byte_at_a_time).url())
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.heads.startswith(b"HTTP/1.1 100 Continue")
    assert answer.head.startswith(b"HTTP/1.1 200 OK")


def test_scripted_origin_aborts(scripted_origin, curl):
    def cut(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
        connection.abort()

    answer = curl(scripted_origin(cut).url())
    assert answer.exit_code in {18, 56}  # partial file, or receive failure
    assert answer.error


def test_scripted_origin_speaks_tls_with_alpn(scripted_origin, authority):
    origin = scripted_origin(reply_and_close(OK), tls=True, alpn=("http/1.1",))
    with urllib.request.urlopen(origin.url(), context=authority.client_context()) as answer:
        assert answer.read() == b"ok"
    (connection,) = origin.wait_for_connections(1)
    assert connection.over.wait(10)


def test_scripted_origin_reports_a_failing_script(scripted_origin, curl):
    def wrong(connection: ScriptedConnection) -> None:
        connection.read_request()
        raise AssertionError("the script noticed something")

    origin = scripted_origin(wrong)
    curl(origin.url())
    with pytest.raises(AssertionError, match="noticed"):
        origin.stop()


def test_clients_do_not_trust_the_authority_by_default(scripted_origin, curl):
    assert curl(scripted_origin(OK, tls=True).url()).exit_code == 60


def test_expired_certificates_can_be_issued(scripted_origin, authority, curl):
    context = authority.issue("localhost", days=-1, starts_in_days=-10).server_context()
    answer = curl(scripted_origin(OK, tls=True, context=context).url(), ca=authority.path)
    assert answer.exit_code == 60
    assert "expired" in answer.error


def test_http_parent_tunnels_and_forwards(http_parent, nginx_origin, authority, curl):
    parent = http_parent()
    secure = curl(nginx_origin.https("/small"), proxy=parent.spec, ca=authority.path)
    plain = curl(nginx_origin.http("/small"), proxy=parent.spec)
    assert secure.body == plain.body == SMALL
    assert parent.heads[0].startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % nginx_origin.https_port)
    assert parent.heads[1].startswith(b"GET http://127.0.0.1:%d/small HTTP/1.1\r\n" % nginx_origin.http_port)


def test_https_parent(http_parent, nginx_origin, authority, curl):
    answer = curl(nginx_origin.https("/small"), proxy=http_parent(tls=True).spec, ca=authority.path)
    assert answer.body == SMALL


def test_http_parent_asks_for_credentials(http_parent, nginx_origin, curl):
    parent = http_parent(credentials="user:secret")
    assert curl(nginx_origin.http("/small"), proxy=parent.spec).status == 407
    good = curl(nginx_origin.http("/small"), "--proxy-user", "user:secret", proxy=parent.spec)
    assert good.body == SMALL


def test_socks_parent(socks_parent, nginx_origin, curl):
    parent = socks_parent()
    by_name = curl(nginx_origin.http("/small"), proxy=parent.spec.replace("socks5", "socks5h"))
    assert by_name.body == SMALL
    assert parent.targets == [("127.0.0.1", nginx_origin.http_port)]


def test_socks_parent_asks_for_credentials(socks_parent, nginx_origin, curl):
    parent = socks_parent(credentials=("user", "secret"))
    assert curl(nginx_origin.http("/small"), proxy=parent.spec).exit_code == 97
    assert curl(nginx_origin.http("/small"), "--proxy-user", "user:wrong", proxy=parent.spec).exit_code == 97
    assert curl(nginx_origin.http("/small"), "--proxy-user", "user:secret", proxy=parent.spec).body == SMALL


def test_authority_satisfies_strict_verification(scripted_origin, authority):
    context = authority.client_context()
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with urllib.request.urlopen(scripted_origin(reply_and_close(OK), tls=True).url(), context=context) as answer:
        assert answer.status == 200


def test_chromium_judges_certificates(chromium, http_parent, nginx_origin, authority):
    parent = http_parent()
    page = nginx_origin.https("/index.html")
    assert "It works" not in chromium.open(page, proxy=parent.spec)
    chromium.trust(authority.path)
    assert "It works" in chromium.open(page, proxy=parent.spec)
    assert any(head.startswith(b"CONNECT localhost:") for head in parent.heads)


@pytest.mark.parametrize(
    ("door", "asked", "spoken"),
    [
        ("https", "--http2", b"HTTP/1.1"),
        ("https2", "--http2", b"HTTP/2.0"),
        ("h2c", "--http2-prior-knowledge", b"HTTP/2.0"),
    ],
)
def test_nginx_speaks_http2_where_it_should(nginx_origin, authority, curl, door, asked, spoken):
    assert curl(getattr(nginx_origin, door)("/protocol"), asked, ca=authority.path).body == spoken


def test_nghttpx_speaks_nothing_but_http2(nghttpx_origin, authority, curl):
    url = nghttpx_origin.url("/small")
    assert curl(url, "--http2", ca=authority.path).body == SMALL
    assert curl(url, "--http1.1", ca=authority.path).body != SMALL


@pytest.mark.parametrize("is_tls", [True, False])
def test_grpc_kit(grpc_server, grpc_client, authority, is_tls):
    server = grpc_server(tls=is_tls)
    client = grpc_client(f"localhost:{server.port}", ca=authority.path if is_tls else None)
    assert client.shout(b"hello", timeout=20) == b"HELLO"


def test_http2_kit(scripted_origin, authority):
    def answer(peer, stream, request):
        peer.send(stream, [(b":status", b"200")])
        peer.send_body(stream, request.field(b":path"))

    origin = scripted_origin(speaks_h2(answer), tls=True, alpn=("h2",))
    with H2Client(origin.address, authority.client_context()) as client:
        assert client.get("localhost", "/path", scheme="https").body == b"/path"
