"""One flow that is replayed: its request is sent again, and if it opened a WebSocket connection, its messages are, too.

The flow itself goes the way of any other, hooks included, over a client that is not there; what it was before is in its
backup, so that `revert` brings it back. It is an exchange of its own kind only in that the request is here already.
"""

import uuid
from collections.abc import Callable, Coroutine
from typing import TypeVar

from midstream.flow import Client, ConnectionState, HTTPFlow, Request, Server
from midstream.options.modes import ModeSpec
from midstream.pki.names import ip_address
from midstream.proxy.exchange import Exchange
from midstream.proxy.link import Link
from midstream.proxy.pool import Pool
from midstream.proxy.replayclient import ReplayClient
from midstream.proxy.replayhead import replay_head, replay_target
from midstream.proxy.serverside import ServerSide, server_name
from midstream.proxy.session import Session
from midstream.proxy.stepper import Step, Waitable
from midstream.proxy.streams import Detached
from midstream.proxy.switched import Switched
from midstream.proxy.target import Way
from midstream.proxy.websocketplay import play
from midstream.proxy.websocketscript import Script, script_of

T = TypeVar("T")
REGULAR = ModeSpec.parse("regular")


class Replay:
    """A flow under way once more; also the `Inside` of its server side."""

    def __init__(self, session: Session, pool: Pool, flow: HTTPFlow, on_changed: "Callable[[Replay], None]") -> None:
        self.flow = flow
        self.holds_others = True
        """Others may have to wait for this one."""
        self.is_over = False
        seconds = session.options.client_replay_timeout
        self.deadline = session.deadlines.now + seconds if seconds else float("inf")
        self._session = session
        self._pool = pool
        self._on_changed = on_changed
        self._client = ReplayClient(session)
        self._switched: Switched | None = None
        self._script: Script

    def start(self) -> None:
        """Make the flow as it was when only its request was there, and send that."""
        flow, session = self.flow, self._session
        was_websocket = flow.websocket is not None
        self._script = script_of(flow)
        self._side = side = server_side(session, self._pool, flow, self)
        begin_anew(flow, side.client, session.time())
        flow.server_conn = Server.towards((flow.request.host, flow.request.port), side.via)
        session.deadlines.watch(self)
        session.tell(session.hooks.update, [flow])
        head = replay_head(flow.request, opens_websocket=was_websocket)
        exchange = ReplayedExchange(session, side, self._client, head)
        exchange.flow = flow
        exchange.begin(self._exchange_over)

    def stop(self) -> None:
        """Break off."""
        if self.flow.killable:
            self.flow.kill()

    def expired(self) -> None:
        """Let others begin: this one takes long."""
        self.holds_others = False
        self._on_changed(self)

    # What HTTP leads to: called from within the exchange.

    def end_http(self, what: bytes | Switched) -> None:
        assert isinstance(what, Switched)  # a CONNECT of the other kind is not replayed
        self._switched = what

    def relay_inner(self, switched: Switched) -> None:
        self._switched = switched

    def open_inner(self, flow: HTTPFlow, link: Link | None, client: Detached) -> None:  # noqa: ARG002 - never called
        raise AssertionError("a CONNECT that opens a tunnel is not replayed")

    def _exchange_over(self, error: BaseException | None) -> None:
        switched = self._switched
        if error is None and switched is not None:
            self._session.spawn(self._go_on(switched))
            return
        self._over()
        if error is not None:
            raise error

    async def _go_on(self, switched: Switched) -> None:
        """Play what was said after the switch; of other protocols than WebSocket nothing is known that could be."""
        transport = self._client.transport
        assert transport is not None
        try:
            if switched.opened is None:
                transport.abort()
                switched.from_server.peer.abort()
            else:
                ends = (transport, switched.from_server)
                await play(self._session, self.flow, self._script, *ends, switched.opened)
        finally:
            self._over()

    def _over(self) -> None:
        session, client = self._session, self._side.client
        session.deadlines.forget(self)
        client.timestamp_end = session.time()
        client.state = ConnectionState.CLOSED
        self._side.drop()
        self.holds_others = False
        self.is_over = True
        self._on_changed(self)


class ReplayedExchange(Exchange):
    """An exchange whose request is here already, as a whole."""

    def begin(self, on_over: Callable[[BaseException | None], None]) -> None:
        """Start."""
        self._step = Step(self._run(), on_over)
        self._step.start()

    def _begin(self) -> None:
        self._target = replay_target(self.flow.request)
        self.flow.on_release = self._released  # whoever asked for the replay has the flow, even if no hook gets it

    async def _take_request_body(self) -> None:
        """Return: the flow has it."""


def begin_anew(flow: HTTPFlow, client: Client, now: float) -> None:
    """Remember what a flow is, and make it one of which nothing but the request has come."""
    flow.backup()
    flow.is_replay = "request"
    flow.client_conn = client
    flow.response = flow.error = flow.websocket = None
    flow.stream_id = flow.server_stream_id = None
    flow.informational, flow.grpc_messages, flow.sse_events, flow.annotations = [], [], [], []
    flow.messages_forgotten = 0
    flow.held_back = ""
    request = flow.request
    request.stream = False
    request.timestamp_start = request.timestamp_end = now
    flow.live = True


def server_side(session: Session, pool: Pool, flow: HTTPFlow, inside: Replay) -> ServerSide:
    """Return the way to the server as the mode and the recording tell it: version, server name, parent proxy."""
    request, recorded = flow.request, flow.server_conn
    side = ServerSide(
        session, pool, client_like(flow.client_conn, session.time()), mode_for(session, flow), _stay, inside
    )
    is_tls = request.scheme == "https"
    is_tunnelled = is_tls or (
        flow.websocket is not None and not request.authority
    )  # WebSocket as browsers do: by CONNECT
    is_for_parent = side.via is not None and side.via[0] != "socks5" and not is_tunnelled
    side.way = Way(
        is_explicit=is_for_parent,
        scheme="https" if is_tls else "http",
        destination=None if is_for_parent else (request.host, request.port),
    )
    side.is_tls = is_tls
    side.is_http2 = (request.is_http2 or request.is_http3) if is_tls else recorded.http2 is not None
    is_same_server = recorded.address is not None and recorded.address[:2] == (request.host, request.port)
    side.sni = (recorded.sni if is_same_server else None) or _name_in(request)
    return side


def client_like(recorded: Client, now: float) -> Client:
    """Return the facts of the client that has sent the request, as those of another connection."""
    client = recorded.copy()
    client.id = str(uuid.uuid4())
    client.state = ConnectionState.OPEN
    client.timestamp_start, client.timestamp_end, client.error = now, None, None
    return client


def mode_for(session: Session, flow: HTTPFlow) -> ModeSpec:
    """Return the mode that the flow came by, if there still is one; else the first, if that has a parent proxy."""
    texts, own = session.options.mode, flow.client_conn.proxy_mode.full_spec
    text = own if own in texts else next(iter(texts), "regular")
    mode = ModeSpec.parse(text)
    if mode.name == "upstream":
        return mode
    is_to_target = mode.name == "reverse" and text == own and mode.address == (flow.request.host, flow.request.port)
    return mode if is_to_target else REGULAR


def _name_in(request: Request) -> str | None:
    """Return the server's name where the request goes to an address."""
    if ip_address(request.host) is None:
        return server_name(request.host)
    return server_name(request.pretty_host)


async def _stay(waiting: Coroutine[Waitable, None, T], /) -> T:
    return await waiting
