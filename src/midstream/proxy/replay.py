"""One flow that is replayed: its request is sent again, and if it opened a WebSocket connection, its messages are, too.

The flow itself goes the way of any other, hooks included, over a client that is not there; what it was before is in its
backup, so that `revert` brings it back. It is an exchange of its own kind only in that the request is here already.
"""

from collections.abc import Callable

from midstream.flow import Client, ConnectionState, HTTPFlow, Server
from midstream.proxy.deadlines import NEVER
from midstream.proxy.link import Link
from midstream.proxy.pool import Pool
from midstream.proxy.replayclient import ReplayClient
from midstream.proxy.replayhead import replay_head, replay_target
from midstream.proxy.replayway import server_side
from midstream.proxy.session import Session
from midstream.proxy.stepper import Step
from midstream.proxy.streams import Detached
from midstream.proxy.switched import Switched
from midstream.proxy.switching import SwitchingExchange, may_switch
from midstream.proxy.websocketplay import play
from midstream.proxy.websocketscript import Script, script_of


class Replay:
    """A flow under way once more; also the `Inside` of its server side."""

    def __init__(self, session: Session, pool: Pool, flow: HTTPFlow, on_changed: "Callable[[Replay], None]") -> None:
        self.flow = flow
        self.holds_others = True
        """Others may have to wait for this one."""
        self.is_over = False
        seconds = session.options.client_replay_timeout
        self.deadline = session.deadlines.now + seconds if seconds else NEVER
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
        ReplayedExchange(session, side, self._client, head).begin(flow, self._exchange_over)

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


class ReplayedExchange(SwitchingExchange):
    """An exchange whose request is here already, as a whole."""

    def begin(self, flow: HTTPFlow, on_over: Callable[[BaseException | None], None]) -> None:
        """Start."""
        self.flow = flow
        self._may_switch = may_switch(self.head)
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
