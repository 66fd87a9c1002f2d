import os
import ssl
import stat
import subprocess
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from midstream.errors import OptionsError, UsageError
from midstream.pki import CertificateAuthority, Identity
from midstream.pki.authority import EXPIRES_SOON, LIFETIME, find_key_file, key_usage
from midstream.pki.leaf import LeafIssuer, LeafNames
from midstream.pki.pem import key_pem, to_der, to_pem

NOW = datetime(2030, 5, 1, tzinfo=UTC)


def openssl(*args):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, text=True, timeout=20).stdout


def certify(subject, key, issuer, issuer_key, *, ca=True, key_id=None, extensions=True):
    """Make the kind of certificate that users bring along."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2060, 1, 1, tzinfo=UTC))
    )
    if extensions:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        builder = builder.add_extension(key_usage(certificates=True), critical=True)
    if key_id:
        builder = builder.add_extension(x509.SubjectKeyIdentifier(key_id), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


@pytest.fixture(scope="module")
def company():
    """A root and an intermediate authority under it, with key identifiers that are no hashes of keys."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certify("Company Root", root_key, "Company Root", root_key, key_id=b"the root")
    intermediate = certify("Company Proxies", key, "Company Root", root_key, key_id=b"the intermediate")
    return Identity(key, intermediate, (root,))


class TestMaking:
    def test_ob_03_extensions(self, authority):
        extensions = {extension.oid._name: extension for extension in authority.certificate.extensions}
        assert set(extensions) == {"basicConstraints", "keyUsage", "subjectKeyIdentifier"}
        assert extensions["basicConstraints"].value.ca
        assert extensions["basicConstraints"].critical
        assert extensions["keyUsage"].value == key_usage(certificates=True)
        assert extensions["keyUsage"].critical

    def test_subject_names_host_and_date(self, monkeypatch):
        monkeypatch.setattr("platform.node", lambda: "laptop.lan")
        authority = CertificateAuthority.create(clock=lambda: NOW)
        assert authority.certificate.subject.rfc4514_string() == "CN=midstream CA laptop 2030-05-01,O=midstream"

    @pytest.mark.parametrize(("host", "start"), [("", "midstream CA unknown host 2"), ("h" * 80, "midstream CA hhhh")])
    def test_odd_host_names(self, monkeypatch, host, start):
        monkeypatch.setattr("platform.node", lambda: host)
        authority = CertificateAuthority.create(clock=lambda: NOW)
        name = authority.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        assert name.startswith(start)
        assert name.endswith("2030-05-01")
        assert len(name) <= 64

    def test_key_types(self, authority, rsa_authority):
        assert authority.key.curve.name == "secp256r1"
        assert rsa_authority.key.key_size == 2048

    @pytest.mark.parametrize("kind", ["authority", "rsa_authority"])
    def test_tls_10_strict_clients_accept_root_and_leaf(self, request, tmp_path, kind):
        authority = request.getfixturevalue(kind)
        root, leaf = tmp_path / "root.pem", tmp_path / "leaf.pem"
        root.write_bytes(to_pem(authority.certificate))
        leaf.write_bytes(LeafIssuer(authority).issue(LeafNames("site.example")).pem)
        strict = ("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", root)
        assert "OK" in openssl(*strict, "-verify_hostname", "site.example", leaf)
        with pytest.raises(subprocess.CalledProcessError):
            openssl(*strict, "-verify_hostname", "other.example", leaf)


class TestDirectory:
    def test_made_once_then_loaded(self, tmp_path):
        made = CertificateAuthority.load_or_create(str(tmp_path))
        again = CertificateAuthority.load_or_create(str(tmp_path))
        assert again.certificate == made.certificate
        assert made.path == str(tmp_path / "midstream-ca.pem")
        assert made.warnings == []

    def test_directory_and_key_are_private(self, tmp_path):
        directory = tmp_path / "new" / "conf"
        CertificateAuthority.load_or_create(str(directory))
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert stat.S_IMODE((directory / "midstream-ca.pem").stat().st_mode) == 0o600

    def test_tls_15_public_files_hold_no_key(self, tmp_path):
        authority = CertificateAuthority.load_or_create(str(tmp_path))
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == ["midstream-ca-cert.cer", "midstream-ca-cert.p12", "midstream-ca-cert.pem", "midstream-ca.pem"]
        for kind in ("pem", "cer"):
            data = (tmp_path / f"midstream-ca-cert.{kind}").read_bytes()
            assert data == to_pem(authority.certificate) == authority.download(kind)
        for kind in ("pem", "cer", "p12"):
            assert stat.S_IMODE((tmp_path / f"midstream-ca-cert.{kind}").stat().st_mode) == 0o644
        bundle = pkcs12.load_pkcs12((tmp_path / "midstream-ca-cert.p12").read_bytes(), None)
        assert bundle.key is None
        assert [cert.certificate for cert in bundle.additional_certs] == [authority.certificate]
        listed = openssl("pkcs12", "-in", authority.public_file("p12"), "-passin", "pass:", "-nodes")
        assert "PRIVATE KEY" not in listed
        assert "BEGIN CERTIFICATE" in listed

    def test_public_files_are_mended(self, tmp_path):
        authority = CertificateAuthority.load_or_create(str(tmp_path))
        (tmp_path / "midstream-ca-cert.p12").unlink()
        (tmp_path / "midstream-ca-cert.pem").write_text("stale")
        CertificateAuthority.load_or_create(str(tmp_path))
        assert (tmp_path / "midstream-ca-cert.pem").read_bytes() == authority.download("pem")
        assert (tmp_path / "midstream-ca-cert.p12").exists()

    def test_public_files_that_are_right_are_left_alone(self, tmp_path):
        CertificateAuthority.load_or_create(str(tmp_path))
        before = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
        CertificateAuthority.load_or_create(str(tmp_path))
        assert {path.name: path.stat().st_ino for path in tmp_path.iterdir()} == before

    @pytest.mark.parametrize("kind", ["pem", "cer", "p12"])
    def test_a_lost_file_comes_back(self, tmp_path, kind):
        CertificateAuthority.load_or_create(str(tmp_path))
        (tmp_path / f"midstream-ca-cert.{kind}").unlink()
        CertificateAuthority.load_or_create(str(tmp_path))
        assert (tmp_path / f"midstream-ca-cert.{kind}").exists()

    def test_rsa_on_demand(self, tmp_path):
        authority = CertificateAuthority.load_or_create(str(tmp_path), key_type="rsa", key_size=2048)
        assert authority.key.key_size == 2048

    def test_passphrase_encrypts_the_key(self, tmp_path):
        made = CertificateAuthority.load_or_create(str(tmp_path), passphrase="secret")
        assert b"ENCRYPTED" in (tmp_path / "midstream-ca.pem").read_bytes()
        assert CertificateAuthority.load_or_create(str(tmp_path), passphrase="secret").certificate == made.certificate
        with pytest.raises(OptionsError, match="cert_passphrase"):
            CertificateAuthority.load_or_create(str(tmp_path))

    def test_open_key_file_is_closed_to_others_with_a_warning(self, tmp_path):
        CertificateAuthority.load_or_create(str(tmp_path))
        (tmp_path / "midstream-ca.pem").chmod(0o644)
        authority = CertificateAuthority.load_or_create(str(tmp_path))
        assert "could read the private key" in authority.warnings[0]
        assert stat.S_IMODE((tmp_path / "midstream-ca.pem").stat().st_mode) == 0o600

    def test_open_key_file_of_somebody_else_is_only_reported(self, tmp_path, monkeypatch):
        CertificateAuthority.load_or_create(str(tmp_path))
        (tmp_path / "midstream-ca.pem").chmod(0o644)
        monkeypatch.setattr(os, "chmod", raise_permission_error)
        assert "can read the private key" in CertificateAuthority.load_or_create(str(tmp_path)).warnings[0]

    def test_permissions_mean_nothing_on_windows(self, tmp_path, monkeypatch):
        CertificateAuthority.load_or_create(str(tmp_path))
        (tmp_path / "midstream-ca.pem").chmod(0o644)
        monkeypatch.setattr("midstream.pki.authority.IS_POSIX", False)
        assert CertificateAuthority.load_or_create(str(tmp_path)).warnings == []

    def test_two_processes_at_once_agree(self, tmp_path):
        found = []

        def load():
            found.append(CertificateAuthority.load_or_create(str(tmp_path)).fingerprint)

        threads = [threading.Thread(target=load) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8
        assert len(set(found)) == 1
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]

    def test_another_process_was_first(self, tmp_path, monkeypatch):
        first = CertificateAuthority.load_or_create(str(tmp_path))
        monkeypatch.setattr("midstream.pki.authority.find_key_file", lambda _: None)
        assert CertificateAuthority.load_or_create(str(tmp_path)).certificate == first.certificate
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]

    def test_file_systems_without_hard_links(self, tmp_path, monkeypatch):
        monkeypatch.setattr(os, "link", raise_permission_error)
        authority = CertificateAuthority.load_or_create(str(tmp_path))
        assert find_key_file(str(tmp_path)) == authority.path

    def test_directory_that_cannot_be_made(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(OptionsError, match="Cannot keep the certificate authority"):
            CertificateAuthority.load_or_create(str(tmp_path / "file" / "conf"))

    def test_fingerprint_is_that_of_openssl(self, tmp_path):
        authority = CertificateAuthority.load_or_create(str(tmp_path))
        shown = openssl("x509", "-in", authority.public_file(), "-noout", "-fingerprint", "-sha256")
        assert shown.strip().partition("=")[2] == authority.fingerprint


def raise_permission_error(*_args, **_kwargs):
    raise PermissionError(1, "Operation not permitted")


class TestBroughtAlong:
    def test_of_another_proxy_in_the_directory(self, tmp_path, rsa_authority):
        (tmp_path / "mitmproxy-ca.pem").write_bytes(key_pem(rsa_authority.key) + to_pem(rsa_authority.certificate))
        authority = CertificateAuthority.load_or_create(str(tmp_path))
        assert authority.certificate == rsa_authority.certificate
        assert (tmp_path / "midstream-ca-cert.pem").read_bytes() == to_pem(rsa_authority.certificate)

    def test_ours_comes_before_that_of_another_proxy(self, tmp_path, rsa_authority):
        made = CertificateAuthority.load_or_create(str(tmp_path))
        (tmp_path / "mitmproxy-ca.pem").write_bytes(key_pem(rsa_authority.key) + to_pem(rsa_authority.certificate))
        assert CertificateAuthority.load_or_create(str(tmp_path)).certificate == made.certificate

    def test_named_file(self, tmp_path, authority):
        path = tmp_path / "own.pem"
        path.write_bytes(key_pem(authority.key) + to_pem(authority.certificate))
        loaded = CertificateAuthority.load_or_create(str(tmp_path / "conf"), path=str(path))
        assert loaded.certificate == authority.certificate
        assert not (tmp_path / "conf" / "midstream-ca.pem").exists()

    def test_tls_11_intermediate_sends_its_chain_and_offers_its_root(self, company):
        authority = CertificateAuthority(company)
        assert authority.chain == (company.certificate,)
        assert authority.trust_anchor == company.chain[0]
        assert authority.download("pem") == to_pem(company.chain[0])

    def test_tls_11_intermediate_without_its_root(self, company):
        authority = CertificateAuthority(Identity(company.key, company.certificate))
        assert authority.trust_anchor == company.certificate

    def test_tls_11_openssl_verifies_through_an_intermediate(self, company, tmp_path):
        leaf = LeafIssuer(CertificateAuthority(company)).issue(LeafNames("site.example"))
        (tmp_path / "root.pem").write_bytes(to_pem(company.chain[0]))
        (tmp_path / "leaf.pem").write_bytes(to_pem(leaf.identity.certificate))
        (tmp_path / "chain.pem").write_bytes(b"".join(map(to_pem, leaf.identity.chain)))
        checked = openssl(
            *("verify", "-CAfile", tmp_path / "root.pem", "-untrusted", tmp_path / "chain.pem", tmp_path / "leaf.pem")
        )
        assert "OK" in checked

    def test_tls_07_leaf_points_to_the_identifier_that_the_authority_has(self, company):
        leaf = LeafIssuer(CertificateAuthority(company)).issue(LeafNames("site.example"))
        pointer = leaf.identity.certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        assert pointer.key_identifier == b"the intermediate"

    def test_tls_07_authority_without_an_identifier(self):
        key = ec.generate_private_key(ec.SECP256R1())
        authority = CertificateAuthority(Identity(key, certify("Old", key, "Old", key)))
        expected = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest
        assert authority.key_identifier.key_identifier == expected

    @pytest.mark.parametrize("extensions", [True, False])
    def test_a_site_certificate_is_refused(self, extensions):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = certify("site", key, "site", key, ca=False, extensions=extensions)
        with pytest.raises(OptionsError, match=r"own\.pem is not one of an authority"):
            CertificateAuthority(Identity(key, certificate), path="own.pem")

    def test_edwards_keys(self, tmp_path):
        key = ed25519.Ed25519PrivateKey.generate()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Edwards")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(2060, 1, 1, tzinfo=UTC))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, None)
        )
        authority = CertificateAuthority(Identity(key, certificate))
        leaf = LeafIssuer(authority).issue(LeafNames("site.example")).identity.certificate
        leaf.verify_directly_issued_by(certificate)


class TestValidity:
    def at(self, moment):
        authority = CertificateAuthority.create(clock=lambda: NOW)
        authority._clock = lambda: moment
        return authority.warnings

    def test_tls_14_silent_while_valid(self):
        assert self.at(NOW) == []
        assert self.at(NOW + LIFETIME - EXPIRES_SOON) == []

    def test_tls_14_warns_before_the_end(self):
        (warning,) = self.at(NOW + LIFETIME - EXPIRES_SOON + timedelta(seconds=1))
        assert "expires on 2040-04-28" in warning
        assert "midstream trust --renew" in warning

    def test_tls_14_warns_loudly_after_the_end(self):
        (warning,) = self.at(NOW + LIFETIME)
        assert "EXPIRED on 2040-04-28" in warning

    def test_clock_before_the_beginning(self):
        (warning,) = self.at(NOW - timedelta(days=30))
        assert "not valid before 2030-04-29" in warning

    def test_tls_05_valid_a_little_before_it_was_made(self):
        assert self.at(NOW - timedelta(days=1)) == []

    def test_renewed_authority_keeps_key_and_name(self, tmp_path):
        old = CertificateAuthority.load_or_create(str(tmp_path), clock=lambda: NOW)
        leaf = LeafIssuer(old).issue(LeafNames("site.example")).identity.certificate
        old._clock = lambda: NOW + LIFETIME
        renewed = old.renew()
        assert renewed.warnings == []
        assert renewed.certificate.subject == old.certificate.subject
        assert renewed.certificate.serial_number != old.certificate.serial_number
        leaf.verify_directly_issued_by(renewed.certificate)
        loaded = CertificateAuthority.load_or_create(str(tmp_path))
        assert loaded.certificate == renewed.certificate
        assert (tmp_path / "midstream-ca-cert.pem").read_bytes() == to_pem(renewed.certificate)
        assert stat.S_IMODE((tmp_path / "midstream-ca.pem").stat().st_mode) == 0o600

    def test_an_intermediate_is_not_ours_to_renew(self, company):
        with pytest.raises(UsageError, match="only its issuer can renew"):
            CertificateAuthority(company, path="own.pem").renew()


class TestRevocationList:
    def test_revokes_nothing_and_verifies(self, authority, tmp_path):
        data = authority.empty_crl()
        crl = x509.load_der_x509_crl(data)
        assert len(list(crl)) == 0
        assert crl.is_signature_valid(authority.certificate.public_key())
        (tmp_path / "ca.pem").write_bytes(to_pem(authority.certificate))
        (tmp_path / "crl.pem").write_bytes(crl.public_bytes(serialization.Encoding.PEM))
        (tmp_path / "leaf.pem").write_bytes(LeafIssuer(authority).issue(LeafNames("site.example")).pem)
        checks = ("verify", "-crl_check", "-CAfile", tmp_path / "ca.pem", "-CRLfile", tmp_path / "crl.pem")
        assert "OK" in openssl(*checks, tmp_path / "leaf.pem")

    def test_is_kept_until_half_its_life_is_over(self):
        now = NOW
        authority = CertificateAuthority.create(clock=lambda: now)
        first = authority.empty_crl()
        assert authority.empty_crl() is first
        now += timedelta(days=4)
        assert x509.load_der_x509_crl(authority.empty_crl()).next_update_utc > now

    def test_path_names_the_authority(self, authority):
        assert authority.crl_path == f"/midstream-{authority.certificate.serial_number:x}.crl"


def test_stdlib_takes_the_download(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority.download("pem").decode())
    assert context.get_ca_certs(binary_form=True) == [to_der(authority.certificate)]
