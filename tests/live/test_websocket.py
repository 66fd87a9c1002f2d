"""WebSocket between real endpoints: two Python libraries and a browser as clients, the two libraries as servers.

Node's `ws` is the server of `make autobahn`, which plays far more cases than fit here.
"""

import asyncio
import gc
import os
import ssl
import threading
import warnings
from urllib.parse import unquote

import aiohttp
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import serve

from livekit.socksclient import connect_through
from livekit.tools import TIME_LIMIT
from livekit.websocket import EchoServer
from midstream.addon import observe

BIG = os.urandom(1 << 20)
CONTENTS = ("text", b"binary", "", "ünïcödé " * 20_000, BIG)


class Watches:
    """Looks at messages, and waits for the end of connections."""

    def __init__(self):
        self.flows = []
        self.ended = threading.Semaphore(0)

    @observe
    def websocket_end(self, flow):
        self.flows.append(flow)
        self.ended.release()

    def flow(self):
        assert self.ended.acquire(timeout=TIME_LIMIT)
        return self.flows[-1]


class Edits(Watches):
    def websocket_message(self, flow):
        message = flow.websocket.messages[-1]
        if message.is_text and not message.from_client:
            message.text = message.text.replace("cat", "dog")


class WebsocketsServer:
    """The server of the package `websockets`: an echo like `EchoServer`."""

    def __init__(self, context, *, compression):
        self._context = context
        self._server = serve(
            self._echo, "127.0.0.1", 0, ssl=context, compression=compression, max_size=None, subprotocols=["echo.v1"]
        )
        self.port = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"{'wss' if self._context else 'ws'}://localhost:{self.port}/echo"

    def stop(self):
        self._server.shutdown()

    def _echo(self, socket):
        for content in socket:
            if content == "close":
                socket.send("bye")
                socket.close(4001, "asked to")
                return
            socket.send(content)


@pytest.fixture(params=["aiohttp", "websockets"])
def server(request, authority, stack):
    """Start an echo server of either library: `server(tls=True)`."""

    def make(*, tls, compression="deflate"):
        context = authority.issue("localhost").server_context() if tls else None
        made = EchoServer(context) if request.param == "aiohttp" else WebsocketsServer(context, compression=compression)
        stack.callback(made.stop)
        return made

    return make


@pytest.fixture
def trusted(authority):
    """Give a client context that trusts a proxy's authority."""

    def make(running):
        return ssl.create_default_context(cafile=str(running.ca))

    return make


def way_through(mode, proxy, origin, *addons):
    """Start a proxy, and tell how the client of `websockets` gets to the origin through it."""
    if mode == "regular":
        running = proxy(addons=addons)
        return running, origin.url, {"proxy": running.url}
    if mode == "reverse":
        scheme = "https" if origin.url.startswith("wss") else "http"
        running = proxy(f"reverse:{scheme}://localhost:{origin.port}", addons=addons)
        return running, origin.url.replace(f":{origin.port}", f":{running.port}"), {"proxy": None}
    running = proxy("socks5", addons=addons)
    return running, origin.url, {"sock": connect_through(running.address, "localhost", origin.port), "proxy": None}


@pytest.mark.parametrize(
    ("mode", "compression", "tls"),
    [
        ("regular", "deflate", True),
        ("regular", None, False),
        ("reverse", None, True),
        ("reverse", "deflate", False),
        ("socks5", "deflate", True),
        ("socks5", None, False),
    ],
)
def test_the_client_of_websockets(proxy, server, trusted, mode, compression, tls):
    watches = Watches()
    running, url, way = way_through(mode, proxy, server(tls=tls), watches)
    context = {"ssl": trusted(running)} if tls else {}
    with connect(url, compression=compression, max_size=None, subprotocols=["echo.v1"], **way, **context) as socket:
        assert socket.subprotocol == "echo.v1"
        assert bool(socket.protocol.extensions) is (compression is not None)
        for content in CONTENTS:
            socket.send(content)
            assert socket.recv(TIME_LIMIT) == content
        socket.send(["in ", "several ", "fragments"])
        assert socket.recv(TIME_LIMIT) == "in several fragments"
        assert socket.ping(b"there?").wait(TIME_LIMIT)
        socket.send("close")
        assert socket.recv(TIME_LIMIT) == "bye"
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(TIME_LIMIT)
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "asked to")
    flow = watches.flow()
    data = flow.websocket
    assert (data.close_code, data.close_reason, data.closed_by_client) == (4001, "asked to", False)
    assert data.messages[-1].text == "bye"
    assert [note.message for note in flow.annotations if "body_memory" not in note.message] == []


def test_the_client_of_aiohttp_and_an_addon(proxy, server, trusted):
    edits = Edits()
    origin = server(tls=True)
    running = proxy(addons=(edits,))

    async def converse():
        options = {
            "protocols": ["echo.v1"],
            "compress": 15,
            "max_msg_size": 0,
            "proxy": running.url,
            "ssl": trusted(running),
        }
        async with aiohttp.ClientSession() as session, session.ws_connect(origin.url, **options) as socket:
            assert socket.compress
            for _ in range(100):
                await socket.send_str("a cat")
                assert await socket.receive_str() == "a dog"
            await socket.send_bytes(BIG)
            assert await socket.receive_bytes() == BIG
            running.call(lambda: edits_of(running).inject(True, "injected"))
            assert await socket.receive_str() == "injected"

    def edits_of(running):
        return running.flows[-1]

    asyncio.run(converse())
    with warnings.catch_warnings():  # aiohttp's loop may end before its TLS has, which is left to the collector then
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    assert edits.flow().websocket.close_code == 1000


def test_many_connections_at_once(proxy, server):
    watches = Watches()
    origin = server(tls=False)
    running = proxy(addons=(watches,))

    async def one(session, number):
        async with session.ws_connect(origin.url, protocols=["echo.v1"], proxy=running.url) as socket:
            for turn in range(20):
                await socket.send_str(f"{number} {turn}")
            for turn in range(20):
                assert await socket.receive_str() == f"{number} {turn}"

    async def all_of_them():
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(one(session, number) for number in range(50)))

    asyncio.run(all_of_them())
    for _ in range(50):
        watches.flow()
    assert {flow.websocket.close_code for flow in watches.flows} == {1000}


PAGE = """<!doctype html>
<title>WebSocket</title>
<img src="/websocket/when-done.png">
<script>
  const socket = new WebSocket("URL", ["echo.v1"]);
  const got = [];
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { socket.send("a cat"); socket.send(new Uint8Array(100000)); };
  socket.onmessage = (event) => {
    got.push(typeof event.data === "string" ? event.data : event.data.byteLength);
    if (got.length === 2) socket.send("close");
  };
  socket.onclose = (event) => {
    const result = [socket.protocol, socket.extensions, ...got, event.code, event.reason, event.wasClean].join("|");
    new Image().src = "/websocket/done?" + encodeURIComponent(result);
  };
</script>
"""


class UntilDone(Edits):
    """Keeps the page from being complete until its script is done: browsers that dump a page do not wait for sockets."""

    def __init__(self):
        super().__init__()
        self.finished = asyncio.Event()
        self.result = ""

    async def request(self, flow):
        if flow.request.path.startswith("/websocket/done?"):
            self.result = unquote(flow.request.path.partition("?")[2])
            self.finished.set()
        elif flow.request.path == "/websocket/when-done.png":
            await asyncio.wait_for(self.finished.wait(), TIME_LIMIT)


def test_a_browser(proxy, nginx_origin, chromium, authority, stack):
    edits = UntilDone()
    origin = EchoServer(authority.issue("localhost").server_context())
    stack.callback(origin.stop)
    folder = nginx_origin.documents / "websocket"
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text(PAGE.replace("URL", origin.url))
    running = proxy(addons=(edits,))
    chromium.trust(running.ca)
    chromium.visit(nginx_origin.https("/websocket/index.html"), proxy=running.url)
    assert edits.result == "echo.v1|permessage-deflate|a dog|100000|bye|4001|asked to|true"
    assert edits.flow().websocket.close_code == 4001
