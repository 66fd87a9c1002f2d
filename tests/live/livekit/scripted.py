"""A raw origin: what it sends is exactly what the test wrote, what it got is kept to the byte.

Every connection runs the test's handler in a thread of its own, with blocking reads and writes, so a handler reads
like the conversation. A peer that goes away ends the conversation quietly; any other exception fails the test.
"""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable

from livekit.tools import TIME_LIMIT

_READ = 65536


class ScriptedConnection:
    """One connection that the origin accepted."""

    def __init__(self, transport: socket.socket) -> None:
        self.received = bytearray()
        """Every byte that came, consumed or not."""
        self.over = threading.Event()
        """Set when the handler has returned."""
        self.transport = transport
        self._consumed = 0
        transport.settimeout(TIME_LIMIT)

    def read_until(self, marker: bytes) -> bytes:
        """Read up to and including the marker; raise EOFError if the peer closes first."""
        while (found := self.received.find(marker, self._consumed)) < 0:
            self._fill()
        return self._consume(found + len(marker) - self._consumed)

    def read_exactly(self, size: int) -> bytes:
        while len(self.received) - self._consumed < size:
            self._fill()
        return self._consume(size)

    def read_request(self) -> bytes:
        """Read one request: head, and a body by Content-Length or chunked coding without trailers."""
        head = self.read_until(b"\r\n\r\n")
        fields = head.lower()
        if b"\r\ntransfer-encoding: chunked" in fields:
            return head + self.read_until(b"0\r\n\r\n")
        if b"\r\ncontent-length:" in fields:
            return head + self.read_exactly(int(fields.split(b"\r\ncontent-length:")[1].split(b"\r\n")[0]))
        return head

    def read_to_end(self) -> bytes:
        with contextlib.suppress(EOFError):
            while True:
                self._fill()
        return self._consume(len(self.received) - self._consumed)

    def send(self, data: bytes) -> None:
        self.transport.sendall(data)

    def send_slowly(self, data: bytes) -> None:
        """Send byte by byte, each in a segment of its own as far as the system lets us."""
        self.transport.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(data)):
            self.transport.sendall(data[at : at + 1])

    def finish_sending(self) -> None:
        """Half-close: the peer sees an end of file and may still write."""
        self.transport.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """Close with a TCP reset; over TLS that is also a cut without close_notify."""
        self.transport.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.close()

    def _fill(self) -> None:
        data = self.transport.recv(_READ)
        if not data:
            raise EOFError("the peer closed")
        self.received += data

    def _consume(self, size: int) -> bytes:
        taken = bytes(self.received[self._consumed : self._consumed + size])
        self._consumed += size
        return taken


Handler = Callable[[ScriptedConnection], None]


def replies(*answers: bytes) -> Handler:
    """Answer each request with the next of these bytes, then wait until the peer closes."""

    def handle(connection: ScriptedConnection) -> None:
        for answer in answers:
            connection.read_request()
            connection.send(answer)
        connection.read_to_end()

    return handle


def reply_and_close(answer: bytes) -> Handler:
    """Answer one request with these bytes and close."""

    def handle(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(answer)

    return handle


class ScriptedOrigin:
    """Listens on a free port and runs the handler for each connection."""

    def __init__(self, handler: Handler, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.connections: list[ScriptedConnection] = []
        self._handler = handler
        self._context = context
        self._failures: list[BaseException] = []
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def url(self, path: str = "/") -> str:
        """A URL of this origin; over TLS by name, since that is what its certificate says."""
        return f"https://localhost:{self.port}{path}" if self._context else f"http://127.0.0.1:{self.port}{path}"

    @property
    def received(self) -> bytes:
        """Every byte of the only connection, as it stands now."""
        (connection,) = self.connections
        return bytes(connection.received)

    def wait_for_connections(self, count: int) -> list[ScriptedConnection]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.connections) >= count, TIME_LIMIT), (
                f"{len(self.connections)} of {count} connections came"
            )
            return list(self.connections)

    def stop(self) -> None:
        """Close everything and raise what went wrong in a handler."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.transport.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(TIME_LIMIT)
        failures, self._failures = self._failures, []
        if failures:
            raise failures[0]

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                transport, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, transport)

    def _serve(self, transport: socket.socket) -> None:
        transport.settimeout(TIME_LIMIT)
        if self._context:
            try:
                transport = self._context.wrap_socket(transport, server_side=True)
            except OSError:  # a handshake that fails is often what the test wants
                transport.close()
                return
        connection = ScriptedConnection(transport)
        with self._changed:
            self.connections.append(connection)
            self._changed.notify_all()
        try:
            self._handler(connection)
        except TimeoutError as failure:
            self._failures.append(failure)
        except (OSError, EOFError):
            pass
        except BaseException as failure:  # raised again by stop()
            self._failures.append(failure)
        finally:
            with contextlib.suppress(OSError):
                transport.close()
            connection.over.set()
