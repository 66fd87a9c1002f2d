"""A first look at the whole: midstream between real clients and a real origin, in the ways people start it."""

import socket
import subprocess
import sys

import pytest

from livekit.nginx import LARGE_SIZE, SMALL
from livekit.tools import TIME_LIMIT
from midstream.errors import UsageError


def test_plain_http_through_a_forward_proxy(proxy, nginx_origin, curl):
    running = proxy()
    answer = curl(nginx_origin.http("/small"), proxy=running.url)
    assert (answer.status, answer.body) == (200, SMALL)
    (flow,) = running.recorder.wait_for_flows()
    assert flow.request.path == "/small"
    assert flow.response.content == SMALL
    assert running.recorder.calls == ["requestheaders", "request", "responseheaders", "response"]


def test_https_through_a_forward_proxy_is_seen_in_clear_text(proxy, nginx_origin, curl):
    running = proxy()
    answer = curl(nginx_origin.https("/seen"), proxy=running.url, ca=running.ca)
    assert answer.body.decode().splitlines()[2:] == ["https", "localhost"]
    (flow,) = running.recorder.wait_for_flows()
    assert flow.request.url == nginx_origin.https("/seen")
    assert flow.client_conn.tls_established
    assert flow.server_conn.tls_established


def test_a_client_that_does_not_trust_us_gets_nothing(proxy, nginx_origin, authority, curl):
    running = proxy()
    assert curl(nginx_origin.https("/small"), proxy=running.url, ca=authority.path).exit_code == 60
    assert running.flows == []


def test_origin_with_an_unknown_authority_is_refused(proxy, nginx_origin, curl):
    running = proxy(ssl_verify_upstream_trusted_ca=None)
    answer = curl(nginx_origin.https("/small"), proxy=running.url, ca=running.ca)
    assert answer.status == 502
    assert SMALL not in answer.body


def test_reverse_proxy_to_tls(proxy, nginx_origin, curl):
    running = proxy(f"reverse:https://localhost:{nginx_origin.https_port}")
    assert curl(f"{running.url}/small").body == SMALL


def test_parent_proxies(proxy, http_parent, socks_parent, nginx_origin, curl):
    parent = http_parent()
    running = proxy(f"upstream:{parent.spec}")
    assert curl(nginx_origin.https("/small"), proxy=running.url, ca=running.ca).body == SMALL
    assert parent.heads[0].startswith(b"CONNECT localhost:")
    socks = socks_parent()
    running = proxy(f"upstream:{socks.spec}")
    assert curl(nginx_origin.http("/small"), proxy=running.url).body == SMALL
    assert socks.targets == [("127.0.0.1", nginx_origin.http_port)]


def test_socks5_clients(proxy, nginx_origin, curl):
    running = proxy("socks5")
    through = f"socks5h://127.0.0.1:{running.port}"
    assert curl(nginx_origin.http("/small"), proxy=through).body == SMALL
    assert curl(nginx_origin.https("/small"), proxy=through, ca=running.ca).body == SMALL


def test_several_modes_in_one_engine(proxy, nginx_origin, curl):
    running = proxy(["regular@127.0.0.1:0", f"reverse:http://127.0.0.1:{nginx_origin.http_port}@127.0.0.1:0"])
    host, port = running.address_of(1)
    assert curl(f"http://{host}:{port}/small").body == SMALL
    assert curl(nginx_origin.http("/small"), proxy=running.url).body == SMALL


def test_large_bodies_pass_whole_both_ways(proxy, nginx_origin, curl, tmp_path):
    running = proxy()
    down = curl(nginx_origin.http("/large.bin"), proxy=running.url)
    assert len(down.body) == LARGE_SIZE
    (tmp_path / "upload").write_bytes(bytes(range(256)) * 2**15)
    assert curl(nginx_origin.http("/upload/large"), "-T", str(tmp_path / "upload"), proxy=running.url).status == 201
    assert nginx_origin.uploaded("large") == bytes(range(256)) * 2**15


def test_odd_bytes_survive(proxy, scripted_origin, curl):
    answer = b"HTTP/1.1 200 All  Well\r\nx-ODD: 1\r\nX-odd: 2\r\nempty:\r\nContent-Length: 2\r\n\r\nok"
    origin = scripted_origin(answer)
    through = curl(origin.url(), "-H", "ACCEPT: x", "-H", "x-Twice: a", "-H", "X-twice: b", proxy=proxy().url)
    assert through.heads + through.body == answer
    assert b"\r\nACCEPT: x\r\nx-Twice: a\r\nX-twice: b\r\n" in origin.received


def test_addons_change_what_passes(proxy, nginx_origin, curl):
    class Marker:
        def response(self, flow):
            flow.response.headers["x-seen"] = "yes"
            flow.response.text = "changed"

    answer = curl(nginx_origin.http("/small"), proxy=proxy(addons=(Marker(),)).url)
    assert (answer.body, answer.header("x-seen"), answer.header("content-length")) == (b"changed", "yes", "7")


def test_a_taken_port_is_a_usage_error(proxy):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises((UsageError, OSError), match=str(port)):
            proxy(listen_port=port)


def test_a_browser_accepts_our_certificates(proxy, nginx_origin, chromium):
    running = proxy()
    chromium.trust(running.ca)
    assert "It works" in chromium.open(nginx_origin.https("/index.html"), proxy=running.url)
    assert any(flow.request.path == "/index.html" for flow in running.recorder.wait_for_flows())


def test_python_clients_follow_the_environment(proxy, nginx_origin):
    running = proxy()
    program = f"import requests; print(requests.get('{nginx_origin.https('/small')}', timeout=10).text, end='')"
    environment = running.environment() | {"no_proxy": "", "NO_PROXY": ""}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, timeout=TIME_LIMIT, check=False
    )
    assert done.stdout == SMALL, done.stderr.decode()
    assert len(running.recorder.wait_for_flows()) == 1
