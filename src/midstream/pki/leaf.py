"""Leaf certificates and the signing of them.

One key serves all leaves of an issuer. A new key for each would cost more than the signature does, and buy nothing:
whoever can read one of them from this process can read them all.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from midstream.pki.authority import CertificateAuthority, KeyType, key_usage, utc_now
from midstream.pki.names import LeafNames
from midstream.pki.pem import Identity, SigningKey, to_der, to_pem

__all__ = ["Leaf", "LeafIssuer", "LeafNames"]

DEFAULT_LIFETIME_DAYS = 197
"""Browsers refuse leaves that are valid for 200 days or more, and count the days before today, too."""
BACKDATE = timedelta(days=2)
"""Clients' clocks are often late; a leaf is valid a little before now."""
MAX_NAME = 64
"""The upper bound of a common name and of an organisation (RFC 5280, appendix A.1)."""
OWN_ORGANIZATION = "midstream"


class Leaf(msgspec.Struct, frozen=True, eq=False):
    """A certificate that we can serve: it, its key, and the certificates to send with it."""

    identity: Identity
    renew_at: datetime
    """When another one should take its place."""

    @property
    def certificate(self) -> bytes:
        """The certificate in DER."""
        return to_der(self.identity.certificate)

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The certificates sent after it, in DER."""
        return tuple(to_der(cert) for cert in self.identity.chain)

    @property
    def pem(self) -> bytes:
        """The certificate and its chain in PEM, without the key."""
        return b"".join(to_pem(cert) for cert in (self.identity.certificate, *self.identity.chain))


class LeafIssuer:
    """Signs leaf certificates for one authority."""

    def __init__(
        self,
        authority: CertificateAuthority,
        *,
        lifetime_days: int = DEFAULT_LIFETIME_DAYS,
        key_type: KeyType = "ec",
        key_size: int = 2048,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._authority = authority
        self._clock = clock
        lifetime = timedelta(days=max(lifetime_days, 1))
        self._backdate = min(BACKDATE, lifetime / 2)
        self._forward = lifetime - self._backdate
        self._key: SigningKey
        if key_type == "rsa":
            self._key = rsa.generate_private_key(65537, key_size)
        else:
            self._key = ec.generate_private_key(ec.SECP256R1())
        self._key_id = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())

    def issue(self, names: LeafNames) -> Leaf:
        now = self._clock()
        builder = self._describe(names)
        builder = builder.not_valid_before(now - self._backdate).not_valid_after(now + self._forward)
        certificate = self._authority.sign(builder)
        return Leaf(Identity(self._key, certificate, self._authority.chain), now + self._forward * 0.75)

    def _describe(self, names: LeafNames) -> x509.CertificateBuilder:
        authority = self._authority
        alternative = names.general_names()
        builder = (
            x509.CertificateBuilder()
            .subject_name(_subject(names))
            .issuer_name(authority.certificate.subject)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(self._key), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(self._key_id, critical=False)
            .add_extension(authority.key_identifier, critical=False)
        )
        if alternative:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternative), critical=False)
        if names.crl_url and (url := _our_revocation_url(names.crl_url, authority.crl_path)):
            builder = builder.add_extension(_distribution_point(url), critical=False)
        return builder


def _subject(names: LeafNames) -> x509.Name:
    """Name the leaf; a name over 64 bytes does not fit into a common name, the alternative names have it."""
    organization = _cut(names.organization or "") or OWN_ORGANIZATION
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)]
    candidates = (names.common_name, names.hostname, *names.sans)
    if common_name := next((name for name in candidates if name and _cut(name) == name), None):
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(attributes)


def _cut(text: str) -> str:
    """Give as much of a text as fits into a subject."""
    return text.encode(errors="ignore")[:MAX_NAME].decode(errors="ignore")


def _key_usage(key: SigningKey) -> x509.KeyUsage:
    """Permit signing; an RSA key may also be used for key exchange by clients that only know that."""
    return key_usage(digital_signature=True, key_encipherment=isinstance(key, rsa.RSAPrivateKey))


def _our_revocation_url(upstream: str, path: str) -> str | None:
    try:
        parts = urlsplit(upstream)
    except ValueError:
        return None
    return (
        f"http://{parts.netloc}{path}" if parts.scheme == "http" and parts.netloc.isascii() and parts.netloc else None
    )


def _distribution_point(url: str) -> x509.CRLDistributionPoints:
    return x509.CRLDistributionPoints([x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)])
