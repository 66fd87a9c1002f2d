"""What is done with the datagrams of a client in reverse mode: relayed, with the DTLS around them opened, or untouched.

As with connections, the lists of hosts are asked first, and once more when the client's hello has named a server. With `dtls://` the
server speaks DTLS, whatever the client speaks; with `udp://` it does not, and a client's DTLS ends here.
"""

import logging

from midstream.errors import UsageError
from midstream.flow import Cert, Server
from midstream.hooks.table import HookTable
from midstream.options.modes import ModeSpec
from midstream.pki.names import LeafNames
from midstream.proxy.clientdtls import ClientWords, NewHello
from midstream.proxy.clienttls import hear_client_hello
from midstream.proxy.datagrams import DatagramClient
from midstream.proxy.failure import level_of
from midstream.proxy.handshake import shake_with_client, shake_with_server
from midstream.proxy.policy import Action, authority_name
from midstream.proxy.serverside import server_name
from midstream.proxy.udp import Relay
from midstream.wire.errors import PeerError
from midstream.wire.tls.datagrams import DtlsEndpoint
from midstream.wire.tls.dtls import HANDSHAKE_FAILURE, alert
from midstream.wire.tls.hello import ClientHello

_NOBODY = HookTable()
"""Those who hear of what is relayed untouched."""
_log = logging.getLogger("midstream.proxy")


async def relay_datagrams(talker: DatagramClient) -> None:
    """Relay what a client sends, until nothing has come for a while."""
    await _Layers(talker).run()


class _Layers:
    """One client and what it speaks."""

    def __init__(self, talker: DatagramClient) -> None:
        self._talker = talker
        self._session = talker.session
        self._client = talker.client
        mode = talker.client.proxy_mode
        assert isinstance(mode, ModeSpec)
        assert mode.address is not None
        self._host, self._port = mode.address
        self._server = Server(address=mode.address, transport_protocol="udp")
        self._is_dtls = mode.scheme == "dtls"
        """The server speaks DTLS."""
        self._words = ClientWords(talker)
        self._must_see_server = False
        self._is_awaited = False
        """The client waits for an answer to its hello."""

    async def run(self) -> None:
        decision = self._session.policy.decide(self._names())
        if decision.action is Action.IGNORE and decision.is_final:
            await self._relay_untouched()
            return
        hello = await self._words.hello(drops_strays=self._is_dtls)
        if self._talker.is_over:
            return
        if await self._is_to_be_ignored(hello):
            if hello is not None:
                self._talker.unread(self._words.seen)
            await self._relay_untouched()
            return
        if hello is not None and (hello := await self._words.confirmed(hello)) is None:
            return
        await self._relay(hello)

    def _names(self) -> list[str]:
        sni = self._client.sni
        return [authority_name(self._host, self._port), *([authority_name(sni, self._port)] if sni else [])]

    async def _is_to_be_ignored(self, hello: ClientHello | None) -> bool:
        if hello is not None:
            heard = await hear_client_hello(self._session, self._client, self._server, hello)
            self._must_see_server = heard.establish_server_tls_first
            if heard.ignore_connection:
                return True
        return self._session.policy.decide(self._names()).action is Action.IGNORE

    async def _relay_untouched(self) -> None:
        """Relay what comes as it comes, recorded only if the options ask for it."""
        is_shown = self._session.options.show_ignored_hosts
        relay = Relay(self._talker, self._server, self._session.hooks if is_shown else _NOBODY)
        await self._carry(relay, None, opens_dtls=False)

    async def _relay(self, hello: ClientHello | None) -> None:
        relay = Relay(self._talker, self._server, self._session.hooks)
        await self._carry(relay, hello, opens_dtls=True)

    async def _carry(self, relay: Relay, hello: ClientHello | None, *, opens_dtls: bool) -> None:
        problem = ""
        self._is_awaited = opens_dtls and hello is not None
        try:
            await relay.open()
            if opens_dtls:
                await self._shake_hands(relay, hello)
            await relay.converse()
        except PeerError as error:
            problem = error.message
            self._tell(error)
        except UsageError as error:
            problem = str(error)
            _log.error("%s: %s", self._name(), error)
        finally:
            if self._is_awaited:
                self._talker.send(alert(HANDSHAKE_FAILURE, self._words.sequence))
            relay.close()
        await relay.end(problem)

    def _tell(self, error: PeerError) -> None:
        self._client.error = self._client.error or error.message
        _log.log(level_of(error), "%s: %s", self._name(), error)

    def _name(self) -> str:
        return authority_name(*(self._client.peername or ("client", 0))[:2])

    # Handshakes.

    async def _shake_hands(self, relay: Relay, hello: ClientHello | None) -> None:
        """Open DTLS on both sides, as far as they speak it."""
        wants_chain = self._session.options.upstream_cert or self._must_see_server or hello is None
        if self._is_dtls and wants_chain:
            await self._secure_server(relay)
        if hello is not None:
            await self._secure_client(relay, hello)
        if self._is_dtls and not wants_chain:
            await self._secure_server(relay)

    async def _secure_server(self, relay: Relay) -> None:
        """Shake hands with the server.

        Raises:
            PeerError: That failed (502, 504).

        """
        server, session = self._server, self._session
        server.tls = True
        server.sni = self._server_name()
        server.alpn_offers = tuple(self._client.alpn_offers)
        endpoint = session.tls.server_datagrams(self._host, sni=server.sni, alpn=server.alpn_offers)
        await shake_with_server(session, self._client, server, relay.server_leg(endpoint))

    async def _secure_client(self, relay: Relay, hello: ClientHello) -> None:
        """Shake hands with the client, with a certificate like the server's.

        Raises:
            PeerError: The client gave up.

        """
        session, client, server, talker = self._session, self._client, self._server, self._talker
        chain = tuple(cert.der for cert in server.certificate_list)
        hostname = client.sni or self._host
        names = LeafNames.mirror(chain[0] if chain else None, hostname)
        alpn = (server.alpn,) if server.alpn else ()
        endpoint = session.tls.client_datagrams(names, alpn=alpn, upstream_chain=chain)
        client.mitmcert = Cert(session.tls.store.leaf_for(names).certificate)
        new_hello = NewHello(talker, hello)

        def begin(endpoint: DtlsEndpoint) -> None:
            self._is_awaited = False
            talker.take()  # what has come meanwhile says the hello again
            talker.reads = lambda data: None if new_hello.is_in(data) else leg.received(data)
            endpoint.adopt(hello, self._words.sequence)

        leg = relay.client_leg(endpoint, begin)
        try:
            await shake_with_client(session, client, server, leg)
        except PeerError as error:
            raise PeerError(f"{hostname}: {error.message}", error.reference) from error

    def _server_name(self) -> str | None:
        """Return the name to ask the server for: the target's, unless clients' own are to be kept."""
        kept = server_name(self._client.sni or "") if self._session.settings.keep_host_header else None
        return kept or server_name(self._host)
