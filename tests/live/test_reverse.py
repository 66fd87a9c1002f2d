"""Reverse mode before a real server, clear text and TLS on either side."""

import socket
import ssl

import pytest

from livekit.nginx import SMALL


@pytest.mark.parametrize("front", ["http", "https"])
@pytest.mark.parametrize("back", ["http", "https"])
def test_md_14_fronts_and_backs(proxy, nginx_origin, curl, front, back):
    port = nginx_origin.https_port if back == "https" else nginx_origin.http_port
    running = proxy(f"reverse:{back}://localhost:{port}")
    answer = curl(f"{front}://localhost:{running.port}/seen", ca=running.ca)
    request, host, scheme, *sni = answer.body.decode().splitlines()
    assert request == "GET /seen HTTP/1.1"
    assert host == f"localhost:{port}"
    assert scheme == back
    assert sni == (["localhost"] if back == "https" else [""])


def test_md_13_host_kept(proxy, nginx_origin, curl):
    running = proxy(f"reverse:http://127.0.0.1:{nginx_origin.http_port}", keep_host_header=True)
    answer = curl(f"{running.url}/seen", "-H", "Host: front.example")
    assert answer.body.decode().splitlines()[1] == "front.example"


def test_md_15_redirects_lead_back_to_the_proxy(proxy, nginx_origin, curl):
    running = proxy(f"reverse:http://127.0.0.1:{nginx_origin.http_port}")
    answer = curl(f"{running.url}/moved", "-L")
    assert answer.body == SMALL
    assert answer.facts["url_effective"].startswith(running.url)


def test_tls_relayed_as_bytes(proxy, nginx_origin, authority):
    running = proxy(f"reverse:tls://localhost:{nginx_origin.https_port}")
    with socket.create_connection(running.address, 20) as client:
        client.sendall(b"GET /small HTTP/1.0\r\n\r\n")
        data = b""
        while piece := client.recv(65536):
            data += piece
    assert data.endswith(SMALL)
    assert len(running.recorder.wait_for_tcp_flows()) == 1
    context = ssl.create_default_context(cafile=running.ca)
    with (
        socket.create_connection(running.address, 20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as client,
    ):
        client.sendall(b"GET /small HTTP/1.0\r\n\r\n")
        assert client.recv(65536)
