import os
import ssl
from types import SimpleNamespace

import pytest
from cryptography import x509

from midstream.errors import OptionsError, UsageError
from midstream.pki import CertificateAuthority, CertStore, LeafNames
from midstream.pki.leaf import LeafIssuer
from midstream.pki.pem import to_der, to_pem
from midstream.proxy import tls as module
from midstream.proxy.tls import TlsProfiles, find_client_certificate
from midstream.testing.dtls import DtlsPeer
from midstream.wire.tls.endpoint import StdlibEndpoint
from midstream.wire.tls.failure import TlsError
from midstream.wire.tls.hello import read_client_hello
from midstream.wire.tls.openssl import OpenSSLEndpoint


@pytest.fixture(scope="module")
def authority():
    return CertificateAuthority.create()


@pytest.fixture
def options(authority, tmp_path):
    """The options' defaults, with our own authority trusted on the server's side, so that both legs can be joined."""
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(to_pem(authority.certificate))
    return SimpleNamespace(
        ssl_insecure=False,
        ssl_verify_upstream_trusted_ca=str(trusted),
        ssl_verify_upstream_trusted_confdir=None,
        tls_version_client_min="TLS1_2",
        tls_version_client_max="UNBOUNDED",
        tls_version_server_min="TLS1_2",
        tls_version_server_max="UNBOUNDED",
        ciphers_client=None,
        ciphers_server=None,
        tls_ecdh_curve_client=None,
        tls_ecdh_curve_server=None,
        tls_keylog_file=None,
        request_client_cert=False,
        client_certs=None,
        cert_passphrase=None,
        add_upstream_certs_to_client_chain=False,
    )


@pytest.fixture
def profiles(authority, options):
    return TlsProfiles(options, CertStore(authority), environment={})


def shake(client, server):
    to_server = client.start()
    for _ in range(6):
        server.receive(to_server)
        client.receive(server.take_output())
        to_server = client.take_output()
    assert client.is_established
    assert server.is_established


def connect(profiles, host="site.example", **arguments):
    client = profiles.server_endpoint(host, **arguments)
    server = profiles.client_endpoint(LeafNames(host))
    shake(client, server)
    profiles.remember_session(client)
    return client, server


def sni_of(endpoint):
    return read_client_hello(endpoint.start()).sni


class Wires:
    """Two ends of DTLS, and what is between them."""

    def __init__(self, client, server):
        up, down = [], []
        self.client = DtlsPeer(_End(up, down), client)
        self.server = DtlsPeer(_End(down, up), server)
        self.client.shake(self.server)


class _End:
    def __init__(self, out, into):
        self.sends = out.append
        self._into = into

    def received(self):
        came, self._into[:] = list(self._into), []
        return came


class TestDatagrams:
    def test_dtls_contexts_are_kept_apart_from_those_of_tls(self, profiles):
        connect(profiles)
        wires = Wires(profiles.server_datagrams("site.example"), profiles.client_datagrams(LeafNames("site.example")))
        assert wires.client.endpoint.version == wires.server.endpoint.version == "DTLSv1.2"
        again = profiles.client_datagrams(LeafNames("site.example"))
        assert again._connection.get_context() is wires.server.endpoint._connection.get_context()

    @pytest.mark.parametrize("host", ["site.example", "127.0.0.1", "::1", "bücher.example"])
    def test_servers_have_to_prove_their_name(self, profiles, host):
        wires = Wires(profiles.server_datagrams(host), profiles.client_datagrams(LeafNames(host)))
        assert wires.client.endpoint.is_established
        with pytest.raises(TlsError, match="does not verify"):
            Wires(profiles.server_datagrams(host), profiles.client_datagrams(LeafNames("other.example")))

    def test_protocols_are_agreed_on(self, profiles):
        server = profiles.client_datagrams(LeafNames("a.example"), alpn=(b"two",))
        wires = Wires(profiles.server_datagrams("a.example", alpn=(b"one", b"two")), server)
        assert wires.client.endpoint.alpn == wires.server.endpoint.alpn == b"two"


class TestNames:
    @pytest.mark.parametrize("host", ["site.example", "Site.Example.", "127.0.0.1", "::1", "[::1]", "bücher.example"])
    def test_tls_37_what_the_certificate_has_to_name(self, profiles, host):
        connect(profiles, host)

    @pytest.mark.parametrize(
        ("host", "sni", "sent"),
        [
            ("site.example", None, "site.example"),
            ("site.example.", None, "site.example"),
            ("192.0.2.1", "site.example", "site.example"),
            ("192.0.2.1", None, None),
            ("192.0.2.1", "192.0.2.1", None),
            ("site.example", "192.0.2.1", "site.example"),
            ("site.example", "no name", "site.example"),
            ("site.example", "bücher.example", "xn--bcher-kva.example"),
            ("2001:db8::1", None, None),
        ],
    )
    def test_tls_24_what_is_sent(self, profiles, host, sni, sent):
        assert sni_of(profiles.server_endpoint(host, sni=sni)) == sent

    def test_tls_24_the_name_sent_is_the_name_verified(self, profiles):
        client = profiles.server_endpoint("192.0.2.1", sni="site.example")
        shake(client, profiles.client_endpoint(LeafNames("site.example")))
        client = profiles.server_endpoint("site.example", sni="other.example")
        with pytest.raises(TlsError, match="Hostname mismatch"):
            shake(client, profiles.client_endpoint(LeafNames("site.example")))

    def test_nonsense_is_refused_in_words(self, profiles):
        with pytest.raises(UsageError, match="cannot be started"):
            profiles.server_endpoint(".")


class TestContexts:
    def test_tls_30_are_kept(self, profiles, monkeypatch):
        connect(profiles)
        monkeypatch.setattr(module.contexts, "context_towards_clients", None)
        monkeypatch.setattr(module.contexts, "context_towards_servers", None)
        connect(profiles)

    def test_a_changed_option_takes_effect_at_once(self, profiles, options):
        client, _ = connect(profiles)
        assert client.version == "TLSv1.3"
        options.tls_version_client_max = "TLS1_2"
        client, _ = connect(profiles)
        assert client.version == "TLSv1.2"

    def test_tls_30_bounded(self, authority, options, monkeypatch):
        monkeypatch.setattr(module, "CLIENT_CONTEXTS", 2)
        profiles = TlsProfiles(options, CertStore(authority), environment={})
        for name in ("a.example", "b.example", "c.example"):
            profiles.client_endpoint(LeafNames(name))
        assert len(profiles._towards_clients) == 2

    def test_protocols_differ_by_endpoint(self, profiles):
        for offered, chosen in [((b"h2", b"http/1.1"), b"h2"), ((b"http/1.1",), b"http/1.1"), ((), None)]:
            client = profiles.server_endpoint("site.example", alpn=offered)
            shake(client, profiles.client_endpoint(LeafNames("site.example"), alpn=(b"h2", b"http/1.1")))
            assert client.alpn == chosen

    def test_the_standard_library_is_used_where_it_can(self, profiles):
        client, server = connect(profiles)
        assert isinstance(client, StdlibEndpoint)
        assert isinstance(server, StdlibEndpoint)


class TestResumption:
    @pytest.mark.parametrize("version", ["TLS1_2", "TLS1_3"])
    def test_tls_30_both_legs(self, profiles, options, version):
        options.tls_version_server_max = version
        client, server = connect(profiles)
        assert not client.was_resumed
        assert not server.was_resumed
        client, server = connect(profiles)
        assert client.was_resumed
        assert server.was_resumed
        assert len(client.peer_chain) == 1

    def test_through_pyopenssl(self, profiles, options):
        options.ciphers_server = options.ciphers_client = "TLS_AES_128_GCM_SHA256"
        connect(profiles)
        client, server = connect(profiles)
        assert isinstance(client, OpenSSLEndpoint)
        assert isinstance(server, OpenSSLEndpoint)
        assert client.cipher == "TLS_AES_128_GCM_SHA256"
        assert client.was_resumed

    def test_not_across_servers_ports_or_trust(self, profiles):
        connect(profiles, port=443)
        for arguments in ({"port": 444}, {"port": 443, "is_insecure": True}, {"port": 443, "alpn": (b"h2",)}):
            assert not connect(profiles, **arguments)[0].was_resumed
        assert not connect(profiles, "other.example", port=443)[0].was_resumed
        assert connect(profiles, port=443)[0].was_resumed

    def test_nothing_worth_keeping(self, profiles):
        client = profiles.server_endpoint("site.example")
        profiles.remember_session(client)
        client.start()
        profiles.remember_session(client)
        assert not connect(profiles)[0].was_resumed

    def test_tls_1_3_before_a_ticket_came(self, profiles):
        client, server = profiles.server_endpoint("site.example"), profiles.client_endpoint(LeafNames("site.example"))
        server.receive(client.start())
        client.receive(server.take_output())
        assert client.is_established
        profiles.remember_session(client)
        assert not connect(profiles)[0].was_resumed

    def test_endpoints_towards_clients_are_left_alone(self, profiles):
        _, server = connect(profiles)
        profiles.remember_session(server)
        assert connect(profiles)[0].was_resumed


class TestVerification:
    def test_tls_37_on_by_default(self, profiles, options):
        options.ssl_verify_upstream_trusted_ca = None
        with pytest.raises(TlsError, match="issuer certificate"):
            connect(profiles)

    def test_insecure(self, profiles, options):
        options.ssl_verify_upstream_trusted_ca = None
        options.ssl_insecure = True
        connect(profiles)

    def test_tls_19_insecure_for_one_server_only(self, profiles, options):
        options.ssl_verify_upstream_trusted_ca = None
        connect(profiles, is_insecure=True)
        with pytest.raises(TlsError):
            connect(profiles)

    def test_secure_for_one_server_only(self, profiles, options):
        options.ssl_verify_upstream_trusted_ca = None
        options.ssl_insecure = True
        with pytest.raises(TlsError):
            connect(profiles, is_insecure=False)


class TestClientCertificates:
    @pytest.fixture
    def mine(self, authority, tmp_path):
        directory = tmp_path / "mine"
        directory.mkdir()
        for name in ("site.example", "192.0.2.1"):
            (directory / f"{name}.pem").write_bytes(LeafIssuer(authority).issue(LeafNames(f"me.{name}")).identity.pem)
        return directory

    def shown(self, profiles, host, **arguments):
        client = profiles.server_endpoint(host, **arguments)
        server = profiles.client_endpoint(LeafNames(arguments.get("sni") or host))
        shake(client, server)
        return [name for der in server.peer_chain[:1] for name in san(der)]

    def test_tls_22_per_host(self, profiles, options, mine):
        options.request_client_cert = True
        options.client_certs = str(mine)
        assert self.shown(profiles, "site.example") == ["me.site.example"]
        assert self.shown(profiles, "192.0.2.1", sni="site.example") == ["me.site.example"]
        assert self.shown(profiles, "192.0.2.1", sni="other.example") == ["me.192.0.2.1"]
        assert self.shown(profiles, "other.example") == []

    def test_one_file_for_all(self, profiles, options, mine):
        options.request_client_cert = True
        options.client_certs = str(mine / "site.example.pem")
        assert self.shown(profiles, "other.example") == ["me.site.example"]

    def test_named_by_the_caller(self, profiles, options, mine):
        options.request_client_cert = True
        assert self.shown(profiles, "x.example", client_cert=str(mine / "192.0.2.1.pem")) == ["me.192.0.2.1"]

    def test_a_replaced_file_is_read_again(self, profiles, options, mine, authority):
        options.request_client_cert = True
        options.client_certs = str(mine)
        assert self.shown(profiles, "site.example") == ["me.site.example"]
        path = mine / "site.example.pem"
        path.write_bytes(LeafIssuer(authority).issue(LeafNames("me.again")).identity.pem)
        os.utime(path, ns=(1, 1))
        assert self.shown(profiles, "site.example") == ["me.again"]

    def test_unreadable(self, profiles, tmp_path):
        with pytest.raises(OptionsError, match="client_certs: cannot read"):
            profiles.server_endpoint("site.example", client_cert=str(tmp_path / "absent.pem"))

    def test_is_not_asked_for_by_default(self, profiles, options, mine):
        options.client_certs = str(mine)
        assert self.shown(profiles, "site.example") == []

    def test_names_do_not_leave_the_directory(self, tmp_path, mine):
        assert find_client_certificate(str(mine), "../trusted") is None
        assert find_client_certificate(None, "site.example") is None
        assert find_client_certificate(str(mine), "other", "192.0.2.1") == str(mine / "192.0.2.1.pem")


def san(der):
    extension = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return extension.value.get_values_for_type(x509.DNSName)


class TestUpstreamChain:
    def test_only_if_the_option_says_so(self, profiles, options, authority):
        chain = [b"no certificate", to_der(authority.certificate)]
        for wanted, length in ((False, 1), (True, 2)):
            options.add_upstream_certs_to_client_chain = wanted
            client = profiles.server_endpoint("site.example")
            shake(client, profiles.client_endpoint(LeafNames("site.example"), upstream_chain=chain))
            assert len(client.peer_chain) == length

    def test_tls_13_what_openssl_refuses_is_left_out(self, profiles, options, authority, monkeypatch):
        options.add_upstream_certs_to_client_chain = True
        made = module.contexts.context_towards_clients

        def refuse_chains(terms, identity):
            if identity.chain:
                raise OptionsError("ca md too weak")
            return made(terms, identity)

        monkeypatch.setattr(module.contexts, "context_towards_clients", refuse_chains)
        client = profiles.server_endpoint("site.example")
        chain = [to_der(authority.certificate)]
        shake(client, profiles.client_endpoint(LeafNames("site.example"), upstream_chain=chain))
        assert len(client.peer_chain) == 1


class TestChecking:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("tls_version_client_min", "TLS9"),
            ("tls_version_server_max", "TLS9"),
            ("ciphers_client", "NONSENSE"),
            ("ciphers_server", "NONSENSE"),
            ("tls_ecdh_curve_client", "nonsense"),
            ("tls_ecdh_curve_server", "nonsense"),
            ("client_certs", "/nonexistent.pem"),
            ("ssl_verify_upstream_trusted_confdir", "/nonexistent"),
        ],
    )
    def test_unusable_options_are_refused_at_start_by_name(self, authority, options, name, value):
        setattr(options, name, value)
        with pytest.raises(OptionsError, match=name):
            TlsProfiles(options, CertStore(authority), environment={})

    def test_tls_18_warnings_of_both_legs(self, profiles, options):
        assert profiles.warnings == []
        options.tls_version_client_min = options.tls_version_server_min = "TLS1"
        assert len(profiles.warnings) == 2


class TestKeyLog:
    @pytest.mark.parametrize("variable", ["SSLKEYLOGFILE", "MIDSTREAM_SSLKEYLOGFILE"])
    def test_tls_31_from_the_environment(self, authority, options, tmp_path, variable):
        path = tmp_path / "keys.log"
        connect(TlsProfiles(options, CertStore(authority), environment={variable: str(path)}))
        assert path.read_text().count("CLIENT_TRAFFIC_SECRET_0") == 2

    def test_tls_31_the_option_comes_first(self, authority, options, tmp_path):
        options.tls_keylog_file = str(tmp_path / "option.log")
        environment = {"SSLKEYLOGFILE": str(tmp_path / "environment.log")}
        connect(TlsProfiles(options, CertStore(authority), environment=environment))
        assert (tmp_path / "option.log").exists()
        assert not (tmp_path / "environment.log").exists()


def test_stdlib_client_trusts_the_leg_towards_clients(profiles, authority):
    """No code of ours on the client's side."""
    context = ssl.create_default_context(cadata=authority.download("pem").decode())
    client = StdlibEndpoint(context, server_side=False, server_hostname="site.example")
    shake(client, profiles.client_endpoint(LeafNames("site.example")))
