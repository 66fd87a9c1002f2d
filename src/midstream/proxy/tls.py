"""Which TLS endpoint a connection gets: options, certificates and kept contexts meet here.

Contexts are kept by all that went into them, so that a changed option takes effect with the next connection and nothing
has to be thrown away by hand. Sessions towards servers live beside the context they belong to, and die with it.
"""

import os
import re
import ssl
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias

import msgspec
from cryptography import x509
from OpenSSL import SSL

from midstream.errors import OptionsError
from midstream.pki import contexts, openssl_contexts
from midstream.pki.leaf import Leaf
from midstream.pki.lru import Lru
from midstream.pki.names import LeafNames, a_label, ip_address
from midstream.pki.pem import CERTIFICATE_FAULTS, Identity, read_identity
from midstream.pki.store import CertStore
from midstream.pki.terms import Terms, Trust
from midstream.wire.tls.datagrams import DtlsEndpoint
from midstream.wire.tls.endpoint import MemoryEndpoint, StdlibEndpoint, TlsEndpoint
from midstream.wire.tls.openssl import OpenSSLEndpoint

CLIENT_CONTEXTS = 500
SERVER_CONTEXTS = 32
"""Each holds all trusted certificates, about 0.7 MB."""
SESSIONS = 500
KEYLOG_VARIABLES = ("MIDSTREAM_SSLKEYLOGFILE", "SSLKEYLOGFILE")

USUAL_ALPN = (b"http/1.1",)
_HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")

_Context: TypeAlias = ssl.SSLContext | SSL.Context
_SessionKey: TypeAlias = tuple[str, int, str]
"""Host, port, and the name that was verified."""


class TlsOptions(Protocol):
    """The options that decide about TLS."""

    @property
    def ssl_insecure(self) -> bool: ...
    @property
    def ssl_verify_upstream_trusted_ca(self) -> str | None: ...
    @property
    def ssl_verify_upstream_trusted_confdir(self) -> str | None: ...
    @property
    def tls_version_client_min(self) -> str: ...
    @property
    def tls_version_client_max(self) -> str: ...
    @property
    def tls_version_server_min(self) -> str: ...
    @property
    def tls_version_server_max(self) -> str: ...
    @property
    def ciphers_client(self) -> str | None: ...
    @property
    def ciphers_server(self) -> str | None: ...
    @property
    def tls_ecdh_curve_client(self) -> str | None: ...
    @property
    def tls_ecdh_curve_server(self) -> str | None: ...
    @property
    def tls_keylog_file(self) -> str | None: ...
    @property
    def request_client_cert(self) -> bool: ...
    @property
    def client_certs(self) -> str | None: ...
    @property
    def cert_passphrase(self) -> str | None: ...
    @property
    def add_upstream_certs_to_client_chain(self) -> bool: ...


class TlsProfiles:
    """Hands out TLS endpoints for both legs."""

    def __init__(self, options: TlsOptions, store: CertStore, *, environment: Mapping[str, str] = os.environ) -> None:
        self.store = store
        self._options = options
        self._environment = environment
        self._towards_clients: Lru[_ClientKey, _Context] = Lru(CLIENT_CONTEXTS)
        self._towards_servers: Lru[_ServerKey, _ServerProfile] = Lru(SERVER_CONTEXTS)
        self._identities: Lru[tuple[str, int], Identity] = Lru(SERVER_CONTEXTS)
        self.check()

    def check(self) -> None:
        """Try the options out, and make the contexts that will be wanted first: trusting 150 roots takes 14 ms.

        Raises:
            OptionsError: one of them cannot be met; the message names it.

        """
        self.client_endpoint(LeafNames("localhost"), alpn=USUAL_ALPN)
        self.server_endpoint("localhost", alpn=USUAL_ALPN)

    @property
    def warnings(self) -> list[str]:
        """What the user should know about the TLS options."""
        return [*self._client_terms(()).warnings(), *self._server_terms(()).warnings()]

    def client_endpoint(
        self, names: LeafNames, *, alpn: tuple[bytes, ...] = (), upstream_chain: Sequence[bytes] = ()
    ) -> TlsEndpoint:
        """Make the endpoint that faces a client, with a certificate for these names.

        `alpn` are the protocols we choose from, the preferred one first; `upstream_chain` are the certificates (DER)
        that the server showed, appended to ours if the options say so.
        """
        context = self._client_context(names, upstream_chain, self._client_terms(alpn))
        if isinstance(context, ssl.SSLContext):
            return StdlibEndpoint(context, server_side=True)
        return OpenSSLEndpoint.over(context, server_side=True)

    def client_datagrams(
        self, names: LeafNames, *, alpn: tuple[bytes, ...] = (), upstream_chain: Sequence[bytes] = ()
    ) -> DtlsEndpoint:
        """Make the endpoint that faces a client of DTLS; arguments as for `client_endpoint`."""
        context = self._client_context(names, upstream_chain, self._client_terms(alpn, is_dtls=True))
        assert isinstance(context, SSL.Context)
        return DtlsEndpoint.over(context, server_side=True)

    def server_endpoint(
        self,
        host: str,
        *,
        sni: str | None = None,
        alpn: tuple[bytes, ...] = (),
        client_cert: str | None = None,
        port: int = 0,
        is_insecure: bool | None = None,
    ) -> TlsEndpoint:
        """Make the endpoint that faces a server (or a parent proxy), which has to prove to be `sni`, else `host`.

        `sni` is sent if it is a name; without one the host is. `client_cert` is a PEM file to use instead of what
        the option client_certs has for the server. `is_insecure` overrides the option for this server.
        """
        name = _dns_name(sni) or _expected_name(host)
        certificate = self._client_certificate(client_cert, name, host)
        profile = self._server_profile(self._server_terms(alpn), certificate, is_insecure)
        return profile.endpoint((host, port, name))

    def server_datagrams(self, host: str, *, sni: str | None = None, alpn: tuple[bytes, ...] = ()) -> DtlsEndpoint:
        """Make the endpoint that faces a server of DTLS; arguments as for `server_endpoint`. Sessions are not resumed."""
        name = _dns_name(sni) or _expected_name(host)
        certificate = self._client_certificate(None, name, host)
        context = self._server_profile(self._server_terms(alpn, is_dtls=True), certificate, None).context
        assert isinstance(context, SSL.Context)
        return DtlsEndpoint.over(context, server_side=False, server_hostname=name)

    def remember_session(self, endpoint: TlsEndpoint) -> None:
        """Keep the session of a server's endpoint for the next one; call it when data came: tickets come with it."""
        if isinstance(endpoint, MemoryEndpoint) and isinstance(endpoint.origin, _Origin) and endpoint.is_established:
            session = endpoint.session
            if _can_be_resumed(session, endpoint.version):
                endpoint.origin.sessions.put(endpoint.origin.key, session)

    def _client_context(self, names: LeafNames, upstream_chain: Sequence[bytes], terms: Terms) -> _Context:
        leaf = self.store.leaf_for(names)
        extra = tuple(upstream_chain) if self._options.add_upstream_certs_to_client_chain else ()
        key = _ClientKey(leaf, extra, terms, self._options.request_client_cert)
        context = self._towards_clients.get(key)
        if context is None:
            context = _context_towards_clients(key)
            self._towards_clients.put(key, context)
        return context

    def _server_profile(self, terms: Terms, certificate: Identity | None, is_insecure: bool | None) -> "_ServerProfile":
        options = self._options
        trust = Trust(
            is_insecure=options.ssl_insecure if is_insecure is None else is_insecure,
            ca_file=options.ssl_verify_upstream_trusted_ca,
            ca_directory=options.ssl_verify_upstream_trusted_confdir,
        )
        key = _ServerKey(terms, trust, certificate)
        profile = self._towards_servers.get(key)
        if profile is None:
            profile = _ServerProfile(_context_towards_servers(key))
            self._towards_servers.put(key, profile)
        return profile

    def _client_certificate(self, path: str | None, *names: str) -> Identity | None:
        path = path or find_client_certificate(self._options.client_certs, *names)
        if path is None:
            return None
        try:
            key = (path, os.stat(path).st_mtime_ns)
        except OSError as error:
            raise OptionsError(f"client_certs: cannot read {path}: {error.strerror}.") from error
        identity = self._identities.get(key)
        if identity is None:
            identity = read_identity(path, self._options.cert_passphrase)
            self._identities.put(key, identity)
        return identity

    def _client_terms(self, alpn: tuple[bytes, ...], *, is_dtls: bool = False) -> Terms:
        options = self._options
        return Terms(
            side="client",
            minimum=options.tls_version_client_min,
            maximum=options.tls_version_client_max,
            ciphers=options.ciphers_client,
            curve=options.tls_ecdh_curve_client,
            alpn=alpn,
            keylog_file=self._keylog_file(),
            is_dtls=is_dtls,
        )

    def _server_terms(self, alpn: tuple[bytes, ...], *, is_dtls: bool = False) -> Terms:
        options = self._options
        return Terms(
            side="server",
            minimum=options.tls_version_server_min,
            maximum=options.tls_version_server_max,
            ciphers=options.ciphers_server,
            curve=options.tls_ecdh_curve_server,
            alpn=alpn,
            keylog_file=self._keylog_file(),
            is_dtls=is_dtls,
        )

    def _keylog_file(self) -> str | None:
        path = self._options.tls_keylog_file
        if not path:
            path = next((self._environment[name] for name in KEYLOG_VARIABLES if self._environment.get(name)), None)
        return os.path.expanduser(path) if path else None


def find_client_certificate(setting: str | None, *names: str) -> str | None:
    """Find our certificate for a server: the file of the option client_certs, or `<name>.pem` in its directory."""
    if not setting:
        return None
    setting = os.path.expanduser(setting)
    if not os.path.isdir(setting):
        return setting
    paths = (os.path.join(setting, f"{name}.pem") for name in names if os.sep not in name)
    return next((path for path in paths if os.path.exists(path)), None)


class _ClientKey(msgspec.Struct, frozen=True):
    leaf: Leaf
    upstream_chain: tuple[bytes, ...]
    terms: Terms
    asks_certificate: bool


class _ServerKey(msgspec.Struct, frozen=True):
    terms: Terms
    trust: Trust
    certificate: Identity | None


def _context_towards_clients(key: _ClientKey) -> _Context:
    """Make a context, without the upstream's certificates if OpenSSL finds those too weak."""
    if key.upstream_chain:
        try:
            return _context_with(key, _with_chain(key.leaf.identity, key.upstream_chain))
        except OptionsError:
            pass
    return _context_with(key, key.leaf.identity)


def _context_with(key: _ClientKey, identity: Identity) -> _Context:
    """Use pyOpenSSL where the standard library cannot serve."""
    if key.asks_certificate or key.terms.tls13_suites or key.terms.is_dtls:
        return openssl_contexts.context_towards_clients(key.terms, identity, asks_certificate=key.asks_certificate)
    return contexts.context_towards_clients(key.terms, identity)


def _context_towards_servers(key: _ServerKey) -> _Context:
    if key.terms.tls13_suites or key.terms.is_dtls:
        return openssl_contexts.context_towards_servers(key.terms, key.trust, key.certificate)
    return contexts.context_towards_servers(key.terms, key.trust, key.certificate)


class _Origin(NamedTuple):
    """Where the session of an endpoint towards a server is kept."""

    sessions: Lru[_SessionKey, object]
    key: _SessionKey


class _ServerProfile:
    """A context towards servers and the sessions that were made with it."""

    __slots__ = ("context", "sessions")

    def __init__(self, context: _Context) -> None:
        self.context = context
        self.sessions: Lru[_SessionKey, object] = Lru(SESSIONS)

    def endpoint(self, key: _SessionKey) -> MemoryEndpoint:
        session, name = self.sessions.get(key), key[2]
        endpoint: MemoryEndpoint
        if isinstance(self.context, ssl.SSLContext):
            assert session is None or isinstance(session, ssl.SSLSession)
            endpoint = StdlibEndpoint(self.context, server_side=False, server_hostname=name, session=session)
        else:
            endpoint = OpenSSLEndpoint.over(self.context, server_side=False, server_hostname=name, session=session)
        endpoint.origin = _Origin(self.sessions, key)
        return endpoint


def _can_be_resumed(session: object | None, version: str) -> bool:
    """Tell whether a session is worth keeping: with TLS 1.3 it is nothing before a ticket came."""
    if isinstance(session, ssl.SSLSession):
        return session.has_ticket or (bool(session.id) and version != "TLSv1.3")
    return session is not None


def _dns_name(name: str | None) -> str | None:
    """Give a name as it is sent and verified: A-labels without a final dot; None for an address and for nonsense."""
    if not name or ip_address(name) is not None:
        return None
    label = a_label(name)
    return label if label and _HOST_NAME.fullmatch(label) else None


def _expected_name(host: str) -> str:
    """Give what a server's certificate has to name: its address is verified, too, though it is never sent."""
    address = ip_address(host)
    return str(address) if address is not None else _dns_name(host) or host


def _with_chain(identity: Identity, extra: tuple[bytes, ...]) -> Identity:
    """Append certificates that can be read."""
    found: list[x509.Certificate] = []
    for der in extra:
        try:
            found.append(x509.load_der_x509_certificate(der))
        except CERTIFICATE_FAULTS:
            continue
    return Identity(identity.key, identity.certificate, (*identity.chain, *found))
