import asyncio
import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from midstream.addon import OptionsError

GET = b"GET http://mid.st%s HTTP/1.1\r\nHost: mid.st\r\n\r\n"


@pytest.fixture
def visit(scenario):
    """A function that asks the page's host for something, and returns head and body."""

    def get(path: bytes = b"/", **options) -> tuple[str, bytes]:
        made = scenario(**options)
        client = made.client()
        client.sends(GET % path)
        head, _, body = client.received().partition(b"\r\n\r\n")
        assert made.servers == []
        assert made.dialled == []
        return head.decode(), body

    return get


def test_the_page_stands_on_its_own(visit):
    head, body = visit()
    page = body.decode()
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    assert "Content-Type: text/html; charset=utf-8" in head
    assert not re.search(r"""(src|href)=["'](?!/cert/|https://mid\.st/)""", page), "it loads nothing from elsewhere"
    assert "@import" not in page
    assert "url(" not in page
    assert "$" not in page.replace("$HOME", "")


def test_its_policy_allows_its_own_style_and_script_alone(visit):
    head, body = visit()
    nonce = re.search(r"script-src 'nonce-([\w-]{16,})'", head)[1]
    assert (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src https://mid.st;"
        in head
    )
    assert re.findall(r'<(script|style) nonce="([\w-]+)"', body.decode()) == [("style", nonce), ("script", nonce)]
    assert " style=" not in body.decode()
    assert " onclick=" not in body.decode()
    assert nonce not in visit()[0], "each answer has its own"


@pytest.mark.parametrize(
    "name",
    ["Linux", "macOS", "Windows", "iPhone", "Android", "Firefox", "Chrome", "Java", "Node.js", "Python", "Docker"],
)
def test_every_platform_is_told_what_to_do(visit, name):
    assert re.search(rf"<summary>[^<]*{re.escape(name)}", visit()[1].decode())


def test_the_fingerprint_is_that_of_the_certificate(visit, scenario):
    assert scenario().authority.fingerprint in visit()[1].decode()


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [("pem", "application/x-x509-ca-cert"), ("cer", "application/x-x509-ca-cert"), ("p12", "application/x-pkcs12")],
)
def test_downloads_hold_the_certificate_and_never_the_key(visit, scenario, kind, content_type):
    head, body = visit(f"/cert/{kind}".encode())
    assert f"Content-Type: {content_type}\r\n" in head
    assert f'Content-Disposition: inline; filename="midstream-ca-cert.{kind}"' in head
    assert b"PRIVATE KEY" not in body
    if kind == "p12":
        bundle = pkcs12.load_pkcs12(body, None)
        assert bundle.key is None
        found = bundle.additional_certs[0].certificate
    else:
        found = x509.load_pem_x509_certificate(body)
    assert found == scenario().authority.certificate


def test_the_trust_check_may_be_asked_by_the_page(visit):
    head, body = visit(b"/trust-check?1")
    assert head.startswith("HTTP/1.1 204 No Content\r\n")
    assert "Access-Control-Allow-Origin: *" in head
    assert body == b""


@pytest.mark.parametrize("path", [b"/", b"/cert/pem", b"/favicon.ico", b"/trust-check"])
def test_nothing_of_it_is_kept_or_guessed_at(visit, path):
    head, _ = visit(path)
    assert "Cache-Control: no-store" in head
    assert "X-Content-Type-Options: nosniff" in head


def test_other_paths_are_not_found(visit):
    head, body = visit(b"/cert/../../etc/passwd")
    assert head.startswith("HTTP/1.1 404 ")
    assert b"http://mid.st/" in body


def test_md_23_all_ports_and_any_case(scenario):
    for target, host in ((b"http://mid.st:8123/", b"mid.st:8123"), (b"http://MID.st/", b"MID.st")):
        client = scenario().client()
        client.sends(b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target, host))
        assert client.received().startswith(b"HTTP/1.1 200 OK\r\n")


def test_md_23_head(scenario):
    client = scenario().client()
    client.sends((GET % b"/cert/pem").replace(b"GET", b"HEAD"))
    head, _, body = client.received().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert re.search(rb"(?i)\r\nContent-Length: [1-9]", head)
    assert body == b""
    client.sends(GET % b"/trust-check")
    assert client.received().startswith(b"HTTP/1.1 204 ")


def test_it_can_only_be_read(scenario):
    client = scenario().client()
    client.sends(b"POST http://mid.st/ HTTP/1.1\r\nHost: mid.st\r\nContent-Length: 2\r\n\r\nab")
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nAllow: GET, HEAD\r\n" in answer


def test_md_23_reverse_mode_tells_it_by_the_host_field(scenario):
    made = scenario("reverse:http://a.test")
    client = made.client()
    client.sends(b"GET / HTTP/1.1\r\nHost: mid.st:8080\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 200 OK\r\n")
    assert made.dialled == []


def test_md_23_socks_clients(scenario):
    made = scenario("socks5")
    client = made.client()
    client.sends(b"\x05\x01\x00" + b"\x05\x01\x00\x03\x06mid.st\x00\x50" + b"GET / HTTP/1.1\r\nHost: mid.st\r\n\r\n")
    assert b"HTTP/1.1 200 OK\r\n" in client.received()
    assert made.dialled == []


def test_other_hosts_are_left_alone(scenario):
    made = scenario()
    made.client().sends(b"GET http://xmid.st/ HTTP/1.1\r\nHost: mid.st\r\n\r\n")
    assert made.servers[0].address == ("xmid.st", 80)


def test_it_can_be_switched_off_and_renamed(scenario):
    made = scenario(onboarding=False)
    assert made.hooks.hosts == {}
    made.options.update(onboarding=True, onboarding_host="Hello.test")
    assert list(made.hooks.hosts) == ["hello.test"]
    client = made.client()
    client.sends(b"GET http://hello.test/ HTTP/1.1\r\nHost: hello.test\r\n\r\n")
    answer = client.received()
    assert b"https://hello.test/trust-check" in answer
    assert b"connect-src https://hello.test;" in answer


@pytest.mark.parametrize("host", ["", "mid.st; script-src *", "a b", "<b>", "http://mid.st"])
def test_the_host_must_be_a_name(scenario, host):
    with pytest.raises(OptionsError, match="onboarding_host: expected a host name"):
        scenario(onboarding_host=host)


def test_the_password_is_asked_for_here_too(scenario):
    client = scenario(proxyauth="me:secret").client()
    client.sends(GET % b"/")
    assert client.received().startswith(b"HTTP/1.1 407 ")


def test_md_23_https_in_an_engine(engine, ask_through_tunnel):
    class Shown:
        def tls_established_client(self, data):
            certificates.append(data.context.client.mitmcert)

    certificates = []

    async def main():
        async with engine(addons=[Shown()]) as opened:
            return await ask_through_tunnel(
                opened, "mid.st", b"GET /trust-check HTTP/1.1\r\nHost: mid.st\r\nConnection: close\r\n\r\n"
            )

    assert asyncio.run(main()).startswith(b"HTTP/1.1 204 ")
    assert list(certificates[0].altnames) == ["mid.st"]
