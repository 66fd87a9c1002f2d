"""Microseconds per HTTP/2 exchange spent in one engine alone, and HPACK against other codecs: `python bench/micro_h2.py`.

One exchange and side: decode the HEADERS of a request with 13 fields, encode a response's with 9, and a little DATA each way,
which is consumed. HPACK is compared with `hpack` and, if it is importable, with the Rust codec inside `jh2`.
"""

import argparse
import cProfile
import importlib
import pstats
import time
from collections.abc import Callable
from itertools import count

import h2.config
import h2.connection
import h2.events
import hpack

from midstream.wire.events import END, Data, RequestHead, ResponseHead
from midstream.wire.h2 import ClientFacing, ServerFacing
from midstream.wire.h2.hpack import Decoder, Encoder

REQUEST = [
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"en-US,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"referer", b"https://shop.example.com/start"),
    (b"cookie", b"session=0123456789abcdef0123456789abcdef"),
    (b"cookie", b"theme=dark"),
    (b"cache-control", b"no-cache"),
    (b"content-length", b"64"),
]
RESPONSE = [
    (b"server", b"nginx/1.24.0"),
    (b"date", b"Mon, 01 Jan 2024 00:00:00 GMT"),
    (b"content-type", b"application/json; charset=utf-8"),
    (b"content-length", b"64"),
    (b"cache-control", b"max-age=60"),
    (b"etag", b'"0000000000000001"'),
    (b"vary", b"accept-encoding"),
    (b"strict-transport-security", b"max-age=31536000"),
]
BODY = b"x" * 64
PATHS = ("the same path", "a new path each time")


def request(path: bytes) -> RequestHead:
    """Make a request head."""
    return RequestHead(
        b"POST", path, b"HTTP/2.0", REQUEST, 64, scheme=b"https", authority=b"shop.example.com", pseudo_order=b"m,a,s,p"
    )


def best(run: Callable[[], object], rounds: int, number: int) -> float:
    """Return the best of several rounds, in microseconds per call."""
    results = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(number):
            run()
        results.append(time.perf_counter() - start)
    return min(results) / number * 1e6


def joined() -> tuple[ClientFacing, ServerFacing]:
    """Make two engines that have greeted each other."""
    ours, theirs = ClientFacing(), ServerFacing()
    for _ in range(2):
        ours.receive(theirs.take_output())
        theirs.receive(ours.take_output())
    return ours, theirs


def relay_side(ours: ClientFacing, wire: bytes, head: ResponseHead) -> bytes:
    """Do what one side of a proxy does."""
    stream_id = 0
    for stream_id, event in ours.receive(wire):
        if type(event) is Data:
            ours.consumed(stream_id, len(event.data))
    ours.send_whole(stream_id, head, BODY)
    return ours.take_output()


def engine(is_same: bool, number: int, rounds: int, *, is_profiled: bool = False) -> tuple[float, float]:
    """Measure a client-facing and a server-facing engine, one being the other's peer."""
    ours, theirs = joined()
    head = ResponseHead(200, b"", b"HTTP/2.0", RESPONSE, 64)
    numbers = count()
    client_side = server_side = float("inf")
    profile = cProfile.Profile()
    for _ in range(rounds):
        mine = other = 0.0
        for _ in range(number):
            asked = request(b"/api/v1/items/1?page=2" if is_same else b"/api/v1/items/%d?page=2" % next(numbers))
            start = time.perf_counter()
            theirs.open_whole(asked, BODY)
            wire = theirs.take_output()
            half = time.perf_counter()
            if is_profiled:
                profile.enable()
            answer = relay_side(ours, wire, head)
            profile.disable()
            done = time.perf_counter()
            for stream_id, event in theirs.receive(answer):
                if type(event) is Data:
                    theirs.consumed(stream_id, len(event.data))
            mine += done - half
            other += half - start + time.perf_counter() - done
        client_side, server_side = min(client_side, mine), min(server_side, other)
    if is_profiled:
        pstats.Stats(profile).sort_stats("tottime").print_stats(20)
    return client_side / number * 1e6, server_side / number * 1e6


def peer_engine(number: int) -> float:
    """Measure the same with `h2` on the client's side of the proxy."""
    ours = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
    theirs = ServerFacing()
    ours.initiate_connection()
    for _ in range(2):
        ours.receive_data(theirs.take_output())
        theirs.receive(ours.data_to_send())
    fields = [(b":status", b"200"), *RESPONSE]
    spent = 0.0
    for _ in range(number):
        stream_id = theirs.open_whole(request(b"/api/v1/items/1?page=2"), BODY)
        wire = theirs.take_output()
        start = time.perf_counter()
        for event in ours.receive_data(wire):
            if isinstance(event, h2.events.DataReceived):
                ours.acknowledge_received_data(event.flow_controlled_length, stream_id)
        ours.send_headers(stream_id, fields)
        ours.send_data(stream_id, BODY, end_stream=True)
        answer = ours.data_to_send()
        spent += time.perf_counter() - start
        theirs.receive(answer)
    return spent / number * 1e6


def bulk(size: int) -> float:
    """Return megabytes per second of a body that goes from one engine to the other."""
    ours, theirs = joined()
    stream_id = theirs.open_whole(RequestHead(b"GET", b"/", b"HTTP/2.0", [], 0, scheme=b"https", authority=b"a"), b"")
    ours.receive(theirs.take_output())
    ours.send(stream_id, ResponseHead(200, b"", b"HTTP/2.0", [], None))
    piece = b"x" * 65536
    start = time.perf_counter()
    for _ in range(size // len(piece)):
        ours.send(stream_id, Data(piece))
        while wire := ours.take_output():
            for _, event in theirs.receive(wire):
                if type(event) is Data:
                    theirs.consumed(stream_id, len(event.data))
            ours.receive(theirs.take_output())
    ours.send(stream_id, END)
    return size / (time.perf_counter() - start) / 1e6


def codecs(rounds: int) -> None:
    """Print how long blocks take, warm (all in the table) and cold (a new connection)."""
    fields = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/"), (b":authority", b"shop.example.com")]
    fields += REQUEST[:-1]
    numbers = count()
    paths = lambda: [*fields[:2], (b":path", b"/api/v1/items/%d?page=2" % next(numbers)), *fields[3:]]  # noqa: E731
    print(f"\n{'HPACK, 12 fields, µs':34}{'encode':>10}{'decode':>10}{'cold enc':>10}{'cold dec':>10}{'new path':>10}")

    def line(
        name: str,
        encoder: Callable[[], Callable[..., bytes]],
        decoder: Callable[[], Callable[[bytes], object]],
        adapt: Callable[..., object],
    ) -> None:
        encode, decode, given = encoder(), decoder(), adapt(fields)
        first = encode(given)
        decode(first)
        warm = encode(given)
        results = [
            best(lambda: encode(given), rounds, 2000),
            best(lambda: decode(warm), rounds, 2000),
            best(lambda: encoder()(given), rounds, 300) - best(encoder, rounds, 300),
            best(lambda: decoder()(first), rounds, 300) - best(decoder, rounds, 300),
        ]
        blocks = iter([encode(adapt(paths())) for _ in range(rounds * 500)])
        results.append(best(lambda: decode(next(blocks)), rounds, 500))
        print(f"{name:34}" + "".join(f"{result:10.2f}" for result in results))

    line("ours", lambda: Encoder().encode, lambda: Decoder().decode, lambda given: given)
    line("hpack", lambda: hpack.Encoder().encode, lambda: hpack.Decoder().decode, lambda given: given)
    try:
        rust = importlib.import_module("jh2._hazmat")
    except ImportError:
        print("jh2 is not installed here: pip install jh2 into an environment of its own, and put src on PYTHONPATH")
    else:
        adapt = lambda given: [(*field, False) for field in given]  # noqa: E731
        line("jh2 (Rust)", lambda: rust.Encoder().encode, lambda: rust.Decoder().decode, adapt)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exchanges", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--profile", action="store_true", help="profile the client-facing engine instead")
    options = parser.parse_args()
    if options.profile:
        engine(is_same=True, number=options.exchanges, rounds=2, is_profiled=True)
        return
    print(f"{'exchange, µs':34}{'client side':>14}{'server side':>14}")
    for name, is_same in zip(PATHS, (True, False), strict=True):
        client_side, server_side = engine(is_same, options.exchanges, options.rounds)
        print(f"{name:34}{client_side:14.2f}{server_side:14.2f}")
    print(f"{'h2, the same path':34}{peer_engine(300):14.2f}")
    print(f"{'bulk through two engines':34}{bulk(268_435_456):10.0f} MB/s")
    codecs(options.rounds)


if __name__ == "__main__":
    main()
