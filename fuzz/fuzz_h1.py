"""Feed the HTTP/1 engines nonsense: `python fuzz/fuzz_h1.py [--seed N] [--rounds N]`.

With atheris installed this is a coverage-guided fuzzer, which takes libFuzzer's arguments; without, it mutates the smuggling
corpus at random. What must hold: engines raise nothing, a `PeerError` comes last, cuts change nothing, and what is
forwarded is taken for one message by a second engine in its strictest profile.
"""

import codecs
import random
from pathlib import Path

import harness

from midstream.errors import UsageError
from midstream.wire.errors import PeerError, Profile
from midstream.wire.events import END, Data, End, Event, RequestHead, Reset, ResponseHead
from midstream.wire.h1 import ClientFacing, Limits, ServerFacing, end_to_end

CORPUS = Path(__file__).parent.parent / "tests" / "corpus" / "smuggling"
PROFILES = list(Profile)
SPLICES = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b'"',
    b"\0",
    b"0",
    b"chunked",
    b"close",
    b"\r\n\r\n",
    b"\xff",
]


def check(data: bytes) -> None:
    """Run one input through both engines; its first two bytes choose profile and cut."""
    if len(data) < 2:
        return
    profile, cut, wire = PROFILES[data[0] % 3], data[1], data[2:]
    read(ClientFacing(Limits(), profile), ClientFacing(Limits(), profile), ServerFacing(), wire, cut)
    read(asked(profile), asked(profile), answering(), wire, cut)


def asked(profile: Profile) -> ServerFacing:
    """Make an engine that waits for a response."""
    server = ServerFacing(Limits(), profile)
    server.send(RequestHead(b"GET", b"/", b"HTTP/1.1", [(b"Host", b"a")], 0))
    server.send(END)
    return server


def answering() -> ClientFacing:
    """Make an engine that owes a response."""
    client = ClientFacing()
    client.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    return client


def read(
    whole: ClientFacing | ServerFacing,
    parted: ClientFacing | ServerFacing,
    writer: ClientFacing | ServerFacing,
    wire: bytes,
    cut: int,
) -> None:
    """Compare a whole with a parted reading, then forward."""
    events = whole.receive(wire)
    assert all(type(event) is not PeerError for event in events[:-1])
    again = parted.receive(wire[:cut]) + parted.receive(wire[cut:])
    assert shape(events) == shape(again), (events, again)
    events += whole.eof()
    if events and type(events[-1]) is End:
        forward(events, writer)
    whole.next_message()


def shape(events: list[Event]) -> tuple[list[str], bytes]:
    """Reduce events to what cuts must not change."""
    kinds = [repr(event) for event in events if type(event) is not Data]
    return kinds, b"".join(event.data for event in events if isinstance(event, Data))


def forward(events: list[Event], writer: ClientFacing | ServerFacing) -> None:
    """Write a message and read it back."""
    wire = b""
    try:
        for event in events:
            if isinstance(event, RequestHead | ResponseHead) and not event.block:
                event.headers = end_to_end(event.headers, keep_upgrade=False)
            wire += writer.send(event)
    except UsageError:
        return
    reader = ClientFacing() if isinstance(writer, ServerFacing) else asked(Profile.LENIENT)
    back = reader.receive(wire) + reader.eof()
    first = events[0]
    if isinstance(first, RequestHead) and first.faults:
        return  # RAW forwards what a lenient reader refuses
    if b", chunked\r\n" in wire:
        return  # a coding that we pass on but do not read
    assert type(back[-1]) is End, (events, wire, back)
    assert not any(isinstance(event, PeerError | Reset) for event in back)
    assert reader.buffered == 0
    assert shape(back)[1] == shape(events)[1]


def seeds() -> list[bytes]:
    """Read the smuggling corpus."""
    lines = [line for path in CORPUS.glob("*.txt") for line in path.read_text("ascii").splitlines() if line[0] != "#"]
    return [codecs.decode(line.partition(": ")[2], "unicode_escape").encode("latin-1") for line in lines]


def mutate(chance: random.Random, corpus: list[bytes]) -> bytes:
    """Splice, drop, repeat and replace a few bytes."""
    data = bytearray(chance.choice(corpus))
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((0, 0, 1, 2, 20)))
        other = chance.choice(corpus)
        start = chance.randrange(len(other))
        splice = chance.choice((chance.choice(SPLICES), bytes([chance.randrange(256)]), other[start : start + 30], b""))
        data[at:end] = splice
    return harness.choices(chance, 3, 256) + bytes(data)


if __name__ == "__main__":
    corpus = seeds()
    harness.run(__doc__, check, lambda chance: mutate(chance, corpus))
