"""Where a client connection leads, and our connections to there.

While a connection is being found out about there is at most one `Link`: opened early for servers that speak first, to see
the certificate that the client is to be shown, or because CONNECT asked for it. What reads HTTP gets it through the pool.
"""

import logging
from collections.abc import Coroutine
from typing import Protocol, TypeAlias, TypeVar

import msgspec

from midstream.flow import Client, HTTPFlow, Server
from midstream.flow.connection import Via
from midstream.options.modes import ModeSpec
from midstream.pki.names import ip_address
from midstream.proxy.dial import (
    Through,
    http1_over,
    http2_over,
    open_link,
    open_stream,
    secure_link,
    speaks_http2,
    stream_over,
)
from midstream.proxy.link import Link
from midstream.proxy.origin import ANY_HTTP, HTTP1, HTTP2, Origin
from midstream.proxy.parent import ParentRefused
from midstream.proxy.peer import ByteReader, Peer
from midstream.proxy.policy import Action, authority_name
from midstream.proxy.pool import Pool
from midstream.proxy.session import Session, Shown
from midstream.proxy.stepper import Waitable
from midstream.proxy.streams import Detached, ServerStream
from midstream.proxy.switched import Switched
from midstream.proxy.target import Way, join_authority
from midstream.wire.errors import PeerError
from midstream.wire.events import Fields
from midstream.wire.h2.fingerprint import Fingerprint
from midstream.wire.tls.failure import TlsError

OTHER_HTTP = frozenset({b"h3", b"http/1.0", b"http/0.9", b"spdy/3.1", b"spdy/3"})
"""HTTP as we do not speak it to servers."""
NO_COMMON_PROTOCOL = "no_application_protocol"
"""The alert of a server that speaks none of the protocols offered (RFC 7301 §3.2)."""
T = TypeVar("T")
_OriginKey: TypeAlias = tuple[str, str, int, Via | None, bool, int]
_log = logging.getLogger("midstream.proxy")


class Inside(Protocol):
    """Goes on with what HTTP has led to."""

    def end_http(self, what: bytes | Switched) -> None:
        """Go on in a tunnel (of which these bytes are here) or in another protocol, on the connection itself."""

    def open_inner(self, flow: HTTPFlow, link: Link | None, client: Detached) -> None:
        """Go on in a tunnel on one of the connection's streams."""

    def relay_inner(self, switched: Switched) -> None:
        """Go on in another protocol on one of the connection's streams."""


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
        inside: Inside,
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
        self.known_alpn: bytes | None = None
        """The protocol that the server chose of those that the client offers; None if it has not been asked."""
        self.is_http2 = False
        """The client speaks HTTP/2, here and now."""
        self.fingerprint: Fingerprint | None = None
        """How the client introduced itself, if servers are to see the same."""
        self._session = session
        self._pool = pool
        self._while_client_stays = while_client_stays
        self._inside = inside
        self._parent: tuple[Peer, ByteReader] | None = None
        """A connection to the parent proxy that has refused and may be asked again."""
        self._parent_via: Via | None = None
        self.owner = ""
        """The client's id if its server connections are its own from now on; else empty."""
        self._outer: ServerSide | None = None
        """The side of the connection that this one is inside of; server connections that belong to the client end with that."""
        self._last_origin: tuple[_OriginKey, Origin] | None = None

    # Where it leads.

    def lead_to(self, destination: tuple[str, int]) -> None:
        """Take note that the connection goes on to `destination`, of which nothing else is known yet."""
        self.way = Way(is_explicit=False, destination=destination)
        self.is_tls = False
        self.sni = None
        self.known_alpn = None
        self._last_origin = None

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
        if link.server.tls_established:
            return link
        alpn = self._alpn()
        try:
            return await self._secured(link, alpn)
        except TlsError as error:
            if HTTP2[0] in alpn or not self._wants_http2(error, self._own_origin()) or self._alpn() == alpn:
                raise
        return await self._secured(await self.have_link(), self._alpn())

    async def _secured(self, link: Link, alpn: tuple[bytes, ...]) -> Link:
        self.link = None
        await self._while_client_stays(secure_link(self._session, link, self._own_sni(), alpn))
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
        if self._outer is None and (owner := self._owner_now()):
            self._pool.drop(owner)

    async def chain(self, *, must_see_server: bool) -> tuple[bytes, ...]:
        """Return the certificates (DER) that the server shows, from memory or by asking it; nothing if it cannot be asked."""
        alpn = self._alpn()
        known = self._session.chains.get((*self.destination, self._own_sni(), self.via, alpn))
        if known is not None and alpn[-1:] in {HTTP1, HTTP2} and not must_see_server:
            self.known_alpn = known.alpn
            return known.chain
        try:
            link = await self.have_secure_link()
        except PeerError as error:
            # The client is told when it asks for something; a server may also never be asked, if an addon answers.
            _log.info("%s: certificate made without the server's: %s", authority_name(*self.destination), error)
            return ()
        chain = tuple(cert.der for cert in link.server.certificate_list)
        self.known_alpn = link.server.alpn or HTTP1[0]
        key = (*self.destination, self._own_sni(), self.via, self._alpn())
        self._session.chains.put(key, Shown(chain, self.known_alpn))
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
        others = tuple(name for name in offers if name not in OTHER_HTTP and name not in ANY_HTTP)
        if others and not set(offers) & set(ANY_HTTP):
            return others
        return others + self._pool.versions(self._own_origin(self._versions(is_mirrored=HTTP2[0] in offers)))

    def _own_origin(self, versions: tuple[bytes, ...] = HTTP1) -> Origin:
        """Return the connection's own destination, as far as it says which versions are spoken there over TLS."""
        return Origin(*self.destination, is_tls=True, via=self.via, versions=versions)

    def _wants_http2(self, error: TlsError, origin: Origin) -> bool:
        """Tell whether a server that was not offered HTTP/2 may be offered it now, and remember that for it."""
        settings = self._session.settings
        if error.alert != NO_COMMON_PROTOCOL or not settings.http2 or settings.server_http2 == "never":
            return False
        self._pool.remember(origin, HTTP2)
        return True

    def _versions(self, *, is_mirrored: bool) -> tuple[bytes, ...]:
        """Return the versions of HTTP to offer in TLS; `is_mirrored`: the client itself speaks HTTP/2 (H2-35)."""
        settings = self._session.settings
        wants = is_mirrored if settings.server_http2 == "mirror" else settings.server_http2 == "always"
        return ANY_HTTP if wants and settings.http2 else HTTP1

    def _clear_versions(self) -> tuple[bytes, ...]:
        """Return the versions of HTTP to speak without TLS, where nothing can be agreed on: the first one, and then others."""
        settings = self._session.settings
        if not settings.http2 or settings.server_http2 == "never":
            return HTTP1
        if self.mode.name == "reverse" and self.mode.scheme == "h2c":
            return HTTP2
        is_hop = self.way.is_explicit or (self.via is not None and self.via[0] != "socks5")
        return ANY_HTTP if self.is_http2 and not is_hop else HTTP1

    # What exchanges ask for.

    def origin(self, scheme: str, host: str, port: int, via: Via | None, *, is_upgrade: bool = False) -> Origin:
        last = self._last_origin
        key = (scheme, host, port, via, is_upgrade, self._pool.lessons)
        if last is not None and last[0] == key:
            return last[1]
        is_tls = scheme == "https"
        sni = None
        if is_tls:
            sni = self._own_sni() if (host, port) == self.way.destination else server_name(host)
        is_tunnelled = not is_tls and via is not None and self.way.destination is not None
        versions = self._versions(is_mirrored=self.is_http2) if is_tls else self._clear_versions()
        origin = Origin(host, port, is_tls, sni, via, is_tunnelled, self._owner_now(), versions)
        spoken = self._pool.versions(origin)
        if is_upgrade and HTTP1[0] in spoken:
            spoken = HTTP1
        if spoken != versions:
            origin = msgspec.structs.replace(origin, versions=spoken)
        if self.fingerprint is not None and origin.versions != HTTP1:
            origin = msgspec.structs.replace(origin, fingerprint=str(self.fingerprint))
        self._last_origin = (key, origin)
        return origin

    def idle_stream(self, origin: Origin, *, is_repeatable: bool) -> ServerStream | None:
        return self._pool.take(origin, is_repeatable=is_repeatable)

    async def open_stream(self, origin: Origin, server: Server) -> ServerStream:
        if origin.versions != HTTP1:
            return await self._open_shared(origin, server)
        try:
            return await self._connect(origin, server)
        except TlsError as error:
            if not self._wants_http2(error, origin):
                raise
        only_http2 = msgspec.structs.replace(origin, versions=HTTP2)
        return await self._open_shared(only_http2, Server(address=server.address, via=server.via))

    async def _open_shared(self, origin: Origin, server: Server) -> ServerStream:
        """Open a connection that others can share; or share one that they open, or wait for room on those there are."""
        pool, settings = self._pool, self._session.settings
        proven = await pool.proven(origin)
        if proven is not None:
            return proven
        while True:
            if pool.is_opening(origin):
                await pool.opened(origin)
            elif pool.is_crowded(origin, settings.http2_connections_per_host):
                await pool.room(origin, settings.first_byte_timeout)
            else:
                break
            stream = pool.take(origin)
            if stream is not None:
                return stream
        return await pool.open_for_all(origin, self._connect(origin, server))

    async def _connect(self, origin: Origin, server: Server) -> ServerStream:
        """Make a stream of the link, if that leads there, or else of a new connection."""
        link = self.link
        if link is None or not self._fits(link, origin):
            return await open_stream(self._session, self._pool, origin, server, self.client, self.fingerprint)
        self.link = None
        if origin.is_tls and not link.server.tls_established:
            await secure_link(self._session, link, origin.sni, origin.versions)
        return stream_over(self._session, self._pool, link, origin, self.fingerprint)

    def offer_link(self) -> None:
        """Have the pool keep the link for the first request, if it is ready for HTTP."""
        link = self.link
        if link is None or self.way.destination is None:
            return
        origin = self.origin(self.way.scheme, *self.way.destination, self.via)
        if origin.is_tls != link.server.tls_established or not self._fits(link, origin):
            return
        if not speaks_http2(link, origin):
            self.link = None
            self._pool.cannot_share(origin)
            stream = http1_over(self._session, self._pool, link, origin)
            link.peer.within(self._session.settings.server_idle_timeout, "idle")
            if not link.peer.is_closing:
                self._pool.give_back(stream)
        elif not self._session.settings.http2_mirror_fingerprint:  # else the first request has to be seen
            self.link = None
            http2_over(self._session, self._pool, link, origin)

    async def open_tunnel(self, flow: HTTPFlow) -> Link | None:
        server = flow.server_conn
        destination = (flow.request.host, flow.request.port)
        if server.address != destination:
            server.address = destination
        credentials = _credentials(flow)
        if credentials and server.via is not None:
            self.bind_to_client()  # what the parent lets this client do is nobody else's
        if destination[0] in self._session.hooks.hosts:
            return None
        if self._pool.has_address(destination, server.via, self._owner_now()):
            return None
        through = Through(credentials=credentials, parent=self._take_parent(server.via))
        try:
            return await open_link(self._session, server, self.client, through)
        except ParentRefused as refused:
            if refused.may_ask_again:
                self._parent = through.parent
                self._parent_via = server.via
            raise
        except PeerError:
            if not self._may_be_answered_here():
                raise
        return None

    def enter_tunnel(self, flow: HTTPFlow, link: Link | None, client: Detached) -> None:
        if self.is_http2:
            self._inside.open_inner(flow, link, client)
            return
        self.lead_into(flow, link)
        self._inside.end_http(client.rest)

    def lead_into(self, flow: HTTPFlow, link: Link | None) -> None:
        """Take note of what a CONNECT has led to."""
        self.lead_to((flow.request.host, flow.request.port))
        self.via = flow.server_conn.via
        self.link = link

    def switch(self, switched: Switched) -> None:
        if self.is_http2:
            self._inside.relay_inner(switched)
        else:
            self._inside.end_http(switched)

    def take_after(self, client: Fingerprint) -> None:
        """Take note of how the client has introduced itself over HTTP/2, if servers are to see the same."""
        if self._session.settings.http2_mirror_fingerprint:
            self.fingerprint = client
            self._last_origin = None

    def bind_to_client(self) -> None:
        self.owner = self.client.id
        self._last_origin = None
        if self._outer is not None:
            self._outer.bind_to_client()

    def be_within(self, outer: "ServerSide") -> None:
        """Belong to the client of `outer`, as far as server connections belong to clients."""
        self._outer = outer
        self.owner = outer.owner

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
        if not server.tls_established:
            return True
        spoken = server.alpn or HTTP1[0]
        return origin.is_tls and server.sni == origin.sni and spoken in origin.versions

    def _owner_now(self) -> str:
        """Return the id of this client if its server connections are its own: scripts may make them by client."""
        hooks = self._session.hooks
        makers = (*hooks.server_connect, *hooks.tls_start_server, *hooks.http_connect_upstream)
        return self.client.id if any(not maker.observes for maker in makers) else self.owner

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
