"""Relaying datagrams between a client and the server of reverse mode, as a `UDPFlow`: as they come, or what is inside of DTLS."""

import logging
from collections import deque
from collections.abc import Callable

from midstream.flow import Error, Server, UDPFlow, UDPMessage
from midstream.hooks.table import Handlers, HookTable, dispatch
from midstream.proxy.datagrams import WAITING, DatagramClient, DatagramLink, open_datagrams
from midstream.proxy.dtls import DtlsLeg
from midstream.proxy.stepper import Signal
from midstream.wire.errors import PeerError
from midstream.wire.tls.datagrams import DtlsEndpoint

_log = logging.getLogger("midstream.proxy")


class Relay:
    """One client and its server: `open`, then DTLS as far as it is wanted, `converse`, and `end` in any case."""

    def __init__(self, talker: DatagramClient, server: Server, hooks: HookTable) -> None:
        """`hooks` hear of the flow."""
        self.flow = UDPFlow(talker.client, server, live=True)
        self._session = talker.session
        self._talker = talker
        self._hooks = hooks
        self._receive: Callable[[bytes], None] = self._from_server
        self._link = DatagramLink(self._received, self._failed)
        self._is_open = False
        self._to_client: Callable[[bytes], object] = talker.send
        self._to_server: Callable[[bytes], object] = self._link.send
        self._legs: list[DtlsLeg] = []
        self._server_leg: DtlsLeg | None = None
        self._answers: deque[bytes] = deque()
        self._injected: deque[tuple[bool, bytes]] = deque()
        self._kept_size = 0
        self._held: Signal[None] | None = None
        self._has_ended = False
        """One side has said that it is over; what came before goes on."""
        self._problem = ""
        """Why the server does not get what is sent to it, as far as we know."""
        talker.on_end = self._talker_ended

    async def open(self) -> None:
        """Have a socket for the server.

        Raises:
            PeerError: It cannot be reached, or an addon refused it.

        """
        await open_datagrams(self._session, self.flow.server_conn, self.flow.client_conn, self._link)
        self._is_open = True
        if self._talker.is_over:
            raise PeerError("the client is forgotten before its server was there")

    def server_leg(self, endpoint: DtlsEndpoint) -> DtlsLeg:
        """Put DTLS between us and the server; its handshake is to be run."""
        leg = DtlsLeg(self._session, endpoint, DtlsEndpoint.start, self._link.send, self._from_server)
        self._server_leg = leg
        self._receive = leg.received
        self._to_server = leg.send
        return self._with(leg)

    def client_leg(self, endpoint: DtlsEndpoint, begin: Callable[[DtlsEndpoint], None]) -> DtlsLeg:
        """Put DTLS between us and the client; its handshake is to be run, and what it reads is to be brought to it."""
        leg = DtlsLeg(self._session, endpoint, begin, self._talker.send, self._talker.deliver)
        self._to_client = leg.send
        return self._with(leg)

    async def converse(self) -> None:
        """Relay until nothing has come for a while, or one side says goodbye."""
        flow, talker = self.flow, self._talker
        flow.on_release = self._released
        flow.on_inject = self._inject
        talker.is_held = lambda: self._held is not None
        await self._tell(self._hooks.udp_start)
        while not talker.is_over and flow.error is None:
            if self._injected:
                await self._pass_on(*self._injected.popleft(), is_injected=True)
            elif self._answers:
                await self._pass_on(False, self._answers.popleft())
            elif self._has_ended and not talker.has_more:
                break
            elif (data := await talker.next()) is not None:
                await self._pass_on(True, data)

    def close(self) -> None:
        """Say goodbye to both sides."""
        for leg in self._legs:
            leg.close()
        self._talker.end()
        self._talker.reads = self._receive = self._to_client = self._to_server = _lose
        self._legs.clear()
        self._server_leg = None
        if self._is_open:
            self._is_open = False
            self._link.close()
            self._session.server_lost(self.flow.server_conn, self.flow.client_conn)

    async def end(self, problem: str = "") -> None:
        """Tell that the flow is over, and why."""
        flow = self.flow
        flow.live = False
        flow.on_release = flow.on_inject = None
        problem = problem or self._problem
        if problem and flow.error is None:
            flow.error = Error(problem, self._session.time())
        await dispatch(self._hooks.udp_error if flow.error is not None else self._hooks.udp_end, flow)

    def _with(self, leg: DtlsLeg) -> DtlsLeg:
        leg.on_end = lambda: self._leg_ended(leg)
        self._legs.append(leg)
        return leg

    def _leg_ended(self, leg: DtlsLeg) -> None:
        """Let the relay end when all that came before is passed on."""
        self._has_ended = True
        if leg.failure is not None:
            self._problem = leg.failure.message
        self._talker.wake()

    def _talker_ended(self) -> None:
        for leg in self._legs:
            leg.give_up(PeerError("the client is forgotten before its DTLS was there"))
        self._let_go()

    async def _pass_on(self, from_client: bool, data: bytes, *, is_injected: bool = False) -> None:
        message = UDPMessage(from_client, data, self._session.time(), injected=is_injected)
        if self._hooks.udp_message:
            self._record(message)
            await self._tell(self._hooks.udp_message)
        is_dropped = message.dropped or (bool(data) and not message.content)
        if is_dropped or self.flow.error is not None or self._talker.is_over:
            return
        if from_client:
            self._to_server(message.content)
        elif not self._to_client(message.content):
            _log.debug("a datagram for %s is left out", self._talker.host)

    async def _tell(self, handlers: Handlers) -> None:
        """Call hooks, and hold the flow while one of them has it intercepted."""
        await dispatch(handlers, self.flow)
        if self.flow.intercepted:
            self._held = Signal()
            self.flow.on_release = self._released
            await self._held

    def _released(self) -> None:
        """Go on after `resume`, and see to the end after `kill`."""
        self.flow.on_release = self._released
        if not self._talker.is_over:
            self._talker.touch()
        self._let_go()
        self._talker.wake()

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.set(None)

    def _inject(self, to_client: bool, content: bytes) -> None:
        self._injected.append((not to_client, content))
        self._talker.wake()

    def _received(self, data: bytes) -> None:
        """Take a datagram of the server."""
        self._problem = ""
        self._talker.touch()
        self._receive(data)

    def _from_server(self, data: bytes) -> None:
        if len(self._answers) < WAITING:
            self._answers.append(data)
            self._talker.wake()

    def _failed(self, why: str) -> None:
        """Take note of what the network says, and go on: the server may yet come. Only a handshake does not wait for that."""
        self._problem = f"the server cannot be reached: {why}"
        if self._server_leg is not None:
            self._server_leg.give_up(PeerError(self._problem, status=502))

    def _record(self, message: UDPMessage) -> None:
        """Keep the message; the oldest make room once there are more than body_memory bytes."""
        messages = self.flow.messages
        messages.append(message)
        self._kept_size += len(message.content)
        while self._kept_size > self._session.settings.body_memory and len(messages) > 1:
            self._kept_size -= len(messages.pop(0).content)


def _lose(_data: bytes) -> None:
    """Take what comes when all is over."""
