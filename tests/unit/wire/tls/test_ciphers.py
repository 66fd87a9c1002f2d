from midstream.wire.tls.ciphers import cipher_names


def test_suites_are_named_as_openssl_names_them():
    assert cipher_names([0x1301, 0xC02F, 0x009C]) == (
        "TLS_AES_128_GCM_SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "AES128-GCM-SHA256",
    )


def test_signals_have_names_too():
    assert cipher_names([0x00FF, 0x5600]) == ("TLS_EMPTY_RENEGOTIATION_INFO_SCSV", "TLS_FALLBACK_SCSV")


def test_unknown_suites_keep_their_number():
    assert cipher_names([0x0A0B, 0xFFFE]) == ("0x0a0b", "0xfffe")
    assert cipher_names([]) == ()
