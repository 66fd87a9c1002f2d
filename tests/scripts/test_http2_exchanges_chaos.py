"""Whatever clients, servers, addons and the clock do to exchanges over HTTP/2: nothing crashes, nothing is left behind."""

import random

import pytest

from midstream.errors import UsageError
from midstream.flow import Headers
from midstream.testing import Http2Peer
from midstream.wire.events import END, Data, RequestHead, Reset, ResponseHead, Trailers
from midstream.wire.h2 import ClientFacing, Limits, ServerFacing
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.frame import PREFACE
from midstream.wire.h2.heads import VERSION
from scriptkit.moody import Moody as AnyMoody

SEEDS = 100
MODES = ("reverse:h2c://a:80", "reverse:http://a:80", "regular")
CODES = (0, 1, 2, 7, 8, 11, 13, 0x99)
PLAIN = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: 1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nuntil close",
    b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"nonsense\r\n\r\n",
)
NOISE = (
    frames.frame(frames.PING, 0, 0, b"12345678"),
    frames.frame(frames.PRIORITY, 0, 1, b"\0\0\0\3\7"),
    frames.frame(frames.PRIORITY_UPDATE, 0, 0, b"\0\0\0\1u=1"),
    frames.frame(0x77, 0, 1, b"?"),
    frames.settings([(4, 10)]),
    frames.settings([(4, 100_000), (3, 1)]),
    frames.settings([(3, 0)]),
    frames.settings([(3, 100)]),
    frames.window_update(0, 1000),
)
BAD_NOISE = (
    frames.frame(frames.DATA, 0, 1, b"stray"),
    frames.rst_stream(1, 8),
    frames.window_update(1, 0),
    frames.goaway(1, 0),
    frames.frame(frames.HEADERS, 5, 99, b"\x82"),
    frames.frame(frames.PING, 0, 1, b"12345678"),
    b"\xff" * 9,
)
FIELDS = (
    [],
    [(b"te", b"trailers"), (b"content-type", b"application/grpc")],
    [(b"expect", b"100-continue")],
    [(b"cookie", b"a=1"), (b"cookie", b"b=2")],
    [(b"content-length", b"3")],
)
HOOKS = (
    "requestheaders request informational responseheaders response error server_connect server_connected "
    "server_disconnected client_connected client_disconnected"
)


class Moody(AnyMoody):
    def meddle(self, flow, choice):
        super().meddle(flow, choice)
        message = flow.response or flow.request
        if choice == 5:
            message.headers["X-New"] = "1"
        elif choice == 6:
            message.headers.insert(0, b"", b"bad")
        elif choice == 7:
            message.stream = lambda data: [data, data]
        elif choice == 8:
            message.content = b"new"
        elif choice == 9:
            message.trailers = Headers([(b"X", b"1")])
        elif choice == 10:
            flow.request.host = self.dice.choice("abc")


class Player:
    """A client or server of HTTP/2 with a will of its own."""

    def __init__(self, peer: Http2Peer, dice: random.Random) -> None:
        self.peer = peer
        self.dice = dice
        self.streams: list[int] = []

    def acts(self) -> None:
        dice, peer = self.dice, self.peer
        choice = dice.randrange(16)
        if peer.peer.is_closed or peer.engine.has_failed:
            return
        if choice < 6:
            self.begins()
        elif choice < 12 and self.streams:
            self.goes_on(dice.choice(self.streams[-4:]))
        elif choice == 12:
            peer.peer.sends(dice.choice(NOISE), piece=dice.choice((0, 1, 5)))
        elif choice == 13:
            peer.consumes = not peer.consumes
        elif choice == 14 and dice.randrange(4) == 0:
            peer.peer.sends(dice.choice(BAD_NOISE))
        elif choice == 15 and dice.randrange(4) == 0:
            peer.goes_away(last=dice.choice((None, 0, 1, 0x7FFF_FFFF)))
        else:
            peer.hear()

    def begins(self) -> None:
        raise NotImplementedError

    def goes_on(self, stream: int) -> None:
        dice = self.dice
        size = dice.choice((0, 1, 3, 70_000))
        events = dice.choice(
            (
                [Data(bytes(size))],
                [END],
                [Data(b"abc"), END],
                [Trailers([(b"x", b"1")]), END],
                [Reset("", dice.choice(CODES))],
            )
        )
        self.says(stream, *events)

    def says(self, stream: int, *events) -> None:
        """Say what is in order; what the engine does not let through was out of order."""
        try:
            self.peer.says(stream, *events)
        except UsageError:
            self.peer.flush()


class Client(Player):
    def begins(self) -> None:
        dice, engine = self.dice, self.peer.engine
        assert isinstance(engine, ServerFacing)
        if not engine.free_slots:
            return
        head = RequestHead(
            dice.choice((b"GET", b"HEAD", b"POST", b"PUT")),
            b"/",
            VERSION,
            list(dice.choice(FIELDS)),
            None,
            scheme=dice.choice((b"http", b"http", b"ftp")),
            authority=dice.choice((b"a", b"b", b"127.0.0.1:8080")),
        )
        self.streams.append(stream := engine.open(head))
        self.says(stream, *([END] if dice.randrange(2) else []))


class Server(Player):
    def begins(self) -> None:
        dice = self.dice
        assert isinstance(self.peer.engine, ClientFacing)
        self.streams = self.peer.streams
        if not self.streams:
            return
        status = dice.choice((100, 103, 200, 200, 204, 304, 401, 500))
        events: list = [ResponseHead(status, b"", VERSION, list(dice.choice(FIELDS[3:])), None if status >= 200 else 0)]
        if dice.randrange(2):
            events += [Data(b"abc"), END]
        self.says(dice.choice(self.streams[-4:]), *events)


class Plain:
    """A server of HTTP/1."""

    def __init__(self, peer, dice: random.Random) -> None:
        self.peer = peer
        self.dice = dice

    def acts(self) -> None:
        self.peer.received()
        self.peer.sends(self.dice.choice(PLAIN), piece=self.dice.choice((0, 1, 11)))


class Stage:
    """The scenario and all who play in it."""

    def __init__(self, scenario, moody: Moody, dice: random.Random) -> None:
        self.scenario = scenario
        self.moody = moody
        self.dice = dice
        self.limits = Limits(stream_window=dice.choice((1, 1000, 1_000_000)))
        self.clients = [
            Client(Http2Peer.client(scenario.client(), limits=self.limits), dice) for _ in range(dice.randrange(1, 4))
        ]
        self.servers: list[Server | Plain] = []
        self.ended: set = set()

    def happens(self) -> None:
        dice, choice = self.dice, self.dice.randrange(24)
        for server in self.scenario.servers[len(self.servers) :]:
            if server.transport.written.startswith(PREFACE) or server.is_closed:
                self.servers.append(Server(Http2Peer.server(server, limits=self.limits), dice))
            else:
                self.servers.append(Plain(server, dice))
        player = dice.choice(self.clients if choice < 10 or not self.servers else self.servers)
        if choice < 19:
            if player not in self.ended:
                player.acts()
        elif choice == 19 and dice.randrange(3) == 0:
            self.ended.add(player)
            peer = player.peer.peer if isinstance(player, Player) else player.peer
            dice.choice((peer.ends, peer.leaves))()
        elif choice == 20:
            self.scenario.advance(dice.choice((1, 30, 1000)))
        elif choice in {21, 22}:
            self.moody.lets_one_go(self.scenario, is_thought=choice == 21)
        elif choice == 23:
            for connection in self.scenario._connections[:]:
                if dice.randrange(8) == 0:
                    self.scenario.act(connection.stop_if_idle)


@pytest.mark.parametrize("is_moody", [False, True])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_chaos(play, tape, seed, is_moody):
    dice = random.Random(seed)
    moody = Moody(dice, HOOKS.split())
    scenario = play(
        dice.choice(MODES),
        addons=[tape, moody] if is_moody else [tape],
        tcp_timeout=50,
        stream_large_bodies=dice.choice([None, 4]),
        http2_priority=dice.choice([False, True]),
        http2_stream_window=dice.choice(["1k", "1m"]),
        http2_connections_per_host=dice.choice([1, 8]),
    )
    stage = Stage(scenario, moody, dice)
    for _ in range(dice.randrange(20, 100)):
        stage.happens()
    connections = [each._http for each in scenario._connections if each._http is not None]
    for client in stage.clients:
        client.peer.peer.leaves()
    moody.is_calm = True
    moody.lets_go()
    scenario.settle()
    scenario.advance(5)  # who broke the protocol may read for a while why
    for flow in tape.flows:
        assert not flow.live, "every flow ends"
        assert flow.error is not None or flow.response is not None
    assert not any(connection.streams for connection in connections)
    for connections_of_one in scenario.pool._shared.values():
        for connection in connections_of_one:
            assert not connection.streams
            assert connection.engine.unconsumed == 0
            assert connection._promised_slots == 0
