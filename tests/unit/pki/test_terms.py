import ssl

import pytest

from midstream.errors import OptionsError
from midstream.pki import terms as module
from midstream.pki.terms import CLIENT_CIPHERS, DTLS_1_0, DTLS_1_2, VERSIONS, Terms

V = ssl.TLSVersion


class TestVersions:
    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [
            ("TLS1_2", "UNBOUNDED", (V.TLSv1_2, V.MAXIMUM_SUPPORTED)),
            ("TLS1_2", "TLS1_2", (V.TLSv1_2, V.TLSv1_2)),
            ("TLS1_3", "TLS1_3", (V.TLSv1_3, V.TLSv1_3)),
            ("TLS1", "TLS1_1", (V.TLSv1, V.TLSv1_1)),
        ],
    )
    def test_names(self, low, high, expected):
        assert Terms(side="client", minimum=low, maximum=high).version_range() == expected

    def test_unbounded_below_is_the_lowest_built(self):
        lowest = V.SSLv3 if ssl.HAS_SSLv3 else V.TLSv1
        assert Terms(side="client", minimum="UNBOUNDED").version_range()[0] == lowest

    @pytest.mark.parametrize(
        ("side", "bound"), [("client", "min"), ("client", "max"), ("server", "min"), ("server", "max")]
    )
    def test_unknown_names_are_refused_with_the_option(self, side, bound):
        names = {"min": {"minimum": "TLS9"}, "max": {"maximum": "TLS9"}}[bound]
        with pytest.raises(OptionsError, match=rf"tls_version_{side}_{bound}: unknown TLS version 'TLS9'.*TLS1_3"):
            Terms(side=side, **names).version_range()

    def test_crossed_bounds(self):
        with pytest.raises(OptionsError, match=r"tls_version_server_min \(TLS1_3\) is above"):
            Terms(side="server", minimum="TLS1_3", maximum="TLS1_2").version_range()

    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [
            ("TLS1_2", "UNBOUNDED", (DTLS_1_2, DTLS_1_2)),
            ("TLS1_2", "TLS1_2", (DTLS_1_2, DTLS_1_2)),
            ("UNBOUNDED", "UNBOUNDED", (DTLS_1_0, DTLS_1_2)),
            ("SSL3", "TLS1_3", (DTLS_1_0, DTLS_1_2)),
            ("TLS1", "TLS1_1", (DTLS_1_0, DTLS_1_0)),
        ],
    )
    def test_names_in_dtls(self, low, high, expected):
        assert Terms(side="client", minimum=low, maximum=high, is_dtls=True).dtls_range() == expected

    def test_dtls_has_no_version_1_3(self):
        with pytest.raises(OptionsError, match=r"tls_version_server_min: DTLS is spoken up to version 1\.2, so TLS1_3"):
            Terms(side="server", minimum="TLS1_3").dtls_range()

    def test_tls_17_versions_that_openssl_lacks_are_stepped_over(self, monkeypatch):
        built = tuple((name, code, name != "SSL3") for name, code, _ in module._STDLIB_VERSIONS)
        monkeypatch.setattr(module, "_STDLIB_VERSIONS", built)
        terms = Terms(side="client", minimum="SSL3")
        assert terms.version_range()[0] == V.TLSv1
        assert "built without SSL3" in terms.warnings()[0]

    def test_tls_17_no_version_remains(self, monkeypatch):
        monkeypatch.setattr(
            module, "_STDLIB_VERSIONS", tuple((n, c, n != "SSL3") for n, c, _ in module._STDLIB_VERSIONS)
        )
        with pytest.raises(OptionsError, match="supports no version from SSL3 to SSL3"):
            Terms(side="client", minimum="SSL3", maximum="SSL3").version_range()

    def test_tls_18_old_versions_are_warned_of(self):
        (warning,) = Terms(side="server", minimum="TLS1").warnings()
        assert "security level is 0" in warning
        assert Terms(side="server").warnings() == []

    def test_all_names_are_known(self):
        for name in VERSIONS:
            Terms(side="client", minimum=name).warnings()


class TestCiphers:
    def test_ob_12_default_towards_clients(self):
        assert Terms(side="client").cipher_list == CLIENT_CIPHERS

    def test_default_towards_servers_is_tolerant(self):
        assert Terms(side="server").cipher_list == "DEFAULT:!aNULL:!eNULL:@SECLEVEL=1"

    @pytest.mark.parametrize("side", ["client", "server"])
    def test_tls_18_old_versions_lower_the_security_level(self, side):
        assert Terms(side=side, minimum="TLS1").cipher_list.endswith(":@SECLEVEL=0")
        assert Terms(side=side, minimum="TLS1", ciphers="AES128-SHA").cipher_list == "AES128-SHA:@SECLEVEL=0"

    def test_a_level_of_the_users_stands(self):
        assert Terms(side="client", minimum="TLS1", ciphers="ALL:@SECLEVEL=1").cipher_list == "ALL:@SECLEVEL=1"

    @pytest.mark.parametrize("side", ["client", "server"])
    def test_ciphers_of_the_users_are_taken_as_they_are(self, side):
        assert Terms(side=side, ciphers="ECDHE+AESGCM:!aNULL").cipher_list == "ECDHE+AESGCM:!aNULL"

    def test_tls_36_suites_of_tls_13_are_told_apart(self):
        terms = Terms(side="client", ciphers="TLS_AES_128_GCM_SHA256:ECDHE+AESGCM, TLS_AES_256_GCM_SHA384")
        assert terms.tls13_suites == "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"
        assert terms.cipher_list == "ECDHE+AESGCM"
        assert Terms(side="client", ciphers="TLS_AES_128_GCM_SHA256").cipher_list == CLIENT_CIPHERS
        assert Terms(side="client").tls13_suites is None


class TestCurve:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [(None, None), ("P-256", "prime256v1"), ("secp384r1", "secp384r1"), ("P-521", "secp521r1")],
    )
    def test_names(self, name, expected):
        assert Terms(side="client", curve=name).curve_name == expected

    def test_tls_36_unknown(self):
        with pytest.raises(OptionsError, match="tls_ecdh_curve_server: 'X448' cannot be set"):
            _ = Terms(side="server", curve="X448").curve_name
