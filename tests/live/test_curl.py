"""curl as the client: whatever it can ask of a proxy, and with what versions, framings and sizes."""

import hashlib
import os
import threading

import pytest

from livekit.nginx import SMALL, TEXT
from livekit.rawclient import RawClient, refusing_port
from livekit.scripted import ScriptedConnection, ScriptedOrigin

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BIG_SIZE = 50 * 2**20


class Holder:
    """An addon that wants bodies whole, as most scripts do."""

    def request(self, flow):
        flow.request.headers["x-held"] = str(len(flow.request.content or b""))

    def response(self, flow):
        flow.response.headers["x-held"] = str(len(flow.response.content or b""))


@pytest.fixture(scope="module")
def big(nginx_origin):
    """A document of 50 MB that does not compress, and its digest."""
    content = os.urandom(2**20) * 50
    (nginx_origin.documents / "big.bin").write_bytes(content)
    yield hashlib.sha256(content).hexdigest()
    (nginx_origin.documents / "big.bin").unlink()


@pytest.fixture
def big_file(tmp_path):
    """A file of 50 MB to upload, and its digest."""
    content = os.urandom(2**20) * 50
    path = tmp_path / "upload.bin"
    path.write_bytes(content)
    return str(path), hashlib.sha256(content).hexdigest()


def digest(data):
    return hashlib.sha256(data).hexdigest()


def hashes_its_requests(connection: ScriptedConnection) -> None:
    """Answer each request with the digest of its body."""
    while True:
        head = connection.read_until(b"\r\n\r\n").lower()
        if b"\r\ntransfer-encoding: chunked" in head:
            body = b"".join(chunks(connection))
        else:
            body = connection.read_exactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" + digest(body).encode())


def chunks(connection: ScriptedConnection):
    while size := int(connection.read_until(b"\r\n"), 16):
        yield connection.read_exactly(size + 2)[:-2]
    connection.read_until(b"\r\n")


# Versions and connections.


def test_http_1_0(proxy, nginx_origin, scripted_origin, curl):
    running = proxy()
    answer = curl(nginx_origin.http("/small"), "--http1.0", proxy=running.url)
    assert (answer.status, answer.body) == (200, SMALL)
    chunked = scripted_origin(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")
    answer = curl(chunked.url(), "--http1.0", proxy=running.url)
    assert answer.body == b"abcdef"
    assert answer.header("transfer-encoding") is None, "HTTP/1.0 knows no chunks (RFC 9112 §6.1)"


def test_http_1_0_with_keep_alive(proxy, scripted_origin):
    origin = scripted_origin(OK, OK)
    request = b"GET %s HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n" % origin.url().encode()
    with RawClient(proxy().address) as client:
        for _ in range(2):
            client.send(request)
            answer = client.read_response()
            assert b"\r\nconnection: keep-alive\r\n" in answer.lower()
            assert answer.endswith(b"\r\n\r\nok")


def test_an_answer_without_length_ends_with_its_connection(proxy, scripted_origin, curl):
    def until_close(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nall there is")

    running = proxy()
    assert curl(scripted_origin(until_close).url(), proxy=running.url).body == b"all there is"
    assert curl(scripted_origin(until_close).url(), "--http1.0", proxy=running.url).body == b"all there is"


def test_several_urls_share_connections_on_both_sides(proxy, nginx_origin, curl):
    running = proxy()
    more = [nginx_origin.http("/small"), "-o", os.devnull, nginx_origin.http("/text.txt"), "-o", os.devnull]
    answer = curl(nginx_origin.http("/small"), *more, proxy=running.url)
    assert answer.facts["num_connects"] == 0
    flows = running.recorder.wait_for_flows(3)
    assert len({flow.client_conn.id for flow in flows}) == 1
    assert len({flow.server_conn.id for flow in flows}) == 1


def test_several_urls_in_one_tunnel(proxy, nginx_origin, curl):
    running = proxy()
    more = [nginx_origin.https("/text.txt"), "-o", os.devnull]
    answer = curl(nginx_origin.https("/small"), *more, proxy=running.url, ca=running.ca)
    assert (answer.status, answer.facts["num_connects"]) == (200, 0)
    flows = running.recorder.wait_for_flows(2)
    assert [flow.request.path for flow in flows] == ["/small", "/text.txt"]
    assert len({flow.server_conn.id for flow in flows}) == 1


def test_parallel_transfers(proxy, nginx_origin, curl):
    running = proxy()
    more = [part for _ in range(9) for part in (nginx_origin.http("/text.txt"), "-o", os.devnull)]
    answer = curl(nginx_origin.http("/text.txt"), "--parallel", *more, proxy=running.url)
    assert answer.exit_code == 0
    assert all(flow.response.content == TEXT for flow in running.recorder.wait_for_flows(10))


def test_a_tunnel_to_plain_http(proxy, nginx_origin, curl):
    running = proxy()
    answer = curl(nginx_origin.http("/seen"), "--proxytunnel", proxy=running.url)
    assert answer.facts["http_connect"] == 200
    assert answer.body.startswith(b"GET /seen HTTP/1.1\n")
    (flow,) = running.recorder.wait_for_flows()
    assert flow.request.url == nginx_origin.http("/seen")


def test_a_tunnel_that_cannot_be_made(proxy, curl):
    with refusing_port() as port:
        answer = curl(f"https://127.0.0.1:{port}/", proxy=proxy().url)
    assert (answer.exit_code, answer.facts["http_connect"]) == (56, 502)


def test_a_server_that_cannot_be_reached(proxy, curl):
    running = proxy()
    with refusing_port() as port:
        answer = curl(f"http://127.0.0.1:{port}/", proxy=running.url)
    assert answer.status == 502
    assert b"refused" in answer.body
    (flow,) = running.recorder.wait_for_flows()
    assert "refused" in flow.error.msg


def test_a_name_that_does_not_exist(proxy, curl):
    answer = curl("http://no-such-name.invalid/", proxy=proxy().url)
    assert answer.status == 502
    assert b"no-such-name.invalid" in answer.body


def test_ipv6_on_both_sides(proxy, curl, stack):
    def answer_ok(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(OK)

    origin = ScriptedOrigin(answer_ok, host="::1")
    stack.callback(origin.stop)
    running = proxy(listen_host="::1")
    through = f"http://[::1]:{running.port}"
    assert curl(f"http://[::1]:{origin.port}/x", proxy=through).body == b"ok"
    assert origin.received.startswith(b"GET /x HTTP/1.1\r\nHost: [::1]:%d\r\n" % origin.port)
    (flow,) = running.recorder.wait_for_flows()
    assert (flow.request.host, flow.request.url) == ("::1", f"http://[::1]:{origin.port}/x")
    assert curl(f"http://[::1]:{origin.port}/x", "--proxytunnel", proxy=through).body == b"ok"


# Bodies.


@pytest.mark.parametrize("addons", [(), (Holder(),)], ids=["observed", "held"])
def test_big_downloads(proxy, nginx_origin, big, curl, addons):
    running = proxy(addons=addons)
    plain = curl(nginx_origin.http("/big.bin"), proxy=running.url)
    assert (len(plain.body), digest(plain.body)) == (BIG_SIZE, big)
    secure = curl(nginx_origin.https("/chunked/big.bin"), proxy=running.url, ca=running.ca)
    assert (secure.header("transfer-encoding"), digest(secure.body)) == ("chunked", big)
    assert plain.header("x-held") is None, "what is over stream_large_bodies is on its way before the hook"


@pytest.mark.parametrize("addons", [(), (Holder(),)], ids=["observed", "held"])
@pytest.mark.parametrize("coding", ["Content-Length", "Transfer-Encoding: chunked"])
def test_big_uploads(proxy, scripted_origin, big_file, curl, coding, addons):
    path, expected = big_file
    running = proxy(addons=addons)
    origin = scripted_origin(hashes_its_requests, tls=bool(addons))
    arguments = ["-H", "Expect:", *(["-H", coding] if "chunked" in coding else [])]
    answer = curl(origin.url(), "-X", "POST", "--data-binary", f"@{path}", *arguments, proxy=running.url, ca=running.ca)
    assert answer.body.decode() == expected
    (flow,) = running.recorder.wait_for_flows()
    assert flow.held_back == ""


def test_a_big_put(proxy, nginx_origin, big_file, curl):
    path, expected = big_file
    running = proxy()
    assert curl(nginx_origin.https("/upload/put"), "-T", path, proxy=running.url, ca=running.ca).status == 201
    assert digest(nginx_origin.uploaded("put")) == expected


def test_a_chunked_upload_from_standard_input(proxy, scripted_origin, curl):
    origin = scripted_origin(hashes_its_requests)
    sent = os.urandom(300_000)
    running = proxy()
    answer = curl(origin.url(), "-T", "-", "-H", "Expect:", proxy=running.url, stdin=sent)
    assert answer.body.decode() == digest(sent)
    assert b"\r\ntransfer-encoding: chunked\r\n" in origin.received.lower()
    (flow,) = running.recorder.wait_for_flows()
    assert flow.request.content == sent


def test_bodies_that_an_addon_holds(proxy, scripted_origin, curl):
    origin = scripted_origin(hashes_its_requests)
    sent = os.urandom(300_000)
    running = proxy(addons=(Holder(),))
    answer = curl(origin.url(), "-T", "-", "-H", "Expect:", proxy=running.url, stdin=sent)
    assert (answer.body.decode(), answer.header("x-held")) == (digest(sent), "64")
    assert b"\r\nx-held: 300000\r\n" in origin.received
    (flow,) = running.recorder.wait_for_flows()
    assert flow.held_back == "an addon wants the whole body"


def test_a_form(proxy, scripted_origin, curl, tmp_path):
    (tmp_path / "file").write_bytes(b"\x00\xff" * 10)
    origin = scripted_origin(hashes_its_requests)
    running = proxy()
    assert curl(origin.url(), "-F", "a=1", "-F", f"file=@{tmp_path / 'file'}", proxy=running.url).status == 200
    (flow,) = running.recorder.wait_for_flows()
    assert flow.request.multipart_form.get_all(b"file") == [b"\x00\xff" * 10]


def test_a_body_flows_on_before_it_is_whole(proxy, scripted_origin):
    """Nothing is held back that nobody wants to change: the client has the first part while the server waits."""
    seen = threading.Event()

    def halting(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        assert seen.wait(20)
        connection.send(b"4\r\nlast\r\n0\r\n\r\n")

    origin = scripted_origin(halting)
    running = proxy()
    with RawClient(running.address) as client:
        client.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % origin.url().encode())
        client.read_until(b"5\r\nfirst\r\n")
        seen.set()
        assert client.read_until(b"0\r\n\r\n") == b"4\r\nlast\r\n0\r\n\r\n"


# Trailers, Expect, HEAD and other corners of the protocol.


def test_trailers_from_the_server(proxy, scripted_origin, curl):
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n"
    running = proxy()
    through = curl(scripted_origin(answer).url(), proxy=running.url)
    assert through.body == b"ok"
    assert b"\r\nTrailer: X-Sum\r\n" in through.heads
    assert b"X-Sum: 7\r\n" in through.heads
    (flow,) = running.recorder.wait_for_flows()
    assert flow.response.trailers["x-sum"] == "7"
    with RawClient(running.address) as client:
        origin = scripted_origin(answer)
        client.send(b"GET %s HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: TE\r\n\r\n" % origin.url().encode())
        assert client.read_until(b"X-Sum: 7\r\n\r\n") == answer


@pytest.mark.parametrize("addons", [(), (Holder(),)], ids=["observed", "held"])
def test_trailers_from_the_client(proxy, scripted_origin, addons):
    def with_trailers(connection: ScriptedConnection) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.read_until(b"X-Sum: 7\r\n\r\n")
        connection.send(OK)

    origin = scripted_origin(with_trailers)
    running = proxy(addons=addons)
    with RawClient(running.address) as client:
        client.send(b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % origin.url().encode())
        client.send(b"2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n")
        assert client.read_response().endswith(b"\r\n\r\nok")
    assert origin.received.endswith(b"2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n")
    (flow,) = running.recorder.wait_for_flows()
    assert flow.request.trailers["x-sum"] == "7"


def test_expect_accepted(proxy, scripted_origin, curl):
    def invite(connection: ScriptedConnection) -> None:
        head = connection.read_until(b"\r\n\r\n")
        assert b"\r\nExpect: 100-continue\r\n" in head
        assert len(connection.received) == len(head), "the body was not to come yet"
        connection.send(b"HTTP/1.1 100 Continue\r\nX-Hint: go\r\n\r\n")
        assert connection.read_exactly(6) == b"abcdef"
        connection.send(OK)

    running = proxy()
    arguments = ("-d", "abcdef", "-H", "Expect: 100-continue", "--expect100-timeout", "15")
    answer = curl(scripted_origin(invite).url(), *arguments, proxy=running.url)
    assert answer.heads.startswith(b"HTTP/1.1 100 Continue\r\nX-Hint: go\r\n\r\nHTTP/1.1 200 OK")
    (flow,) = running.recorder.wait_for_flows()
    assert [response.status_code for response in flow.informational] == [100]


def test_expect_refused(proxy, scripted_origin, curl):
    def refuse(connection: ScriptedConnection) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 403 Spare It\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        assert connection.read_to_end() == b""

    running = proxy()
    arguments = ("-X", "POST", "-T", "-", "-H", "Expect: 100-continue", "--expect100-timeout", "15", "--fail-with-body")
    refused = scripted_origin(refuse)
    answer = curl(refused.url(), *arguments, proxy=running.url, stdin=b"abcdef")
    assert refused.wait_for_connections(1)[0].over.wait(20)
    assert (answer.exit_code, answer.body) == (22, b"no")
    assert b"abcdef" not in refused.connections[0].received


def test_expect_unanswered(proxy, scripted_origin, curl):
    origin = scripted_origin(OK)
    arguments = ("-d", "abcdef", "-H", "Expect: 100-continue", "--expect100-timeout", "0.05")
    assert curl(origin.url(), *arguments, proxy=proxy().url).body == b"ok"
    assert origin.received.endswith(b"\r\n\r\nabcdef")


def test_expect_is_answered_by_us_when_an_addon_holds_the_body(proxy, scripted_origin, curl):
    origin = scripted_origin(OK)
    arguments = ("-d", "abcdef", "-H", "Expect: 100-continue", "--expect100-timeout", "15")
    answer = curl(origin.url(), *arguments, proxy=proxy(addons=(Holder(),)).url)
    assert answer.heads.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert b"expect" not in origin.received.lower()
    assert origin.received.endswith(b"\r\n\r\nabcdef")


def test_head(proxy, nginx_origin, curl):
    running = proxy()
    for url in (nginx_origin.http("/text.txt"), nginx_origin.https("/text.txt")):
        answer = curl(url, "--head", proxy=running.url, ca=running.ca)
        assert (answer.status, answer.header("content-length")) == (200, str(len(TEXT)))
    assert curl(nginx_origin.http("/chunked/text.txt"), "--head", proxy=running.url).status == 200
    held = curl(nginx_origin.http("/text.txt"), "--head", proxy=proxy(addons=(Holder(),)).url)
    assert (held.header("content-length"), held.header("x-held")) == (str(len(TEXT)), "0")


def test_ranges(proxy, nginx_origin, curl):
    running = proxy()
    answer = curl(nginx_origin.http("/text.txt"), "--range", "4-8", proxy=running.url)
    assert (answer.status, answer.body) == (206, TEXT[4:9])
    assert answer.header("content-range") == f"bytes 4-8/{len(TEXT)}"


def test_a_broken_download_goes_on(proxy, nginx_origin, curl, tmp_path):
    (tmp_path / "body-0").write_bytes(TEXT[:1000])  # where curl's first answer goes
    answer = curl(nginx_origin.http("/text.txt"), "--continue-at", "-", proxy=proxy().url)
    assert (answer.status, answer.body) == (206, TEXT)


@pytest.mark.parametrize("addons", [(), (Holder(),)], ids=["observed", "held"])
def test_compressed(proxy, nginx_origin, curl, addons):
    running = proxy(addons=addons)
    answer = curl(nginx_origin.http("/gzip/text.txt"), "--compressed", proxy=running.url)
    assert (answer.header("content-encoding"), answer.body) == ("gzip", TEXT)
    (flow,) = running.recorder.wait_for_flows()
    assert flow.response.content == TEXT
    assert flow.response.raw_content.startswith(b"\x1f\x8b")


def test_redirects_are_followed(proxy, nginx_origin, curl):
    running = proxy()
    answer = curl(nginx_origin.http("/moved"), "--location", proxy=running.url)
    assert (answer.status, answer.body, answer.facts["num_redirects"]) == (200, SMALL, 1)
    assert [flow.response.status_code for flow in running.recorder.wait_for_flows(2)] == [302, 200]


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "DELETE", "PATCH", "PROPFIND", "M-SEARCH", "odd"])
def test_methods(proxy, scripted_origin, curl, method):
    origin = scripted_origin(OK)
    assert curl(origin.url("/m"), "-X", method, proxy=proxy().url).body == b"ok"
    assert origin.received.startswith(b"%s /m HTTP/1.1\r\n" % method.encode())


def test_targets_are_kept_as_they_are(proxy, scripted_origin, curl):
    origin = scripted_origin(OK, OK)
    odd = "/a//b/../%7e/%2F?x=%20y&y==&empty=;z|%5B]"
    running = proxy()
    assert curl(origin.url(odd), "--path-as-is", "--globoff", proxy=running.url).status == 200
    assert origin.received.startswith(b"GET %s HTTP/1.1\r\n" % odd.encode())
    assert (
        curl(origin.url(), "--request-target", "*", "-X", "OPTIONS", "--proxytunnel", proxy=running.url).status == 200
    )
    assert origin.connections[-1].received.rpartition(b"OPTIONS ")[2].startswith(b"* HTTP/1.1\r\n")


def test_cookies_and_repeated_fields(proxy, scripted_origin, curl, tmp_path):
    origin = scripted_origin(
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok", OK
    )
    arguments = ("-c", str(tmp_path / "jar"), "-b", "c=3")
    answer = curl(origin.url(), *arguments, origin.url("/again"), "-o", os.devnull, proxy=proxy().url)
    assert answer.heads.count(b"Set-Cookie: ") == 2
    assert b"\r\nCookie: c=3\r\n" in origin.received
    again = origin.received.partition(b"GET /again")[2]
    assert b"a=1" in again
    assert b"b=2" in again


def test_an_early_answer_to_an_upload(proxy, scripted_origin, big_file, curl):
    """The server has heard enough after the head: its answer arrives, and nothing hangs."""

    def hasty(connection: ScriptedConnection) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 413 Too Much\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch")
        connection.finish_sending()
        connection.read_to_end()

    path, _ = big_file
    running = proxy()
    answer = curl(scripted_origin(hasty).url(), "-X", "POST", "-T", path, "-H", "Expect:", proxy=running.url)
    assert (answer.status, answer.body) == (413, b"much")


def test_a_download_cut_short_is_seen_as_cut(proxy, scripted_origin, curl):
    def cut(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")

    def cut_chunk(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n")

    running = proxy()
    for handler in (cut, cut_chunk):
        answer = curl(scripted_origin(handler).url(), proxy=running.url)
        assert answer.exit_code in {18, 56}  # partial file, or receive failure
        assert answer.body == b"part"
    first, second = running.recorder.wait_for_flows(2)
    assert first.error
    assert second.error


def test_a_client_that_leaves_takes_its_server_connection_along(proxy, scripted_origin):
    def endless(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    origin = scripted_origin(endless)
    running = proxy()
    with RawClient(running.address) as client:
        client.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % origin.url().encode())
        client.read_exactly(100_000)
    (connection,) = origin.wait_for_connections(1)
    assert connection.over.wait(20), "the proxy went on reading for nobody"
    (flow,) = running.recorder.wait_for_flows()
    assert "disconnected" in flow.error.msg


# Passwords.


def test_proxy_passwords(proxy, nginx_origin, scripted_origin, curl):
    running = proxy(proxyauth="anna:se cret")
    url, right = nginx_origin.http("/small"), ("--proxy-user", "anna:se cret")
    refused = curl(url, proxy=running.url)
    assert (refused.status, refused.header("proxy-authenticate")[:5]) == (407, "Basic")
    assert curl(url, "--proxy-user", "anna:wrong", proxy=running.url).status == 407
    assert curl(url, *right, proxy=running.url).body == SMALL
    assert curl(url, *right, "--proxy-anyauth", proxy=running.url).body == SMALL
    origin = scripted_origin(OK)
    assert curl(origin.url(), *right, proxy=running.url).body == b"ok"
    assert b"proxy-authorization" not in origin.received.lower()


def test_proxy_passwords_for_tunnels(proxy, nginx_origin, curl):
    running = proxy(proxyauth="anna:secret")
    url, right = nginx_origin.https("/small"), ("--proxy-user", "anna:secret")
    refused = curl(url, proxy=running.url, ca=running.ca)
    assert (refused.exit_code, refused.facts["http_connect"]) == (56, 407)
    assert curl(url, *right, proxy=running.url, ca=running.ca).body == SMALL
    assert curl(url, *right, "--proxy-anyauth", proxy=running.url, ca=running.ca).body == SMALL
    upload = curl(nginx_origin.https("/upload/auth"), *right, "-T", "-", proxy=running.url, ca=running.ca, stdin=b"abc")
    assert upload.status == 201
    assert nginx_origin.uploaded("auth") == b"abc"


def test_passwords_of_the_server_are_none_of_our_business(proxy, scripted_origin, curl):
    asks = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\nContent-Length: 0\r\n\r\n'
    origin = scripted_origin(asks, OK)
    running = proxy(proxyauth="anna:secret")
    arguments = ("--proxy-user", "anna:secret", "--digest", "--user", "u:p")
    assert curl(origin.url(), *arguments, proxy=running.url).body == b"ok"
    assert b"\r\nAuthorization: Digest username" in origin.received


# Ways to speak to a proxy.


def test_a_proxy_spoken_to_in_tls(proxy, nginx_origin, curl):
    running = proxy()
    secure = running.url.replace("http:", "https:")
    assert curl(nginx_origin.http("/small"), proxy=secure, ca=running.ca).body == SMALL
    inside = curl(nginx_origin.https("/text.txt"), proxy=secure, ca=running.ca)
    assert (inside.body, inside.facts["ssl_verify_result"], inside.facts["proxy_ssl_verify_result"]) == (TEXT, 0, 0)
    upload = curl(nginx_origin.https("/upload/twice"), "-T", "-", proxy=secure, ca=running.ca, stdin=b"x" * 10**6)
    assert upload.status == 201
    assert nginx_origin.uploaded("twice") == b"x" * 10**6


def test_a_tunnel_asked_for_in_http_1_0(proxy, nginx_origin, curl):
    running = proxy()
    through = ("--proxy1.0", running.url.removeprefix("http://"))
    assert curl(nginx_origin.https("/small"), *through, proxy=running.url, ca=running.ca).body == SMALL


def test_fields_for_the_proxy_stay_with_it(proxy, scripted_origin, curl):
    origin = scripted_origin(OK, OK)
    running = proxy()
    for tunnel in ((), ("--proxytunnel",)):
        answer = curl(origin.url(), *tunnel, "--proxy-header", "Proxy-Connection: Keep-Alive", proxy=running.url)
        assert answer.body == b"ok"
    assert all(b"proxy-connection" not in made.received.lower() for made in origin.connections)


def test_an_upgrade_to_h2c_is_not_offered_to_the_server(proxy, scripted_origin, curl):
    origin = scripted_origin(OK)
    assert curl(origin.url(), "--http2", proxy=proxy().url).body == b"ok"
    assert b"upgrade" not in origin.received.lower()
    assert b"http2-settings" not in origin.received.lower()


def test_schemes_that_are_not_ours_are_refused(proxy, curl):
    answer = curl("ftp://127.0.0.1/file", proxy=proxy().url)
    assert 400 <= answer.status < 600
    assert b"ftp" in answer.body


def test_a_browser_that_takes_the_proxy_for_a_server(proxy, curl):
    running = proxy()
    answer = curl(f"{running.url}/some/page")
    assert 400 <= answer.status < 600
    assert b"proxy" in answer.body


# Limits.


def test_large_heads(proxy, scripted_origin, curl):
    large = b"x" * 50_000
    origin = scripted_origin(b"HTTP/1.1 200 OK\r\nX-Large: %s\r\nContent-Length: 2\r\n\r\nok" % large)
    running = proxy()
    answer = curl(origin.url(), "-H", f"X-Large: {large.decode()}", proxy=running.url)
    assert (answer.body, answer.header("x-large")) == (b"ok", large.decode())
    assert large in origin.received
    assert curl(origin.url(), "-H", f"X-Large: {'x' * 70_000}", proxy=running.url).status == 431
    too_large = scripted_origin(b"HTTP/1.1 200 OK\r\nX-Large: %s\r\nContent-Length: 2\r\n\r\nok" % (b"x" * 70_000))
    assert curl(too_large.url(), proxy=running.url).status == 502


def test_body_size_limit(proxy, nginx_origin, scripted_origin, curl):
    running = proxy(body_size_limit="10k")
    assert curl(nginx_origin.http("/text.txt"), proxy=running.url).status == 502
    assert curl(nginx_origin.http("/small"), proxy=running.url).body == SMALL
    origin = scripted_origin(OK)
    assert curl(origin.url(), "--data-binary", "x" * 20_000, "-H", "Expect:", proxy=running.url).status == 413
    chunked = curl(origin.url(), "-T", "-", "-H", "Expect:", proxy=running.url, stdin=b"x" * 20_000)
    assert chunked.status == 413
    late = curl(nginx_origin.http("/chunked/text.txt"), proxy=running.url)
    assert late.status == 502 or late.exit_code in {18, 56}


def test_many_requests_on_many_connections(proxy, nginx_origin, curl):
    running = proxy()
    urls = [f"{nginx_origin.https('/seen')}?[1-100]", "-o", os.devnull]
    plain = [f"{nginx_origin.http('/seen')}?[1-100]", "-o", os.devnull]
    answer = curl(nginx_origin.https("/small"), "--parallel", *urls, *plain, proxy=running.url, ca=running.ca)
    assert answer.exit_code == 0
    flows = running.recorder.wait_for_flows(201)
    assert {flow.response.status_code for flow in flows} == {200}
    for flow in flows:
        if flow.request.path != "/small":
            assert flow.response.text.startswith(f"GET {flow.request.path} HTTP/1.1\n")
