"""Whom a mode that speaks DNS asks: its target, name servers, the system."""

import logging
import os

from midstream.flow import Client, DNSFlow, DNSMessage
from midstream.flow import dnsnumbers as numbers
from midstream.options.modes import ModeSpec
from midstream.options.nameserver import PORTS, NameServer
from midstream.proxy.dnshttp import HttpLine
from midstream.proxy.dnslines import DatagramLine, Line, StreamLine
from midstream.proxy.dnstransfer import Deliver, is_transfer, transfer
from midstream.proxy.nameservers import HOSTS, RESOLV_CONF, Hosts, address_records, system_servers
from midstream.proxy.pool import Pool
from midstream.proxy.session import Session
from midstream.wire.dns import is_truncated
from midstream.wire.errors import PeerError

ROUNDS = 2
"""How often each name server is asked."""
TRY_ANOTHER = frozenset({2, 4, 5})
"""SERVFAIL, NOTIMP, REFUSED: another server may know better."""
LOOK_AGAIN_SECONDS = 5.0
"""How long the system's files are believed before they are looked at again."""
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
        if any(question.type == numbers.AXFR for question in flow.request.questions):  # over UDP (RFC 5936 §4.2)
            return flow.request.fail(numbers.NOTIMP).packed
        if self._has_target(flow):
            return await self._ask_target(flow, query)
        await self._look_at_files()
        local = self._from_hosts(flow.request)
        if local is not None:
            return local.packed
        servers = self._servers()
        if not servers:
            return await self._ask_system(flow.request)
        return await self._ask_servers(flow, query, servers)

    async def transfer(self, flow: DNSFlow, query: bytes, deliver: Deliver) -> None:
        """Have a zone transferred by the first server that begins to.

        Raises:
            PeerError: None did, or the transfer broke off.

        """
        places = await self._transfer_places(flow)
        for where in places:
            try:
                return await transfer(self.session, where, flow, query, deliver)
            except PeerError:
                if flow.transferred or where is places[-1]:
                    raise
        refusal = flow.request.fail(numbers.NOTIMP)
        return await deliver(refusal.packed, refusal)

    async def _transfer_places(self, flow: DNSFlow) -> list[NameServer]:
        """Return who can be asked for a zone: it goes over connections (RFC 5936 §4.2), and not within HTTP."""
        if self._has_target(flow):
            return [self._target(flow)]
        await self._look_at_files()
        servers = [where for where in self._servers() if where.scheme != "https"]
        return [NameServer("tcp", where.host, where.port) if where.scheme == "udp" else where for where in servers]

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
        where = self._target(flow)
        for last in (False, True):
            try:
                return await self._ask(flow, query, where)
            except PeerError as error:
                if last or error.status != 504 or where.scheme != "udp":
                    raise
        raise AssertionError

    def _has_target(self, flow: DNSFlow) -> bool:
        return self.mode.name == "reverse" or flow.server_conn.address is not None

    def _target(self, flow: DNSFlow) -> NameServer:
        """Return the one server that is meant; at the port of DNS over TLS a client that speaks that is met by TLS (RFC 7858 §3.1)."""
        assert flow.server_conn.address is not None
        host, port = flow.server_conn.address[:2]
        client = flow.client_conn
        return NameServer("tls" if client.tls and port == PORTS["tls"] else client.transport_protocol, host, port)

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
            line = self._lines[key] = self._new_line(where, client, key[1])
        return line

    def _new_line(self, where: NameServer, client: Client, owner: str) -> Line:
        if where.scheme == "https":
            return HttpLine(self.session, where, client, self._pool, owner)
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
        if where.scheme != "udp" or not is_truncated(answer) or is_transfer(flow.request):
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
