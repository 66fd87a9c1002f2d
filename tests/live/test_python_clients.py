"""The HTTP libraries of Python as clients, each with its own idea of proxies, tunnels and streams."""

import asyncio
import hashlib
import os
import ssl
import threading
import urllib.error
import urllib.request
from contextlib import asynccontextmanager

import aiohttp
import httpx
import pytest
import requests

from livekit.nginx import LARGE_SIZE, SMALL, TEXT
from livekit.scripted import ScriptedConnection
from livekit.websocket import EchoServer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LARGE_DIGEST = hashlib.sha256(bytes(LARGE_SIZE)).hexdigest()
WAIT = 20


class Halting:
    """An origin's script that sends half of its answer, and the rest when the client has that half."""

    def __init__(self):
        self.seen = threading.Event()

    def __call__(self, connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        assert self.seen.wait(WAIT), "the client did not get the first half"
        connection.send(b"4\r\nlast\r\n0\r\n\r\n")


class Awaiting:
    """An origin's script that tells when the first half of an upload is here; `pieces` sends the rest only then."""

    def __init__(self):
        self.came = threading.Event()

    def __call__(self, connection: ScriptedConnection) -> None:
        connection.read_until(b"5\r\nfirst\r\n")
        self.came.set()
        connection.read_until(b"4\r\nlast\r\n0\r\n\r\n")
        connection.send(OK)

    def pieces(self):
        yield b"first"
        assert self.came.wait(WAIT), "the server did not get the first half"
        yield b"last"

    async def pieces_async(self):
        yield b"first"
        assert await asyncio.to_thread(self.came.wait, WAIT), "the server did not get the first half"
        yield b"last"


def trusting(running):
    return ssl.create_default_context(cafile=running.ca)


# requests.


@pytest.fixture
def session():
    with requests.Session() as made:
        made.trust_env = False
        yield made


def lead(session, running):
    session.proxies = {"http": running.url, "https": running.url}
    session.verify = str(running.ca)
    return session


def test_requests(proxy, nginx_origin, session):
    running = proxy()
    lead(session, running)
    for url in (nginx_origin.http("/small"), nginx_origin.https("/small"), nginx_origin.https("/moved")):
        assert session.get(url, timeout=WAIT).content == SMALL
    assert session.get(nginx_origin.https("/gzip/text.txt"), timeout=WAIT).content == TEXT
    assert session.head(nginx_origin.https("/text.txt"), timeout=WAIT).headers["content-length"] == str(len(TEXT))
    assert session.put(nginx_origin.https("/upload/r"), b"x" * 100_000, timeout=WAIT).status_code == 201
    assert len(nginx_origin.uploaded("r")) == 100_000


def test_requests_keeps_its_connections(proxy, nginx_origin, session):
    running = proxy()
    lead(session, running)
    for _ in range(5):
        session.get(nginx_origin.https("/small"), timeout=WAIT)
    flows = running.recorder.wait_for_flows(5)
    assert len({flow.client_conn.id for flow in flows}) == 1
    assert len({flow.server_conn.id for flow in flows}) == 1


@pytest.mark.parametrize("is_tls", [False, True], ids=["http", "https"])
def test_requests_streams_both_ways(proxy, scripted_origin, session, is_tls):
    lead(session, proxy())
    halting = Halting()
    with session.get(scripted_origin(halting, tls=is_tls).url(), stream=True, timeout=WAIT) as answer:
        parts = answer.iter_content(None)
        assert next(parts) == b"first"
        halting.seen.set()
        assert b"".join(parts) == b"last"
    awaiting = Awaiting()
    origin = scripted_origin(awaiting, tls=is_tls)
    assert session.post(origin.url(), data=awaiting.pieces(), timeout=WAIT).content == b"ok"


def test_requests_refuses_what_we_do_not_vouch_for(proxy, nginx_origin, session, authority):
    lead(session, proxy())
    session.verify = str(authority.path)
    with pytest.raises(requests.exceptions.SSLError, match="certificate verify failed"):
        session.get(nginx_origin.https("/small"), timeout=WAIT)


def test_requests_with_a_proxy_password(proxy, nginx_origin, session):
    running = proxy(proxyauth="anna:secret")
    lead(session, running)
    assert session.get(nginx_origin.http("/small"), timeout=WAIT).status_code == 407
    with pytest.raises(requests.exceptions.ProxyError, match="407"):
        session.get(nginx_origin.https("/small"), timeout=WAIT)
    known = running.url.replace("//", "//anna:secret@")
    session.proxies = {"http": known, "https": known}
    assert session.get(nginx_origin.http("/small"), timeout=WAIT).content == SMALL
    assert session.get(nginx_origin.https("/small"), timeout=WAIT).content == SMALL


# httpx.


def test_httpx(proxy, nginx_origin):
    running = proxy()
    with httpx.Client(proxy=running.url, verify=trusting(running), trust_env=False, timeout=WAIT) as client:
        for url in (nginx_origin.http("/small"), nginx_origin.https("/small")):
            assert client.get(url).content == SMALL
        with client.stream("GET", nginx_origin.https("/large.bin")) as answer:
            digest = hashlib.sha256()
            for part in answer.iter_bytes():
                digest.update(part)
        assert digest.hexdigest() == LARGE_DIGEST
        assert client.get(nginx_origin.https("/gzip/text.txt")).content == TEXT
        assert client.put(nginx_origin.https("/upload/x"), content=b"x" * 100_000).status_code == 201
    assert running.recorder.wait_for_flows(5)[1].client_conn.alpn == b"http/1.1"


@pytest.mark.parametrize("is_tls", [False, True], ids=["http", "https"])
def test_httpx_streams_both_ways(proxy, scripted_origin, is_tls):
    running = proxy()
    with httpx.Client(proxy=running.url, verify=trusting(running), trust_env=False, timeout=WAIT) as client:
        halting = Halting()
        with client.stream("GET", scripted_origin(halting, tls=is_tls).url()) as answer:
            parts = answer.iter_raw()
            assert next(parts) == b"first"
            halting.seen.set()
            assert b"".join(parts) == b"last"
        awaiting = Awaiting()
        assert client.post(scripted_origin(awaiting, tls=is_tls).url(), content=awaiting.pieces()).content == b"ok"


def test_httpx_with_http2_offered_gets_http1(proxy, nginx_origin):
    running = proxy()
    with httpx.Client(proxy=running.url, verify=trusting(running), trust_env=False, http2=True) as client:
        answer = client.get(nginx_origin.https("/small"))
    assert (answer.http_version, answer.content) == ("HTTP/1.1", SMALL)


def test_httpx_async_with_many_requests_at_once(proxy, nginx_origin):
    running = proxy()

    async def fetch_all():
        async with httpx.AsyncClient(
            proxy=running.url, verify=trusting(running), trust_env=False, timeout=WAIT
        ) as client:
            urls = [nginx_origin.https("/text.txt"), nginx_origin.http("/text.txt")] * 15
            return await asyncio.gather(*(client.get(url) for url in urls))

    assert {answer.content for answer in asyncio.run(fetch_all())} == {TEXT}
    assert len(running.recorder.wait_for_flows(30)) == 30


def test_httpx_through_socks(proxy, nginx_origin):
    running = proxy("socks5")
    through = running.url.replace("http:", "socks5:")
    with httpx.Client(proxy=through, verify=trusting(running), trust_env=False, timeout=WAIT) as client:
        assert client.get(nginx_origin.https("/small")).content == SMALL


# aiohttp.


class WaitingConnector(aiohttp.TCPConnector):
    """A connector that remembers its connections: saying goodbye in TLS takes longer than closing a session does."""

    async def _create_connection(self, *args):
        made = await super()._create_connection(*args)
        self.__dict__.setdefault("made", []).append(made)
        return made

    async def gone(self):
        closing = [connection.closed for connection in self.__dict__.get("made", ())]
        await asyncio.gather(*(future for future in closing if future is not None), return_exceptions=True)


@asynccontextmanager
async def aiohttp_session():
    connector = WaitingConnector()
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(WAIT)) as session:
        yield session
    await connector.gone()


def test_aiohttp(proxy, nginx_origin):
    running = proxy()
    through = {"proxy": running.url, "ssl": trusting(running)}

    async def converse():
        async with aiohttp_session() as session:
            for url in (nginx_origin.http("/small"), nginx_origin.https("/small"), nginx_origin.https("/small")):
                async with session.get(url, **through) as answer:
                    assert await answer.read() == SMALL
            async with session.get(nginx_origin.https("/large.bin"), **through) as answer:
                digest = hashlib.sha256()
                async for part in answer.content.iter_any():
                    digest.update(part)
                assert digest.hexdigest() == LARGE_DIGEST
            async with session.put(nginx_origin.https("/upload/a"), data=b"y" * 100_000, **through) as answer:
                assert answer.status == 201

    asyncio.run(converse())
    assert nginx_origin.uploaded("a") == b"y" * 100_000


@pytest.mark.parametrize("is_tls", [False, True], ids=["http", "https"])
def test_aiohttp_streams_both_ways(proxy, scripted_origin, is_tls):
    running = proxy()
    through = {"proxy": running.url, "ssl": trusting(running)}
    halting, awaiting = Halting(), Awaiting()
    download, upload = (scripted_origin(script, tls=is_tls).url() for script in (halting, awaiting))

    async def converse():
        async with aiohttp_session() as session:
            async with session.get(download, **through) as answer:
                assert await answer.content.readany() == b"first"
                halting.seen.set()
                assert await answer.read() == b"last"
            async with session.post(upload, data=awaiting.pieces_async(), **through) as answer:
                assert await answer.read() == b"ok"

    asyncio.run(converse())


def test_aiohttp_with_a_proxy_password(proxy, nginx_origin):
    running = proxy(proxyauth="anna:secret")
    through = {"proxy": running.url, "ssl": trusting(running)}

    async def converse():
        async with aiohttp_session() as session:
            with pytest.raises(aiohttp.ClientHttpProxyError, match="407"):
                await session.get(nginx_origin.https("/small"), **through)
            through["proxy"] = running.url.replace("//", "//anna:secret@")
            async with session.get(nginx_origin.https("/small"), **through) as answer:
                assert await answer.read() == SMALL

    asyncio.run(converse())


# WebSocket: the upgrade and the frames pass, whatever is in them.


@pytest.mark.parametrize("is_tls", [False, True], ids=["ws", "wss"])
def test_websocket(proxy, authority, stack, is_tls):
    server = EchoServer(authority.issue("localhost").server_context() if is_tls else None)
    stack.callback(server.stop)
    running = proxy()
    big = os.urandom(3 * 2**20)

    async def converse():
        through = {"proxy": running.url, "ssl": trusting(running)}
        options = {"protocols": ("echo.v1",), "max_msg_size": 0, "autoping": False}
        async with aiohttp_session() as session, session.ws_connect(server.url, **options, **through) as socket:
            assert socket.protocol == "echo.v1"
            await socket.send_str("hello")
            assert await socket.receive_str() == "hello"
            await socket.send_bytes(big)
            assert await socket.receive_bytes() == big
            await socket.ping(b"there?")
            assert (await socket.receive()).type is aiohttp.WSMsgType.PONG
            await socket.send_str("close")
            assert await socket.receive_str() == "bye"
            assert (await socket.receive()).data == 4001

    asyncio.run(converse())
    (flow,) = running.recorder.wait_for_flows()
    assert flow.response.status_code == 101
    assert flow.response.headers["sec-websocket-accept"]
    assert flow.request.headers["upgrade"] == "websocket"


def test_websocket_that_the_server_refuses(proxy, nginx_origin):
    running = proxy()

    async def converse():
        async with aiohttp_session() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(nginx_origin.http("/teapot").replace("http:", "ws:"), proxy=running.url)
            assert refused.value.status == 418

    asyncio.run(converse())


def test_websocket_with_compression(proxy, authority, stack):
    server = EchoServer(authority.issue("localhost").server_context())
    stack.callback(server.stop)
    running = proxy()

    async def converse():
        through = {"proxy": running.url, "ssl": trusting(running)}
        async with aiohttp_session() as session, session.ws_connect(server.url, compress=15, **through) as socket:
            assert socket.compress, "permessage-deflate was negotiated through the proxy"
            await socket.send_str("again " * 10_000)
            assert await socket.receive_str() == "again " * 10_000

    asyncio.run(converse())


# urllib.


def opener(running):
    proxies = urllib.request.ProxyHandler({"http": running.url, "https": running.url})
    return urllib.request.build_opener(proxies, urllib.request.HTTPSHandler(context=trusting(running)))


def test_urllib(proxy, nginx_origin):
    running = proxy()
    client = opener(running)
    for url in (nginx_origin.http("/small"), nginx_origin.https("/small"), nginx_origin.http("/moved")):
        with client.open(url, timeout=WAIT) as answer:
            assert answer.read() == SMALL
    request = urllib.request.Request(nginx_origin.https("/upload/u"), b"z" * 50_000, method="PUT")
    with client.open(request, timeout=WAIT) as answer:
        assert answer.status == 201
    assert nginx_origin.uploaded("u") == b"z" * 50_000
    with pytest.raises(urllib.error.HTTPError, match="418") as refused:
        client.open(nginx_origin.https("/teapot"), timeout=WAIT)
    refused.value.close()


def test_urllib_streams_an_upload(proxy, scripted_origin):
    awaiting = Awaiting()
    origin = scripted_origin(awaiting, tls=True)
    with opener(proxy()).open(urllib.request.Request(origin.url(), awaiting.pieces()), timeout=WAIT) as answer:
        assert answer.read() == b"ok"
