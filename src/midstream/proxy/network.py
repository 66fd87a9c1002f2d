"""The part of the proxy that knows asyncio: connecting sockets, waiting for addons, sweeping deadlines."""

import asyncio
import contextlib
import functools
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import aiohappyeyeballs

from midstream.proxy.deadlines import Deadlines
from midstream.proxy.failure import ClientLeft, Failed
from midstream.proxy.peer import Peer
from midstream.proxy.stepper import Signal

T = TypeVar("T")
EYEBALL_SECONDS = 0.25
"""How long an address may take before the next one is tried beside it (RFC 8305 §5)."""
SWEEP_SECONDS = 0.5
KEEPALIVE_SECONDS = 120
"""How long a connection may be silent before the system asks whether the other end is still there."""
NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
_log = logging.getLogger("midstream.proxy")


class AsyncioNetwork:
    """Connects to servers through sockets."""

    async def connect(self, host: str, port: int, source: str | None, peer: Peer) -> None:
        """Connect `peer` to whichever address of `host` answers first (RFC 8305).

        Raises:
            OSError: None does, or the name is unknown.

        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError:
            raise OSError(f"{host!r} cannot be the name of a host") from None
        local = None
        if source is not None:
            local = await loop.getaddrinfo(source, 0, type=socket.SOCK_STREAM)
            found = [info for info in found if info[0] == local[0][0]]
            if not found:
                raise OSError(f"it has no address that can be reached from {source}")
        elif len(found) == 1 and len(found[0][4]) == 2:
            await loop.create_connection(lambda: peer, *found[0][4][:2])
            _keep_alive(peer)
            return
        sock = await aiohappyeyeballs.start_connection(
            found, local_addr_infos=local, happy_eyeballs_delay=EYEBALL_SECONDS, interleave=1, loop=loop
        )
        await loop.create_connection(lambda: peer, sock=sock)
        _keep_alive(peer)

    async def open_datagrams(self, host: str, port: int, source: str | None, link: asyncio.DatagramProtocol) -> None:
        """Give `link` a UDP socket for one server: the first address there is, since nothing tells whether it listens.

        Raises:
            OSError: The name is unknown, or there is no way to the address.

        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except UnicodeError:
            raise OSError(f"{host!r} cannot be the name of a host") from None
        local: tuple[Any, ...] | None = None
        if source is not None:
            family, *_, local = (await loop.getaddrinfo(source, 0, type=socket.SOCK_DGRAM))[0]
            found = [info for info in found if info[0] == family]
            if not found:
                raise OSError(f"it has no address that can be reached from {source}")
        family, *_, remote = found[0]
        sock = _connected(family, remote, local)
        await loop.create_datagram_endpoint(lambda: link, sock=sock)

    async def addresses(self, host: str) -> list[str]:
        """Have the system find the addresses of a name; none if it has none.

        Raises:
            OSError: The system cannot tell.

        """
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except UnicodeError:
            return []
        except socket.gaierror as error:
            if error.errno in NO_SUCH_NAME:
                return []
            raise
        return list(dict.fromkeys(str(info[4][0]) for info in found))

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Do something that may take longer than a connection should wait."""
        return await asyncio.to_thread(call)


def keep_alive(sock: socket.socket) -> None:
    """Have the system find out when the other end is gone without a word; connections inherit it from a listening socket."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", KEEPALIVE_SECONDS), ("TCP_KEEPINTVL", KEEPALIVE_SECONDS // 4)):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _keep_alive(peer: Peer) -> None:
    sock = peer.transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):  # it is gone already
            keep_alive(sock)


class AsyncioWaiter:
    """Lets stepped coroutines wait for asyncio's awaitables, each in a task of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: set[asyncio.Future[Any]] = set()
        self._is_closed = False

    async def wait(self, awaitable: Awaitable[T]) -> T:
        """Wait to the end; the waiting coroutine is told only then that it is to stop."""
        task = self._task(awaitable)
        left: ClientLeft | Failed | None = None
        while not task.done():
            signal: Signal[None] = Signal()
            task.add_done_callback(functools.partial(_set, signal))
            try:
                await signal
            except (ClientLeft, Failed) as error:
                left = error
        if left is not None:
            raise left
        return self._result(task)

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
        return self._result(task)

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await self.wait_or_cancel(asyncio.sleep(seconds), 0)

    async def close(self) -> None:
        """Cancel what still runs; whoever waits for it is told to stop."""
        self._is_closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _result(self, task: "asyncio.Future[T]") -> T:
        if not task.cancelled():
            return task.result()
        if self._is_closed:
            raise ClientLeft
        raise RuntimeError("cancelled by its own doing")

    def _task(self, awaitable: Awaitable[T]) -> "asyncio.Future[T]":
        task = asyncio.ensure_future(awaitable, loop=self._loop)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _within(awaitable: Awaitable[T], seconds: float) -> T:
    async with asyncio.timeout(seconds):
        return await awaitable


def _connected(family: int, remote: tuple[Any, ...], local: tuple[Any, ...] | None) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if local is not None:
            sock.bind(local)
        sock.connect(remote)
    except BaseException:
        sock.close()
        raise
    return sock


def _set(signal: Signal[None], _task: object) -> None:
    signal.set(None)


async def sweep_for_ever(deadlines: Deadlines) -> None:
    """Keep the engine's coarse clock and act on its deadlines."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            try:
                deadlines.sweep(loop.time())
            except Exception:  # noqa: BLE001 - a fault of ours in one thing's deadline: all others still want theirs
                _log.exception("a timeout could not be acted on")
            await asyncio.sleep(SWEEP_SECONDS)
