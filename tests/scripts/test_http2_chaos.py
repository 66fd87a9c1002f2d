"""Whatever clients and servers of HTTP/2, their tunnels, addons and the clock do: nothing crashes and nothing is left behind."""

import random

import pytest

from midstream.errors import UsageError
from midstream.testing.http2 import Http2Peer
from midstream.wire.events import END, Data, Reset, Trailers
from midstream.wire.h2 import Limits
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import CANCEL, HTTP_1_1_REQUIRED, NO_ERROR, REFUSED_STREAM
from scriptkit.moody import Moody

SEEDS = 100
MODES = ("regular", "reverse:h2c://a:80", "reverse:http://a:80")
CODES = (NO_ERROR, CANCEL, REFUSED_STREAM, HTTP_1_1_REQUIRED)
HTTP1 = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: 1\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"nonsense\r\n\r\n",
)
HOOKS = (
    "http_connect http_connected requestheaders request responseheaders response error "
    "server_connected client_connected tcp_start tcp_message tcp_end tcp_error"
)


class Inside:
    """A tunnel on a stream, to put another connection into."""

    def __init__(self, client, stream):
        self._client = client
        self._stream = stream
        self._taken = 0

    def sends(self, data):
        self._client.says(self._stream, Data(data))

    def received(self):
        data = self._client.response(self._stream).body[self._taken :]
        self._taken += len(data)
        return data


class Clients:
    """Does anything that clients may do."""

    def __init__(self, scenario, dice):
        self._scenario = scenario
        self._dice = dice
        self._all = [
            Http2Peer.client(scenario.client(), limits=Limits(stream_window=dice.choice([100, 100_000])))
            for _ in range(dice.randrange(1, 4))
        ]

    def act(self):
        dice = self._dice
        client = dice.choice(self._all)
        client.consumes = dice.randrange(4) > 0
        choice = dice.randrange(12)
        if choice < 4:
            body = dice.choice([b"", b"body", b"x" * 70_000, None])
            client.asks(dice.choice(["GET", "POST", "HEAD"]), "/", body, authority=dice.choice("ab"))
        elif choice == 4:
            target = dice.choice(["a:80", "b:80"])
            stream = client.asks("CONNECT", target, None, authority=target)
            if dice.randrange(3) == 0:
                client.says(stream, Data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
            elif dice.randrange(2) == 0:
                inner = Http2Peer.client(Inside(client, stream))
                inner.asks("GET", "/", authority="a")
                self._all.append(inner)
        elif choice == 5:
            client.asks("CONNECT", "/", None, protocol="example")
        elif choice < 9:
            self._go_on(client)
        elif choice == 9:
            client.engine.ping(b"12345678")
            client.flush()
        elif choice == 10 and dice.randrange(4) == 0:
            client.engine.go_away()
            client.flush()
        else:
            client.hear()

    def _go_on(self, client):
        """Go on with a stream that is there."""
        dice = self._dice
        streams = list(client.engine._streams)
        if streams:
            say(client, dice.choice(streams), dice)

    def leave(self):
        for client in self._all:
            if isinstance(client.peer, Inside):
                continue
            client.peer.leaves()


class Servers:
    """Does anything that servers may do."""

    def __init__(self, scenario, dice):
        self._scenario = scenario
        self._dice = dice
        self._played = {}

    def act(self):
        dice = self._dice
        if not self._scenario.servers:
            return
        server = dice.choice(self._scenario.servers)
        choice = dice.randrange(30)
        if choice == 0:
            server.leaves()
        elif choice == 1:
            server.ends()
        elif server not in self._played:
            self._meet(server)
        elif (played := self._played[server]) is not None:
            self._play(played, choice)
        elif choice < 10:
            server.received()
            server.sends(dice.choice(HTTP1))

    def _meet(self, server):
        begun = bytes(server.transport.written[:3])
        if begun == b"PRI":
            limits = Limits(concurrent_streams=self._dice.choice([1, 3, 100]))
            extended = self._dice.choice([True, False])
            self._played[server] = Http2Peer.server(server, limits=limits, has_extended_connect=extended)
        elif begun:
            self._played[server] = None

    def _play(self, played, choice):
        dice = self._dice
        played.consumes = dice.randrange(4) > 0
        if choice == 2:
            played.engine.go_away()
            played.flush()
        elif choice == 3:
            played.peer.sends(frames.settings([(3, dice.choice([0, 1, 5]))]))
        elif choice == 4 and dice.randrange(4) == 0:
            played.peer.sends(b"nonsense" * 4)
        else:
            played.hear()
            streams = list(played.engine._streams)
            if not streams:
                return
            stream = dice.choice(streams)
            if choice < 15:
                body = dice.choice([b"", b"body", b"y" * 70_000, None])
                attempt(played.answers, stream, dice.choice([200, 200, 204, 404]), body)
            else:
                say(played, stream, dice)


def attempt(call, *args):
    """Do what makes no sense in the state of a stream not at all."""
    try:
        call(*args)
    except UsageError:
        pass


def say(peer, stream, dice):
    attempt(
        peer.says,
        stream,
        *dice.choice(
            [
                [Data(b"piece")],
                [Data(b"z" * 40_000)],
                [END],
                [Trailers([(b"x", b"y")]), END],
                [Reset("", dice.choice(CODES))],
            ]
        ),
    )


@pytest.mark.parametrize("is_moody", [False, True])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_chaos(play, seed, is_moody):
    dice = random.Random(seed)
    moody = Moody(dice, HOOKS.split())
    scenario = play(
        dice.choice(MODES),
        addons=[moody] if is_moody else [],
        tcp_timeout=50,
        http2_ping_keepalive=dice.choice([0, 20]),
        http2_connections_per_host=dice.choice([1, 3]),
        http2_mirror_fingerprint=dice.choice([True, False]),
        stream_large_bodies=dice.choice([None, 4]),
    )
    clients, servers = Clients(scenario, dice), Servers(scenario, dice)
    for _ in range(dice.randrange(20, 100)):
        choice = dice.randrange(20)
        if choice < 9:
            attempt(clients.act)
        elif choice < 18:
            servers.act()
        elif choice == 18:
            scenario.advance(dice.choice([0.5, 15, 30]))
        elif is_moody:
            moody.lets_go()
        if dice.randrange(100) == 0:
            scenario.act(scenario.pool.renew, 6)
    clients.leave()
    moody.is_calm = True
    moody.lets_go()
    scenario.advance(61)  # what has been closed is listened to for a while
