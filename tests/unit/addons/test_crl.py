import asyncio

import pytest
from cryptography import x509

from midstream.addon import Cert
from midstream.hooks.data import Context, TlsData
from midstream.pki.names import LeafNames

GET = b"%s http://crl.a.test%s HTTP/1.1\r\nHost: crl.a.test\r\n\r\n"


@pytest.fixture
def shown(make_flow, within):
    """A function that lets a handshake with a client be over, in which it was shown a certificate."""

    def show(made, names: LeafNames | None) -> None:
        flow = make_flow()
        if names is not None:
            flow.client_conn.mitmcert = Cert(made.certificates.leaf_for(names).certificate)
        with within(made):
            made.hooks.tls_established_client[0].call(
                TlsData(flow.client_conn, Context(flow.client_conn, flow.server_conn))
            )

    return show


def test_before_a_certificate_named_the_list_no_request_is_looked_at(scenario, shown):
    made = scenario()
    shown(made, None)
    shown(made, LeafNames("a.test"))
    assert made.hooks.requestheaders == ()


def test_afterwards_the_empty_list_is_served_on_every_host(scenario, shown):
    made = scenario()
    names = LeafNames("a.test", crl_url="http://crl.a.test/its.crl")
    shown(made, names)
    shown(made, names)
    client = made.client()
    path = made.authority.crl_path.encode()
    client.sends(GET % (b"GET", path))
    head, _, body = client.received().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"Content-Type: application/pkix-crl" in head
    revoked = x509.load_der_x509_crl(body)
    assert list(revoked) == []
    assert revoked.issuer == made.authority.certificate.subject
    assert made.servers == []


def test_other_paths_go_on_to_the_server(scenario, shown):
    made = scenario()
    shown(made, LeafNames("a.test", crl_url="http://crl.a.test/its.crl"))
    made.client().sends(GET % (b"GET", b"/its.crl"))
    assert made.servers[0].address == ("crl.a.test", 80)
    assert not any(not handler.observes for handler in made.hooks.requestheaders)


def test_what_another_addon_answered_stays(scenario, shown, make_flow, within):
    made = scenario()
    shown(made, LeafNames("a.test", crl_url="http://crl.a.test/its.crl"))
    flow = make_flow(f"http://a.test{made.authority.crl_path}")
    with within(made):
        made.hooks.requestheaders[0].call(flow)
    assert flow.response.content == b"hello"


def test_handshakes_with_servers_do_not_matter(scenario, make_flow):
    made = scenario()
    flow = make_flow()
    made.hooks.tls_established_client[0].call(TlsData(flow.server_conn, Context(flow.client_conn, flow.server_conn)))
    assert made.hooks.requestheaders == ()


def test_in_an_engine(engine, ask, shown):
    async def main():
        async with engine() as opened:
            shown(opened, LeafNames("a.test", crl_url="http://crl.a.test/its.crl"))
            path = opened.authority.crl_path.encode()
            return await ask(opened, GET % (b"GET", path))

    answer = asyncio.run(main())
    assert list(x509.load_der_x509_crl(answer.partition(b"\r\n\r\n")[2])) == []
