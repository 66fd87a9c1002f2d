"""One end of a TLS connection over memory buffers: ciphertext in, plaintext out, and back.

An endpoint knows no transport, so endpoints nest: what one calls plaintext can be another's ciphertext (TLS-32).
It never decides which certificate or versions to use: that is the context's business.
"""

import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, Protocol, TypeAlias, cast

from midstream.errors import UsageError
from midstream.wire.tls.failure import TlsError, closed_in_handshake, explain, not_tls, refused_certificate

Buffer: TypeAlias = bytes | bytearray | memoryview

RECORD_SIZE: Final = 16384
"""The most plaintext that one record carries (RFC 8446 §5.1)."""
PORTION: Final = 2 * RECORD_SIZE
"""Plaintext that passes through a memory buffer at once; two records, for one that is just over a portion would cost twice."""
RECORD_HEADER: Final = 5
CIPHER_PORTION: Final = PORTION + 2 * (RECORD_HEADER + 256)
"""The same in ciphertext: encrypted, a record is up to 256 bytes longer (RFC 8446 §5.2)."""
FIRST_BYTES: Final = frozenset({21, 22})
"""Content types with which TLS can begin: an alert (from a peer that gives up at once) or a handshake record."""
_DER: Final = 2


class TlsEndpoint(Protocol):
    """What the proxy needs of a TLS implementation.

    The order of work: `start()` once and send what it returns; then for all bytes that arrive `receive()`, and send
    what `take_output()` returns, also after an error. A failure is raised once, by whichever call met it; afterwards the
    endpoint is silent: what it is given is dropped, and what it returns is empty.
    """

    @property
    def is_established(self) -> bool:
        """The handshake is complete."""
        ...

    @property
    def is_closed(self) -> bool:
        """The peer said that it will send no more (close_notify)."""
        ...

    @property
    def version(self) -> str:
        """The negotiated version, as in `TLSv1.3`; empty before the handshake is complete."""
        ...

    @property
    def cipher(self) -> str:
        """The cipher suite in OpenSSL's spelling; empty before the handshake is complete."""
        ...

    @property
    def alpn(self) -> bytes | None:
        """The application protocol that was agreed on."""
        ...

    @property
    def peer_chain(self) -> list[bytes]:
        """The peer's certificates as DER, its own first; empty if it showed none."""
        ...

    @property
    def session(self) -> object | None:
        """The session, to be given to the next endpoint with the same peer; ask after data came (TLS 1.3 tickets)."""
        ...

    @property
    def was_resumed(self) -> bool:
        """The handshake continued an earlier session."""
        ...

    def start(self) -> bytes:
        """Begin the handshake and return the bytes to send: a client's hello, nothing for a server."""
        ...

    def receive(self, data: bytes) -> bytes:
        """Take ciphertext and return the plaintext that it completed.

        Raises:
            TlsError: The connection failed; its `plain` has what came whole before the fault.

        """
        ...

    def take_output(self) -> bytes:
        """Return ciphertext that waits to be sent: handshake messages, alerts, key updates."""
        ...

    def send(self, plain: Buffer) -> bytes:
        """Encrypt and return the ciphertext to send.

        Before the handshake is complete the plaintext is kept and appears in `take_output()` later. After `close()` or
        a failure it is dropped, also what was kept.
        """
        ...

    def close(self) -> bytes:
        """Say that we send no more and return the ciphertext (close_notify); receiving goes on."""
        ...

    def eof(self) -> bool:
        """Take note of the transport's end; True if it cut the stream off (no close_notify came before).

        Raises:
            TlsError: The handshake was not complete.

        """
        ...


class Facts(Protocol):
    """What is known of a TLS connection, over a stream or in datagrams, once it is established."""

    @property
    def version(self) -> str: ...
    @property
    def cipher(self) -> str: ...
    @property
    def alpn(self) -> bytes | None: ...
    @property
    def peer_chain(self) -> list[bytes]: ...


class Endpoint:
    """The facts of an endpoint, over anything that tells them as `ssl.SSLObject` does."""

    __slots__ = ("_ssl", "is_closed", "is_established", "origin", "server_side")

    def __init__(self, tls: "TlsObject", *, server_side: bool) -> None:
        self.origin: object | None = None
        """What its maker wants to know of it later."""
        self._ssl = tls
        self.server_side = server_side
        self.is_established = False
        self.is_closed = False

    @property
    def version(self) -> str:
        return (self._ssl.version() or "") if self.is_established else ""

    @property
    def cipher(self) -> str:
        cipher = self._ssl.cipher() if self.is_established else None
        return cipher[0] if cipher else ""

    @property
    def alpn(self) -> bytes | None:
        name = self._ssl.selected_alpn_protocol()
        return name.encode() if name else None

    @property
    def peer_chain(self) -> list[bytes]:
        return _chain_of(self._ssl) if self.is_established else []

    @property
    def session(self) -> object | None:
        return self._ssl.session

    @property
    def was_resumed(self) -> bool:
        return bool(self._ssl.session_reused)

    def _explained(self, error: ssl.SSLError) -> TlsError:
        peer = "client" if self.server_side else "server"
        if isinstance(error, ssl.SSLCertVerificationError):
            return refused_certificate(error.verify_message, peer)
        reason = getattr(error, "reason", None) or str(error)  # unknown to Python's table where OpenSSL is newer
        return explain(reason, peer, established=self.is_established)


class MemoryEndpoint(Endpoint):
    """The states that all endpoints on streams have in common, over anything that behaves as `ssl.SSLObject` and `ssl.MemoryBIO` do."""

    __slots__ = ("_has_answered", "_header", "_incoming", "_kept", "_outgoing", "_put", "_step", "_to_come")

    def __init__(self, tls: "TlsObject", incoming: "Incoming", outgoing: "Outgoing", *, server_side: bool) -> None:
        super().__init__(tls, server_side=server_side)
        self._incoming = incoming
        self._outgoing = outgoing
        self._kept = bytearray()
        self._to_come = 0
        """Bytes of the record that has begun which did not come yet."""
        self._header = b""
        """What has come of the next record, if that is less than its header."""
        self._step: Callable[[bytes], bytes] = self._first
        self._put: Callable[[Buffer], None] = self._keep
        self._has_answered = False

    def start(self) -> bytes:
        if not self.server_side:
            self._shake(b"")
        return self._outgoing.read()

    def receive(self, data: bytes) -> bytes:
        return self._step(data)

    def take_output(self) -> bytes:
        return self._outgoing.read()

    def send(self, plain: Buffer) -> bytes:
        if len(plain) <= PORTION:
            self._put(plain)
            return self._outgoing.read()
        output = []
        for portion in portions(plain):
            self._put(portion)
            output.append(self._outgoing.read())
        return b"".join(output)

    def close(self) -> bytes:
        if self._put != drop:
            self._put = drop
            self._kept.clear()
            try:
                self._ssl.unwrap()
            except ssl.SSLError:
                pass  # the peer's own close_notify is outstanding, or the handshake is: both are as they should be
        return self._outgoing.read()

    def eof(self) -> bool:
        was_over = self._step == silence
        self._end()
        if not self.is_established and not was_over:
            raise closed_in_handshake(server_side=self.server_side, has_answered=self._has_answered)
        return not (self.is_closed or was_over)

    # The steps of receiving: first bytes → handshake → reading → silence.

    def _first(self, data: bytes) -> bytes:
        if not data:
            return b""
        if data[0] not in FIRST_BYTES:
            self._end()
            raise not_tls(data[:64], server_side=self.server_side)
        self._step = self._shake
        return self._shake(data)

    def _shake(self, data: bytes) -> bytes:
        for portion in self._cut(data):
            self._incoming.write(portion)
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            self._has_answered = self._has_answered or (self.server_side and self._outgoing.pending > 0)
            return b""
        except ssl.SSLError as error:
            raise self._failure(error) from error
        self.is_established = True
        self._step = self._read
        if self._put != drop:
            self._flush()
        return self._read(b"")

    def _read(self, data: bytes) -> bytes:
        pieces: list[bytes] = []
        incoming, read = self._incoming, self._ssl.read
        for portion in self._cut(data):
            incoming.write(portion)
            try:
                while incoming.pending:
                    piece = read(RECORD_SIZE)
                    if not piece:
                        self.is_closed = True
                        break
                    pieces.append(piece)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLZeroReturnError:
                self.is_closed = True
            except ssl.SSLError as error:
                raise self._failure(error, b"".join(pieces)) from error
        if self._kept:
            self._flush()
        return b"".join(pieces)

    def _cut(self, data: bytes) -> list[Buffer]:
        """Cut what came into portions that end where a record does: to read on into the midst of one costs an exception."""
        start = len(self._header)
        if start:
            data = self._header + data
        at, size = self._to_come, len(data)
        found: list[Buffer] = []
        while size - at >= RECORD_HEADER:
            end = at + RECORD_HEADER + (data[at + 3] << 8 | data[at + 4])
            if end - start > CIPHER_PORTION and at > start:
                found.append(memoryview(data)[start:at])
                start = at
            at = end
        self._header = data[at:] if at < size else b""
        self._to_come = max(at - size, 0)
        found.append(memoryview(data)[start:] if start else data)
        return found

    # The steps of sending: keeping until the handshake is complete → writing → dropping.

    def _keep(self, plain: Buffer) -> None:
        self._kept += plain

    def _write(self, plain: Buffer) -> None:
        done, size = 0, len(plain)
        view = plain
        try:
            while done < size:
                done += self._ssl.write(view)
                if done < size:
                    view = memoryview(plain)[done:]
        except ssl.SSLWantReadError:  # a renegotiation is under way (TLS 1.2): go on when it is done
            self._kept += view
            self._put = self._keep
        except ssl.SSLError as error:
            raise self._failure(error) from error

    def _flush(self) -> None:
        kept, self._kept = self._kept, bytearray()
        self._put = self._write
        self._write(kept)

    def _end(self) -> None:
        self._step = silence
        self._put = drop
        self._kept.clear()

    def _failure(self, error: ssl.SSLError, plain: bytes = b"") -> TlsError:
        self._end()
        failure = self._explained(error)
        failure.plain = plain
        return failure


class StdlibEndpoint(MemoryEndpoint):
    """A `TlsEndpoint` over the standard library's `ssl`, the fast one."""

    __slots__ = ()

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_hostname: str | None = None,
        session: object | None = None,
    ) -> None:
        """Make an endpoint; `session` is what an earlier endpoint with the same context and peer left.

        Raises:
            UsageError: `server_hostname` cannot be a host name, or the context or session cannot be used here.

        """
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        earlier = cast("ssl.SSLSession | None", session)
        try:
            tls = context.wrap_bio(incoming, outgoing, server_side, server_hostname, earlier)
        except (ValueError, TypeError, ssl.SSLError) as error:
            msg = f"TLS cannot be started for {server_hostname!r}: {error}"
            raise UsageError(msg) from error
        super().__init__(tls, incoming, outgoing, server_side=server_side)

    @property
    def session(self) -> ssl.SSLSession | None:
        return cast("ssl.SSLSession | None", self._ssl.session)


class TlsObject(Protocol):
    """What `MemoryEndpoint` needs of `ssl.SSLObject`."""

    @property
    def session(self) -> object | None: ...
    @property
    def session_reused(self) -> bool | None: ...
    def do_handshake(self) -> None: ...
    def read(self, len: int = 1024, /) -> bytes: ...  # noqa: A002 - its name there
    def write(self, data: Buffer, /) -> int: ...
    def unwrap(self) -> None: ...
    def version(self) -> str | None: ...
    def cipher(self) -> tuple[str, str, int] | None: ...
    def selected_alpn_protocol(self) -> str | None: ...
    def getpeercert(self, binary_form: Literal[True]) -> bytes | None: ...


class Incoming(Protocol):
    """What `MemoryEndpoint` needs of the buffer that TLS reads from."""

    @property
    def pending(self) -> int: ...
    def write(self, data: Buffer, /) -> int: ...


class Outgoing(Protocol):
    """What `MemoryEndpoint` needs of the buffer that TLS writes to."""

    @property
    def pending(self) -> int: ...
    def read(self, size: int = -1, /) -> bytes: ...


def portions(data: Buffer) -> Iterable[Buffer]:
    """Cut what goes through a buffer of OpenSSL's: it never gives back what it once held, for as long as the connection lives."""
    if len(data) <= PORTION:
        return (data,)
    view = memoryview(data)
    return [view[at : at + PORTION] for at in range(0, len(view), PORTION)]


def silence(_data: bytes) -> bytes:
    """Receive when all is over; a plain function, so that a finished endpoint is freed without a garbage collection."""
    return b""


def drop(_plain: Buffer) -> None:
    """Send when all is over."""


def _chain_of(tls: TlsObject) -> list[bytes]:
    """Return the peer's chain; Python offers it publicly from 3.13 on only, and a resumed session knows just the first."""
    if hasattr(tls, "get_unverified_chain"):
        chain: list[bytes] = list(tls.get_unverified_chain() or ())
    else:
        hidden = cast("Any", tls)._sslobj.get_unverified_chain()  # noqa: SLF001 - see above
        chain = [certificate.public_bytes(_DER) for certificate in hidden or ()]
    if not chain:
        leaf = tls.getpeercert(binary_form=True)
        return [leaf] if leaf else []
    return chain
