"""Recorded requests and WebSocket sessions, sent again to real servers."""

import ssl
import threading

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import serve

from livekit.tools import TIME_LIMIT
from midstream.addon import ctx, observe


class Talker:
    """A server that asks for a name and greets; it keeps what it was told."""

    def __init__(self, context):
        self.sessions = []
        self.closes = []
        self.ended = threading.Semaphore(0)
        self._context = context
        self._server = serve(self._talk, "127.0.0.1", 0, ssl=context)
        self.port = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def scheme(self):
        return "https" if self._context else "http"

    def stop(self):
        self._server.shutdown()

    def _talk(self, socket):
        heard = []
        self.sessions.append(heard)
        socket.send(f"session {len(self.sessions)}: who are you?")
        try:
            for content in socket:
                heard.append(content)
                if isinstance(content, str):
                    socket.send(f"hello, {content}")
        except ConnectionClosed:
            pass
        self.closes.append((socket.protocol.close_rcvd.code, socket.protocol.close_rcvd.reason))
        self.ended.release()


class ReplaysSessions:
    """A script that replays a copy of each session once, as soon as it is over."""

    def __init__(self):
        self.flows = []
        self.over = threading.Event()

    @observe
    def websocket_end(self, flow):
        self.flows.append(flow)
        if flow.is_replay:
            self.over.set()
        else:
            ctx.master.commands.call("replay.client", [flow.copy()])


@pytest.fixture
def talker(authority, stack):
    def make(*, tls):
        made = Talker(authority.issue("localhost").server_context() if tls else None)
        stack.callback(made.stop)
        return made

    return make


def converse(url, **way):
    with connect(url, **way) as socket:
        socket.recv(TIME_LIMIT)
        socket.send("Ada")
        assert socket.recv(TIME_LIMIT) == "hello, Ada"
        socket.send(b"\0\1\2" * 1000)
        socket.send(["in ", "fragments"])
        assert socket.recv(TIME_LIMIT) == "hello, in fragments"
        socket.close(4000, "done")


@pytest.mark.parametrize("timing", ["answers", "recorded"])
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("mode", ["regular", "reverse"])
def test_a_session(proxy, talker, mode, tls, timing):
    server, script = talker(tls=tls), ReplaysSessions()
    is_reverse = mode == "reverse"
    spec = f"reverse:{server.scheme}://localhost:{server.port}" if is_reverse else "regular"
    running = proxy(spec, addons=(script,), websocket_replay_timing=timing)
    context = {"ssl": ssl.create_default_context(cafile=str(running.ca))} if tls else {}
    url = f"{'wss' if tls else 'ws'}://localhost:{running.port if is_reverse else server.port}/"
    converse(url, proxy=None if is_reverse else running.url, **context)
    assert script.over.wait(TIME_LIMIT)
    assert all(server.ended.acquire(timeout=TIME_LIMIT) for _ in range(2))
    assert server.sessions == [["Ada", b"\0\1\2" * 1000, "in fragments"]] * 2
    assert server.closes == [(4000, "done")] * 2
    first, second = script.flows
    assert first.id != second.id
    words = [(message.from_client, message.content) for message in first.websocket.messages]
    assert words[0] == (False, b"session 1: who are you?")
    again = [(message.from_client, message.content) for message in second.websocket.messages]
    assert again == [(False, b"session 2: who are you?"), *words[1:]]
    assert (second.websocket.close_code, second.websocket.closed_by_client) == (4000, True)
    assert second.server_conn.tls_established is tls


@pytest.mark.parametrize("tls", [False, True])
def test_requests(proxy, nginx_origin, curl, tls):
    running = proxy()
    url = (nginx_origin.https if tls else nginx_origin.http)("/small")
    curl(url, proxy=running.url, ca=running.ca)
    (flow,) = running.recorder.wait_for_flows(1)
    before, content = flow.response, flow.response.content
    running.call(lambda: running.engine.commands.call("replay.client", [flow]))
    assert running.recorder.wait_for_flows(2) == [flow, flow]
    assert flow.response is not before
    assert flow.response.content == content
    assert flow.is_replay == "request"


def test_http2(proxy, nghttpx_origin, curl):
    running = proxy()
    curl(nghttpx_origin.url("/small"), "--http2", proxy=running.url, ca=running.ca)
    (flow,) = running.recorder.wait_for_flows(1)
    assert flow.request.is_http2
    status = flow.response.status_code
    running.call(lambda: running.engine.commands.call("replay.client", [flow]))
    running.recorder.wait_for_flows(2)
    assert (flow.error, flow.response.status_code, flow.server_conn.alpn) == (None, status, b"h2")


def test_the_proxy_stops_meanwhile(proxy, scripted_origin, curl):
    silent = threading.Event()

    def answer_once(connection):
        connection.read_request()
        if silent.is_set():
            connection.read_to_end()
        silent.set()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    origin = scripted_origin(answer_once)
    running = proxy()
    curl(f"http://127.0.0.1:{origin.port}/", proxy=running.url)
    (flow,) = running.recorder.wait_for_flows(1)
    running.call(lambda: running.engine.commands.call("replay.client", [flow]))
    assert running.call(lambda: running.engine.commands.call("replay.client.count")) == 1
    running.stop()
    assert flow.error
    assert not flow.live


def test_more_at_a_time_while_it_runs(proxy, scripted_origin, curl):
    answered, asked = threading.Event(), threading.Semaphore(0)

    def answer_later(connection):
        connection.read_request()
        asked.release()
        assert answered.wait(TIME_LIMIT)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    origin = scripted_origin(answer_later)
    running = proxy()
    answered.set()
    curl(f"http://127.0.0.1:{origin.port}/", proxy=running.url)
    (flow,) = running.recorder.wait_for_flows(1)
    assert asked.acquire(timeout=TIME_LIMIT)
    answered.clear()
    copies = [flow.copy(), flow.copy()]
    running.call(lambda: running.engine.commands.call("replay.client", copies))
    assert asked.acquire(timeout=TIME_LIMIT)
    running.call(lambda: running.engine.options.update(client_replay_concurrency=2))
    assert asked.acquire(timeout=TIME_LIMIT), "the second one begins, though the first one is not over"
    answered.set()
    running.recorder.wait_for_flows(3)
    assert [copy.response.content for copy in copies] == [b"ok"] * 2
