import asyncio
import gc
import os
import signal
import sys

import pytest

from midstream.cli.serve import (
    YOUNG_OBJECTS,
    StartFailure,
    loop_factory,
    run_in_loop,
    signals_caught,
    started,
    until_stopped,
)
from midstream.errors import OptionsError, UsageError
from midstream.options import Options
from midstream.options.store import Deferred


async def enter(options, addons=()):
    async with started(options, addons) as engine:
        return engine


def test_an_engine_is_started_and_stopped(fake_engine):
    engine = run_in_loop(Options(), lambda: enter(Options(), ["a"]))
    assert engine.addons == ["a"]
    assert fake_engine.log == ["start", "stop"]


def test_the_garbage_collector_looks_seldom_while_an_engine_runs(fake_engine):
    async def look():
        async with started(Options(), ()):
            return gc.get_threshold()[0], gc.get_freeze_count() > 0

    usual = gc.get_threshold()
    assert run_in_loop(Options(), look) == (YOUNG_OBJECTS, True)
    assert (gc.get_threshold(), gc.get_freeze_count()) == (usual, 0)


@pytest.mark.parametrize("fault", [OSError("port taken"), UsageError("no such script")])
def test_a_failed_start_has_its_own_exit_code(fake_engine, fault, capsys):
    fake_engine.start_fault = fault
    with pytest.raises(StartFailure) as caught:
        run_in_loop(Options(), lambda: enter(Options()))
    assert caught.value.exit_code == 1
    caught.value.show()
    assert capsys.readouterr().err == f"midstream: {fault}\n"


def test_a_refused_option_is_a_mistake_of_the_user(fake_engine):
    fake_engine.start_fault = OptionsError("bad")
    with pytest.raises(OptionsError):
        run_in_loop(Options(), lambda: enter(Options()))


def test_options_nobody_declared_stop_the_start(fake_engine):
    options = Options()
    options.defer("nothing", Deferred("1", "--set nothing", "refuse"))
    with pytest.raises(OptionsError, match="--set nothing"):
        run_in_loop(options, lambda: enter(options))
    assert fake_engine.log == ["start", "stop"]


def test_leftovers_of_the_configuration_file_are_logged(fake_engine, caplog):
    options = Options()
    options.defer("nothing", Deferred("1", "config.toml", "warn"))
    run_in_loop(options, lambda: enter(options))
    assert "config.toml: there is no option 'nothing'" in caplog.text


def test_the_loop_that_was_asked_for(monkeypatch):
    assert loop_factory("asyncio") is asyncio.new_event_loop
    pytest.importorskip("uvloop")
    assert loop_factory("auto").__module__ == "uvloop"
    assert loop_factory("uvloop").__module__ == "uvloop"
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop_factory("auto") is asyncio.new_event_loop
    with pytest.raises(OptionsError, match="uvloop is not installed"):
        loop_factory("uvloop")


@pytest.mark.parametrize("loop", ["asyncio", "auto"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_signals_end_it_cleanly(loop, number, code):
    steps = []

    async def work():
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            steps.append("cleaned")

    assert run_in_loop(Options(event_loop=loop), lambda: until_stopped(work())) == code
    assert steps == ["cleaned"]


def test_work_that_ends_by_itself():
    assert run_in_loop(Options(), lambda: until_stopped(asyncio.sleep(0))) == 0


def test_a_cancellation_from_elsewhere_is_not_swallowed():
    async def both():
        waiting = asyncio.ensure_future(until_stopped(asyncio.Event().wait()))
        await asyncio.sleep(0)
        waiting.cancel()
        await waiting

    with pytest.raises(asyncio.CancelledError):
        run_in_loop(Options(), both)


def test_an_open_proxy_is_refused_before_anything_is_made(fake_engine):
    with pytest.raises(OptionsError, match="--allow-open-proxy"):
        run_in_loop(Options(), lambda: enter(Options(listen_host="")))
    assert fake_engine.log == []
    run_in_loop(Options(), lambda: enter(Options(listen_host="", server=False)))


def test_systems_without_signals(monkeypatch):
    async def work():
        def refuse(*_args):
            raise NotImplementedError

        monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", refuse)
        monkeypatch.delattr(signal, "SIGHUP")
        with signals_caught(print, "SIGINT", "SIGHUP"):
            return "done"

    assert run_in_loop(Options(event_loop="asyncio"), work) == "done"
