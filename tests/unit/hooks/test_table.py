import asyncio
import logging

import pytest

from midstream.errors import AddonHalt
from midstream.hooks import table as table_module
from midstream.hooks.observe import observe
from midstream.hooks.spec import HOOKS
from midstream.hooks.table import HookTable, dispatch


class Flow:
    id = "f1"


def compiled(*addons: tuple[str, dict], **kw) -> HookTable:
    table = HookTable(**kw)
    table.compile((name, hooks, object()) for name, hooks in addons)
    return table


def holds(table: HookTable) -> list[str]:
    return [name for name in ("holds_request", "holds_response") if getattr(table, name)]


def step(coroutine) -> None:
    with pytest.raises(StopIteration):
        coroutine.send(None)


def test_without_addons_every_hook_is_empty():
    table = HookTable()
    assert all(getattr(table, hook.name) == () for hook in HOOKS)
    assert holds(table) == []


def test_handlers_are_called_in_the_order_of_addons_in_one_step():
    calls = []
    table = compiled(
        ("a", {"request": lambda flow: calls.append(("a", flow))}),
        ("b", {"request": lambda flow: calls.append(("b", flow))}),
    )
    step(dispatch(table.request, "flow"))
    assert calls == [("a", "flow"), ("b", "flow")]


def test_a_handler_shows_whose_it_is():
    table = compiled(("anna", {"request": print}))
    assert repr(table.request[0]) == "<Handler request of anna>"


@pytest.mark.parametrize(("hook", "flag"), [("request", "holds_request"), ("response", "holds_response")])
def test_a_body_is_held_for_those_who_may_change_it(hook, flag):
    looks = observe(lambda flow: None)
    assert not getattr(compiled(("a", {hook: looks})), flag)
    assert getattr(compiled(("a", {hook: looks}), ("b", {hook: lambda flow: None})), flag)


def test_head_hooks_hold_nothing():
    table = compiled(("a", {"requestheaders": print, "responseheaders": print, "tcp_start": print}))
    assert holds(table) == []


def test_compiling_again_replaces_everything():
    table = compiled(("a", {"request": print}))
    table.compile(())
    assert table.request == ()
    assert not table.holds_request


def test_ad_01_async_handlers_are_waited_for_through_the_injected_way():
    calls = []

    async def request(flow):
        calls.append("began")
        calls.append(await future)

    def wait(awaitable):
        calls.append("wait")
        return awaitable

    async def scenario():
        nonlocal future
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, "over")
        table = compiled(("a", {"request": request}), ("b", {"request": lambda flow: calls.append("b")}), wait=wait)
        await dispatch(table.request, Flow())

    future = None
    asyncio.run(scenario())
    assert calls == ["wait", "began", "over", "b"]


def test_results_that_cannot_be_waited_for_are_ignored():
    table = compiled(("a", {"request": lambda flow: 7}))
    step(dispatch(table.request, Flow()))


def test_ad_03_a_failing_handler_is_named_and_the_next_one_still_runs(caplog):
    calls = []

    def request(flow):
        raise ValueError("bad luck")

    table = compiled(("anna", {"request": request}), ("b", {"request": calls.append}))
    flow = Flow()
    step(dispatch(table.request, flow))
    assert calls == [flow]
    assert caplog.messages == ["Addon anna failed in request for Flow f1: bad luck"]


def test_ad_03_an_exception_without_text_is_named_by_its_type(caplog):
    def running():
        raise KeyError

    step(dispatch(compiled(("anna", {"running": running})).running))
    assert caplog.messages == ["Addon anna failed in running: KeyError"]


def test_ad_03_the_traceback_begins_in_the_addon(caplog):
    def request(flow):
        raise ValueError("bad luck")

    step(dispatch(compiled(("anna", {"request": request})).request, Flow()))
    traceback = caplog.records[0].exc_info[2]
    assert traceback.tb_frame.f_code is request.__code__
    assert traceback.tb_next is None


def test_ad_03_a_failure_while_waiting_is_logged_as_well(caplog):
    async def request(flow):
        raise ValueError("late")

    step(dispatch(compiled(("anna", {"request": request})).request, Flow()))
    assert caplog.messages == ["Addon anna failed in request for Flow f1: late"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_what_ends_the_program_or_task_is_not_swallowed(error):
    def request(flow):
        raise error

    with pytest.raises(error):
        dispatch(compiled(("anna", {"request": request})).request, Flow()).send(None)


def test_halt_keeps_later_addons_from_being_told():
    calls = []

    def request(flow):
        raise AddonHalt

    step(dispatch(compiled(("a", {"request": request}), ("b", {"request": calls.append})).request, Flow()))
    assert calls == []


def test_update_follows_each_flow_hook():
    calls = []
    table = compiled(("a", {"update": calls.append}), ("b", {"request": lambda flow: calls.append("request")}))
    flow = Flow()
    step(dispatch(table.request, flow))
    assert calls == ["request", [flow]]
    assert table.response
    assert not table.client_connected


def test_update_may_be_async():
    calls = []

    async def update(flows):
        calls.append(flows)

    step(dispatch(compiled(("a", {"update": update})).response, "flow"))
    assert calls == [["flow"]]


def test_update_holds_no_body():
    table = compiled(("a", {"update": print}))
    assert holds(table) == []


def test_update_follows_even_a_halted_hook_until_an_update_halts():
    calls = []

    def halt(flow):
        raise AddonHalt

    def update(flows):
        calls.append(flows)
        raise AddonHalt

    table = compiled(("a", {"request": halt, "update": update}), ("b", {"update": update}))
    step(dispatch(table.request, "flow"))
    assert calls == [["flow"]]


def test_ad_26_a_plain_handler_that_blocks_is_named(caplog, monkeypatch):
    clock = iter([0.0, 0.25, 0.25])
    monkeypatch.setattr(table_module, "perf_counter", lambda: next(clock))
    step(dispatch(compiled(("sleepy", {"request": lambda flow: None})).request, Flow()))
    assert caplog.records[0].levelno == logging.WARNING
    assert caplog.messages[0].startswith("Addon sleepy blocked every connection for 250 ms in request;")


def test_ad_26_waiting_is_not_blocking(caplog, monkeypatch):
    clock = iter([0.0, 0.05, 9.0])
    monkeypatch.setattr(table_module, "perf_counter", lambda: next(clock))

    async def request(flow): ...

    step(dispatch(compiled(("a", {"request": request})).request, Flow()))
    assert caplog.messages == []


def test_an_addon_can_be_the_server_of_hosts():
    class Server:
        def __init__(self, answer):
            self.serves = {"Hello.test": answer}

    table = HookTable()
    assert table.hosts == {}
    table.compile([("first", {}, Server("a")), ("second", {}, Server("b")), ("third", {}, object())])
    assert [(host, server.addon, server.call) for host, server in table.hosts.items()] == [("hello.test", "first", "a")]
    table.compile([])
    assert table.hosts == {}
