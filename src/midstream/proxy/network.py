"""The part of the proxy that knows asyncio: connecting sockets, waiting for addons, sweeping deadlines."""

import asyncio
import contextlib
import functools
import socket
from collections.abc import Awaitable
from typing import Any, TypeVar

import aiohappyeyeballs

from midstream.proxy.deadlines import Deadlines
from midstream.proxy.failure import ClientLeft
from midstream.proxy.peer import Peer
from midstream.proxy.stepper import Signal

T = TypeVar("T")
EYEBALL_SECONDS = 0.25
"""How long an address may take before the next one is tried beside it (RFC 8305 §5)."""
SWEEP_SECONDS = 0.5


class AsyncioNetwork:
    """Connects to servers through sockets."""

    async def connect(self, host: str, port: int, source: str | None, peer: Peer) -> None:
        """Connect `peer` to whichever address of `host` answers first (RFC 8305).

        Raises:
            OSError: None does, or the name is unknown.

        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        if len(found) == 1 and source is None:
            await loop.create_connection(lambda: peer, *found[0][4][:2])
            return
        local = [await _local(loop, source, info[0]) for info in found[:1]] if source is not None else None
        sock = await aiohappyeyeballs.start_connection(
            found, local_addr_infos=local, happy_eyeballs_delay=EYEBALL_SECONDS, interleave=1, loop=loop
        )
        await loop.create_connection(lambda: peer, sock=sock)


async def _local(loop: asyncio.AbstractEventLoop, source: str, family: int) -> Any:
    found = await loop.getaddrinfo(source, 0, family=family, type=socket.SOCK_STREAM)
    return found[0]


class AsyncioWaiter:
    """Lets stepped coroutines wait for asyncio's awaitables, each in a task of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: set[asyncio.Future[Any]] = set()

    async def wait(self, awaitable: Awaitable[T]) -> T:
        """Wait to the end; the waiting coroutine is told only then that it is to stop."""
        task = self._task(awaitable)
        left: ClientLeft | None = None
        while not task.done():
            signal: Signal[None] = Signal()
            task.add_done_callback(functools.partial(_set, signal))
            try:
                await signal
            except ClientLeft as error:
                left = error
        if left is not None:
            raise left
        return task.result()

    async def wait_or_cancel(self, awaitable: Awaitable[T], seconds: float) -> T:
        """Wait; cancel when told to stop, or when the time is over."""
        task = self._task(_within(awaitable, seconds) if seconds else awaitable)
        signal: Signal[None] = Signal()
        task.add_done_callback(functools.partial(_set, signal))
        try:
            await signal
        except BaseException:
            task.cancel()
            raise
        return task.result()

    async def close(self) -> None:
        """Cancel what still runs."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _task(self, awaitable: Awaitable[T]) -> "asyncio.Future[T]":
        task = asyncio.ensure_future(awaitable, loop=self._loop)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _within(awaitable: Awaitable[T], seconds: float) -> T:
    async with asyncio.timeout(seconds):
        return await awaitable


def _set(signal: Signal[None], _task: object) -> None:
    signal.set(None)


async def sweep_for_ever(deadlines: Deadlines) -> None:
    """Keep the engine's coarse clock and act on its deadlines."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            deadlines.sweep(loop.time())
            await asyncio.sleep(SWEEP_SECONDS)
