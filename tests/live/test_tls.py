"""TLS with real clients: what openssl and curl say of our certificates, versions, sessions and alerts."""

import re
import ssl
import subprocess

import pytest

from livekit.scripted import replies
from livekit.tools import TIME_LIMIT, need
from midstream.addon import observe

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Failures:
    def __init__(self):
        self.errors = []

    @observe
    def tls_failed_client(self, data):
        self.errors.append(data.conn.error)


@pytest.fixture
def s_client(nginx_origin):
    """Run `openssl s_client` through the proxy; return what it printed."""

    def run(proxy, *arguments, target=None, ca=None, stdin=b"Q\n"):
        target = target or f"localhost:{nginx_origin.https_port}"
        command = [need("openssl", "openssl"), "s_client", "-connect", target, "-proxy", f"127.0.0.1:{proxy.port}"]
        command += ["-CAfile", str(ca or proxy.ca), "-servername", "localhost", "-verify_return_error", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=TIME_LIMIT)
        return (done.stdout + done.stderr).decode(errors="replace")

    return run


def test_tls_10_openssl_accepts_our_certificate_strictly(proxy, s_client):
    running = proxy()
    said = s_client(running, "-x509_strict", "-verify_hostname", "localhost")
    assert "Verify return code: 0 (ok)" in said
    assert "TLSv1.3" in said


def test_tls_35_the_leaf_mirrors_the_servers(proxy, s_client):
    said = s_client(proxy(), "-showcerts")
    pem = re.search(r"-----BEGIN.*?-----END CERTIFICATE-----", said, re.DOTALL)[0]
    text = subprocess.run(
        [need("openssl", "openssl"), "x509", "-noout", "-text"],
        input=pem.encode(),
        capture_output=True,
        check=True,
        timeout=TIME_LIMIT,
    ).stdout.decode()
    assert "DNS:localhost, IP Address:127.0.0.1" in text
    assert "TLS Web Server Authentication" in text


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_tls_17_versions(proxy, s_client, version):
    said = s_client(proxy(), version)
    assert "Verify return code: 0 (ok)" in said
    assert version[1:].replace("tls1_", "TLSv1.") in said


def test_tls_17_a_version_that_is_not_allowed_gets_an_alert(proxy, s_client):
    said = s_client(proxy(tls_version_client_min="TLS1_3"), "-tls1_2")
    assert "alert protocol version" in said


def test_ob_12_no_cbc_and_no_static_rsa_by_default(proxy, s_client):
    running = proxy()
    for cipher in ("AES128-SHA", "ECDHE-RSA-AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA"):
        assert "alert handshake failure" in s_client(running, "-tls1_2", "-cipher", f"{cipher}@SECLEVEL=0")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_tls_30_sessions_are_resumed(proxy, s_client, tmp_path, version):
    running = proxy()
    kept = str(tmp_path / "session")
    request = b"GET /small HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    first = s_client(running, version, "-sess_out", kept, "-ign_eof", stdin=request)
    assert "a small answer" in first
    again = s_client(running, version, "-sess_in", kept, "-ign_eof", stdin=request)
    assert "Reused, TLSv1" in again
    assert "a small answer" in again


def test_tls_29_a_client_that_does_not_trust_us_is_named(proxy, s_client, authority, caplog):
    failures = Failures()
    said = s_client(proxy(addons=(failures,)), ca=authority.path)
    assert "verify error" in said
    assert failures.errors
    assert "does not accept our certificate" in failures.errors[0]


def test_tls_33_plain_http_to_a_tls_origin_and_back(proxy, nginx_origin, curl):
    running = proxy()
    answer = curl(f"http://localhost:{nginx_origin.https_port}/small", proxy=running.url)
    assert answer.status == 400
    assert b"plain HTTP request was sent to HTTPS port" in answer.body
    answer = curl(f"https://localhost:{nginx_origin.http_port}/small", proxy=running.url, ca=running.ca)
    assert answer.status == 502
    assert b"TLS" in answer.body


def test_tls_37_an_expired_certificate_is_a_502_that_says_so(proxy, scripted_origin, authority, curl):
    expired = authority.issue("localhost", days=-1, starts_in_days=-10).server_context()
    origin = scripted_origin(OK, tls=True, context=expired)
    running = proxy()
    answer = curl(origin.url(), proxy=running.url, ca=running.ca)
    assert answer.status == 502
    assert b"expired" in answer.body


def test_tls_37_another_name_is_a_502_that_says_so(proxy, scripted_origin, authority, curl):
    other = authority.issue("other.example").server_context()
    origin = scripted_origin(OK, tls=True, context=other)
    running = proxy()
    answer = curl(origin.url(), proxy=running.url, ca=running.ca)
    assert answer.status == 502
    assert b"localhost" in answer.body


def test_tls_22_a_client_certificate_is_shown_to_the_server(proxy, scripted_origin, authority, curl, tmp_path):
    context = authority.issue("localhost").server_context()
    context.load_verify_locations(authority.path)
    context.verify_mode = ssl.CERT_REQUIRED
    ours = authority.issue("client.example")
    (tmp_path / "client.pem").write_bytes(ours.key.read_bytes() + ours.certificate.read_bytes())
    running = proxy(client_certs=str(tmp_path / "client.pem"))
    origin = scripted_origin(replies(OK), tls=True, context=context)
    assert curl(origin.url(), proxy=running.url, ca=running.ca).body == b"ok"


def test_tls_31_the_secrets_of_both_legs_are_logged(proxy, nginx_origin, curl, tmp_path):
    running = proxy(tls_keylog_file=str(tmp_path / "keys"))
    assert curl(nginx_origin.https("/small"), proxy=running.url, ca=running.ca).status == 200
    lines = (tmp_path / "keys").read_text().splitlines()
    randoms = {line.split()[1] for line in lines if line.startswith("CLIENT_TRAFFIC_SECRET_0")}
    assert len(randoms) == 2


def test_tls_32_https_to_the_proxy(proxy, nginx_origin, curl):
    running = proxy()
    through = f"https://localhost:{running.port}"
    assert curl(nginx_origin.https("/small"), proxy=through, ca=running.ca).status == 200
    assert curl(nginx_origin.http("/small"), proxy=through, ca=running.ca).status == 200
    assert len(running.recorder.wait_for_flows(2)) == 2


def test_ignore_hosts_shows_the_servers_own_certificate(proxy, nginx_origin, curl, authority):
    running = proxy(ignore_hosts=[r"^localhost:"])
    assert curl(nginx_origin.https("/small"), proxy=running.url, ca=authority.path).status == 200
    assert running.flows == []
