"""Whatever both endpoints, addons and the clock do, in whatever order: nothing crashes and nothing is left behind."""

import random

import pytest

from midstream.errors import UsageError
from midstream.testing.websocket import open_websocket
from midstream.wire.ws import Message
from midstream.wire.ws.events import BINARY, TEXT, Close, Piece, Ping, Pong
from scriptkit.moody import Moody as AnyMoody

SEEDS = 60
HOOKS = [
    "websocket_start",
    "websocket_message",
    "websocket_ping",
    "websocket_pong",
    "websocket_close",
    "websocket_end",
    "response",
]


class Moody(AnyMoody):
    def __init__(self, dice):
        super().__init__(dice, HOOKS)
        self.flow = None
        self.ends = 0
        self.websocket_end = self._end

    async def _end(self, flow):
        self.ends += 1
        await self.act(flow)

    def may_meddle(self, flow):
        self.flow = flow
        return flow.websocket is not None

    def meddle(self, flow, choice):
        if choice != 3:  # there is a response already
            super().meddle(flow, choice)
        message = flow.websocket.messages[-1] if flow.websocket.messages else None
        if choice in {10, 11}:
            self.inject(flow)
        elif choice == 6 and message is not None:
            message.drop()
        elif choice == 7 and message is not None:
            message.content *= 3
        elif choice == 8 and message is not None:
            message.content = "not bytes"
        elif choice == 9 and message is not None:
            message.type = 7

    def inject(self, flow):
        try:
            flow.inject(self.dice.random() < 0.5, b"injected" * self.dice.randrange(1000))
        except UsageError:
            assert not flow.live or flow.websocket is not None


@pytest.mark.parametrize("is_moody", [False, True])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_chaos(play, seed, is_moody):
    dice = random.Random(seed)
    moody = Moody(dice)
    deflate = dice.choice([b"", b"permessage-deflate", b"permessage-deflate; server_no_context_takeover"])
    moody.is_calm = True
    scenario = play(
        addons=[moody] if is_moody else [],
        websocket_ping=dice.choice(["answer", "relay"]),
        websocket_idle_timeout=dice.choice([0, 20]),
        websocket_max_message=dice.choice([None, 500]),
        body_memory=dice.choice([1000, 100_000]),
        profile=dice.choice(["strict", "lenient", "raw"]),
    )
    peers = open_websocket(scenario, offered=deflate, agreed_on=deflate)
    moody.is_calm = False
    for _ in range(dice.randrange(10, 80)):
        _happen(dice, scenario, peers, moody)
    moody.is_calm = True
    for peer in peers:
        peer.peer.leaves()
    scenario.act(moody.lets_go)
    scenario.settle()
    if is_moody and moody.flow is not None and moody.flow.websocket is not None:
        assert moody.ends == 1
        assert moody.flow.websocket.timestamp_end is not None
        assert not moody.flow.live


def _happen(dice, scenario, peers, moody):
    choice = dice.randrange(30)
    peer = dice.choice(peers)
    if choice < 16:
        _speak(dice, peer)
    elif choice < 20:
        peer.heard()
    elif choice == 20 and dice.random() < 0.2:
        peer.peer.ends()
    elif choice == 21 and dice.random() < 0.2:
        peer.peer.leaves()
    elif choice == 22:
        peer.peer.transport.reads_slowly = dice.random() < 0.5
    elif choice == 23:
        scenario.advance(dice.choice([1, 5, 11, 30]))
    elif choice < 27:
        scenario.act(moody.lets_go)
    elif choice == 27 and moody.flow is not None:
        scenario.act(moody.inject, moody.flow)
    elif choice == 28 and moody.flow is not None and moody.flow.killable and dice.random() < 0.1:
        scenario.act(moody.flow.kill)


def _speak(dice, peer):
    engine = peer.engine
    if engine.close_sent is not None or peer.peer.transport.is_closing() or not peer.peer.may_send:
        return
    if dice.random() < 0.02:
        peer.peer.sends(dice.choice([b"\xff\xff", b"\x83\x00", b"\x81\x7f" + b"\xff" * 8]))
        return
    is_compressed = engine.compression is not None and dice.random() < 0.7
    data = dice.choice([b"", b"text", bytes(3000), dice.randbytes(40_000)])
    if not engine.is_between_messages:
        event = dice.choice([Ping(b"in"), Piece(BINARY, b"end", False, True, 0, is_compressed)])
    else:
        event = dice.choice(
            [
                Message(dice.choice([TEXT, BINARY]), data, (), is_compressed),
                Message(BINARY, data, (len(data) // 2, len(data) - len(data) // 2), is_compressed),
                Piece(BINARY, data, True, False, 0, is_compressed),
                Ping(b"ping"),
                Pong(b"pong"),
                *([Close(1000)] if dice.random() < 0.2 else []),
            ]
        )
    wire = engine.send(event)
    cut = dice.randrange(len(wire) + 1)
    peer.peer.sends(wire[:cut])
    peer.peer.sends(wire[cut:])
