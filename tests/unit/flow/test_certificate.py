import datetime as dt
import hashlib
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from OpenSSL import crypto

from midstream.flow import Cert

NOW = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
KEY = ec.generate_private_key(ec.SECP256R1())


def build(key=KEY, signer=KEY, extensions=(), until=NOW + dt.timedelta(days=36500), cn="example.com"):
    attributes = [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Örg")]
    if cn:
        attributes.append(x509.NameAttribute(x509.NameOID.COMMON_NAME, cn))
    builder = x509.CertificateBuilder(
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Issuer")]), x509.Name(attributes),
        key.public_key(), 77, NOW, until,
    )  # fmt: skip
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(signer, hashes.SHA256())


@pytest.fixture(scope="module")
def full():
    names = x509.SubjectAlternativeName(
        [x509.DNSName("example.com"), x509.DNSName("*.example.com"), x509.IPAddress(ipaddress.ip_address("::1"))]
    )
    point = x509.DistributionPoint([x509.UniformResourceIdentifier("http://crl.example/")], None, None, None)
    nameless = x509.DistributionPoint(None, None, frozenset([x509.ReasonFlags.key_compromise]), [x509.DNSName("x")])
    return build(extensions=[names, x509.BasicConstraints(True, None), x509.CRLDistributionPoints([point, nameless])])


def test_facts(full):
    cert = Cert(full)
    assert cert.cn == "example.com"
    assert cert.organization == "Örg"
    assert cert.subject == [("O", "Örg"), ("CN", "example.com")]
    assert cert.issuer == [("CN", "Issuer")]
    assert cert.serial == 77
    assert cert.altnames == ["example.com", "*.example.com", "::1"]
    assert cert.notbefore == NOW
    assert cert.notafter > NOW
    assert not cert.has_expired()
    assert cert.is_ca
    assert cert.keyinfo == ("EC (secp256r1)", 256)
    assert cert.public_key == full.public_key()
    assert cert.crl_distribution_points == ["http://crl.example/"]
    assert cert.fingerprint() == hashlib.sha256(cert.der).digest()
    assert repr(cert) == "<Cert(cn='example.com', altnames=['example.com', '*.example.com', '::1'])>"


def test_missing_facts():
    cert = Cert(build(cn=None, until=NOW + dt.timedelta(days=1)))
    assert cert.cn is None
    assert cert.altnames == []
    assert cert.crl_distribution_points == []
    assert not cert.is_ca
    assert cert.has_expired()


@pytest.mark.parametrize(
    ("key", "info"),
    [
        (rsa.generate_private_key(65537, 2048), ("RSA", 2048)),
        (dsa.generate_private_key(1024), ("DSA", 1024)),
        (ed25519.Ed25519PrivateKey.generate(), ("Ed25519", -1)),
    ],
    ids=["rsa", "dsa", "ed25519"],
)
def test_key_kinds(key, info):
    assert Cert(build(key)).keyinfo == info


def test_forms(full):
    cert = Cert(full)
    pem = cert.to_pem()
    assert Cert.from_pem(pem) == cert
    assert Cert.from_pem("text before\n" + pem.decode() + pem.decode()) == cert
    assert Cert.from_state(cert.get_state()) == cert
    assert Cert.from_pyopenssl(crypto.X509.from_cryptography(full)) == cert
    assert Cert(cert.der).to_cryptography() == full
    assert len({cert, Cert(cert.der)}) == 1
    assert cert != cert.der


@pytest.mark.parametrize("pem", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA"])
def test_text_without_certificate(pem):
    with pytest.raises(ValueError, match="not a certificate"):
        Cert.from_pem(pem)


def test_tls_13_what_cannot_be_parsed_is_kept_raw():
    cert = Cert(b"\x30\x03abc")
    assert Cert.from_pem(cert.to_pem()) == cert
    assert repr(cert) == "<Cert(unparsable, 5 bytes)>"
    with pytest.raises(ValueError, match="pars"):
        cert.cn  # noqa: B018 - reading is the test
