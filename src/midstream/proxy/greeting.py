"""What each mode does before anything is read of the traffic itself: it finds out where the connection leads."""

import os
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeAlias

from midstream.flow import Client
from midstream.hooks.data import Socks5AuthData
from midstream.hooks.table import dispatch
from midstream.proxy.dial import NotAllowed
from midstream.proxy.link import Link
from midstream.proxy.peer import ByteReader, Peer
from midstream.proxy.session import Session
from midstream.wire.errors import PeerError
from midstream.wire.proxyline import read_proxy_line
from midstream.wire.socks import REPLY, AuthRequest, ConnectRequest, SocksError, SocksServer, reply_code

SO_ORIGINAL_DST = 80
"""Linux: the destination before the firewall redirected it; the same number for IPv4 (level IP) and IPv6."""
IPPROTO_IPV6 = 41
Dial: TypeAlias = Callable[[tuple[str, int]], Awaitable[Link]]
"""Connects to a server by its host and port."""


def original_destination(peer: Peer) -> tuple[str, int]:
    """Return where a redirected connection was meant to go (Linux, transparent mode).

    Raises:
        PeerError: The system does not know, most often because the connection was not redirected.

    """
    extra = peer.transport.get_extra_info("socket")
    level, size = (IPPROTO_IPV6, 28) if extra.family == socket.AF_INET6 else (socket.SOL_IP, 16)
    with socket.socket(fileno=os.dup(extra.fileno())) as own:
        try:
            raw = own.getsockopt(level, SO_ORIGINAL_DST, size)
        except OSError as error:
            raise PeerError(
                f"transparent mode: the system does not know where this connection was going ({error.strerror}); "
                "redirect traffic with iptables or nftables on this machine, not with DNAT on another",
            ) from None
    if len(raw) == 16:
        port, packed = struct.unpack_from("!2xH4s", raw)
        return socket.inet_ntop(socket.AF_INET, packed), port
    port, packed = struct.unpack_from("!2xH4x16s", raw)
    return socket.inet_ntop(socket.AF_INET6, packed), port


async def believe_balancer(session: Session, client: Client, peer: Peer, reader: ByteReader) -> None:
    """Read the PROXY line in which a trusted balancer says whose connection this is.

    Raises:
        PeerError: There is none, or it makes no sense.

    """
    peer.within(session.settings.header_timeout, "waiting for the PROXY line")
    data = b""
    while (line := read_proxy_line(data)) is None:
        more = await reader.read()
        if not more:
            raise PeerError("the balancer closed the connection before its PROXY line")
        data += more
    if line.source is not None:
        client.peername = line.source
    reader.unread(data[line.size :])
    peer.within(0, "")


async def greet_socks(
    session: Session, client: Client, peer: Peer, reader: ByteReader, dial: Dial
) -> tuple[tuple[str, int], Link | None]:
    """Do the SOCKS handshake (4, 4a, 5) and connect to where the client wants to go, unless an addon is the server.

    Raises:
        PeerError: The client is not served; it has been told in SOCKS terms.

    """
    engine = SocksServer(require_auth=bool(session.hooks.socks5_auth))
    peer.within(session.settings.header_timeout, "SOCKS handshake")
    while True:
        data = await reader.read()
        if not data:
            raise PeerError("the client left during the SOCKS handshake")
        for event in _events(engine, data):
            peer.write(engine.take_output())
            if isinstance(event, SocksError):
                peer.write(event.reply)
                raise event
            if isinstance(event, AuthRequest):
                await _check_login(session, client, peer, engine, event)
            elif isinstance(event, ConnectRequest):
                peer.within(0, "")
                link = await _connect(session, peer, engine, event, dial)
                reader.unread(engine.release())
                return (event.host, event.port), link
        peer.write(engine.take_output())


def _events(engine: SocksServer, data: bytes) -> Iterator[object]:
    """Feed the engine; after a login was accepted, again with what came behind it."""
    events = engine.receive(data)
    while events:
        yield from events
        events = engine.receive(b"")


async def _check_login(session: Session, client: Client, peer: Peer, engine: SocksServer, login: AuthRequest) -> None:
    data = Socks5AuthData(client, login.username, login.password)
    await dispatch(session.hooks.socks5_auth, data)
    peer.write(engine.accept_auth(data.valid))
    if not data.valid:
        raise PeerError("SOCKS: wrong user name or password", "RFC 1929 §2")


async def _connect(
    session: Session, peer: Peer, engine: SocksServer, wanted: ConnectRequest, dial: Dial
) -> Link | None:
    if wanted.host in session.hooks.hosts:
        peer.write(engine.reply(0))
        return None
    try:
        link = await dial((wanted.host, wanted.port))
    except PeerError as error:
        peer.write(engine.reply(_code_for(error)))
        raise
    peer.write(engine.reply(0, link.peer.address_of("sockname")))
    return link


def _code_for(error: PeerError) -> int:
    """Return the reply code for a server that could not be reached (RFC 1928 §6)."""
    if isinstance(error, NotAllowed):
        return REPLY["not-allowed"]
    cause = error.__cause__
    return reply_code(cause) if isinstance(cause, OSError) else REPLY["failure"]
