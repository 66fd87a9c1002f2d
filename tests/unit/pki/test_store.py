import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from midstream.errors import OptionsError
from midstream.pki import CertificateAuthority, CertStore, LeafNames
from midstream.pki.leaf import LeafIssuer
from midstream.pki.pem import key_pem, to_pem

NOW = datetime(2030, 5, 1, tzinfo=UTC)


@pytest.fixture
def own(authority, tmp_path):
    """A file with a certificate of the user's."""
    path = tmp_path / "own.pem"
    path.write_bytes(LeafIssuer(authority).issue(LeafNames("own.example", organization="Mine")).identity.pem)
    return path


def is_own(leaf):
    return "O=Mine" in leaf.identity.certificate.subject.rfc4514_string()


class TestCache:
    def test_one_leaf_for_equal_names(self, authority):
        store = CertStore(authority)
        assert store.leaf_for(LeafNames("a.example")) is store.leaf_for(LeafNames("a.example"))
        assert store.leaf_for(LeafNames("a.example")) is not store.leaf_for(LeafNames("a.example", ("b.example",)))

    def test_tls_39_bounded(self, authority):
        store = CertStore(authority, size=2)
        first = store.leaf_for(LeafNames("a.example"))
        for name in ("b.example", "c.example"):
            store.leaf_for(LeafNames(name))
        assert store.leaf_for(LeafNames("a.example")) is not first

    def test_tls_39_simultaneous_first_hits_sign_once(self, authority):
        store = CertStore(authority)
        barrier = threading.Barrier(8)
        leaves = []

        def ask():
            barrier.wait(timeout=20)
            leaves.append(store.leaf_for(LeafNames("a.example")))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(leaves) == 8
        assert len({id(leaf) for leaf in leaves}) == 1

    def test_signed_anew_before_it_expires(self, authority):
        now = NOW
        store = CertStore(authority, lifetime_days=10, clock=lambda: now)
        first = store.leaf_for(LeafNames("a.example"))
        now += timedelta(days=5)
        assert store.leaf_for(LeafNames("a.example")) is first
        now += timedelta(days=2)
        second = store.leaf_for(LeafNames("a.example"))
        assert second is not first
        assert store.leaf_for(LeafNames("a.example")) is second

    def test_key_type_of_leaves(self, authority):
        leaf = CertStore(authority, key_type="rsa").leaf_for(LeafNames("a.example"))
        assert leaf.identity.key.key_size == 2048


class TestOwnCertificates:
    @pytest.mark.parametrize(
        ("pattern", "served", "not_served"),
        [
            ("own.example=", ["own.example", "OWN.example."], ["x.own.example", "example", "other.example"]),
            ("*.own.example=", ["a.own.example", "a.b.own.example"], ["own.example", "xown.example"]),
            ("*=", ["own.example", "192.0.2.1", "other.example"], []),
            ("", ["own.example", "other.example"], []),
            ("192.0.2.1=", ["192.0.2.1"], ["192.0.2.2"]),
            ("bücher.example=", ["xn--bcher-kva.example", "bücher.example"], ["bucher.example"]),
        ],
    )
    def test_patterns(self, authority, own, pattern, served, not_served):
        store = CertStore(authority, custom=[f"{pattern}{own}"])
        assert all(is_own(store.leaf_for(LeafNames(name))) for name in served)
        assert not any(is_own(store.leaf_for(LeafNames(name))) for name in not_served)
        assert store.warnings == []

    def test_exact_comes_before_wildcard_before_default(self, authority, tmp_path):
        def file(name):
            path = tmp_path / f"{name}.pem"
            path.write_bytes(LeafIssuer(authority).issue(LeafNames(name)).identity.pem)
            return path

        store = CertStore(
            authority,
            custom=[
                f"*={file('default')}",
                f"*.b.example={file('near')}",
                f"*.example={file('far')}",
                f"c.b.example={file('exact')}",
            ],
        )
        expected = {"c.b.example": "exact", "d.b.example": "near", "b.example": "far", "elsewhere": "default"}
        for asked, served in expected.items():
            subject = store.leaf_for(LeafNames(asked)).identity.certificate.subject.rfc4514_string()
            assert subject.startswith(f"CN={served},")

    def test_other_names_count_after_the_asked_one(self, authority, own):
        store = CertStore(authority, custom=[f"own.example={own}"])
        assert is_own(store.leaf_for(LeafNames("192.0.2.1", ("own.example",))))
        assert is_own(store.leaf_for(LeafNames(None, ("own.example",))))

    def test_a_path_with_an_equals_sign(self, authority, own):
        odd = own.with_name("a=b.pem")
        own.rename(odd)
        assert is_own(CertStore(authority, custom=[str(odd)]).leaf_for(LeafNames("x.example")))

    def test_added_later_takes_effect_at_once(self, authority, own):
        store = CertStore(authority)
        assert not is_own(store.leaf_for(LeafNames("a.example")))
        store.add_custom(str(own))
        assert is_own(store.leaf_for(LeafNames("a.example")))

    def test_passphrase(self, authority, tmp_path):
        identity = LeafIssuer(authority).issue(LeafNames("own.example", organization="Mine")).identity
        path = tmp_path / "own.pem"
        path.write_bytes(key_pem(identity.key, "secret") + to_pem(identity.certificate))
        assert is_own(CertStore(authority, custom=[str(path)], passphrase="secret").leaf_for(LeafNames("x")))

    @pytest.mark.parametrize("spec", ["=own.pem", "own.example=", "absent.pem", "own.example=absent.pem"])
    def test_tls_16_unusable_specs_are_refused_at_start(self, authority, spec):
        with pytest.raises(OptionsError):
            CertStore(authority, custom=[spec])

    def test_certificate_of_an_authority_is_pointed_out(self, authority, tmp_path):
        path = tmp_path / "ca.pem"
        path.write_bytes(key_pem(authority.key) + to_pem(authority.certificate))
        (warning,) = CertStore(authority, custom=[str(path)]).warnings
        assert "certificate of an authority" in warning

    def test_expired_certificate_is_pointed_out(self, authority, own):
        (warning,) = CertStore(authority, custom=[str(own)], clock=lambda: datetime(2100, 1, 1, tzinfo=UTC)).warnings
        assert "expired on" in warning

    def test_certificates_without_extensions_are_fine(self, authority, tmp_path):
        identity = LeafIssuer(authority).issue(LeafNames("own.example", organization="Mine")).identity
        plain = (
            x509.CertificateBuilder()
            .subject_name(identity.certificate.subject)
            .issuer_name(identity.certificate.issuer)
            .public_key(identity.certificate.public_key())
            .serial_number(1)
            .not_valid_before(NOW)
            .not_valid_after(NOW + timedelta(days=9999))
            .sign(authority.key, hashes.SHA256())
        )
        path = tmp_path / "plain.pem"
        path.write_bytes(key_pem(identity.key) + to_pem(plain))
        store = CertStore(authority, custom=[str(path)])
        assert store.warnings == []
        assert is_own(store.leaf_for(LeafNames("x")))


def test_revocation_list_is_served_at_its_path(authority):
    store = CertStore(authority)
    assert store.crl_for(authority.crl_path) == authority.empty_crl()
    assert store.crl_for("/other.crl") is None


def test_leaves_bring_the_chain_of_their_authority():
    authority = CertificateAuthority.create()
    assert CertStore(authority).leaf_for(LeafNames("x")).chain == ()
