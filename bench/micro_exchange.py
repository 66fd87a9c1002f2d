"""Microseconds of CPU per HTTP/1 exchange on its whole way through the proxy: `python bench/micro_exchange.py`.

Only the kernel and the event loop are missing: a batch of clients ask, the turn ends, their servers answer, the turn ends. The clients'
and servers' own TLS is not counted. To compare two checkouts run it in turns with each, `PYTHONPATH=<checkout>/src` naming the other.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import tempfile
import time
from typing import Protocol

from harness.inmemory import Wire, scenario

from midstream.testing.tls import Origins, tls_client

CLIENTS = 50
FIELDS = (
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Accept-Language: en-US,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Referer: http://localhost/start\r\n"
    b"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    b"Cache-Control: no-cache\r\n"
    b"Pragma: no-cache\r\n"
    b"Priority: u=0, i\r\n\r\n"
)
RESPONSE = (
    b"HTTP/1.1 200 OK\r\n"
    b"Server: nginx/1.24.0\r\n"
    b"Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
    b"Content-Type: application/json; charset=utf-8\r\n"
    b"Content-Length: 1024\r\n"
    b"Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
    b"Connection: keep-alive\r\n"
    b'ETag: "0123456789abcdef"\r\n'
    b"Accept-Ranges: bytes\r\n\r\n" + b"x" * 1024
)


class Talker(Protocol):
    """A scripted client or server, with TLS or without."""

    def sends(self, data: bytes) -> None: ...
    def received(self) -> bytes: ...


class Path:
    """A proxy with warm connections: as many clients as servers, each asking once per batch."""

    def __init__(self, mode: str, request: bytes, **options: str) -> None:
        self.scenario = scenario(mode, **options)
        self.request = request
        self.clients: list[tuple[Wire, Talker]] = []
        self.servers: list[tuple[Wire, Talker]] = []
        self.seconds = 0.0

    def batch(self) -> None:
        """Let every client ask and be answered once."""
        self._say(self.clients, self.request)
        self._expect(self.servers, b"GET")
        self._say(self.servers, RESPONSE)
        self._expect(self.clients, b"HTTP/1.1 200")

    def _say(self, talkers: list[tuple[Wire, Talker]], data: bytes) -> None:
        arriving = []
        for wire, talker in talkers:
            talker.sends(data)
            arriving.append((wire.peer, wire.take_sent()))
        turns = self.scenario.session.turns
        started = time.process_time()
        for peer, come in arriving:
            peer.data_received(come)
        turns.end()
        self.seconds += time.process_time() - started

    def _expect(self, talkers: list[tuple[Wire, Talker]], start: bytes) -> None:
        for _, talker in talkers:
            assert talker.received().startswith(start)


def plain() -> Path:
    """Return a forward proxy in clear text."""
    path = Path("regular", b"GET http://127.0.0.1:8000/small HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n" + FIELDS)
    for _ in range(CLIENTS):
        client = Wire(path.scenario.client())
        client.sends(path.request)
        path.clients.append((client, client))
    path.servers = [(wire, wire) for wire in map(Wire, path.scenario.servers)]
    _answer_all(path)
    return path


def tls() -> Path:
    """Return a reverse proxy with TLS on both sides."""
    with tempfile.TemporaryDirectory() as directory:
        origins = Origins(directory)
        path = Path(
            "reverse:https://localhost:8443",
            b"GET /small HTTP/1.1\r\nHost: localhost:8080\r\n" + FIELDS,
            ssl_verify_upstream_trusted_ca=origins.path,
        )
        for number in range(CLIENTS):
            wire = Wire(path.scenario.client())
            client = tls_client(path.scenario, wire, "localhost")
            client.shake()
            if len(path.scenario.servers) <= number:
                client.sends(path.request)
            server = Wire(path.scenario.servers[number])
            talker = origins.serve(server, "localhost")
            client.shake(talker)
            if number == 0:
                client.sends(path.request)
            path.clients.append((wire, client))
            path.servers.append((server, talker))
    _answer_all(path)
    return path


def _answer_all(path: Path) -> None:
    assert len(path.servers) == CLIENTS
    for _, server in path.servers:
        assert server.received()
        server.sends(RESPONSE)
    for _, client in path.clients:
        assert client.received()
    for wire, _ in path.clients + path.servers:
        wire.hold()


PATHS = {"plain": plain, "tls": tls}


def measure(path: Path, batches: int, rounds: int) -> list[float]:
    """Return microseconds per exchange of each round, the best first."""
    spent = []
    for _ in range(rounds):
        path.seconds = 0.0
        for _ in range(batches):
            path.batch()
        spent.append(path.seconds / batches / CLIENTS * 1e6)
    return sorted(spent)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PATHS)
    parser.add_argument("--batches", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--profile", action="store_true", help="profile instead")
    options = parser.parse_args()
    for name in [options.only] if options.only else PATHS:
        path = PATHS[name]()
        measure(path, 10, 1)
        gc.collect()
        if options.profile:
            profile = cProfile.Profile()
            profile.runcall(measure, path, options.batches, 1)
            pstats.Stats(profile).sort_stats("tottime").print_stats(45)
            continue
        spent = measure(path, options.batches, options.rounds)
        print(f"{name:6} {spent[0]:7.2f} µs best, {spent[len(spent) // 2]:7.2f} µs median")


if __name__ == "__main__":
    main()
