"""TLS handshakes on both legs: the endpoint's bytes, the hooks around them, and the facts that they establish; in datagrams see `dtls`."""

from typing import Protocol

from OpenSSL import SSL

from midstream.flow import Cert, Client, Connection, Server
from midstream.hooks.data import TlsData
from midstream.hooks.table import Handlers, dispatch
from midstream.proxy.peer import ByteReader, Peer
from midstream.proxy.session import Session
from midstream.wire.errors import PeerError
from midstream.wire.tls.endpoint import Facts, TlsEndpoint
from midstream.wire.tls.openssl import OpenSSLEndpoint


async def shake(peer: Peer, reader: ByteReader, endpoint: TlsEndpoint) -> None:
    """Run a handshake over `peer` and put the endpoint under `reader`; plaintext that came with its end is kept.

    Raises:
        PeerError: It failed; the alert, if there is one to send, has been written.

    """
    peer.write(endpoint.start())
    plain = b""
    while not endpoint.is_established:
        try:
            data = await _read(peer, reader, endpoint)
            if data:
                plain = endpoint.receive(data)
            else:
                endpoint.eof()
        finally:
            peer.write(endpoint.take_output())
    peer.push_tls(endpoint)
    peer.has_ended |= endpoint.is_closed
    reader.unread(plain)


async def _read(peer: Peer, reader: ByteReader, endpoint: TlsEndpoint) -> bytes:
    """Read; a connection that breaks tells what one that ends would: often that the peer does not trust us (TLS-29)."""
    try:
        return await reader.read()
    except PeerError:
        if peer.is_lost:
            endpoint.eof()
        raise


class Handshake(Protocol):
    """A handshake that is about to be made, over a stream or in datagrams."""

    @property
    def is_dtls(self) -> bool: ...

    def use(self, connection: SSL.Connection, *, server_side: bool) -> None:
        """Make it with an addon's own OpenSSL connection."""

    async def run(self) -> Facts:
        """Make it, in the time there is.

        Raises:
            PeerError: It failed; the alert, if there is one to send, has been written.

        """


class StreamHandshake:
    """TLS on a connection."""

    is_dtls = False

    def __init__(self, session: Session, peer: Peer, reader: ByteReader, endpoint: TlsEndpoint) -> None:
        self._session = session
        self._peer = peer
        self._reader = reader
        self._endpoint = endpoint

    def use(self, connection: SSL.Connection, *, server_side: bool) -> None:
        self._endpoint = OpenSSLEndpoint(connection, server_side=server_side)

    async def run(self) -> Facts:
        self._peer.within(self._session.settings.tls_handshake_timeout, "TLS handshake")
        await shake(self._peer, self._reader, self._endpoint)
        self._peer.within(0, "")
        return self._endpoint


async def shake_with_client(session: Session, client: Client, server: Server, handshake: Handshake) -> None:
    """Shake hands as the server that the client asked for.

    Raises:
        PeerError: The client gave up, most often because it does not trust our certificate authority.

    """
    hooks = session.hooks
    data = TlsData(client, session.context(client, server), is_dtls=handshake.is_dtls)
    await _offer(hooks.tls_start_client, data, handshake)
    try:
        facts = await handshake.run()
    except PeerError as error:
        client.error = error.message
        await dispatch(hooks.tls_failed_client, data)
        raise
    _note(session, client, facts)
    await dispatch(hooks.tls_established_client, data)


async def shake_with_server(session: Session, client: Client, server: Server, handshake: Handshake) -> None:
    """Shake hands as a client of `server`.

    Raises:
        PeerError: The server refused, or could not prove who it is (502).

    """
    hooks = session.hooks
    data = TlsData(server, session.context(client, server), is_dtls=handshake.is_dtls)
    await _offer(hooks.tls_start_server, data, handshake)
    try:
        facts = await handshake.run()
    except PeerError as error:
        server.error = error.message
        await dispatch(hooks.tls_failed_server, data)
        error.status = 504 if error.status == 504 else 502
        raise
    _note(session, server, facts)
    await dispatch(hooks.tls_established_server, data)


async def _offer(handlers: Handlers, data: TlsData, handshake: Handshake) -> None:
    """Let addons bring their own OpenSSL connection."""
    if handlers:
        await dispatch(handlers, data)
        if data.ssl_conn is not None:
            handshake.use(data.ssl_conn, server_side=isinstance(data.conn, Client))


def _note(session: Session, connection: Connection, facts: Facts) -> None:
    connection.timestamp_tls_setup = session.time()
    connection.tls_version = facts.version
    connection.cipher = facts.cipher
    connection.alpn = facts.alpn or b""
    connection.certificate_list = [Cert(der) for der in facts.peer_chain]
