"""Files with keys and certificates, and each way they can be wrong (TLS-16)."""

import base64
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519

from midstream.errors import OptionsError
from midstream.pki.leaf import LeafIssuer, LeafNames
from midstream.pki.pem import key_pem, parse_identity, read_identity, to_der, to_pem


@pytest.fixture(scope="module")
def leaf(authority):
    return LeafIssuer(authority).issue(LeafNames("site.example"))


def test_reads_what_it_writes(leaf, tmp_path):
    path = tmp_path / "site.pem"
    path.write_bytes(leaf.identity.pem)
    identity = read_identity(str(path))
    assert identity.certificate == leaf.identity.certificate
    assert identity.chain == ()
    assert key_pem(identity.key) == key_pem(leaf.identity.key)


def test_order_in_the_file_does_not_matter(leaf, authority):
    data = (
        to_pem(authority.certificate) + b"a comment\n" + to_pem(leaf.identity.certificate) + key_pem(leaf.identity.key)
    )
    identity = parse_identity(data, "site.pem")
    assert identity.certificate == leaf.identity.certificate
    assert identity.chain == (authority.certificate,)


@pytest.mark.parametrize("format_", [serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8])
def test_key_formats(leaf, format_):
    key = leaf.identity.key.private_bytes(serialization.Encoding.PEM, format_, serialization.NoEncryption())
    assert parse_identity(key + leaf.pem, "site.pem").certificate == leaf.identity.certificate


def test_windows_line_ends(leaf):
    data = leaf.identity.pem.replace(b"\n", b"\r\n")
    assert parse_identity(data, "site.pem").certificate == leaf.identity.certificate


def test_encrypted_key(leaf):
    data = key_pem(leaf.identity.key, "secret") + leaf.pem
    assert parse_identity(data, "site.pem", "secret").certificate == leaf.identity.certificate


def test_passphrase_for_a_plain_key_is_not_needed(leaf):
    assert parse_identity(leaf.identity.pem, "site.pem", "unused").certificate == leaf.identity.certificate


def test_openssl_reads_our_pem(leaf, tmp_path):
    path = tmp_path / "site.pem"
    path.write_bytes(leaf.identity.pem)
    subprocess.run(["openssl", "pkey", "-in", path, "-noout", "-check"], check=True, capture_output=True, timeout=20)
    shown = subprocess.run(
        ["openssl", "x509", "-in", path, "-outform", "DER"], check=True, capture_output=True, timeout=20
    )
    assert shown.stdout == to_der(leaf.identity.certificate)


def faulty_files(leaf):
    other = ec.generate_private_key(ec.SECP256R1())
    key, certificate = key_pem(leaf.identity.key), leaf.pem
    agreement = x25519.X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    return {
        "nothing": (b"", "has no certificate"),
        "no certificate": (key, "has no certificate"),
        "no key": (certificate, "has no private key"),
        "wrong key": (key_pem(other) + certificate, "does not belong to any certificate"),
        "encrypted": (key_pem(other, "secret") + certificate, "cert_passphrase"),
        "broken certificate": (key + broken, "cannot be read"),
        "broken key": (
            broken.replace(b"CERTIFICATE", b"PRIVATE KEY") + certificate,
            "private key in site.pem cannot be",
        ),
        "key that cannot sign": (agreement + certificate, "cannot sign"),
    }


@pytest.mark.parametrize(
    "case",
    [
        "nothing",
        "no certificate",
        "no key",
        "wrong key",
        "encrypted",
        "broken certificate",
        "broken key",
        "key that cannot sign",
    ],
)
def test_tls_16_faulty_files_have_precise_messages(leaf, case):
    data, message = faulty_files(leaf)[case]
    with pytest.raises(OptionsError, match=message) as raised:
        parse_identity(data, "site.pem")
    assert "site.pem" in str(raised.value)


def test_tls_16_wrong_passphrase(leaf):
    with pytest.raises(OptionsError, match="Is cert_passphrase right"):
        parse_identity(key_pem(leaf.identity.key, "secret") + leaf.pem, "site.pem", "guess")


def test_tls_16_missing_file(tmp_path):
    with pytest.raises(OptionsError, match=r"absent\.pem: No such file"):
        read_identity(str(tmp_path / "absent.pem"))


def test_chain_certificates_with_unknown_keys_are_kept(leaf, authority):
    # The public key's algorithm, id-ecPublicKey, becomes one that nobody knows.
    oid, unknown = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d0270")
    odd = armoured(to_der(authority.certificate).replace(oid, unknown))
    identity = parse_identity(odd + leaf.identity.pem, "site.pem")
    assert identity.certificate == leaf.identity.certificate
    assert len(identity.chain) == 1


def armoured(der):
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
