"""One client connection from accept to close: what it carries is found out layer by layer.

The coroutine reads like the connection: greeting of the mode, then as often as there are layers: look at the first bytes, open
TLS, go into a CONNECT tunnel; at last HTTP exchanges, or bytes relayed. Everything that decides is in `policy.py`.
"""

import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from midstream.errors import UsageError
from midstream.flow import Cert, Client, HTTPFlow, Server
from midstream.flow.connection import ConnectionState, Via
from midstream.hooks.data import ClientHelloData, NextLayer
from midstream.hooks.table import dispatch
from midstream.options.modes import ModeSpec
from midstream.pki.names import LeafNames, ip_address
from midstream.proxy.connect import ConnectExchange
from midstream.proxy.deadlines import Deadlines
from midstream.proxy.dial import HTTP_ALPN, Link, open_link, open_stream, secure_link, stream_over
from midstream.proxy.exchange import Exchange, refuse_request
from midstream.proxy.failure import ClientLeft
from midstream.proxy.greeting import greet_socks, original_destination
from midstream.proxy.handshake import shake_with_client
from midstream.proxy.http1 import Http1Client, Http1Server
from midstream.proxy.origin import Origin
from midstream.proxy.peer import ByteReader, Peer
from midstream.proxy.policy import Action, authority_name
from midstream.proxy.pool import Pool
from midstream.proxy.session import Session
from midstream.proxy.stepper import Signal, Step
from midstream.proxy.streams import ServerStream
from midstream.proxy.target import Way, join_authority, split_authority
from midstream.proxy.tunnel import relay, splice
from midstream.wire.errors import PeerError
from midstream.wire.events import RequestHead
from midstream.wire.proxyline import read_proxy_line
from midstream.wire.sniff import Kind, sniff
from midstream.wire.tls.ciphers import cipher_names
from midstream.wire.tls.failure import TlsError
from midstream.wire.tls.hello import ClientHello, read_client_hello

LOOK_BYTES = 65_536
"""How much is looked at before a protocol counts as unknown."""
FIRST_WORD_SECONDS = 1.0
"""How long a client may take to begin TLS where it need not, before the server is listened to."""
WHOLE_LINE_SECONDS = 3.0
"""How long a client in a tunnel may take for the rest of its first line, before that counts as no HTTP."""
TLS_HANDSHAKE = 0x16
NO_OTHER_PROTOCOLS = "this is not HTTP, and the option rawtcp is off"
UNREACHABLE_SECONDS = 2.0
"""How long a client of an unreachable server may take to ask over HTTP why."""
OTHER_HTTP = frozenset({b"h2", b"h3", b"http/1.0", b"http/0.9", b"spdy/3.1", b"spdy/3"})
"""HTTP as we do not speak it to servers."""
T = TypeVar("T")
_log = logging.getLogger("midstream.proxy")


class Switched:
    """The end of HTTP on a connection: both sides go on in another protocol."""

    __slots__ = ("from_client", "from_server", "server")

    def __init__(self, server: Http1Server, from_client: bytes, from_server: bytes) -> None:
        self.server = server
        self.from_client = from_client
        self.from_server = from_server


class ClientConnection:
    """A client, and what is known of where it is going."""

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
        self.mode = mode
        self.way = Way(is_explicit=mode.name in {"regular", "upstream"})
        self.via: Via | None = (mode.scheme, mode.address) if mode.name == "upstream" and mode.address else None
        self.host_field: bytes | None = None
        self._pool = pool
        self._on_over = on_over
        self._link: Link | None = None
        self._is_server_tls = False
        self._is_opened = False
        """The client's TLS with the server (or, before any CONNECT, with us) ends here."""
        self._sni: str | None = None
        """The server name that the client gave for where the connection leads now."""
        self._is_raw = mode.name == "reverse" and mode.scheme in {"tcp", "tls"}
        """Nothing is to be read as HTTP."""
        self._is_unreachable = False
        self._waits_for_server = False
        self._is_waiting_for_client = False
        self._owner = ""
        self._http: Http1Client | None = None
        self._http_over: Signal[bytes | Switched | None] = Signal()
        self._last_origin: tuple[tuple[str, str, int, Via | None], Origin] | None = None
        self._reader = ByteReader(peer)
        self._step = Step(self._run(), self._ended)

    def start(self) -> None:
        """Begin; called once the connection is made."""
        self._step.start()

    def stop(self) -> None:
        """Break off, at shutdown."""
        self.peer.abort()

    def stop_if_idle(self) -> None:
        """Close if nothing is under way; what is may end."""
        if self._http is not None:
            self._http.close_when_idle()
        elif self._is_waiting_for_client:
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
        client.timestamp_end = self.session.time()
        client.state = ConnectionState.CLOSED
        await dispatch(hooks.client_disconnected, client)

    async def _serve(self) -> None:
        client = self.client
        try:
            await self._greet()
            while await self._layer():
                pass
        except PeerError as error:
            client.error = client.error or error.message
            _log.log(_level_of(error), "%s: %s", self._name(), error)
        except UsageError as error:
            client.error = client.error or str(error)
            _log.error("%s: %s", self._name(), error)
        except ClientLeft:
            pass
        finally:
            self._drop_link()
            if not self.peer.is_lingering:
                self.peer.close()
            if owner := self._owner_now():
                self._pool.drop(owner)

    def _ended(self, error: BaseException | None) -> None:
        self._on_over(self)
        if error is not None:
            raise error

    def _name(self) -> str:
        peername = self.client.peername
        return authority_name(*peername[:2]) if peername else "client"

    # Greetings.

    async def _greet(self) -> None:
        """Find out where the connection leads, as far as the mode tells."""
        mode = self.mode
        if mode.name == "socks5":
            await self._greet_socks()
        elif mode.name == "transparent":
            self._lead_to(original_destination(self.peer))
            await self._try_link()
        elif mode.name == "reverse":
            assert mode.address is not None
            is_tls = mode.scheme in {"https", "tls"}
            self._lead_to(mode.address, "https" if is_tls else "http")
            self._is_server_tls = is_tls
            if not self._is_raw and not self.session.settings.keep_host_header:
                self.host_field = join_authority(*mode.address, self.way.scheme)
            if mode.scheme == "tcp":
                self._link = await self._open_link()

    async def _greet_socks(self) -> None:
        destination, link = await greet_socks(self.session, self.client, self.peer, self._reader, self._dial)
        self._lead_to(destination)
        self._link = link

    async def _try_link(self) -> None:
        """Connect before the client has said anything, for servers that speak first.

        If that fails, HTTP clients are told so when they ask for something, others by the end of the connection.
        """
        try:
            self._link = await self._open_link()
        except PeerError as error:
            self._is_unreachable = True
            _log.info("%s: %s", self._name(), error)

    async def _is_introduced(self) -> bool:
        """Have a trusted balancer say whose connection this is; False if it does not."""
        if not self.session.trusts_proxy_line(self.client.peername):
            return True
        try:
            await self._read_proxy_line()
        except PeerError as error:
            _log.info("%s: %s", self._name(), error)
            self.peer.close()
            return False
        return True

    async def _read_proxy_line(self) -> None:
        self.peer.within(self.session.settings.header_timeout, "waiting for the PROXY line")
        data = b""
        while (line := read_proxy_line(data)) is None:
            more = await self._reader.read()
            if not more:
                raise PeerError("the balancer closed the connection before its PROXY line")
            data += more
        if line.source is not None:
            self.client.peername = line.source
        self._reader.unread(data[line.size :])
        self.peer.within(0, "")

    def _lead_to(self, destination: tuple[str, int], scheme: str = "http") -> None:
        self.way = Way(is_explicit=False, scheme="https" if scheme == "https" else "http", destination=destination)
        self._is_server_tls = self._is_opened = False
        self._sni = None

    # Layers.

    async def _layer(self) -> bool:
        """Handle what comes next on the connection; True if there is another layer inside it."""
        way, session = self.way, self.session
        if way.destination is not None:
            decision = session.policy.decide(self._names())
            if decision.action is Action.IGNORE and decision.is_final:
                return await self._ignore()
        kind, data = await self._look()
        if kind is Kind.TLS and not self._is_opened:
            return await self._tls_layer(data)
        if way.destination is None:
            if kind in {Kind.SOCKS4, Kind.SOCKS5}:
                await self._greet_socks()
                return True
            return await self._http_layer()
        layer = await self._choose(kind, data)
        if layer == "ignore":
            return await self._ignore()
        if layer == "http":
            return await self._http_layer()
        return await self._tcp_layer()

    async def _look(self) -> tuple[Kind, bytes]:
        """Read until the protocol is known; what was read stays with the reader."""
        reader, settings = self._reader, self.session.settings
        data = b""
        timeout = settings.tcp_timeout if self._link else settings.client_idle_timeout
        self.peer.within(UNREACHABLE_SECONDS if self._is_unreachable else timeout, "waiting for the first bytes")
        while (kind := self._kind_of(data)) is None and len(data) < LOOK_BYTES:
            self._is_waiting_for_client = not data
            if not data and not reader.is_ready and await self._server_speaks_first():
                break
            if data and self.way.destination is not None and not await self._client_speaks_within(WHOLE_LINE_SECONDS):
                break
            more = await reader.read()
            if not more:
                break
            if not data and self.way.destination is None:
                self.peer.within(settings.header_timeout, "reading the first bytes")
            data += more
        self._is_waiting_for_client = False
        self.peer.within(0, "")
        reader.unread(data)
        return kind or Kind.RAW, data

    def _kind_of(self, data: bytes) -> Kind | None:
        """Tell the protocol, as far as it matters: what is not to be read as HTTP need not show that it is none."""
        kind = sniff(data)
        return Kind.RAW if kind is None and self._is_raw and data and data[0] != TLS_HANDSHAKE else kind

    async def _server_speaks_first(self) -> bool:
        """Wait for a word from either side; True if it is the server's."""
        reader = self._reader
        is_undecided = self._is_raw and self._link is None and not self._is_opened
        if is_undecided and await self._client_speaks_within(FIRST_WORD_SECONDS):
            return False
        link = await self._audible_link()
        if reader.is_ready or link is None:
            return False
        either: Signal[None] = Signal()
        reader.wait(either)
        if not link.reader.is_ready:
            await link.reader.wait(either)
        return not reader.is_ready

    async def _client_speaks_within(self, seconds: float) -> bool:
        """Give the client a while to say something (more); one that does not may be waiting for an answer."""
        if self._reader.is_ready:
            return True
        spoken: Signal[None] = Signal()
        patience = _Patience(self.session.deadlines, seconds, spoken)
        self._reader.wait(spoken)
        try:
            await spoken
        finally:
            patience.end()
        return self._reader.is_ready

    async def _audible_link(self) -> Link | None:
        """Return the connection on which the server's first words would come, with TLS where it wants that."""
        if self._is_raw and self._link is None:
            self._link = await self._open_link()
        link = self._link
        is_time = self._is_server_tls and (self._is_opened or self._is_raw)
        if link is not None and is_time and not link.server.tls_established:
            try:
                await self._secure(link)
            except PeerError as error:
                if self._is_raw:
                    raise
                self._link = None  # the client is told when it asks for something
                _log.info("%s: %s", self._name(), error)
        return self._link

    async def _choose(self, kind: Kind, data: bytes) -> str:
        """Decide how clear-text (or opened) bytes are read: `http`, `tcp` or `ignore`."""
        session = self.session
        may_be_other = session.options.rawtcp
        is_out_of_place = False
        names = self._names()
        if kind is Kind.HTTP1 and session.policy.needs_names:
            names += await self._host_name(data)
        decision = session.policy.decide(names)
        if decision.action is Action.IGNORE:
            layer = "ignore"
        elif self._is_raw or decision.action is Action.TCP:
            layer = "tcp"
        else:
            is_http = kind is Kind.HTTP1 or (self.mode.name == "reverse" and (may_be_other or not data))
            is_out_of_place = not is_http and not may_be_other
            layer = "http" if is_http else "tcp"
        if session.hooks.next_layer:
            choice = NextLayer(session.context(self.client, self._placeholder()), layer, data)  # type: ignore[arg-type]
            await dispatch(session.hooks.next_layer, choice)
            layer = choice.layer
        if is_out_of_place and layer == "tcp":
            raise PeerError(NO_OTHER_PROTOCOLS)
        return layer

    async def _host_name(self, data: bytes) -> list[str]:
        """Return the Host field of the request whose beginning is `data`, as a name for the lists."""
        reader = self._reader
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
                assert self.way.destination is not None
                return [authority_name(host, port or self.way.destination[1])]
        return []

    async def _ignore(self) -> bool:
        """Relay untouched."""
        self._link = link = self._link or await self._open_link()
        if self.session.options.show_ignored_hosts:
            await self._relay(link)
        else:
            await splice(self.session, self.peer, link.peer, self._reader.take(), link.reader.take())
        return False

    async def _tcp_layer(self) -> bool:
        self._link = link = self._link or await self._open_link()
        if self._is_server_tls and not link.server.tls_established:
            await self._secure(link)
        await self._relay(link)
        return False

    async def _relay(self, link: Link) -> None:
        facts = (self.client, link.server)
        await relay(self.session, facts, self.peer, link.peer, self._reader.take(), link.reader.take())

    async def _http_layer(self) -> bool:
        """Serve HTTP until the connection closes or becomes something else; True if there is a tunnel to go into."""
        session = self.session
        if self._link is not None and self.way.destination is not None:
            self._keep_link(self._link)
        self._http_over = Signal()
        self._http = http = Http1Client(
            self.peer, session.settings, self._begin_exchange, lambda: self._http_over.set(None)
        )
        self._reader.hand_over(http)
        what = await self._http_over
        self._http = None
        if what is None:
            return False
        self._reader = ByteReader(self.peer)
        if isinstance(what, bytes):
            self._reader.unread(what)
            return True
        facts = (self.client, what.server.server)
        await relay(session, facts, self.peer, what.server.peer, what.from_client, what.from_server)
        return False

    def _begin_exchange(self, head: RequestHead | PeerError, http: Http1Client) -> Step:
        if isinstance(head, PeerError):
            return Step(refuse_request(self.session, self, http, head))
        kind = ConnectExchange if head.method == b"CONNECT" and self.way.is_explicit else Exchange
        return kind(self.session, self, http, head).step()

    # TLS.

    async def _tls_layer(self, data: bytes) -> bool:
        hello = await self._read_hello(data)
        if hello is None:
            return await self._odd_tls_layer()
        session, client = self.session, self.client
        client.tls = True
        client.sni = self._sni = hello.sni
        client.alpn_offers = hello.alpn
        client.cipher_list = cipher_names(hello.cipher_suites)
        server = self._placeholder()
        info = ClientHelloData(session.context(client, server), hello)
        await dispatch(session.hooks.tls_clienthello, info)
        is_to_us = self.way.destination is None
        if info.ignore_connection and not is_to_us:
            return await self._ignore()
        if not is_to_us and session.policy.decide(self._names()).action is Action.IGNORE:
            return await self._ignore()
        await self._open_tls(hello, server, is_to_us=is_to_us, must_see_server=info.establish_server_tls_first)
        self._is_opened = True
        return True

    async def _odd_tls_layer(self) -> bool:
        """Handle what began like TLS and is none."""
        if self.way.destination is None:
            return False
        if not self.session.options.rawtcp and not self._is_raw:
            raise PeerError(NO_OTHER_PROTOCOLS)
        return await self._tcp_layer()

    async def _read_hello(self, data: bytes) -> ClientHello | None:
        """Read the whole ClientHello; None if this is no TLS after all. What was read stays with the reader."""
        reader = self._reader
        reader.take()
        self.peer.within(self.session.settings.tls_handshake_timeout, "TLS handshake")
        try:
            while (hello := _hello_in(data)) is None:
                more = await reader.read()
                if not more:
                    raise PeerError("the client closed the connection inside its ClientHello")
                data += more
        finally:
            reader.unread(data)
            self.peer.within(0, "")
        if isinstance(hello, PeerError):
            _log.info("%s: not TLS after all: %s", self._name(), hello)
            return None
        return hello

    async def _open_tls(self, hello: ClientHello, server: Server, *, is_to_us: bool, must_see_server: bool) -> None:
        session, client = self.session, self.client
        chain: tuple[bytes, ...] = ()
        if not is_to_us:
            if self.mode.name != "reverse":
                self._is_server_tls = True
                self.way.scheme = "https"
            wants_chain = session.options.upstream_cert or must_see_server
            if self._is_server_tls and wants_chain and not self._is_addon_host():
                chain = await self._server_chain(must_see_server=must_see_server)
            if self._link is not None and self._link.server.tls_established:
                server = self._link.server
        hostname = hello.sni or self._hostname_without_sni()
        names = LeafNames.mirror(chain[0] if chain else None, hostname)
        alpn = tuple(name for name in hello.alpn if name == (server.alpn or b"http/1.1"))
        endpoint = session.tls.client_endpoint(names, alpn=alpn, upstream_chain=chain)
        client.mitmcert = Cert(session.tls.store.leaf_for(names).certificate)
        try:
            await shake_with_client(session, client, server, peer=self.peer, reader=self._reader, endpoint=endpoint)
        except PeerError as error:
            raise PeerError(f"{hostname}: {error.message}", error.reference) from error

    def _is_addon_host(self) -> bool:
        """True if an addon is the server, so that there is none to connect to."""
        hosts = self.session.hooks.hosts
        assert self.way.destination is not None
        return bool(hosts) and (self.way.destination[0] in hosts or self.client.sni in hosts)

    def _hostname_without_sni(self) -> str:
        if self.way.destination is not None:
            return self.way.destination[0]
        return self.client.sockname[0] if self.client.sockname else "localhost"

    async def _server_chain(self, *, must_see_server: bool) -> tuple[bytes, ...]:
        """Return the certificates that the server shows, from memory or by asking it."""
        session = self.session
        assert self.way.destination is not None
        sni = self._sni_for_server()
        key = (*self.way.destination, sni, self.via)
        alpn = self._alpn_for_server()
        chain = session.chains.get(key)
        if chain is not None and alpn == HTTP_ALPN and not must_see_server:
            return chain
        try:
            link = self._link or await self._open_link()
            self._link = None
            if not link.server.tls_established:
                await self._secure(link)
        except PeerError as error:
            # The client is told when it asks for something; a server may also never be asked, if an addon answers.
            _log.info("%s: certificate made without the server's: %s", authority_name(*self.way.destination), error)
            return ()
        self._link = link
        chain = tuple(cert.der for cert in link.server.certificate_list)
        session.chains.put(key, chain)
        return chain

    def _sni_for_server(self) -> str | None:
        """Return the server name for the connection's own destination."""
        assert self.way.destination is not None
        if self.mode.name == "reverse" and not self.session.settings.keep_host_header:
            return server_name(self.way.destination[0])
        return server_name(self._sni or "") or server_name(self.way.destination[0])

    def _alpn_for_server(self) -> tuple[bytes, ...]:
        """Return the protocols to offer: HTTP as we speak it, and whatever the client speaks that is not HTTP."""
        offers = tuple(self.client.alpn_offers)
        if self._is_raw or self.session.policy.decide(self._names()).action is Action.TCP:
            return offers
        return tuple(name for name in offers if name not in OTHER_HTTP) or HTTP_ALPN

    # What exchanges ask for.

    def origin(self, scheme: str, host: str, port: int, via: Via | None) -> Origin:
        last = self._last_origin
        key = (scheme, host, port, via)
        if last is not None and last[0] == key:
            return last[1]
        is_tls = scheme == "https"
        sni = None
        if is_tls:
            sni = self._sni_for_server() if (host, port) == self.way.destination else server_name(host)
        is_tunnelled = not is_tls and via is not None and self.way.destination is not None
        origin = Origin(host, port, is_tls, sni, via, is_tunnelled, self._owner_now())
        self._last_origin = (key, origin)
        return origin

    def _owner_now(self) -> str:
        """Return the id of this client if scripts steer server connections, so that none is shared."""
        steers = any(not handler.observes for handler in self.session.hooks.server_connect)
        return self.client.id if steers else self._owner

    def idle_stream(self, origin: Origin, *, is_repeatable: bool) -> Http1Server | None:
        return self._pool.take(origin, is_repeatable=is_repeatable)

    async def open_stream(self, origin: Origin, server: Server) -> Http1Server:
        link = self._link
        if link is not None and self._fits(link, origin):
            self._link = None
            if origin.is_tls and not link.server.tls_established:
                await secure_link(self.session, link, origin.sni)
            return stream_over(self.session, self._pool, link, origin)
        return await open_stream(self.session, self._pool, origin, server, self.client)

    def _fits(self, link: Link, origin: Origin) -> bool:
        server = link.server
        if server.address != (origin.host, origin.port) or server.via != origin.via or link.peer.has_ended:
            return False
        return not server.tls_established or (origin.is_tls and server.sni == origin.sni)

    def _keep_link(self, link: Link) -> None:
        """Have the pool keep the connection's own link for its first request, if it is ready for HTTP."""
        assert self.way.destination is not None
        origin = self.origin(self.way.scheme, *self.way.destination, self.via)
        if origin.is_tls == link.server.tls_established and self._fits(link, origin):
            self._link = None
            stream = stream_over(self.session, self._pool, link, origin)
            link.peer.within(self.session.settings.server_idle_timeout, "idle")
            if not link.peer.is_closing:
                self._pool.give_back(stream)

    async def open_tunnel(self, flow: HTTPFlow) -> None:
        server = flow.server_conn
        destination = (flow.request.host, flow.request.port)
        if server.address != destination:
            server.address = destination
        if destination[0] in self.session.hooks.hosts or self._pool.has_address(destination, server.via):
            return
        try:
            self._link = await open_link(self.session, server, self.client)
        except PeerError:
            if not self._may_be_answered_here():
                raise

    def _may_be_answered_here(self) -> bool:
        """True if an addon may answer in the server's stead, so that an unreachable one is no reason to refuse."""
        hooks = self.session.hooks
        return any(not handler.observes for handler in (*hooks.requestheaders, *hooks.request))

    def enter_tunnel(self, flow: HTTPFlow, rest: bytes) -> None:
        self._lead_to((flow.request.host, flow.request.port))
        self.via = flow.server_conn.via
        self._http_over.set(rest)

    def switch(self, flow: HTTPFlow, server: ServerStream, from_client: bytes, from_server: bytes) -> None:  # noqa: ARG002
        assert isinstance(server, Http1Server)  # no other version has 101 (RFC 9113 §8.6)
        self._http_over.set(Switched(server, from_client, from_server))

    def bind_to_client(self) -> None:
        self._owner = self.client.id
        self._last_origin = None

    # Links.

    async def _open_link(self) -> Link:
        assert self.way.destination is not None
        return await self._dial(self.way.destination)

    async def _dial(self, destination: tuple[str, int]) -> Link:
        server = Server(address=destination, via=self.via)
        return await self._while_client_stays(open_link(self.session, server, self.client))

    async def _secure(self, link: Link) -> None:
        sni, alpn = self._sni_for_server(), self._alpn_for_server()
        await self._while_client_stays(secure_link(self.session, link, sni, alpn))

    async def _while_client_stays(self, waiting: Coroutine[Signal[Any], None, T]) -> T:
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

    def _placeholder(self) -> Server:
        """Return the server as far as it is known before it is connected."""
        if self._link is not None:
            return self._link.server
        return Server(address=self.way.destination, via=self.via)

    def _drop_link(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.peer.close()

    def _names(self) -> list[str]:
        """Return the names by which the server is known, for the lists of hosts."""
        if self.way.destination is None:
            return []
        host, port = self.way.destination
        names = [authority_name(host, port)]
        if self._link is not None and self._link.server.peername is not None:
            names.append(authority_name(*self._link.server.peername[:2]))
        if self._sni:
            names.append(authority_name(self._sni, port))
        return names


class _Patience:
    """Ends a wait for the client's next word."""

    def __init__(self, deadlines: Deadlines, seconds: float, signal: Signal[None]) -> None:
        self.deadline = deadlines.now + seconds
        self._deadlines = deadlines
        self._signal = signal
        deadlines.watch(self)

    def expired(self) -> None:
        self._signal.set(None)

    def end(self) -> None:
        self._deadlines.forget(self)


def _hello_in(data: bytes) -> ClientHello | PeerError | None:
    """Read a ClientHello; what makes no sense comes back as the error that says so."""
    try:
        return read_client_hello(data)
    except PeerError as error:
        return error


def _level_of(error: PeerError) -> int:
    """Return how loudly to tell: a client that does not trust us is something for the user to mend."""
    cause = error.__cause__
    return logging.WARNING if isinstance(cause, TlsError) and cause.suspects_certificate else logging.INFO


def server_name(host: str) -> str | None:
    """Return `host` if it can be sent as SNI: names can, addresses cannot (RFC 6066 §3)."""
    return host if host and ip_address(host) is None else None
