"""Script files at work: hooks of every kind edit what passes, and a file that changes is taken up while traffic flows."""

import asyncio
import json
import logging
import os
import threading
import time
from pathlib import Path

import pytest

from livekit.nginx import SMALL, TEXT
from livekit.tools import TIME_LIMIT
from midstream.hooks import script as script_module

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def write(tmp_path):
    """Write a script; the result is its path."""
    times = iter(range(1, 100))

    def write(text, name="script.py"):
        path, fresh = tmp_path / name, tmp_path / "fresh"
        fresh.write_text(text)
        stamp = time.time_ns() + next(times) * 10**9  # later than before, whatever the clock's grain
        os.utime(fresh, ns=(stamp, stamp))
        fresh.replace(path)  # whole at once: who looks all the time would see a file half written
        return str(path)

    return write


@pytest.fixture
def heard():
    """Wait for a line of the log: `heard("reload")`."""
    changed = threading.Condition()
    lines = []

    class Listener(logging.Handler):
        def emit(self, record):
            with changed:
                lines.append(record.getMessage())
                changed.notify_all()

    def wait_for(text):
        with changed:
            assert changed.wait_for(lambda: any(text in line for line in lines), TIME_LIMIT), f"{text!r} not in {lines}"
            lines.clear()

    logger, listener = logging.getLogger("midstream"), Listener()
    before = logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.INFO)
    yield wait_for
    logger.removeHandler(listener)
    logger.setLevel(before)


@pytest.fixture
def watchful(monkeypatch):
    """Have files looked at more often than every second."""
    monkeypatch.setattr(script_module, "INTERVAL", 0.02)


# What hooks can do.

KINDS = {
    "sync": """
def request(flow):
    flow.request.headers["x-edited"] = "yes"
    flow.request.text = flow.request.text.upper()

def response(flow):
    flow.response.headers["x-edited"] = "yes"
    flow.response.text = "edited " + flow.response.text
""",
    "async": """
import asyncio

async def request(flow):
    await asyncio.sleep(0.001)
    flow.request.headers["x-edited"] = "yes"
    flow.request.text = flow.request.text.upper()

async def response(flow):
    await asyncio.to_thread(str)
    flow.response.headers["x-edited"] = "yes"
    flow.response.text = "edited " + flow.response.text
""",
    "concurrent": """
import threading
from midstream.addon import concurrent

@concurrent
def request(flow):
    flow.request.headers["x-edited"] = "yes"
    flow.request.headers["x-thread"] = threading.current_thread().name
    flow.request.text = flow.request.text.upper()

@concurrent
def response(flow):
    flow.response.headers["x-edited"] = "yes"
    flow.response.text = "edited " + flow.response.text
""",
    "class": """
class Editor:
    def __init__(self):
        self.count = 0

    def request(self, flow):
        self.count += 1
        flow.request.headers["x-edited"] = "yes"
        flow.request.text = flow.request.text.upper()

    def response(self, flow):
        flow.response.headers["x-edited"] = "yes"
        flow.response.text = "edited " + flow.response.text

addons = [Editor()]
""",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_tls", [False, True], ids=["http", "https"])
def test_headers_and_bodies_are_edited(proxy, scripted_origin, curl, write, kind, is_tls):
    running = proxy(scripts=(write(KINDS[kind]),))
    origin = scripted_origin(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", tls=is_tls)
    answer = curl(origin.url(), "-d", "lower case", proxy=running.url, ca=running.ca)
    assert (answer.body, answer.header("x-edited"), answer.header("content-length")) == (b"edited body", "yes", "11")
    assert origin.received.endswith(b"\r\n\r\nLOWER CASE")
    assert b"\r\nx-edited: yes\r\n" in origin.received
    if kind == "concurrent":
        assert b"x-thread: MainThread" not in origin.received


def test_concurrent_hooks_run_side_by_side(proxy, nginx_origin, curl, write):
    meet = (
        "import threading\nfrom midstream.addon import concurrent\nmeeting = threading.Barrier(4)\n"
        "@concurrent\ndef request(flow):\n    meeting.wait(10)\n"
    )
    running = proxy(scripts=(write(meet),))
    url = nginx_origin.http("/small")
    more = [part for _ in range(3) for part in (url, "-o", os.devnull)]
    answer = curl(url, "--parallel", "--parallel-immediate", *more, proxy=running.url)
    assert answer.body == SMALL
    assert [flow.response.status_code for flow in running.recorder.wait_for_flows(4)] == [200] * 4


def test_a_waiting_async_hook_holds_nobody_else_up(proxy, nginx_origin, curl):
    entered, release = threading.Event(), threading.Event()

    class Patient:
        async def request(self, flow):
            if flow.request.path == "/small":
                entered.set()
                await asyncio.to_thread(release.wait, TIME_LIMIT)

    running = proxy(addons=(Patient(),))
    held = []
    waiting = threading.Thread(target=lambda: held.append(curl(nginx_origin.http("/small"), proxy=running.url)))
    waiting.start()
    assert entered.wait(TIME_LIMIT)
    assert curl(nginx_origin.http("/text.txt"), proxy=running.url).body == TEXT
    release.set()
    waiting.join(TIME_LIMIT)
    assert held[0].body == SMALL


def test_requests_are_led_elsewhere(proxy, nginx_origin, curl, write):
    lead = f"def request(flow):\n    flow.request.url = {nginx_origin.https('/seen?moved')!r}\n"
    running = proxy(scripts=(write(lead),))
    answer = curl("http://nobody.invalid/x", proxy=running.url)
    assert answer.body.decode().splitlines()[0] == "GET /seen?moved HTTP/1.1"
    assert answer.body.decode().splitlines()[2] == "https"


def test_a_script_answers_instead_of_the_server(proxy, curl, write):
    answering = (
        "from midstream.addon import Response\n"
        "def request(flow):\n    flow.response = Response.make(203, b'made up', {'x-made': 'here'})\n"
    )
    running = proxy(scripts=(write(answering),))
    for url in ("http://nobody.invalid/", "https://nobody.invalid/"):
        answer = curl(url, "-d", "x", proxy=running.url, ca=running.ca)
        assert (answer.status, answer.body, answer.header("x-made")) == (203, b"made up", "here")


def test_a_script_streams_and_rewrites_pieces(proxy, nginx_origin, curl, write):
    streaming = "def responseheaders(flow):\n    flow.response.stream = lambda data: data.replace(b'o', b'0')\n"
    running = proxy(scripts=(write(streaming),))
    for path in ("/text.txt", "/chunked/text.txt"):
        answer = curl(nginx_origin.https(path), proxy=running.url, ca=running.ca)
        assert answer.body == TEXT.replace(b"o", b"0")


def test_a_script_kills_a_flow(proxy, nginx_origin, curl, write):
    running = proxy(scripts=(write("def request(flow):\n    flow.kill()\n"),))
    assert curl(nginx_origin.http("/small"), proxy=running.url).exit_code == 52  # an empty reply
    (flow,) = running.recorder.wait_for_flows()
    assert flow.error


def test_a_failing_hook_is_named_and_its_flow_goes_on(proxy, nginx_origin, curl, write, heard):
    failing = "def request(flow):\n    raise RuntimeError('on purpose')\n"
    running = proxy(scripts=(write(failing, "failing.py"),))
    assert curl(nginx_origin.http("/small"), proxy=running.url).body == SMALL
    heard("failing")


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_examples_let_traffic_pass(proxy, nginx_origin, curl, example):
    running = proxy(scripts=(str(EXAMPLES / example),))
    assert curl(nginx_origin.https("/text.txt"), proxy=running.url, ca=running.ca).body == TEXT


# Reload.

VERSION = "def response(flow):\n    flow.response.headers['x-version'] = '{}'\n"


def version(curl, nginx_origin, running):
    return curl(nginx_origin.http("/small"), proxy=running.url).header("x-version")


@pytest.mark.usefixtures("watchful")
def test_a_changed_script_is_taken_up(proxy, nginx_origin, curl, write, heard):
    running = proxy(scripts=(write(VERSION.format(1)),))
    assert version(curl, nginx_origin, running) == "1"
    write(VERSION.format(2))
    heard("again")
    assert version(curl, nginx_origin, running) == "2"


@pytest.mark.usefixtures("watchful")
def test_the_old_version_stays_when_the_new_one_fails(proxy, nginx_origin, curl, write, heard):
    running = proxy(scripts=(write(VERSION.format(1)),))
    for broken in ("def response(flow:\n", "import no_such_module_here\n", "raise SystemExit(3)\n"):
        write(broken)
        heard("goes on working")
        assert version(curl, nginx_origin, running) == "1"
    write(VERSION.format(2))
    heard("again")
    assert version(curl, nginx_origin, running) == "2"


@pytest.mark.usefixtures("watchful")
def test_a_changed_helper_is_taken_up(proxy, nginx_origin, curl, write, heard):
    write("NUMBER = '1'\n", "numbers_of_mine.py")
    script = (
        "import numbers_of_mine\ndef response(flow):\n    flow.response.headers['x-version'] = numbers_of_mine.NUMBER\n"
    )
    running = proxy(scripts=(write(script),))
    assert version(curl, nginx_origin, running) == "1"
    write("NUMBER = '2'\n", "numbers_of_mine.py")
    heard("again")
    assert version(curl, nginx_origin, running) == "2"


@pytest.mark.usefixtures("watchful")
def test_a_flow_that_is_under_way_ends_well_when_its_script_changes(proxy, nginx_origin, curl, write, heard):
    slow = (
        "import asyncio\nover = asyncio.Event()\n"
        "async def request(flow):\n    await over.wait()\n"
        "async def done():\n    over.set()\n"
    )
    entered = threading.Event()

    class Observer:
        def requestheaders(self, flow):
            entered.set()

    running = proxy(scripts=(write(slow),), addons=(Observer(),))
    held = []
    waiting = threading.Thread(target=lambda: held.append(curl(nginx_origin.http("/small"), proxy=running.url)))
    waiting.start()
    assert entered.wait(TIME_LIMIT)
    write(VERSION.format(2))
    heard("again")
    waiting.join(TIME_LIMIT)
    assert held[0].body == SMALL
    assert version(curl, nginx_origin, running) == "2"


# Options of scripts, and the command line.


def test_a_script_with_an_option_of_its_own(dump, command, nginx_origin, curl, write):
    path = write(
        "from midstream.addon import ctx\n"
        "def load(loader):\n    loader.add_option('greeting', str, 'hello', 'What to say.')\n"
        "def response(flow):\n    flow.response.headers['x-greeting'] = ctx.options.greeting\n"
    )
    assert curl(nginx_origin.http("/small"), proxy=dump("-s", path).url).header("x-greeting") == "hello"
    running = dump("-s", path, "--set", "greeting=good day")
    assert curl(nginx_origin.http("/small"), proxy=running.url).header("x-greeting") == "good day"
    listing = command("options", "--json", "-s", path, "greeting")
    assert listing.wait() == 0
    assert json.loads("\n".join(listing.out))[0]["default"] == "hello"


def test_the_command_takes_up_a_changed_script(dump, nginx_origin, curl, write):
    running = dump("-s", write(VERSION.format(1)))
    assert version(curl, nginx_origin, running) == "1"
    write("1 +\n")
    running.wait_for("goes on working")
    assert version(curl, nginx_origin, running) == "1"
    write(VERSION.format(2))
    running.wait_for("Loaded .* again")
    assert version(curl, nginx_origin, running) == "2"
    running.interrupt()
    assert running.wait() == 130


def test_several_scripts_run_in_their_order(dump, nginx_origin, curl, write):
    text = (
        "def response(flow):\n    flow.response.headers['x-order'] = flow.response.headers.get('x-order', '') + '{}'\n"
    )
    running = dump("-s", write(text.format("a"), "a.py"), "-s", write(text.format("b"), "b.py"))
    assert curl(nginx_origin.http("/small"), proxy=running.url).header("x-order") == "ab"
