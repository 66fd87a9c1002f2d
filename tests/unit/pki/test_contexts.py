"""Both kinds of contexts, joined in memory with each other through endpoints."""

import os
import ssl
import stat
from itertools import product

import pytest
from OpenSSL import SSL

from midstream.errors import OptionsError
from midstream.pki import contexts, openssl_contexts
from midstream.pki.authority import CertificateAuthority
from midstream.pki.leaf import LeafIssuer, LeafNames
from midstream.pki.pem import Identity, to_pem
from midstream.pki.terms import Terms, Trust
from midstream.wire.tls.endpoint import StdlibEndpoint
from midstream.wire.tls.failure import TlsError
from midstream.wire.tls.openssl import OpenSSLEndpoint

KINDS = ("stdlib", "openssl")


@pytest.fixture
def identity(authority):
    return LeafIssuer(authority).issue(LeafNames("site.example", ("127.0.0.1",))).identity


@pytest.fixture
def trusted(authority, tmp_path):
    path = tmp_path / "trusted.pem"
    path.write_bytes(to_pem(authority.certificate))
    return Trust(ca_file=str(path))


def facing_client(kind, identity, *, asks=False, **terms):
    terms = Terms(side="client", **terms)
    if kind == "stdlib":
        return StdlibEndpoint(contexts.context_towards_clients(terms, identity), server_side=True)
    context = openssl_contexts.context_towards_clients(terms, identity, asks_certificate=asks)
    return OpenSSLEndpoint.over(context, server_side=True)


def facing_server(kind, trust, identity=None, *, host="site.example", **terms):
    terms = Terms(side="server", **terms)
    if kind == "stdlib":
        context = contexts.context_towards_servers(terms, trust, identity)
        return StdlibEndpoint(context, server_side=False, server_hostname=host)
    context = openssl_contexts.context_towards_servers(terms, trust, identity)
    return OpenSSLEndpoint.over(context, server_side=False, server_hostname=host)


def shake(client, server):
    to_server = client.start()
    for _ in range(6):
        server.receive(to_server)
        client.receive(server.take_output())
        to_server = client.take_output()
    assert client.is_established
    assert server.is_established
    return client, server


@pytest.fixture(params=product(KINDS, KINDS), ids="-".join)
def kinds(request):
    return request.param


class TestAgreeing:
    def test_defaults(self, kinds, identity, trusted):
        client, server = shake(facing_server(kinds[0], trusted), facing_client(kinds[1], identity))
        assert client.version == server.version == "TLSv1.3"
        assert client.receive(server.send(b"hello")) == b"hello"

    def test_old_versions_on_demand(self, kinds, identity, trusted):
        old = {"minimum": "TLS1", "maximum": "TLS1_1"}
        client, _ = shake(facing_server(kinds[0], trusted, **old), facing_client(kinds[1], identity, **old))
        assert client.version == "TLSv1.1"

    def test_our_choice_of_protocol_counts(self, kinds, identity, trusted):
        client = facing_server(kinds[0], trusted, alpn=(b"http/1.1", b"h2"))
        shake(client, facing_client(kinds[1], identity, alpn=(b"h2", b"http/1.1")))
        assert client.alpn == b"h2"

    def test_no_protocol_in_common_is_no_failure(self, kinds, identity, trusted):
        client = facing_server(kinds[0], trusted, alpn=(b"http/1.1",))
        shake(client, facing_client(kinds[1], identity, alpn=(b"h2",)))
        assert client.alpn is None

    def test_ciphers(self, kinds, identity, trusted):
        suite = "ECDHE-ECDSA-AES256-GCM-SHA384"
        client = facing_server(kinds[0], trusted, ciphers=suite, maximum="TLS1_2")
        shake(client, facing_client(kinds[1], identity))
        assert client.cipher == suite

    def test_tls_36_suites_of_tls_13(self, identity, trusted):
        client = facing_server("openssl", trusted, ciphers="TLS_CHACHA20_POLY1305_SHA256")
        shake(client, facing_client("stdlib", identity))
        assert client.cipher == "TLS_CHACHA20_POLY1305_SHA256"

    def test_tls_36_curve(self, identity, trusted):
        server = facing_client("openssl", identity, curve="secp384r1")
        shake(facing_server("stdlib", trusted), server)
        assert server.connection.get_group_name() == "secp384r1"
        server = facing_client("openssl", identity)
        shake(facing_server("stdlib", trusted, curve="P-521"), server)
        assert server.connection.get_group_name() == "secp521r1"

    def test_intermediates_are_sent(self, kinds, authority, identity, trusted):
        longer = Identity(identity.key, identity.certificate, (authority.certificate,))
        client, _ = shake(facing_server(kinds[0], trusted), facing_client(kinds[1], longer))
        assert len(client.peer_chain) == 2

    def test_tls_20_clients_cannot_renegotiate(self, identity):
        terms = Terms(side="client")
        assert contexts.context_towards_clients(terms, identity).options & ssl.OP_NO_RENEGOTIATION


class TestOB12:
    """What scanners look at: no static RSA, no CBC, nothing before TLS 1.2."""

    def test_ob_12_only_forward_secret_authenticated_ciphers(self, identity):
        context = contexts.context_towards_clients(Terms(side="client"), identity)
        names = [cipher["name"] for cipher in context.get_ciphers()]
        assert names
        assert all(name.startswith(("TLS_", "ECDHE-")) for name in names)
        assert all("GCM" in name or "CHACHA20" in name for name in names)
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2

    @pytest.mark.parametrize("ciphers", ["AES128-SHA:AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA"])
    def test_ob_12_a_client_that_only_knows_weak_ones_is_refused(self, identity, ciphers):
        client = facing_server("stdlib", Trust(is_insecure=True), ciphers=ciphers, maximum="TLS1_2")
        with pytest.raises(TlsError) as raised:
            shake(client, facing_client("stdlib", identity))
        assert raised.value.kind == "cipher"


class TestVerifying:
    def test_tls_37_on_by_default(self, kinds, identity):
        with pytest.raises(TlsError) as raised:
            shake(facing_server(kinds[0], Trust()), facing_client(kinds[1], identity))
        assert raised.value.kind == "verify"

    def test_tls_37_names(self, kinds, identity, trusted):
        with pytest.raises(TlsError) as raised:
            shake(facing_server(kinds[0], trusted, host="other.example"), facing_client(kinds[1], identity))
        assert raised.value.kind == "verify"

    def test_tls_37_addresses(self, kinds, identity, trusted):
        shake(facing_server(kinds[0], trusted, host="127.0.0.1"), facing_client(kinds[1], identity))
        with pytest.raises(TlsError) as raised:
            shake(facing_server(kinds[0], trusted, host="127.0.0.2"), facing_client(kinds[1], identity))
        assert raised.value.kind == "verify"

    def test_insecure(self, kinds, identity):
        shake(facing_server(kinds[0], Trust(is_insecure=True)), facing_client(kinds[1], identity))

    def test_tls_19_legacy_renegotiation_only_if_insecure(self):
        terms = Terms(side="server")
        flag = contexts.LEGACY_SERVER_CONNECT
        assert not contexts.context_towards_servers(terms, Trust(), None).options & flag
        assert contexts.context_towards_servers(terms, Trust(is_insecure=True), None).options & flag

    def test_a_single_server_can_be_trusted(self, kinds, identity, tmp_path):
        path = tmp_path / "server.pem"
        path.write_bytes(to_pem(identity.certificate))
        shake(facing_server(kinds[0], Trust(ca_file=str(path))), facing_client(kinds[1], identity))

    def test_directory_of_certificates(self, kinds, authority, identity, tmp_path):
        (tmp_path / "any-name.crt").write_bytes(to_pem(authority.certificate))
        (tmp_path / "notes.txt").write_text("no certificate")
        trust = Trust(ca_directory=str(tmp_path))
        shake(facing_server(kinds[0], trust), facing_client(kinds[1], identity))

    @pytest.mark.parametrize("kind", KINDS)
    def test_unreadable_trust(self, kind, tmp_path):
        (tmp_path / "empty.pem").touch()
        for trust in (Trust(ca_file=str(tmp_path / "absent.pem")), Trust(ca_file=str(tmp_path / "empty.pem"))):
            with pytest.raises(OptionsError, match=r"trusted certificates in .* cannot be read"):
                facing_server(kind, trust)
        with pytest.raises(OptionsError, match="ssl_verify_upstream_trusted_confdir: cannot read"):
            contexts.trusted_files(Trust(ca_directory=str(tmp_path / "absent")))


class TestClientCertificates:
    @pytest.mark.parametrize("kind", KINDS)
    def test_tls_22_any_is_accepted_and_shown_with_intermediates(self, kind, identity, trusted):
        stranger = CertificateAuthority.create()
        mine = LeafIssuer(stranger).issue(LeafNames("me")).identity
        mine = Identity(mine.key, mine.certificate, (stranger.certificate,))
        server = facing_client("openssl", identity, asks=True)
        shake(facing_server(kind, trusted, mine), server)
        assert len(server.peer_chain) == 2

    def test_none_is_accepted(self, identity, trusted):
        server = facing_client("openssl", identity, asks=True)
        shake(facing_server("stdlib", trusted), server)
        assert server.peer_chain == []

    def test_tls_21_asked_after_the_handshake(self, identity, trusted, authority):
        """The standard library can ask; both kinds must answer."""
        mine = LeafIssuer(authority).issue(LeafNames("me")).identity
        assert contexts.context_towards_servers(Terms(side="server"), trusted, mine).post_handshake_auth
        for kind in KINDS:
            asking = contexts.context_towards_clients(Terms(side="client"), identity)
            asking.verify_mode = ssl.CERT_OPTIONAL
            asking.post_handshake_auth = True
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            server = asking.wrap_bio(incoming, outgoing, server_side=True)
            client = facing_server(kind, trusted, mine)
            incoming.write(client.start())
            with pytest.raises(ssl.SSLWantReadError):
                server.do_handshake()
            client.receive(outgoing.read())
            incoming.write(client.take_output())
            server.do_handshake()
            client.receive(outgoing.read())
            server.verify_client_post_handshake()
            server.write(b"x")
            assert client.receive(outgoing.read()) == b"x"
            assert len(client.take_output()) > len(mine.certificate.tbs_certificate_bytes)


class TestRefusals:
    @pytest.mark.parametrize("kind", KINDS)
    def test_ciphers_unknown_to_openssl(self, kind, identity):
        with pytest.raises(OptionsError, match="ciphers_client: OpenSSL"):
            facing_client(kind, identity, ciphers="NO-SUCH-CIPHER")

    def test_suites_unknown_to_openssl(self, identity):
        with pytest.raises(OptionsError, match="ciphers_client: OpenSSL"):
            facing_client("openssl", identity, ciphers="TLS_NO_SUCH_SUITE")

    @pytest.mark.parametrize("kind", KINDS)
    def test_certificates_that_openssl_finds_too_weak(self, kind, weak_identity):
        with pytest.raises(OptionsError, match="OpenSSL refuses a certificate"):
            facing_client(kind, weak_identity)


class TestKeyLog:
    @pytest.mark.parametrize("side", ["client", "server"])
    def test_tls_31_both_legs(self, kinds, identity, trusted, tmp_path, side):
        path = tmp_path / "keys.log"
        towards_server = {"keylog_file": str(path)} if side == "server" else {}
        towards_client = {"keylog_file": str(path)} if side == "client" else {}
        shake(facing_server(kinds[0], trusted, **towards_server), facing_client(kinds[1], identity, **towards_client))
        labels = {line.split()[0] for line in path.read_text().splitlines() if not line.startswith("#")}
        assert {"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"} <= labels
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    @pytest.mark.parametrize("kind", KINDS)
    def test_unwritable(self, kind, identity, tmp_path):
        with pytest.raises(OptionsError, match=r"key log file .* cannot be written"):
            facing_client(kind, identity, keylog_file=str(tmp_path / "absent" / "keys.log"))


def test_no_key_stays_behind_on_disk(identity, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    seen = []
    monkeypatch.setattr(
        ssl.SSLContext, "load_cert_chain", lambda _, path: seen.append(stat.S_IMODE(os.stat(path).st_mode))
    )
    contexts.context_towards_clients(Terms(side="client"), identity)
    assert seen == [0o600]
    assert list(tmp_path.iterdir()) == []


def test_openssl_contexts_are_pyopenssl(identity):
    assert isinstance(
        openssl_contexts.context_towards_clients(Terms(side="client"), identity, asks_certificate=True), SSL.Context
    )
