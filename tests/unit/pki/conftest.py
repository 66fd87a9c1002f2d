"""Authorities of both key types, made once: RSA keys are slow to make."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from midstream.pki import CertificateAuthority, Identity
from midstream.pki.authority import _self_signed, _subject, utc_now


@pytest.fixture(scope="session")
def authority():
    return CertificateAuthority.create()


@pytest.fixture(scope="session")
def rsa_authority():
    return CertificateAuthority.create(key_type="rsa")


@pytest.fixture(scope="session")
def weak_identity():
    key = rsa.generate_private_key(65537, 1024)
    return Identity(key, _self_signed(key, _subject(utc_now()), utc_now()))
