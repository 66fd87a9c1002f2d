from datetime import UTC, datetime
from ipaddress import ip_address as address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from midstream.pki.names import LeafNames, a_label, ip_address

KEY = ec.generate_private_key(ec.SECP256R1())


def upstream(*extensions, common_name="www.site.example", organization="Site Ltd", raw=()):
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    name = x509.Name(attributes)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2060, 1, 1, tzinfo=UTC))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def points(*urls):
    return x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None) for url in urls]
    )


DER = upstream(
    x509.SubjectAlternativeName([x509.DNSName("a.example"), x509.IPAddress(address("192.0.2.1"))]),
    points("http://crl.ca.example/1.crl"),
)


class TestGeneralNames:
    def test_tls_02_addresses_are_ip_names(self):
        names = LeafNames("127.0.0.1", ("::1", "[fe80::1%eth0]")).general_names()
        assert names == tuple(x509.IPAddress(address(text)) for text in ("127.0.0.1", "::1", "fe80::1"))

    def test_tls_03_international_names_are_a_labels(self):
        assert LeafNames("bücher.example").general_names() == (x509.DNSName("xn--bcher-kva.example"),)
        assert LeafNames("*.BÜCHER.example").general_names() == (x509.DNSName("*.xn--bcher-kva.example"),)

    def test_tls_03_names_do_not_travel_through_text_lists(self):
        odd = "a,DNS=evil.example"
        assert LeafNames("x.example", (odd,)).general_names()[1] == x509.DNSName(odd.lower())

    def test_tls_35_the_asked_name_comes_first_and_once(self):
        names = LeafNames("Api.Site.Example.", ("site.example", "api.site.example")).general_names()
        assert names == (x509.DNSName("api.site.example"), x509.DNSName("site.example"))

    @pytest.mark.parametrize("name", ["", ".", "a b", "http://x/", "user@host", "host:80", "\u2603.\u0301x"])
    def test_what_cannot_be_a_name_is_left_out(self, name):
        assert LeafNames(name).general_names() == ()

    def test_underscores_and_wildcards_may_stand(self):
        assert LeafNames("my_host.example").general_names() == (x509.DNSName("my_host.example"),)

    def test_nothing(self):
        assert LeafNames().general_names() == ()


class TestMirror:
    def test_names_organization_and_revocation(self):
        der = upstream(
            x509.SubjectAlternativeName(
                [
                    x509.DNSName("*.site.example"),
                    x509.RFC822Name("post@site.example"),
                    x509.IPAddress(address("192.0.2.1")),
                ]
            ),
            points("http://crl.ca.example/1.crl"),
        )
        assert LeafNames.mirror(der, "api.site.example", "192.0.2.9") == LeafNames(
            hostname="api.site.example",
            sans=("*.site.example", "192.0.2.1", "192.0.2.9"),
            organization="Site Ltd",
            crl_url="http://crl.ca.example/1.crl",
            common_name="www.site.example",
        )

    def test_old_certificates_have_their_name_in_the_subject_only(self):
        assert LeafNames.mirror(upstream(), None).sans == ("www.site.example",)

    def test_a_common_name_that_is_no_host_is_no_alternative_name(self):
        names = LeafNames.mirror(upstream(common_name="Site Web Server"), "site.example")
        assert names.sans == ()
        assert names.common_name == "Site Web Server"

    def test_empty_subject(self):
        names = LeafNames.mirror(upstream(common_name="", organization=""), "site.example")
        assert names == LeafNames("site.example")

    def test_without_upstream(self):
        assert LeafNames.mirror(None, "site.example", "192.0.2.1") == LeafNames("site.example", ("192.0.2.1",))

    def test_tls_13_bytes_that_are_no_certificate(self):
        assert LeafNames.mirror(b"no DER", "site.example") == LeafNames("site.example")

    def test_tls_13_extensions_that_cannot_be_read_cost_only_themselves(self):
        der = upstream(x509.SubjectAlternativeName([x509.DNSName("a.example")]))
        broken = der.replace(b"\x82\x09a.example", b"\x9f\x09a.example")
        assert broken != der
        names = LeafNames.mirror(broken, "site.example")
        assert names.organization == "Site Ltd"

    def test_tls_13_subject_that_cannot_be_read(self):
        der = upstream(x509.SubjectAlternativeName([x509.DNSName("a.example")]))
        broken = der.replace(b"\x0c\x08Site Ltd", b"\x0c\x08Site\xff\xfftd")
        assert broken != der
        names = LeafNames.mirror(broken, "site.example")
        assert names.sans == ("a.example",)
        assert names.organization is None

    def test_tls_13_attributes_of_wrong_length(self):
        der = upstream(organization="Site Ltd")
        odd = der.replace(b"\x06\x03\x55\x04\x03", b"\x06\x03\x55\x04\x06")  # the common name becomes a country
        assert odd != der
        assert LeafNames.mirror(odd, "site.example") == LeafNames("site.example", organization="Site Ltd")

    def test_tls_13_serial_numbers_that_cryptography_frowns_at(self):
        der = upstream()
        odd = der.replace(b"\xa0\x03\x02\x01\x02\x02\x01\x01", b"\xa0\x03\x02\x01\x02\x02\x01\x81")
        assert odd != der
        assert LeafNames.mirror(odd, "site.example").organization == "Site Ltd"

    @pytest.mark.parametrize(
        "extension",
        [
            points("ldap://crl.ca.example/1"),
            x509.CRLDistributionPoints(
                [
                    x509.DistributionPoint(
                        None,
                        x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "list")]),
                        None,
                        None,
                    )
                ]
            ),
        ],
    )
    def test_tls_12_only_lists_over_http_are_followed(self, extension):
        assert LeafNames.mirror(upstream(extension), "site.example").crl_url is None


@settings(max_examples=1000)
@given(position=st.integers(0, 400), value=st.integers(0, 255))
def test_tls_13_damaged_certificates_never_raise(position, value):
    der = bytearray(DER)
    der[position % len(der)] = value
    LeafNames.mirror(bytes(der), "site.example")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Example.ORG.", "example.org"), ("straße.example", "xn--strae-oqa.example"), ("a..b", "a..b"), ("\u0301", None)],
)
def test_a_label(name, expected):
    assert a_label(name) == expected


def test_ip_address():
    assert ip_address("[::1]") == address("::1")
    assert ip_address("fe80::1%lo") == address("fe80::1")
    assert ip_address("example.org") is None
