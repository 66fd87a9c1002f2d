import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from midstream.pki.leaf import LeafIssuer, LeafNames
from midstream.pki.pem import to_der, to_pem

NOW = datetime(2030, 5, 1, tzinfo=UTC)


@pytest.fixture
def issue(authority):
    issuer = LeafIssuer(authority, clock=lambda: NOW)
    return lambda *args, **kwargs: issuer.issue(LeafNames(*args, **kwargs)).identity.certificate


def extension(certificate, kind):
    return certificate.extensions.get_extension_for_class(kind)


def common_names(certificate):
    return [attribute.value for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]


class TestSubject:
    def test_common_name_is_the_asked_one(self, issue):
        assert issue("site.example").subject.rfc4514_string() == "CN=site.example,O=midstream"

    def test_mirrored_subject(self, issue):
        certificate = issue("api.site.example", common_name="www.site.example", organization="Site Ltd")
        assert certificate.subject.rfc4514_string() == "CN=www.site.example,O=Site Ltd"

    def test_tls_01_long_names_stay_out_of_the_subject(self, issue):
        longest, longer = "h" * 56 + ".example", "h" * 57 + ".example"
        assert common_names(issue(longest)) == [longest]
        certificate = issue(longer)
        assert common_names(certificate) == []
        assert extension(certificate, x509.SubjectAlternativeName).value == x509.SubjectAlternativeName(
            [x509.DNSName(longer)]
        )

    def test_tls_01_a_shorter_name_serves_instead(self, issue):
        assert common_names(issue("h" * 57 + ".example", ("site.example",))) == ["site.example"]

    def test_tls_09_differs_from_the_root_and_has_an_organization(self, issue, authority):
        for certificate in (issue("site.example"), issue()):
            assert certificate.subject != authority.certificate.subject
            assert certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)

    def test_long_organizations_are_cut(self, issue):
        (organization,) = issue("x", organization="o" * 80).subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        assert organization.value == "o" * 64

    def test_without_any_name_there_are_no_alternative_names(self, issue):
        with pytest.raises(x509.ExtensionNotFound):
            extension(issue(), x509.SubjectAlternativeName)


class TestValidity:
    def test_tls_04_lifetime_with_backdating_stays_under_what_browsers_accept(self, issue):
        certificate = issue("site.example")
        assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=197)

    def test_tls_05_begins_in_the_past(self, issue):
        assert issue("site.example").not_valid_before_utc == NOW - timedelta(days=2)

    @pytest.mark.parametrize(("days", "back"), [(90, 2), (3, 1.5), (0, 0.5)])
    def test_tls_04_lifetime_is_configurable(self, authority, days, back):
        issuer = LeafIssuer(authority, lifetime_days=days, clock=lambda: NOW)
        leaf = issuer.issue(LeafNames("site.example"))
        certificate = leaf.identity.certificate
        assert certificate.not_valid_before_utc == NOW - timedelta(days=back)
        assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=max(days, 1))
        assert NOW < leaf.renew_at < certificate.not_valid_after_utc


class TestExtensions:
    def test_tls_06_and_10_what_clients_insist_on(self, issue):
        certificate = issue("site.example")
        assert list(extension(certificate, x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
        usage = extension(certificate, x509.KeyUsage)
        assert usage.critical
        assert usage.value.digital_signature
        assert not usage.value.key_encipherment
        constraints = extension(certificate, x509.BasicConstraints)
        assert constraints.critical
        assert not constraints.value.ca

    def test_tls_07_and_08_key_identifiers(self, issue, authority):
        certificate = issue("site.example")
        own = extension(certificate, x509.SubjectKeyIdentifier).value.digest
        issuer = extension(authority.certificate, x509.SubjectKeyIdentifier).value.digest
        assert extension(certificate, x509.AuthorityKeyIdentifier).value.key_identifier == issuer
        assert own != issuer

    def test_serials_differ_and_fit(self, issue):
        serials = {issue("site.example").serial_number for _ in range(5)}
        assert len(serials) == 5
        assert all(0 < serial < 1 << 159 for serial in serials)

    def test_tls_12_revocation_list_on_the_host_of_the_upstreams(self, issue, authority):
        certificate = issue("site.example", crl_url="http://crl.ca.example:8080/x/1.crl")
        (point,) = extension(certificate, x509.CRLDistributionPoints).value
        assert point.full_name[0].value == f"http://crl.ca.example:8080{authority.crl_path}"

    @pytest.mark.parametrize("url", ["http:///x", "http://[bad/x", "ldap://host/x", "http://b\xfccher/x", None])
    def test_tls_12_odd_revocation_urls_are_left_out(self, issue, url):
        with pytest.raises(x509.ExtensionNotFound):
            extension(issue("site.example", crl_url=url), x509.CRLDistributionPoints)


class TestLeaf:
    def test_forms(self, authority):
        leaf = LeafIssuer(authority).issue(LeafNames("site.example"))
        assert leaf.certificate == to_der(leaf.identity.certificate)
        assert leaf.chain == ()
        assert leaf.pem == to_pem(leaf.identity.certificate)
        assert b"PRIVATE" not in leaf.pem

    def test_one_key_serves_all(self, issue):
        assert issue("a.example").public_key() == issue("b.example").public_key()

    def test_rsa_leaves_for_clients_that_know_nothing_else(self, authority):
        certificate = (
            LeafIssuer(authority, key_type="rsa", key_size=3072).issue(LeafNames("site.example")).identity.certificate
        )
        assert certificate.public_key().key_size == 3072
        assert extension(certificate, x509.KeyUsage).value.key_encipherment

    @pytest.mark.parametrize(
        "name", ["site.example", "127.0.0.1", "::1", "xn--bcher-kva.example", "h" * 60 + ".example"]
    )
    def test_openssl_verifies_names(self, authority, tmp_path, name):
        leaf = LeafIssuer(authority).issue(LeafNames(name))
        (tmp_path / "ca.pem").write_bytes(to_pem(authority.certificate))
        (tmp_path / "leaf.pem").write_bytes(leaf.pem)
        check = "-verify_ip" if ":" in name or name[0].isdigit() else "-verify_hostname"
        args = ("openssl", "verify", "-x509_strict", "-CAfile", tmp_path / "ca.pem", check, name, tmp_path / "leaf.pem")
        assert b"OK" in subprocess.run(args, check=True, capture_output=True, timeout=20).stdout

    def test_der_is_what_is_signed(self, authority):
        leaf = LeafIssuer(authority).issue(LeafNames("site.example"))
        assert leaf.identity.certificate.public_bytes(serialization.Encoding.DER) == leaf.certificate


TEXT = st.text(max_size=80) | st.sampled_from(["ö" * 64, "\udcff", "a\0b", "*", "*.", "-", "::", "1.2.3", "x" * 300])


@given(hostname=st.none() | TEXT, sans=st.lists(TEXT, max_size=3), more=st.tuples(*[st.none() | TEXT] * 3))
def test_tls_13_whatever_upstream_says_a_leaf_comes_of_it(authority, hostname, sans, more):
    leaf = LeafIssuer(authority).issue(LeafNames(hostname, tuple(sans), *more))
    assert x509.load_der_x509_certificate(leaf.certificate).subject
