"""`@concurrent`: run a hook in a worker thread, so that slow code stops only its own flow."""

import asyncio
import functools
import inspect
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from midstream.errors import UsageError
from midstream.hooks.spec import SYNC_ONLY


def concurrent(function: Callable[..., Any]) -> Callable[..., Any]:
    """Run a hook in the loop's thread pool; an async one gets a loop of its own there.

    Raises `UsageError` for `load` and `configure`, which others wait for.
    """
    name = getattr(function, "__name__", "")
    if name in SYNC_ONLY:
        raise UsageError(f"`{name}` cannot be @concurrent: the engine needs its outcome before it goes on.")

    @functools.wraps(function)
    def run(*args: Any) -> Any:
        call = functools.partial(_run, function, *args)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return call()
        return loop.run_in_executor(None, copy_context().run, call)

    return run


def _run(function: Callable[..., Any], *args: Any) -> None:
    result = function(*args)
    if inspect.iscoroutine(result):
        asyncio.run(result)
