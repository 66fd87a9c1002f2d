"""A certificate as scripts see it: parsed when first looked at, shown raw where it cannot be parsed."""

import datetime as dt
import functools
import ssl
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID


class Cert:
    """One X.509 certificate. Building it costs nothing; reading a field of one that is not valid raises ValueError."""

    def __init__(self, certificate: x509.Certificate | bytes) -> None:
        if isinstance(certificate, bytes):
            self.der = certificate
        else:
            self.der = certificate.public_bytes(Encoding.DER)
            self.__dict__["_parsed"] = certificate

    @classmethod
    def from_pem(cls, pem: bytes | str) -> "Cert":
        """Take the first certificate of a PEM text."""
        text = pem.decode("ascii", "replace") if isinstance(pem, bytes) else pem
        start = text.find(ssl.PEM_HEADER)
        end = text.find(ssl.PEM_FOOTER, start)
        if start < 0 or end < 0:
            raise ValueError("not a certificate in PEM form")
        return cls(ssl.PEM_cert_to_DER_cert(text[start : end + len(ssl.PEM_FOOTER)]))

    @classmethod
    def from_pyopenssl(cls, certificate: Any) -> "Cert":
        """Take an `OpenSSL.crypto.X509`."""
        return cls(certificate.to_cryptography())

    @functools.cached_property
    def _parsed(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.der)

    def to_pem(self) -> bytes:
        return ssl.DER_cert_to_PEM_cert(self.der).encode("ascii")

    def to_cryptography(self) -> x509.Certificate:
        return self._parsed

    def get_state(self) -> bytes:
        return self.to_pem()

    @classmethod
    def from_state(cls, state: bytes) -> "Cert":
        return cls.from_pem(state)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cert) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    def __repr__(self) -> str:
        try:
            return f"<Cert(cn={self.cn!r}, altnames={self.altnames!r})>"
        except ValueError:
            return f"<Cert(unparsable, {len(self.der)} bytes)>"

    def fingerprint(self) -> bytes:
        """The SHA-256 digest of the DER form."""
        digest = hashes.Hash(hashes.SHA256())
        digest.update(self.der)
        return digest.finalize()

    @property
    def issuer(self) -> list[tuple[str, str]]:
        """The issuer's name as (attribute, value) pairs."""
        return _name(self._parsed.issuer)

    @property
    def subject(self) -> list[tuple[str, str]]:
        """The subject's name as (attribute, value) pairs."""
        return _name(self._parsed.subject)

    @property
    def serial(self) -> int:
        return self._parsed.serial_number

    @property
    def cn(self) -> str | None:
        """The subject's common name."""
        return self._first(NameOID.COMMON_NAME)

    @property
    def organization(self) -> str | None:
        return self._first(NameOID.ORGANIZATION_NAME)

    @property
    def altnames(self) -> list[str]:
        """The subject alternative names: DNS names and IP addresses, as text."""
        names = self._extension(x509.SubjectAlternativeName)
        if names is None:
            return []
        dns: list[str] = names.get_values_for_type(x509.DNSName)
        return dns + [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]

    @property
    def notbefore(self) -> dt.datetime:
        return self._parsed.not_valid_before_utc

    @property
    def notafter(self) -> dt.datetime:
        return self._parsed.not_valid_after_utc

    def has_expired(self) -> bool:
        return dt.datetime.now(dt.UTC) > self.notafter

    @property
    def is_ca(self) -> bool:
        constraints = self._extension(x509.BasicConstraints)
        return constraints is not None and constraints.ca

    @property
    def public_key(self) -> Any:
        return self._parsed.public_key()

    @property
    def keyinfo(self) -> tuple[str, int]:
        """Kind and size of the public key: `("EC (secp256r1)", 256)`."""
        match self.public_key:
            case rsa.RSAPublicKey() as key:
                return "RSA", key.key_size
            case ec.EllipticCurvePublicKey() as key:
                return f"EC ({key.curve.name})", key.key_size
            case dsa.DSAPublicKey() as key:
                return "DSA", key.key_size
            case key:
                return type(key).__name__.removesuffix("PublicKey").lstrip("_"), getattr(key, "key_size", -1)

    @property
    def crl_distribution_points(self) -> list[str]:
        """The URLs where revocations are published."""
        points = self._extension(x509.CRLDistributionPoints) or ()
        names = [name for point in points for name in point.full_name or ()]
        return [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]

    def _first(self, oid: x509.ObjectIdentifier) -> str | None:
        values = self._parsed.subject.get_attributes_for_oid(oid)
        return _text(values[0].value) if values else None

    def _extension(self, kind: Any) -> Any:
        try:
            return self._parsed.extensions.get_extension_for_class(kind).value
        except x509.ExtensionNotFound:
            return None


def _name(name: x509.Name) -> list[tuple[str, str]]:
    return [(part.rfc4514_attribute_name, _text(part.value)) for part in name]


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
