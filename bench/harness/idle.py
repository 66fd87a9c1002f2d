"""Thousands of keep-alive clients that asked once and now wait: run as a program of its own, pinned like the load.

Prints `ready N` when every client has its answer, and keeps the connections until its standard input closes.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractContextManager

from harness.holders import holding
from harness.load import LoadError, authority

_AT_ONCE = 50
_LIMIT = 300


def idle_clients(count: int, *, port: int, target: str, cpus: str) -> AbstractContextManager[None]:
    """Keep `count` clients connected to the proxy on `port`, each after one answered request."""
    return holding(count, "harness.idle", str(count), str(port), target, cpus=cpus)


async def _hold(count: int, port: int, target: str) -> None:
    request = f"GET {target} HTTP/1.1\r\nHost: {authority(target)}\r\n\r\n".encode()
    gate = asyncio.Semaphore(_AT_ONCE)
    async with asyncio.timeout(_LIMIT):
        writers = await asyncio.gather(*(_ask(request, port, gate) for _ in range(count)))
    print(f"ready {len(writers)}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for writer in writers:
        writer.close()


async def _ask(request: bytes, port: int, gate: asyncio.Semaphore) -> asyncio.StreamWriter:
    async with gate:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        status, _, fields = head.partition(b"\r\n")
        if b" 200" not in status:
            raise LoadError(f"an idle client was answered {status!r}")
        await reader.readexactly(_content_length(fields))
        return writer


def _content_length(fields: bytes) -> int:
    lines = (line.partition(b":") for line in fields.lower().split(b"\r\n"))
    return next(int(value) for name, _, value in lines if name == b"content-length")


if __name__ == "__main__":
    asyncio.run(_hold(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
