"""Authorities of both key types, made once: RSA keys are slow to make."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from midstream.pki import CertificateAuthority


@pytest.fixture(scope="session")
def authority():
    return CertificateAuthority.create()


@pytest.fixture(scope="session")
def rsa_authority():
    return CertificateAuthority.create(key_type="rsa")


@pytest.fixture(scope="session")
def rsa_key():
    return rsa.generate_private_key(65537, 2048)
