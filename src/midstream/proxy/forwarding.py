"""A request that is passed on to its server, and the answer, from head to end, giving every hook its turn.

Bytes flow on as they come; a body is held back only where an addon may change it, and the flow says why. A body that is
here whole when its turn comes is passed on whole.
"""

from midstream.flow import Headers, Message, Response, Server
from midstream.flow.connection import Via
from midstream.hooks.table import Handler
from midstream.proxy.bodies import check_size, collect, forward, reason_to_hold, send_end, size_of
from midstream.proxy.conversation import Conversation
from midstream.proxy.exchange import Exchange
from midstream.proxy.failure import Failed, client_failure, server_failure
from midstream.proxy.heads import request_head, response_head
from midstream.proxy.messages import MessageBody, message_body
from midstream.proxy.origin import Origin
from midstream.proxy.session import Session
from midstream.proxy.streams import ClientStream, ServerStream, Stream
from midstream.proxy.surroundings import Surroundings
from midstream.proxy.target import named_host
from midstream.proxy.upload import Upload
from midstream.wire.events import Data, End, Event, RequestHead, Reset, ResponseHead

IDEMPOTENT = frozenset({b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"})
CONTINUE = ResponseHead(100, b"Continue", b"HTTP/1.1", [])
UNASKED = "the server switched to another protocol without having been asked"


class ForwardedExchange(Exchange):
    """One request, and what its server answers."""

    _upload: Upload | None = None
    """The request body, if it streams."""
    _conversation: Conversation | None = None
    """The messages inside the bodies, if hooks are told of them."""
    _may_switch = False
    """The request asks for another protocol."""

    def __init__(self, session: Session, around: Surroundings, client: ClientStream, head: RequestHead) -> None:
        super().__init__(session, around, client, head)
        self._server: ServerStream | None = None

    async def _relay(self) -> None:
        flow, hooks = self.flow, self._hooks
        if hooks.requestheaders:
            await self._tell(hooks.requestheaders)
        if hooks.hosts and flow.response is None and (server := self._addon_server()) is not None:
            await self._tell((server,))
        if flow.response is None and self.head.body_size != 0:
            await self._take_request_body()
        if hooks.request and self._upload is None:
            await self._tell(hooks.request)
        if flow.response is None:
            await self._fetch()
        else:
            await self._answer()
        self._finish()

    # The request.

    def _addon_server(self) -> Handler | None:
        """Return the addon that is the server of this request's host, if there is one."""
        hosts = self._hooks.hosts
        server = hosts.get(self.flow.request.host)
        named = self.flow.client_authority or self.head.host
        if server is None and named and not self._around.way.is_explicit:
            server = hosts.get(named_host(named))
        return server

    async def _take_request_body(self) -> None:
        """Read the whole body if it is to be held back; else leave it to an `Upload`."""
        request, head, settings = self.flow.request, self.head, self._settings
        check_size(head.body_size, settings, 413)
        reason = ""
        if self._hooks.holds_request:
            reason = reason_to_hold(request, head.body_size, settings.stream_large_bodies)
        if not reason:
            self._let_stream([])
            return
        self.flow.held_back = reason
        if head.expects_continue and not self._client.inbox.events:
            self._client.send(CONTINUE)
        got = await collect(self._client.inbox, request, settings, 413)
        if got.end is None:
            self.flow.held_back = ""
            self._let_stream(got.pieces)
            return
        if type(got.end) is not End:
            raise client_failure(got.end)
        request.body = b"".join(got.pieces)
        self._secret_trailers = got.never_indexed
        request.timestamp_end = self._session.time()

    def _let_stream(self, pieces: list[bytes]) -> None:
        inbox, request = self._client.inbox, self.flow.request
        self._upload = Upload(self._session, inbox, request, pieces, self._tell, self._step.throw)

    async def _fetch(self) -> None:
        """Send the request, and relay the response."""
        is_edited = self.flow.request.edited
        if is_edited:
            request = self.flow.request
            self._target = self._target.moved_to(request.scheme, request.host, request.port)
        server = self._idle_server() or await self._open_server()
        try:
            came = await self._ask(server, is_edited=is_edited)
        except Failed as failure:
            if not self._may_ask_again(failure):
                raise
            came = await self._ask(await self._open_server(), is_edited=is_edited)
        await self._relay_response(came)

    @property
    def _is_repeatable(self) -> bool:
        """Nothing of the request was streamed, and sending it twice does no harm (RFC 9110 §9.2.2)."""
        return self._upload is None and self.head.method in IDEMPOTENT

    def _may_ask_again(self, failure: Failed) -> bool:
        """Tell whether the request can be sent once more after `failure` (H2-05); messages inside it are told once."""
        if failure.is_refused:
            return self._upload is None or (self._conversation is None and self._upload.recall())
        return failure.is_stale and self._is_repeatable

    async def _ask(self, server: ServerStream, *, is_edited: bool) -> ResponseHead:
        """Send the request, as it came unless it was edited, and return the head of the final response."""
        self._server = server
        self.flow.server_conn = server.server
        may_be_stale = not server.is_fresh
        server.borrow()
        if self._may_switch:
            await server.introduced()
        self._send_request(server, is_edited=is_edited)
        if server.id:
            self.flow.server_stream_id = server.id
            if self._settings.http2_priority:
                self._client.lend_priority(server)
        inbox = server.inbox
        while True:
            if not inbox.events:
                await inbox
            event = inbox.take()
            if type(event) is not ResponseHead:
                self._drop_server()
                raise server_failure(event, is_stale=may_be_stale and type(event) is Reset)
            if event.status >= 200:
                return event
            if event.status == 101:
                if not self._may_switch:
                    raise Failed(UNASKED)
                return event
            may_be_stale = False
            await self._relay_interim(event)

    def _idle_server(self) -> ServerStream | None:
        """Take a connection from the pool."""
        wanted = self.flow.server_conn
        origin = self._origin(wanted.via)
        return self._around.idle_stream(origin, is_repeatable=self._is_repeatable)

    async def _open_server(self) -> ServerStream:
        target, wanted = self._target, self.flow.server_conn
        if wanted.timestamp_start is not None:  # a connection that failed this exchange
            wanted = Server(address=(target.host, target.port), via=wanted.via)
        elif wanted.address != (target.host, target.port):
            wanted.address = (target.host, target.port)
        return await self._around.open_stream(self._origin(wanted.via), wanted)

    def _origin(self, via: Via | None) -> Origin:
        target = self._target
        return self._around.origin(target.scheme, target.host, target.port, via)

    def _send_request(self, server: ServerStream, *, is_edited: bool) -> None:
        request, head, upload = self.flow.request, self.head, self._upload
        via = server.origin.via
        is_for_parent = (
            via is not None and via[0] != "socks5" and self._target.scheme == "http" and not server.origin.is_tunnelled
        )
        if upload is not None and not upload.is_recorded:
            inside = self._messages_in(request, server)
            may_grow = callable(request.stream) or (inside is not None and inside.may_edit)
            size = None if may_grow else head.body_size
            server.send(self._request_head(size, is_for_parent=is_for_parent))
            upload.start(server, inside.rewrite if inside is not None else None)
            return
        content = None
        if is_edited or head.body_size != 0:
            content = request.raw_content
            if head.expects_continue:
                request.headers.pop("expect", None)  # it has been answered
        content = content or b""
        out = self._request_head(size_of(request, content, head), is_for_parent=is_for_parent)
        if request.trailers is None:
            server.send_whole(out, content)
        else:
            server.send(out, Data(content))
            send_end(server, request, self._secret_trailers)

    def _request_head(self, size: int | None, *, is_for_parent: bool) -> RequestHead:
        return request_head(
            self.flow.request,
            self.head,
            self._target,
            size,
            is_for_parent=is_for_parent,
            passes_priority=self._settings.http2_priority,
        )

    # The response.

    async def _relay_interim(self, came: ResponseHead) -> None:
        """Pass on a 1xx, which HTTP/1.0 clients would not understand (RFC 9110 §15.2)."""
        interim = Response(came.version, came.status, came.reason, Headers.wrap(came.headers), b"")
        self.flow.informational.append(interim)
        if self._hooks.informational:
            await self._tell(self._hooks.informational)
        if self.head.version != b"HTTP/1.0":
            self._client.send(response_head(interim, came, 0))

    async def _relay_response(self, came: ResponseHead) -> None:
        flow, hooks, settings = self.flow, self._hooks, self._settings
        now = self._session.time()
        flow.response = response = Response(
            came.version, came.status, came.reason, Headers.wrap(came.headers), None, None, now
        )
        if came.faults:
            self._annotate(came.faults)
        if came.status in {401, 407}:
            self._notice_bound_authentication(response)
        if hooks.responseheaders:
            await self._tell(hooks.responseheaders)
            if flow.response is not response:
                self._drop_server()
                if self._upload is not None:
                    self._client.say_close()
                if hooks.response:
                    await self._tell(hooks.response)
                self._send_response(None)
                return
        assert self._server is not None
        inside = self._messages_in(response, self._client) if came.body_size != 0 else None
        whole = self._server.inbox.take_whole() if not response.stream and inside is None else None
        if settings.body_size_limit:
            check_size(came.body_size if whole is None else len(whole.data), settings, 502)
        if whole is not None:
            response.body = whole.data
            response.timestamp_end = now
            self._release_server()
            if hooks.response:
                await self._tell(hooks.response)
            self._send_response(came, whole)
            return
        await self._relay_body(came, response, inside)

    async def _relay_body(self, came: ResponseHead, response: Response, inside: MessageBody | None) -> None:
        """Relay a response whose body is still coming: held back for the hooks, or as it comes."""
        assert self._server is not None
        flow, settings, inbox = self.flow, self._settings, self._server.inbox
        pieces: list[bytes] = []
        held_before = flow.held_back
        reason = ""
        if self._hooks.holds_response:
            reason = reason_to_hold(response, came.body_size, settings.stream_large_bodies)
        if reason:
            flow.held_back = reason
            got = await collect(inbox, response, settings, 502)
            if got.end is not None:
                response.body = b"".join(got.pieces)
                self._secret_trailers = got.never_indexed
                self._end_response(got.end, response)
                if self._hooks.response:
                    await self._tell(self._hooks.response)
                self._send_response(came)
                return
            flow.held_back = held_before
            pieces = got.pieces
        may_grow = callable(response.stream) or (inside is not None and inside.may_edit)
        size = None if may_grow and came.body_size else came.body_size
        self._client.send(response_head(response, came, size))
        self._is_answered = True
        rewrite = inside.rewrite if inside is not None else None
        end = await forward(inbox, self._client, response, pieces, settings, 502, rewrite)
        self._end_response(end, response)
        if self._hooks.response:
            await self._tell(self._hooks.response)

    def _end_response(self, end: Event, response: Response) -> None:
        if type(end) is not End:
            raise server_failure(end)
        response.timestamp_end = self._session.time()
        if end.faults:
            self._annotate(end.faults)
        self._release_server()

    async def _answer(self) -> None:
        """Send a response that a hook made instead of the server's."""
        if self._upload is not None or (self.head.body_size != 0 and self.flow.request.timestamp_end is None):
            self._client.say_close()  # the rest of the request was not read
        if self._hooks.responseheaders:
            await self._tell(self._hooks.responseheaders)
        if self._hooks.response:
            await self._tell(self._hooks.response)
        self._send_response(None)

    def _messages_in(self, message: Message, sink: Stream) -> MessageBody | None:
        """Return what tells hooks of the messages inside a body; None if nobody listens, or a script rewrites the body."""
        hooks = self._hooks
        if not (hooks.grpc_message or hooks.sse_event) or callable(message.stream):
            return None
        if self._conversation is None:
            self._conversation = Conversation(self._session, self.flow, self._tell)
        return message_body(self._conversation, message, sink)

    # The end.

    def _finish(self) -> None:
        if self._upload is not None:
            if not self._upload.is_done:
                self._client.say_close()
            self._stop_upload()
        if self._server is not None:
            self._drop_server()
        super()._finish()

    def _let_go(self, code: int | None) -> None:
        self._stop_upload()
        self._drop_server(code)

    def _stop_upload(self) -> None:
        upload, self._upload = self._upload, None  # which knows our methods: no cycle is left behind
        if upload is not None:
            upload.stop()

    def _release_server(self) -> None:
        server = self._server
        if server is not None and (self._upload is None or self._upload.is_done):
            self._server = None
            server.finish()

    def _drop_server(self, code: int | None = None) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.abort(code)

    def _notice_bound_authentication(self, response: Response) -> None:
        challenges = response.headers.get_all("www-authenticate") + response.headers.get_all("proxy-authenticate")
        if any(challenge.lower().startswith(("ntlm", "negotiate")) for challenge in challenges):
            self._around.bind_to_client()
            server = self._server
            if server is not None:
                server.origin = self._origin(server.server.via)
