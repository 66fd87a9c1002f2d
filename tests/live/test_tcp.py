"""Raw TCP over sockets: half-closes, large transfers against slow readers, and both ends' resets."""

import hashlib
import socket
import threading

import pytest

from livekit.rawclient import RawClient
from livekit.scripted import ScriptedOrigin
from livekit.tools import TIME_LIMIT

BLOCK = bytes(range(256)) * 256


@pytest.fixture
def origin(stack):
    def make(handler):
        made = ScriptedOrigin(handler)
        stack.callback(made.stop)
        return made

    return make


@pytest.fixture
def relayed(proxy, origin):
    """Connect a client through reverse TCP mode to this handler."""
    clients = []

    def make(handler, **options):
        running = proxy(f"reverse:tcp://127.0.0.1:{origin(handler).port}", **options)
        client = socket.create_connection(running.address, TIME_LIMIT)
        clients.append(client)
        return running, client

    yield make
    for client in clients:
        client.close()


def read_all(client):
    pieces = []
    while data := client.recv(65536):
        pieces.append(data)
    return b"".join(pieces)


def test_a_half_close_reaches_the_server_and_the_answer_the_client(relayed):
    def digest(connection):
        connection.send(hashlib.sha256(connection.read_to_end()).hexdigest().encode())

    running, client = relayed(digest)
    client.sendall(BLOCK * 100)
    client.shutdown(socket.SHUT_WR)
    assert read_all(client) == hashlib.sha256(BLOCK * 100).hexdigest().encode()
    (flow,) = running.recorder.wait_for_tcp_flows()
    assert flow.error is None


@pytest.mark.parametrize("is_watched", [True, False])
def test_much_data_to_a_slow_reader_arrives_whole(relayed, is_watched):
    class Watch:
        def tcp_message(self, flow):
            pass

    def pour(connection):
        for _ in range(1000):
            connection.send(BLOCK)

    _, client = relayed(pour, addons=(Watch(),) if is_watched else ())
    first = client.recv(10)
    assert first + read_all(client) == BLOCK * 1000


def test_both_ways_at_once(relayed):
    def echo(connection):
        while data := connection.transport.recv(65536):
            connection.send(data)

    _, client = relayed(echo)
    got = []
    reading = threading.Thread(target=lambda: got.append(read_all(client)))
    reading.start()
    for _ in range(200):
        client.sendall(BLOCK)
    client.shutdown(socket.SHUT_WR)
    reading.join(TIME_LIMIT)
    assert got == [BLOCK * 200]


def test_a_reset_of_the_server_is_an_error_of_the_flow(relayed):
    def reset(connection):
        connection.read_exactly(1)
        connection.abort()

    running, client = relayed(reset)
    client.sendall(b"x")
    try:
        assert client.recv(10) == b""
    except ConnectionResetError:
        pass
    (flow,) = running.recorder.wait_for_tcp_flows()
    assert "server closed the connection" in flow.error.msg


def test_messages_can_be_changed(relayed):
    class Upper:
        def tcp_message(self, flow):
            flow.messages[-1].content = flow.messages[-1].content.upper()

    def once(connection):
        connection.send(b"<" + connection.read_exactly(5) + b">")

    _, client = relayed(once, addons=(Upper(),))
    client.sendall(b"hello")
    client.shutdown(socket.SHUT_WR)
    assert read_all(client) == b"<HELLO>"


def test_what_a_server_says_as_soon_as_it_is_connected_is_not_lost(proxy, scripted_origin):
    origin = scripted_origin(lambda connection: connection.read_to_end())
    running = proxy(f"reverse:tcp://127.0.0.1:{origin.port}")
    network = running.engine._session.network

    class Eager:
        async def connect(self, host, port, source, peer):
            await network.connect(host, port, source, peer)
            peer.data_received(b"220 early\r\n")

    running.engine._session.network = Eager()
    with RawClient(running.address) as client:
        assert client.read_until(b"\n") == b"220 early\r\n"
