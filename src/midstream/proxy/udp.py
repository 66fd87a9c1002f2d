"""Relaying datagrams between a client and the server of reverse mode, as a `UDPFlow`."""

import logging
from collections import deque

from midstream.flow import Error, Server, UDPFlow, UDPMessage
from midstream.hooks.table import Handlers, dispatch
from midstream.proxy.datagrams import WAITING, DatagramClient, DatagramLink, open_datagrams
from midstream.proxy.policy import authority_name
from midstream.proxy.stepper import Signal
from midstream.wire.errors import PeerError

_log = logging.getLogger("midstream.proxy")


async def relay_datagrams(talker: DatagramClient) -> None:
    """Relay until nothing has come for a while."""
    await _Relay(talker).run()


class _Relay:
    """One client and its server."""

    def __init__(self, talker: DatagramClient) -> None:
        self._session = talker.session
        self._talker = talker
        mode = talker.client.proxy_mode
        self._flow = UDPFlow(
            talker.client,
            Server(address=mode.address, transport_protocol="udp"),  # type: ignore[attr-defined] # the engine's own mode
            live=True,
        )
        self._link = DatagramLink(self._from_server, self._failed)
        self._answers: deque[bytes] = deque()
        self._injected: deque[tuple[bool, bytes]] = deque()
        self._kept_size = 0
        self._held: Signal[None] | None = None
        self._problem = ""
        """Why the server does not get what is sent to it, as far as we know."""

    async def run(self) -> None:
        flow, hooks = self._flow, self._session.hooks
        try:
            await open_datagrams(self._session, flow.server_conn, flow.client_conn, self._link)
        except PeerError as error:
            self._problem = error.message
            _log.info("%s: %s", authority_name(*(flow.client_conn.peername or ("", 0))[:2]), error)
            self._talker.end()
        else:
            await self._converse()
        flow.live = False
        flow.on_release = flow.on_inject = None
        if self._problem and flow.error is None:
            flow.error = Error(self._problem, self._session.time())
        await dispatch(hooks.udp_error if flow.error is not None else hooks.udp_end, flow)

    async def _converse(self) -> None:
        flow, talker, hooks = self._flow, self._talker, self._session.hooks
        flow.on_release = self._released
        flow.on_inject = self._inject
        talker.is_held = lambda: self._held is not None
        talker.on_end = self._let_go
        try:
            await self._tell(hooks.udp_start)
            while not talker.is_over and flow.error is None:
                if self._injected:
                    await self._pass_on(*self._injected.popleft(), is_injected=True)
                elif self._answers:
                    await self._pass_on(False, self._answers.popleft())
                elif (data := await talker.next()) is not None:
                    await self._pass_on(True, data)
        finally:
            talker.end()
            self._link.close()
            self._session.server_lost(flow.server_conn, flow.client_conn)

    async def _pass_on(self, from_client: bool, data: bytes, *, is_injected: bool = False) -> None:
        hooks = self._session.hooks
        message = UDPMessage(from_client, data, self._session.time(), injected=is_injected)
        if hooks.udp_message:
            self._record(message)
            await self._tell(hooks.udp_message)
        is_dropped = message.dropped or (bool(data) and not message.content)
        if is_dropped or self._flow.error is not None or self._talker.is_over:
            return
        if from_client:
            self._link.send(message.content)
        elif not self._talker.send(message.content):
            _log.debug("a datagram for %s is left out: it has not sent enough", self._talker.host)

    async def _tell(self, handlers: Handlers) -> None:
        """Call hooks, and hold the flow while one of them has it intercepted."""
        await dispatch(handlers, self._flow)
        if self._flow.intercepted:
            self._held = Signal()
            self._flow.on_release = self._released
            await self._held

    def _released(self) -> None:
        """Go on after `resume`, and see to the end after `kill`."""
        self._flow.on_release = self._released
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

    def _from_server(self, data: bytes) -> None:
        self._problem = ""
        self._talker.touch()
        if len(self._answers) < WAITING:
            self._answers.append(data)
            self._talker.wake()

    def _failed(self, why: str) -> None:
        """Take note of what the network says, and go on: the server may yet come."""
        self._problem = f"the server cannot be reached: {why}"

    def _record(self, message: UDPMessage) -> None:
        """Keep the message; the oldest make room once there are more than body_memory bytes."""
        messages = self._flow.messages
        messages.append(message)
        self._kept_size += len(message.content)
        while self._kept_size > self._session.settings.body_memory and len(messages) > 1:
            self._kept_size -= len(messages.pop(0).content)
