"""A parent proxy for upstream mode: CONNECT and absolute-form over HTTP, or SOCKS5. It keeps what it was asked.

Built on the scripted origin: each connection is a conversation. Only as clever as one exchange or tunnel needs.
"""

import base64
import ipaddress
import socket
import ssl
import struct
import threading
from urllib.parse import urlsplit

from livekit.scripted import ScriptedConnection, ScriptedOrigin
from livekit.tools import TIME_LIMIT

_BUFFER = 65536


class HttpParent(ScriptedOrigin):
    """An HTTP proxy; give it a context to be an HTTPS proxy, and credentials ("user:password") to ask for them."""

    def __init__(self, context: ssl.SSLContext | None = None, credentials: str | None = None) -> None:
        self.heads: list[bytes] = []
        """Every request head that came, tunnels and plain requests alike."""
        self._expected = base64.b64encode(credentials.encode()) if credentials else None
        super().__init__(self._converse, context)

    @property
    def spec(self) -> str:
        """What goes after `upstream:` in a mode."""
        return f"https://localhost:{self.port}" if self._context else f"http://127.0.0.1:{self.port}"

    def _converse(self, client: ScriptedConnection) -> None:
        while True:
            request = client.read_request()
            head = request.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            self.heads.append(head)
            if self._expected and b"proxy-authorization: basic " + self._expected.lower() not in head.lower():
                client.send(
                    b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="parent"\r\n'
                    b"Content-Length: 0\r\n\r\n"
                )
                continue
            method, target, _ = request.split(b" ", 2)
            if method == b"CONNECT":
                host, _, port = target.decode().rpartition(":")
                _tunnel(client, host.strip("[]"), int(port), b"HTTP/1.1 200 Connection established\r\n\r\n")
                return
            _forward(client, request, target)


class SocksParent(ScriptedOrigin):
    """A SOCKS5 proxy; with credentials it asks for user and password (RFC 1929)."""

    def __init__(self, credentials: tuple[str, str] | None = None) -> None:
        self.targets: list[tuple[str, int]] = []
        self._credentials = credentials
        super().__init__(self._converse)

    @property
    def spec(self) -> str:
        return f"socks5://127.0.0.1:{self.port}"

    def _converse(self, client: ScriptedConnection) -> None:
        _, count = client.read_exactly(2)
        methods = client.read_exactly(count)
        wanted = 2 if self._credentials else 0
        if wanted not in methods:
            client.send(b"\x05\xff")
            return
        client.send(bytes([5, wanted]))
        if self._credentials and not self._check(client, *self._credentials):
            return
        host, port = _socks_target(client)
        self.targets.append((host, port))
        _tunnel(client, host, port, b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")

    def _check(self, client: ScriptedConnection, user: str, password: str) -> bool:
        client.read_exactly(1)
        told = [client.read_exactly(client.read_exactly(1)[0]).decode() for _ in range(2)]
        is_right = told == [user, password]
        client.send(b"\x01\x00" if is_right else b"\x01\x01")
        return is_right


def _socks_target(client: ScriptedConnection) -> tuple[str, int]:
    kind = client.read_exactly(4)[3]
    if kind == 3:
        host = client.read_exactly(client.read_exactly(1)[0]).decode()
    else:
        host = str(ipaddress.ip_address(client.read_exactly(4 if kind == 1 else 16)))
    (port,) = struct.unpack(">H", client.read_exactly(2))
    return host, port


def _forward(client: ScriptedConnection, request: bytes, target: bytes) -> None:
    """Send one absolute-form request on in origin-form, on a connection of its own, and the answer back."""
    url = urlsplit(target.decode())
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    rest = request.split(b"\r\n", 1)[1]
    with socket.create_connection((url.hostname, url.port or 80), TIME_LIMIT) as server:
        server.sendall(
            b" ".join([request.split(b" ", 1)[0], path.encode(), b"HTTP/1.1\r\nConnection: close\r\n"]) + rest
        )
        while data := server.recv(_BUFFER):
            client.send(data)
    raise EOFError("the answer ends with the connection")


def _tunnel(client: ScriptedConnection, host: str, port: int, greeting: bytes) -> None:
    """Connect, greet, and copy both ways until both have ended."""
    with socket.create_connection((host, port), TIME_LIMIT) as server:
        client.send(greeting)
        back = threading.Thread(target=_copy, args=(server, client.transport), daemon=True)
        back.start()
        _copy(client.transport, server)
        back.join(TIME_LIMIT)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(_BUFFER):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return
