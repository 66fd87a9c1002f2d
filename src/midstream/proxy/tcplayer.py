"""Connections that are relayed: as a flow, in which TLS may begin at any time, or untouched.

When client and server have agreed on TLS (STARTTLS and its like), the relay stops for it. The server is asked first, with
what the client offers; then the client gets a certificate like the server's, and the relay goes on with what is inside.
"""

import logging

from midstream.flow.url import with_port
from midstream.proxy.clienttls import hear_hello, open_tls, read_hello
from midstream.proxy.link import Link
from midstream.proxy.origin import HTTP1
from midstream.proxy.peer import ByteReader, Peer
from midstream.proxy.policy import Action
from midstream.proxy.serverside import ServerSide
from midstream.proxy.session import Session
from midstream.proxy.tcp import TcpRelay, relay
from midstream.proxy.tunnel import Splice
from midstream.wire.errors import PeerError
from midstream.wire.starttls import Watch

_log = logging.getLogger("midstream.proxy")


async def relay_tcp(session: Session, side: ServerSide, peer: Peer, reader: ByteReader) -> None:
    """Relay as a `TCPFlow`, and open TLS that begins inside it.

    Raises:
        PeerError: The server cannot be reached, or TLS could not be opened.

    """
    link = await side.have_relay_link()
    from_client, from_server = reader.take(), link.reader.take()
    tcp = TcpRelay(session, (side.client, link.server))
    error = "the connection was given up"
    try:
        watch = Watch() if session.options.starttls else None
        while readers := await tcp.run(peer, link.peer, from_client, from_server, watch):
            assert watch is not None
            reader, link.reader = readers
            watch = await _begin_tls(session, side, peer, reader, tcp, watch)
            from_client, from_server = reader.take(), link.reader.take()
        error = ""
    except PeerError as failure:
        error = failure.message
        raise
    finally:
        await tcp.end(error)


async def _begin_tls(
    session: Session, side: ServerSide, peer: Peer, reader: ByteReader, tcp: TcpRelay, watch: Watch
) -> Watch | None:
    """Open the TLS that has begun, or decide not to; return who watches what follows."""
    data = reader.take()
    reader.unread(data)
    hello = await read_hello(session, peer, reader, data)
    if hello is None:
        return watch
    server = side.placeholder()
    heard = await hear_hello(session, side, server, hello)
    if heard.ignore_connection or session.policy.decide(side.names()).action is Action.IGNORE:
        tcp.look_away()
        return None
    tcp.flow.starttls = watch.protocol
    side.is_raw = True  # what is inside is no HTTP either, so that is not offered
    side.expect_tls()
    link = await side.have_secure_link()
    side.known_alpn = link.server.alpn or HTTP1[0]
    await open_tls(session, side, server, peer=peer, reader=reader, must_see_server=session.options.upstream_cert)
    return Watch()


async def relay_untouched(session: Session, link: Link, peer: Peer, reader: ByteReader) -> None:
    """Relay without reading: recorded only by its begin and end, or by its bytes, if the options ask for it.

    Raises:
        PeerError: The connection broke, or nothing moved for too long.

    """
    if session.options.show_ignored_hosts:
        await relay(session, (link.client, link.server), peer, link.peer, reader.take(), link.reader.take())
        return
    started = session.time()
    tunnel = await Splice(session, peer, link.peer).run(reader.take(), link.reader.take())
    if session.options.meter_ignored_hosts:
        client, server = link.client.peername, link.server.address
        names = [with_port(*address[:2]) if address else "?" for address in (client, server)]
        _log.info(
            "%s <-> %s relayed untouched: %d bytes up, %d bytes down, %.1f s",
            *(*names, tunnel.up.size, tunnel.down.size, session.time() - started),
        )
    if tunnel.error:
        raise PeerError(tunnel.error)
