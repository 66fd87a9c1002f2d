"""TLS contexts of pyOpenSSL, for what those of the standard library cannot do: the twin of `contexts`.

That is the choice of TLS 1.3 suites, asking a client for a certificate without judging it, and DTLS. Records cost more than twice
as much here, so a context of this kind is only made when it has to be.
"""

import os
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, crypto

from midstream.errors import OptionsError
from midstream.pki.contexts import prepare_keylog, trusted_files
from midstream.pki.pem import Identity
from midstream.pki.terms import Terms, Trust

_CURVES: dict[str, ec.EllipticCurve] = {
    "prime256v1": ec.SECP256R1(),
    "secp384r1": ec.SECP384R1(),
    "secp521r1": ec.SECP521R1(),
}


def context_towards_clients(terms: Terms, identity: Identity, *, asks_certificate: bool) -> SSL.Context:
    """Make a context with which we are the server; any certificate that the client shows is accepted.

    Raises:
        OptionsError: an option in the terms cannot be met.

    """
    context = _context(terms)
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_session_id(b"midstream")
    if terms.alpn:
        context.set_alpn_select_callback(
            lambda _connection, offered: next(
                (name for name in terms.alpn if name in offered), SSL.NO_OVERLAPPING_PROTOCOLS
            )
        )
    if asks_certificate:
        context.set_verify(SSL.VERIFY_PEER, _accept_any)
    _load(context, identity)
    return context


def context_towards_servers(terms: Terms, trust: Trust, identity: Identity | None) -> SSL.Context:
    """Make a context with which we are the client; the identity is our certificate for servers that ask for one.

    Raises:
        OptionsError: an option in the terms cannot be met, or the trusted certificates cannot be read.

    """
    context = _context(terms)
    native = context._context  # noqa: SLF001 - no public way
    SSL._lib.SSL_CTX_set_post_handshake_auth(native, 1)  # type: ignore[attr-defined]  # noqa: SLF001 - no public way
    if terms.alpn:
        context.set_alpn_protos(list(terms.alpn))
    if terms.is_dtls:
        context.set_options(SSL.OP_NO_RENEGOTIATION)
    if trust.is_insecure:
        context.set_verify(SSL.VERIFY_NONE)
        context.set_options(SSL.OP_LEGACY_SERVER_CONNECT)
    else:
        context.set_verify(SSL.VERIFY_PEER)
        _trust(context, trust)
    if identity is not None:
        _load(context, identity)
    return context


def _context(terms: Terms) -> SSL.Context:
    context = SSL.Context(SSL.DTLS_METHOD if terms.is_dtls else SSL.TLS_METHOD)
    low, high = terms.dtls_range() if terms.is_dtls else _tls_range(terms)
    context.set_min_proto_version(low)
    context.set_max_proto_version(high)
    try:
        context.set_cipher_list(terms.cipher_list.encode())
        if terms.tls13_suites and not terms.is_dtls:
            context.set_tls13_ciphersuites(terms.tls13_suites.encode())
    except SSL.Error as error:
        raise OptionsError(
            f"ciphers_{terms.side}: OpenSSL does not know all of {terms.ciphers!r}; `openssl ciphers -v` lists them."
        ) from error
    if terms.curve_name:
        context.set_tmp_ecdh(_CURVES[terms.curve_name])
    if terms.keylog_file:
        prepare_keylog(terms.keylog_file)
        context.set_keylog_callback(_keylog(terms.keylog_file))
    return context


def _tls_range(terms: Terms) -> tuple[int, int]:
    low, high = terms.version_range()
    return max(low, SSL.TLS1_VERSION), max(high, 0)


def _trust(context: SSL.Context, trust: Trust) -> None:
    if trust.ca_file or trust.ca_directory:
        store = context.get_cert_store()
        assert store is not None
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    if trust.ca_directory:
        context.load_verify_locations(None, os.path.expanduser(trust.ca_directory).encode())
    for path in trusted_files(trust):
        try:
            context.load_verify_locations(path.encode())
        except SSL.Error as error:
            raise OptionsError(f"The trusted certificates in {path} cannot be read.") from error


def _load(context: SSL.Context, identity: Identity) -> None:
    try:
        context.use_certificate(identity.certificate)
        for certificate in identity.chain:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(identity.key)
    except SSL.Error as error:
        raise OptionsError(f"OpenSSL refuses a certificate: {error}.") from error


def _keylog(path: str) -> Callable[[SSL.Connection, bytes], None]:
    def write(_connection: SSL.Connection, line: bytes) -> None:
        with open(path, "ab") as file:
            file.write(line + b"\n")

    return write


def _accept_any(*_facts: object) -> bool:
    return True
