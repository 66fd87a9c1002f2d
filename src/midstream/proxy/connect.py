"""CONNECT in explicit modes: the request after which the connection goes on inside a tunnel (RFC 9110 §9.3.6)."""

from midstream.flow import Error, Headers, Response
from midstream.hooks.table import dispatch
from midstream.proxy.exchange import Exchange
from midstream.proxy.heads import response_head
from midstream.proxy.link import Link
from midstream.proxy.parent import ParentRefused
from midstream.wire.errors import PeerError
from midstream.wire.events import ResponseHead

ESTABLISHED = ResponseHead(200, b"Connection established", b"HTTP/1.1", [])
FRAMING = frozenset({b"transfer-encoding", b"content-length", b"connection", b"keep-alive", b"proxy-connection"})


class ConnectExchange(Exchange):
    """A CONNECT that is for us."""

    async def _relay(self) -> None:
        flow, hooks = self.flow, self._hooks
        if hooks.http_connect:
            await self._tell(hooks.http_connect)
        if flow.response is not None and not 200 <= flow.response.status_code < 300:
            if hooks.http_connect_error:
                await self._tell(hooks.http_connect_error)
            self._send_response(None)
            self._finish()
            return
        try:
            link = await self._around.open_tunnel(flow)
        except ParentRefused as refused:
            await self._pass_refusal(refused)
            return
        except PeerError as error:
            flow.error = Error(error.message, self._session.time())
            if hooks.http_connect_error:
                await dispatch(hooks.http_connect_error, flow)
            raise
        try:
            await self._establish(link)
        except BaseException:
            if link is not None:
                link.peer.close()
            raise

    async def _establish(self, link: Link | None) -> None:
        flow, head = self.flow, ESTABLISHED
        if flow.response is None:
            flow.response = Response(head.version, head.status, head.reason, Headers(), b"")
        else:
            head = response_head(flow.response, None, 0)
        if self._hooks.http_connected:
            await self._tell(self._hooks.http_connected)
        self._client.send(head)
        flow.live = False
        flow.on_release = None
        self._around.enter_tunnel(flow, link, self._client.detach())

    async def _pass_refusal(self, refused: ParentRefused) -> None:
        """Give the client the answer that the parent proxy gave us (MD-12)."""
        flow, head = self.flow, refused.head
        fields = Headers((name, value) for name, value in head.headers if name.lower() not in FRAMING)
        flow.response = Response(head.version, head.status, head.reason, fields, None, None, self._session.time())
        flow.response.body = refused.body
        flow.error = Error(refused.message, self._session.time())
        if self._hooks.http_connect_error:
            await dispatch(self._hooks.http_connect_error, flow)
        self._send_response(None)
        self._finish()
