"""What only pyOpenSSL's endpoint does; what both do is in `test_endpoint.py`."""

import pytest
from OpenSSL import SSL

from midstream.errors import UsageError
from midstream.wire.tls import StdlibEndpoint
from midstream.wire.tls.openssl import OpenSSLEndpoint, _reason


@pytest.fixture
def pair(pki, wire):
    """A server that takes any client certificate, and a client with one that nobody knows."""
    server = SSL.Context(SSL.TLS_METHOD)
    server.use_certificate_chain_file(pki.server)
    server.use_privatekey_file(pki.server)
    server.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    client = SSL.Context(SSL.TLS_METHOD)
    client.use_certificate_chain_file(pki.client)
    client.use_privatekey_file(pki.client)
    return lambda: wire(OpenSSLEndpoint.over(client, server_side=False), OpenSSLEndpoint.over(server, server_side=True))


def test_any_client_certificate_is_accepted_and_seen(pair):
    link = pair()
    link.handshake()
    assert link.server.endpoint.is_established
    assert b"somebody" in link.server.endpoint.peer_chain[0]


def test_tls_36_the_suite_of_tls_1_3_is_chosen(pki, wire):
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_tls13_ciphersuites(b"TLS_CHACHA20_POLY1305_SHA256")
    server = SSL.Context(SSL.TLS_METHOD)
    server.use_certificate_chain_file(pki.server)
    server.use_privatekey_file(pki.server)
    link = wire(OpenSSLEndpoint.over(context, server_side=False), OpenSSLEndpoint.over(server, server_side=True))
    link.handshake()
    assert link.client.endpoint.cipher == "TLS_CHACHA20_POLY1305_SHA256"


def test_a_connection_that_a_script_made_is_taken_over(pki, wire):
    context = SSL.Context(SSL.TLS_METHOD)
    context.use_certificate_chain_file(pki.server)
    context.use_privatekey_file(pki.server)
    connection = SSL.Connection(context, None)
    endpoint = OpenSSLEndpoint(connection, server_side=True)
    client = OpenSSLEndpoint(SSL.Connection(SSL.Context(SSL.TLS_METHOD), None), server_side=False)
    link = wire(client, endpoint)
    link.handshake()
    assert endpoint.is_established
    assert endpoint.connection is connection


def test_an_international_name_is_asked_for_as_a_labels():
    endpoint = OpenSSLEndpoint.over(SSL.Context(SSL.TLS_METHOD), server_side=False, server_hostname="bücher.example")
    assert b"xn--bcher-kva.example" in endpoint.start()


def test_a_session_must_be_of_openssl(pki):
    context = SSL.Context(SSL.TLS_METHOD)
    with pytest.raises(UsageError, match="pyOpenSSL"):
        OpenSSLEndpoint.over(context, server_side=False, session=StdlibEndpoint)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SSL.Error([("SSL routines", "", "first"), ("SSL routines", "", "last")]), "last"),
        (SSL.Error([]), "[]"),
        (SSL.Error(), ""),
        (SSL.SysCallError(-1, "Unexpected EOF"), "unexpected eof while reading"),
    ],
)
def test_the_reason_is_the_last_of_the_queue(error, reason):
    assert _reason(error) == reason
