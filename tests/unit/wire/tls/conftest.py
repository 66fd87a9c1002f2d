"""Certificates, contexts and a wire without sockets for the TLS tests."""

import datetime as dt
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from midstream.wire.tls.endpoint import MemoryEndpoint, StdlibEndpoint
from midstream.wire.tls.failure import TlsError
from midstream.wire.tls.openssl import OpenSSLEndpoint


class Pki:
    """A certificate authority in a directory: `ca.pem`, and one file with key and chain for each name."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._build("Test Authority", self.key, None)
        self.ca = self._write("ca.pem", self.certificate)
        self.server = self.issue("example.com")
        self.client = self.issue("somebody")
        self.expired = self.issue("example.com", "expired", days=-1)

    def issue(self, name: str, file: str = "", days: int = 5) -> str:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._build(name, key, self.certificate.subject, days)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._write(f"{file or name}.pem", certificate, pem)

    def _write(self, name: str, certificate: x509.Certificate, key: bytes = b"") -> str:
        path = self.directory / name
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key)
        return str(path)

    def _build(self, name, key, issuer, days=5) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder(
            issuer or subject,
            subject,
            key.public_key(),
            x509.random_serial_number(),
            now - dt.timedelta(days=9),
            now + dt.timedelta(days=days),
        ).add_extension(x509.BasicConstraints(issuer is None, None), critical=True)
        if issuer:
            names = [x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())


@dataclass
class Side:
    """What one side got out of a conversation."""

    endpoint: MemoryEndpoint
    plain: bytearray = field(default_factory=bytearray)
    error: TlsError | None = None

    def take(self, data: bytes) -> bytes:
        try:
            self.plain += self.endpoint.receive(data)
        except TlsError as error:
            self.plain += error.plain
            self.error = error
        return self.endpoint.take_output()


class Wire:
    """Two endpoints, and the bytes between them handed over in pieces of a size (0: whole)."""

    def __init__(self, client: MemoryEndpoint, server: MemoryEndpoint, piece: int = 0) -> None:
        self.client = Side(client)
        self.server = Side(server)
        self.piece = piece

    def handshake(self) -> None:
        self.to_server(self.client.endpoint.start() + self.server.endpoint.start())

    def to_server(self, data: bytes) -> None:
        self._carry(data, self.server, self.client)

    def to_client(self, data: bytes) -> None:
        self._carry(data, self.client, self.server)

    def _carry(self, data: bytes, to: Side, back: Side) -> None:
        while data:
            answer = b""
            size = self.piece or len(data)
            for at in range(0, len(data), size):
                answer += to.take(data[at : at + size])
            data, to, back = answer, back, to


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def wire() -> type[Wire]:
    return Wire


@pytest.fixture(params=["stdlib", "openssl"])
def client(request: pytest.FixtureRequest, pki: Pki) -> Callable[..., MemoryEndpoint]:
    """Make endpoints of a TLS client; one context per test, so that sessions can be used again."""
    return _Stdlib(pki, server_side=False) if request.param == "stdlib" else _OpenSSL(pki, server_side=False)


@pytest.fixture(params=["stdlib", "openssl"])
def server(request: pytest.FixtureRequest, pki: Pki) -> Callable[..., MemoryEndpoint]:
    """Make endpoints of a TLS server."""
    return _Stdlib(pki, server_side=True) if request.param == "stdlib" else _OpenSSL(pki, server_side=True)


class _Stdlib:
    versions = {12: ssl.TLSVersion.TLSv1_2, 13: ssl.TLSVersion.TLSv1_3}  # noqa: RUF012

    def __init__(self, pki: Pki, *, server_side: bool) -> None:
        self.server_side = server_side
        self.pki = pki
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
        if server_side:
            self.context.load_cert_chain(pki.server)
        else:
            self.context.load_verify_locations(pki.ca)

    def only(self, version: int) -> None:
        self.context.minimum_version = self.context.maximum_version = self.versions[version]

    def ciphers(self, names: str) -> None:
        self.context.set_ciphers(names)

    def alpn(self, *names: str) -> None:
        self.context.set_alpn_protocols(names)

    def certificate(self, path: str) -> None:
        self.context.load_cert_chain(path)

    def distrust(self) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def ask_client(self) -> None:
        self.context.load_verify_locations(self.pki.ca)
        self.context.verify_mode = ssl.CERT_REQUIRED

    def __call__(self, name: str | None = "example.com", session: object | None = None) -> StdlibEndpoint:
        hostname = None if self.server_side else name
        return StdlibEndpoint(self.context, server_side=self.server_side, server_hostname=hostname, session=session)


class _OpenSSL:
    versions = {12: SSL.TLS1_2_VERSION, 13: SSL.TLS1_3_VERSION}  # noqa: RUF012

    def __init__(self, pki: Pki, *, server_side: bool) -> None:
        self.server_side = server_side
        self.pki = pki
        self.context = SSL.Context(SSL.TLS_METHOD)
        self.context.set_session_cache_mode(SSL.SESS_CACHE_BOTH)
        if server_side:
            self.certificate(pki.server)
            self.context.set_session_id(b"test")
        else:
            self.context.load_verify_locations(pki.ca)
            self.context.set_verify(SSL.VERIFY_PEER)

    def only(self, version: int) -> None:
        self.context.set_min_proto_version(self.versions[version])
        self.context.set_max_proto_version(self.versions[version])

    def ciphers(self, names: str) -> None:
        self.context.set_cipher_list(names.encode())

    def alpn(self, *names: str) -> None:
        wanted = [name.encode() for name in names]
        if self.server_side:
            self.context.set_alpn_select_callback(lambda _, offer: next(name for name in wanted if name in offer))
        else:
            self.context.set_alpn_protos(wanted)

    def certificate(self, path: str) -> None:
        self.context.use_certificate_chain_file(path)
        self.context.use_privatekey_file(path)

    def distrust(self) -> None:
        self.context = SSL.Context(SSL.TLS_METHOD)
        self.context.set_verify(SSL.VERIFY_PEER)

    def ask_client(self) -> None:
        self.context.load_verify_locations(self.pki.ca)
        self.context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)

    def __call__(self, name: str | None = "example.com", session: object | None = None) -> OpenSSLEndpoint:
        hostname = None if self.server_side else name
        return OpenSSLEndpoint.over(
            self.context, server_side=self.server_side, server_hostname=hostname, session=session
        )
