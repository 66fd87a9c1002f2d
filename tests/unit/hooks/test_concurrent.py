import asyncio
import threading

import pytest

from midstream.errors import UsageError
from midstream.hooks.concurrent import concurrent
from midstream.hooks.context import ctx
from midstream.hooks.table import HookTable, dispatch


@pytest.mark.parametrize("name", ["load", "configure"])
def test_hooks_that_others_wait_for_cannot_be_concurrent(name):
    def hook(argument): ...

    hook.__name__ = name
    with pytest.raises(UsageError, match=f"`{name}` cannot be @concurrent"):
        concurrent(hook)


def test_a_hook_runs_in_a_thread_of_the_pool_with_its_engine(master):
    seen = []

    class Addon:
        @concurrent
        def request(self, flow):
            seen.append((flow, ctx.master, threading.current_thread() is threading.main_thread()))

    addon = Addon()
    table = HookTable()
    table.compile([("addon", {"request": addon.request}, addon)])
    asyncio.run(dispatch(table.request, "flow"))
    assert seen == [("flow", master, False)]


def test_an_async_hook_gets_a_loop_of_its_own():
    loops = []

    @concurrent
    async def request(flow):
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())

    async def scenario():
        await request("flow")
        loops.append(asyncio.get_running_loop())

    asyncio.run(scenario())
    assert loops[0] is not loops[1]


def test_an_exception_reaches_the_caller():
    @concurrent
    def request(flow):
        raise ValueError("bad luck")

    async def scenario():
        with pytest.raises(ValueError, match="bad luck"):
            await request("flow")

    asyncio.run(scenario())


def test_without_a_loop_it_runs_at_once():
    calls = []
    concurrent(calls.append)("flow")
    assert calls == ["flow"]


def test_the_function_keeps_its_name():
    @concurrent
    def request(flow):
        """Do it."""

    assert (request.__name__, request.__doc__) == ("request", "Do it.")
