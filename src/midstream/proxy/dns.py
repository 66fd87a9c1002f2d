"""DNS: queries of clients, as flows, from hooks to hooks; and who is asked what no addon answers."""

import logging
import os
from collections.abc import Callable

from midstream.errors import UsageError
from midstream.flow import Client, DNSFlow, DNSMessage, Error, Server
from midstream.flow import dnsnumbers as numbers
from midstream.flow.dnsname import DNSFormatError
from midstream.hooks.table import Handlers, dispatch
from midstream.options.modes import ModeSpec
from midstream.options.nameserver import NameServer
from midstream.proxy.connection import ClientConnection
from midstream.proxy.datagrams import DatagramClient
from midstream.proxy.dnslines import DatagramLine, HttpLine, Line, StreamLine
from midstream.proxy.failure import ClientLeft
from midstream.proxy.nameservers import HOSTS, RESOLV_CONF, Hosts, address_records, system_servers
from midstream.proxy.policy import authority_name
from midstream.proxy.pool import Pool
from midstream.proxy.session import Session
from midstream.proxy.stepper import Signal, Step
from midstream.wire.dns import (
    BEFORE_EDNS,
    FORMERR,
    OVER_TCP,
    SERVFAIL,
    Stream,
    failure,
    framed,
    is_response,
    is_truncated,
    message_id,
    truncated,
    with_id,
)
from midstream.wire.errors import PeerError, Profile

ROUNDS = 2
"""How often each name server is asked."""
TRY_ANOTHER = frozenset({2, 4, 5})
"""SERVFAIL, NOTIMP, REFUSED: another server may know better."""
LOOK_AGAIN_SECONDS = 5.0
"""How long the system's files are believed before they are looked at again."""
MOST_QUERIES = 100
"""Queries of one client under way at a time; more wait."""
ADDRESSES = frozenset({numbers.A, numbers.AAAA})
_log = logging.getLogger("midstream.proxy")


class Asker:
    """Whom one mode asks: its target, the name servers of the options, those of the system, or the system itself."""

    def __init__(
        self, session: Session, pool: Pool, mode: ModeSpec, files: tuple[str, str] = (RESOLV_CONF, HOSTS)
    ) -> None:
        self.session = session
        self.mode = mode
        self._pool = pool
        self._resolv_conf, self._hosts_file = files
        self._lines: dict[tuple[NameServer, str], Line] = {}
        self._old_lines: list[Line] = []
        """Those with queries under way that are used for no more."""
        self._made_under = session.settings
        self._named: tuple[str, ...] = ()
        self._named_servers: list[NameServer] = []
        self._system_servers: list[NameServer] = []
        self._hosts = Hosts()
        self._times: tuple[float, float] = (0, 0)
        """When the system's files were changed last."""
        self._look_again = float("-inf")
        self._is_closed = False
        self._is_systems_own = False
        """The system asks us, and nobody else."""

    async def ask(self, flow: DNSFlow, query: bytes) -> bytes:
        """Return what is answered to a query; `flow.server_conn` becomes whoever answered.

        Raises:
            PeerError: Nobody did.

        """
        if self.mode.name == "reverse" or flow.server_conn.address is not None:
            return await self._ask_target(flow, query)
        await self._look_at_files()
        local = self._from_hosts(flow.request)
        if local is not None:
            return local.packed
        servers = self._servers()
        if not servers:
            return await self._ask_system(flow.request)
        return await self._ask_servers(flow, query, servers)

    def close(self) -> None:
        """Hang up everywhere, and ask nobody any more."""
        self._is_closed = True
        for line in (*self._lines.values(), *self._old_lines):
            line.fail(PeerError("the proxy is shutting down", status=502))
            line.close()
        self._lines.clear()

    # One server.

    async def _ask_target(self, flow: DNSFlow, query: bytes) -> bytes:
        """Ask the one server that is meant, in the way in which the client asks."""
        assert flow.server_conn.address is not None
        host, port = flow.server_conn.address[:2]
        scheme = flow.client_conn.transport_protocol
        where = NameServer(scheme, host, port)
        for last in (False, True):
            try:
                return await self._ask(flow, query, where)
            except PeerError as error:
                if last or error.status != 504 or scheme == "tcp":
                    raise
        raise AssertionError

    async def _ask(self, flow: DNSFlow, query: bytes, where: NameServer) -> bytes:
        if self._is_closed:
            raise PeerError("the proxy is shutting down", status=502)
        session, client = self.session, flow.client_conn
        seconds = session.options.dns_timeout
        line = self._line(where, client)
        was_used = not line.is_fresh
        try:
            answer = await line.ask(query, seconds).answer()
        except PeerError as error:
            if not was_used or where.scheme == "udp" or error.status == 504:
                raise
            line = self._line(where, client)  # the server had closed a connection that nobody used
            answer = await line.ask(query, seconds).answer()
        flow.server_conn = line.server
        return answer

    def _line(self, where: NameServer, client: Client) -> Line:
        """Return a line to a server, shared by all clients unless an addon wants to see where each goes."""
        hooks = self.session.hooks
        if self._made_under is not self.session.settings:
            self._made_under = self.session.settings
            self._retire(*self._lines)
        key = (where, client.id if hooks.server_connect or hooks.tls_start_server else "")
        line = self._lines.get(key)
        if line is None or not line.has_room:
            self._retire(*(known for known, held in self._lines.items() if held.is_over or held is line))
            line = self._lines[key] = self._new_line(where, client)
        return line

    def _new_line(self, where: NameServer, client: Client) -> Line:
        if where.scheme == "https":
            return HttpLine(self.session, where, client, self._pool)
        kind = DatagramLine if where.scheme == "udp" else StreamLine
        return kind(self.session, where, client)

    def _retire(self, *keys: tuple[NameServer, str]) -> None:
        """Put no more queries on these lines."""
        for key in keys:
            line = self._lines.pop(key)
            line.retire()
            self._old_lines.append(line)
        self._old_lines = [line for line in self._old_lines if not line.is_closed]

    # All servers.

    async def _ask_servers(self, flow: DNSFlow, query: bytes, servers: list[NameServer]) -> bytes:
        """Ask one server after the other."""
        failed: bytes | None = None
        problem: PeerError | None = None
        for _ in range(ROUNDS):
            for where in servers:
                try:
                    answer = await self._ask_wholly(flow, query, where)
                except PeerError as error:
                    problem = problem or error
                    continue
                if answer[3] & 15 not in TRY_ANOTHER:
                    return answer
                failed = answer
            if failed is not None:
                return failed
        assert problem is not None
        raise problem

    async def _ask_wholly(self, flow: DNSFlow, query: bytes, where: NameServer) -> bytes:
        """Ask again over TCP what is too long for a datagram (RFC 7766 §5); if that cannot be, the part has to do."""
        answer = await self._ask(flow, query, where)
        if where.scheme != "udp" or not is_truncated(answer):
            return answer
        try:
            return await self._ask(flow, query, NameServer("tcp", where.host, where.port))
        except PeerError as error:
            _log.info("the whole answer cannot be had: %s", error)
            return answer

    def _servers(self) -> list[NameServer]:
        names = tuple(self.session.options.dns_name_servers)
        if names != self._named:
            self._named = names
            self._named_servers = [NameServer.parse(name) for name in names]
        return self._named_servers or self._system_servers

    # The system.

    async def _look_at_files(self) -> None:
        """Read the system's files again if they have changed."""
        now = self.session.deadlines.now
        if now < self._look_again:
            return
        self._look_again = now + LOOK_AGAIN_SECONDS
        times = (_changed_at(self._resolv_conf), _changed_at(self._hosts_file))
        if times == self._times:
            return
        self._times = times
        reading = self.session.network.in_thread(
            lambda: (system_servers(self._resolv_conf), Hosts.read(self._hosts_file))
        )
        servers, self._hosts = await self.session.waiter.wait(reading)
        self._system_servers = [where for where in servers if not self.session.is_own(where.host, where.port)]
        self._is_systems_own = bool(servers) and not self._system_servers

    def _from_hosts(self, query: DNSMessage) -> DNSMessage | None:
        question = query.question
        if (
            question is None
            or question.class_ != numbers.IN
            or query.op_code
            or not self.session.options.dns_use_hosts_file
        ):
            return None
        records = self._hosts.look_up(question.name, question.type)
        return None if records is None else query.succeed(records)

    async def _ask_system(self, query: DNSMessage) -> bytes:
        """Have the system find addresses, where nobody knows its name servers (DNS-21)."""
        question = query.question
        if question is None or question.type not in ADDRESSES or question.class_ != numbers.IN or query.op_code:
            return query.fail(numbers.NOTIMP).packed
        if self._is_systems_own:
            raise PeerError("the system asks this proxy itself, so option dns_name_servers has to tell whom to ask")
        try:
            finding = self.session.network.addresses(question.name)
            addresses = await self.session.waiter.wait_or_cancel(finding, self.session.options.dns_timeout * ROUNDS)
        except TimeoutError:
            raise PeerError("the system did not find the name in time", status=504) from None
        except OSError as error:
            raise PeerError(f"the system cannot find the name: {error}", status=502) from error
        if not addresses:
            return query.fail(numbers.NXDOMAIN).packed
        return query.succeed(address_records(question.name, question.type, addresses)).packed


def _changed_at(path: str) -> float:
    """Return when a file was changed last; 0 if there is none."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0


class Queries:
    """The queries of one client."""

    def __init__(
        self, asker: Asker, client: Client, reply: Callable[[bytes, int], None], on_idle: Callable[[], None]
    ) -> None:
        """`reply` is given each answer, and how many bytes its client takes."""
        self._asker = asker
        self._session = asker.session
        self._client = client
        self._reply = reply
        self._on_idle = on_idle
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
        del self._under_way[query]
        self._on_idle()
        if error is not None:
            raise error

    async def _answer(self, data: bytes) -> None:
        session = self._session
        flow = DNSFlow(
            self._client,
            Server(address=self._asker.mode.address, transport_protocol=self._client.transport_protocol),
            live=True,
        )
        room = BEFORE_EDNS
        try:
            query = self._read(flow, data)
            room = flow.request.udp_size
            response = await self._respond(flow, query)
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
            self._reply(with_id(response, message_id(data)), room)
        if flow.error is not None:
            await dispatch(session.hooks.dns_error, flow)

    def _read(self, flow: DNSFlow, data: bytes) -> bytes | None:
        """Read the query into the flow; return it if it can only be passed on as it is, since nobody can read it."""
        try:
            flow.request = DNSMessage.unpack(data, self._session.time())
        except DNSFormatError as error:
            flow.request = DNSMessage(id=message_id(data), timestamp=self._session.time())
            if self._session.settings.profile is not Profile.RAW:
                raise _Unreadable(f"the query cannot be read: {error}") from error
            return data
        return None

    async def _respond(self, flow: DNSFlow, unreadable: bytes | None) -> bytes:
        session = self._session
        await self._tell(session.hooks.dns_request, flow)
        answer = b""
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


class DnsConnection(ClientConnection):
    """A client that sends queries over TCP."""

    asker: Asker

    async def _serve(self) -> None:
        peer = self.peer
        queries = Queries(self.asker, self.client, self._reply, self._idle)
        self._wakened: Signal[None] = Signal()
        stream = Stream()
        peer.on_lost = queries.stop
        try:
            while True:
                peer.within(self.session.settings.client_idle_timeout, "waiting for a query")
                data = await self._reader.read()
                if not data:
                    break
                for message in stream.receive(data):
                    queries.ask(message)
                while len(queries) >= MOST_QUERIES:
                    await self._a_query_less()
            stream.eof()
            while queries:
                await self._a_query_less()
        except PeerError as error:
            self.client.error = self.client.error or error.message
            _log.info("%s: %s", self._name(), error)
        except ClientLeft:
            pass
        finally:
            peer.on_lost = None
            queries.stop()
            peer.close()

    async def _a_query_less(self) -> None:
        self._wakened = Signal()
        await self._wakened

    def _idle(self) -> None:
        self._wakened.set(None)

    def _reply(self, response: bytes, _room: int) -> None:
        if len(response) <= OVER_TCP:
            self.peer.write(framed(response))


async def answer_datagrams(asker: Asker, talker: DatagramClient) -> None:
    """Answer the queries of a client that sends them in datagrams, until none is under way."""

    def reply(response: bytes, room: int) -> None:
        talker.send(truncated(response, min(room, talker.room)))

    def end_if_idle() -> None:
        if not queries:
            talker.end()

    queries = Queries(asker, talker.client, reply, end_if_idle)
    talker.is_held = lambda: queries.is_held
    try:
        while (data := await talker.next()) is not None:
            queries.ask(data)
            end_if_idle()
    finally:
        queries.stop()
