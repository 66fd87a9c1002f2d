"""The certificate authority: made once per configuration directory, or brought by the user.

`midstream-ca.pem` holds the private key, its certificate and, for an authority of somebody's making, the certificates
above it. The files `midstream-ca-cert.*` are for handing out and never hold a key.
"""

import os
import platform
import stat
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from midstream.errors import OptionsError, UsageError
from midstream.pki.pem import Identity, SigningKey, key_pem, read_identity, to_pem

KeyType = Literal["ec", "rsa"]
DownloadKind = Literal["pem", "cer", "p12"]

KEY_FILE = "midstream-ca.pem"
FOREIGN_KEY_FILES = ("mitmproxy-ca.pem",)
"""Authorities of other proxies that are taken over from the directory, so that devices need not be set up again."""
PLAIN_DOWNLOADS: tuple[DownloadKind, ...] = ("pem", "cer")
PUBLIC_FILE = "midstream-ca-cert"
ORGANIZATION = "midstream"
LIFETIME = timedelta(days=3650)
BACKDATE = timedelta(days=2)
EXPIRES_SOON = timedelta(days=30)
CRL_LIFETIME = timedelta(days=7)
IS_POSIX = os.name == "posix"


def utc_now() -> datetime:
    return datetime.now(UTC)


class CertificateAuthority:
    """Signs certificates and revocation lists.

    `chain` are the certificates to send after a leaf: none for a root that signs by itself, all from the signing one
    upwards (the root excepted) for an intermediate.
    """

    def __init__(
        self, identity: Identity, *, path: str = "", directory: str = "", clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.key = identity.key
        self.certificate = identity.certificate
        self.path = path
        self.directory = directory
        self._clock = clock
        self._identity = identity
        self._crl: tuple[datetime, bytes] | None = None
        self._notes: list[str] = []
        self.chain = tuple(cert for cert in (identity.certificate, *identity.chain) if not _is_root(cert))
        self.key_identifier = _authority_key_identifier(identity.certificate)
        self.crl_path = f"/midstream-{identity.certificate.serial_number:x}.crl"
        _require_authority(identity.certificate, path)

    @classmethod
    def create(
        cls,
        *,
        key_type: KeyType = "ec",
        key_size: int = 2048,
        directory: str = "",
        clock: Callable[[], datetime] = utc_now,
    ) -> "CertificateAuthority":
        """Make a new authority in memory."""
        key: SigningKey
        if key_type == "rsa":
            key = rsa.generate_private_key(65537, key_size)
        else:
            key = ec.generate_private_key(ec.SECP256R1())
        return cls(Identity(key, _self_signed(key, _subject(clock()), clock())), directory=directory, clock=clock)

    @classmethod
    def load_or_create(
        cls,
        directory: str,
        *,
        key_type: KeyType = "ec",
        key_size: int = 2048,
        passphrase: str | None = None,
        path: str | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> "CertificateAuthority":
        """Take the authority from `path` or the directory; make one there if it has none.

        Raises:
            OptionsError: the file is unusable, or the directory cannot be written.

        """
        directory = os.path.expanduser(directory)
        source = os.path.expanduser(path) if path else find_key_file(directory)
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            if source is None:
                made = cls.create(key_type=key_type, key_size=key_size, clock=clock)
                source = os.path.join(directory, KEY_FILE)
                _write_once(source, key_pem(made.key, passphrase) + to_pem(made.certificate))
            authority = cls(read_identity(source, passphrase), path=source, directory=directory, clock=clock)
            authority._guard_key_file()
            authority.write_public_files()
        except OSError as error:
            raise OptionsError(
                f"Cannot keep the certificate authority in {directory}: {error.strerror} ({error.filename})."
            ) from error
        return authority

    @property
    def trust_anchor(self) -> x509.Certificate:
        """The certificate that clients are to trust: the root if we know it, otherwise the signing one."""
        return next((cert for cert in self._identity.chain if _is_root(cert)), self.certificate)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 fingerprint of the trust anchor, as browsers show it."""
        return self.trust_anchor.fingerprint(hashes.SHA256()).hex(":").upper()

    @property
    def warnings(self) -> list[str]:
        """What the user should know about this authority now."""
        return [*self._notes, *_validity_warnings(self.certificate, self._clock())]

    def sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        return builder.sign(self.key, _signature_hash(self.key))

    def empty_crl(self) -> bytes:
        """Give a revocation list (DER) that revokes nothing, for clients that insist on one."""
        now = self._clock()
        if self._crl is None or self._crl[0] <= now:
            self._crl = (now + CRL_LIFETIME / 2, self._sign_crl(now))
        return self._crl[1]

    def public_file(self, kind: DownloadKind = "pem") -> str:
        """The path of a file to hand out."""
        return os.path.join(self.directory, f"{PUBLIC_FILE}.{kind}")

    def download(self, kind: DownloadKind) -> bytes:
        """Give the trust anchor, never a key, as PEM (`cer`: the same under the name that Android asks for) or PKCS#12."""
        if kind != "p12":
            return to_pem(self.trust_anchor)
        return pkcs12.serialize_key_and_certificates(
            None, None, None, [self.trust_anchor], serialization.NoEncryption()
        )

    def write_public_files(self) -> None:
        """Write the files to hand out, unless they are there and right."""
        anchor = to_pem(self.trust_anchor)
        is_right = os.path.exists(self.public_file("p12"))
        is_right = is_right and all(_read(self.public_file(kind)) == anchor for kind in PLAIN_DOWNLOADS)
        if not is_right:
            for kind in (*PLAIN_DOWNLOADS, "p12"):
                _replace(self.public_file(kind), self.download(kind), 0o644)

    def renew(self, passphrase: str | None = None) -> "CertificateAuthority":
        """Replace the certificate by one that is valid for another ten years, with the same key and name.

        Leaves signed before stay valid for clients that trust either certificate.

        Raises:
            UsageError: the authority is not a root, so that somebody else has to renew it.

        """
        if not _is_root(self.certificate):
            raise UsageError(f"{self.path} holds an intermediate authority; only its issuer can renew it.")
        renewed = _self_signed(self.key, self.certificate.subject, self._clock())
        path = self.path or os.path.join(self.directory, KEY_FILE)
        others = b"".join(to_pem(cert) for cert in self._identity.chain)
        _replace(path, key_pem(self.key, passphrase) + to_pem(renewed) + others, 0o600)
        identity = Identity(self.key, renewed, self._identity.chain)
        authority = CertificateAuthority(identity, path=path, directory=self.directory, clock=self._clock)
        authority.write_public_files()
        return authority

    def _sign_crl(self, now: datetime) -> bytes:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - BACKDATE)
            .next_update(now + CRL_LIFETIME)
            .add_extension(self.key_identifier, critical=False)
            .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        )
        return builder.sign(self.key, _signature_hash(self.key)).public_bytes(serialization.Encoding.DER)

    def _guard_key_file(self) -> None:
        """Take a key file away from other users of the machine, and say so."""
        if IS_POSIX and stat.S_IMODE(os.stat(self.path).st_mode) & 0o077:
            try:
                os.chmod(self.path, 0o600)
            except PermissionError:
                self._notes.append(f"Other users of this machine can read the private key in {self.path}.")
            else:
                self._notes.append(f"Other users of this machine could read the private key in {self.path}: now 0600.")


def find_key_file(directory: str) -> str | None:
    """Find the file of an authority in a directory: our own before one of another proxy."""
    paths = (os.path.join(directory, name) for name in (KEY_FILE, *FOREIGN_KEY_FILES))
    return next((path for path in paths if os.path.exists(path)), None)


def key_usage(
    *, digital_signature: bool = False, key_encipherment: bool = False, certificates: bool = False
) -> x509.KeyUsage:
    """Name the uses we know; `certificates` is the right to sign them and their revocation lists."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(now: datetime) -> x509.Name:
    """Tell authorities of several machines and years apart in a list of trusted ones."""
    suffix = f" {now:%Y-%m-%d}"
    host = platform.node().partition(".")[0] or "unknown host"
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, f"midstream CA {host}"[: 64 - len(suffix)] + suffix),
        ]
    )


def _self_signed(key: SigningKey, subject: x509.Name, now: datetime) -> x509.Certificate:
    """Sign a root. It carries no extended key usage: some clients then take it for a leaf."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(key_usage(certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, _signature_hash(key))


def _signature_hash(key: SigningKey) -> hashes.SHA256 | None:
    """Give the hash to sign with; Edwards curves bring their own."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else hashes.SHA256()


def _is_root(certificate: x509.Certificate) -> bool:
    return certificate.issuer == certificate.subject


def _authority_key_identifier(certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """Point to the identifier that the authority's certificate has, however that was made."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier(
            x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest, None, None
        )
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(extension.value)


def _require_authority(certificate: x509.Certificate, path: str) -> None:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = None
    if constraints is None or not constraints.ca:
        raise OptionsError(
            f"The certificate in {path} is not one of an authority (basicConstraints CA:TRUE is missing), "
            "so clients would refuse what it signs. A certificate for one site belongs into the option certs."
        )


def _validity_warnings(certificate: x509.Certificate, now: datetime) -> list[str]:
    end = certificate.not_valid_after_utc
    if end <= now:
        return [
            (
                f"THE CERTIFICATE AUTHORITY EXPIRED on {end:%Y-%m-%d}: every client refuses its certificates. "
                "Run `midstream trust --renew`, then trust it again."
            )
        ]
    if end - now < EXPIRES_SOON:
        return [f"The certificate authority expires on {end:%Y-%m-%d}. Run `midstream trust --renew`."]
    if certificate.not_valid_before_utc > now:
        return [f"The certificate authority is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}."]
    return []


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _write_once(path: str, data: bytes) -> None:
    """Make a private file whole or not at all; another process that was first has won."""
    scratch = _scratch(path, data, 0o600)
    try:
        os.link(scratch, path)
    except FileExistsError:
        os.unlink(scratch)
    except OSError:  # a file system without hard links: then the last one wins
        os.replace(scratch, path)
    else:
        os.unlink(scratch)


def _replace(path: str, data: bytes, mode: int) -> None:
    os.replace(_scratch(path, data, mode), path)


def _scratch(path: str, data: bytes, mode: int) -> str:
    descriptor, scratch = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".midstream-")
    with open(descriptor, "wb") as file:
        file.write(data)
    os.chmod(scratch, mode)
    return scratch
