"""A client's HTTP/2 connection: every request is an exchange of its own, and they go on side by side."""

import logging
from collections.abc import Callable, Sequence

from midstream.flow import Client
from midstream.flow.http2 import Http2Facts
from midstream.proxy.deadlines import NEVER
from midstream.proxy.failure import ClientLeft
from midstream.proxy.http2 import Http2Connection, Http2Stream
from midstream.proxy.peer import LINGER_SECONDS, Peer
from midstream.proxy.policy import authority_name
from midstream.proxy.session import Session
from midstream.proxy.stepper import Step
from midstream.proxy.streams import ClientStream, Detached, ServerStream
from midstream.proxy.streamtransport import tunnel_over
from midstream.proxy.unsent import Unsent
from midstream.wire.errors import PeerError
from midstream.wire.events import Data, End, Event, RequestHead, Reset, ResponseHead
from midstream.wire.h2.engine import ClientFacing
from midstream.wire.h2.errors import CANCEL, CONNECT_ERROR
from midstream.wire.h2.events import GoAway, Priority, PriorityUpdate
from midstream.wire.h2.fingerprint import Fingerprint

BODY = "reading the request body"
SENDING = "sending the response"
EARLY_PRIORITIES = 100
"""Streams without a request whose priorities are remembered."""
_log = logging.getLogger("midstream.proxy")


class Http2ClientStream(Http2Stream["Http2Client"]):
    """One request of a client's, and its answer."""

    step: Step | None = None
    passes_codes = True
    _is_request_read = False
    _is_connect = False
    """What follows the head is a tunnel's, and comes when it likes."""

    def __init__(self, connection: "Http2Client") -> None:
        super().__init__(connection)
        self._priority: Priority | PriorityUpdate | None = None
        """The last that the client said about this stream, in frames."""
        self._prioritised: ServerStream | None = None

    def begin(self, events: list[Event], start: Callable[[], Step]) -> None:
        """Begin the exchange of the request whose head is the first of `events`."""
        head = events[0]
        if type(head) is RequestHead and head.method == b"CONNECT":
            self._is_connect = True
            if not head.protocol:
                self.broken = CONNECT_ERROR
        self.inbox.events.extend(events[1:])
        self._is_request_read = type(events[-1]) is End
        if not self._is_request_read:
            self._await_body()
        self.step = step = start()
        step.resume()

    def take(self, events: list[Event]) -> None:
        if self._tunnel is not None:
            self._tunnel.take(events)
            return
        last = events[-1]
        if type(last) is Reset or isinstance(last, PeerError):
            code = last.code if isinstance(last, Reset) else getattr(last, "code", None)
            self._is_request_read = True  # nothing more will come of it
            step, self.step = self.step, None
            if step is not None:
                step.throw(ClientLeft(str(last) if isinstance(last, PeerError) else last.message, code))
            return
        self._is_request_read = type(last) is End
        if self._is_request_read:
            self.deadline = NEVER
        else:
            self._await_body()
        self.inbox.add(events)

    async def drained(self) -> None:
        self.within(self.connection.session.settings.tcp_timeout, SENDING)
        await super().drained()
        if self._is_request_read:
            self.deadline = NEVER
        else:
            self._await_body()

    def expired(self) -> None:
        if self._tunnel is not None:
            self._drained()
        elif self._stage == SENDING:
            step, self.step = self.step, None
            if step is not None:
                step.throw(ClientLeft(f"timed out: {self._stage}"))
        elif self.inbox.events:
            self._await_body()  # it is not the client who is slow
        else:
            self.inbox.add([PeerError(f"timed out: {self._stage}", "RFC 9110 §15.5.9", status=408)])

    def send_whole(self, head: ResponseHead, body: bytes) -> None:
        self.connection.send_whole(self.id, head, body)

    def say_close(self) -> None:
        """Do nothing: the connection has other streams, and an unread request body is reset with its stream."""

    def finish(self) -> None:
        self.step = None
        if self._tunnel is not None:
            return  # the stream outlives its exchange
        if self.connection.engine.parked(self.id):
            self.connection.unsent.add(self.id)
        if self._is_request_read or self.connection.is_over:
            self.over()
            return
        # Clients are known to forget an answer that a reset comes right behind, even one with NO_ERROR (H2-33).
        drain = _Drain(self)
        waiting = self.become(drain)
        self.within(LINGER_SECONDS, "leaving")
        if waiting:
            drain.take(waiting)

    def _drained(self) -> None:
        """Leave, unless the response has not all been sent: a reset would take its rest along."""
        if self.connection.engine.parked(self.id):
            self.within(LINGER_SECONDS, "leaving")
        else:
            self.over()

    def abort(self, code: int | None = None) -> None:
        self.step = None
        if self._tunnel is None:
            self.over(code)

    def lend_priority(self, server: ServerStream) -> None:
        self._prioritised = server
        if self._priority is not None:
            server.prioritise(self._priority)

    def prioritise(self, priority: Priority | PriorityUpdate) -> None:
        """Take note of what the client says about this stream."""
        self._priority = priority
        if self._prioritised is not None:
            self._prioritised.prioritise(priority)

    def detach(self) -> Detached:
        """Make a connection of its own of this stream, for what goes on in a tunnel."""
        self.step = None
        peer, rest = tunnel_over(self.connection.session, self, "client", self.connection.peer)
        return Detached(peer, rest)

    def _await_body(self) -> None:
        if not self._is_connect:
            self.within(self.connection.session.settings.tcp_timeout, BODY)


class _Drain:
    """Takes what a client still sends of a request that has been answered, for a while."""

    def __init__(self, stream: Http2ClientStream) -> None:
        self._stream = stream

    def take(self, events: Sequence[Event]) -> None:
        stream = self._stream
        for event in events:
            if type(event) is Data:
                stream.consumed(len(event.data))
        if type(events[-1]) is not Data:
            stream.over()

    def writable(self) -> None:
        pass


class Http2Client(Http2Connection[ClientFacing, Http2ClientStream]):
    """A client's HTTP/2 connection."""

    def __init__(
        self,
        session: Session,
        client: Client,
        peer: Peer,
        begin: Callable[[RequestHead | PeerError, ClientStream], Step],
        on_introduced: Callable[[Fingerprint], None],
        on_over: Callable[[], None],
    ) -> None:
        settings = session.settings
        engine = ClientFacing(settings.http2_limits, settings.profile, has_extended_connect=True)
        self._begin = begin
        self._on_introduced = on_introduced
        self._on_over = on_over
        self._early: dict[int, Priority | PriorityUpdate] = {}
        """What the client says about streams whose requests are not here yet, or just coming."""
        self.unsent = Unsent(session.deadlines, engine, settings.tcp_timeout, self._give_up)
        self._name = authority_name(*client.peername[:2]) if client.peername is not None else "client"
        self._is_retiring = False
        self.is_over = False
        if client.http2 is None:
            client.http2 = Http2Facts()
        super().__init__(session, peer, engine, client.http2)
        peer.within(settings.client_idle_timeout, "waiting for a request")

    def send_whole(self, stream_id: int, head: ResponseHead, body: bytes) -> None:
        """Queue a response that is complete and has no trailers."""
        self.engine.send_whole(stream_id, head, body)
        self.flush_later()

    def close_when_idle(self) -> None:
        """Take no further request."""
        self.retire()

    def retire(self) -> None:
        if not self._is_retiring and not self.engine.has_failed:
            self._is_retiring = True
            self.engine.go_away()
            self.flush_later()
        self._settle()

    def _stream_events(self, stream_id: int, events: list[Event]) -> None:
        stream = self.streams.get(stream_id)
        if stream is not None:
            stream.take(events)
            return
        head = events[0]
        if type(head) is RequestHead:
            self._start(stream_id, head, events)
        elif isinstance(head, PeerError):
            self._start(stream_id, head, [head, End()])

    def _start(self, stream_id: int, head: RequestHead | PeerError, events: list[Event]) -> None:
        facts = self.facts
        if not facts.fingerprint:
            told = self.engine.fingerprint
            facts.introduce(str(told), told.settings)
            self._on_introduced(told)
        stream = self.streams[stream_id] = Http2ClientStream(self)
        stream.id = stream_id
        early = self._early.pop(stream_id, None)
        if early is not None:
            stream.prioritise(early)
        last = events[-1]
        if type(last) is Reset:  # it came and went at once
            events = [*events[:-1]]
        if type(head) is RequestHead:
            if head.method == b"CONNECT":
                head.body_size = 0  # what follows is a tunnel's
            if head.authority and head.host is None:
                head.host = head.authority
        stream.begin(events, lambda: self._begin(head, stream))
        if type(last) is Reset:
            stream.take([last])

    def _give_up(self, stream_id: int, what: str) -> None:
        """Reset a stream whose exchange is over and whose response does not go."""
        _log.info("%s: stream %d is reset: %s", self._name, stream_id, what)
        self.send(stream_id, Reset("", CANCEL))
        stream = self.streams.get(stream_id)
        if stream is not None:
            stream.over()
        self._settle()

    def _prioritised(self, stream_id: int, priority: Priority | PriorityUpdate) -> None:
        stream = self.streams.get(stream_id)
        if stream is not None:
            stream.prioritise(priority)
        elif self.session.settings.http2_priority and len(self._early) < EARLY_PRIORITIES:
            self._early[stream_id] = priority

    def _going_away(self, goaway: GoAway) -> None:  # noqa: ARG002 - a client's says nothing about its own streams
        self._is_retiring = True

    def _settle(self) -> None:
        if self.unsent:
            self.unsent.look()
        if self.is_over or self.peer.is_full:
            return
        if self.streams or self.engine.open_streams:
            self._await_life()
        elif self._is_retiring:
            self.close()
        elif not self.engine.is_between_frames:
            if self.peer.deadline == NEVER or self.peer.stage != "reading a frame":
                self.peer.within(self.session.settings.header_timeout, "reading a frame")
        elif self.peer.stage != "waiting for a request" or self._is_heard:
            self._is_heard = False
            self.peer.within(self.session.settings.client_idle_timeout, "waiting for a request")

    def timed_out(self, stage: str) -> None:
        if stage == "reading a frame":
            self._break_off(f"timed out: {stage}", None)
            self.peer.abort()
        else:
            super().timed_out(stage)

    def _gone(self) -> None:
        if not self.is_over:
            self.is_over = True
            self.unsent.end()
            self._on_over()
