"""Both kinds of endpoint against each other, in memory: four pairs for nearly every case."""

import gc
import ssl
import weakref

import pytest
from OpenSSL import SSL

from midstream.errors import UsageError
from midstream.wire.tls import StdlibEndpoint, TlsError
from midstream.wire.tls import endpoint as endpoint_module

HELLO = b"a message"


@pytest.fixture
def joined(client, server, wire):
    link = wire(client(), server())
    link.handshake()
    return link


@pytest.mark.parametrize("version", [12, 13])
@pytest.mark.parametrize("piece", [0, 1, 7])
def test_a_handshake_establishes_both_ends(client, server, wire, version, piece):
    client.only(version)
    client.alpn("h2", "http/1.1")
    server.alpn("http/1.1")
    link = wire(client(), server(), piece)
    link.handshake()
    for side in link.client, link.server:
        endpoint = side.endpoint
        assert side.error is None
        assert endpoint.is_established
        assert not endpoint.is_closed
        assert endpoint.version == f"TLSv1.{version - 10}"
        assert "AES" in endpoint.cipher or "CHACHA" in endpoint.cipher
        assert endpoint.alpn == b"http/1.1"
        assert not endpoint.was_resumed
    assert len(link.client.endpoint.peer_chain) == 1
    assert link.server.endpoint.peer_chain == []


@pytest.mark.parametrize("piece", [0, 1, 1000])
def test_data_arrives_in_both_directions(client, server, wire, piece):
    link = wire(client(), server(), piece)
    link.handshake()
    link.to_server(link.client.endpoint.send(HELLO))
    link.to_client(link.server.endpoint.send(HELLO * 3))
    assert link.server.plain == HELLO
    assert link.client.plain == HELLO * 3


@pytest.mark.parametrize("size", [16384, 16385, 300_000])
def test_large_data_is_cut_into_records_and_put_together(joined, size):
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    joined.to_server(joined.client.endpoint.send(data))
    assert joined.server.plain == data


def test_nothing_sent_is_nothing_on_the_wire(joined):
    assert joined.client.endpoint.send(b"") == b""


def test_facts_are_empty_before_the_handshake(client):
    endpoint = client()
    assert (endpoint.version, endpoint.cipher, endpoint.alpn) == ("", "", None)
    assert endpoint.peer_chain == []
    assert not endpoint.was_resumed


def test_a_server_starts_with_silence(server):
    endpoint = server()
    assert endpoint.start() == b""
    assert endpoint.receive(b"") == b""
    assert endpoint.take_output() == b""


def test_what_is_sent_early_is_kept_until_the_handshake_is_complete(client, server, wire):
    link = wire(client(), server())
    assert link.client.endpoint.send(HELLO) == b""
    assert link.server.endpoint.send(HELLO * 2) == b""
    link.handshake()
    assert link.server.plain == HELLO
    assert link.client.plain == HELLO * 2


def test_a_long_early_message_is_kept_whole(client, server, wire):
    link = wire(client(), server())
    link.client.endpoint.send(HELLO * 30_000)
    link.handshake()
    assert link.server.plain == HELLO * 30_000


def test_tls_17_settings_without_a_version_fail_at_the_start(client):
    if isinstance(client.context, ssl.SSLContext):
        client.context.minimum_version = ssl.TLSVersion.TLSv1_3
        client.context.maximum_version = ssl.TLSVersion.TLSv1_2
    else:
        client.context.set_min_proto_version(SSL.TLS1_3_VERSION)
        client.context.set_max_proto_version(SSL.TLS1_2_VERSION)
    endpoint = client()
    with pytest.raises(TlsError, match="our own TLS settings") as caught:
        endpoint.start()
    assert caught.value.kind == "version"
    assert endpoint.receive(b"x") == b""


def test_alpn_without_agreement_is_none(joined):
    assert joined.client.endpoint.alpn is None


# Ending


def test_close_says_close_notify_and_lets_the_other_side_finish(joined):
    joined.to_server(joined.client.endpoint.close())
    assert joined.server.endpoint.is_closed
    assert not joined.client.endpoint.is_closed
    joined.to_client(joined.server.endpoint.send(HELLO))
    assert joined.client.plain == HELLO
    joined.to_client(joined.server.endpoint.close())
    assert joined.client.endpoint.is_closed
    assert joined.client.endpoint.eof() is False
    assert joined.server.endpoint.eof() is False


def test_data_with_close_notify_behind_it_is_delivered(joined):
    client = joined.client.endpoint
    joined.to_server(client.send(HELLO) + client.close())
    assert joined.server.plain == HELLO
    assert joined.server.endpoint.is_closed


def test_close_a_second_time_says_nothing(joined):
    assert joined.client.endpoint.close()
    assert joined.client.endpoint.close() == b""


def test_nothing_is_sent_after_close(joined):
    joined.client.endpoint.close()
    assert joined.client.endpoint.send(HELLO) == b""


def test_close_before_the_handshake_drops_what_was_kept(client, server, wire):
    link = wire(client(), server())
    link.client.endpoint.send(HELLO)
    assert link.client.endpoint.close() == b""
    link.handshake()
    assert link.server.plain == b""


def test_eof_without_close_notify_is_truncation(joined):
    assert joined.client.endpoint.eof() is True
    assert joined.client.endpoint.receive(b"x") == b""
    assert joined.client.endpoint.send(HELLO) == b""
    assert joined.client.endpoint.eof() is False


def test_tls_29_a_client_that_leaves_before_its_hello_suspects_nothing(server):
    endpoint = server()
    with pytest.raises(TlsError) as caught:
        endpoint.eof()
    assert caught.value.kind == "closed"
    assert not caught.value.suspects_certificate
    assert endpoint.eof() is False


def test_tls_29_a_client_that_leaves_on_seeing_our_certificate_is_told_apart(client, server):
    endpoint = server()
    endpoint.receive(client().start())
    assert endpoint.take_output()
    with pytest.raises(TlsError, match="may not trust our authority") as caught:
        endpoint.eof()
    assert caught.value.kind == "closed"
    assert caught.value.suspects_certificate


def test_a_server_that_leaves_in_the_handshake(client):
    endpoint = client()
    endpoint.start()
    with pytest.raises(TlsError, match="the server closed") as caught:
        endpoint.eof()
    assert caught.value.kind == "closed"


def test_close_notify_instead_of_a_handshake_is_closed(client):
    endpoint = client()
    endpoint.start()
    with pytest.raises(TlsError) as caught:
        endpoint.receive(b"\x15\x03\x03\x00\x02\x01\x00")
    assert caught.value.kind == "closed"


# Failing


@pytest.mark.parametrize("version", [12, 13])
def test_tls_29_a_client_that_distrusts_us_says_so(client, server, wire, version):
    client.distrust()
    client.only(version)
    link = wire(client(), server())
    link.handshake()
    assert link.client.error.kind == "verify"
    assert "the server's certificate does not verify: " in link.client.error.message
    assert not link.client.error.suspects_certificate
    assert link.server.error.kind == "untrusted"
    assert link.server.error.alert == "unknown_ca"
    assert link.server.error.suspects_certificate


def test_ob_01_an_alert_is_there_to_be_sent(client, server):
    client.distrust()
    ours, theirs = client(), server()
    theirs.receive(ours.start())
    with pytest.raises(TlsError):
        ours.receive(theirs.take_output())
    assert ours.take_output()
    assert ours.take_output() == b""
    assert ours.receive(b"more") == b""
    assert ours.send(HELLO) == b""
    assert ours.close() == b""
    assert ours.eof() is False


def test_a_certificate_of_another_name(client, server, wire):
    link = wire(client("example.org"), server())
    link.handshake()
    assert link.client.error.kind == "verify"
    assert "ostname mismatch" in link.client.error.message
    assert link.server.error.alert == "bad_certificate"


def test_an_expired_certificate(client, server, wire, pki):
    server.certificate(pki.expired)
    link = wire(client(), server())
    link.handshake()
    assert "certificate has expired" in link.client.error.message
    assert link.server.error.alert == "certificate_expired"
    assert link.server.error.kind == "untrusted"


def test_tls_37_an_address_is_verified_and_not_sent_as_a_name(client, server, wire):
    for address, error in ("127.0.0.1", None), ("127.0.0.2", "verify"):
        link = wire(client(address), server())
        link.handshake()
        assert (link.client.error and link.client.error.kind) == error


def test_tls_17_no_version_in_common(client, server, wire):
    client.only(12)
    server.only(13)
    link = wire(client(), server())
    link.handshake()
    assert link.client.error.kind == "version"
    assert link.client.error.alert == "protocol_version"
    assert link.server.error.kind == "version"
    assert link.server.error.alert == ""


def test_no_cipher_in_common(client, server, wire):
    for side, name in (client, "ECDHE-ECDSA-AES128-GCM-SHA256"), (server, "ECDHE-ECDSA-AES256-GCM-SHA384"):
        side.only(12)
        side.ciphers(name)
    link = wire(client(), server())
    link.handshake()
    assert link.server.error.kind == "cipher"
    assert link.client.error.kind == "cipher"
    assert link.client.error.alert == "handshake_failure"


@pytest.mark.parametrize("version", [12, 13])
def test_a_client_certificate_that_is_missing(client, server, wire, version):
    client.only(version)
    server.ask_client()
    link = wire(client(), server())
    link.handshake()
    link.to_server(link.client.endpoint.send(HELLO))
    assert link.server.error.kind == "protocol"
    assert link.client.error.kind == ("untrusted" if version == 13 else "cipher")


def test_a_client_certificate_is_seen(client, server, wire, pki):
    client.certificate(pki.client)
    server.ask_client()
    link = wire(client(), server())
    link.handshake()
    chain = link.server.endpoint.peer_chain
    assert b"somebody" in chain[0]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "the client speaks plain HTTP where TLS was expected"),
        (b"SSH-2.0-x\r\n", "the client does not speak TLS; its first bytes are 'SSH-2.0-x"),
        (b"\x00", "does not speak TLS"),
    ],
)
def test_tls_33_a_client_that_speaks_no_tls(server, data, text):
    endpoint = server()
    with pytest.raises(TlsError) as caught:
        endpoint.receive(data)
    assert caught.value.kind == "not-tls"
    assert text in caught.value.message
    assert endpoint.take_output() == b""


def test_tls_33_a_server_that_speaks_no_tls(client):
    endpoint = client()
    endpoint.start()
    with pytest.raises(TlsError, match="the server speaks plain HTTP") as caught:
        endpoint.receive(b"HTTP/1.1 400 Bad Request\r\n")
    assert caught.value.kind == "not-tls"


def test_a_record_that_is_no_tls_later_on_is_a_fault(client):
    endpoint = client()
    endpoint.start()
    with pytest.raises(TlsError) as caught:
        endpoint.receive(b"\x16\x03\x03\x00\x04\x63\x00\x00\x00")
    assert caught.value.kind == "protocol"
    assert endpoint.take_output()


def test_ob_05_what_came_whole_before_a_fault_is_delivered(joined):
    good, bad = joined.client.endpoint.send(HELLO), bytearray(joined.client.endpoint.send(HELLO))
    bad[-1] ^= 1
    joined.to_server(good + bytes(bad))
    assert joined.server.plain == HELLO
    assert joined.server.error.plain == HELLO
    assert joined.server.error.kind == "protocol"
    assert "in the TLS connection" in joined.server.error.message
    assert joined.client.error.alert == "bad_record_mac"
    assert joined.client.error.kind == "alert"


@pytest.mark.parametrize("name", ["", ".example.com", "a\0b", "ä" * 70])
def test_a_name_that_is_none_is_our_fault(client, name):
    with pytest.raises(UsageError):
        client(name)


def test_a_session_of_the_wrong_kind_is_our_fault(client):
    with pytest.raises(UsageError):
        client(session="a session")


# Resumption (TLS-30)


@pytest.mark.parametrize("version", [12, 13])
def test_tls_30_a_session_is_resumed(client, server, wire, version):
    client.only(version)
    first = wire(client(), server())
    first.handshake()
    first.to_client(first.server.endpoint.send(HELLO))
    second = wire(client(session=first.client.endpoint.session), server())
    second.handshake()
    assert not first.client.endpoint.was_resumed
    assert second.client.endpoint.was_resumed
    assert second.server.endpoint.was_resumed
    assert second.client.endpoint.peer_chain == first.client.endpoint.peer_chain
    second.to_server(second.client.endpoint.send(HELLO))
    assert second.server.plain == HELLO


# TLS in TLS


@pytest.mark.parametrize("piece", [0, 1])
def test_tls_32_an_endpoint_carries_another(client, server, wire, piece):
    outer = wire(client(), server(), piece)
    outer.handshake()
    inner = wire(client(), server())
    data = inner.client.endpoint.start()
    for _ in range(3):
        outer.server.plain.clear()
        outer.client.plain.clear()
        outer.to_server(outer.client.endpoint.send(data))
        answer = inner.server.take(bytes(outer.server.plain))
        outer.to_client(outer.server.endpoint.send(answer))
        data = inner.client.take(bytes(outer.client.plain))
    assert inner.client.endpoint.is_established
    assert inner.server.endpoint.is_established
    outer.server.plain.clear()
    outer.to_server(outer.client.endpoint.send(inner.client.endpoint.send(HELLO * 5000)))
    inner.server.take(bytes(outer.server.plain))
    assert inner.server.plain == HELLO * 5000


# Renegotiation (TLS 1.2 only)


@pytest.mark.parametrize("server", ["openssl"], indirect=True)
def test_tls_20_a_renegotiation_asked_for_by_the_server_does_not_hang(client, server, wire):
    client.only(12)
    link = wire(client(), server())
    link.handshake()
    link.server.endpoint.connection.renegotiate()
    link.server.endpoint.connection.do_handshake()
    hello = link.client.take(link.server.endpoint.take_output())
    early = link.client.endpoint.send(HELLO)
    link.to_server(hello + early)
    link.to_server(link.client.endpoint.send(HELLO))
    link.to_client(link.server.endpoint.send(HELLO))
    assert early == b""
    assert link.server.plain == HELLO * 2
    assert link.client.plain == HELLO


def test_a_write_that_openssl_refuses_is_a_failure():
    class Broken:
        def do_handshake(self):
            pass

        def read(self, _size):
            raise ssl.SSLWantReadError

        def write(self, _data):
            raise ssl.SSLError(1, "odd")

    endpoint = endpoint_module.MemoryEndpoint(Broken(), ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    endpoint.receive(b"\x16")
    with pytest.raises(TlsError, match="odd"):
        endpoint.send(HELLO)
    assert endpoint.send(HELLO) == b""


# Memory


def test_an_ended_endpoint_is_freed_without_a_garbage_collection(pki):
    class Traced(StdlibEndpoint):
        __slots__ = ("__weakref__",)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.server)
    endpoint = Traced(context, server_side=True)
    reference = weakref.ref(endpoint)
    gc.disable()
    try:
        with pytest.raises(TlsError):
            endpoint.eof()
        del endpoint
        assert reference() is None
    finally:
        gc.enable()


def test_first_bytes_name_the_content_types():
    assert sorted(endpoint_module.FIRST_BYTES) == [21, 22]
