"""HTTP/1 connections as message streams: the client's, which begins exchanges, and the server's, which the pool keeps."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from midstream.flow import Server
from midstream.flow import status as phrases
from midstream.proxy.deadlines import NEVER, Deadlines
from midstream.proxy.failure import ClientLeft
from midstream.proxy.origin import Origin
from midstream.proxy.peer import Peer
from midstream.proxy.settings import Settings
from midstream.proxy.stepper import Step
from midstream.proxy.streams import Detached, Inbox, ServerStream
from midstream.proxy.upgrade import answer_of_upgrade, as_upgrade
from midstream.wire.errors import Fault, PeerError
from midstream.wire.events import END, End, Event, RequestHead, Reset, ResponseHead
from midstream.wire.h1.engine import ClientFacing, ServerFacing
from midstream.wire.h2.events import Priority, PriorityUpdate
from midstream.wire.h2.heads import VERSION
from midstream.wire.h2.translate import http1_request, http1_response

PIPELINE_BYTES = 65_536
"""Unparsed bytes of later requests that may wait before the client is paused (H1-42)."""
ANSWER = "waiting for the response"
_HEADS = frozenset((RequestHead, ResponseHead))
E = TypeVar("E", ClientFacing, ServerFacing)


class _Http1Stream(Generic[E]):
    """What both sides do alike: writing the messages of the exchange under way."""

    id = 0
    """Streams of HTTP/1 have no numbers."""
    peer: Peer
    _engine: E

    def send(self, *events: Event) -> None:
        for event in events:
            said = as_http1(event) if type(event) in _HEADS else event  # type: ignore[arg-type] # told by its type
            self.peer.write(self._engine.send(said))

    def _write_whole(self, head: RequestHead | ResponseHead, body: bytes) -> None:
        if head.version == VERSION:
            head = as_http1(head)
        self.peer.write(self._engine.send_whole(head, body))

    @property
    def is_full(self) -> bool:
        return self.peer.is_full


class Http1Client(_Http1Stream[ClientFacing]):
    """A client's HTTP/1 connection: one exchange at a time, pipelined requests in their order."""

    passes_codes = False

    def __init__(
        self,
        peer: Peer,
        settings: Settings,
        begin: "Callable[[RequestHead | PeerError, Http1Client], Step]",
        on_over: Callable[[], None],
    ) -> None:
        self.peer = peer
        self.inbox = Inbox(peer)
        self._engine = ClientFacing(settings.limits, settings.profile)
        self._settings = settings
        self._begin = begin
        self._on_over = on_over
        self._step: Step | None = None
        self._is_running = False
        self._is_over = False
        self._is_request_read = False
        peer.within(settings.client_idle_timeout, "waiting for a request")

    # What the peer calls.

    def received(self, data: bytes) -> None:
        engine = self._engine
        events = engine.receive(data)
        step = self._step
        if step is None:
            if events:
                self._run(events)
            else:
                self._await_head()
        else:
            if events:
                self._is_request_read = isinstance(events[-1], End)
                self._await_body()
                self.inbox.add(events)
            if engine.buffered > PIPELINE_BYTES:
                self.peer.pause_reading()

    def ended(self) -> None:
        events = self._engine.eof()
        if self._step is not None:
            if events:
                self.inbox.add(events)
        elif not self.peer.is_full:
            self.close()

    def lost(self, error: PeerError) -> None:  # noqa: ARG002 - how it left does not matter
        step, self._step = self._step, None
        if step is not None:
            step.throw(ClientLeft())
        self._over()

    def writable(self) -> None:
        if self._step is None and not self._is_over:
            self._run(self._engine.next_message())

    def timed_out(self, stage: str) -> None:
        if self.peer.is_full:
            self.peer.abort()
        elif self._step is not None:
            if self.inbox.events:
                self._await_body()  # it is not the client who is slow
            else:
                self.inbox.add([PeerError(f"timed out: {stage}", "RFC 9110 §15.5.9", status=408)])
        elif self._engine.buffered:
            self._run([PeerError(f"timed out: {stage}", "RFC 9110 §15.5.9", status=408)])
        else:
            self.close()

    # What the exchange calls.

    def send_whole(self, head: ResponseHead, body: bytes) -> None:
        self._write_whole(head, body)

    async def drained(self) -> None:
        self.peer.within(self._settings.tcp_timeout, "sending the response")
        await self.peer.drained()
        self._await_body()

    def say_close(self) -> None:
        """Have the next head say `Connection: close`, and close after this exchange."""
        self._engine.close_after = True

    def finish(self) -> None:
        self._step = None
        if self._is_over:
            return
        if self.inbox.events:
            self.inbox.clear()
        if not self._engine.is_reusable:
            self._leave()
        elif not self._is_running:
            events = [] if self.peer.is_full else self._engine.next_message()
            self._run(events) if events else self._rest()

    def abort(self, code: int | None = None) -> None:  # noqa: ARG002 - there are none in HTTP/1
        self._step = None
        self.peer.abort() if self.peer.is_full else self.peer.close()
        self._over()

    def detach(self) -> Detached:
        """Give up the connection for a tunnel."""
        self.peer.write(self._engine.send(END))
        self._step = None
        self._is_over = True
        self.peer.deadline = NEVER
        return Detached(self.peer, self._engine.release())

    def lend_priority(self, server: ServerStream) -> None:
        """Do nothing: there is none in HTTP/1."""

    def close(self) -> None:
        self.peer.close()
        self._over()

    def close_when_idle(self) -> None:
        """Take no further request."""
        if self._step is None:
            self.close()
        else:
            self.say_close()

    def _leave(self) -> None:
        if self._engine.buffered or not self._is_request_read:
            self.peer.linger()
        else:
            self.peer.close()
        self._over()

    def _run(self, events: list[Event]) -> None:
        """Begin exchanges for the requests that are here, in a loop so that a long pipeline is no deep recursion."""
        self._is_running = True
        while events:
            if type(events[0]) is Reset:  # the client has left inside its next head
                break
            self._start(events)
            if self._step is not None or self._is_over or self.peer.is_full:
                break
            events = self._engine.next_message()
        self._is_running = False
        if self._step is None and not self._is_over:
            self._rest()

    def _start(self, events: list[Event]) -> None:
        head = events[0]
        assert type(head) is RequestHead or isinstance(head, PeerError)
        self._is_request_read = type(events[-1]) is End
        if len(events) > 1 and head.body_size != 0:  # type: ignore[union-attr] # an error stands alone
            self.inbox.events.extend(events[1:])
        if self._is_request_read:
            self.peer.deadline = NEVER
        else:
            self._await_body()
        self._step = step = self._begin(head, self)
        step.resume()

    def _rest(self) -> None:
        """Wait for the next request; with a client that does not read its answers, until it does."""
        if self.peer.is_full:
            self.peer.pause_reading()
            self.peer.within(self._settings.tcp_timeout, "sending the response")
            return
        if self.peer.has_ended:
            self.close()
            return
        self.peer.resume_reading()
        if self._engine.buffered:
            self._await_head()
        else:
            self.peer.within(self._settings.client_idle_timeout, "waiting for a request")

    def _await_head(self) -> None:
        if self.peer.deadline == NEVER or self.peer.stage != "reading the request head":
            self.peer.within(self._settings.header_timeout, "reading the request head")

    def _await_body(self) -> None:
        """Give the client time for the next piece of the request's body, if it is not complete."""
        if self._is_request_read:
            self.peer.deadline = NEVER
        else:
            self.peer.within(self._settings.tcp_timeout, "reading the request body")

    def _over(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._on_over()


class Keeper(Protocol):
    """Who keeps idle server connections."""

    epoch: int

    def give_back(self, stream: "Http1Server") -> None: ...
    def forget(self, stream: "Http1Server") -> None: ...


class Http1Server(_Http1Stream[ServerFacing]):
    """A server's HTTP/1 connection: lent to one exchange at a time, kept by the pool in between."""

    def __init__(
        self, peer: Peer, server: Server, origin: Origin, settings: Settings, deadlines: Deadlines, keeper: Keeper
    ) -> None:
        self.peer = peer
        self.server = server
        self.origin = origin
        self.idle_since = 0.0
        self.epoch = keeper.epoch
        """Under which options it was made, as the pool counts."""
        self.inbox = Inbox(peer)
        self.is_fresh = True
        self.is_idle = True
        self._engine = ServerFacing(settings.limits, settings.profile)
        self._settings = settings
        self._deadlines = deadlines
        self._silence = settings.tcp_timeout or NEVER
        self._keeper = keeper
        self._key = b""
        """Of the upgrade that stands for an HTTP/2 client's extended CONNECT."""

    # What the peer calls.

    def received(self, data: bytes) -> None:
        if self.is_idle:
            self._discard()  # bytes nobody asked for are never the answer to the next request (H1-18)
            return
        self.peer.deadline = self._deadlines.now + self._silence
        events = self._engine.receive(data)
        if self._key:
            events = answer_of_upgrade(events, self._key)
        if events:
            self.inbox.add(events)

    def ended(self) -> None:
        if self.is_idle:
            self._discard()
            return
        events = self._engine.eof() or [Reset("the server closed the connection")]
        if self.peer.is_truncated and type(events[-1]) is End:
            fault = Fault("the server ended TLS without close_notify: the body may be cut", "RFC 8446 §6.1")
            events[-1] = End((fault,))
        self.inbox.add(events)

    def lost(self, error: PeerError) -> None:
        if self.is_idle:
            self._keeper.forget(self)
        else:
            self.inbox.add([Reset(error.message)])

    def writable(self) -> None:
        pass

    def timed_out(self, stage: str) -> None:
        if self.is_idle:
            self._discard()
        elif stage == ANSWER and not self._engine.is_sent:
            self.await_answer()  # it cannot answer what it has not got; the client's deadline counts
        elif self.inbox.events:
            self.peer.deadline = self._deadlines.now + self._silence  # it is the client who is slow
        else:
            self.inbox.add([PeerError(f"the server took too long: {stage}", status=504)])

    # What the pool and the exchange call.

    def send_whole(self, head: RequestHead, body: bytes) -> None:
        if head.protocol:
            self._key, head = as_upgrade(head)
        self._write_whole(head, body)

    async def introduced(self) -> None:
        """Return: in HTTP/1 nobody is introduced."""

    def borrow(self) -> None:
        """Begin an exchange."""
        self.is_idle = False
        self.peer.within(self._settings.first_byte_timeout, ANSWER)

    def await_answer(self) -> None:
        """Give the server its time anew: the request is only now complete, or moves on."""
        self.peer.within(self._settings.first_byte_timeout, ANSWER)

    async def drained(self) -> None:
        self.peer.within(self._settings.tcp_timeout, "sending the request")
        await self.peer.drained()
        self.await_answer()

    def finish(self) -> None:
        if self.inbox.events:
            self.inbox.clear()
        if self._engine.is_reusable and not self.peer.has_ended:
            self._engine.next_message()
            self.is_fresh = False
            self.is_idle = True
            self.peer.within(self._settings.server_idle_timeout, "idle")
            self._keeper.give_back(self)
        else:
            self.is_idle = True
            self.peer.close()
            self._keeper.forget(self)

    def abort(self, code: int | None = None) -> None:  # noqa: ARG002 - there are none in HTTP/1
        self.is_idle = True
        self.peer.abort()
        self._keeper.forget(self)

    def detach(self) -> Detached:
        """Give up the connection for a tunnel."""
        self.peer.deadline = NEVER
        self._keeper.forget(self)
        return Detached(self.peer, self._engine.release())

    def prioritise(self, priority: Priority | PriorityUpdate) -> None:
        """Do nothing: HTTP/1 has one exchange at a time."""

    def _discard(self) -> None:
        self._keeper.forget(self)
        self.peer.close()


def as_http1(head: RequestHead | ResponseHead) -> RequestHead | ResponseHead:
    """Return a head that came by HTTP/2 as HTTP/1.1 says it; any other as it is."""
    if head.version != VERSION:
        return head
    if type(head) is ResponseHead:
        return http1_response(head, head.reason or phrases.reason(head.status).encode("latin-1"))
    assert type(head) is RequestHead
    return http1_request(head)
