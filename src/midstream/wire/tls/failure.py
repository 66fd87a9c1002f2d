"""Why a TLS connection failed, told apart for the people and the rules that must act on it.

OpenSSL tells a reason as text, with another spelling in every binding and release (`tlsv1 alert unknown ca`,
`TLSV1_ALERT_UNKNOWN_CA`, `ssl/tls alert bad certificate`). Here they become one spelling, one of a few kinds, and a sentence.
"""

import re
from typing import Final, Literal, TypeAlias

from midstream.wire.errors import PeerError, shown

Kind: TypeAlias = Literal["not-tls", "version", "cipher", "untrusted", "verify", "closed", "alert", "protocol"]
"""What went wrong.

`not-tls`: the first bytes were no TLS record. `version`, `cipher`: nothing in common. `untrusted`: the peer refused our
certificate. `verify`: we refused the peer's. `closed`: the peer went away during the handshake. `alert`: the peer sent
another fatal alert. `protocol`: the peer broke TLS.
"""

ALERTS_ON_CERTIFICATE: Final = frozenset(
    {
        "bad_certificate",
        "unsupported_certificate",
        "certificate_revoked",
        "certificate_expired",
        "certificate_unknown",
        "unknown_ca",
        "access_denied",
        "certificate_required",
        "bad_certificate_status_response",
        "bad_certificate_hash_value",
    }
)
_ALERTS_ON_PARAMETERS: Final = frozenset({"handshake_failure", "insufficient_security"})
_ALERTS_ON_VERSION: Final = frozenset({"protocol_version", "inappropriate_fallback"})
_WITHOUT_ALERT_PREFIX: Final = frozenset(
    {"unsupported_extension", "certificate_unobtainable", "unrecognized_name"}
    | {"bad_certificate_status_response", "bad_certificate_hash_value"}
)
_AROUND: Final = re.compile(r"^\[[^\]]*\] |\s*\(_ssl\.c:\d+\)$")
"""What Python says around OpenSSL's words for reasons that its own table does not have."""
_ALERT: Final = re.compile(r"(?:sslv3|tlsv1|tlsv13|ssl_tls|tls)_(alert_)?(\w+)")
_VERSION: Final = re.compile(
    r"unsupported_protocol|wrong_(?:ssl_)?version|wrong_version_number|version_too_(?:low|high)"
    r"|unknown_protocol|unsupported_ssl_version|bad_protocol_version_number|inappropriate_fallback"
)
_CIPHER: Final = re.compile(
    r"no_shared_cipher|no_suitable_(?:key_share|groups|signature_algorithm)"
    r"|no_shared_(?:groups|signature_algorithms|sigature_algorithms)|wrong_cipher_returned|unknown_cipher_returned"
    r"|dh_key_too_small|ee_key_too_small|ca_md_too_weak|wrong_curve|no_cipher_match"
)
_OURS: Final = re.compile(r"no_protocols_available|no_ciphers_available")
_CLOSED: Final = re.compile(r"unexpected_eof_while_reading|has_been_closed")


class TlsError(PeerError):
    """A TLS connection failed; the endpoint's `take_output()` has the alert for the peer, where one is due."""

    def __init__(
        self,
        kind: Kind,
        message: str,
        reference: str = "",
        *,
        alert: str = "",
        plain: bytes = b"",
        suspects_certificate: bool = False,
    ) -> None:
        super().__init__(message, reference)
        self.kind: Kind = kind
        self.alert = alert
        """The alert that the peer sent, in the spelling of RFC 8446 §6; empty without one."""
        self.plain = plain
        """Plaintext that came whole before the fault, still to be delivered."""
        self.suspects_certificate = suspects_certificate
        """The peer refused our certificate, or went away on seeing it, as clients with pinned certificates do."""


def explain(reason: str, peer: str, *, established: bool = False) -> TlsError:
    """Turn OpenSSL's reason for a failure into a `TlsError`; `peer` is "client" or "server"."""
    code = re.sub(r"[^a-z0-9]+", "_", _AROUND.sub("", reason).lower()).strip("_")
    alert = received_alert(code)
    if alert:
        return _explain_alert(alert, peer)
    if _CLOSED.search(code):
        return TlsError("closed", f"the {peer} closed the connection during the TLS handshake", "RFC 8446 §6.1")
    if _OURS.search(code):
        kind: Kind = "version" if "protocols" in code else "cipher"
        text = (
            f"our own TLS settings leave no version or cipher to offer the {peer} ({reason}); "
            "TLS 1.0 and 1.1 need ciphers with @SECLEVEL=0"
        )
        return TlsError(kind, text)
    if _VERSION.search(code):
        return TlsError("version", f"the {peer} and we have no TLS version in common ({reason})", "RFC 8446 §4.2.1")
    if _CIPHER.search(code):
        text = f"the {peer} and we have no cipher, group or signature algorithm in common ({reason})"
        return TlsError("cipher", text, "RFC 8446 §4.1.1")
    where = "in the TLS connection" if established else "in the TLS handshake"
    return TlsError("protocol", f"the {peer} broke the protocol {where} ({reason or 'no reason given'})", "RFC 8446")


def refused_certificate(reason: str, peer: str) -> TlsError:
    """Make the error for a certificate that did not pass our own verification."""
    return TlsError("verify", f"the {peer}'s certificate does not verify: {reason.rstrip('.')}", "RFC 5280 §6")


def closed_in_handshake(*, server_side: bool, has_answered: bool) -> TlsError:
    """Make the error for a transport that ended during the handshake; `has_answered`: after our certificate was sent."""
    if not server_side:
        return TlsError("closed", "the server closed the connection during the TLS handshake", "RFC 8446 §6.1")
    if not has_answered:
        return TlsError("closed", "the client closed the connection before it said a TLS hello", "RFC 8446 §6.1")
    text = (
        "the client closed the connection on seeing our certificate, without an alert; "
        "it may not trust our authority, or only accept certain certificates"
    )
    return TlsError("closed", text, "RFC 8446 §6.1", suspects_certificate=True)


def not_tls(start: bytes, *, server_side: bool) -> TlsError:
    """Make the error for first bytes that are no TLS record; there is no alert for a peer that speaks no TLS (TLS-33)."""
    peer = "client" if server_side else "server"
    if re.match(rb"[A-Za-z]+ \S+|HTTP/", start):
        text = f"the {peer} speaks plain HTTP where TLS was expected"
    else:
        text = f"the {peer} does not speak TLS; its first bytes are {shown(start[:16])}"
    return TlsError("not-tls", text, "RFC 8446 §5.1")


def received_alert(code: str) -> str:
    """Return the name of the alert that a normalised reason reports; empty when it reports something else."""
    match = _ALERT.fullmatch(code)
    if match is None:
        return ""
    name = match[2].replace("user_cancelled", "user_canceled")
    return name if match[1] or name in _WITHOUT_ALERT_PREFIX else ""


def _explain_alert(alert: str, peer: str) -> TlsError:
    name = alert.replace("_", " ")
    reference = "RFC 8446 §6.2"
    if alert == "certificate_required":
        text = f"the {peer} asks for a client certificate and we have none for it"
        return TlsError("untrusted", text, reference, alert=alert, suspects_certificate=True)
    if alert in ALERTS_ON_CERTIFICATE:
        text = f"the {peer} does not accept our certificate (alert: {name})"
        return TlsError("untrusted", text, reference, alert=alert, suspects_certificate=True)
    if alert in _ALERTS_ON_VERSION:
        return TlsError("version", f"the {peer} refused our TLS version (alert: {name})", reference, alert=alert)
    if alert in _ALERTS_ON_PARAMETERS:
        text = f"the {peer} found no cipher, group or signature algorithm it can use with us (alert: {name})"
        return TlsError("cipher", text, reference, alert=alert)
    return TlsError("alert", f"the {peer} ended TLS with an alert: {name}", reference, alert=alert)
