"""DNS queries of clients: each a flow, from hook to hook, whatever they come over."""

import logging
from collections.abc import Awaitable, Callable

from midstream.errors import UsageError
from midstream.flow import Client, DNSFlow, DNSMessage, Error, Server
from midstream.flow.dnsname import DNSFormatError
from midstream.hooks.table import Handlers, dispatch
from midstream.proxy.datagrams import DatagramClient
from midstream.proxy.dnsasker import Asker
from midstream.proxy.dnstransfer import is_transfer
from midstream.proxy.failure import ClientLeft
from midstream.proxy.policy import authority_name
from midstream.proxy.stepper import Signal, Step
from midstream.wire.dns import (
    FORMERR,
    OVER_TCP,
    SERVFAIL,
    failure,
    is_response,
    message_id,
    truncated,
    with_id,
)
from midstream.wire.errors import PeerError, Profile

_log = logging.getLogger("midstream.proxy")


class Queries:
    """The queries of one client."""

    def __init__(
        self,
        asker: Asker,
        client: Client,
        reply: Callable[[bytes, int], None],
        on_idle: Callable[[], None],
        has_room: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`reply` is given each answer, and how many bytes its client takes.

        `has_room` waits until the client takes more; without it, it is not sent several messages for one query.
        """
        self._asker = asker
        self._session = asker.session
        self._client = client
        self._reply = reply
        self._on_idle = on_idle
        self._has_room = has_room
        self._under_way: dict[bytes, Step] = {}
        self._held = 0

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def is_held(self) -> bool:
        """Somebody is thinking about one of them."""
        return self._held > 0

    def ask(self, query: bytes) -> None:
        """Begin with a query. One that is sent again while it is under way is answered once (DNS-22)."""
        if query in self._under_way or len(query) < 12 or is_response(query):
            return
        step = Step(self._answer(query), lambda error: self._ended(query, error))
        self._under_way[query] = step
        step.start()

    def stop(self) -> None:
        """Break off: the client has gone."""
        for step in list(self._under_way.values()):
            step.throw(ClientLeft())

    def _ended(self, query: bytes, error: BaseException | None) -> None:
        """Take note of the end. A mistake of ours is told here: whoever brought the answer serves others, too."""
        del self._under_way[query]
        if error is not None:
            _log.error("%s: %r", self._client_name(), error, exc_info=error)
        self._on_idle()

    async def _answer(self, data: bytes) -> None:
        session = self._session
        request, problem = self._read(data)
        target = Server(address=self._asker.mode.address, transport_protocol=self._client.transport_protocol)
        flow = DNSFlow(self._client, target, live=True, request=request)
        try:
            if problem and session.settings.profile is not Profile.RAW:
                raise _Unreadable(f"the query cannot be read: {problem}")
            response = await self._respond(flow, data if problem else b"", message_id(data))
        except _Killed:
            response = b""
        except ClientLeft as left:
            flow.error = flow.error or Error(left.message, session.time())
            response = b""
        except PeerError as error:
            flow.error = flow.error or Error(error.message, session.time())
            response = failure(data, FORMERR if isinstance(error, _Unreadable) else SERVFAIL)
        except UsageError as error:
            _log.error("%s: %s", self._client_name(), error)
            flow.error = flow.error or Error(str(error), session.time())
            response = failure(data, SERVFAIL)
        flow.live = False
        flow.on_release = None
        if response:
            self._reply(with_id(response, message_id(data)), request.udp_size)
        if flow.error is not None:
            await dispatch(session.hooks.dns_error, flow)

    def _read(self, data: bytes) -> tuple[DNSMessage, str]:
        """Read a query; if it cannot be read, say why, and return one that has nothing but its id."""
        now = self._session.time()
        try:
            return DNSMessage.unpack(data, now), ""
        except DNSFormatError as error:
            return DNSMessage(id=message_id(data), timestamp=now), str(error)

    async def _respond(self, flow: DNSFlow, unreadable: bytes, own_id: int) -> bytes:
        session = self._session
        await self._tell(session.hooks.dns_request, flow)
        if flow.response is None and self._has_room is not None and is_transfer(flow.request):
            await self._transfer(flow, own_id, self._has_room)
            return b""
        if flow.response is None:
            answer = await self._asker.ask(flow, unreadable or flow.request.packed)
            try:
                flow.response = DNSMessage.unpack(answer, session.time())
            except DNSFormatError as error:
                if session.settings.profile is not Profile.RAW:
                    raise PeerError(f"the answer cannot be read: {error}", status=502) from error
                return answer
        await self._tell(session.hooks.dns_response, flow)
        return flow.response.packed

    async def _transfer(self, flow: DNSFlow, own_id: int, has_room: Callable[[], Awaitable[None]]) -> None:
        """Pass the messages of a zone transfer on as they come; the record keeps as many as may be kept of a body."""
        room = self._session.settings.body_memory

        async def deliver(data: bytes, message: DNSMessage) -> None:
            nonlocal room
            self._check(flow)
            flow.response = flow.response or message
            flow.transferred += 1
            room -= len(data)
            if room >= 0:
                flow.transfer.append(message)
            self._reply(with_id(data, own_id), OVER_TCP)
            await has_room()

        await self._asker.transfer(flow, flow.request.packed, deliver)
        await self._tell(self._session.hooks.dns_response, flow)

    async def _tell(self, handlers: Handlers, flow: DNSFlow) -> None:
        """Call hooks, and hold the flow while one of them has it intercepted."""
        await dispatch(handlers, flow)
        if flow.intercepted:
            held: Signal[None] = Signal()
            flow.on_release = lambda: held.set(None)
            self._held += 1
            try:
                await held
            finally:
                self._held -= 1
        self._check(flow)

    def _check(self, flow: DNSFlow) -> None:
        """End a flow that somebody has ended."""
        if flow.error is not None:
            if flow.error.msg == Error.KILLED_MESSAGE:
                raise _Killed
            raise PeerError(flow.error.msg)

    def _client_name(self) -> str:
        peername = self._client.peername
        return authority_name(*peername[:2]) if peername else "client"


class _Killed(Exception):  # noqa: N818 - what has happened, not an error
    """The flow was killed."""


class _Unreadable(PeerError):  # noqa: N818 - what it is
    """The query is none."""


async def answer_datagrams(asker: Asker, talker: DatagramClient) -> None:
    """Answer the queries of a client that sends them in datagrams, until none is under way."""

    def reply(response: bytes, room: int) -> None:
        talker.send(truncated(response, min(room, talker.room)))

    def end_if_idle() -> None:
        if not queries:
            talker.end()

    queries = Queries(asker, talker.client, reply, end_if_idle)
    talker.is_held = lambda: queries.is_held
    talker.is_idle = lambda: not queries
    try:
        while (data := await talker.next()) is not None:
            queries.ask(data)
            end_if_idle()
    finally:
        queries.stop()
