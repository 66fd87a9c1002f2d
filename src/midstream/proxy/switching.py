"""Requests that ask for another protocol: by Upgrade, by extended CONNECT, or by a CONNECT that the server is to judge."""

from midstream.flow import Headers, Response, WebSocketData
from midstream.flow.connection import Via
from midstream.proxy.failure import Failed
from midstream.proxy.forwarding import UNASKED, ForwardedExchange
from midstream.proxy.heads import asks_for_h2c, response_head
from midstream.proxy.opened import Opened, agree_with_client, agree_with_server, offer
from midstream.proxy.origin import Origin
from midstream.proxy.streams import ServerStream
from midstream.proxy.switched import Switched
from midstream.wire.errors import Fault, PeerError, Profile
from midstream.wire.events import RequestHead, ResponseHead
from midstream.wire.ws.handshake import Opening


class SwitchingExchange(ForwardedExchange):
    """A request after which both sides may go on in another protocol."""

    _may_switch = True
    _has_switched = False
    """Flow and connections are somebody else's now."""
    _opening: Opening | None
    """What the request that has been sent asks for, if that is a WebSocket connection."""

    def _origin(self, via: Via | None) -> Origin:
        target, head = self._target, self.head
        is_upgrade = bool(head.upgrade) and not asks_for_h2c(head)
        return self._around.origin(target.scheme, target.host, target.port, via, is_upgrade=is_upgrade)

    def _send_request(self, server: ServerStream, *, is_edited: bool) -> None:
        self._opening = self._offer() if self.head.upgrade or self.head.protocol else None
        super()._send_request(server, is_edited=is_edited)

    def _offer(self) -> Opening | None:
        """Return what the request asks for if WebSocket is to be read; one that asks wrongly is the server's to judge."""
        if not self._settings.websocket:
            return None
        try:
            return offer(self.flow.request, self.head)
        except PeerError as error:
            if self._settings.profile is Profile.STRICT:
                raise
            self._annotate((Fault(error.message, error.reference),))
            return None

    async def _relay_response(self, came: ResponseHead) -> None:
        if came.status == 101 or (self.head.method == b"CONNECT" and 200 <= came.status < 300):
            await self._switch(came)
        else:
            await super()._relay_response(came)

    async def _switch(self, came: ResponseHead) -> None:
        """Pass on 101 (or 2xx to a CONNECT that was not for us) and let the connections go on as another protocol."""
        assert self._server is not None
        if came.status == 101 and (not self.head.upgrade or asks_for_h2c(self.head)):
            raise Failed(UNASKED)
        flow, opening = self.flow, self._opening
        with_server = None if opening is None else agree_with_server(opening, came)
        now = self._session.time()
        flow.response = Response(
            came.version, came.status, came.reason, Headers.wrap(came.headers), b"", None, now, now
        )
        if opening is not None:
            flow.websocket = WebSocketData()
        for handlers in (self._hooks.responseheaders, self._hooks.response):
            if handlers:
                await self._tell(handlers)
        if flow.response.status_code != came.status:
            self._refuse_switch()
            return
        opened = None if opening is None else Opened(agree_with_client(opening, flow.response), with_server)
        self._client.send(response_head(flow.response, came, 0))
        server, self._server = self._server, None
        self._has_switched = True
        if opened is None:
            flow.live = False
            flow.on_release = None
        self._around.switch(Switched(flow, server.server, self._client.detach(), server.detach(), opened))

    def _refuse_switch(self) -> None:
        """Answer with what hooks have put in the place of the server's consent; this stays HTTP."""
        self.flow.websocket = None
        self._drop_server()
        self._send_response(None)

    def _finish(self) -> None:
        if not self._has_switched:
            super()._finish()


def may_switch(head: RequestHead) -> bool:
    """Tell whether a request may end in another protocol."""
    return bool(head.upgrade or head.protocol) or head.method == b"CONNECT"
