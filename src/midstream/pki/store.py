"""Which certificate a client is shown: one of the user's own, or a leaf signed for the occasion and remembered."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from cryptography import x509

from midstream.errors import OptionsError
from midstream.pki.authority import CertificateAuthority, KeyType, utc_now
from midstream.pki.leaf import DEFAULT_LIFETIME_DAYS, Leaf, LeafIssuer
from midstream.pki.lru import Lru
from midstream.pki.names import LeafNames, a_label
from midstream.pki.pem import read_identity

DEFAULT_SIZE = 1000


class CertStore:
    """Leaf certificates by names, bounded. Safe to use from several threads: each leaf is signed once."""

    def __init__(
        self,
        authority: CertificateAuthority,
        *,
        custom: Iterable[str] = (),
        passphrase: str | None = None,
        lifetime_days: int = DEFAULT_LIFETIME_DAYS,
        key_type: KeyType = "ec",
        key_size: int = 2048,
        size: int = DEFAULT_SIZE,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.authority = authority
        self.warnings: list[str] = []
        """What is odd about the user's own certificates."""
        self._clock = clock
        self._issuer = LeafIssuer(
            authority, lifetime_days=lifetime_days, key_type=key_type, key_size=key_size, clock=clock
        )
        self._leaves: Lru[LeafNames, Leaf] = Lru(size)
        self._lock = threading.Lock()
        self._custom: dict[str, Leaf] = {}
        for spec in custom:
            self.add_custom(spec, passphrase)

    def leaf_for(self, names: LeafNames) -> Leaf:
        """Give the certificate to show for these names."""
        with self._lock:
            leaf = self._leaves.get(names)
            if leaf is None or leaf.renew_at <= self._clock():
                leaf = self._find_custom(names) or self._issuer.issue(names)
                self._leaves.put(names, leaf)
            return leaf

    def add_custom(self, spec: str, passphrase: str | None = None) -> None:
        """Serve a certificate of the user's: `[pattern=]path`, the pattern a name, `*.domain` or `*`.

        Raises:
            OptionsError: the file cannot serve; the message says why.

        """
        pattern, path = _split_spec(spec)
        identity = read_identity(os.path.expanduser(path), passphrase)
        if _is_authority(identity.certificate):
            self.warnings.append(
                f"{path} holds the certificate of an authority; as a server's certificate clients will refuse it."
            )
        if identity.certificate.not_valid_after_utc <= self._clock():
            self.warnings.append(
                f"The certificate in {path} expired on {identity.certificate.not_valid_after_utc:%Y-%m-%d}."
            )
        with self._lock:
            self._custom[pattern] = Leaf(identity, datetime.max.replace(tzinfo=self._clock().tzinfo))
            self._leaves.clear()

    def crl_for(self, path: str) -> bytes | None:
        """Answer a client that fetches the revocation list which our leaves point to; None for any other path."""
        return self.authority.empty_crl() if path == self.authority.crl_path else None

    def _find_custom(self, names: LeafNames) -> Leaf | None:
        if not self._custom:
            return None
        wanted = (form for name in (names.hostname, *names.sans) if name for form in _wildcard_forms(name))
        return next((self._custom[form] for form in wanted if form in self._custom), self._custom.get("*"))


def _split_spec(spec: str) -> tuple[str, str]:
    pattern, equals, path = spec.partition("=")
    if not equals or os.path.exists(os.path.expanduser(spec)):
        return "*", spec
    if not pattern or not path:
        raise OptionsError(f"certs: expected [pattern=]path, got {spec!r}.")
    return a_label(pattern) or pattern, path


def _wildcard_forms(name: str) -> Iterator[str]:
    """List the patterns that cover a name, the closest first: a.b.c, *.b.c, *.c."""
    label = a_label(name) or name
    yield label
    while "." in label:
        label = label.partition(".")[2]
        yield f"*.{label}"


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (x509.ExtensionNotFound, ValueError):
        return False
