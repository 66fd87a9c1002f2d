"""The composition root: the one place that knows every part.

`Engine` is an ordinary object. Entering it (`async with Engine(options) as engine:`) binds the ports and returns when they
accept; any number can run in one process, on port 0 if need be.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from midstream.addons import default_addons
from midstream.errors import OptionsError, UsageError
from midstream.hooks.addons import Addons
from midstream.hooks.commands import Commands
from midstream.hooks.context import enter
from midstream.hooks.script import ScriptLoader
from midstream.hooks.table import HookTable
from midstream.options import Listener, Options, listeners
from midstream.pki.authority import CertificateAuthority
from midstream.pki.store import CertStore
from midstream.proxy.listen import Door
from midstream.proxy.network import AsyncioNetwork, AsyncioWaiter, sweep_for_ever
from midstream.proxy.pool import Pool
from midstream.proxy.replays import Replays
from midstream.proxy.session import Session
from midstream.proxy.tls import TlsProfiles

DRAIN_SECONDS = 2.0
"""How long connections may go on at shutdown."""
STOP_SECONDS = 1.0
"""How long hooks may take to hear of the end of those that were broken off."""
LISTENING = frozenset({"mode", "listen_host", "listen_port", "server", "proxyauth", "allow_open_proxy"})
CERTIFICATES = frozenset({"certs", "cert_passphrase", "leaf_lifetime_days", "leaf_key_type", "ca_key_type", "key_size"})
_log = logging.getLogger("midstream.engine")


class Engine:
    """A proxy with its addons."""

    def __init__(self, options: Options | None = None, *, addons: Sequence[object] = ()) -> None:
        """Prepare; nothing is opened yet. `addons` see each event after the built-in ones and the scripts."""
        self.options = options or Options()
        self.hooks = HookTable()
        self.commands = Commands(self)
        self.addons = Addons(self)
        self.authority: CertificateAuthority
        self.replays: Replays
        self._own_addons = addons
        self._session: Session
        self._pool: Pool
        self._doors: list[Door] = []
        self._closed_doors: list[Door] = []
        """Doors closed while the engine runs, for the sake of the connections that came through them."""
        self._unsubscribe: Callable[[], None] = lambda: None
        self._crowd: Counter[str] = Counter()
        self._stopping: asyncio.Event
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop

    @property
    def listeners(self) -> list[Door]:
        """What listens: each has its `spec` and the `address` it is bound to."""
        return list(self._doors)

    @property
    def certificates(self) -> CertStore:
        """The certificates shown to clients."""
        return self._session.tls.store

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return sum(len(door.connections) for door in self._all_doors)

    @property
    def _all_doors(self) -> list[Door]:
        return self._doors + self._closed_doors

    async def __aenter__(self) -> Self:
        """Start.

        Raises:
            UsageError: An option or an addon is to blame, or an address cannot be had; nothing is left open.

        """
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        enter(self)
        self._build()
        try:
            self.addons.add(*default_addons(), ScriptLoader(), *self._own_addons)
            self.addons.configure_all()
            self._spawn(sweep_for_ever(self._session.deadlines))
            self._unsubscribe = self.options.subscribe(self._options_changed)
            self._bind()
            await self._accept()
            await self.addons.running()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    async def serve_forever(self) -> None:
        """Wait until `shutdown` is called."""
        await self._stopping.wait()

    def shutdown(self) -> None:
        """Have `serve_forever` return; may be called from any thread."""
        self._loop.call_soon_threadsafe(self._stopping.set)

    def _build(self) -> None:
        options = self.options
        self.authority = CertificateAuthority.load_or_create(
            options.confdir, key_type=options.ca_key_type, key_size=options.key_size, passphrase=options.cert_passphrase
        )
        self._waiter = AsyncioWaiter(self._loop)
        self.hooks.wait = self._waiter.wait
        self._session = Session(
            options=options,
            hooks=self.hooks,
            tls=self._profiles(),
            network=AsyncioNetwork(),
            waiter=self._waiter,
            time=time.time,
            call_soon=self._loop.call_soon,
        )
        self._pool = Pool(self._session.deadlines, self._session.settings.max_pool_idle_per_host)
        self.replays = Replays(self._session, self._pool)
        for warning in (*self.authority.warnings, *self._session.tls.store.warnings, *self._session.tls.warnings):
            _log.warning(warning)

    def _profiles(self) -> TlsProfiles:
        options = self.options
        store = CertStore(
            self.authority,
            custom=options.certs,
            passphrase=options.cert_passphrase,
            lifetime_days=options.leaf_lifetime_days,
            key_type=options.leaf_key_type or options.ca_key_type,
            key_size=options.key_size,
        )
        return TlsProfiles(options, store)

    # Listening.

    def _bind(self) -> None:
        """Take the addresses that the options ask for and leave the others, or leave all as it is.

        A door whose address is wanted stays, if need be in another mode: what came through it goes on in the mode in
        which it came.

        Raises:
            UsageError: An address cannot be had.

        """
        wanted = listeners(self.options) if self.options.server else []
        doors = _matched(wanted, self._doors)
        new: list[Door] = []
        try:
            for plan in wanted:
                if plan not in doors:
                    doors[plan] = door = Door(self._session, self._pool, plan, self._crowd)
                    new.append(door)
                    door.bind()
        except BaseException:
            for door in new:
                door.close()
            raise
        for plan, door in doors.items():
            door.plan = plan
        kept = [doors[plan] for plan in wanted]
        for door in self._doors:
            if door not in kept:
                door.close()
                self._closed_doors.append(door)
        for door in self._closed_doors:
            if not door.connections:
                door.end()
        self._closed_doors = [door for door in self._closed_doors if door.connections]
        self._doors = kept

    async def _accept(self) -> None:
        for door in self._doors:
            await door.open()

    def _options_changed(self, updated: set[str]) -> None:
        """Check and take over changed options. Raises `OptionsError` to refuse them."""
        if updated & CERTIFICATES:
            self._session.tls = self._profiles()
        self._session.tls.check()
        self._session.reload()
        self._pool.renew(self._session.settings.max_pool_idle_per_host)
        self._session.turns.add(self.replays)  # there may be room for more
        if updated & LISTENING:
            try:
                self._bind()
            except OptionsError:
                raise
            except UsageError as error:
                raise OptionsError(str(error)) from error
            self._spawn(self._accept())

    # The end.

    async def _close(self) -> None:
        """Accept no more, let exchanges end for a while, break off the rest, tell the addons."""
        self._unsubscribe()
        for door in self._doors:
            door.close()
        self.replays.stop()
        self._pool.close()
        await self._drain()
        for door in self._all_doors:
            for connection in list(door.connections):
                connection.stop()
        await self._wait_for_the_last(STOP_SECONDS)
        self._pool.close()  # once more: exchanges that ended meanwhile have given connections back
        await self._waiter.close()
        await self.addons.shutdown()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for door in self._all_doors:
            door.end()
        self._doors.clear()
        self._closed_doors.clear()
        self._stopping.set()

    async def _drain(self) -> None:
        for door in self._all_doors:
            for connection in list(door.connections):
                connection.stop_if_idle()
        await self._wait_for_the_last(DRAIN_SECONDS)

    async def _wait_for_the_last(self, seconds: float) -> None:
        deadline = self._loop.time() + seconds
        while self.connections and self._loop.time() < deadline:  # noqa: ASYNC110 - no event per connection for this
            await asyncio.sleep(0.02)

    def _spawn(self, coroutine: "asyncio._CoroutineLike[None]") -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s", error)


def _matched(wanted: Sequence[Listener], doors: Sequence[Door]) -> dict[Listener, Door]:
    """Find a door for each plan that one is open for already: the same plan, else another mode at the same address."""
    found = {door.plan: door for door in doors if door.plan in wanted}
    for plan in wanted:
        free = (door for door in doors if door.is_at(plan) and door not in found.values())
        if plan not in found and (door := next(free, None)) is not None:
            found[plan] = door
    return found
