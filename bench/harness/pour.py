"""Bytes poured through a TCP connection as fast as they go. A program of its own, pinned like origin and load.

`serve PORT` sends, to each who connects, as many bytes as the eight-byte number asks for; `fetch PORT SIZE` asks, throws the bytes
away and prints how many seconds passed from asking to the last byte.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from time import perf_counter

PIECE = memoryview(bytes(range(256)) * 4096)
_LIMIT = 300


def serve(port: int) -> None:
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_pour, args=(connection,), daemon=True).start()


def fetch(port: int, size: int) -> float:
    with socket.create_connection(("127.0.0.1", port), _LIMIT) as connection:
        buffer = bytearray(1 << 20)
        left, started = size, perf_counter()
        connection.sendall(size.to_bytes(8))
        while left:
            came = connection.recv_into(buffer)
            if not came:
                raise EOFError(f"{left} bytes did not come")
            left -= came
        return perf_counter() - started


def _pour(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        asked = connection.recv(8, socket.MSG_WAITALL)
        left = int.from_bytes(asked) if len(asked) == 8 else 0
        while left:
            left -= connection.send(PIECE[: min(left, len(PIECE))])


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        print(fetch(int(sys.argv[2]), int(sys.argv[3])))
