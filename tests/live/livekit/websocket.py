"""A WebSocket server of aiohttp's making, in a thread with a loop of its own. It echoes, and shouts when asked to."""

import asyncio
import ssl
import threading

from aiohttp import WSMsgType, web

from livekit.tools import TIME_LIMIT


class EchoServer:
    """Echoes text and binary messages at `/echo`; says "bye" and closes with 4001 on the text `close`."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(TIME_LIMIT), "the WebSocket server did not start"

    @property
    def url(self) -> str:
        return f"{'wss' if self._context else 'ws'}://localhost:{self.port}/echo"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(TIME_LIMIT)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        application = web.Application()
        application.router.add_get("/echo", _echo)
        runner = web.AppRunner(application, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._context)
        await site.start()
        self.port: int = runner.addresses[0][1]
        self._ready.set()
        await self._stopping.wait()
        await runner.cleanup()


async def _echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=("echo.v1",), max_msg_size=0)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
        elif message.data == "close":
            await socket.send_str("bye")
            await socket.close(code=4001, message=b"asked to")
        else:
            await socket.send_str(message.data)
    return socket
