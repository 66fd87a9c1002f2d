"""A server's HTTP/2 connection: shared by all exchanges with its origin, as many at a time as the server takes."""

from typing import Protocol

import msgspec

from midstream.flow import Server
from midstream.flow.http2 import Http2Facts
from midstream.proxy.deadlines import NEVER
from midstream.proxy.http2 import SIGN_OF_LIFE, Http2Connection, Http2Stream
from midstream.proxy.opening import Queue
from midstream.proxy.origin import HTTP1, Origin
from midstream.proxy.peer import Peer
from midstream.proxy.session import Session
from midstream.proxy.streams import Detached
from midstream.proxy.streamtransport import tunnel_over
from midstream.proxy.target import join_authority
from midstream.proxy.upgrade import answer_of_connect, as_extended_connect, no_extended_connect
from midstream.wire.errors import PeerError
from midstream.wire.events import END, Data, Event, RequestHead, Reset
from midstream.wire.h2.engine import ServerFacing
from midstream.wire.h2.errors import HTTP_1_1_REQUIRED, REFUSED_STREAM
from midstream.wire.h2.events import GoAway, Priority, PriorityUpdate
from midstream.wire.h2.fingerprint import Fingerprint
from midstream.wire.h2.heads import VERSION
from midstream.wire.ws.handshake import asks_for_websocket

ANSWER = "waiting for the response"
TRUSTED_SILENCE = 5.0
"""Seconds of silence after which a server may have gone without a word: behind a NAT that forgot it, or asleep."""
PROOF_SECONDS = 2.0
"""How long it has then to answer a ping."""


class SharedKeeper(Protocol):
    """Who knows the shared connections."""

    epoch: int

    def forget_shared(self, connection: "Http2Server") -> None:
        """Hand the connection to nobody any more."""

    def has_room(self, connection: "Http2Server") -> None:
        """Let those go on who wait for a stream on it."""

    def remember(self, origin: Origin, versions: tuple[bytes, ...]) -> None:
        """Speak to this server in no other versions from now on."""


class Http2ServerStream(Http2Stream["Http2Server"]):
    """One request of ours, and its answer."""

    def __init__(self, connection: "Http2Server") -> None:
        super().__init__(connection)
        self.is_fresh = connection.is_fresh
        self.key = b""
        """Of an HTTP/1 client's upgrade for which an extended CONNECT stands."""
        self._has_slot = True
        """The connection keeps room for this stream until it is open."""
        self._is_request_sent = False

    @property
    def server(self) -> Server:
        return self.connection.server

    @property
    def origin(self) -> Origin:
        return self.connection.origin

    @origin.setter
    def origin(self, origin: Origin) -> None:
        """Do nothing: authentication cannot be bound to a connection that is shared (RFC 4559 §6 knows only HTTP/1)."""

    def borrow(self) -> None:
        self.within(self.connection.session.settings.first_byte_timeout, ANSWER)

    def await_answer(self) -> None:
        self.within(self.connection.session.settings.first_byte_timeout, ANSWER)

    def send(self, *events: Event) -> None:
        for event in events:
            if type(event) is RequestHead:
                self.connection.open(self, event)
            else:
                self._is_request_sent = event is END
                self.connection.send(self.id, event)

    def send_whole(self, head: RequestHead, body: bytes) -> None:
        self._is_request_sent = True
        self.connection.open(self, head)
        if head.method == b"CONNECT" or self.key:
            return
        if body or head.body_size is None:
            self.connection.send(self.id, Data(body))
        self.connection.send(self.id, END)

    async def drained(self) -> None:
        self.within(self.connection.session.settings.tcp_timeout, "sending the request")
        await super().drained()
        self.await_answer()

    def take(self, events: list[Event]) -> None:
        if self.key:
            events = answer_of_connect(events, self.key)
        if self._tunnel is None:
            self.deadline = self.connection.session.deadlines.now + self.connection.silence
        super().take(events)

    def expired(self) -> None:
        if self._stage == ANSWER and not self._is_request_sent:
            self.await_answer()  # it cannot answer what it has not got; the client's deadline counts
        elif self.inbox.events:
            self.deadline = (
                self.connection.session.deadlines.now + self.connection.silence
            )  # it is the client who is slow
        else:
            self.inbox.add([PeerError(f"the server took too long: {self._stage}", status=504)])

    def finish(self) -> None:
        self.over()

    def abort(self, code: int | None = None) -> None:
        self.over(code)

    def over(self, code: int | None = None) -> None:
        super().over(code)
        if self._has_slot:
            self._has_slot = False
            self.connection.give_up_slot()

    def opened(self, stream_id: int) -> None:
        """Take the id that the stream has got."""
        self.id = stream_id
        self._has_slot = False

    async def introduced(self) -> None:
        await self.connection.introduced()

    def prioritise(self, priority: Priority | PriorityUpdate) -> None:
        """Pass on what the client says about its stream; on which other it depends means nothing on this connection."""
        if isinstance(priority, Priority):
            priority = Priority(0, priority.weight, is_exclusive=False)
        self.connection.prioritise(self.id, priority)

    def detach(self) -> Detached:
        """Make a connection of its own of this stream, for what goes on in a tunnel."""
        peer, rest = tunnel_over(self.connection.session, self, "server", self.connection.peer)
        return Detached(peer, rest)


class Http2Server(Http2Connection[ServerFacing, Http2ServerStream]):
    """A server's HTTP/2 connection."""

    def __init__(
        self,
        session: Session,
        peer: Peer,
        server: Server,
        origin: Origin,
        keeper: SharedKeeper,
        like: Fingerprint | None = None,
    ) -> None:
        settings = session.settings
        self.server = server
        self.origin = origin
        self.epoch = keeper.epoch
        """Under which options it was made, as the pool counts."""
        self.is_fresh = True
        self.silence = settings.tcp_timeout or NEVER
        self._keeper = keeper
        self._promised_slots = 0
        """Streams that have been handed out and are not open yet."""
        self._is_introduced = False
        """The server's SETTINGS have come, so that it does speak HTTP/2."""
        self._introduction = Queue(session.deadlines)
        """Those who want to know what the server can do."""
        self._proof = Queue(session.deadlines)
        """Those who want to know whether the server is still there."""
        self._is_retiring = False
        self._is_over = False
        server.http2 = Http2Facts()
        super().__init__(session, peer, ServerFacing(settings.http2_limits, settings.profile, like=like), server.http2)
        peer.within(settings.server_idle_timeout, "idle")

    # What the pool asks.

    @property
    def is_taking(self) -> bool:
        """True as long as the connection may be shared with further exchanges, be there room just now or not."""
        peer = self.peer
        return not (self._is_retiring or self._is_over or self.engine.is_closing or peer.is_closing or peer.has_ended)

    @property
    def has_room(self) -> bool:
        """True if another stream can be opened now (H2-07)."""
        return self.is_taking and self.engine.free_slots > self._promised_slots

    @property
    def takes_none(self) -> bool:
        """True if the server wants no streams at all for now, so that another connection would not help."""
        return self.engine.peer.streams == 0

    @property
    def is_silent(self) -> bool:
        """True if nothing has come for so long that a request which must not be sent twice should not be risked."""
        return self.session.deadlines.now - self.heard_at > TRUSTED_SILENCE

    async def shows_life(self) -> bool:
        """Ping the server and wait for its answer; without one in time, nobody gets a stream on this connection any more."""
        if not self._proof:
            self.engine.ping(SIGN_OF_LIFE)
            self.flush_later()
        try:
            await self._proof.wait(PROOF_SECONDS, "waiting for a sign of life")
        except PeerError:
            self.retire()
        return self.is_taking

    def stream(self) -> Http2ServerStream:
        """Return a stream for one exchange; there must be room for it."""
        self._promised_slots += 1
        self.peer.deadline = NEVER
        return Http2ServerStream(self)

    # What streams call.

    def open(self, stream: Http2ServerStream, head: RequestHead) -> None:
        """Send a request head on a stream that is not open yet.

        Raises:
            UsageError: The head cannot be sent in HTTP/2.

        """
        if self._is_over or not self.engine.free_slots:
            stream.inbox.add([Reset("the server takes no stream any more", REFUSED_STREAM)])
            return
        if head.upgrade and asks_for_websocket(head):
            stream.key, head = as_extended_connect(
                head, self.origin, has_extended=self.engine.peer.has_extended_connect
            )
        elif head.protocol and not self.engine.peer.has_extended_connect:
            raise no_extended_connect()
        if head.version != VERSION:
            head = self._completed(head)
        stream_id = self.engine.open(head)
        self._promised_slots -= 1
        stream.opened(stream_id)
        self.streams[stream_id] = stream
        self.flush_later()

    def _completed(self, head: RequestHead) -> RequestHead:
        """Return a head that came by HTTP/1 with what HTTP/2 has to say besides: the scheme; an authority, if Host is missing."""
        origin = self.origin
        scheme = "https" if origin.is_tls else "http"
        authority = b""
        if not any(name.lower() == b"host" for name, _ in head.headers):
            authority = join_authority(origin.host, origin.port, scheme)
        return msgspec.structs.replace(head, scheme=scheme.encode(), authority=authority)

    def prioritise(self, stream_id: int, priority: Priority | PriorityUpdate) -> None:
        """Pass on what the client says about its stream."""
        self.engine.send(stream_id, priority)
        self.flush_later()

    def give_up_slot(self) -> None:
        """Take back a stream that was handed out and will not be opened."""
        self._promised_slots -= 1
        self._settle()

    # Ends.

    def retire(self) -> None:
        self._is_retiring = True
        self._keeper.forget_shared(self)
        self._settle()

    def _stream_events(self, stream_id: int, events: list[Event]) -> None:
        stream = self.streams.get(stream_id)
        if stream is None:
            return
        last = events[-1]
        if type(last) is Reset and last.code == HTTP_1_1_REQUIRED:
            self._keeper.remember(self.origin, HTTP1)
        stream.take(events)

    async def introduced(self) -> None:
        """Wait for the server's SETTINGS.

        Raises:
            PeerError: They do not come in time (504).

        """
        if not self._is_introduced and not self._is_over:
            await self._introduction.wait(self.session.settings.first_byte_timeout, "waiting for the server's SETTINGS")

    def _settings_changed(self) -> None:
        self._is_introduced = True
        self._introduction.wake_all()
        self._keeper.has_room(self)

    def _ponged(self) -> None:
        self._proof.wake_all()

    def _going_away(self, goaway: GoAway) -> None:  # noqa: ARG002 - the engine has reset what it will not look at
        self._keeper.forget_shared(self)

    def _failed(self, fault: PeerError) -> None:
        if not self._is_introduced and not self.origin.is_tls:
            self._speaks_no_http2(str(fault))
        super()._failed(fault)

    def ended(self) -> None:
        if not self._is_introduced and not self.origin.is_tls:
            self._speaks_no_http2("the server closed the connection on HTTP/2")
        super().ended()

    def lost(self, error: PeerError) -> None:
        if not self._is_introduced and not self.origin.is_tls:
            self._speaks_no_http2(error.message)
        super().lost(error)

    def _speaks_no_http2(self, message: str) -> None:
        """Have the exchanges try again in HTTP/1: a server that does not know HTTP/2 has done nothing yet."""
        if HTTP1[0] in self.origin.versions:
            self._keeper.remember(self.origin, HTTP1)
            self._break_off(message, HTTP_1_1_REQUIRED)

    def _settle(self) -> None:
        if self._is_over:
            return
        if self.streams or self._promised_slots:
            if self.streams and not self.peer.is_full:
                self._await_life()
        else:
            self.is_fresh = False
            if not self.is_taking:
                self.close()
                return
            self.peer.within(self.session.settings.server_idle_timeout, "idle")
        if self.has_room:
            self._keeper.has_room(self)

    def _gone(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._keeper.forget_shared(self)
            self._introduction.wake_all()
            self._proof.wake_all()
