"""The ways to a name server: datagrams, a connection (with TLS, too), or HTTP. Queries of many clients share each.

A line keeps the ids that clients chose, unless one is under way already; it lives for a while after the last query, and not for
ever: a UDP line with a new port takes over after some queries, so that neither port nor id can be guessed for long (RFC 5452 §4).
"""

import secrets

from midstream.errors import UsageError
from midstream.flow import Client, ConnectionState, Server
from midstream.options.nameserver import NameServer
from midstream.proxy.datagrams import DatagramLink, open_datagrams
from midstream.proxy.deadlines import NEVER
from midstream.proxy.dial import open_link, open_stream, secure_link
from midstream.proxy.failure import ClientLeft, Failed
from midstream.proxy.origin import ANY_HTTP, HTTP1, Origin
from midstream.proxy.peer import Peer, PeerGone
from midstream.proxy.policy import authority_name
from midstream.proxy.pool import Pool
from midstream.proxy.serverside import server_name
from midstream.proxy.session import Session
from midstream.proxy.stepper import Signal, Step
from midstream.proxy.streams import ServerStream
from midstream.wire.dns import OVER_TCP, Stream, answers, framed, message_id, with_id
from midstream.wire.errors import PeerError
from midstream.wire.events import Data, End, RequestHead, ResponseHead

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


class Line:
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

    def say(self, query: bytes) -> None:
        raise NotImplementedError

    def hang_up(self) -> None:
        raise NotImplementedError

    async def open(self) -> None:
        """Open it. Raises `PeerError`."""
        raise NotImplementedError

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
            await secure_link(self.session, link, server_name(self.name[0]), (b"dot",))
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


class HttpLine(Line):
    """Queries and answers within HTTP, each in a request of its own, over the connections of the pool (RFC 8484)."""

    def __init__(self, session: Session, where: NameServer, client: Client, pool: Pool) -> None:
        self.server = Server(address=(where.host, where.port))
        self._where = where
        self._pool = pool
        self._origin = Origin(
            where.host, where.port, is_tls=True, sni=server_name(where.host), versions=_versions(session)
        )
        self._steps: dict[int, Step] = {}
        super().__init__(session, where, client)

    async def open(self) -> None:
        """Do nothing: connections are opened when they are needed."""

    def say(self, query: bytes) -> None:
        own_id = message_id(query)
        self._steps[own_id] = self.session.spawn(self._ask(own_id, query))

    def forget(self, asked: Asked) -> None:
        step = self._steps.pop(message_id(asked.query), None)
        if step is not None:
            step.throw(ClientLeft())
        super().forget(asked)

    def hang_up(self) -> None:
        """Do nothing: what is open belongs to the pool."""

    async def _ask(self, own_id: int, query: bytes) -> None:
        try:
            self.answered(with_id(await self._post(with_id(query, 0)), own_id))
        except PeerError as error:
            self.fail_one(own_id, error)
        except UsageError as error:
            self.fail_one(own_id, PeerError(str(error), status=502))
        except (ClientLeft, Failed):
            pass

    async def _post(self, query: bytes) -> bytes:
        """Ask in a request. The id is 0, so that caches on the way find the answer again (RFC 8484 §4.1)."""
        stream = await self._stream()
        was_used = not stream.is_fresh
        try:
            return await self._exchange(stream, query)
        except PeerError:
            if not was_used:
                raise
        return await self._exchange(await self._open(), query)

    async def _stream(self) -> ServerStream:
        """Return a stream on a connection that is there, that somebody is just opening, or that is new."""
        pool, origin = self._pool, self._origin
        stream = pool.take(origin)
        if stream is None and pool.is_opening(origin):
            await pool.opened(origin)
            stream = pool.take(origin)
        return await self._open() if stream is None else stream

    async def _open(self) -> ServerStream:
        pool, origin = self._pool, self._origin
        server = Server(address=self.name)
        is_first = not pool.is_opening(origin)
        if not is_first:
            return await open_stream(self.session, pool, origin, server, self.client)
        pool.begin_opening(origin)
        try:
            stream = await open_stream(self.session, pool, origin, server, self.client)
        except PeerError as error:
            pool.end_opening(origin, error)
            raise
        except BaseException:
            pool.give_up_opening(origin)
            raise
        pool.end_opening(origin)
        return stream

    async def _exchange(self, stream: ServerStream, query: bytes) -> bytes:
        self.server = stream.server
        stream.borrow()
        try:
            stream.send_whole(_head(self._where, len(query)), query)
            answer = await _body(stream)
        except BaseException:
            stream.abort()
            raise
        stream.finish()
        if not answers(query, answer):
            raise PeerError(f"the name server {authority_name(*self.name)} answered something else", status=502)
        return answer


def _versions(session: Session) -> tuple[bytes, ...]:
    return ANY_HTTP if session.settings.http2 else HTTP1


def _head(where: NameServer, size: int) -> RequestHead:
    kind = b"application/dns-message"
    authority = (where.host if where.port == 443 else authority_name(where.host, where.port)).encode()
    return RequestHead(
        method=b"POST",
        target=where.path.encode(),
        version=b"HTTP/1.1",
        headers=[
            (b"Host", authority),
            (b"Accept", kind),
            (b"Content-Type", kind),
            (b"Content-Length", b"%d" % size),
        ],
        body_size=size,
        scheme=b"https",
        authority=authority,
    )


async def _body(stream: ServerStream) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        await stream.inbox
        event = stream.inbox.take()
        if isinstance(event, ResponseHead) and not event.is_interim and event.status != 200:
            raise PeerError(
                f"the name server answered {event.status} {event.reason.decode('latin-1')}".rstrip(), status=502
            )
        if isinstance(event, Data):
            pieces.append(event.data)
            size += len(event.data)
            if size > OVER_TCP:
                raise PeerError("the name server's answer is longer than any DNS message", status=502)
        elif isinstance(event, End):
            return b"".join(pieces)
        elif isinstance(event, PeerError):
            raise event
        elif not isinstance(event, ResponseHead) and hasattr(event, "message"):
            raise PeerError(f"the name server's answer broke off: {event.message}", status=502)
