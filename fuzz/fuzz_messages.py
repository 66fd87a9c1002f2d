"""Feed the readers of gRPC messages and event streams nonsense: `python fuzz/fuzz_messages.py [--seed N] [--rounds N]`.

With atheris installed this is a coverage-guided fuzzer, which takes libFuzzer's arguments; without, it mutates messages at random.
What must hold: nothing is raised, no byte is lost, cuts change nothing, and an event that is written anew means the same.
"""

from collections.abc import Sequence

import harness

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


if __name__ == "__main__":
    harness.run(
        __doc__,
        check,
        lambda chance: harness.choices(chance, 3, 64) + harness.chained(chance, SEEDS, (b"", b"\r", b"\n")),
    )
