"""`DtlsEndpoint`: one end of DTLS 1.0 or 1.2 in memory: datagrams in, messages out, and back.

OpenSSL does it, through pyOpenSSL, since the standard library has no DTLS. Its buffers are made for streams, so the borders of
datagrams are ours to keep: it is given one record at a time, and what it writes is cut at its records and put into datagrams.

One thing is not as in other engines: OpenSSL tells by its own clock when a flight is to be said again. `timeout` says how many
seconds are left, and `retransmit`, called when they have passed, does it.
"""

import ssl
from collections.abc import Iterable
from typing import Any, Final, Self

from OpenSSL import SSL

from midstream.errors import UsageError
from midstream.wire.tls.dtls import DATA, HANDSHAKE, HEADER, Record, begins_with_hello, record, records, without_cookie
from midstream.wire.tls.endpoint import RECORD_SIZE, Endpoint
from midstream.wire.tls.failure import TlsError
from midstream.wire.tls.hello import ClientHello
from midstream.wire.tls.openssl import Dressed, Incoming, expect_name

MTU: Final = 1200
"""The most bytes of a datagram with handshake messages: what passes nearly everywhere without being cut on the way."""
MAX_MESSAGE: Final = RECORD_SIZE
"""The longest message: DTLS cannot cut one up."""


class DtlsEndpoint(Endpoint):
    """An end of DTLS.

    The order of work: `start()` for a client, `adopt()` for a server, and then `receive()` for each datagram that arrives; each time what
    `take_output()` returns is to be sent, also after an error. A failure is raised once; afterwards the endpoint is silent.
    """

    __slots__ = ("_connection", "_incoming", "_is_silent", "_offset")

    def __init__(self, connection: SSL.Connection, *, server_side: bool) -> None:
        """Take over a connection that was made without a socket, with a context for DTLS, and not used yet."""
        if server_side:
            _ask_for_cookies(connection)
            connection.set_accept_state()
        else:
            connection.set_connect_state()
        _set_mtu(connection)
        self._connection = connection
        self._incoming = Incoming(connection)
        self._is_silent = False
        self._offset = 0
        """By how much the record numbers in the clear are higher on the wire than OpenSSL thinks."""
        super().__init__(Dressed(connection, self._incoming), server_side=server_side)

    @classmethod
    def over(cls, context: SSL.Context, *, server_side: bool, server_hostname: str | None = None) -> Self:
        """Make an endpoint; a client asks for the name, and verifies it if the context verifies.

        Raises:
            UsageError: `server_hostname` cannot be a host name.

        """
        connection = SSL.Connection(context, None)
        if server_hostname is not None:
            expect_name(connection, server_hostname)
        return cls(connection, server_side=server_side)

    @property
    def timeout(self) -> float | None:
        """Seconds until `retransmit` is to be called; None if nothing has to be said again."""
        connection: Any = self._connection  # whose annotation says that there are whole seconds
        return None if self.is_established or self._is_silent else connection.DTLSv1_get_timeout()

    def start(self) -> None:
        """Say a client's hello."""
        self._shake()

    def adopt(self, hello: ClientHello, sequence: int) -> None:
        """Begin as a server whose client has repeated its cookie in `hello`, the last record of which had the number `sequence`.

        OpenSSL has to live through the exchange, because it counts messages: it is told the first hello, too, and its question
        for a cookie goes nowhere. What it says next gets numbers from that of the hello on (RFC 6347 §4.2.1).

        Raises:
            TlsError: There is no agreeing with this client.

        """
        self._give(record(HANDSHAKE, without_cookie(hello), 0))
        self._shake()
        self._written()
        self._offset = sequence - 1
        self._give(record(HANDSHAKE, hello.raw, max(sequence, 1)))
        self._shake()

    def receive(self, datagram: bytes) -> list[bytes]:
        """Take a datagram and return the messages in it; what is no record, is damaged, or has come before is dropped.

        Raises:
            TlsError: The connection failed. Messages that came in the same datagram before are lost with it.

        """
        messages: list[bytes] = []
        for found in records(datagram):
            if self._is_silent:
                break
            self._give(found.raw)
            if not self.is_established:
                self._shake()
            if self.is_established:
                self._read(messages)
        return messages

    def retransmit(self) -> None:
        """Say the last flight again, if it is time.

        Raises:
            TlsError: The peer has not answered, so often that there is no more hope.

        """
        if self._is_silent:
            return
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error:
            self._is_silent = True
            peer = "client" if self.server_side else "server"
            raise TlsError("closed", f"the {peer} does not answer in the DTLS handshake", "RFC 6347 §4.2.4") from None

    def take_output(self) -> list[bytes]:
        """Return the datagrams that wait to be sent."""
        return packed(self._renumbered(each) for each in records_of(self._written()))

    def send(self, message: bytes) -> list[bytes]:
        """Encrypt a message and return the datagrams to send; none before the handshake is complete, or when all is over.

        An empty message cannot be sent: OpenSSL does not write empty records.

        Raises:
            UsageError: It is longer than `MAX_MESSAGE`.
            TlsError: The connection failed.

        """
        if len(message) > MAX_MESSAGE:
            raise UsageError(f"a message of {len(message)} bytes does not fit into DTLS, which takes {MAX_MESSAGE}")
        if message and self.is_established and not self._is_silent:
            try:
                self._ssl.write(message)
            except ssl.SSLError as error:
                raise self._failed(error) from error
        return self.take_output()

    def close(self) -> list[bytes]:
        """Say goodbye (close_notify), and return the datagrams to send; nothing can be sent or received any more."""
        if self.is_established and not self._is_silent:
            try:
                self._connection.shutdown()
            except SSL.Error:
                pass  # the peer has broken off: it needs no goodbye
        self._is_silent = True
        return self.take_output()

    def _give(self, raw: bytes) -> None:
        self._incoming.write(raw)

    def _shake(self) -> None:
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            if _is_just_empty(error):
                return
            raise self._failed(error) from error
        self.is_established = True

    def _read(self, messages: list[bytes]) -> None:
        """Read until nothing is left: a record may set others free that had come too early."""
        try:
            while True:
                messages.append(self._ssl.read(RECORD_SIZE))
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.is_closed = True
        except ssl.SSLError as error:
            if not _is_just_empty(error):
                raise self._failed(error) from error

    def _failed(self, error: ssl.SSLError) -> TlsError:
        self._is_silent = True
        return self._explained(error)

    def _written(self) -> bytes:
        """Return all that OpenSSL has written."""
        pieces: list[bytes] = []
        try:
            while not pieces or len(pieces[-1]) == RECORD_SIZE:
                pieces.append(self._connection.bio_read(RECORD_SIZE))
        except SSL.Error:
            pass  # it is empty
        return b"".join(pieces)

    def _renumbered(self, each: Record) -> Record:
        """Move the number of a record in the clear: nothing protects it, and only the wire knows what it has to be."""
        if not self._offset or each.epoch:
            return each
        number = (each.sequence + self._offset) % (1 << 48)
        return Record(each.raw[:5] + number.to_bytes(6) + each.raw[11:])


def _is_just_empty(error: ssl.SSLError) -> bool:
    """Tell whether an older OpenSSL (3.4) takes it for an end that there is nothing left to read: datagrams have none."""
    return isinstance(error.__cause__, SSL.SysCallError)


def packed(found: Iterable[Record]) -> list[bytes]:
    """Put records into datagrams: those of the handshake together as far as they fit, but each message and each hello on its own.

    A server without memory looks at no more than the first record, and an old hello may be said again just before the one with the cookie.
    """
    datagrams: list[bytes] = []
    has_room = False
    for each in found:
        may_share = each.kind != DATA and not begins_with_hello(each.raw)
        if has_room and may_share and len(datagrams[-1]) + len(each.raw) <= MTU:
            datagrams[-1] += each.raw
        else:
            datagrams.append(each.raw)
        has_room = may_share
    return datagrams


def records_of(stream: bytes) -> Iterable[Record]:
    """Cut what OpenSSL has written at the borders of records; no more is looked at than their lengths."""
    at = 0
    while at < len(stream):
        end = at + HEADER + int.from_bytes(stream[at + 11 : at + HEADER])
        yield Record(stream[at:end])
        at = end


# What pyOpenSSL has no public way for, or only in a context that has not been used yet.

_lib: Final[Any] = SSL._lib  # type: ignore[attr-defined]  # noqa: SLF001 - see above
_GENERATE: Final = SSL._CookieGenerateCallbackHelper(lambda _connection: bytes(16))  # noqa: SLF001 - see above
_VERIFY: Final = SSL._CookieVerifyCallbackHelper(lambda _connection, _cookie: True)  # noqa: SLF001 - see above


def _ask_for_cookies(connection: SSL.Connection) -> None:
    """Have OpenSSL expect a cookie, which has been verified before it hears of it."""
    native = connection._ssl  # noqa: SLF001 - see above
    context = connection.get_context()._context  # noqa: SLF001 - see above
    _lib.SSL_CTX_set_cookie_generate_cb(context, _GENERATE.callback)
    _lib.SSL_CTX_set_cookie_verify_cb(context, _VERIFY.callback)
    _lib.SSL_set_options(native, SSL.OP_COOKIE_EXCHANGE)


def _set_mtu(connection: SSL.Connection) -> None:
    native = connection._ssl  # noqa: SLF001 - see above
    _lib.SSL_set_options(native, SSL.OP_NO_QUERY_MTU)
    connection.set_ciphertext_mtu(MTU)
