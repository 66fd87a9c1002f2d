"""A stand-in for the engine, so that the command line is tested without sockets and without the proxy's import time."""

import asyncio
import logging
import sys
import types

import pytest

from midstream.options import ModeSpec


class FakeListener:
    def __init__(self, spec, address):
        self.spec = spec
        self.address = address


class FakeEngine:
    """Notes what is done to it; `behaviour` says how it starts and serves."""

    log: list
    start_fault: Exception | None = None
    serve_forever_does = staticmethod(lambda: asyncio.sleep(0))

    def __init__(self, options, addons=()):
        self.options = options
        self.addons = list(addons)
        FakeEngine.last = self
        self.commands = types.SimpleNamespace(commands={})
        self.authority = types.SimpleNamespace(public_file=lambda: f"{options.confdir}/midstream-ca-cert.pem")

    async def __aenter__(self):
        FakeEngine.log.append("start")
        if FakeEngine.start_fault:
            raise FakeEngine.start_fault
        specs = [ModeSpec.parse(mode) for mode in self.options.mode] if self.options.server else []
        self.listeners = [
            FakeListener(spec, spec.listen_at(self.options.listen_host, self.options.listen_port)) for spec in specs
        ]
        for script in self.options.scripts:
            self.options.add_option("from_script", int, 1, f"Option of {script}.", owner=script)
        return self

    async def __aexit__(self, *_):
        FakeEngine.log.append("stop")

    async def serve_forever(self):
        FakeEngine.log.append("serve")
        await FakeEngine.serve_forever_does()


@pytest.fixture
def fake_engine(monkeypatch, tmp_path):
    """The class of the stand-in; engines made by commands are its instances."""
    FakeEngine.log = []
    FakeEngine.start_fault = None
    FakeEngine.serve_forever_does = staticmethod(lambda: asyncio.sleep(0))
    engine = types.ModuleType("midstream.engine")
    engine.Engine = FakeEngine
    addons = types.ModuleType("midstream.addons")
    addons.dump_addons = lambda _options: ["dumper"]
    monkeypatch.setitem(sys.modules, "midstream.engine", engine)
    monkeypatch.setitem(sys.modules, "midstream.addons", addons)
    monkeypatch.setenv("MIDSTREAM_CONFDIR", str(tmp_path))
    return FakeEngine


@pytest.fixture(autouse=True)
def own_log():
    """Take back what a command did to the process's log."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
    root.setLevel(level)
