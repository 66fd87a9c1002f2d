"""TLS towards the client: reading its hello, and answering with a certificate like the server's."""

import logging

from midstream.flow import Cert, Client, Server
from midstream.hooks.data import ClientHelloData
from midstream.hooks.table import dispatch
from midstream.pki.names import LeafNames
from midstream.proxy.handshake import StreamHandshake, shake_with_client
from midstream.proxy.origin import ANY_HTTP, HTTP1, HTTP2
from midstream.proxy.peer import ByteReader, Peer
from midstream.proxy.serverside import ServerSide
from midstream.proxy.session import Session
from midstream.wire.errors import PeerError
from midstream.wire.tls.ciphers import cipher_names
from midstream.wire.tls.hello import ClientHello, read_client_hello

_log = logging.getLogger("midstream.proxy")


async def read_hello(session: Session, peer: Peer, reader: ByteReader, data: bytes) -> ClientHello | None:
    """Read the whole ClientHello, which begins with `data`; None if this is no TLS after all.

    What was read stays with the reader.

    Raises:
        PeerError: The client left inside it, or took too long.

    """
    reader.take()
    peer.within(session.settings.tls_handshake_timeout, "TLS handshake")
    try:
        while (hello := _hello_in(data)) is None:
            more = await reader.read()
            if not more:
                raise PeerError("the client closed the connection inside its ClientHello")
            data += more
    finally:
        reader.unread(data)
        peer.within(0, "")
    if isinstance(hello, PeerError):
        _log.info("not TLS after all: %s", hello)
        return None
    return hello


async def hear_hello(session: Session, side: ServerSide, server: Server, hello: ClientHello) -> ClientHelloData:
    """Take note of what a client has said, and let hooks decide what is to be done about it."""
    side.sni = hello.sni
    return await hear_client_hello(session, side.client, server, hello)


async def hear_client_hello(session: Session, client: Client, server: Server, hello: ClientHello) -> ClientHelloData:
    """Do so, whatever carries it."""
    client.tls = True
    client.sni = hello.sni
    client.alpn_offers = hello.alpn
    client.cipher_list = cipher_names(hello.cipher_suites)
    heard = ClientHelloData(session.context(client, server), hello)
    await dispatch(session.hooks.tls_clienthello, heard)
    return heard


async def open_tls(
    session: Session, side: ServerSide, server: Server, *, peer: Peer, reader: ByteReader, must_see_server: bool
) -> None:
    """Shake hands with a client whose hello has been read, as the server that it asked for, or as ourselves.

    Raises:
        PeerError: The client gave up, most often because it does not trust our certificate authority.

    """
    client = side.client
    chain: tuple[bytes, ...] = ()
    if side.way.destination is not None:
        if side.mode.name != "reverse":
            side.expect_tls()
        if side.is_tls and (session.options.upstream_cert or must_see_server) and not side.is_addon:
            chain = await side.chain(must_see_server=must_see_server)
        if side.link is not None and side.link.server.tls_established:
            server = side.link.server
    alpn = _choices(session, side)
    hostname = side.sni or _name_without_sni(side, client)
    names = LeafNames.mirror(chain[0] if chain else None, hostname)
    endpoint = session.tls.client_endpoint(names, alpn=alpn, upstream_chain=chain)
    client.mitmcert = Cert(session.tls.store.leaf_for(names).certificate)
    try:
        await shake_with_client(session, client, server, StreamHandshake(session, peer, reader, endpoint))
    except PeerError as error:
        raise PeerError(f"{hostname}: {error.message}", error.reference) from error


def _choices(session: Session, side: ServerSide) -> tuple[bytes, ...]:
    """Return the protocols to choose from for the client, the preferred one first: what the server speaks, if that is known.

    Any version of HTTP can face any other, so a client that does not speak what its server speaks is met in its own (H2-35).
    """
    known = side.known_alpn
    ours: tuple[bytes, ...] = ANY_HTTP if known in {None, HTTP2[0]} else HTTP1 + HTTP2
    if not session.settings.http2:
        ours = HTTP1
    if known is not None and known not in ANY_HTTP:
        ours = (known,)
    return tuple(name for name in ours if name in side.client.alpn_offers)


def _name_without_sni(side: ServerSide, client: Client) -> str:
    if side.way.destination is not None:
        return side.way.destination[0]
    return client.sockname[0] if client.sockname else "localhost"


def _hello_in(data: bytes) -> ClientHello | PeerError | None:
    """Read a ClientHello; what makes no sense comes back as the error that says so."""
    try:
        return read_client_hello(data)
    except PeerError as error:
        return error
