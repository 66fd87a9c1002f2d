"""What one side of TLS is configured to, in words, checked and translated; no context is made here.

Versions that this machine's OpenSSL was built without are stepped over where a range still remains (TLS-17).
"""

import re
import ssl
from typing import Final

import msgspec

from midstream.errors import OptionsError

VERSIONS: Final = ("UNBOUNDED", "SSL3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3")
DTLS_1_0: Final = 0xFEFF
DTLS_1_2: Final = 0xFEFD
"""The versions of DTLS that OpenSSL speaks; there is no 1.1, and 1.2 is of the age of TLS 1.2 (RFC 6347 §1)."""
CLIENT_CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
"""Mozilla's "intermediate" list, without finite-field Diffie-Hellman, for which we have no parameters (OB-12)."""
OLD_CLIENT_CIPHERS: Final = f"{CLIENT_CIPHERS}:ECDHE+AES:RSA+AES:!aNULL"
"""For who asks for versions before TLS 1.2, which know none of the above."""
SERVER_CIPHERS: Final = "DEFAULT:!aNULL:!eNULL"
"""Towards servers we take what OpenSSL takes: refusing an old server is not the proxy's business."""
CURVES: Final = {
    "prime256v1": "prime256v1",
    "secp256r1": "prime256v1",
    "p-256": "prime256v1",
    "secp384r1": "secp384r1",
    "p-384": "secp384r1",
    "secp521r1": "secp521r1",
    "p-521": "secp521r1",
}

_STDLIB_VERSIONS: Final = (
    ("SSL3", ssl.TLSVersion.SSLv3, ssl.HAS_SSLv3),
    ("TLS1", ssl.TLSVersion.TLSv1, ssl.HAS_TLSv1),
    ("TLS1_1", ssl.TLSVersion.TLSv1_1, ssl.HAS_TLSv1_1),
    ("TLS1_2", ssl.TLSVersion.TLSv1_2, ssl.HAS_TLSv1_2),
    ("TLS1_3", ssl.TLSVersion.TLSv1_3, ssl.HAS_TLSv1_3),
)


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What we agree to on one leg; also a part of the keys under which contexts are kept."""

    side: str
    """`client` or `server`: which peer this is for; the options are named by it."""
    minimum: str = "TLS1_2"
    maximum: str = "UNBOUNDED"
    ciphers: str | None = None
    curve: str | None = None
    alpn: tuple[bytes, ...] = ()
    keylog_file: str | None = None
    is_dtls: bool = False

    @property
    def is_old(self) -> bool:
        """Permits versions before TLS 1.2."""
        return self.minimum not in {"TLS1_2", "TLS1_3"}

    @property
    def tls13_suites(self) -> str | None:
        """The TLS 1.3 suites that were asked for by name; only pyOpenSSL can set those."""
        return ":".join(name for name in _names(self.ciphers) if name.startswith("TLS_")) or None

    @property
    def cipher_list(self) -> str:
        """The OpenSSL cipher string for TLS 1.2 and before, with the security level that the versions need (TLS-18)."""
        asked = ":".join(name for name in _names(self.ciphers) if not name.startswith("TLS_"))
        usual = SERVER_CIPHERS if self.side == "server" else OLD_CLIENT_CIPHERS if self.is_old else CLIENT_CIPHERS
        ciphers = asked or usual
        if "@SECLEVEL" in ciphers:
            return ciphers
        if self.is_old:
            return f"{ciphers}:@SECLEVEL=0"
        return ciphers if asked or self.side == "client" else f"{ciphers}:@SECLEVEL=1"

    @property
    def curve_name(self) -> str | None:
        """The curve in OpenSSL's spelling.

        Raises:
            OptionsError: it is none that can be set.

        """
        if not self.curve:
            return None
        name = CURVES.get(self.curve.lower())
        if name is None:
            raise OptionsError(
                f"tls_ecdh_curve_{self.side}: {self.curve!r} cannot be set; expected prime256v1, secp384r1 or secp521r1."
            )
        return name

    def version_range(self) -> tuple[ssl.TLSVersion, ssl.TLSVersion]:
        """Translate the versions for the standard library.

        Raises:
            OptionsError: a name is unknown, or no version remains that this OpenSSL supports.

        """
        low, high = self._bounds()
        usable = [code for name, code, is_built in _STDLIB_VERSIONS if is_built and low <= VERSIONS.index(name) <= high]
        if not usable:
            raise OptionsError(
                f"tls_version_{self.side}_min/max: {ssl.OPENSSL_VERSION} supports no version "
                f"from {self.minimum} to {self.maximum}."
            )
        is_open = self.maximum == "UNBOUNDED"
        return usable[0], ssl.TLSVersion.MAXIMUM_SUPPORTED if is_open else usable[-1]

    def dtls_range(self) -> tuple[int, int]:
        """Translate the versions for DTLS: those before TLS 1.2 stand for DTLS 1.0.

        Raises:
            OptionsError: a name is unknown, or no version remains.

        """
        low, high = self._bounds()
        if low > VERSIONS.index("TLS1_2"):
            raise OptionsError(
                f"tls_version_{self.side}_min: DTLS is spoken up to version 1.2, so {self.minimum} rules it out."
            )
        is_old = high < VERSIONS.index("TLS1_2")
        return DTLS_1_0 if self.is_old else DTLS_1_2, DTLS_1_0 if is_old else DTLS_1_2

    def warnings(self) -> list[str]:
        """Say which versions were asked for in vain, and what weakens security."""
        low, high = self._bounds()
        bounds = {low, high}
        notes = [
            f"tls_version_{self.side}_min/max: {ssl.OPENSSL_VERSION} was built without {name}."
            for name, _, is_built in _STDLIB_VERSIONS
            if not is_built and VERSIONS.index(name) in bounds
        ]
        if self.is_old:
            notes.append(f"TLS before 1.2 is permitted with {self.side}s: OpenSSL's security level is 0 for them.")
        return notes

    def _bounds(self) -> tuple[int, int]:
        low = self._index("min", self.minimum)
        high = self._index("max", self.maximum) or len(VERSIONS)
        if low > high:
            raise OptionsError(
                f"tls_version_{self.side}_min ({self.minimum}) is above tls_version_{self.side}_max ({self.maximum})."
            )
        return low, high

    def _index(self, bound: str, name: str) -> int:
        if name not in VERSIONS:
            raise OptionsError(
                f"tls_version_{self.side}_{bound}: unknown TLS version {name!r}; expected one of {', '.join(VERSIONS)}."
            )
        return VERSIONS.index(name)


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """How servers are verified."""

    is_insecure: bool = False
    """Verify nothing, and talk to servers without secure renegotiation (TLS-19)."""
    ca_file: str | None = None
    ca_directory: str | None = None


def _names(ciphers: str | None) -> list[str]:
    return [name for name in re.split(r"[:, ]+", ciphers or "") if name]
