"""OpenSSL's wordings, old and new, become kinds."""

import pytest

from midstream.wire.errors import PeerError
from midstream.wire.tls.failure import TlsError, explain, received_alert, refused_certificate


@pytest.mark.parametrize(
    ("reason", "kind", "alert"),
    [
        ("TLSV1_ALERT_UNKNOWN_CA", "untrusted", "unknown_ca"),
        ("tlsv1 alert unknown ca", "untrusted", "unknown_ca"),
        ("ssl/tls alert bad certificate", "untrusted", "bad_certificate"),
        ("sslv3 alert certificate unknown", "untrusted", "certificate_unknown"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "untrusted", "certificate_required"),
        ("tlsv1 bad certificate status response", "untrusted", "bad_certificate_status_response"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "version", "protocol_version"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "cipher", "handshake_failure"),
        ("TLSV1_ALERT_INTERNAL_ERROR", "alert", "internal_error"),
        ("TLSV1_UNRECOGNIZED_NAME", "alert", "unrecognized_name"),
        ("TLSV1_ALERT_USER_CANCELLED", "alert", "user_canceled"),
        ("[SSL] tlsv1 alert no application protocol (_ssl.c:1006)", "alert", "no_application_protocol"),
        ("TLSV1_ALERT_NO_APPLICATION_PROTOCOL", "alert", "no_application_protocol"),
        ("UNSUPPORTED_PROTOCOL", "version", ""),
        ("wrong version number", "version", ""),
        ("NO_PROTOCOLS_AVAILABLE", "version", ""),
        ("no shared cipher", "cipher", ""),
        ("NO_CIPHERS_AVAILABLE", "cipher", ""),
        ("no suitable key share", "cipher", ""),
        ("UNEXPECTED_EOF_WHILE_READING", "closed", ""),
        ("TLS/SSL connection has been closed (EOF) (_ssl.c:1006)", "closed", ""),
        ("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "protocol", ""),
        ("", "protocol", ""),
    ],
)
def test_a_reason_becomes_a_kind(reason, kind, alert):
    error = explain(reason, "client")
    assert isinstance(error, PeerError)
    assert (error.kind, error.alert) == (kind, alert)
    assert error.suspects_certificate == (kind == "untrusted")
    assert "client" in error.message
    assert error.reference or "our own" in error.message
    assert error.plain == b""


def test_a_missing_client_certificate_is_named():
    assert "client certificate" in explain("tlsv13 alert certificate required", "server").message


@pytest.mark.parametrize("reason", ["NO_PROTOCOLS_AVAILABLE", "no ciphers available"])
def test_tls_18_settings_of_ours_that_leave_nothing_say_what_to_do(reason):
    assert "@SECLEVEL=0" in explain(reason, "server").message


def test_where_the_protocol_broke_is_said():
    assert "handshake (no reason given)" in str(explain("", "server"))
    assert "in the TLS connection (odd)" in str(explain("odd", "server", established=True))


def test_reasons_of_our_own_are_no_alerts():
    assert received_alert("wrong_version_number") == ""
    assert received_alert("tlsv1_something_else") == ""


def test_a_refused_certificate_tells_the_reason():
    error = refused_certificate("certificate has expired.", "server")
    assert error.kind == "verify"
    assert error.message == "the server's certificate does not verify: certificate has expired"


def test_the_kind_is_kept():
    assert TlsError("alert", "x", alert="y").kind == "alert"
