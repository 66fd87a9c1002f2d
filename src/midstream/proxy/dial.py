"""Making connections to servers: the hooks around it, the way through a parent proxy, TLS."""

import os
import socket
from collections.abc import Awaitable

import msgspec

from midstream.errors import UsageError
from midstream.flow import Client, ConnectionState, Server
from midstream.hooks.data import ServerConnectionHookData
from midstream.hooks.table import dispatch
from midstream.proxy.failure import ClientLeft, Failed
from midstream.proxy.handshake import StreamHandshake, shake, shake_with_server
from midstream.proxy.http1 import Http1Server
from midstream.proxy.http2server import Http2Server
from midstream.proxy.link import Link
from midstream.proxy.origin import HTTP1, Origin
from midstream.proxy.parent import ParentRefused, open_tunnel
from midstream.proxy.peer import ByteReader, Peer
from midstream.proxy.policy import authority_name
from midstream.proxy.pool import Pool
from midstream.proxy.session import Session
from midstream.proxy.streams import ServerStream
from midstream.wire.errors import PeerError
from midstream.wire.events import Fields
from midstream.wire.h2.fingerprint import Fingerprint


class NotAllowed(PeerError):  # noqa: N818 - what it is, not an error of ours
    """An addon, or the guard against requests that come back for ever, does not want this connection."""


class Through(msgspec.Struct):
    """How a server is to be reached through a parent proxy."""

    is_tunnel: bool = True
    """False for clear-text HTTP over an HTTP parent, which wants whole URLs and no CONNECT."""
    credentials: Fields = []
    """The fields in which the client says to the parent who it is."""
    parent: "tuple[Peer, ByteReader] | None" = None
    """A connection to the parent that has refused, and may be asked again."""


async def open_link(session: Session, server: Server, client: Client, through: Through | None = None) -> Link:
    """Connect to `server`, through its parent proxy if it has one.

    Raises:
        PeerError: The server cannot be reached or an addon refused it (502, 504).

    """
    through = through or Through()
    hooks = session.hooks
    data = ServerConnectionHookData(server, client)
    server.timestamp_start = session.time()
    await dispatch(hooks.server_connect, data)
    try:
        if server.error:
            raise NotAllowed(server.error, status=502)
        if through.parent is None:
            through.parent = await _connect(session, server)
            await _greet_parent(session, server, *through.parent)
        peer, reader = through.parent
        if server.via is not None and (through.is_tunnel or server.via[0] == "socks5"):
            await _pass_parent(session, server, client, through)
    except (PeerError, ClientLeft, Failed) as error:
        server.error = (
            error.message if isinstance(error, PeerError) else "nobody wanted it any more before it was connected"
        )
        await dispatch(hooks.server_connect_error, data)
        raise
    peer.on_lost = lambda: session.server_lost(server, client)
    try:
        await dispatch(hooks.server_connected, data)
    except BaseException:
        peer.abort()
        raise
    return Link(peer, reader, server, client)


async def secure_link(session: Session, link: Link, sni: str | None, alpn: tuple[bytes, ...] = HTTP1) -> None:
    """Put TLS on a link.

    Raises:
        PeerError: The handshake failed; the link is closed (502).

    """
    server = link.server
    assert server.address is not None
    server.tls = True
    server.sni = sni
    server.alpn_offers = alpn
    try:
        endpoint = session.tls.server_endpoint(server.address[0], sni=sni, alpn=alpn, port=server.address[1])
        await shake_with_server(
            session, link.client, server, StreamHandshake(session, link.peer, link.reader, endpoint)
        )
    except UsageError as error:
        link.peer.close()
        raise PeerError(str(error), status=502) from error
    except BaseException:
        link.peer.close()
        raise
    link.peer.on_goodbye = lambda: session.tls.remember_session(endpoint)


async def open_stream(
    session: Session, pool: Pool, origin: Origin, server: Server, client: Client, like: Fingerprint | None = None
) -> ServerStream:
    """Open a connection to `origin` that speaks HTTP, and return a stream on it; `like` is whom HTTP/2 is to take after.

    Raises:
        PeerError: It cannot be had (502, 504).

    """
    link = await open_link(session, server, client, Through(is_tunnel=origin.is_tls or origin.is_tunnelled))
    if origin.is_tls:
        await secure_link(session, link, origin.sni, origin.versions)
    return stream_over(session, pool, link, origin, like)


def stream_over(
    session: Session, pool: Pool, link: Link, origin: Origin, like: Fingerprint | None = None
) -> ServerStream:
    """Turn a link into an HTTP stream, idle until it is borrowed."""
    if not speaks_http2(link, origin):
        return http1_over(session, pool, link, origin)
    connection = Http2Server(session, link.peer, link.server, origin, pool, like)
    stream = connection.stream()  # before anybody else who waits for room
    _share(pool, link, connection)
    return stream


def http1_over(session: Session, pool: Pool, link: Link, origin: Origin) -> Http1Server:
    """Turn a link into a connection of one exchange at a time."""
    stream = Http1Server(link.peer, link.server, origin, session.settings, session.deadlines, pool)
    link.reader.hand_over(stream)
    return stream


def http2_over(session: Session, pool: Pool, link: Link, origin: Origin) -> None:
    """Turn a link into a connection that is shared by whoever wants a stream."""
    _share(pool, link, Http2Server(session, link.peer, link.server, origin, pool))


def _share(pool: Pool, link: Link, connection: Http2Server) -> None:
    pool.share(connection)
    link.reader.hand_over(connection)


def speaks_http2(link: Link, origin: Origin) -> bool:
    """True if HTTP/2 was agreed on, or is known to be spoken where nothing can be agreed on."""
    return link.server.alpn == b"h2" if origin.is_tls else origin.versions[0] == b"h2"


async def _connect(session: Session, server: Server) -> tuple[Peer, ByteReader]:
    """Connect; the reader is there before the connection is, for servers that speak (or leave) at once."""
    assert server.address is not None
    host, port = server.via[1] if server.via is not None else server.address[:2]
    refuse_own(session, host, port)
    peer = Peer("server", session.deadlines, session.turns)
    reader = ByteReader(peer)
    source = server.sockname[0] if server.sockname is not None else session.options.connect_addr
    connecting = session.network.connect(host, port, source, peer)
    try:
        await in_time(session, connecting, f"cannot connect to {authority_name(host, port)}")
    except (ClientLeft, Failed):
        if hasattr(peer, "transport"):  # connected in the same moment
            peer.abort()
        raise
    server.timestamp_tcp_setup = session.time()
    server.peername = peer.address_of("peername")
    server.sockname = peer.address_of("sockname")
    try:
        refuse_own(session, *(server.peername or (host, port))[:2])
    except NotAllowed:
        peer.abort()
        raise
    server.state = ConnectionState.OPEN
    return peer, reader


async def in_time(session: Session, opening: Awaitable[object], problem: str) -> None:
    """Wait for the system to open something.

    Raises:
        PeerError: `problem`, and why: it refused (502), or took longer than `connect_timeout` (504).

    """
    try:
        await session.waiter.wait_or_cancel(opening, session.settings.connect_timeout)
    except TimeoutError:
        raise PeerError(f"{problem}: timed out", status=504) from TimeoutError()
    except OSError as error:
        raise PeerError(f"{problem}: {cause_of(error)}", status=502) from error


def cause_of(error: OSError) -> str:
    """Return the system's word for an error: loops tell which call failed instead."""
    if error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__


def refuse_own(session: Session, host: str, port: int) -> None:
    """Refuse to connect to ourselves (MD-01): asked before by address, and after by where a name has led to."""
    if session.is_own(host, port):
        where = authority_name(host, port)
        raise NotAllowed(f"{where} is this proxy itself; a request to it would come back for ever", status=502)


async def _greet_parent(session: Session, server: Server, peer: Peer, reader: ByteReader) -> None:
    """Put TLS between us and a parent proxy that wants it."""
    if server.via is None or server.via[0] != "https":
        return
    peer.within(session.settings.connect_timeout, "waiting for the parent proxy")
    try:
        await _shake_with_parent(session, *server.via[1], peer=peer, reader=reader)
    except BaseException:
        peer.close()
        raise
    peer.within(0, "")


async def _pass_parent(session: Session, server: Server, client: Client, through: Through) -> None:
    """Get through the parent proxy, so that what follows on its connection reaches the server."""
    assert through.parent is not None
    peer, reader = through.parent
    peer.within(session.settings.connect_timeout, "waiting for the parent proxy")
    try:
        await open_tunnel(session, server, peer, reader, client, through.credentials)
    except ParentRefused as refused:
        if not refused.may_ask_again:
            peer.close()
        raise
    except BaseException:
        peer.close()
        raise
    finally:
        peer.within(0, "")


async def _shake_with_parent(session: Session, host: str, port: int, *, peer: Peer, reader: ByteReader) -> None:
    """Put TLS between us and the parent; its name is what it has to prove, not the server's (TLS-25)."""
    try:
        await shake(peer, reader, session.tls.server_endpoint(host, sni=host, alpn=HTTP1, port=port))
    except PeerError as error:
        text = f"the parent proxy {authority_name(host, port)}: {error.message}"
        raise PeerError(text, error.reference, status=504 if error.status == 504 else 502) from error
    except UsageError as error:
        raise PeerError(str(error), status=502) from error
