"""Where a client connection leads, and our connections to there.

While a connection is being found out about there is at most one `Link`: opened early for servers that speak first, to see
the certificate that the client is to be shown, or because CONNECT asked for it. What reads HTTP gets it through the pool.
"""

import logging
from collections.abc import Callable, Coroutine
from typing import Protocol, TypeVar

from midstream.flow import Client, HTTPFlow, Server
from midstream.flow.connection import Via
from midstream.options.modes import ModeSpec
from midstream.pki.names import ip_address
from midstream.proxy.dial import HTTP_ALPN, Link, Through, open_link, open_stream, secure_link, stream_over
from midstream.proxy.http1 import Http1Server
from midstream.proxy.origin import Origin
from midstream.proxy.parent import ParentRefused
from midstream.proxy.peer import ByteReader, Peer
from midstream.proxy.policy import Action, authority_name
from midstream.proxy.pool import Pool
from midstream.proxy.session import Session
from midstream.proxy.stepper import Waitable
from midstream.proxy.streams import ServerStream
from midstream.proxy.target import Way, join_authority
from midstream.wire.errors import PeerError
from midstream.wire.events import Fields

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


class Stays(Protocol):
    """Waits for a server as long as the client stays."""

    async def __call__(self, waiting: Coroutine[Waitable, None, T], /) -> T: ...


class ServerSide:
    """The server side of one client connection; also the `Surroundings` of its exchanges."""

    def __init__(
        self,
        session: Session,
        pool: Pool,
        client: Client,
        mode: ModeSpec,
        while_client_stays: Stays,
        end_http: Callable[[bytes | Switched], None],
    ) -> None:
        self.client = client
        self.mode = mode
        self.way = Way(is_explicit=mode.name in {"regular", "upstream"})
        self.via: Via | None = (mode.scheme, mode.address) if mode.name == "upstream" and mode.address else None
        self.host_field: bytes | None = None
        self.is_raw = mode.name == "reverse" and mode.scheme in {"tcp", "tls"}
        """Nothing is to be read as HTTP."""
        self.is_tls = False
        """The server speaks TLS."""
        self.sni: str | None = None
        """The server name that the client gave for where the connection leads now."""
        self.link: Link | None = None
        self._session = session
        self._pool = pool
        self._while_client_stays = while_client_stays
        self._end_http = end_http
        self._parent: tuple[Peer, ByteReader] | None = None
        """A connection to the parent proxy that has refused and may be asked again."""
        self._parent_via: Via | None = None
        self._owner = ""
        self._last_origin: tuple[tuple[str, str, int, Via | None], Origin] | None = None

    # Where it leads.

    def lead_to(self, destination: tuple[str, int]) -> None:
        """Take note that the connection goes on to `destination`, of which nothing else is known yet."""
        self.way = Way(is_explicit=False, destination=destination)
        self.is_tls = False
        self.sni = None

    def lead_to_target(self) -> None:
        """Take the destination of reverse mode."""
        mode = self.mode
        assert mode.address is not None
        self.lead_to(mode.address)
        if mode.scheme in {"https", "tls"}:
            self.expect_tls()
        if not self.is_raw and not self._session.settings.keep_host_header:
            self.host_field = join_authority(*mode.address, self.way.scheme)

    def expect_tls(self) -> None:
        """Take note that the server speaks TLS."""
        self.is_tls = True
        self.way.scheme = "https"

    @property
    def destination(self) -> tuple[str, int]:
        """Host and port that the connection leads to, which must be known."""
        assert self.way.destination is not None
        return self.way.destination

    def names(self) -> list[str]:
        """Return the names by which the server is known, for the lists of hosts."""
        if self.way.destination is None:
            return []
        host, port = self.way.destination
        names = [authority_name(host, port)]
        if self.link is not None and self.link.server.peername is not None:
            names.append(authority_name(*self.link.server.peername[:2]))
        if self.sni:
            names.append(authority_name(self.sni, port))
        return names

    def placeholder(self) -> Server:
        """Return the server as far as it is known before it is connected."""
        if self.link is not None:
            return self.link.server
        return Server(address=self.way.destination, via=self.via)

    @property
    def is_addon(self) -> bool:
        """True if an addon is the server, so that there is none to connect to."""
        hosts = self._session.hooks.hosts
        return bool(hosts) and (self.destination[0] in hosts or self.client.sni in hosts)

    # The link.

    async def dial(self, destination: tuple[str, int]) -> Link:
        """Connect to a server.

        Raises:
            PeerError: It cannot be reached (502, 504).

        """
        server = Server(address=destination, via=self.via)
        return await self._while_client_stays(open_link(self._session, server, self.client))

    async def have_link(self) -> Link:
        """Return the link, opened now if it was not; `PeerError` as in `dial`."""
        if self.link is None:
            self.link = await self.dial(self.destination)
        return self.link

    async def have_secure_link(self) -> Link:
        """Return the link with TLS on it; without a link if that fails."""
        link = await self.have_link()
        if not link.server.tls_established:
            self.link = None
            secured = secure_link(self._session, link, self._own_sni(), self._alpn())
            await self._while_client_stays(secured)
            self.link = link
        return link

    async def have_relay_link(self) -> Link:
        """Return the link as bytes are relayed over it: with TLS if the server speaks it."""
        return await (self.have_secure_link() if self.is_tls else self.have_link())

    def drop(self) -> None:
        """Let go of everything that is this client's alone."""
        link, self.link = self.link, None
        if link is not None:
            link.peer.close()
        if self._parent is not None:
            self._parent[0].close()
        if owner := self._owner_now():
            self._pool.drop(owner)

    async def chain(self, *, must_see_server: bool) -> tuple[bytes, ...]:
        """Return the certificates (DER) that the server shows, from memory or by asking it; nothing if it cannot be asked."""
        key = (*self.destination, self._own_sni(), self.via)
        chain = self._session.chains.get(key)
        if chain is not None and self._alpn() == HTTP_ALPN and not must_see_server:
            return chain
        try:
            link = await self.have_secure_link()
        except PeerError as error:
            # The client is told when it asks for something; a server may also never be asked, if an addon answers.
            _log.info("%s: certificate made without the server's: %s", authority_name(*self.destination), error)
            return ()
        chain = tuple(cert.der for cert in link.server.certificate_list)
        self._session.chains.put(key, chain)
        return chain

    def _own_sni(self) -> str | None:
        """Return the server name for the connection's own destination."""
        if self.mode.name == "reverse" and not self._session.settings.keep_host_header:
            return server_name(self.destination[0])
        return server_name(self.sni or "") or server_name(self.destination[0])

    def _alpn(self) -> tuple[bytes, ...]:
        """Return the protocols to offer: HTTP as we speak it, and whatever the client speaks that is not HTTP."""
        offers = tuple(self.client.alpn_offers)
        if self.is_raw or self._session.policy.decide(self.names()).action is Action.TCP:
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
            sni = self._own_sni() if (host, port) == self.way.destination else server_name(host)
        is_tunnelled = not is_tls and via is not None and self.way.destination is not None
        origin = Origin(host, port, is_tls, sni, via, is_tunnelled, self._owner_now())
        self._last_origin = (key, origin)
        return origin

    def idle_stream(self, origin: Origin, *, is_repeatable: bool) -> Http1Server | None:
        return self._pool.take(origin, is_repeatable=is_repeatable)

    async def open_stream(self, origin: Origin, server: Server) -> Http1Server:
        link = self.link
        if link is not None and self._fits(link, origin):
            self.link = None
            if origin.is_tls and not link.server.tls_established:
                await secure_link(self._session, link, origin.sni)
            return stream_over(self._session, self._pool, link, origin)
        return await open_stream(self._session, self._pool, origin, server, self.client)

    def offer_link(self) -> None:
        """Have the pool keep the link for the first request, if it is ready for HTTP."""
        link = self.link
        if link is None or self.way.destination is None:
            return
        origin = self.origin(self.way.scheme, *self.way.destination, self.via)
        if origin.is_tls == link.server.tls_established and self._fits(link, origin):
            self.link = None
            stream = stream_over(self._session, self._pool, link, origin)
            link.peer.within(self._session.settings.server_idle_timeout, "idle")
            if not link.peer.is_closing:
                self._pool.give_back(stream)

    async def open_tunnel(self, flow: HTTPFlow) -> None:
        server = flow.server_conn
        destination = (flow.request.host, flow.request.port)
        if server.address != destination:
            server.address = destination
        credentials = _credentials(flow)
        if credentials and server.via is not None:
            self.bind_to_client()  # what the parent lets this client do is nobody else's
        if destination[0] in self._session.hooks.hosts:
            return
        if self._pool.has_address(destination, server.via, self._owner_now()):
            return
        through = Through(credentials=credentials, parent=self._take_parent(server.via))
        try:
            self.link = await open_link(self._session, server, self.client, through)
        except ParentRefused as refused:
            if refused.may_ask_again:
                self._parent = through.parent
                self._parent_via = server.via
            raise
        except PeerError:
            if not self._may_be_answered_here():
                raise

    def enter_tunnel(self, flow: HTTPFlow, rest: bytes) -> None:
        self.lead_to((flow.request.host, flow.request.port))
        self.via = flow.server_conn.via
        self._end_http(rest)

    def switch(self, server: ServerStream, from_client: bytes, from_server: bytes) -> None:
        assert isinstance(server, Http1Server)  # only HTTP/1 gives up its connection
        self._end_http(Switched(server, from_client, from_server))

    def bind_to_client(self) -> None:
        self._owner = self.client.id
        self._last_origin = None

    def _take_parent(self, via: Via | None) -> tuple[Peer, ByteReader] | None:
        """Return the connection that this parent has refused over, if it is still there."""
        parent, self._parent = self._parent, None
        if parent is None:
            return None
        if via == self._parent_via and not parent[0].has_ended:
            return parent
        parent[0].close()
        return None

    def _fits(self, link: Link, origin: Origin) -> bool:
        server = link.server
        if server.address != (origin.host, origin.port) or server.via != origin.via or link.peer.has_ended:
            return False
        return not server.tls_established or (origin.is_tls and server.sni == origin.sni)

    def _owner_now(self) -> str:
        """Return the id of this client if its server connections are its own: scripts may make them by client."""
        hooks = self._session.hooks
        makers = (*hooks.server_connect, *hooks.tls_start_server, *hooks.http_connect_upstream)
        return self.client.id if any(not maker.observes for maker in makers) else self._owner

    def _may_be_answered_here(self) -> bool:
        """True if an addon may answer in the server's stead, so that an unreachable one is no reason to refuse."""
        hooks = self._session.hooks
        return any(not handler.observes for handler in (*hooks.requestheaders, *hooks.request))


def _credentials(flow: HTTPFlow) -> Fields:
    """Return what the client says to the parent about who it is; what it says to us has been taken out."""
    return [field for field in flow.request.headers.fields if field[0].lower() == b"proxy-authorization"]


def server_name(host: str) -> str | None:
    """Return `host` if it can be sent as SNI: names can, addresses cannot (RFC 6066 §3)."""
    return (host or None) if ip_address(host) is None else None
