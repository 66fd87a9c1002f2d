"""Raw TCP over sockets: half-closes, large transfers against slow readers, and both ends' resets."""

import contextlib
import hashlib
import queue
import re
import signal
import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from livekit.rawclient import RawClient
from livekit.scripted import ScriptedOrigin
from livekit.tools import TIME_LIMIT

BLOCK = bytes(range(256)) * 256


class Watch:
    """An addon that makes the relay read messages."""

    def tcp_message(self, flow):
        pass


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


def where(command):
    return "127.0.0.1", int(command.wait_for(r"proxy at 127\.0\.0\.1:(\d+),"))


def read_all(client):
    pieces = []
    while data := client.recv(65536):
        pieces.append(data)
    return b"".join(pieces)


def test_tcp_01_a_half_close_reaches_the_server_and_the_answer_the_client(relayed):
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


@pytest.mark.parametrize("is_watched", [True, False])
def test_tcp_02_a_reset_goes_on_to_the_client_behind_the_last_words(relayed, is_watched):
    def reset(connection):
        connection.read_exactly(1)
        connection.send(BLOCK)
        connection.read_exactly(1)
        connection.abort()

    running, client = relayed(reset, addons=(Watch(),) if is_watched else ())
    client.settimeout(TIME_LIMIT)
    client.sendall(b"x")
    assert client.recv(len(BLOCK), socket.MSG_WAITALL) == BLOCK
    client.sendall(b"x")
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    (flow,) = running.recorder.wait_for_tcp_flows()
    assert (flow.closed_by, flow.close_reason) == ("server", "RST")


@pytest.mark.parametrize("is_watched", [True, False])
def test_tcp_02_a_reset_goes_on_to_the_server(relayed, is_watched):
    ends = queue.SimpleQueue()

    def wait(connection):
        connection.read_exactly(1)
        connection.send(b"y")
        try:
            ends.put(connection.transport.recv(1))
        except ConnectionResetError as error:
            ends.put(error)

    running, client = relayed(wait, addons=(Watch(),) if is_watched else ())
    client.sendall(b"x")
    assert client.recv(1) == b"y"
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    (flow,) = running.recorder.wait_for_tcp_flows()
    assert (flow.closed_by, flow.close_reason) == ("client", "RST")
    running.stop()
    assert isinstance(ends.get(timeout=TIME_LIMIT), ConnectionResetError)


def test_a_reset_goes_on_with_uvloop_too(dump, origin):
    def reset(connection):
        connection.read_exactly(1)
        connection.abort()

    command = dump("-m", f"reverse:tcp://127.0.0.1:{origin(reset).port}", "--flow-detail", "2")
    with socket.create_connection(where(command), TIME_LIMIT) as client:
        client.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    command.wait_for(r"first closed by server: RST")


def test_messages_go_to_the_log_with_all_detail(dump, origin):
    command = dump("-v", "-m", f"reverse:tcp://127.0.0.1:{origin(lambda connection: connection.read_to_end()).port}")
    with socket.create_connection(where(command), TIME_LIMIT) as client:
        client.sendall(b"\x00hello")
        command.wait_for(r"-> tcp -> 127\.0\.0\.1:\d+: '\\x00hello'")


def test_injection_both_ways_while_the_connection_is_idle(relayed):
    class Keep(Watch):
        def tcp_start(self, flow):
            self.flow = flow

    def greet(connection):
        connection.send(b"hello")
        got.append(connection.read_to_end())

    keep, got = Keep(), []
    running, client = relayed(greet, addons=(keep,))
    assert client.recv(100) == b"hello"
    running.call(lambda: keep.flow.inject(True, b"to the client"))
    assert client.recv(100) == b"to the client"
    running.call(lambda: running.engine.commands.call("inject.tcp", keep.flow, False, b"to the server"))
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
    running.recorder.wait_for_tcp_flows()
    assert got == [b"to the server"]


def open_sockets(process: int) -> int:
    """Return how many sockets a process has."""
    descriptors = Path(f"/proc/{process}/fd")
    count = 0
    for descriptor in descriptors.iterdir():
        with contextlib.suppress(OSError):  # closed in the meantime
            count += str(descriptor.readlink()).startswith("socket:")
    return count


def test_tcp_05_connections_leave_nothing_open(dump, origin):
    """Whoever ends them, and however: neither CLOSE_WAIT nor a descriptor is left."""

    def obey(connection):
        how = connection.read_exactly(1)
        if how == b"r":
            connection.abort()
        elif how == b"e":
            connection.read_to_end()

    command = dump("-m", f"reverse:tcp://127.0.0.1:{origin(obey).port}")
    address = where(command)
    before = open_sockets(command.process.pid)
    for how in "resRES" * 3:
        with socket.create_connection(address, TIME_LIMIT) as client:
            client.sendall(how.lower().encode())
            if how == "E":
                client.shutdown(socket.SHUT_WR)
            if how == "R":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif how != "e":
                with contextlib.suppress(ConnectionResetError):
                    read_all(client)
    deadline = time.monotonic() + TIME_LIMIT
    while open_sockets(command.process.pid) > before:
        assert time.monotonic() < deadline, "sockets were left open"


def test_tcp_07_a_pipe_without_a_reader_kills_nobody(dump):
    """SIGPIPE is ignored, whatever we have inherited."""
    command = dump()
    assert command.address
    (mask,) = re.findall(r"SigIgn:\s*(\w+)", Path(f"/proc/{command.process.pid}/status").read_text())
    assert int(mask, 16) >> (signal.SIGPIPE - 1) & 1
