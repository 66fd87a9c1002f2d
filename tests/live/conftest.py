"""Fixtures of the live tests. What they hand out lives in `livekit`, beside this file."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # test directories are no packages

from livekit.authority import Authority
from livekit.browser import Chromium
from livekit.command import Command
from livekit.curl import Curl
from livekit.grpc import GrpcClient, GrpcServer
from livekit.nghttpx import NghttpxOrigin
from livekit.nginx import NginxOrigin
from livekit.parent import HttpParent, SocksParent
from livekit.scripted import Handler, ScriptedOrigin, replies

if TYPE_CHECKING:
    from livekit.running import RunningProxy

HERE = Path(__file__).parent
Stoppable = TypeVar(
    "Stoppable", ScriptedOrigin, HttpParent, SocksParent, Command, GrpcServer, GrpcClient, "RunningProxy"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that signs the origins' certificates; the `proxy` fixture trusts it, clients do not."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def nginx_origin(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[NginxOrigin]:
    """An ordinary origin for the whole session: `nginx_origin.http("/small")`, `nginx_origin.https("/small")`."""
    origin = NginxOrigin(tmp_path_factory.mktemp("nginx"), authority.issue("localhost", "127.0.0.1"))
    yield origin
    origin.stop()


@pytest.fixture(scope="session")
def nghttpx_origin(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, nginx_origin: NginxOrigin
) -> Iterator[NghttpxOrigin]:
    """An origin that speaks HTTP/2 only, with nginx's documents: `nghttpx_origin.url("/small")`."""
    issued = authority.issue("localhost", "127.0.0.1")
    origin = NghttpxOrigin(tmp_path_factory.mktemp("nghttpx"), issued, nginx_origin.http_port)
    yield origin
    origin.stop()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Ends everything that the factories below started, last started first."""
    with ExitStack() as running:
        yield running


@pytest.fixture
def scripted_origin(stack: ExitStack, authority: Authority) -> Callable[..., ScriptedOrigin]:
    """Make a raw origin: `scripted_origin(b"HTTP/1.1 200 OK…", …)` answers in turn, `scripted_origin(handler)` converses.

    With `tls=True` it speaks TLS as localhost and 127.0.0.1; `alpn` and `context` refine that.
    """

    def make(
        *script: bytes | Handler, tls: bool = False, alpn: tuple[str, ...] = (), context: Any = None
    ) -> ScriptedOrigin:
        first = script[0] if script else replies()
        handler = first if callable(first) else replies(*(part for part in script if isinstance(part, bytes)))
        if tls and context is None:
            context = authority.issue("localhost", "127.0.0.1").server_context(alpn)
        return _stopped_by(stack, ScriptedOrigin(handler, context))

    return make


@pytest.fixture
def http_parent(stack: ExitStack, authority: Authority) -> Callable[..., HttpParent]:
    """Make a parent proxy: `http_parent(tls=…, credentials="user:password")`; `mode=f"upstream:{parent.spec}"`."""

    def make(*, tls: bool = False, credentials: str | None = None) -> HttpParent:
        context = authority.issue("localhost", "127.0.0.1").server_context() if tls else None
        return _stopped_by(stack, HttpParent(context, credentials))

    return make


@pytest.fixture
def socks_parent(stack: ExitStack) -> Callable[..., SocksParent]:
    """Make a SOCKS5 parent proxy: `socks_parent(credentials=("user", "password"))`."""

    def make(*, credentials: tuple[str, str] | None = None) -> SocksParent:
        return _stopped_by(stack, SocksParent(credentials))

    return make


@pytest.fixture
def grpc_server(stack: ExitStack, authority: Authority) -> Callable[..., GrpcServer]:
    """Start a gRPC service: `grpc_server()` in clear text, `grpc_server(tls=True)` as localhost."""

    def make(*, tls: bool = False) -> GrpcServer:
        return _stopped_by(stack, GrpcServer(authority.issue("localhost", "127.0.0.1") if tls else None))

    return make


@pytest.fixture
def grpc_client(stack: ExitStack) -> Callable[..., GrpcClient]:
    """Open a channel: `grpc_client("localhost:50051", ca=proxy.ca, proxy=proxy.url)`."""

    def make(target: str, **more: Any) -> GrpcClient:
        return _stopped_by(stack, GrpcClient(target, **more))

    return make


@pytest.fixture
def curl(tmp_path: Path) -> Curl:
    """Run curl: `curl(url, "-X", "PUT", proxy=proxy.url, ca=proxy.ca)`."""
    return Curl(tmp_path)


@pytest.fixture
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Chromium:
    """Run a browser: `chromium.trust(proxy.ca)`, `chromium.open(url, proxy=proxy.url)`."""
    return Chromium(tmp_path_factory.mktemp("chromium"))


@pytest.fixture(scope="session")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One configuration directory for all proxies of the session, so that one certificate authority is made."""
    return tmp_path_factory.mktemp("confdir")


@pytest.fixture
def proxy(stack: ExitStack, confdir: Path, authority: Authority) -> "Callable[..., RunningProxy]":
    """Run midstream: `proxy(mode="regular", addons=[…], any_option=…)`; it trusts the origins' authority."""
    from livekit.running import RunningProxy  # noqa: PLC0415 - origins and clients work without the engine

    def make(mode: str | list[str] = "regular", *, addons: tuple[object, ...] = (), **options: Any) -> "RunningProxy":
        settings = {"ssl_verify_upstream_trusted_ca": str(authority.path), **options}
        return _stopped_by(stack, RunningProxy(confdir, mode, addons, **settings))

    return make


@pytest.fixture
def command(stack: ExitStack, tmp_path: Path) -> Callable[..., Command]:
    """Start the command: `command("options", "--json")`; an environment may be given by name.

    With `terminal=True` its standard output is one.
    """

    def make(*arguments: str, terminal: bool = False, **environment: str) -> Command:
        made = Command(*arguments, home=tmp_path, environment=environment, is_at_terminal=terminal)
        return _stopped_by(stack, made)

    return make


@pytest.fixture
def dump(command: Callable[..., Command], confdir: Path, authority: Authority) -> Callable[..., Command]:
    """Start `midstream dump` on a free port with the session's CA; it trusts the origins' authority."""

    def make(*arguments: str, **more: Any) -> Command:
        trust = f"ssl_verify_upstream_trusted_ca={authority.path}"
        return command("dump", "-p", "0", "--confdir", str(confdir), "--set", trust, *arguments, **more)

    return make


def _stopped_by(stack: ExitStack, thing: Stoppable) -> Stoppable:
    stack.callback(thing.stop)
    return thing
