"""Open files, of which every connection is one: as many as the system allows, and one line in the log when they run out."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

QUIET_SECONDS = 60.0
"""How long after such a line there is no other one."""
_OUT_OF_FILES = "socket.accept() out of system resource"
"""What asyncio says, once for each client that might be waiting: thousands of times a second."""
_log = logging.getLogger("midstream.cli")


def allow_many_files() -> None:
    """Raise our limit of open files to what the system lets us have; the usual 1024 are some 500 clients."""
    try:
        import resource  # noqa: PLC0415 - not on Windows, which has no such limit
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:
            _log.info("open files stay limited to %d: %s", soft, error)


class LoopFaults:
    """The exception handler of an event loop: tells of clients that cannot be let in, but not of each."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._quiet_until = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") != _OUT_OF_FILES:
            loop.default_exception_handler(context)
        elif self._time() >= self._quiet_until:
            self._quiet_until = self._time() + QUIET_SECONDS
            _log.error(
                "clients have to wait, for no more files can be opened (%s); raise the limit: ulimit -n",
                context.get("exception"),
            )
