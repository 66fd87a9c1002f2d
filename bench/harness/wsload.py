"""WebSocket load: an echo server, and connections to it through a proxy that send a message, await its echo, and send the next one.

Run as a program of its own, pinned like the load: `wsload PORT CONNECTIONS SIZE SECONDS MESSAGES` (PORT 0: no proxy; MESSAGES 0: as many
as the time allows). Prints a line of JSON. Both ends know how long every frame is and read nothing else of it, so that they cost little.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from websockets.speedups import apply_mask

from midstream.wire.ws.frame import FIN, MASKED, header
from midstream.wire.ws.handshake import accept_for

_KEY = b"c2l4dGVlbiBieXRlcyBvaw=="
_BINARY = FIN | 2
_LIMIT = 300


class Echo(asyncio.Protocol):
    """The server's side of one connection."""

    def __init__(self, size: int) -> None:
        self._start = len(header(_BINARY, size, MASKED))
        self._frame = self._start + 4 + size
        self._head = header(_BINARY, size)
        self._buffer = bytearray()
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if not self._is_open:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            del buffer[: end + 4]
            self._is_open = True
            self._transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept_for(_KEY)
            )
        start, frame = self._start, self._frame
        while len(buffer) >= frame:
            payload = apply_mask(bytes(buffer[start + 4 : frame]), bytes(buffer[start : start + 4]))
            del buffer[:frame]
            self._transport.write(self._head + payload)


class Counter:
    """How many echoes have come."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.count = 0
        self.stopped = asyncio.Event()


class Sender(asyncio.Protocol):
    """The client's side of one connection."""

    def __init__(self, size: int, server: int, counter: Counter) -> None:
        self._request = (
            b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n" % (server, server, _KEY)
        )
        key = b"\x11\x22\x33\x44"
        self._message = header(_BINARY, size, MASKED) + key + apply_mask(b"x" * size, key)
        self._echo = len(header(_BINARY, size)) + size
        self._came = 0
        self._head: bytes | None = b""
        self._counter = counter
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._head += data
            if b"\r\n\r\n" in self._head:
                if not self._head.startswith(b"HTTP/1.1 101 "):
                    self.opened.set_exception(ConnectionError(f"answered {self._head[:60]!r}"))
                self._head = None
                self.opened.set_result(None)
            return
        self._came += len(data)
        while self._came >= self._echo:
            self._came -= self._echo
            self._counter.count += 1
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("closed before the connection was open"))

    def send(self) -> None:
        counter = self._counter
        if counter.stopped.is_set() or 0 < counter.wanted <= counter.count:
            counter.stopped.set()
            return
        self.transport.write(self._message)


async def load(port: int, connections: int, size: int, seconds: float, messages: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Echo(size), "127.0.0.1", 0)
    target = server.sockets[0].getsockname()[1]
    counter = Counter(messages)
    senders = []
    for _ in range(connections):
        _, sender = await loop.create_connection(lambda: Sender(size, target, counter), "127.0.0.1", port or target)
        await asyncio.wait_for(sender.opened, 10)
        senders.append(sender)
    began = time.perf_counter()
    for sender in senders:
        sender.send()
    loop.call_later(_LIMIT if messages else seconds, counter.stopped.set)
    await counter.stopped.wait()
    print(json.dumps({"messages": counter.count, "seconds": time.perf_counter() - began}), flush=True)
    for sender in senders:
        sender.transport.abort()
    server.close()


if __name__ == "__main__":
    asyncio.run(load(*map(int, sys.argv[1:4]), float(sys.argv[4]), int(sys.argv[5])))
