"""Scenarios that end in an inspection: whatever a test did, nothing may be left of it."""

import gc
import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # test directories are no packages

from midstream.flow import HTTPFlow
from midstream.proxy.stepper import Signal
from midstream.testing import Http2Peer, Scenario, ScriptedPeer
from midstream.testing.tls import Origins
from midstream.testing.websocket import WebSocketPeer, open_websocket
from midstream.wire.h2 import Limits
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.frame import END_HEADERS, END_STREAM, PREFACE, Frame
from midstream.wire.h2.hpack import Decoder
from scriptkit.recorder import Recorder
from scriptkit.wants import Wants

HOOKS = (
    "http_connect http_connected http_connect_error requestheaders request informational responseheaders response error"
)


class SlowNetwork:
    """Connections come up when the test says so."""

    def __init__(self, scenario: Scenario) -> None:
        self._network = scenario.session.network
        self.gates: list[Signal[None]] = []
        scenario.session.network = self

    async def connect(self, *args: Any) -> None:
        gate: Signal[None] = Signal()
        self.gates.append(gate)
        await gate
        await self._network.connect(*args)


class Duet:
    """A scenario with a client that speaks HTTP/2, and a server that does, once the proxy has connected to it."""

    def __init__(self, scenario: Scenario, limits: Limits | None) -> None:
        self.scenario = scenario
        self._limits = limits
        self.client = Http2Peer.client(scenario.client(), limits=limits)

    @cached_property
    def server(self) -> Http2Peer:
        return Http2Peer.server(self.scenario.servers[0], limits=self._limits)

    def talk(self) -> None:
        """Let both sides hear each other until nothing more comes, as large bodies need."""
        before = -1
        while before != (before := sum(len(peer.frames) for peer in self._peers())):
            for peer in self._peers():
                peer.hear()

    def _peers(self) -> list[Http2Peer]:
        return [self.client, self.server] if self.scenario.servers else [self.client]

    @property
    def origin(self) -> ScriptedPeer:
        """The server in bytes, for one that speaks HTTP/1."""
        return self.scenario.servers[0]


class FramePeer:
    """A peer that says and hears frames, good and bad ones; its field sections leave the compression tables alone."""

    def __init__(self, peer: ScriptedPeer, *, is_client: bool) -> None:
        self.peer = peer
        self._decoder = Decoder()
        self._buffer = b""
        self._expects_preface = not is_client
        self.says(*([PREFACE] if is_client else []), frames.settings(()))

    def says(self, *wire: bytes) -> None:
        self.peer.sends(b"".join(wire))

    def heard(self, kind: int | None = None) -> list[Frame]:
        """Return the frames that came since the last call; those of one kind, if it is named."""
        self._buffer += self.peer.received()
        if self._expects_preface:
            self._expects_preface = False
            self._buffer = self._buffer.removeprefix(PREFACE)
        came = list(frames.frames(self._buffer))
        self._buffer = b""
        return [frame for frame in came if kind is None or frame.kind == kind]

    def fields(self, frame: Frame) -> list[tuple[bytes, bytes]]:
        """Return what a HEADERS frame holds; each has to be read, in order."""
        return self._decoder.decode(frame.payload).fields


def literal(*fields: tuple[bytes, bytes]) -> bytes:
    """Return a block of literals that nobody adds to a table (RFC 7541 §6.2.2)."""
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in fields)


def _text(text: bytes) -> bytes:
    size = len(text)
    if size < 127:
        return bytes((size,)) + text
    rest, prefix = size - 127, b"\x7f"
    while rest > 127:
        prefix += bytes((rest & 127 | 128,))
        rest >>= 7
    return prefix + bytes((rest,)) + text


def headers(stream: int, *fields: tuple[bytes, bytes], flags: int = END_HEADERS | END_STREAM) -> bytes:
    """Return a HEADERS frame of literals, with nothing checked."""
    return frames.frame(frames.HEADERS, flags, stream, literal(*fields))


class SayFrames:
    """The means to say frames, for tests that do."""

    Peer = FramePeer
    literal = staticmethod(literal)
    headers = staticmethod(headers)


@pytest.fixture
def raw() -> type[SayFrames]:
    return SayFrames


@pytest.fixture
def duet(play: Callable[..., Scenario]) -> Callable[..., Duet]:
    """Make duets: of HTTP/2 with HTTP/2, unless the mode or an option says otherwise."""

    def make(mode: str = "reverse:h2c://origin:80", *, limits: Limits | None = None, **options: Any) -> Duet:
        return Duet(play(mode, **options), limits)

    return make


@pytest.fixture
def tape() -> Recorder:
    return Recorder(*HOOKS.split())


@pytest.fixture
def slow_network() -> type[SlowNetwork]:
    return SlowNetwork


@pytest.fixture
def play() -> Iterator[Callable[..., Scenario]]:
    """Make scenarios as `Scenario(…)` does; afterwards all clients leave, and nothing must be left."""
    scenarios: list[Scenario] = []
    gc.freeze()  # what is there already is not looked at again and again

    def make(*args: Any, **kwargs: Any) -> Scenario:
        scenario = Scenario(*args, **kwargs)
        scenarios.append(scenario)
        return scenario

    yield make
    for scenario in scenarios:
        _inspect(scenario)
    gc.collect()  # coroutines that nobody finished would warn now


def _inspect(scenario: Scenario) -> None:
    clients = [transport for transport in scenario.transports if transport.get_extra_info("sockname")[1] == 8080]
    for transport in clients:
        transport.abort()
    scenario.settle()
    scenario.advance(60)  # for those who may take their time to say goodbye
    assert scenario.connections == 0, "a client connection was not cleaned up"
    scenario.pool.close()
    scenario.settle()
    assert len(scenario.pool) == 0
    open_servers = [server.address for server in scenario.servers if not server.is_closed]
    assert not open_servers, "server connections were left open"
    assert not scenario.session._steps, "coroutines were left waiting"
    assert len(scenario.session.deadlines) == 0, "deadlines were left watched"


@pytest.fixture(scope="session")
def origins(tmp_path_factory: pytest.TempPathFactory) -> Origins:
    """The authority behind scripted servers."""
    return Origins(str(tmp_path_factory.mktemp("origins")))


@pytest.fixture
def trusting(play: Callable[..., Scenario], origins: Origins) -> Callable[..., Scenario]:
    """Make scenarios that trust the origins."""

    def make(*args: Any, **options: Any) -> Scenario:
        return play(*args, **{"ssl_verify_upstream_trusted_ca": origins.path, **options})

    return make


@pytest.fixture(params=[False, True], ids=["streamed", "held"])
def addons(request: pytest.FixtureRequest, tape: Recorder) -> list[object]:
    """What only looks at flows; the second time along with somebody for whom bodies are held back."""
    return [tape, Wants()] if request.param else [tape]


class Chat:
    """An open WebSocket connection through the proxy."""

    def __init__(self, scenario: Scenario, client: WebSocketPeer, server: WebSocketPeer, watch: "Watch") -> None:
        self.scenario = scenario
        self.client = client
        self.server = server
        self.watch = watch

    @property
    def flow(self) -> HTTPFlow:
        assert self.watch.flow is not None
        return self.watch.flow

    @property
    def is_over(self) -> bool:
        """Both connections are closed, and hooks have been told so, once."""
        is_closed = self.client.peer.is_closed and self.server.peer.is_closed
        return is_closed and self.watch.hooks.count("websocket_end") == 1 and self.watch.hooks[-1] == "websocket_end"


class Watch:
    """Remembers which hooks of a WebSocket connection fired. It does not listen to messages, which would be held for it."""

    def __init__(self) -> None:
        self.hooks: list[str] = []
        self.flow: HTTPFlow | None = None

    def websocket_start(self, flow: HTTPFlow) -> None:
        self._heard("websocket_start", flow)

    def websocket_ping(self, flow: HTTPFlow) -> None:
        self._heard("websocket_ping", flow)

    def websocket_pong(self, flow: HTTPFlow) -> None:
        self._heard("websocket_pong", flow)

    def websocket_close(self, flow: HTTPFlow) -> None:
        self._heard("websocket_close", flow)

    def websocket_end(self, flow: HTTPFlow) -> None:
        self._heard("websocket_end", flow)

    def error(self, flow: HTTPFlow) -> None:
        self._heard("error", flow)

    def _heard(self, hook: str, flow: HTTPFlow) -> None:
        self.hooks.append(hook)
        self.flow = flow


@pytest.fixture
def chat(play: Callable[..., Scenario]) -> Callable[..., Chat]:
    """Open a WebSocket connection: `chat(Addon(), offered=b"permessage-deflate", agreed_on=b"permessage-deflate", any_option=…)`."""

    def make(
        *addons: object, mode: str = "regular", offered: bytes = b"", agreed_on: bytes = b"", **options: Any
    ) -> Chat:
        watch = Watch()
        scenario = play(mode, addons=[*addons, watch], **options)
        peers = open_websocket(scenario, offered=offered, agreed_on=agreed_on)
        return Chat(scenario, *peers, watch)

    return make
