"""midstream itself, in a thread with a loop of its own, and a recorder that keeps what its hooks saw."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from livekit.tools import TIME_LIMIT, clean_environment
from midstream.addon import observe
from midstream.engine import Engine
from midstream.options import Options


class Recorder:
    """An addon that only looks: it never makes the proxy hold a body back."""

    def __init__(self) -> None:
        self.flows: list[Any] = []
        """HTTP flows that ended, in the order of their end; `flow.error` tells the failed ones."""
        self.tcp_flows: list[Any] = []
        self.calls: list[str] = []
        """Names of the hooks of this class, in the order in which they were called."""
        self._changed = threading.Condition()

    @observe
    def requestheaders(self, flow: Any) -> None:
        self.calls.append("requestheaders")

    @observe
    def request(self, flow: Any) -> None:
        self.calls.append("request")

    @observe
    def responseheaders(self, flow: Any) -> None:
        self.calls.append("responseheaders")

    @observe
    def response(self, flow: Any) -> None:
        self._keep("response", self.flows, flow)

    @observe
    def error(self, flow: Any) -> None:
        self._keep("error", self.flows, flow)

    @observe
    def http_connect_error(self, flow: Any) -> None:
        self.calls.append("http_connect_error")

    @observe
    def tcp_end(self, flow: Any) -> None:
        self._keep("tcp_end", self.tcp_flows, flow)

    @observe
    def tcp_error(self, flow: Any) -> None:
        self._keep("tcp_error", self.tcp_flows, flow)

    def wait_for_flows(self, count: int = 1) -> list[Any]:
        """Wait until this many HTTP flows ended: a client may have its answer before the hook ran."""
        return self._wait(self.flows, count)

    def wait_for_tcp_flows(self, count: int = 1) -> list[Any]:
        return self._wait(self.tcp_flows, count)

    def _wait(self, flows: list[Any], count: int) -> list[Any]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(flows) >= count, TIME_LIMIT), f"only {len(flows)} flows: {flows}"
            return list(flows)

    def _keep(self, name: str, flows: list[Any], flow: Any) -> None:
        with self._changed:
            self.calls.append(name)
            flows.append(flow)
            self._changed.notify_all()


class RunningProxy:
    """An engine that serves until `stop()`. Options are midstream's own names; `mode` may be one spec or several."""

    def __init__(self, confdir: Path, mode: str | Sequence[str], addons: Sequence[object], **options: Any) -> None:
        self.recorder = Recorder()
        self.confdir = confdir
        modes = [mode] if isinstance(mode, str) else list(mode)
        self._settings = {
            "mode": modes,
            "confdir": str(confdir),
            "listen_host": "127.0.0.1",
            "listen_port": 0,
            **options,
        }
        self._addons = [self.recorder, *addons]
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="midstream under test", daemon=True)
        self._thread.start()
        assert self._ready.wait(TIME_LIMIT), "the engine did not start"
        if self._failure:
            raise self._failure

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the first listener."""
        return self.address_of(0)

    def address_of(self, number: int) -> tuple[str, int]:
        host, port, *_ = self.engine.listeners[number].address
        return host, port

    @property
    def port(self) -> int:
        return self.address[1]

    @property
    def url(self) -> str:
        """What clients get as their proxy."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ca(self) -> Path:
        """The certificate that clients of this proxy trust."""
        return self.confdir / "midstream-ca-cert.pem"

    @property
    def flows(self) -> list[Any]:
        return self.recorder.flows

    def environment(self) -> dict[str, str]:
        """An environment that leads ordinary clients through this proxy."""
        return clean_environment(
            http_proxy=self.url, https_proxy=self.url, SSL_CERT_FILE=str(self.ca), REQUESTS_CA_BUNDLE=str(self.ca)
        )

    def call(self, function: Callable[[], Any]) -> Any:
        """Run a function on the engine's loop and return its result, awaited if it is a coroutine."""

        async def on_the_loop() -> Any:
            result = function()
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(on_the_loop(), self._loop).result(TIME_LIMIT)

    def stop(self) -> None:
        """End the engine; raise what went wrong while it ran or shut down."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(TIME_LIMIT)
            assert not self._thread.is_alive(), "the engine did not stop"
        if self._failure:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:  # raised again in the test's thread
            self._failure = failure
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        options = Options()
        options.update(**self._settings)
        async with Engine(options, addons=self._addons) as self.engine:
            self._ready.set()
            await self._stopping.wait()
