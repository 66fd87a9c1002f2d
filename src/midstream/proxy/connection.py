"""One client connection from accept to close: what it carries is found out layer by layer.

The coroutine reads like the connection: greeting of the mode, then as often as there are layers: listen to the first words, open
TLS, go into a CONNECT tunnel; at last HTTP exchanges, or bytes relayed. Everything that decides is in `policy.py`.
"""

import logging
from collections.abc import Callable, Coroutine
from typing import TypeVar

from midstream.errors import UsageError
from midstream.flow import Client, HTTPFlow
from midstream.flow.connection import ConnectionState
from midstream.hooks.data import NextLayer
from midstream.hooks.table import dispatch
from midstream.options.modes import ModeSpec
from midstream.proxy.clienttls import hear_hello, open_tls, read_hello
from midstream.proxy.connect import ConnectExchange
from midstream.proxy.exchange import Exchange
from midstream.proxy.failure import ClientLeft, level_of
from midstream.proxy.firstwords import FirstWords
from midstream.proxy.forwarding import ForwardedExchange
from midstream.proxy.greeting import believe_balancer, greet_socks, original_destination
from midstream.proxy.http1 import Http1Client
from midstream.proxy.http2client import Http2Client
from midstream.proxy.link import Link
from midstream.proxy.peer import ByteReader, Peer
from midstream.proxy.policy import Action, authority_name
from midstream.proxy.pool import Pool
from midstream.proxy.refusal import refuse_request
from midstream.proxy.serverside import ServerSide
from midstream.proxy.session import Session
from midstream.proxy.stepper import Signal, Step, Waitable
from midstream.proxy.streams import ClientStream, Detached
from midstream.proxy.switched import Switched
from midstream.proxy.switching import SwitchingExchange, may_switch
from midstream.proxy.tcp import relay
from midstream.proxy.tcplayer import relay_tcp, relay_untouched
from midstream.proxy.websocket import WebSocketRelay
from midstream.wire.errors import PeerError
from midstream.wire.events import RequestHead
from midstream.wire.sniff import Kind

NO_OTHER_PROTOCOLS = "this is not HTTP, and the option rawtcp is off"
T = TypeVar("T")
_log = logging.getLogger("midstream.proxy")


class ClientConnection:
    """A client, from accept to close."""

    def __init__(
        self, session: Session, pool: Pool, peer: Peer, mode: ModeSpec, on_over: "Callable[[ClientConnection], None]"
    ) -> None:
        self.session = session
        self.client = Client(
            peername=peer.address_of("peername"),
            sockname=peer.address_of("sockname"),
            proxy_mode=mode,
            timestamp_start=session.time(),
        )
        self.peer = peer
        self._pool = pool
        self._server_side = ServerSide(session, pool, self.client, mode, self._while_client_stays, self)
        self._first_words = FirstWords(session, peer, self._server_side)
        self._on_over = on_over
        self._is_opened = False
        """The client's TLS with the server (or, before any CONNECT, with us) ends here."""
        self._waits_for_server = False
        self._http: Http1Client | Http2Client | None = None
        self._http_over: Signal[bytes | Switched | None] = Signal()
        self._reader = ByteReader(peer)
        self._inner: set[ClientConnection] = set()
        """What goes on in tunnels on streams of HTTP/2."""
        self._step = Step(self._run(), self._ended)

    def start(self) -> None:
        """Begin; called once the connection is made."""
        self._step.start()

    def stop(self) -> None:
        """Break off, at shutdown."""
        self.peer.abort()

    def stop_if_idle(self) -> None:
        """Close if nothing is under way; what is may end."""
        for inner in list(self._inner):
            inner.stop_if_idle()
        if self._http is not None:
            self._http.close_when_idle()
        elif self._first_words.is_waiting:
            self.peer.abort()

    async def _run(self) -> None:
        client, hooks = self.client, self.session.hooks
        if not await self._is_introduced():
            return
        await dispatch(hooks.client_connected, client)
        if client.error:
            _log.info("%s refused: %s", self._name(), client.error)
            self.peer.abort()
        else:
            await self._serve()
        self._note_end()
        await dispatch(hooks.client_disconnected, client)

    def _note_end(self) -> None:
        self.client.timestamp_end = self.session.time()
        self.client.state = ConnectionState.CLOSED

    async def _serve(self) -> None:
        client = self.client
        try:
            await self._greet()
            while await self._layer():
                pass
        except PeerError as error:
            client.error = client.error or error.message
            _log.log(level_of(error), "%s: %s", self._name(), error)
        except UsageError as error:
            client.error = client.error or str(error)
            _log.error("%s: %s", self._name(), error)
        except ClientLeft:
            pass
        finally:
            self._server_side.drop()
            if not self.peer.is_lingering:
                self.peer.close()

    def _ended(self, error: BaseException | None) -> None:
        self._on_over(self)
        if error is not None:
            raise error

    def _name(self) -> str:
        peername = self.client.peername
        return authority_name(*peername[:2]) if peername else "client"

    # Greetings.

    async def _is_introduced(self) -> bool:
        """Have a trusted balancer say whose connection this is; False if it does not."""
        if not self.session.trusts_proxy_line(self.client.peername):
            return True
        try:
            await believe_balancer(self.session, self.client, self.peer, self._reader)
        except PeerError as error:
            _log.info("%s: %s", self._name(), error)
            self.peer.close()
            return False
        return True

    async def _greet(self) -> None:
        """Find out where the connection leads, as far as the mode tells."""
        side = self._server_side
        if side.mode.name == "socks5":
            await self._greet_socks()
        elif side.mode.name == "transparent":
            side.lead_to(original_destination(self.peer))
            await self._try_server()
        elif side.mode.name == "reverse":
            side.lead_to_target()
            if side.mode.scheme == "tcp":
                await side.have_link()

    async def _greet_socks(self) -> None:
        side = self._server_side
        destination, link = await greet_socks(self.session, self.client, self.peer, self._reader, side.dial)
        side.lead_to(destination)
        side.link = link
        self._is_opened = False

    async def _try_server(self) -> None:
        """Connect before the client has said anything, for servers that speak first.

        If that fails, HTTP clients are told so when they ask for something, others by the end of the connection.
        """
        try:
            await self._server_side.have_link()
        except PeerError as error:
            self._first_words.is_unreachable = True
            _log.info("%s: %s", self._name(), error)

    # Layers.

    async def _layer(self) -> bool:
        """Handle what comes next on the connection; True if there is another layer inside it."""
        side, session = self._server_side, self.session
        is_inside = side.way.destination is not None
        if is_inside:
            decision = session.policy.decide(side.names())
            if decision.action is Action.IGNORE and decision.is_final:
                return await self._ignore()
        kind, data = await self._first_words.look(self._reader, is_opened=self._is_opened)
        if kind is Kind.TLS and not self._is_opened:
            return await self._tls_layer(data)
        if not is_inside:
            if kind in {Kind.SOCKS4, Kind.SOCKS5}:
                await self._greet_socks()
                return True
            return await self._http_layer(kind)
        layer = await self._choose(kind, data)
        if layer == "ignore":
            return await self._ignore()
        return await (self._http_layer(kind) if layer == "http" else self._tcp_layer())

    async def _choose(self, kind: Kind, data: bytes) -> str:
        """Decide how clear-text (or opened) bytes are read: `http`, `tcp` or `ignore`."""
        session, side = self.session, self._server_side
        may_be_other = session.options.rawtcp
        is_out_of_place = False
        names = side.names()
        if kind is Kind.HTTP1 and session.policy.needs_names:
            names += await self._first_words.host_names(self._reader, data)
        decision = session.policy.decide(names)
        if decision.action is Action.IGNORE:
            layer = "ignore"
        elif side.is_raw or decision.action is Action.TCP:
            layer = "tcp"
        else:
            speaks_http = kind is Kind.HTTP1 or (kind is Kind.HTTP2 and session.settings.http2)
            is_http = speaks_http or (side.mode.name == "reverse" and (may_be_other or not data))
            is_out_of_place = not is_http and not may_be_other
            layer = "http" if is_http else "tcp"
        if session.hooks.next_layer:
            choice = NextLayer(session.context(self.client, side.placeholder()), layer, data)  # type: ignore[arg-type]
            await dispatch(session.hooks.next_layer, choice)
            layer = choice.layer
        if is_out_of_place and layer == "tcp":
            raise PeerError(NO_OTHER_PROTOCOLS)
        return layer

    async def _ignore(self) -> bool:
        """Relay untouched."""
        await relay_untouched(self.session, await self._server_side.have_link(), self.peer, self._reader)
        return False

    async def _tcp_layer(self) -> bool:
        await relay_tcp(self.session, self._server_side, self.peer, self._reader)
        return False

    async def _http_layer(self, kind: Kind) -> bool:
        """Serve HTTP until the connection closes or becomes something else; True if there is a tunnel to go into."""
        session, side = self.session, self._server_side
        side.is_http2 = kind is Kind.HTTP2 and session.settings.http2
        side.offer_link()
        self._http_over = Signal()
        self._http = http = self._http2() if side.is_http2 else self._http1()
        self._reader.hand_over(http)
        what = await self._http_over
        self._http = None
        if what is None:
            return False
        self._reader = ByteReader(self.peer)
        if isinstance(what, bytes):
            self._is_opened = False
            self._reader.unread(what)
            return True
        await self._relay(what)
        return False

    def _http1(self) -> Http1Client:
        return Http1Client(self.peer, self.session.settings, self._begin_exchange, lambda: self._http_over.set(None))

    def _http2(self) -> Http2Client:
        return Http2Client(
            self.session,
            self.client,
            self.peer,
            self._begin_exchange,
            self._server_side.take_after,
            lambda: self._http_over.set(None),
        )

    async def _relay(self, switched: Switched) -> None:
        if switched.opened is not None:
            ends = (switched.from_client, switched.from_server)
            await WebSocketRelay(self.session, switched.flow, *ends, switched.opened).run()
            return
        (client, from_client), (server, from_server) = switched.from_client, switched.from_server
        await relay(self.session, (self.client, switched.server), client, server, from_client, from_server)

    def _begin_exchange(self, head: RequestHead | PeerError, http: ClientStream) -> Step:
        side = self._server_side
        if isinstance(head, PeerError):
            return Step(refuse_request(self.session, side, http, head))
        kind: type[Exchange] = ForwardedExchange
        if may_switch(head):
            is_for_us = head.method == b"CONNECT" and side.way.is_explicit and not head.protocol
            kind = ConnectExchange if is_for_us else SwitchingExchange
        return kind(self.session, side, http, head).step()

    # What HTTP leads to: called from within exchanges.

    def end_http(self, what: bytes | Switched) -> None:
        self._http_over.set(what)

    def relay_inner(self, switched: Switched) -> None:
        self.session.spawn(self._relay(switched))

    def open_inner(self, flow: HTTPFlow, link: Link | None, client: Detached) -> None:
        inner = InnerConnection(self.session, self._pool, client.peer, self._server_side.mode, self._inner.discard)
        inner.be_within(self.client, self._server_side)
        self._inner.add(inner)
        inner.lead_into(flow, link, client.rest)
        inner.start()

    async def _tls_layer(self, data: bytes) -> bool:
        """Open the client's TLS, unless it is not to be opened, or none after all."""
        session, side = self.session, self._server_side
        is_to_us = side.way.destination is None
        hello = await read_hello(session, self.peer, self._reader, data)
        if hello is None:
            if is_to_us:
                return False
            if not session.options.rawtcp and not side.is_raw:
                raise PeerError(NO_OTHER_PROTOCOLS)
            return await self._tcp_layer()
        server = side.placeholder()
        info = await hear_hello(session, side, server, hello)
        if not is_to_us and (info.ignore_connection or session.policy.decide(side.names()).action is Action.IGNORE):
            return await self._ignore()
        must_see_server = info.establish_server_tls_first
        await open_tls(session, side, server, peer=self.peer, reader=self._reader, must_see_server=must_see_server)
        self._is_opened = True
        return True

    # Waiting for servers.

    async def _while_client_stays(self, waiting: Coroutine[Waitable, None, T]) -> T:
        """Wait for the server; a client that leaves meanwhile ends that."""
        self._waits_for_server = True
        self.peer.on_lost = self._client_lost
        try:
            return await waiting
        finally:
            self._waits_for_server = False

    def _client_lost(self) -> None:
        if self._waits_for_server:
            self._step.throw(ClientLeft())


class InnerConnection(ClientConnection):
    """What goes on in a tunnel on a stream of HTTP/2: like a client's connection, but within one (RFC 9113 §8.5).

    To addons and to the pool it is the same client, by its id; facts such as TLS are those of what is inside.
    """

    def be_within(self, client: Client, side: ServerSide) -> None:
        """Belong to the client of the connection that carries this one."""
        self.client.id = client.id
        self._server_side.be_within(side)

    def lead_into(self, flow: HTTPFlow, link: Link | None, rest: bytes) -> None:
        """Take note of where the tunnel leads, and of the bytes that have come through it."""
        self._server_side.lead_into(flow, link)
        self._reader.unread(rest)

    async def _run(self) -> None:
        await self._serve()
        self._note_end()

    async def _greet(self) -> None:
        """Do nothing: the CONNECT has said where it leads."""
