"""Feed the readers of gRPC messages and event streams nonsense: `python fuzz/fuzz_messages.py [--seed N] [--rounds N]`.

With atheris installed this is a coverage-guided fuzzer, which takes libFuzzer's arguments; without, it mutates messages at random.
What must hold: nothing is raised, no byte is lost, cuts change nothing, and an event that is written anew means the same.
"""

import argparse
import random
import sys
from collections.abc import Sequence

from midstream.wire import grpc, sse
from midstream.wire.errors import PeerError

LIMITS = (0, 8, 64)
SEEDS = (
    *(b"\0\0\0\0\x03one", b"\x01\0\0\0\x03two", b"\0\0\0\0\0", b"\x80\0\0\0\x10grpc-status: 0\r\n", b"\0\0\0\x01\0"),
    *(b"data: a\n\n", b"event: add\r\ndata: 1\r\ndata\r\n\r\n", b"id: 7\rretry: 3000\rdata:x\r\r", b": ping\n", b"\n"),
    *(b"\xef\xbb\xbfdata: b\n\n", b"colour: blue\ndata: \xff\n\n", b"id: a\0b\ndata: c\n\n", b"data: cut\n"),
)


def check(data: bytes) -> None:
    """Run one input through both readers; its first two bytes choose limit and cut."""
    if len(data) < 2:
        return
    limit, cut, wire = LIMITS[data[0] % 3], data[1], data[2:]
    pieces = [piece for piece in (wire[:cut], wire[cut:]) if piece]
    for is_web in (False, True):
        whole = read(grpc.Splitter(limit, is_web=is_web), [wire] if wire else [])
        parted = read(grpc.Splitter(limit, is_web=is_web), pieces)
        assert joined(whole) == joined(parted) == wire
        assert shape(whole) == shape(parted), (whole, parted)
    whole, parted = read(sse.Reader(), [wire] if wire else []), read(sse.Reader(), pieces)
    assert joined(whole) == joined(parted) == joined(read(sse.Reader(limit), pieces)) == wire
    assert shape(whole) == shape(parted), (whole, parted)
    for event in whole:
        if isinstance(event, sse.Event):
            assert shape(read(sse.Reader(), [sse.written(event)])) == shape([event]), event


def read(reader: grpc.Splitter | sse.Reader, pieces: list[bytes]) -> list[grpc.Part | sse.Part]:
    """Return the parts of a body that comes in pieces."""
    parts: list[grpc.Part | sse.Part] = []
    for piece in pieces:
        parts += reader.receive(piece)
    return [*parts, *reader.eof()]


def joined(parts: Sequence[grpc.Part | sse.Part]) -> bytes:
    """Return the bytes that came."""
    wire = b""
    for part in parts:
        if isinstance(part, grpc.Frame):
            wire += part.written()
        elif not isinstance(part, PeerError):
            wire += part.raw if isinstance(part, sse.Event) else part
    return wire


def shape(parts: Sequence[grpc.Part | sse.Part]) -> list[str]:
    """Make what was understood comparable."""
    shaped = []
    for part in parts:
        if isinstance(part, sse.Event):
            shaped.append(repr((part.data, part.event, part.id, part.retry)))
        elif not isinstance(part, bytes):
            shaped.append(str(part))
    return shaped


def mutate(chance: random.Random) -> bytes:
    """Chain messages, and now and then break a byte or a border."""
    data = bytearray(b"".join(chance.choice(SEEDS) for _ in range(chance.randrange(1, 9))))
    for _ in range(chance.choice((0, 1, 1, 2, 5))):
        at = chance.randrange(len(data) + 1)
        end = at + chance.choice((0, 1, 1, 2, 9))
        data[at:end] = chance.choice((bytes([chance.randrange(256)]), b"", b"\r", b"\n", chance.choice(SEEDS)))
    return bytes([chance.randrange(3), chance.randrange(64)]) + bytes(data)


def main() -> None:
    """Fuzz until something breaks or the rounds are over."""
    try:
        import atheris  # type: ignore[import-not-found] # noqa: PLC0415 - optional
    except ImportError:
        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--rounds", type=int, default=20000)
        options = parser.parse_args()
        chance = random.Random(options.seed)
        for number in range(options.rounds):
            data = mutate(chance)
            try:
                check(data)
            except BaseException:
                print(f"seed {options.seed}, round {number}: {data!r}", file=sys.stderr)
                raise
        print(f"{options.rounds} inputs, nothing found")
        return
    atheris.instrument_all()
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
