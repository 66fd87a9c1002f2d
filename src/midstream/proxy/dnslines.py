"""The ways to a name server: datagrams, or a connection (with TLS, too). Queries of many clients share each.

A line keeps the ids that clients chose, unless one is under way already; it lives for a while after the last query, and not for
ever: a UDP line with a new port takes over after some queries, so that neither port nor id can be guessed for long (RFC 5452 §4).
"""

import secrets
from abc import ABC, abstractmethod

from midstream.errors import UsageError
from midstream.flow import Client, ConnectionState, Server
from midstream.options.nameserver import NameServer
from midstream.proxy.datagrams import DatagramLink, open_datagrams
from midstream.proxy.deadlines import NEVER
from midstream.proxy.dial import open_link, secure_link
from midstream.proxy.dnstransfer import DOT
from midstream.proxy.failure import ClientLeft, Failed
from midstream.proxy.peer import Peer, PeerGone
from midstream.proxy.policy import authority_name
from midstream.proxy.serverside import server_name
from midstream.proxy.session import Session
from midstream.proxy.stepper import Signal
from midstream.wire.dns import Stream, answers, framed, message_id, with_id
from midstream.wire.errors import PeerError

IDLE_SECONDS = 10.0
QUERIES_PER_PORT = 1000
MOST_UNDER_WAY = 1000
"""Queries on one line at a time; more begin another."""


class Asked:
    """One query under way."""

    def __init__(self, line: "Line", query: bytes, own_id: int, seconds: float) -> None:
        self.query = query if own_id == message_id(query) else with_id(query, own_id)
        self.deadline = line.session.deadlines.now + seconds
        self._line = line
        self._id = message_id(query)
        self._signal: Signal[bytes | PeerError] = Signal()
        line.session.deadlines.watch(self)

    async def answer(self) -> bytes:
        """Wait for the answer.

        Raises:
            PeerError: There is none.

        """
        try:
            result = await self._signal
        finally:
            self._line.forget(self)
        if isinstance(result, PeerError):
            raise result
        return with_id(result, self._id)

    def give(self, result: bytes | PeerError) -> None:
        self._signal.set(result)

    def expired(self) -> None:
        where = authority_name(*self._line.name[:2])
        self.give(PeerError(f"the name server {where} did not answer in time", status=504))


class Line(ABC):
    """A way to a name server: who waits on it, and how it ages."""

    server: Server
    """Whom it leads to."""

    def __init__(self, session: Session, where: NameServer, client: Client) -> None:
        self.session = session
        self.name = (where.host, where.port)
        self.is_fresh = True
        """Nothing has been answered on it yet."""
        self.is_open = False
        self.is_over = False
        """New queries have to go elsewhere."""
        self.is_closed = False
        self.deadline = NEVER
        self.client = client
        self._under_way: dict[int, Asked] = {}
        self._problem: PeerError | None = None
        """Why it could not be opened."""
        session.deadlines.watch(self)
        session.spawn(self._begin())

    @property
    def has_room(self) -> bool:
        return not self.is_over and len(self._under_way) < MOST_UNDER_WAY

    def ask(self, query: bytes, seconds: float) -> Asked:
        own_id = message_id(query)
        while own_id in self._under_way:
            own_id = secrets.randbits(16)
        asked = self._under_way[own_id] = Asked(self, query, own_id, seconds)
        self.deadline = NEVER
        if self._problem is not None:
            asked.give(self._problem)
        elif self.is_open:
            self.say(asked.query)
        return asked

    def forget(self, asked: Asked) -> None:
        self.session.deadlines.forget(asked)
        self._under_way.pop(message_id(asked.query), None)
        if not self._under_way:
            if self.is_over:
                self.close()
            else:
                self.deadline = self.session.deadlines.now + IDLE_SECONDS

    def expired(self) -> None:
        self.close()

    def answered(self, message: bytes) -> None:
        """Give an answer to whoever asked; what answers nothing is nobody's business."""
        asked = self._under_way.get(message[0] << 8 | message[1]) if len(message) > 2 else None
        if asked is not None and answers(asked.query, message):
            self.is_fresh = False
            asked.give(message)

    def fail_one(self, own_id: int, error: PeerError) -> None:
        """Tell one who waits."""
        asked = self._under_way.get(own_id)
        if asked is not None:
            asked.give(error)

    def fail(self, error: PeerError) -> None:
        """Tell all who wait."""
        for asked in list(self._under_way.values()):
            asked.give(error)

    def retire(self) -> None:
        """Take no new queries; close once those under way are answered."""
        self.is_over = True
        if not self._under_way:
            self.close()

    def close(self) -> None:
        self.is_over = self.is_closed = True
        self.deadline = NEVER
        self.session.deadlines.forget(self)
        self.hang_up()

    @abstractmethod
    async def open(self) -> None:
        """Open it. Raises `PeerError`."""

    @abstractmethod
    def say(self, query: bytes) -> None:
        """Send a query."""

    @abstractmethod
    def hang_up(self) -> None:
        """Close what is open."""

    async def _begin(self) -> None:
        try:
            await self.open()
        except (PeerError, UsageError, ClientLeft, Failed) as error:
            self._problem = error if isinstance(error, PeerError) else PeerError(str(error), status=502)
            self.is_over = True
            self.fail(self._problem)
            self.close()
            return
        self.is_open = True
        if self.is_closed:
            self.hang_up()
            return
        for asked in list(self._under_way.values()):
            self.say(asked.query)


class DatagramLine(Line):
    """Queries and answers as datagrams."""

    def __init__(self, session: Session, where: NameServer, client: Client) -> None:
        self.server = Server(address=(where.host, where.port), transport_protocol="udp")
        self._link = DatagramLink(self.answered, self._failed)
        self._said = 0
        super().__init__(session, where, client)

    async def open(self) -> None:
        await open_datagrams(self.session, self.server, self.client, self._link)

    def say(self, query: bytes) -> None:
        self._said += 1
        self.is_over |= self._said >= QUERIES_PER_PORT
        self._link.send(query)

    def hang_up(self) -> None:
        if self.is_open and self.server.state is ConnectionState.OPEN:
            self._link.close()
            self.session.server_lost(self.server, self.client)

    def _failed(self, why: str) -> None:
        self.fail(PeerError(f"the name server {authority_name(*self.name)} cannot be reached: {why}", status=502))


class StreamLine(Line):
    """Queries and answers on a connection, as they come (RFC 7766 §6.2.1)."""

    def __init__(self, session: Session, where: NameServer, client: Client) -> None:
        self.server = Server(address=(where.host, where.port))
        self._is_secure = where.scheme == "tls"
        self._incoming = Stream()
        self._peer: Peer | None = None
        super().__init__(session, where, client)

    async def open(self) -> None:
        link = await open_link(self.session, self.server, self.client)
        if self._is_secure:
            await secure_link(self.session, link, server_name(self.name[0]), DOT)
        self._peer = link.peer
        link.reader.hand_over(self)

    def say(self, query: bytes) -> None:
        assert self._peer is not None
        self._peer.write(framed(query))

    def hang_up(self) -> None:
        if self._peer is not None:
            self._peer.close()

    # What the peer calls.

    def received(self, data: bytes) -> None:
        for message in self._incoming.receive(data):
            self.answered(message)

    def ended(self) -> None:
        self.lost(PeerGone(f"the name server {authority_name(*self.name)} closed the connection", status=502))

    def lost(self, error: PeerError) -> None:
        self.is_over = True
        self.fail(error)
        self.close()

    def writable(self) -> None:
        pass

    def timed_out(self, stage: str) -> None:
        pass
