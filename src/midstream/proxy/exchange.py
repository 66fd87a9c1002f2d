"""One request and its answer, from head to end, giving every hook its turn.

Bytes flow on as they come; a body is held back only where an addon may change it, and the flow says why. A body that is
here whole when its turn comes is passed on whole. The coroutine awaits three kinds of thing: the events of the two streams,
hooks, and the pool. While a request body streams, a second coroutine forwards it, so that an early answer is passed on at once.
"""

from collections.abc import Iterable

from midstream.errors import UsageError
from midstream.flow import (
    Annotation,
    Body,
    BodyState,
    Error,
    Headers,
    HTTPFlow,
    Message,
    Request,
    Response,
    Server,
    WebSocketData,
)
from midstream.flow.connection import Via
from midstream.hooks.table import Handler, Handlers, dispatch
from midstream.proxy.bodies import check_size, collect, forward, reason_to_hold, send_end, size_of
from midstream.proxy.conversation import Conversation
from midstream.proxy.failure import ClientLeft, Failed, client_failure, server_failure
from midstream.proxy.heads import asks_for_h2c, request_head, response_head, set_host
from midstream.proxy.messages import MessageBody, message_body
from midstream.proxy.opened import Opened, agree_with_client, agree_with_server, offer
from midstream.proxy.origin import Origin
from midstream.proxy.refusal import refuse
from midstream.proxy.session import Session
from midstream.proxy.stepper import Signal, Step
from midstream.proxy.streams import ClientStream, ServerStream, Stream
from midstream.proxy.surroundings import Surroundings
from midstream.proxy.switched import Switched
from midstream.proxy.target import Target, named_host, resolve
from midstream.wire.errors import Fault, PeerError, Profile
from midstream.wire.events import Data, End, Event, RequestHead, Reset, ResponseHead
from midstream.wire.ws.handshake import Opening

IDEMPOTENT = frozenset({b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"})
CONTINUE = ResponseHead(100, b"Continue", b"HTTP/1.1", [])
SCHEMES = {"http": b"http", "https": b"https"}


class Exchange:
    """One request on one client stream."""

    flow: HTTPFlow
    _step: Step
    _target: Target
    _server: ServerStream | None = None
    _upload: Step | None = None
    _to_stream: list[bytes] | None = None
    """Pieces of the request body that were read before it was decided to stream it; None if it is not streamed."""
    _secret_trailers: frozenset[tuple[bytes, bytes]] = frozenset()
    """Trailer fields, of the message that is held back, that are to be in nobody's compression table."""
    _has_switched = False
    """Flow and connections are somebody else's now."""
    _is_answered = False
    """The head of the final response has been sent."""
    _telling = 0
    """How many of our two coroutines are calling hooks."""
    _opening: Opening | None = None
    """What the request asks for, if that is a WebSocket connection."""
    _held: tuple[Signal[None], ...] = ()
    """What they wait for, if the flow is intercepted."""
    _conversation: Conversation | None = None
    """The messages inside the bodies, if hooks are told of them."""

    def __init__(self, session: Session, around: Surroundings, client: ClientStream, head: RequestHead) -> None:
        self.head = head
        self._session = session
        self._settings = session.settings
        self._hooks = session.hooks
        self._around = around
        self._client = client

    def step(self) -> Step:
        """Return the step that runs this exchange; the caller starts it."""
        self._step = step = Step(self._run())
        return step

    async def _run(self) -> None:
        try:
            self._begin()
            await self._relay()
        except ClientLeft as left:
            await self._fail(Failed(left.message, 0, code=left.code))
        except Failed as failure:
            await self._fail(failure)
        except PeerError as error:
            await self._fail(Failed(str(error), error.status))
        except UsageError as error:
            await self._fail(Failed(f"an addon made a message that cannot be sent: {error}"))

    async def _relay(self) -> None:
        flow, hooks = self.flow, self._hooks
        if hooks.requestheaders:
            await self._tell(hooks.requestheaders)
        if hooks.hosts and flow.response is None and (server := self._addon_server()) is not None:
            await self._tell((server,))
        if flow.response is None and self.head.body_size != 0:
            await self._take_request_body()
        if hooks.request and self._to_stream is None:
            await self._tell(hooks.request)
        if flow.response is None:
            await self._fetch()
        else:
            await self._answer()
        self._finish()

    # The request.

    def _begin(self) -> None:
        """Make the flow."""
        session, head, around = self._session, self.head, self._around
        now = session.time()
        named = head.host
        try:
            self._target = target = resolve(head, around.way, self._settings.profile)
        except PeerError:
            headers = Headers.wrap(head.headers)
            self._make_flow(Request("", 0, head.method, b"", b"", head.target, head.version, headers, None, None, now))
            raise
        if (host := around.host_field or target.host_field) is not None and host != named:
            set_host(head, host)  # hooks see what is sent
            if head.authority:
                target.authority = host
        is_whole = head.body_size == 0
        self._make_flow(
            Request(
                target.host,
                target.port,
                head.method,
                SCHEMES[target.scheme],
                target.authority,
                target.path,
                head.version,
                Headers.wrap(head.headers),
                b"" if is_whole else None,
                None,
                now,
                now if is_whole else None,
            )
        )
        if around.host_field is not None and named != around.host_field:
            self.flow.client_authority = named
        if head.faults:
            self._annotate(head.faults)
        if around.sni is not None and named is not None:
            self._compare_names(named, around.sni)

    def _compare_names(self, named: bytes, sni: str) -> None:
        """Note a request for another server than the one that TLS was made with (TLS-26)."""
        if named_host(named) != sni.lower():
            message = f"the request is for {named.decode('latin-1')}, the TLS handshake was with {sni}"
            self._annotate((Fault(message, "RFC 9110 §7.4"),))

    def _make_flow(self, request: Request) -> None:
        server = Server.towards((request.host, request.port), self._around.via)
        self.flow = flow = HTTPFlow.begin(self._around.client, server, request)
        if self._client.id:
            flow.stream_id = self._client.id

    def _addon_server(self) -> Handler | None:
        """Return the addon that is the server of this request's host, if there is one."""
        hosts = self._hooks.hosts
        server = hosts.get(self.flow.request.host)
        named = self.flow.client_authority or self.head.host
        if server is None and named and not self._around.way.is_explicit:
            server = hosts.get(named_host(named))
        return server

    async def _take_request_body(self) -> None:
        """Read the whole body if it is to be held back; else leave it to `_stream_request`."""
        request, head, settings = self.flow.request, self.head, self._settings
        check_size(head.body_size, settings, 413)
        reason = ""
        if self._hooks.holds_request:
            reason = reason_to_hold(request, head.body_size, settings.stream_large_bodies)
        if not reason:
            self._to_stream = []
            return
        self.flow.held_back = reason
        if head.expects_continue and not self._client.inbox.events:
            self._client.send(CONTINUE)
        got = await collect(self._client.inbox, request, settings, 413)
        if got.end is None:
            self.flow.held_back = ""
            self._to_stream = got.pieces
            return
        if type(got.end) is not End:
            raise client_failure(got.end)
        request.body = b"".join(got.pieces)
        self._secret_trailers = got.never_indexed
        request.timestamp_end = self._session.time()

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
        if came.status == 101 or (self.head.method == b"CONNECT" and 200 <= came.status < 300):
            await self._switch(came)
        else:
            await self._relay_response(came)

    @property
    def _is_repeatable(self) -> bool:
        """Nothing of the request was streamed, and sending it twice does no harm (RFC 9110 §9.2.2)."""
        return self._to_stream is None and self.head.method in IDEMPOTENT

    def _may_ask_again(self, failure: Failed) -> bool:
        """Tell whether the request can be sent once more after `failure` (H2-05)."""
        if failure.is_refused:
            return self._to_stream is None or self._recall_body()
        return failure.is_stale and self._is_repeatable

    def _recall_body(self) -> bool:
        """Take back what was streamed of the request body; False if the record does not hold all of it, as it came.

        Messages inside of it have been told, and trailers may have been secret, which no record knows.
        """
        request = self.flow.request
        kept = request.body
        if type(kept) is not Body or kept.state is not BodyState.MEMORY or request.trailers is not None:
            return False
        if callable(request.stream) or self._conversation is not None:
            return False
        if request.timestamp_end is not None:
            self._to_stream = None  # it is whole, and may still be with hooks
        else:
            self._stop_upload()
            self._to_stream = [kept.content or b""] if kept.size else []
        return True

    async def _ask(self, server: ServerStream, *, is_edited: bool) -> ResponseHead:
        """Send the request, as it came unless it was edited, and return the head of the final response."""
        self._server = server
        self.flow.server_conn = server.server
        may_be_stale = not server.is_fresh
        server.borrow()
        if self.head.upgrade or self.head.protocol:
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
            if event.status >= 200 or event.status == 101:
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
        target, head = self._target, self.head
        is_upgrade = bool(head.upgrade) and not asks_for_h2c(head)
        return self._around.origin(target.scheme, target.host, target.port, via, is_upgrade=is_upgrade)

    def _send_request(self, server: ServerStream, *, is_edited: bool) -> None:
        request, head = self.flow.request, self.head
        if head.upgrade or head.protocol:
            self._opening = self._offer_websocket()
        via = server.origin.via
        is_for_parent = (
            via is not None and via[0] != "socks5" and self._target.scheme == "http" and not server.origin.is_tunnelled
        )
        if self._to_stream is not None:
            inside = self._messages_in(request, server)
            may_grow = callable(request.stream) or (inside is not None and inside.may_edit)
            size = None if may_grow else head.body_size
            server.send(self._request_head(size, is_for_parent=is_for_parent))
            self._upload = Step(self._stream_request(server, inside), self._upload_ended)
            self._upload.start()
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

    async def _stream_request(self, server: ServerStream, inside: MessageBody | None) -> None:
        """Forward the request body as it comes."""
        request, rewrite = self.flow.request, inside.rewrite if inside is not None else None
        end = await forward(self._client.inbox, server, request, self._to_stream or (), self._settings, 413, rewrite)
        if type(end) is not End:
            raise client_failure(end)
        server.await_answer()
        request.timestamp_end = self._session.time()
        if self._hooks.request:
            await self._tell(self._hooks.request)

    def _upload_ended(self, error: BaseException | None) -> None:
        if isinstance(error, PeerError):
            error = Failed(str(error), error.status)
        elif isinstance(error, UsageError):
            error = Failed(f"an addon made a message that cannot be sent: {error}")
        if error is not None and not isinstance(error, ClientLeft):
            self._step.throw(error)

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

    def _send_response(self, came: ResponseHead | None, original: Data | None = None) -> None:
        """Send a response that is complete; `original` is its body as it came, if that was in one piece."""
        response = self.flow.response
        assert response is not None
        client = self._client
        if original is None or came is None or response.edited:
            content = response.raw_content or b""
            size = size_of(response, content, came) if came is None or response.edited else came.body_size
            head = response_head(response, came, size)
        else:
            content = original.data
            head = came if came.block else response_head(response, came, came.body_size)
        if response.trailers is None:
            client.send_whole(head, content)
            self._is_answered = True
        else:
            client.send(head)
            self._is_answered = True
            client.send(Data(content))
            send_end(client, response, self._secret_trailers)

    async def _answer(self) -> None:
        """Send a response that a hook made instead of the server's."""
        if self._to_stream is not None or (self.head.body_size != 0 and self.flow.request.timestamp_end is None):
            self._client.say_close()  # the rest of the request was not read
        if self._hooks.responseheaders:
            await self._tell(self._hooks.responseheaders)
        if self._hooks.response:
            await self._tell(self._hooks.response)
        self._send_response(None)

    def _offer_websocket(self) -> Opening | None:
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

    async def _switch(self, came: ResponseHead) -> None:
        """Pass on 101 (or 2xx to a CONNECT that was not for us) and let the connections go on as another protocol."""
        assert self._server is not None
        if came.status == 101 and (not self.head.upgrade or asks_for_h2c(self.head)):
            raise Failed("the server switched to another protocol without having been asked")
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

    def _messages_in(self, message: Message, sink: Stream) -> MessageBody | None:
        """Return what tells hooks of the messages inside a body; None if nobody listens, or a script rewrites the body."""
        hooks = self._hooks
        if not (hooks.grpc_message or hooks.sse_event) or callable(message.stream):
            return None
        if self._conversation is None:
            self._conversation = Conversation(self._session, self.flow, self._tell)
        return message_body(self._conversation, message, sink)

    # Ends.

    async def _tell(self, handlers: Handlers) -> None:
        """Call hooks; hold the flow if one of them intercepted it, and end it if one killed it."""
        flow = self.flow
        request, response = flow.request, flow.response
        self._telling += 1
        try:
            await dispatch(handlers, flow)
        finally:
            self._telling -= 1
        if flow.request is not request:
            flow.request.headers.edited = True  # nothing of it is what came
        if flow.response is not response and flow.response is not None:
            flow.response.headers.edited = True
        flow.on_release = self._released
        if flow.intercepted:
            held: Signal[None] = Signal()
            self._held = (*self._held, held)
            await held
        if flow.error is not None:
            raise Failed(flow.error.msg, 0)

    def _released(self) -> None:
        """Go on with a flow that was held; end one that was killed while no hook had it."""
        flow = self.flow
        held, self._held = self._held, ()
        if held:
            flow.on_release = self._released
        for signal in held:
            signal.set(None)
        if not held and not self._telling and flow.error is not None:
            self._step.throw(Failed(flow.error.msg, 0))

    def _finish(self) -> None:
        if self._has_switched:
            return
        self.flow.live = False
        self.flow.on_release = None
        if self._upload is not None and not self._upload.is_done:
            self._client.say_close()
            self._stop_upload()
        if self._server is not None:
            self._drop_server()
        self._client.finish()

    async def _fail(self, failure: Failed) -> None:
        """End the exchange in an error: on the record, to the hooks, and for the client."""
        flow = self.flow
        flow.on_release = None
        self._stop_upload()
        self._drop_server(failure.code)
        if flow.error is None:
            flow.error = Error(failure.message, self._session.time())
        if self._hooks.error:
            await self._report()
        flow.live = False
        client = self._client
        if self._is_answered or not failure.status or (failure.code is not None and client.passes_codes):
            client.abort(failure.code)
            return
        refuse(client, failure.status, failure.message)

    async def _report(self) -> None:
        try:
            await dispatch(self._hooks.error, self.flow)
        except ClientLeft:
            pass  # it was told that already, or it changes nothing any more

    def _stop_upload(self) -> None:
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.throw(ClientLeft())

    def _release_server(self) -> None:
        server = self._server
        if server is not None and (self._upload is None or self._upload.is_done):
            self._server = None
            server.finish()

    def _drop_server(self, code: int | None = None) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.abort(code)

    # Notes.

    def _annotate(self, faults: Iterable[Fault]) -> None:
        self.flow.annotations.extend(Annotation(fault.message, fault.reference) for fault in faults)

    def _notice_bound_authentication(self, response: Response) -> None:
        challenges = response.headers.get_all("www-authenticate") + response.headers.get_all("proxy-authenticate")
        if any(challenge.lower().startswith(("ntlm", "negotiate")) for challenge in challenges):
            self._around.bind_to_client()
            server = self._server
            if server is not None:
                server.origin = self._origin(server.server.via)
