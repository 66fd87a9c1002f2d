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
_READ = 262_144
"""Bytes read at once, always to the same place: a buffer for each read would cost the load more than the proxy spends."""


class Echo(asyncio.BufferedProtocol):
    """The server's side of one connection."""

    def __init__(self, size: int) -> None:
        self._start = len(header(_BINARY, size, MASKED))
        self._frame = self._start + 4 + size
        self._head = header(_BINARY, size)
        self._buffer = bytearray(max(self._frame, _READ))
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the protocol's signature
        return self._view[self._filled :] if self._filled else self._view

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        if not self._is_open:
            self._open()
        while self._is_open and self._filled >= self._frame:
            self._answer()

    def _open(self) -> None:
        end = self._buffer.find(b"\r\n\r\n", 0, self._filled)
        if end < 0:
            return
        self._drop(end + 4)
        self._is_open = True
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept_for(_KEY)
        )

    def _answer(self) -> None:
        start, frame = self._start, self._frame
        payload = apply_mask(self._view[start + 4 : frame], bytes(self._view[start : start + 4]))
        self._drop(frame)
        if len(payload) < _READ:
            self._transport.write(self._head + payload)
        else:
            self._transport.write(self._head)
            self._transport.write(payload)

    def _drop(self, count: int) -> None:
        """Move what stands behind the first bytes to the front, without the buffer becoming another."""
        self._filled -= count
        if self._filled:
            self._view[: self._filled] = bytes(self._view[count : count + self._filled])


class Counter:
    """How many echoes have come."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.count = 0
        self.stopped = asyncio.Event()


class Sender(asyncio.BufferedProtocol):
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
        self._buffer = memoryview(bytearray(_READ))
        self._counter = counter
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the protocol's signature
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._head is not None:
            self._head += self._buffer[:nbytes]
            if b"\r\n\r\n" in self._head:
                if not self._head.startswith(b"HTTP/1.1 101 "):
                    self.opened.set_exception(ConnectionError(f"answered {self._head[:60]!r}"))
                self._head = None
                self.opened.set_result(None)
            return
        self._came += nbytes
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
