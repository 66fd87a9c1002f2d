"""The certificate authority, the leaf certificates it signs, their cache, and the TLS contexts that carry them."""

from midstream.pki.authority import CertificateAuthority
from midstream.pki.leaf import Leaf, LeafNames
from midstream.pki.pem import Identity, read_identity
from midstream.pki.store import CertStore

__all__ = ["CertStore", "CertificateAuthority", "Identity", "Leaf", "LeafNames", "read_identity"]
