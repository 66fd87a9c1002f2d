"""Zone transfers: many messages to one query, relayed as they come (AXFR, RFC 5936; IXFR, RFC 1995).

Each has a connection to the server of its own, so that a client that reads slowly holds up its own transfer and nothing else.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from midstream.flow import DNSFlow, DNSMessage, ResourceRecord, Server
from midstream.flow import dnsnumbers as numbers
from midstream.flow.dnsname import DNSFormatError
from midstream.options.nameserver import NameServer
from midstream.proxy.dial import open_link, secure_link
from midstream.proxy.link import Link
from midstream.proxy.policy import authority_name
from midstream.proxy.serverside import server_name
from midstream.proxy.session import Session
from midstream.wire.dns import Stream, continues, framed
from midstream.wire.errors import PeerError

DOT: tuple[bytes, ...] = (b"dot",)
Deliver: TypeAlias = Callable[[bytes, DNSMessage], Awaitable[None]]
"""Gets each message, as bytes and as they are read."""


def is_transfer(query: DNSMessage) -> bool:
    """True if a query may be answered by many messages."""
    return not query.op_code and any(question.type in {numbers.AXFR, numbers.IXFR} for question in query.questions)


async def transfer(session: Session, where: NameServer, flow: DNSFlow, query: bytes, deliver: Deliver) -> None:
    """Ask one server, and deliver its messages up to the last.

    Raises:
        PeerError: It cannot be reached, broke off, or says something else.

    """
    progress = Progress(flow.request)
    link = await _open(session, where, flow)
    peer, stream = link.peer, Stream()
    peer.write(framed(query))
    try:
        while True:
            peer.within(session.settings.tcp_timeout, "waiting for the rest of a zone transfer")
            data = await link.reader.read()
            if not data:
                name = authority_name(where.host, where.port)
                raise PeerError(f"the name server {name} closed the connection within a zone transfer", status=502)
            for message in stream.receive(data):
                if not continues(query, message):
                    continue
                read = _read(session, message)
                progress.take(read)
                await deliver(message, read)
                if progress.is_over:
                    return
    finally:
        peer.close()


async def _open(session: Session, where: NameServer, flow: DNSFlow) -> Link:
    server = flow.server_conn = Server(address=(where.host, where.port))
    link = await open_link(session, server, flow.client_conn)
    if where.scheme == "tls":
        await secure_link(session, link, server_name(where.host), DOT)
    return link


def _read(session: Session, message: bytes) -> DNSMessage:
    try:
        return DNSMessage.unpack(message, session.time())
    except DNSFormatError as error:
        raise PeerError(f"the answer cannot be read: {error}", status=502) from error


class Progress:
    """How far a transfer has come, told by the SOA records in it.

    AXFR is the zone's SOA, all other records, and the SOA again. IXFR is the newest SOA and either the rest of the same, or
    (a second SOA follows at once, of what the client has) differences: an SOA, what has gone, the next SOA, what has come, and so
    on, and the newest SOA at last. It is the newest SOA alone if the client has that.

        first ─▶ zone ─▶ over          first ─▶ second ─▶ gone ⇄ come ─▶ over
    """

    def __init__(self, query: DNSMessage) -> None:
        self.is_over = False
        self._is_incremental = query.questions[0].type == numbers.IXFR
        serials = [_serial(record) for record in query.authorities if record.type == numbers.SOA]
        self._known = serials[0] if serials else None
        """What the client has."""
        self._newest = 0
        self._step = self._first

    def take(self, message: DNSMessage) -> None:
        """Take note of what a message brings; a failure, or nothing where the zone should begin, is the last.

        Raises:
            PeerError: This is no zone.

        """
        if message.response_code or (not message.answers and self._step == self._first):
            self.is_over = True
        for record in message.answers:
            if self.is_over:
                return
            self._step(record)

    def _first(self, record: ResourceRecord) -> None:
        if record.type != numbers.SOA:
            raise PeerError("a zone transfer that begins with another record than SOA", "RFC 5936 §2.2", status=502)
        self._newest = _serial(record)
        self._step = self._second if self._is_incremental else self._zone
        self.is_over = self._is_incremental and self._known is not None and not _is_newer(self._newest, self._known)

    def _second(self, record: ResourceRecord) -> None:
        if record.type != numbers.SOA:
            self._step = self._zone
        elif _serial(record) == self._newest:
            self.is_over = True  # a zone of nothing else
        else:
            self._step = self._gone

    def _zone(self, record: ResourceRecord) -> None:
        self.is_over = record.type == numbers.SOA

    def _gone(self, record: ResourceRecord) -> None:
        if record.type == numbers.SOA:
            self._step = self._come

    def _come(self, record: ResourceRecord) -> None:
        if record.type == numbers.SOA:
            self._step = self._gone
            self.is_over = _serial(record) == self._newest


def _serial(record: ResourceRecord) -> int:
    """Return the serial number of an SOA record, behind which four more numbers stand (RFC 1035 §3.3.13)."""
    return int.from_bytes(record.data[-20:-16], "big")


def _is_newer(serial: int, other: int) -> bool:
    """Compare serial numbers, which go round in circles (RFC 1982 §3.2)."""
    return 0 < (serial - other) & 0xFFFF_FFFF < 1 << 31
