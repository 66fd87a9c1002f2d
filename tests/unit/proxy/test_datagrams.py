import asyncio
import socket
from collections import Counter

from midstream.addon import UDPFlow
from midstream.flow import Client, Server
from midstream.options import ModeSpec
from midstream.proxy.datagrams import DatagramLink, DatagramPort, open_datagrams, send_datagram
from midstream.testing import Scenario
from midstream.testing.transport import MemoryDatagrams
from midstream.wire.errors import PeerError

SERVER = ("192.0.2.7", 7)


class Opened:
    """What came of opening a socket in a scenario."""

    def __init__(self, scenario, server):
        self.scenario = scenario
        self.server = server
        self.error = None
        self.link = DatagramLink(lambda _data: None, lambda _why: None)
        scenario.act(scenario.session.spawn, self._open())

    async def _open(self):
        try:
            await open_datagrams(self.scenario.session, self.server, Client(), self.link)
        except PeerError as error:
            self.error = error


def test_the_facts_of_a_socket():
    server = Server(address=SERVER, transport_protocol="udp")
    opened = Opened(Scenario(), server)
    assert opened.error is None
    assert server.connected
    assert (server.peername, server.sockname) == (("192.0.2.1", 7), ("127.0.0.1", 45000))


def test_where_sockets_are_bound():
    scenario = Scenario(connect_addr="127.0.0.9")
    Opened(scenario, Server(address=SERVER))
    bound = Server(address=SERVER)
    bound.sockname = ("127.0.0.8", 0)
    Opened(scenario, bound)
    assert [source for _, _, source in scenario.dialled] == ["127.0.0.9", "127.0.0.8"]


def test_a_name_that_takes_too_long():
    scenario = Scenario()

    async def never(awaitable, seconds):
        awaitable.close()
        raise TimeoutError

    scenario.session.waiter.wait_or_cancel = never
    server = Server(address=SERVER)
    assert Opened(scenario, server).error.status == 504
    assert server.error == "cannot reach 192.0.2.7:7: timed out"


def test_a_name_that_leads_back_to_us():
    scenario = Scenario()
    scenario.session.own_addresses.add(("192.0.2.1", 7))
    opened = Opened(scenario, Server(address=("name.example", 7)))
    assert "would come back for ever" in opened.error.message
    assert opened.link.transport.is_closing()
    opened.link.send(b"no more")
    assert opened.link.transport.sent == []


def test_addons_are_told_and_may_refuse():
    told = []

    class Watches:
        def server_connect(self, data):
            told.append("connect")
            if data.server.address == SERVER:
                data.server.error = "no"

        def server_connected(self, data):
            told.append("connected")

        def server_connect_error(self, data):
            told.append(data.server.error)

    scenario = Scenario(addons=[Watches()])
    assert Opened(scenario, Server(address=SERVER)).error.message == "no"
    Opened(scenario, Server(address=("192.0.2.8", 7)))
    assert told == ["connect", "no", "connect", "connected"]


def test_errors_without_a_number_are_told_in_their_words():
    told = []
    link = DatagramLink(lambda _data: None, told.append)
    link.error_received(ValueError("odd"))
    link.error_received(ConnectionRefusedError(111, "x"))
    assert told == ["odd", "Connection refused"]


def test_a_port_that_is_closed_before_it_is_open():
    scenario = Scenario("reverse:udp://192.0.2.7:7")

    async def converse(talker):
        raise AssertionError

    port = DatagramPort(scenario.session, ModeSpec.parse("reverse:udp://192.0.2.7:7"), Counter(), converse)
    port.close()
    transport = MemoryDatagrams(port, ("127.0.0.1", 1))
    port.datagram_received(b"x", ("127.0.0.1", 2))
    assert not port.clients
    transport.close()
    port.send(b"x", ("127.0.0.1", 2))
    assert transport.sent == []


def test_a_bug_in_what_is_done_with_a_client_is_no_secret_and_ends_nobody_else(caplog):
    scenario = Scenario("reverse:udp://192.0.2.7:7")

    async def converse(talker):
        raise ZeroDivisionError

    scenario.port.converse = converse
    scenario.datagram_client().sends(b"x")
    assert "ZeroDivisionError" in caplog.text
    assert not scenario.port.clients


def test_empty_datagrams_are_sent_on_every_loop():
    async def send():
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind(("127.0.0.1", 0))
            receiver.setblocking(False)
            to = receiver.getsockname()
            connected, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=to)
            free, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
            send_datagram(connected, b"")
            send_datagram(free, b"", to)
            send_datagram(connected, b"x")
            received = [await loop.sock_recv(receiver, 100) for _ in range(3)]
            connected.close()
            free.close()
            await asyncio.sleep(0)
            return received

    assert sorted(asyncio.run(send())) == [b"", b"", b"x"]


def test_flows_know_their_mode():
    kept = []

    class Keeps:
        def udp_start(self, flow: UDPFlow) -> None:
            kept.append(flow)

    scenario = Scenario("reverse:udp://192.0.2.7:7", addons=[Keeps()])
    scenario.datagram_client().sends(b"x")
    (flow,) = kept
    assert flow.client_conn.proxy_mode.full_spec == "reverse:udp://192.0.2.7:7"
    assert flow.client_conn.sockname == ("127.0.0.1", 8080)
    scenario.advance(100)
