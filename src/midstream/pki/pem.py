"""A private key with its certificates, and reading one from a PEM file.

Order in the file does not matter: the certificate whose public key belongs to the private key is the identity's own,
the others are its chain. Every way such a file can be wrong has its own message, because a person made the file.
"""

import re

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from midstream.errors import OptionsError

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----[ \t]*\r?\n?", re.DOTALL)
_CERTIFICATES = {b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"}
CERTIFICATE_FAULTS = (
    ValueError,
    TypeError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
)
"""What `cryptography` raises for certificates that it cannot read; such things exist in the wild (lazily, too)."""


class Identity(msgspec.Struct, frozen=True, eq=False):
    """A private key, its certificate, and the certificates between that one and a root."""

    key: SigningKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        """The certificate, its chain and the unencrypted key, as OpenSSL reads them from one file."""
        return key_pem(self.key) + b"".join(to_pem(cert) for cert in (self.certificate, *self.chain))


def read_identity(path: str, passphrase: str | None = None) -> Identity:
    """Read a key and its certificates from a PEM file.

    Raises:
        OptionsError: the file cannot be read, lacks a part, or its parts do not belong together.

    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise OptionsError(f"Cannot read the certificate file {path}: {error.strerror}.") from error
    return parse_identity(data, path, passphrase)


def parse_identity(data: bytes, path: str, passphrase: str | None = None) -> Identity:
    """Take apart PEM text; `path` is for messages."""
    blocks = [(match[1], match[0]) for match in _BLOCK.finditer(data)]
    keys = [pem for label, pem in blocks if label.endswith(b"PRIVATE KEY")]
    certificates = [_load_certificate(pem, path) for label, pem in blocks if label in _CERTIFICATES]
    if not certificates:
        raise OptionsError(f"{path} has no certificate: expected a PEM file with a private key and its certificate.")
    if not keys:
        raise OptionsError(
            f"{path} has no private key: append the PEM text of the key that belongs to its certificate."
        )
    key = _load_key(keys[0], path, passphrase)
    public = _public_bytes(key)
    own = next((cert for cert in certificates if _certified_key(cert) == public), None)
    if own is None:
        raise OptionsError(f"The private key in {path} does not belong to any certificate in that file.")
    return Identity(key, own, tuple(cert for cert in certificates if cert is not own))


def to_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def to_der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def key_pem(key: PrivateKeyTypes, passphrase: str | None = None) -> bytes:
    """Write a key in PKCS#8, encrypted if there is a passphrase."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def _load_certificate(pem: bytes, path: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except CERTIFICATE_FAULTS as error:
        raise OptionsError(f"A certificate in {path} cannot be read: {error}") from error


def _load_key(pem: bytes, path: str, passphrase: str | None) -> SigningKey:
    is_encrypted = b"ENCRYPTED" in pem
    if is_encrypted and not passphrase:
        raise OptionsError(
            f"The private key in {path} is encrypted: give its passphrase with the option cert_passphrase."
        )
    try:
        key = serialization.load_pem_private_key(pem, (passphrase or "").encode() if is_encrypted else None)
    except CERTIFICATE_FAULTS as error:
        hint = " Is cert_passphrase right?" if is_encrypted else ""
        raise OptionsError(f"The private key in {path} cannot be read: {error}{hint}") from error
    if not isinstance(key, SigningKey):
        raise OptionsError(f"The private key in {path} is of a kind that cannot sign: expected RSA, EC or Ed25519.")
    return key


def _certified_key(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except CERTIFICATE_FAULTS:
        return None


def _public_bytes(key: PrivateKeyTypes) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
