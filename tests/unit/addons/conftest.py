"""Proxies with the built-in addons: one in memory, one on loopback."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import asynccontextmanager

import pytest

from midstream.addons import default_addons
from midstream.engine import Engine
from midstream.flow import Client, Headers, HTTPFlow, Request, Response, Server
from midstream.hooks.context import entered
from midstream.options import ModeSpec, Options
from midstream.pki.authority import CertificateAuthority
from midstream.pki.store import CertStore
from midstream.testing import Scenario


@pytest.fixture(scope="session")
def confdir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("confdir")
    CertificateAuthority.load_or_create(str(directory))
    return str(directory)


@pytest.fixture
def scenario(confdir):
    """A function that makes an engine without sockets, with the built-in addons and those given."""

    def make(mode: str = "regular", addons: tuple[object, ...] = (), **options) -> Scenario:
        made = Scenario(mode, addons=[*default_addons(), *addons], **options)
        made.authority = CertificateAuthority.load_or_create(confdir)
        made.certificates = CertStore(made.authority)
        return made

    return make


@pytest.fixture
def within():
    """Makes `ctx` mean an engine or scenario inside a `with` block."""
    return entered


@pytest.fixture
def engine(confdir):
    """A function that opens an engine on loopback, for `async with`."""

    @asynccontextmanager
    async def open_engine(mode: str = "regular", addons: tuple[object, ...] = (), **options):
        settings = Options(mode=[mode], listen_port=0, confdir=confdir, **options)
        async with Engine(settings, addons=addons) as opened:
            yield opened

    return open_engine


@pytest.fixture
def ask():
    """A function that sends bytes to an engine and returns all that comes back."""

    async def send(engine: Engine, data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*engine.listeners[0].address[:2])
        writer.write(data)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
        return answer

    return send


@pytest.fixture
def origin():
    """A function that opens a server on loopback which records requests and sends one answer, for `async with`."""

    @asynccontextmanager
    async def open_origin(answer: bytes):
        requests: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1], requests
        finally:
            server.close()

    return open_origin


@pytest.fixture
def ask_through_tunnel(confdir):
    """A function that opens CONNECT and TLS through an engine, asks, and returns what comes back."""

    async def send(engine: Engine, host: str, data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*engine.listeners[0].address[:2])
        writer.write(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head, head
        context = ssl.create_default_context(cafile=f"{confdir}/midstream-ca-cert.pem")
        await writer.start_tls(context, server_hostname=host)
        writer.write(data)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return answer

    return send


@pytest.fixture
def make_flow() -> Callable[..., HTTPFlow]:
    """A function that makes a finished flow, as the proxy would have made it."""

    def make(
        url: str = "http://example.com/path?x=1",
        *,
        mode: str = "regular",
        headers: list[tuple[bytes, bytes]] | None = None,
        response_headers: list[tuple[bytes, bytes]] | None = None,
        content: bytes | None = b"hello",
        status: int = 200,
        client_tls: bool = False,
        client_authority: bytes | None = None,
    ) -> HTTPFlow:
        client = Client(peername=("127.0.0.1", 50000), sockname=("127.0.0.1", 8080), proxy_mode=ModeSpec.parse(mode))
        client.tls = client_tls
        request = Request.make("GET", url)
        if headers is not None:
            request.headers = Headers(headers)
        flow = HTTPFlow(client, Server(address=(request.host, request.port)), live=True)
        flow.request = request
        flow.request.timestamp_start = flow.request.timestamp_end = 1000.0
        fields = Headers(response_headers or [(b"Content-Type", b"text/plain")])
        flow.response = Response(b"HTTP/1.1", status, b"OK", fields, content, None, 1000.5, 1001.0)
        flow.client_authority = client_authority
        return flow

    return make
