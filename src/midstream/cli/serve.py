"""Running an engine from the command line: event loop, signals, start messages."""

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

import click

from midstream.cli.allocator import keep_freed_memory
from midstream.cli.files import LoopFaults, allow_many_files
from midstream.errors import OptionsError, UsageError
from midstream.options import Options, listeners

if TYPE_CHECKING:
    from midstream.engine import Engine

T = TypeVar("T")
YOUNG_OBJECTS = 5_000
"""How many objects may be made before the garbage collector looks for cycles among them. Exchanges leave none, but its usual 700
are no more than 50 exchanges under way: it found nothing again and again, for 4 % of the time."""

_log = logging.getLogger("midstream.cli")


class StartFailure(click.ClickException):
    """The engine could not start; exit code 1."""

    def show(self, file: object = None) -> None:
        del file
        click.echo(f"midstream: {self.format_message()}", err=True)


def run_in_loop(options: Options, work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` in the event loop that the options ask for."""

    async def begin() -> T:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(LoopFaults(loop.time))
        return await work()

    allow_many_files()
    keep_freed_memory()
    with asyncio.Runner(loop_factory=loop_factory(options.event_loop)) as runner:
        return runner.run(begin())


def loop_factory(choice: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the event loop; `auto` is uvloop where it is installed."""
    if choice == "asyncio":
        return asyncio.new_event_loop
    try:
        import uvloop  # noqa: PLC0415 - an optional extra
    except ImportError:
        if choice == "uvloop":
            raise OptionsError("option event_loop: uvloop is not installed; install it or take asyncio") from None
        return asyncio.new_event_loop
    return uvloop.new_event_loop


@asynccontextmanager
async def started(options: Options, addons: Sequence[object]) -> "AsyncIterator[Engine]":
    """Start an engine, and stop it in the end.

    Raises `StartFailure`, or `OptionsError` where an option is to blame.
    """
    from midstream.engine import Engine  # noqa: PLC0415 - listing options must not pay for the proxy

    if options.server:
        listeners(options)  # refuses an open proxy before anything is made
    try:
        engine = Engine(options, addons=list(addons))
        await engine.__aenter__()
    except OptionsError:
        raise
    except (OSError, UsageError) as fault:
        raise StartFailure(str(fault)) from fault
    try:
        for warning in options.check_deferred():
            _log.warning(warning)
        with rare_collections():
            yield engine
    finally:
        await engine.__aexit__(None, None, None)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Have the garbage collector look seldom, and not at what was made before, which stays (10 ms for each full collection)."""
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


async def until_stopped(work: Awaitable[object]) -> int:
    """Wait for `work` or for a signal that ends it, and return the exit code.

    A second Ctrl-C no longer waits for a clean stop.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    caught: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        caught.append(number)
        loop.remove_signal_handler(number)
        task.cancel()

    with signals_caught(stop, "SIGINT", "SIGTERM"):
        try:
            await task
        except asyncio.CancelledError:
            if not caught:
                raise
    return 130 if signal.SIGINT in caught else 0


@contextmanager
def signals_caught(callback: Callable[[signal.Signals], None], *names: str) -> Iterator[None]:
    """Give signals to `callback` while the block runs, as far as the system has them; Windows keeps its Ctrl-C."""
    loop = asyncio.get_running_loop()
    caught: list[signal.Signals] = []
    for name in names:
        with suppress(NotImplementedError, AttributeError):
            number = getattr(signal, name)
            loop.add_signal_handler(number, callback, number)
            caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
