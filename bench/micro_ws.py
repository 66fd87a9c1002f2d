"""Microseconds per WebSocket message and side, spent in engines alone: `python bench/micro_ws.py`.

A side reads a message from its peer, or writes one to it; a proxy does both for each message. The sans-IO cores of `websockets`
and, if it is importable, of `wsproto` do the same, except that they compress harder by default. All in CPU time, best of several rounds, the engines in turn.
"""

import argparse
import importlib
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from midstream.wire.ws import Assembler, ClientFacing, Message, ServerFacing
from midstream.wire.ws.events import BINARY, TEXT
from midstream.wire.ws.mask import apply_mask, apply_slowly
from midstream.wire.ws.negotiate import Compression

SIZES = (16, 100, 1000, 65536, 1_048_576)
Case = tuple[Callable[[], object], Callable[[], object]]


def make_key() -> bytes:
    """Return a masking key, cheaply: randomness is not what is measured."""
    return b"\x12\x34\x56\x78"


def ours(size: int, *, is_masked: bool, is_compressed: bool) -> Case:
    """Return how our engines read and write a message."""
    compression = Compression() if is_compressed else None
    client, server = ClientFacing(compression=compression), ServerFacing(make_key, compression=compression)
    writer, reader = (server, client) if is_masked else (client, server)
    message = Message(TEXT if is_compressed else BINARY, content(size, is_text=is_compressed), (), is_compressed)
    wire = writer.send(message)
    add = Assembler().add
    receive = reader.receive
    if is_compressed:
        receive(wire)
        wire = writer.send(message)
    return lambda: [add(event) for event in receive(wire)], lambda: writer.send(message)


def theirs(size: int, *, is_masked: bool, is_compressed: bool) -> Case:
    """Return how `websockets` does."""
    server: Protocol = ServerProtocol(state=OPEN, max_size=None)
    client: Protocol = ClientProtocol(parse_uri("ws://a/"), state=OPEN, max_size=None)
    for each in (server, client):
        each.extensions = [PerMessageDeflate(False, False, 15, 15)] if is_compressed else []
    writer, reader = (client, server) if is_masked else (server, client)
    data = content(size, is_text=is_compressed)

    def write() -> bytes:
        writer.send_frame(Frame(Opcode.TEXT if is_compressed else Opcode.BINARY, data))
        return b"".join(writer.data_to_send())

    def read() -> object:
        reader.receive_data(wire)
        return reader.events_received()

    wire = write()
    if is_compressed:
        read()
        wire = write()
    return read, write


def wsproto(size: int, *, is_masked: bool, is_compressed: bool) -> Case | None:
    """Return how `wsproto` does, if it is there."""
    try:
        package: Any = importlib.import_module("wsproto.connection")
        events: Any = importlib.import_module("wsproto.events")
    except ImportError:
        return None
    if is_compressed:
        return None
    kinds = package.ConnectionType
    reader = package.Connection(kinds.SERVER if is_masked else kinds.CLIENT)
    writer = package.Connection(kinds.CLIENT if is_masked else kinds.SERVER)
    message = events.BytesMessage(content(size, is_text=False))
    wire = writer.send(message)

    def read() -> object:
        reader.receive_data(wire)
        return list(reader.events())

    return read, lambda: writer.send(message)


def content(size: int, *, is_text: bool) -> bytes:
    """Make a payload; text that compresses like JSON does."""
    if not is_text:
        return os.urandom(size)
    line = b'{"id": %d, "name": "item", "price": 12.5, "tags": ["a", "b"]}, '
    return b"".join(line % at for at in range(size // 60 + 1))[:size]


def best(runs: list[Callable[[], object]], size: int, rounds: int) -> list[float]:
    """Return the best of several rounds for each, in microseconds per call."""
    number = max(3, min(5000, 40_000_000 // (size + 8000)))
    found = [float("inf")] * len(runs)
    for _ in range(rounds):
        for at, run in enumerate(runs):
            start = time.process_time()
            for _ in range(number):
                run()
            found[at] = min(found[at], (time.process_time() - start) / number * 1e6)
    return found


def main() -> None:
    """Print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    makers = {"ours": ours, "websockets": theirs, "wsproto": wsproto}
    print(f"{'message, µs':36}" + "".join(f"{name + ' ' + way:>18}" for name in makers for way in ("read", "write")))
    for is_masked, is_compressed in ((True, False), (False, False), (True, True)):
        for size in SIZES:
            cases = [make(size, is_masked=is_masked, is_compressed=is_compressed) for make in makers.values()]
            runs = [run for case in cases if case is not None for run in case]
            label = f"{size} bytes{', masked' if is_masked else ''}{', deflated' if is_compressed else ''}"
            print(f"{label:36}" + "".join(f"{result:18.2f}" for result in best(runs, size, rounds)))
    print(f"\n{'masking, µs':36}{'native':>18}{'Python':>18}")
    for size in SIZES:
        data = content(size, is_text=False)
        results = best([partial(each, data, make_key()) for each in (apply_mask, apply_slowly)], size, rounds)
        print(f"{size!s:36}" + "".join(f"{result:18.2f}" for result in results))


if __name__ == "__main__":
    main()
