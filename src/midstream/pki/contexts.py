"""TLS contexts of the standard library, made from terms, identities and trust. Making one is slow: callers keep them."""

import os
import ssl
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import certifi

from midstream.errors import OptionsError
from midstream.pki.pem import Identity
from midstream.pki.terms import Terms, Trust

LEGACY_SERVER_CONNECT = getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 0x4)
"""Python names it from 3.12 on."""
CERTIFICATE_ENDINGS = (".pem", ".crt", ".cer")


def context_towards_clients(terms: Terms, identity: Identity) -> ssl.SSLContext:
    """Make a context with which we are the server.

    Raises:
        OptionsError: an option in the terms cannot be met.

    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION
    _apply(context, terms)
    _load(context, identity)
    return context


def context_towards_servers(terms: Terms, trust: Trust, identity: Identity | None) -> ssl.SSLContext:
    """Make a context with which we are the client; the identity is our certificate for servers that ask for one.

    Raises:
        OptionsError: an option in the terms cannot be met, or the trusted certificates cannot be read.

    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.post_handshake_auth = True
    _apply(context, terms)
    if trust.is_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.options |= LEGACY_SERVER_CONNECT
    else:
        context.options &= ~LEGACY_SERVER_CONNECT
        _trust(context, trust)
    if identity is not None:
        _load(context, identity)
    return context


def trusted_files(trust: Trust) -> list[str]:
    """List the files with trusted certificates: the user's, otherwise those that Mozilla trusts."""
    files = [os.path.expanduser(trust.ca_file)] if trust.ca_file else []
    if trust.ca_directory:
        directory = os.path.expanduser(trust.ca_directory)
        try:
            names = sorted(os.listdir(directory))
        except OSError as error:
            raise OptionsError(
                f"ssl_verify_upstream_trusted_confdir: cannot read {directory}: {error.strerror}."
            ) from error
        files += [os.path.join(directory, name) for name in names if name.endswith(CERTIFICATE_ENDINGS)]
    return files or [certifi.where()]


def prepare_keylog(path: str) -> None:
    """Make the key log file private before OpenSSL opens it.

    Raises:
        OptionsError: it cannot be written.

    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    except OSError as error:
        raise OptionsError(f"The TLS key log file {path} cannot be written: {error.strerror}.") from error


def _apply(context: ssl.SSLContext, terms: Terms) -> None:
    low, high = terms.version_range()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the user asked for an old version, and was warned
        context.minimum_version = low
        context.maximum_version = high
    try:
        context.set_ciphers(terms.cipher_list)
    except ssl.SSLError as error:
        raise OptionsError(
            f"ciphers_{terms.side}: OpenSSL knows no cipher in {terms.ciphers!r}; `openssl ciphers -v` lists them."
        ) from error
    if terms.curve_name:
        context.set_ecdh_curve(terms.curve_name)
    if terms.alpn:
        context.set_alpn_protocols([name.decode("latin-1") for name in terms.alpn])
    if terms.keylog_file:
        prepare_keylog(terms.keylog_file)
        context.keylog_filename = terms.keylog_file


def _trust(context: ssl.SSLContext, trust: Trust) -> None:
    """Load trusted certificates. The user's own may be intermediates or single servers', and are trusted as such."""
    if trust.ca_file or trust.ca_directory:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if trust.ca_directory:
        context.load_verify_locations(capath=os.path.expanduser(trust.ca_directory))
    for path in trusted_files(trust):
        try:
            context.load_verify_locations(cafile=path)
        except OSError as error:
            raise OptionsError(
                f"The trusted certificates in {path} cannot be read: {error.strerror or error}."
            ) from error


def _load(context: ssl.SSLContext, identity: Identity) -> None:
    with _private_file(identity.pem) as path:
        try:
            context.load_cert_chain(path)
        except ssl.SSLError as error:
            raise OptionsError(f"OpenSSL refuses a certificate: {error.reason or error}.") from error


@contextmanager
def _private_file(data: bytes) -> Iterator[str]:
    """Show bytes to OpenSSL, which only takes files (until Python can do better): 0600, and gone at once."""
    descriptor, path = tempfile.mkstemp(prefix="midstream-")
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
        yield path
    finally:
        os.unlink(path)
