"""Whatever clients, servers, addons and the clock do, in whatever order: nothing crashes and nothing is left behind."""

import random

import pytest

from scriptkit.moody import Moody as AnyMoody

SEEDS = 100
REQUESTS = (
    b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789",
    b"POST http://b/ HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX: 1\r\n\r\n",
    b"PUT http://a/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"GET http://a/ HTTP/1.0\r\n\r\n",
    b"GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"BROKEN\r\n\r\n",
)
RESPONSES = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: 1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nuntil close",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello",
    b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
    b"nonsense\r\n\r\n",
)
HOOKS = (
    "http_connect http_connected http_connect_error requestheaders request informational responseheaders response error "
    "server_connect server_connected server_disconnected client_connected client_disconnected tcp_start tcp_message tcp_end "
    "tcp_error"
)


class Moody(AnyMoody):
    def meddle(self, flow, choice):
        super().meddle(flow, choice)
        if choice == 5:
            flow.request.headers["X-New"] = "1"
        elif choice == 6:
            flow.request.headers.insert(0, b"", b"bad")
        elif choice == 7:
            flow.request.stream = lambda data: [data, data]
        elif choice == 8 and flow.response is not None:
            flow.response.stream = True
            flow.response.content = b"new"


@pytest.mark.parametrize("is_moody", [False, True])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_chaos(play, seed, is_moody):
    dice = random.Random(seed)
    moody = Moody(dice, HOOKS.split())
    scenario = play(addons=[moody] if is_moody else [], tcp_timeout=50, stream_large_bodies=dice.choice([None, 4]))
    clients = [scenario.client() for _ in range(dice.randrange(1, 4))]
    streams = {client: b"".join(dice.choices(REQUESTS, k=4)) for client in clients}
    ended: set = set()
    for _ in range(dice.randrange(10, 60)):
        _happen(dice, scenario, clients, streams, moody, ended)
    for client in clients:
        client.leaves()
    moody.is_calm = True
    moody.lets_go()
    scenario.settle()


def _happen(dice, scenario, clients, streams, moody, ended) -> None:
    choice = dice.randrange(20)
    client = dice.choice(clients)
    if choice < 9 and client.may_send and client not in ended:
        size = dice.choice((1, 7, 40, 1000))
        data, streams[client] = streams[client][:size], streams[client][size:]
        client.sends(data)
    elif choice < 14 and scenario.servers:
        server = dice.choice(scenario.servers)
        if server in ended:
            return
        server.sends(dice.choice(RESPONSES), piece=dice.choice((0, 1, 11)))
    elif choice == 14:
        ended.add(client)
        dice.choice((client.ends, client.leaves))()
    elif choice == 15 and scenario.servers:
        server = dice.choice(scenario.servers)
        ended.add(server)
        dice.choice((server.ends, server.leaves))()
    elif choice == 16:
        scenario.advance(dice.choice((1, 30, 1000)))
    elif choice in {17, 18}:
        moody.lets_one_go(scenario, is_thought=choice == 17)
    else:
        client.received()
