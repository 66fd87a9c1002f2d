"""What the first bytes of a connection, or of what is inside it, tell: who speaks first, and which protocol.

A client that has to be answered first gets time to speak; a server that greets (SMTP, SSH, FTP, MySQL) is heard.
"""

import logging

from midstream.proxy.link import Link
from midstream.proxy.patience import Patience
from midstream.proxy.peer import ByteReader, Peer
from midstream.proxy.policy import authority_name
from midstream.proxy.serverside import ServerSide
from midstream.proxy.session import Session
from midstream.proxy.stepper import Signal
from midstream.proxy.target import split_authority
from midstream.wire.errors import PeerError
from midstream.wire.sniff import Kind, begins_with_settings, sniff

LOOK_BYTES = 65_536
"""How much is looked at before a protocol counts as unknown."""
FIRST_WORD_SECONDS = 1.0
"""How long a client may take to begin TLS where it need not, before the server is listened to."""
WHOLE_LINE_SECONDS = 3.0
"""How long a client in a tunnel may take for the rest of its first line, before that counts as no HTTP."""
UNREACHABLE_SECONDS = 2.0
"""How long a client of an unreachable server may take to ask over HTTP why."""
TLS_HANDSHAKE = 0x16
_log = logging.getLogger("midstream.proxy")


class FirstWords:
    """Listens to both sides of a connection until it is clear what they speak."""

    def __init__(self, session: Session, peer: Peer, server_side: ServerSide) -> None:
        self.is_waiting = False
        """The client has not said anything yet."""
        self.is_unreachable = False
        """The server could not be reached; only a client that asks over HTTP can be told."""
        self._session = session
        self._peer = peer
        self._server_side = server_side

    async def look(self, reader: ByteReader, *, is_opened: bool) -> tuple[Kind, bytes]:
        """Read until the protocol is known; what was read stays with the reader. RAW if the server speaks first.

        `is_opened` tells that the client's TLS has been opened: what comes is inside it.
        """
        settings, side = self._session.settings, self._server_side
        is_inside = side.way.destination is not None
        data = b""
        timeout = settings.tcp_timeout if side.link else settings.client_idle_timeout
        self._peer.within(UNREACHABLE_SECONDS if self.is_unreachable else timeout, "waiting for the first bytes")
        while (kind := self._kind_of(data)) is None and len(data) < LOOK_BYTES:
            self.is_waiting = not data
            if not data and not reader.is_ready and await self._server_is_first(reader, is_opened=is_opened):
                break
            if data and is_inside and not await self._speaks_within(WHOLE_LINE_SECONDS, reader):
                break
            more = await reader.read()
            if not more:
                break
            if not data and not is_inside:
                self._peer.within(settings.header_timeout, "reading the first bytes")
            data += more
        self.is_waiting = False
        self._peer.within(0, "")
        reader.unread(data)
        return kind or Kind.RAW, data

    async def host_names(self, reader: ByteReader, data: bytes) -> list[str]:
        """Return the Host field of the request that begins with `data`, as a name for the lists of hosts."""
        reader.take()
        while b"\r\n\r\n" not in data and b"\n\n" not in data and len(data) < LOOK_BYTES:
            more = await reader.read()
            if not more:
                break
            data += more
        reader.unread(data)
        for line in data.split(b"\r\n\r\n")[0].split(b"\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"host":
                try:
                    host, port = split_authority(value.strip())
                except PeerError:
                    return []
                return [authority_name(host, port or self._server_side.destination[1])]
        return []

    def _kind_of(self, data: bytes) -> Kind | None:
        """Tell the protocol, as far as it matters: what is not to be read as HTTP need not show that it is none."""
        kind = sniff(data)
        is_other = kind is None and self._server_side.is_raw and data and data[0] != TLS_HANDSHAKE
        return Kind.RAW if is_other else kind

    async def _server_is_first(self, reader: ByteReader, *, is_opened: bool) -> bool:
        """Wait for a word from either side; True if it is the server's."""
        side = self._server_side
        is_undecided = side.is_raw and side.link is None and not is_opened
        if is_undecided and await self._speaks_within(FIRST_WORD_SECONDS, reader):
            return False
        link = await self._audible_link(is_opened=is_opened)
        if reader.is_ready or link is None:
            return False
        either: Signal[None] = Signal()
        reader.wait(either)
        if not link.reader.is_ready:
            await link.reader.wait(either)
        if _introduces_http2(link):
            return False
        return not reader.is_ready

    async def _speaks_within(self, seconds: float, reader: ByteReader) -> bool:
        """Give the client a while to say something (more); one that does not may be waiting for an answer."""
        if reader.is_ready:
            return True
        patience = Patience(self._session.deadlines, seconds)
        reader.wait(patience)
        try:
            await patience
        finally:
            patience.end()
        return reader.is_ready

    async def _audible_link(self, *, is_opened: bool) -> Link | None:
        """Return the connection on which the server's first words would come, with TLS where it wants that."""
        side = self._server_side
        if side.is_raw:
            return await side.have_relay_link()
        if side.link is not None and side.is_tls and is_opened:
            try:
                return await side.have_secure_link()
            except PeerError as error:
                _log.info("%s", error)  # the client is told when it asks for something
        return side.link


def _introduces_http2(link: Link) -> bool:
    """Tell whether the server has only sent its SETTINGS, for which it needs no word of the client's (RFC 9113 §3.4)."""
    said = link.reader.take()
    link.reader.unread(said)
    return begins_with_settings(said)
