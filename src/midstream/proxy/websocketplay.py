"""A recorded WebSocket session played once more: a client that follows its script, and the relay between it and the server.

The client answers like any other: it says what it said when it has heard what it had heard. How long it waits besides is the option
`websocket_replay_timing`. A server that says less than it did is waited for in vain once, not each time again.
"""

import logging
from collections.abc import Callable
from typing import Final

from midstream.flow import HTTPFlow
from midstream.proxy.deadlines import NEVER
from midstream.proxy.failure import ClientLeft
from midstream.proxy.opened import Opened
from midstream.proxy.patience import Patience
from midstream.proxy.replayclient import PlayedTransport
from midstream.proxy.session import Session
from midstream.proxy.stepper import Step
from midstream.proxy.streams import Detached
from midstream.proxy.websocket import WebSocketRelay
from midstream.proxy.websocketscript import Cue, Script
from midstream.proxy.websocketside import TELL, Side
from midstream.wire.errors import Profile
from midstream.wire.ws import Message, ServerFacing
from midstream.wire.ws.events import Close, Ping, Pong

ANSWER_SECONDS: Final = 10.0
"""How much longer than in the recording a server may take to say what it had said."""
_log = logging.getLogger("midstream.replay")


class PlayedRelay(WebSocketRelay):
    """A relay that keeps the record even if no addon looks, and tells when the server's messages have passed the hooks."""

    on_heard: Callable[[], None]

    def mode(self, side: Side) -> int:
        return super().mode(side) or TELL

    async def _message(self, side: Side, came: Message, *, is_sent: bool = False, is_injected: bool = False) -> None:
        await super()._message(side, came, is_sent=is_sent, is_injected=is_injected)
        if not side.is_client and not is_injected:
            self.on_heard()


class Player:
    """The client."""

    def __init__(self, session: Session, script: Script, transport: PlayedTransport, opened: Opened) -> None:
        self._session = session
        self._script = script
        self._timing = session.options.websocket_replay_timing
        self._transport = transport
        self._engine = ServerFacing(lambda: b"mask", profile=Profile.RAW, compression=opened.with_client)
        self._is_compressed = opened.with_client is not None
        self._heard = 0
        """How many messages have come from the server."""
        self._given_up = 0
        """How many more of them there had been, which nobody waits for any more."""
        self._waiting: tuple[float, Patience] | None = None
        """How many it waits for, and how long."""
        self._step = Step(self._run(), _ended)
        transport.end = self

    def start(self) -> None:
        """Begin to follow the script."""
        self._step.start()

    def stop(self) -> None:
        """Follow it no further."""
        self._step.throw(ClientLeft())

    def heard(self) -> None:
        """Count a message from the server."""
        self._heard += 1
        if self._waiting is not None and self._heard >= self._waiting[0]:
            self._waiting[1].set(None)

    # What the transport calls.

    def received(self, data: bytes) -> None:
        """Answer what wants to be answered."""
        for event in self._engine.receive(data):
            if type(event) is Ping:
                self._transport.feed(self._engine.send(Pong(event.payload)))
            elif type(event) is Close:
                self.stop()
                self._transport.feed(self._engine.send(Close(event.code, event.reason)))

    def lost(self) -> None:
        self.stop()

    # The script.

    async def _run(self) -> None:
        script = self._script
        for line in script.lines:
            if self._timing != "at_once":
                await self._await(line.cue)
            message = line.message
            await self._transport.readable()
            self._transport.feed(
                self._engine.send(Message(message.opcode, message.data, is_compressed=self._is_compressed))
            )
        await self._await(script.cue)
        if script.leave == "waits":
            await self._wait_for(NEVER, script.cue.gap + ANSWER_SECONDS)
        if script.leave == "vanishes":
            self._transport.close()
        else:
            self._transport.feed(self._engine.send(script.close))

    async def _await(self, cue: Cue) -> None:
        """Wait until as much has come as had come in the recording, and if so wished for as long."""
        wanted = cue.heard - self._given_up
        if self._heard < wanted:
            await self._wait_for(wanted, cue.gap + ANSWER_SECONDS)
        if self._heard < wanted:
            self._given_up += wanted - self._heard
            _log.info("the server has sent %d messages, where it had sent %d", self._heard, cue.heard)
        if self._timing == "recorded" and cue.gap:
            await self._session.waiter.sleep(cue.gap)

    async def _wait_for(self, count: float, seconds: float) -> None:
        patience = Patience(self._session.deadlines, seconds)
        self._waiting = count, patience
        try:
            await patience
        finally:
            patience.end()
            self._waiting = None


async def play(
    session: Session, flow: HTTPFlow, script: Script, client: PlayedTransport, server: Detached, opened: Opened
) -> None:
    """Play a session to its end."""
    player = Player(session, script, client, opened)
    relay = PlayedRelay(session, flow, Detached(client.peer, b""), server, opened)
    relay.on_heard = player.heard
    player.start()
    try:
        await relay.run()
    finally:
        player.stop()


def _ended(error: BaseException | None) -> None:
    if error is not None and not isinstance(error, ClientLeft):
        raise error
