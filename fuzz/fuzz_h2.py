"""Feed the HTTP/2 engines nonsense: `python fuzz/fuzz_h2.py [--seed N] [--rounds N]`.

With atheris installed this is a coverage-guided fuzzer, which takes libFuzzer's arguments; without, it mutates sequences of frames
at random. What must hold: engines raise nothing, a fault of the connection comes last, cuts change nothing, what is written is
whole frames, all credit is given back, and no stream outlives its end.
"""

import harness

from midstream.errors import UsageError
from midstream.wire.errors import PeerError, Profile
from midstream.wire.events import END, Data, RequestHead, ResponseHead
from midstream.wire.h2 import ClientFacing, Limits, ServerFacing
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import FatalError
from midstream.wire.h2.frame import PREFACE
from midstream.wire.h2.hpack import Encoder

PROFILES = list(Profile)
LIMITS = [Limits(), Limits(head_bytes=300, head_fields=8, continuations=2, concurrent_streams=3, stream_window=50)]
OK = ResponseHead(200, b"", b"HTTP/2.0", [(b"a", b"b")], None)
REQUEST = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")]
VALUES = [0, 1, 2, 5, 100, 16_384, 65_535, 65_536, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]


def check(data: bytes) -> None:
    """Run one input through both engines; its first three bytes choose profile, limits and cut."""
    if len(data) < 3:
        return
    profile, limits, cut, wire = PROFILES[data[0] % 3], LIMITS[data[1] % 2], data[2] * 3, data[3:]
    for make in (facing_client, facing_server):
        whole, parted = make(profile, limits), make(profile, limits)
        events = whole.receive(wire)
        again = parted.receive(wire[:cut]) + parted.receive(wire[cut:])
        assert shape(events) == shape(again), (events, again)
        assert not any(isinstance(event, FatalError) for _, event in events[:-1])
        assert whole.take_output() == parted.take_output()
        answer(whole, events)
        list(frames.frames(whole.take_output()))
        assert whole.has_failed or whole.unconsumed == 0
        whole.eof()
        assert whole.open_streams == 0


def facing_client(profile: Profile, limits: Limits) -> ClientFacing:
    """Make an engine that a client has greeted."""
    engine = ClientFacing(limits, profile, has_extended_connect=True)
    engine.receive(PREFACE + frames.settings([(4, 20)]))
    engine.take_output()
    return engine


def facing_server(profile: Profile, limits: Limits) -> ServerFacing:
    """Make an engine that waits for three responses."""
    engine = ServerFacing(limits, profile)
    engine.receive(frames.settings([(4, 20)]))
    for method in (b"GET", b"HEAD", b"CONNECT"):
        engine.open_whole(RequestHead(method, b"a", b"HTTP/2.0", [], None, scheme=b"https", authority=b"a"), b"x" * 30)
    engine.take_output()
    return engine


def answer(engine: ClientFacing | ServerFacing, events: list) -> None:
    """Consume what came, and answer it."""
    for at, event in events:
        if isinstance(event, Data):
            engine.consumed(at, len(event.data))
        elif isinstance(event, RequestHead):
            try:
                engine.send(at, OK)
                engine.send(at, Data(b"x" * 50))
                engine.send(at, END)
            except UsageError:
                engine.abandon(at)


def shape(events: list) -> list[tuple[int, str]]:
    """Make events comparable."""
    return [(at, str(event) if isinstance(event, PeerError) else repr(event)) for at, event in events]


def seeds() -> list[bytes]:
    """Return frames that make sense, one by one."""
    encoder = Encoder()
    blocks = [
        encoder.encode(fields) for fields in (REQUEST, [*REQUEST, (b"x", b"y")], [(b":status", b"200")], [(b"t", b"1")])
    ]
    blocks += [b"\x88", b"\x82\x87\x84\x01\x01a", b"\x08\x03100", b"\x83\x87\x84\x01\x01a\x0f\x0d\x015"]
    found = [frames.frame(1, flags, at, block) for block in blocks for flags in (0, 4, 5) for at in (1, 3, 5, 7)]
    found += [frames.frame(0, flags, at, b"hello") for flags in (0, 1) for at in (1, 3, 5)]
    found += [frames.frame(0, 9, 1, b"\x02hi\0\0"), frames.frame(9, 4, 1, b""), frames.frame(9, 0, 1, b"\x82")]
    found += [frames.rst_stream(at, 8) for at in (1, 3)] + [
        frames.window_update(at, value) for at in (0, 1) for value in VALUES
    ]
    found += [frames.settings([(key, value)]) for key in range(1, 10) for value in VALUES]
    found += [frames.goaway(1, 0), frames.frame(6, 0, 0, b"8 bytes!"), frames.frame(5, 4, 1, b"\0\0\0\x02\x82")]
    return [*found, frames.frame(2, 0, 1, b"\0\0\0\x03\x09"), frames.frame(16, 0, 0, b"\0\0\0\x01u=1")]


if __name__ == "__main__":
    corpus = seeds()
    harness.run(__doc__, check, lambda chance: harness.choices(chance, 3, 2, 64) + harness.chained(chance, corpus))
