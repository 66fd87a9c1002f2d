"""`OpenSSLEndpoint`: TLS through pyOpenSSL, for what the standard library cannot do.

That is: client certificates of any issuer, the choice of TLS 1.3 cipher suites, connections that scripts bring along.
pyOpenSSL's connection is dressed up as `ssl.SSLObject` with its buffers, so that both kinds of endpoint share their states.
Each call costs two to three times that of the standard library, so this is not for every connection.
"""

import ssl
from ipaddress import ip_address
from typing import Any, Final, Literal, Self

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from midstream.errors import UsageError
from midstream.wire.tls.endpoint import RECORD_SIZE, Buffer, MemoryEndpoint

_READ_SIZE: Final = 65536


class OpenSSLEndpoint(MemoryEndpoint):
    """A `TlsEndpoint` over a pyOpenSSL connection."""

    __slots__ = ("connection",)

    def __init__(self, connection: SSL.Connection, *, server_side: bool) -> None:
        """Take over a connection that was made without a socket: `SSL.Connection(context, None)`.

        Names to ask for and to verify, sessions and all else must be set already; `over` does that.
        """
        if server_side:
            connection.set_accept_state()
        else:
            connection.set_connect_state()
        incoming = Incoming(connection)
        super().__init__(Dressed(connection, incoming), incoming, _Outgoing(connection), server_side=server_side)
        self.connection = connection

    @classmethod
    def over(
        cls,
        context: SSL.Context,
        *,
        server_side: bool,
        server_hostname: str | None = None,
        session: object | None = None,
    ) -> Self:
        """Make an endpoint as `StdlibEndpoint` does: the name is asked for, and verified if the context verifies.

        Raises:
            UsageError: `server_hostname` cannot be a host name, or `session` is none of pyOpenSSL's.

        """
        connection = SSL.Connection(context, None)
        if server_hostname is not None:
            expect_name(connection, server_hostname)
        if isinstance(session, SSL.Session):
            connection.set_session(session)
        elif session is not None:
            raise UsageError("the TLS session to resume is none of pyOpenSSL's")
        return cls(connection, server_side=server_side)


def expect_name(connection: SSL.Connection, name: str) -> None:
    """Ask for a name, and make the verification expect it; pyOpenSSL itself has only the first."""
    try:
        address = ip_address(name).packed
    except ValueError:
        address = b""
    lib, native = SSL._lib, connection._ssl  # type: ignore[attr-defined]  # noqa: SLF001 - no public way
    parameters = lib.SSL_get0_param(native)
    if address:
        lib.X509_VERIFY_PARAM_set1_ip(parameters, address, len(address))
        return
    try:
        host = name.encode("ascii" if name.isascii() else "idna")
    except UnicodeError as error:
        msg = f"TLS cannot be started for {name!r}: {error}"
        raise UsageError(msg) from error
    if not host or host.startswith(b".") or b"\0" in host or len(host) > 255:
        msg = f"TLS cannot be started for {name!r}: it is no host name"
        raise UsageError(msg)
    connection.set_tlsext_host_name(host)
    lib.X509_VERIFY_PARAM_set_hostflags(parameters, _NO_PARTIAL_WILDCARDS)
    lib.X509_VERIFY_PARAM_set1_host(parameters, host, len(host))


_NO_PARTIAL_WILDCARDS: Final = 0x4
"""X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS: `w*.example.com` matches nothing, as in the standard library."""


class Incoming:
    """The buffer that the connection reads from; how full it is, only reading tells."""

    __slots__ = ("_connection", "pending")

    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection
        self.pending = 0

    def write(self, data: Buffer, /) -> int:
        if data:
            self.pending = self._connection.bio_write(bytes(data))
        return len(data)


class _Outgoing:
    """The buffer that the connection writes to."""

    __slots__ = ("_connection", "_read")

    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection
        self._read: list[bytes] = []

    @property
    def pending(self) -> int:
        self._fetch()
        return sum(map(len, self._read))

    def read(self, _size: int = -1, /) -> bytes:
        self._fetch()
        output = b"".join(self._read)
        self._read.clear()
        return output

    def _fetch(self) -> None:
        try:
            while True:
                piece = self._connection.bio_read(_READ_SIZE)
                self._read.append(piece)
                if len(piece) < _READ_SIZE:
                    return
        except SSL.Error:
            return  # empty


class Dressed:
    """A pyOpenSSL connection in the dress of `ssl.SSLObject`, exceptions included."""

    __slots__ = ("_connection", "_incoming")

    def __init__(self, connection: SSL.Connection, incoming: Incoming) -> None:
        self._connection = connection
        self._incoming = incoming

    def do_handshake(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.Error as error:
            raise self._translated(error) from error

    def read(self, size: int = 16384, /) -> bytes:
        try:
            return self._connection.recv(size)
        except SSL.Error as error:
            raise self._translated(error) from error

    def write(self, data: Buffer, /) -> int:
        try:
            return self._connection.send(bytes(data[:RECORD_SIZE]))
        except SSL.Error as error:
            raise self._translated(error) from error

    def unwrap(self) -> None:
        try:
            self._connection.shutdown()
        except SSL.Error as error:
            raise self._translated(error) from error

    def version(self) -> str:
        return self._connection.get_protocol_version_name()

    def cipher(self) -> tuple[str, str, int] | None:
        name = self._connection.get_cipher_name()
        return (name, self.version(), self._connection.get_cipher_bits() or 0) if name else None

    def selected_alpn_protocol(self) -> str | None:
        return self._connection.get_alpn_proto_negotiated().decode() or None

    def getpeercert(self, binary_form: Literal[True]) -> bytes | None:
        certificate = self._connection.get_peer_certificate(as_cryptography=binary_form)
        return certificate.public_bytes(Encoding.DER) if certificate else None

    def get_unverified_chain(self) -> list[bytes]:
        """Return the peer's certificates, its own first; a client's own is not in OpenSSL's chain."""
        chain = self._connection.get_peer_cert_chain(as_cryptography=True) or []
        found = [certificate.public_bytes(Encoding.DER) for certificate in chain]
        leaf = self.getpeercert(binary_form=True)
        return found if leaf is None or leaf in found else [leaf, *found]

    @property
    def session(self) -> object | None:
        return self._connection.get_session()

    @property
    def session_reused(self) -> bool:
        return bool(SSL._lib.SSL_session_reused(self._connection._ssl))  # type: ignore[attr-defined]  # noqa: SLF001 - no public way

    def _translated(self, error: SSL.Error) -> ssl.SSLError:
        if isinstance(error, SSL.WantReadError):
            self._incoming.pending = 0
            return ssl.SSLWantReadError()
        if isinstance(error, SSL.ZeroReturnError):
            return ssl.SSLZeroReturnError(ssl.SSL_ERROR_ZERO_RETURN, "the connection has been closed")
        reason = _reason(error)
        if reason == "certificate verify failed":
            return self._refused()
        return ssl.SSLError(ssl.SSL_ERROR_SSL, reason)

    def _refused(self) -> ssl.SSLCertVerificationError:
        lib, native = SSL._lib, self._connection._ssl  # type: ignore[attr-defined]  # noqa: SLF001 - no public way
        code = lib.SSL_get_verify_result(native)
        refused = ssl.SSLCertVerificationError()
        refused.verify_code = code
        refused.verify_message = SSL._ffi.string(lib.X509_verify_cert_error_string(code)).decode()  # type: ignore[attr-defined]  # noqa: SLF001
        return refused


def _reason(error: SSL.Error) -> str:
    """Return the last reason in OpenSSL's queue of errors."""
    queue: Any = error.args[0] if error.args else ()
    if isinstance(queue, list) and queue:
        return str(queue[-1][-1])
    return "unexpected eof while reading" if isinstance(error, SSL.SysCallError) else str(error)
