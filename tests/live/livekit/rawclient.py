"""A raw client: what it sends is exactly what the test wrote, what it got is kept to the byte."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Self

from livekit.scripted import ScriptedConnection
from livekit.tools import TIME_LIMIT


class RawClient(ScriptedConnection):
    """`with RawClient(proxy.address) as client:` sends and reads like the scripted origin's connections do."""

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(socket.create_connection(address, TIME_LIMIT))

    def read_response(self) -> bytes:
        """Read one response: head, and a body by Content-Length or chunked coding without trailers."""
        return self.read_request()  # framed alike

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.transport.close()


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """A port of this machine that is taken, so that nobody else gets it, but refuses connections."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
