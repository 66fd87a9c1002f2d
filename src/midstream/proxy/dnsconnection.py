"""A client that sends DNS queries over TCP, or over TLS (RFC 7858), which its first bytes tell."""

import logging

from midstream.errors import UsageError
from midstream.proxy.clienttls import hear_hello, open_tls, read_hello
from midstream.proxy.connection import ClientConnection
from midstream.proxy.dns import Queries
from midstream.proxy.dnsasker import Asker
from midstream.proxy.dnstransfer import DOT
from midstream.proxy.opening import Queue
from midstream.proxy.stepper import Signal
from midstream.wire.dns import Stream, framed
from midstream.wire.errors import PeerError
from midstream.wire.sniff import Kind, sniff

MOST_QUERIES = 100
"""Queries of one client under way at a time; more wait."""
ENOUGH_TO_TELL = 3
"""Bytes that tell TLS from the length and id of a query."""
_log = logging.getLogger("midstream.proxy")


class DnsConnection(ClientConnection):
    """A client that sends queries over TCP."""

    asker: Asker
    _queries: Queries | None = None
    _is_slow = False
    """An answer waits for the client to read."""

    def stop_if_idle(self) -> None:
        """Close unless a query is under way."""
        if not self._queries:
            self.peer.close()

    async def _serve(self) -> None:
        peer = self.peer
        self._queries = queries = Queries(self.asker, self.client, self._reply, self._idle, self._has_room)
        self._wakened: Signal[None] = Signal()
        self._slow = Queue(self.session.deadlines)
        try:
            await self._open_tls()
            peer.on_lost = queries.stop
            await self._take_queries(queries)
        except PeerError as error:
            self.client.error = self.client.error or error.message
            _log.info("%s: %s", self._name(), error)
        except UsageError as error:
            self.client.error = self.client.error or str(error)
            _log.error("%s: %s", self._name(), error)
        finally:
            peer.on_lost = None
            queries.stop()
            peer.close()

    async def _open_tls(self) -> None:
        """Open the client's TLS, if it begins with that."""
        reader, side = self._reader, self._server_side
        self._await_query()
        data = await reader.read()
        while data and len(data) < ENOUGH_TO_TELL and sniff(data) is None:
            more = await reader.read()
            if not more:
                break
            data += more
        reader.unread(data)
        if not data or sniff(data) is not Kind.TLS:
            return
        if side.mode.name == "reverse":
            side.lead_to_target()  # by whose name we answer who names nobody
        hello = await read_hello(self.session, self.peer, reader, data)
        if hello is None:
            return
        server = side.placeholder()
        await hear_hello(self.session, side, server, hello)
        side.known_alpn = DOT[0]  # whoever is asked for the answers
        await open_tls(self.session, side, server, peer=self.peer, reader=reader, must_see_server=False)

    async def _take_queries(self, queries: Queries) -> None:
        """Take queries until the client has no more, and answer them."""
        stream = Stream()
        while True:
            self._await_query()
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

    def _await_query(self) -> None:
        self.peer.within(self.session.settings.client_idle_timeout, "waiting for a query")

    async def _a_query_less(self) -> None:
        self._wakened = Signal()
        await self._wakened

    def _idle(self) -> None:
        self._wakened.set(None)

    def _reply(self, response: bytes, _room: int) -> None:
        self._await_query()
        self.peer.write(framed(response))

    async def _has_room(self) -> None:
        """Wait until the client takes more; one waits for the connection, and others for it."""
        if self._is_slow:
            await self._slow.wait(0, "")
        elif self.peer.is_full:
            self._is_slow = True
            try:
                await self.peer.drained()
            finally:
                self._is_slow = False
                self._slow.wake_all()
