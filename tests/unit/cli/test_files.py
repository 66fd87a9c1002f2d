import asyncio
import builtins
import resource

import pytest

from midstream.cli.files import QUIET_SECONDS, LoopFaults, allow_many_files

OUT_OF_FILES = {"message": "socket.accept() out of system resource", "exception": OSError(24, "Too many open files")}


@pytest.fixture
def limits(monkeypatch):
    """Record what is asked of the system, which has a limit of 100 and would allow 5000."""
    asked = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 5000))
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: asked.append(pair))
    return asked


def test_tcp_06_the_limit_is_raised_as_far_as_it_goes(limits):
    allow_many_files()
    assert limits == [(5000, 5000)]


def test_a_limit_that_cannot_be_raised_is_left_alone(limits, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (5000, 5000))
    allow_many_files()
    assert limits == []


@pytest.mark.parametrize("error", [ValueError("not allowed"), OSError(1, "not allowed")])
def test_a_refusal_is_no_failure(limits, monkeypatch, caplog, error):
    caplog.set_level("INFO")

    def refuse(_, __):
        raise error

    monkeypatch.setattr(resource, "setrlimit", refuse)
    allow_many_files()
    assert "open files stay limited to 100" in caplog.text


def test_systems_without_limits(monkeypatch):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "resource":
            raise ImportError
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    allow_many_files()


def test_tcp_06_running_out_of_files_is_told_once_a_minute(caplog):
    now = [1000.0]
    faults = LoopFaults(lambda: now[0])
    loop = asyncio.new_event_loop()
    loop.close()
    for _ in range(1000):
        faults(loop, OUT_OF_FILES)
    assert len(caplog.records) == 1
    assert "Too many open files" in caplog.text
    now[0] += QUIET_SECONDS
    faults(loop, OUT_OF_FILES)
    assert len(caplog.records) == 2


def test_other_faults_are_told_as_ever(caplog):
    loop = asyncio.new_event_loop()
    loop.close()
    LoopFaults(lambda: 0.0)(loop, {"message": "something else"})
    assert "something else" in caplog.text
