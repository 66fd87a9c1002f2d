"""The environment that sends a program through the proxy and lets it trust our CA.

There is no one variable: every runtime reads its own. All the CA variables get one bundle of the CAs the program would have
trusted anyway plus ours, because most of them replace the system's CAs instead of adding to them.
"""

import os
import ssl
from collections.abc import Mapping

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY", "WSS_PROXY")
"""Set in both spellings, as programs disagree about it."""

CA_VARIABLES = {
    "SSL_CERT_FILE": "OpenSSL, Python, Go, Ruby, Rust",
    "REQUESTS_CA_BUNDLE": "Python requests",
    "PIP_CERT": "pip",
    "CURL_CA_BUNDLE": "curl",
    "GIT_SSL_CAINFO": "git",
    "NODE_EXTRA_CA_CERTS": "Node.js",
    "npm_config_cafile": "npm",
    "DENO_CERT": "Deno",
    "CARGO_HTTP_CAINFO": "Cargo",
    "AWS_CA_BUNDLE": "AWS command line and SDKs",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": "Google Cloud command line",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": "gRPC",
    "HTTPLIB2_CA_CERTS": "httplib2",
    "PERL_LWP_SSL_CA_FILE": "Perl",
    "NIX_SSL_CERT_FILE": "Nix",
}
"""Variables that name a file of CAs, and who reads them."""

_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def child_environment(base: Mapping[str, str], *, proxy: str, bundle: str, no_proxy: str = "") -> dict[str, str]:
    """Return `base` with everything that a program needs in order to go through `proxy`.

    `no_proxy` lists hosts to reach directly; what was there before is dropped, so that local servers are seen too.
    """
    made = dict(base)
    for name in PROXY_VARIABLES:
        made[name] = made[name.lower()] = proxy
    made["NO_PROXY"] = made["no_proxy"] = no_proxy
    made.update(dict.fromkeys(CA_VARIABLES, bundle))
    made["NODE_USE_ENV_PROXY"] = "1"
    return made


def make_bundle(base: Mapping[str, str], ca_file: str) -> bytes:
    """Return the CAs that programs with the environment `base` trust, and ours, as PEM."""
    parts = []
    for path in (system_bundle(base), ca_file):
        with open(path, "rb") as file:
            parts.append(file.read().strip())
    return b"\n".join(parts) + b"\n"


def system_bundle(base: Mapping[str, str]) -> str:
    """Return the file of CAs that programs use now: chosen by variable, of the system, or certifi's."""
    candidates = (base.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *_SYSTEM_BUNDLES)
    for path in candidates:
        if path and os.path.isfile(path):
            return path
    import certifi  # noqa: PLC0415 - only where the system has none

    return certifi.where()
