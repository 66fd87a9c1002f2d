"""A throw-away authority and a leaf for the origin and for nginx as a peer, made with the openssl command."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_LEAF = """\
subjectAltName=DNS:localhost,IP:127.0.0.1
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
"""
_NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


@dataclass(frozen=True)
class Certificates:
    authority: Path
    leaf: Path
    key: Path


def make(directory: Path) -> Certificates:
    made = Certificates(directory / "ca.pem", directory / "leaf.pem", directory / "leaf.key")
    authority_key, request, extensions = (directory / name for name in ("ca.key", "leaf.csr", "leaf.ext"))
    extensions.write_text(_LEAF)
    _openssl(
        *["req", "-x509", *_NEW_KEY, "-days", "30", "-subj", "/CN=bench authority"],
        *["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
        *["-keyout", str(authority_key), "-out", str(made.authority)],
    )
    _openssl("req", *_NEW_KEY, "-subj", "/CN=localhost", "-keyout", str(made.key), "-out", str(request))
    _openssl(
        *["x509", "-req", "-in", str(request), "-days", "30", "-extfile", str(extensions)],
        *["-CA", str(made.authority), "-CAkey", str(authority_key), "-CAcreateserial", "-out", str(made.leaf)],
    )
    return made


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)
