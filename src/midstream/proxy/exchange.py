"""One request and its answer, from head to end, giving every hook its turn.

Bytes flow on as they come; a body is held back only where somebody may change it (`_holds`), and the flow says why. The
coroutine here awaits three kinds of thing: the events of the two streams, hooks, and the pool. While a request body streams,
a second coroutine forwards it (`_upload`), so that an answer that comes early is passed on at once.
"""

from collections.abc import Callable, Iterable
from typing import Protocol, cast

from midstream.errors import UsageError
from midstream.flow import Annotation, Body, Client, Error, Headers, HTTPFlow, Message, Request, Response, Server
from midstream.flow.connection import Via
from midstream.hooks.table import Handlers, dispatch
from midstream.proxy.heads import request_head, response_head
from midstream.proxy.http1 import ClientLeft, Http1Client, Http1Server
from midstream.proxy.origin import Origin
from midstream.proxy.parent import ParentRefused
from midstream.proxy.refusal import refusal
from midstream.proxy.session import Session
from midstream.proxy.stepper import Signal, Step
from midstream.proxy.target import Target, Way, resolve
from midstream.wire.errors import Fault, PeerError
from midstream.wire.events import END, Data, End, Event, RequestHead, Reset, ResponseHead, Trailers

IDEMPOTENT = frozenset({b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"})
NEVER_HELD = (b"text/event-stream", b"application/grpc")
"""Content types whose bodies go on for as long as both sides like."""
CONTINUE = ResponseHead(100, b"Continue", b"HTTP/1.1", [])
ESTABLISHED = ResponseHead(200, b"Connection established", b"HTTP/1.1", [])


class Failed(Exception):  # noqa: N818 - what happened to the exchange
    """The exchange cannot go on; `status` is what the client is told, 0 for a closed connection."""

    def __init__(self, message: str, status: int = 502, *, is_stale: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.is_stale = is_stale
        """The server connection ended before any answer came."""


class Surroundings(Protocol):
    """What an exchange needs of the client connection it is on."""

    client: Client
    way: Way
    via: Via | None
    host_field: bytes | None
    """What Host is to say in reverse mode; None to leave it."""

    def origin(self, scheme: str, host: str, port: int, via: Via | None) -> Origin:
        """Return under which origin the pool has connections for this destination."""

    async def stream_to(self, origin: Origin, server: Server, *, is_repeatable: bool) -> Http1Server:
        """Return a stream to `origin`, not yet borrowed."""

    async def open_tunnel(self, flow: HTTPFlow) -> None:
        """Connect to where CONNECT wants to go."""

    def enter_tunnel(self, flow: HTTPFlow, rest: bytes) -> None:
        """Go on with whatever comes through the tunnel, of which `rest` is here."""

    def switch(self, flow: HTTPFlow, server: Http1Server, from_client: bytes, from_server: bytes) -> None:
        """Relay another protocol after 101, of which some bytes are here."""

    def bind_to_client(self) -> None:
        """Stop sharing this client's server connections: authentication is bound to them."""


class Exchange:
    """One request on one client stream."""

    __slots__ = (
        "_around",
        "_came",
        "_client",
        "_hooks",
        "_is_answered",
        "_request_rest",
        "_server",
        "_session",
        "_step",
        "_target",
        "_upload",
        "_upload_error",
        "flow",
        "head",
    )

    def __init__(self, session: Session, around: Surroundings, client: Http1Client, head: RequestHead) -> None:
        self.flow: HTTPFlow
        self.head = head
        self._session = session
        self._hooks = session.hooks
        self._around = around
        self._client = client
        self._server: Http1Server | None = None
        self._came: ResponseHead | None = None
        self._target: Target
        self._upload: Step | None = None
        self._upload_error: Failed | None = None
        self._is_answered = False
        self._request_rest: list[bytes] | None = None
        """Pieces of the request body that were read before it was decided to stream it; None if it is complete."""

    def step(self) -> Step:
        """Return the step that runs this exchange; the caller starts it."""
        self._step = Step(self._run())
        return self._step

    async def _run(self) -> None:
        try:
            self._begin()
            await self._relay()
        except ClientLeft:
            await self._fail(Failed("the client disconnected", 0))
        except Failed as failure:
            await self._fail(failure)
        except PeerError as error:
            await self._fail(Failed(str(error), error.status))
        except UsageError as error:
            await self._fail(Failed(f"an addon made a message that cannot be sent: {error}", 502))

    async def _relay(self) -> None:
        flow = self.flow
        if self.head.method == b"CONNECT" and self._around.way.is_explicit:
            await self._connect()
            return
        hooks = self._hooks
        if hooks.requestheaders:
            await self._tell(hooks.requestheaders)
        if flow.response is None and self.head.body_size != 0:
            await self._take_request_body()
        if self._request_rest is None and hooks.request:
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
        headers = Headers.wrap(head.headers)
        try:
            target = resolve(head, around.way, session.settings.profile)
        except PeerError:
            self._make_flow(Request("", 0, head.method, b"", b"", head.target, head.version, headers, None, None, now))
            raise
        self._target = target
        content = b"" if head.body_size == 0 else None
        request = Request(
            target.host, target.port, head.method, SCHEMES[target.scheme], target.authority, target.path, head.version,
            headers, content, None, now, now if head.body_size == 0 else None,
        )  # fmt: skip
        self._make_flow(request)
        if around.host_field is not None and head.host != around.host_field:
            headers["Host"] = around.host_field
        if head.faults:
            self._annotate(head.faults)
        if target.fault is not None:
            self._annotate((target.fault,))

    def _make_flow(self, request: Request) -> None:
        server = Server(address=(request.host, request.port), via=self._around.via)
        self.flow = flow = HTTPFlow(self._around.client, server, True)
        flow.request = request

    async def _take_request_body(self) -> None:
        """Read the whole body if it is to be held back; else leave it to `_stream_request`."""
        request, head = self.flow.request, self.head
        self._check_size(head.body_size, 413)
        reason = self._holds(request, head.body_size, self._hooks.holds_request)
        if not reason:
            self._request_rest = []
            return
        self.flow.held_back = reason
        if head.expects_continue and not self._client.inbox.events:
            self._client.send(CONTINUE)
            self._client.flush()
        limit = self._session.settings.stream_large_bodies
        pieces: list[bytes] = []
        size = 0
        while True:
            if not inbox.events:
                await inbox
            event = inbox.take()
            kind = type(event)
            if kind is Data:
                data = cast("Data", event).data
                pieces.append(data)
                size += len(data)
                self._check_size(size, 413)
                if limit and size > limit:
                    self.flow.held_back = ""
                    self._request_rest = pieces
                    return
            elif kind is End:
                break
            elif kind is Trailers:
                request.trailers = Headers.wrap(cast("Trailers", event).headers)
            else:
                raise self._client_failure(event)
        request.body = b"".join(pieces)
        request.timestamp_end = self._session.time()

    async def _fetch(self) -> None:
        """Send the request, and relay the response."""
        try:
            came = await self._ask()
        except Failed as failure:
            if not failure.is_stale or not self._is_repeatable:
                raise
            came = await self._ask(is_fresh=True)
        if came.status == 101 or (self.head.method == b"CONNECT" and 200 <= came.status < 300):
            await self._switch(came)
        else:
            await self._relay_response(came)

    @property
    def _is_repeatable(self) -> bool:
        """Nothing of the request was streamed, and sending it twice does no harm (RFC 9110 §9.2.2)."""
        return self._request_rest is None and self.head.method in IDEMPOTENT

    async def _ask(self, *, is_fresh: bool = False) -> ResponseHead:
        """Send the request and return the head of the final response."""
        server = await self._open_server(is_fresh=is_fresh)
        was_fresh = server.is_fresh
        server.borrow()
        self._send_request(server)
        server.flush()
        inbox = server.inbox
        while True:
            if not inbox.events:
                await inbox
            event = inbox.take()
            if type(event) is not ResponseHead:
                self._drop_server()
                raise self._server_failure(event, is_stale=type(event) is Reset and not was_fresh)
            if not event.is_interim:
                return event
            was_fresh = True
            await self._relay_interim(event)

    async def _open_server(self, *, is_fresh: bool) -> Http1Server:
        flow = self.flow
        request = flow.request
        wanted = flow.server_conn
        origin = self._around.origin(request.scheme, request.host, request.port, wanted.via)
        if wanted.address != (origin.host, origin.port):
            wanted.address = (origin.host, origin.port)
        server = await self._around.stream_to(origin, wanted, is_repeatable=self._is_repeatable and not is_fresh)
        self._server = server
        flow.server_conn = server.server
        return server

    def _send_request(self, server: Http1Server) -> None:
        request, head = self.flow.request, self.head
        via = self.flow.server_conn.via
        is_for_parent = via is not None and via[0] in {"http", "https"} and request.scheme == "http"
        if self._request_rest is not None:
            size = None if callable(request.stream) else head.body_size
            server.send(request_head(request, head, self._target, size, is_for_parent=is_for_parent))
            self._upload = Step(self._stream_request(server), self._upload_ended)
            self._upload.start()
            return
        if head.body_size == 0 and not request.edited:
            server.send(request_head(request, head, self._target, 0, is_for_parent=is_for_parent))
        else:
            self._send_whole_request(server, is_for_parent=is_for_parent)
        server.send(END)

    def _send_whole_request(self, server: Http1Server, *, is_for_parent: bool) -> None:
        request = self.flow.request
        if self.head.expects_continue:
            request.headers.pop("expect", None)  # it has been answered
        content = request.raw_content or b""
        server.send(request_head(request, self.head, self._target, len(content), is_for_parent=is_for_parent))
        if content:
            server.send(Data(content))
        if request.trailers is not None:
            server.send(Trailers(list(request.trailers.fields)))

    async def _stream_request(self, server: Http1Server) -> None:
        """Forward the request body as it comes."""
        client, request = self._client, self.flow.request
        body = self._make_body()
        request.body = body
        pieces = _pieces_through(request)
        rest = self._request_rest or []
        self._request_rest = []
        inbox = client.inbox
        for data in rest:
            body.append(data)
            for piece in pieces(data):
                server.send(Data(piece))
        while True:
            if not inbox.events:
                server.flush()
                if server.is_full:
                    await server.drained()
                if not inbox.events:
                    await inbox
            event = inbox.take()
            kind = type(event)
            if kind is Data:
                data = cast("Data", event).data
                body.append(data)
                self._check_size(body.size, 413)
                for piece in pieces(data):
                    server.send(Data(piece))
            elif kind is End:
                break
            elif kind is Trailers:
                request.trailers = Headers.wrap(cast("Trailers", event).headers)
            else:
                raise self._client_failure(event)
        for piece in pieces(b""):
            server.send(Data(piece))
        if request.trailers is not None:
            server.send(Trailers(list(request.trailers.fields)))
        server.send(END)
        server.flush()
        request.timestamp_end = self._session.time()
        if self._hooks.request:
            await self._tell(self._hooks.request)

    def _upload_ended(self, error: BaseException | None) -> None:
        if error is None or isinstance(error, ClientLeft):
            return
        if isinstance(error, PeerError):
            error = Failed(str(error), error.status)
        elif isinstance(error, UsageError):
            error = Failed(f"an addon made a message that cannot be sent: {error}")
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
            self._client.flush()

    async def _relay_response(self, came: ResponseHead) -> None:
        flow, hooks = self.flow, self._hooks
        self._came = came
        content = b"" if came.body_size == 0 else None
        flow.response = response = Response(
            came.version, came.status, came.reason, Headers.wrap(came.headers), content, None, self._session.time()
        )
        if came.faults:
            self._annotate(came.faults)
        if came.status in {401, 407}:
            self._notice_bound_authentication(response)
        if hooks.responseheaders:
            await self._tell(hooks.responseheaders)
        if flow.response is not response:
            self._drop_server()
            await self._answer()
            return
        self._check_size(came.body_size, 502)
        reason = self._holds(response, came.body_size, hooks.holds_response)
        if reason:
            flow.held_back = reason
            rest = await self._hold_response(response)
            if rest is None:
                await self._send_response()
                return
            flow.held_back = ""
            await self._stream_response(response, came, rest)
        else:
            await self._stream_response(response, came, ())

    async def _hold_response(self, response: Response) -> list[bytes] | None:
        """Read the whole body into `response`; return the pieces so far if it grew too large to be held."""
        assert self._server is not None
        inbox = self._server.inbox
        limit = self._session.settings.stream_large_bodies
        pieces: list[bytes] = []
        size = 0
        while True:
            if not inbox.events:
                await inbox
            event = inbox.take()
            kind = type(event)
            if kind is Data:
                data = cast("Data", event).data
                pieces.append(data)
                size += len(data)
                self._check_size(size, 502)
                if limit and size > limit:
                    return pieces
            elif kind is End:
                break
            elif kind is Trailers:
                response.trailers = Headers.wrap(cast("Trailers", event).headers)
            else:
                response.body = b"".join(pieces)
                raise self._server_failure(event)
        self._end_response(cast("End", event), response)
        response.body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._release_server()
        return None

    async def _send_response(self) -> None:
        """Tell the hooks of the response, which is complete, and send it."""
        if self._hooks.response:
            await self._tell(self._hooks.response)
        response = self.flow.response
        assert response is not None
        client = self._client
        content = response.raw_content or b""
        is_original = self._came is not None and not response.edited
        size = self._came.body_size if is_original and self._came is not None else len(content)
        client.send(response_head(response, self._came, size))
        self._is_answered = True
        if content:
            client.send(Data(content))
        if response.trailers is not None:
            client.send(Trailers(list(response.trailers.fields)))
        client.send(END)

    async def _stream_response(self, response: Response, came: ResponseHead, rest: Iterable[bytes]) -> None:
        """Forward the response as it comes."""
        assert self._server is not None
        client, inbox = self._client, self._server.inbox
        body = self._make_body()
        pieces = _pieces_through(response) if response.stream else None
        size = None if callable(response.stream) and came.body_size else came.body_size
        client.send(response_head(response, came, size))
        self._is_answered = True
        if came.body_size != 0:
            response.body = body
        for data in rest:
            body.append(data)
            for piece in pieces(data) if pieces is not None else (data,):
                client.send(Data(piece))
        while True:
            if not inbox.events:
                client.flush()
                if client.is_full:
                    await client.drained()
                if not inbox.events:
                    await inbox
            event = inbox.take()
            kind = type(event)
            if kind is Data:
                data = cast("Data", event).data
                body.append(data)
                if pieces is None:
                    client.send(event)
                else:
                    for piece in pieces(data):
                        client.send(Data(piece))
            elif kind is End:
                break
            elif kind is Trailers:
                response.trailers = Headers.wrap(cast("Trailers", event).headers)
            else:
                raise self._server_failure(event)
        if pieces is not None:
            for piece in pieces(b""):
                client.send(Data(piece))
        if response.trailers is not None:
            client.send(Trailers(list(response.trailers.fields)))
        client.send(END)
        client.flush()
        self._end_response(cast("End", event), response)
        self._release_server()
        if self._hooks.response:
            await self._tell(self._hooks.response)

    def _end_response(self, end: End, response: Response) -> None:
        response.timestamp_end = self._session.time()
        if end.faults:
            self._annotate(end.faults)

    async def _answer(self) -> None:
        """Send a response that a hook made instead of the server's."""
        self._came = None
        response = self.flow.response
        assert response is not None
        if self._request_rest is not None or (self.head.body_size != 0 and self.flow.request.timestamp_end is None):
            self._client.say_close()  # the rest of the request was not read
        if self._hooks.responseheaders:
            await self._tell(self._hooks.responseheaders)
        await self._send_response()

    # Tunnels.

    async def _connect(self) -> None:
        """Answer CONNECT, and let the connection go on inside the tunnel (RFC 9110 §9.3.6)."""
        flow, hooks = self.flow, self._hooks
        if hooks.http_connect:
            await self._tell(hooks.http_connect)
        if flow.response is not None and not 200 <= flow.response.status_code < 300:
            await self._send_response()
            self._finish()
            return
        try:
            await self._around.open_tunnel(flow)
        except ParentRefused as error:
            await self._pass_refusal(error)
            return
        except PeerError as error:
            flow.error = Error(error.message, self._session.time())
            if hooks.http_connect_error:
                await dispatch(hooks.http_connect_error, flow)
            raise
        head = ESTABLISHED
        if flow.response is None:
            flow.response = Response(head.version, head.status, head.reason, Headers(), b"")
        else:
            head = response_head(flow.response, None, 0)
        if hooks.http_connected:
            await self._tell(hooks.http_connected)
        self._client.send(head)
        self._client.send(END)
        flow.live = False
        self._around.enter_tunnel(flow, self._client.detach())

    async def _pass_refusal(self, refused: ParentRefused) -> None:
        """Give the client the answer that the parent proxy gave us."""
        flow, head = self.flow, refused.head
        fields = Headers((name, value) for name, value in head.headers if name.lower() not in FRAMING)
        flow.response = Response(head.version, head.status, head.reason, fields, None, None, self._session.time())
        flow.response.body = refused.body
        flow.error = Error(refused.message, self._session.time())
        if self._hooks.http_connect_error:
            await dispatch(self._hooks.http_connect_error, flow)
        await self._send_response()
        self._finish()

    async def _switch(self, came: ResponseHead) -> None:
        """Pass on 101 (or 2xx to a CONNECT that was not for us) and let the connections go on as another protocol."""
        assert self._server is not None
        flow = self.flow
        self._came = came
        flow.response = Response(
            came.version, came.status, came.reason, Headers.wrap(came.headers), b"", None, self._session.time()
        )
        if self._hooks.responseheaders:
            await self._tell(self._hooks.responseheaders)
        if self._hooks.response:
            await self._tell(self._hooks.response)
        self._client.send(response_head(flow.response, came, 0))
        self._client.send(END)
        server, self._server = self._server, None
        self._around.switch(flow, server, self._client.detach(), server.detach())

    # Ends.

    async def _tell(self, handlers: Handlers) -> None:
        """Call hooks; hold the flow if one of them intercepted it, and end it if one killed it."""
        flow = self.flow
        await dispatch(handlers, flow)
        if flow.intercepted:
            released: Signal[None] = Signal()
            flow.on_release = lambda: released.set(None)
            self._client.flush()
            await released
        if flow.error is not None:
            raise Failed(flow.error.msg, 0)

    def _finish(self) -> None:
        self.flow.live = False
        if self._upload is not None and not self._upload.is_done:
            self._client.say_close()
            self._stop_upload()
        self._drop_server()
        self._client.finish()

    async def _fail(self, failure: Failed) -> None:
        """End the exchange in an error: on the record, to the hooks, and for the client."""
        flow = self.flow
        self._stop_upload()
        self._drop_server()
        if flow.error is None:
            flow.error = Error(failure.message, self._session.time())
        if self._hooks.error:
            await self._report()
        flow.live = False
        client = self._client
        if self._is_answered or not failure.status:
            client.abort()
            return
        head, body = refusal(failure.status, failure.message)
        client.say_close()
        client.send(head)
        client.send(Data(body))
        client.send(END)
        client.finish()

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

    def _drop_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.abort()

    # Rules.

    def _holds(self, message: Message, size: int | None, is_wanted: bool) -> str:
        """Return why the body of `message` is to be held back, or nothing."""
        if not is_wanted or message.stream or size == 0:
            return ""
        limit = self._session.settings.stream_large_bodies
        if limit and size is not None and size > limit:
            return ""
        content_type = message.headers.get("content-type", "").lower().encode("utf-8", "replace")
        if content_type.startswith(NEVER_HELD):
            return ""
        return "an addon wants the whole body"

    def _check_size(self, size: int | None, status: int) -> None:
        limit = self._session.settings.body_size_limit
        if limit and size is not None and size > limit:
            raise Failed(f"the body is larger than body_size_limit ({limit} bytes)", status)

    def _make_body(self) -> Body:
        settings = self._session.settings
        return Body(settings.body_memory, settings.store_streamed_bodies)

    def _annotate(self, faults: Iterable[Fault]) -> None:
        self.flow.annotations.extend(Annotation(fault.message, fault.reference) for fault in faults)

    def _notice_bound_authentication(self, response: Response) -> None:
        challenges = response.headers.get_all("www-authenticate") + response.headers.get_all("proxy-authenticate")
        if any(challenge.lower().startswith(("ntlm", "negotiate")) for challenge in challenges):
            self._around.bind_to_client()

    def _client_failure(self, event: Event) -> Failed:
        if isinstance(event, PeerError):
            return Failed(str(event), event.status)
        message = event.message if isinstance(event, Reset) else "the client left"
        return Failed(f"the request is incomplete: {message}", 400)

    def _server_failure(self, event: Event, *, is_stale: bool = False) -> Failed:
        if isinstance(event, PeerError):
            status = 504 if event.status == 504 else 502
            return Failed(f"the server's response cannot be relayed: {event}", status)
        message = event.message if isinstance(event, Reset) else "the server closed the connection"
        return Failed(f"the response is incomplete: {message}", is_stale=is_stale)


async def refuse_request(session: Session, around: Surroundings, client: Http1Client, error: PeerError) -> None:
    """Answer a request whose head cannot be read; what there is of it is on the record as a failed flow (AD-15)."""
    flow = HTTPFlow(around.client, Server(address=around.way.destination, via=around.via), live=False)
    flow.request = Request("", 0, b"", b"", b"", b"", b"HTTP/1.1", Headers(), None, None, session.time())
    flow.error = Error(f"the request cannot be read: {error}", session.time())
    if session.hooks.error:
        await dispatch(session.hooks.error, flow)
    head, body = refusal(error.status, str(error))
    client.say_close()
    client.send(head)
    client.send(Data(body))
    client.send(END)
    client.finish()


SCHEMES = {"http": b"http", "https": b"https"}
FRAMING = frozenset({b"transfer-encoding", b"content-length", b"connection", b"keep-alive", b"proxy-connection"})


def _pieces_through(message: Message) -> Callable[[bytes], Iterable[bytes]]:
    """Return what makes the pieces to send out of each piece that came: a script's callable, or nothing at all."""
    rewrite = message.stream
    if not callable(rewrite):
        return lambda data: (data,) if data else ()

    def rewritten(data: bytes) -> Iterable[bytes]:
        result = rewrite(data)
        return (result,) if isinstance(result, bytes) else result

    return rewritten
