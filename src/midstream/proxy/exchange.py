"""One request and its answer, as far as all kinds of it are alike: how an exchange begins, tells its hooks, and ends.

Most requests are forwarded (`forwarding.py`), some ask for another protocol (`switching.py`), and a CONNECT that is for us
opens a tunnel (`connect.py`). The coroutine of each awaits three kinds of thing: events of streams, hooks, and the pool.
"""

from collections.abc import Iterable

from midstream.errors import UsageError
from midstream.flow import Annotation, Error, Headers, HTTPFlow, Request, Server
from midstream.hooks.table import Handlers, dispatch
from midstream.proxy.bodies import send_end, size_of
from midstream.proxy.failure import ClientLeft, Failed
from midstream.proxy.heads import response_head, set_host
from midstream.proxy.refusal import refuse
from midstream.proxy.session import Session
from midstream.proxy.stepper import Signal, Step
from midstream.proxy.streams import ClientStream
from midstream.proxy.surroundings import Surroundings
from midstream.proxy.target import Target, named_host, resolve
from midstream.wire.errors import Fault, PeerError
from midstream.wire.events import Data, RequestHead, ResponseHead

SCHEMES = {"http": b"http", "https": b"https"}


class Exchange:
    """One request on one client stream; what becomes of it is up to the subclass."""

    flow: HTTPFlow
    _step: Step
    _target: Target
    _is_answered = False
    """The head of the final response has been sent."""
    _telling = 0
    """How many coroutines of ours are calling hooks."""
    _held: tuple[Signal[None], ...] = ()
    """What they wait for, if the flow is intercepted."""

    def __init__(self, session: Session, around: Surroundings, client: ClientStream, head: RequestHead) -> None:
        self.head = head
        self._session = session
        self._settings = session.settings
        self._hooks = session.hooks
        self._around = around
        self._client = client
        self._secret_trailers: frozenset[tuple[bytes, bytes]] = frozenset()
        """Trailer fields, of the message that is held back, that are to be in nobody's compression table."""

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
            await self._fail(unsendable(error))

    async def _relay(self) -> None:
        """Do what the request asks for."""
        raise NotImplementedError

    # The beginning.

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

    def _make_flow(self, request: Request) -> None:
        server = Server.towards((request.host, request.port), self._around.via)
        self.flow = flow = HTTPFlow.begin(self._around.client, server, request)
        if self._client.id:
            flow.stream_id = self._client.id

    def _compare_names(self, named: bytes, sni: str) -> None:
        """Note a request for another server than the one that TLS was made with (TLS-26)."""
        if named_host(named) != sni.lower():
            message = f"the request is for {named.decode('latin-1')}, the TLS handshake was with {sni}"
            self._annotate((Fault(message, "RFC 9110 §7.4"),))

    def _annotate(self, faults: Iterable[Fault]) -> None:
        self.flow.annotations.extend(Annotation(fault.message, fault.reference) for fault in faults)

    # Hooks.

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

    # The end.

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

    def _finish(self) -> None:
        """End the exchange well."""
        self.flow.live = False
        self.flow.on_release = None
        self._client.finish()

    async def _fail(self, failure: Failed) -> None:
        """End the exchange in an error: on the record, to the hooks, and for the client."""
        flow = self.flow
        flow.on_release = None
        self._let_go(failure.code)
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

    def _let_go(self, code: int | None) -> None:
        """Break off what is under way with the server, for a reason that `code` may tell it."""

    async def _report(self) -> None:
        try:
            await dispatch(self._hooks.error, self.flow)
        except ClientLeft:
            pass  # it was told that already, or it changes nothing any more


def unsendable(error: UsageError) -> Failed:
    """Return how an exchange ends in which an addon made what HTTP cannot say."""
    return Failed(f"an addon made a message that cannot be sent: {error}")
