"""Feed the WebSocket engines nonsense: `python fuzz/fuzz_ws.py [--seed N] [--rounds N]`.

With atheris installed this is a coverage-guided fuzzer, which takes libFuzzer's arguments; without, it mutates sequences of
frames at random. What must hold: engines raise nothing, a fault comes last, cuts change no message, what one engine tells
another one can send, the peer of that reads the same, and nothing is kept.
"""

import harness

from midstream.wire.errors import Profile
from midstream.wire.ws import Assembler, ClientFacing, Limits, ServerFacing
from midstream.wire.ws.deflate import Deflater
from midstream.wire.ws.errors import WebSocketError
from midstream.wire.ws.events import Close, Event, Piece
from midstream.wire.ws.frame import MASKED, header
from midstream.wire.ws.mask import apply_mask
from midstream.wire.ws.negotiate import Compression

PROFILES = list(Profile)
LIMITS = [Limits(), Limits(message_bytes=60, held_bytes=10, inflate_free=50, inflate_ratio=2)]
AGREEMENTS = [None, Compression(), Compression(9, 10, server_keeps_context=False, client_keeps_context=False)]
KEY = b"\x9a\x00\xff\x31"


def check(data: bytes) -> None:
    """Run one input through an engine of each side; its first three bytes choose profile, limits, agreement and cut."""
    if len(data) < 3:
        return
    profile, limits, agreement = PROFILES[data[0] % 3], LIMITS[data[1] % 2], AGREEMENTS[data[1] // 2 % 3]
    cut, wire = data[2], data[3:]
    for make in (facing_client, facing_server):
        whole, parted = make(limits, profile, agreement), make(limits, profile, agreement)
        events = whole.receive(wire)
        again = parted.receive(wire[:cut]) + parted.receive(wire[cut:])
        if limits is LIMITS[0]:
            assert joined(events) == joined(again), (events, again)
        for told in (events, again):
            assert not any(isinstance(event, WebSocketError) for event in told[:-1])
            relay(told, agreement)
        whole.eof()
        assert not whole.is_open
        assert whole.receive(b"\x81\0") == []


def facing_client(limits: Limits, profile: Profile, agreement: Compression | None) -> ClientFacing:
    """Make an engine that reads a client."""
    return ClientFacing(limits, profile, compression=agreement)


def facing_server(limits: Limits, profile: Profile, agreement: Compression | None) -> ServerFacing:
    """Make an engine that reads a server."""
    return ServerFacing(lambda: KEY, limits, profile, compression=agreement)


def relay(events: list[Event], agreement: Compression | None) -> None:
    """Send to another side what came from one, and look at it from there."""
    loose = Limits(inflate_free=1 << 30)
    sender, reader = ServerFacing(lambda: KEY, compression=agreement), ClientFacing(loose, compression=agreement)
    sent = [event for event in events if not isinstance(event, WebSocketError)]
    wire = b"".join([sender.send(event) for event in sent])
    assert content(reader.receive(wire)) == content(sent)


def joined(events: list[Event]) -> list[str]:
    """Make events comparable, without what was told of a message that was not completed."""
    assembler = Assembler()
    found = []
    for event in events:
        told = assembler.add(event) if isinstance(event, Piece) else event
        if told is not None:
            found.append(str(told) if isinstance(told, WebSocketError) else repr(told))
    return found


def content(events: list[Event]) -> list[object]:
    """Return whole messages and control frames, without faults."""
    assembler = Assembler()
    found: list[object] = []
    for event in events:
        if isinstance(event, Piece):
            message = assembler.add(event)
            if message is not None:
                found.append((message.opcode, message.data, message.layout))
        elif isinstance(event, Close):
            found.append((event.code, event.reason))
        else:
            found.append((type(event), getattr(event, "payload", None)))
    return found


def frame(first: int, payload: bytes, *, is_masked: bool) -> bytes:
    """Make a frame."""
    if is_masked:
        return header(first, len(payload), MASKED) + KEY + apply_mask(payload, KEY)
    return header(first, len(payload)) + payload


def seeds() -> list[bytes]:
    """Return frames that make sense, one by one."""
    deflater = Deflater(keeps_context=False)
    payloads = [b"", b"a", "é😀".encode(), b"\xc3", b"\xa9", b"\xff", b"x" * 200, b"\x03\xe8bye", b"\x03\xed"]
    packed = [deflater.deflate(data) + deflater.flush(is_last=True) for data in (b"", b"hello" * 40, bytes(5000))]
    packed += [deflater.deflate(b"half" * 9) + deflater.flush(is_last=False), b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"]
    firsts = (0x01, 0x02, 0x00, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A)
    found = [frame(first, each, is_masked=way) for first in firsts for each in payloads for way in (False, True)]
    firsts = (0x41, 0xC1, 0xC2, 0x80, 0x00)
    found += [frame(first, each, is_masked=way) for first in firsts for each in packed for way in (False, True)]
    return [*found, b"\x82\x7e\x00\x01a", b"\x82\x7f" + bytes(7) + b"\x02ab", b"\x82\x7f\x7f" + b"\xff" * 7]


if __name__ == "__main__":
    corpus = seeds()
    harness.run(__doc__, check, lambda chance: harness.choices(chance, 3, 6, 256) + harness.chained(chance, corpus))
