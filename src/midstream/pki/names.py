"""What a leaf certificate is to say about its server, and copying that from the server's own certificate.

Upstream certificates can be arbitrarily odd. What cannot be read is left out, one part at a time; nothing here raises.
"""

import ipaddress
import warnings
from collections.abc import Iterable, Iterator

import idna
import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from midstream.pki.pem import CERTIFICATE_FAULTS


class LeafNames(msgspec.Struct, frozen=True):
    """What a leaf certificate is to say about its server; also the key under which it is cached."""

    hostname: str | None = None
    """The name or address that the client asked for: always among the leaf's names."""
    sans: tuple[str, ...] = ()
    """Other names and addresses, such as those that the upstream certificate carries."""
    organization: str | None = None
    crl_url: str | None = None
    """Where the upstream's revocation list is; ours is then offered on the same host."""
    common_name: str | None = None

    @classmethod
    def mirror(cls, upstream: bytes | None, hostname: str | None, *also: str) -> "LeafNames":
        """Copy names, organisation and revocation from an upstream certificate (DER), as far as it can be read."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what `cryptography` finds odd is for the issuer to hear, not for our user
            return cls._mirror(_parse(upstream), hostname, also)

    @classmethod
    def _mirror(cls, upstream: x509.Certificate | None, hostname: str | None, also: tuple[str, ...]) -> "LeafNames":
        if upstream is None:
            return cls(hostname, also)
        names = tuple(_alternative_names(upstream))
        common_name = _subject_attribute(upstream, NameOID.COMMON_NAME)
        if not names and common_name and _general_name(common_name):
            names = (common_name,)
        return cls(
            hostname,
            tuple(dict.fromkeys((*names, *also))),
            _subject_attribute(upstream, NameOID.ORGANIZATION_NAME),
            _revocation_url(upstream),
            common_name,
        )

    def general_names(self) -> tuple[x509.GeneralName, ...]:
        """List the subject alternative names, the asked one first; what cannot be such a name is left out."""
        found = (_general_name(name) for name in (self.hostname, *self.sans) if name)
        return tuple(dict.fromkeys(name for name in found if name is not None))


def a_label(name: str) -> str | None:
    """Write a host name in lower-case ASCII (A-labels), or say that it cannot be."""
    labels = name.rstrip(".").lower().split(".")
    try:
        return ".".join(label if label.isascii() else idna.encode(label, uts46=True).decode() for label in labels)
    except UnicodeError:  # what idna raises, and what surrogates do
        return None


def ip_address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address literal, with or without brackets and zone."""
    try:
        return ipaddress.ip_address(name.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _general_name(name: str) -> x509.GeneralName | None:
    address = ip_address(name)
    if address is not None:
        return x509.IPAddress(address)
    label = a_label(name)
    if not label or any(char <= " " or char in "/:@" for char in label):
        return None
    return x509.DNSName(label)


def _parse(der: bytes | None) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(der) if der else None
    except CERTIFICATE_FAULTS:
        return None


def _extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> x509.ExtensionType | None:
    """Fetch an extension; one that cannot be read hides all of them, and the rest of the certificate still serves."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, *CERTIFICATE_FAULTS):
        return None


def _alternative_names(certificate: x509.Certificate) -> Iterator[str]:
    extension = _extension(certificate, x509.SubjectAlternativeName)
    if isinstance(extension, x509.SubjectAlternativeName):
        for name in extension:
            if isinstance(name, x509.DNSName | x509.IPAddress):
                yield str(name.value)


def _subject_attribute(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str | None:
    try:
        attributes = certificate.subject.get_attributes_for_oid(oid)
    except CERTIFICATE_FAULTS:
        return None
    value = attributes[0].value if attributes else None
    return value if isinstance(value, str) and value else None


def _revocation_url(certificate: x509.Certificate) -> str | None:
    extension = _extension(certificate, x509.CRLDistributionPoints)
    if not isinstance(extension, x509.CRLDistributionPoints):
        return None
    return next(_http_urls(extension), None)


def _http_urls(points: Iterable[x509.DistributionPoint]) -> Iterator[str]:
    for point in points:
        for name in point.full_name or ():
            if isinstance(name, x509.UniformResourceIdentifier) and name.value.startswith("http://"):
                yield name.value
