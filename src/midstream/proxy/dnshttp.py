"""The way to a name server within HTTP (RFC 8484)."""

from midstream.errors import UsageError
from midstream.flow import Client, Server
from midstream.options.nameserver import NameServer
from midstream.proxy.dial import open_stream
from midstream.proxy.dnslines import Asked, Line
from midstream.proxy.failure import ClientLeft, Failed
from midstream.proxy.origin import ANY_HTTP, HTTP1, Origin
from midstream.proxy.policy import authority_name
from midstream.proxy.pool import Pool
from midstream.proxy.serverside import server_name
from midstream.proxy.session import Session
from midstream.proxy.stepper import Step
from midstream.proxy.streams import ServerStream
from midstream.wire.dns import OVER_TCP, answers, message_id, with_id
from midstream.wire.errors import PeerError
from midstream.wire.events import Data, End, RequestHead, ResponseHead


class HttpLine(Line):
    """Queries and answers within HTTP, each in a request of its own, over the connections of the pool (RFC 8484)."""

    def __init__(self, session: Session, where: NameServer, client: Client, pool: Pool, owner: str) -> None:
        self.server = Server(address=(where.host, where.port))
        self._where = where
        self._pool = pool
        self._origin = Origin(
            where.host,
            where.port,
            is_tls=True,
            sni=server_name(where.host),
            owner=owner,
            versions=_versions(session),
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
        opening = open_stream(self.session, pool, origin, Server(address=self.name), self.client)
        return await (opening if pool.is_opening(origin) else pool.open_for_all(origin, opening))

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
