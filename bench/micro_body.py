"""Seconds of CPU per GB of one body over HTTP/2 with TLS on both sides: `PYTHONPATH=build/compiled python bench/micro_body.py`.

Only the kernel and the event loop are missing: a server sends, the proxy gets it in pieces as large as a busy socket gives them, and the
client takes everything at once. What client and server do themselves is not counted. To compare two checkouts run it in turns with each.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import tempfile
import time

from harness.inmemory import Wire, scenario

from midstream.cli.allocator import keep_freed_memory
from midstream.testing.http2 import Http2Peer
from midstream.testing.tls import Origins, tls_client
from midstream.wire.events import Data, ResponseHead
from midstream.wire.h2 import Limits

READ_BYTES = 180_000
"""What a read from a socket gave on average, with nginx and curl on one machine."""
PART_BYTES = 4 * READ_BYTES
"""What the server sends at once; it fits into the proxy's window."""
BODY_BYTES = 1 << 40
"""What the server announces, so that the response never ends."""


class Path:
    """One stream, in the midst of its response."""

    def __init__(self, directory: str, frame_bytes: int) -> None:
        origins = Origins(directory)
        self.scenario = scenario("reverse:https://localhost:8443", ssl_verify_upstream_trusted_ca=origins.path)
        self.seconds = 0.0
        self._body = Data(bytes(frame_bytes))
        self._to_client = Wire(self.scenario.client())
        self._client_tls = tls_client(self.scenario, self._to_client, "localhost", alpn=("h2",)).shake()
        self._to_server = Wire(self.scenario.servers[0])
        self._server_tls = origins.serve(self._to_server, "localhost", alpn=(b"h2",))
        self._client_tls.shake(self._server_tls)
        self._begin()
        self._to_client.hold()
        self._to_server.hold()

    def _begin(self) -> None:
        """Ask, and answer with a head."""
        ends = self._client_tls, self._server_tls
        limits = Limits(stream_window=32 << 20, connection_window=32 << 20)
        client = Http2Peer.client(ends[0], limits=limits)
        client.asks("GET", "/big", scheme="https", authority="localhost")
        ends[0].shake(ends[1])
        server = Http2Peer.server(ends[1], limits=limits)
        self._stream = server.streams[0]
        size = b"%d" % BODY_BYTES
        server.engine.send(self._stream, ResponseHead(200, b"", b"HTTP/2.0", [(b"content-length", size)], BODY_BYTES))
        server.flush()
        ends[0].shake(ends[1])
        client.hear()
        self._client, self._server = client.engine, server.engine
        self._client.trace = self._server.trace = None

    def carry(self, megabytes: int) -> None:
        """Let about as much of the body pass."""
        for _ in range(megabytes * 1_000_000 // PART_BYTES):
            self._part()

    def _part(self) -> None:
        for _ in range(PART_BYTES // len(self._body.data)):
            self._server.send(self._stream, self._body)
        self._server_tls.sends(self._server.take_output())
        wire = self._to_server.take_sent()
        client = self._client_tls.endpoint
        for at in range(0, len(wire), READ_BYTES):
            self._deliver(self._to_server, wire[at : at + READ_BYTES])
            for stream_id, event in self._client.receive(client.receive(self._to_client.received())):
                assert isinstance(event, Data)
                self._client.consumed(stream_id, len(event.data))
            credit = client.send(self._client.take_output())
            if credit:
                self._deliver(self._to_client, credit)
        self._server.receive(self._server_tls.endpoint.receive(self._to_server.received()))

    def _deliver(self, wire: Wire, data: bytes) -> None:
        peer, turns = wire.peer, self.scenario.session.turns
        started = time.process_time()
        peer.data_received(data)
        turns.end()
        self.seconds += time.process_time() - started


def main() -> None:
    """Print the best round and the median."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frame", type=int, default=8192, help="bytes in a DATA frame of the server's; nginx has 8192")
    parser.add_argument("--megabytes", type=int, default=100, help="what passes in a round")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--profile", action="store_true", help="profile instead")
    options = parser.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, options.frame)
    path.carry(20)
    gc.collect()
    if options.profile:
        profile = cProfile.Profile()
        profile.runcall(path.carry, options.megabytes)
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)
        return
    spent = []
    for _ in range(options.rounds):
        path.seconds = 0.0
        path.carry(options.megabytes)
        spent.append(path.seconds / options.megabytes * 1000)
    spent.sort()
    print(f"{spent[0]:.2f} s best, {spent[len(spent) // 2]:.2f} s median")


if __name__ == "__main__":
    main()
