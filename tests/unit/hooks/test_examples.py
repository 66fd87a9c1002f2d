"""Each file in examples/ is loaded as a script and does what it says."""

import asyncio
import json
import logging
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from midstream.addon import Client, Flow, HTTPFlow, Request, Response, Server, ServerSentEvent, WebSocketData
from midstream.errors import OptionsError
from midstream.hooks.script import ScriptLoader

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(autouse=True)
def modules_as_before():
    before = dict(sys.modules)
    yield
    for name in set(sys.modules) - set(before):
        del sys.modules[name]


@pytest.fixture
def run(master):
    """Load an example, and pass one exchange through it."""
    master.addons.add(ScriptLoader())
    master.addons.configure_all()

    def load(name: str):
        master.options.update(scripts=[str(EXAMPLES / f"{name}.py")])

        def exchange(method: str = "GET", url: str = "http://example.com/x", **kw) -> HTTPFlow:
            flow = HTTPFlow(Client(), Server())
            flow.request = Request.make(method, url, **kw)
            asyncio.run(pass_through(master, flow))
            return flow

        return exchange

    return load


async def pass_through(master, flow: HTTPFlow) -> None:
    await master.addons.trigger("requestheaders", flow)
    if flow.response is None:
        await master.addons.trigger("request", flow)
    if flow.response is None:
        flow.response = Response.make(200, b"from the server")
    await master.addons.trigger("responseheaders", flow)
    await master.addons.trigger("response", flow)


def test_every_example_is_tested_here():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {
        *("set_header", "block_hosts", "log_sizes", "fake_response", "delay", "count_by_host"),
        *("mask_events", "replay_matching"),
    }


def test_set_header(run, master):
    flow = run("set_header")()
    assert flow.request.headers["X-Requested-Through"] == "midstream"
    assert flow.response.headers["X-Answered-Through"] == "midstream"
    assert not master.hooks.holds_request
    assert not master.hooks.holds_response


def test_block_hosts(run, master):
    exchange = run("block_hosts")
    assert exchange().response.status_code == 200
    master.options.update(block_filter="~d ads.example.com")
    assert exchange(url="http://example.com/").response.status_code == 200
    refused = exchange(url="http://ads.example.com/").response
    assert (refused.status_code, refused.text) == (403, "ads.example.com is blocked.\n")


def test_block_hosts_refuses_a_filter_that_cannot_be_read(run, master):
    run("block_hosts")
    with pytest.raises(OptionsError):
        master.options.update(block_filter="~nonsense (")
    assert master.options.block_filter == ""


def test_log_sizes(run, master, caplog):
    caplog.set_level(logging.INFO)
    exchange = run("log_sizes")
    caplog.clear()
    exchange("POST", content=b"four")
    assert caplog.messages == ["POST http://example.com/x: 4 bytes sent, 15 bytes received"]
    assert not master.hooks.holds_response


def test_log_sizes_of_bodies_that_were_not_kept(run, caplog):
    caplog.set_level(logging.INFO)
    run("log_sizes")
    module = next(module for name, module in sys.modules.items() if "log_sizes" in name)
    missing = Response.make(200)
    missing.raw_content = None
    assert module.size_of(missing) == "body not kept"


def test_fake_response(run):
    exchange = run("fake_response")
    assert json.loads(exchange(url="http://example.com/api/status?x=1").response.text)["faked"] is True
    assert exchange().response.content == b"from the server"


def test_delay(run, master, monkeypatch):
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    exchange = run("delay")
    master.options.update(delay_seconds=0.5)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    exchange()
    assert waited == [0.5]


def test_count_by_host(run, master, caplog):
    caplog.set_level(logging.INFO)
    exchange = run("count_by_host")
    master.options.update(count_only="~m GET")
    for url in ("http://a.example/", "http://b.example/", "http://a.example/2"):
        exchange(url=url)
    exchange("POST")
    assert master.commands.execute("count.show") == ["2 a.example", "1 b.example"]
    master.options.update(scripts=[])
    assert caplog.messages[-2:] == ["2 a.example", "1 b.example"]


def test_count_by_host_can_begin_again(run, master):
    exchange = run("count_by_host")
    exchange()
    master.commands.execute("count.clear")
    assert master.commands.execute("count.show") == []


def test_mask_events(run, master):
    flow = run("mask_events")()
    master.options.update(drop_event="debug")
    for event in (ServerSentEvent("paid with 4111 1111-11111111 today"), ServerSentEvent("x", "debug")):
        flow.sse_events.append(event)
        asyncio.run(master.addons.trigger("sse_event", flow))
    first, second = flow.sse_events
    assert (first.data, first.dropped) == ("paid with [card number] today", False)
    assert second.dropped


def test_replay_matching(run, master):
    replayed = []
    master.commands.add("replay.client", command_into(replayed))
    exchange = run("replay_matching")
    exchange()
    assert replayed == []
    master.options.update(replay_filter="~d a.example")
    flow = exchange(url="http://a.example/x")
    exchange(url="http://b.example/x")
    (copy,) = replayed
    assert copy.id != flow.id
    assert copy.request.url == flow.request.url
    flow.websocket = WebSocketData()
    asyncio.run(master.addons.trigger("response", flow))
    assert len(replayed) == 1
    asyncio.run(master.addons.trigger("websocket_end", flow))
    flow.is_replay = "request"
    asyncio.run(master.addons.trigger("websocket_end", flow))
    assert len(replayed) == 2


def command_into(replayed):
    def client(flows: Sequence[Flow]) -> None:
        replayed.extend(flows)

    return client


DOCUMENTED = re.findall(r"```python\n(.*?)```", (EXAMPLES.parent / "docs" / "addons.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("number", range(len(DOCUMENTED)))
def test_code_in_the_documentation_can_be_loaded(master, tmp_path, number):
    script = tmp_path / "documented.py"
    script.write_text(DOCUMENTED[number])
    master.addons.add(ScriptLoader())
    master.addons.configure_all()
    master.options.update(scripts=[str(script)])
    assert str(script) in master.addons
