"""Microseconds per HTTP/1 exchange spent in the engines alone: `python bench/micro_h1.py`.

One exchange: parse a request with 10 header fields, write it, parse a response with 7 fields and a small body, write it.
"""

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable

import h11

from midstream.wire.events import RequestHead, ResponseHead
from midstream.wire.h1 import ClientFacing, ServerFacing, end_to_end

REQUEST = (
    b"GET /api/v1/items/%d?page=2 HTTP/1.1\r\n"
    b"Host: shop.example.com\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Accept-Language: en-US,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Referer: https://shop.example.com/start\r\n"
    b"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    b"Cache-Control: no-cache\r\n"
    b"Connection: keep-alive\r\n"
    b"X-Request-Source: web\r\n"
    b"\r\n"
)
RESPONSE = (
    b"HTTP/1.1 200 OK\r\n"
    b"Server: nginx/1.24.0\r\n"
    b"Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
    b"Content-Type: application/json; charset=utf-8\r\n"
    b"Content-Length: 64\r\n"
    b"Connection: keep-alive\r\n"
    b"Cache-Control: max-age=60\r\n"
    b'ETag: "%016x"\r\n'
    b"\r\n" + b"x" * 64
)


def exchange(client: ClientFacing, server: ServerFacing, request: bytes, response: bytes) -> None:
    """Relay unchanged."""
    for event in client.receive(request):
        server.send(event)
    for event in server.receive(response):
        client.send(event)
    client.next_message()
    server.next_message()


def edited_exchange(client: ClientFacing, server: ServerFacing, request: bytes, response: bytes) -> None:
    """Relay with one field added on each way, so that no block can be used."""
    for event in client.receive(request):
        if type(event) is RequestHead:
            event.block = b""
            event.headers = end_to_end(event.headers, keep_upgrade=False)
            event.headers.append((b"X-Added", b"1"))
        server.send(event)
    for event in server.receive(response):
        if type(event) is ResponseHead:
            event.block = b""
            event.headers = end_to_end(event.headers, keep_upgrade=False)
            event.headers.append((b"X-Added", b"1"))
        client.send(event)
    client.next_message()
    server.next_message()


def h11_exchange(request: bytes, response: bytes) -> None:
    """Do the same with h11, on fresh connections (which costs it little)."""
    client, server = h11.Connection(h11.SERVER), h11.Connection(h11.CLIENT)
    client.receive_data(request)
    while type(event := client.next_event()) is not h11.EndOfMessage:
        server.send(event)
    server.send(event)
    server.receive_data(response)
    while type(event := server.next_event()) is not h11.EndOfMessage:
        client.send(event)
    client.send(event)


def measure(run: Callable[[bytes, bytes], None], requests: list[bytes], responses: list[bytes], rounds: int) -> float:
    """Return the best of several rounds, in microseconds per exchange."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for request, response in zip(requests, responses, strict=True):
            run(request, response)
        best = min(best, time.perf_counter() - start)
    return best / len(requests) * 1e6


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exchanges", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--profile", action="store_true", help="profile the plain relay instead")
    options = parser.parse_args()
    count = options.exchanges
    client, server = ClientFacing(), ServerFacing()
    plain = lambda request, response: exchange(client, server, request, response)  # noqa: E731
    edited = lambda request, response: edited_exchange(client, server, request, response)  # noqa: E731
    # Paths always differ; "same" repeats the header sections, "etags" has a new ETag in each response.
    requests = [REQUEST % number for number in range(count)]
    same = [RESPONSE % 1] * count
    etags = [RESPONSE % number for number in range(count)]
    if options.profile:
        profile = cProfile.Profile()
        profile.runcall(measure, plain, requests, same, 3)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    print(f"relay, same header sections        {measure(plain, requests, same, options.rounds):7.2f} µs")
    print(f"relay, a new ETag each time        {measure(plain, requests, etags, options.rounds):7.2f} µs")
    print(f"relay, a field added on both ways  {measure(edited, requests, same, options.rounds):7.2f} µs")
    print(f"h11                                {measure(h11_exchange, requests[:300], same[:300], 3):7.2f} µs")


if __name__ == "__main__":
    main()
