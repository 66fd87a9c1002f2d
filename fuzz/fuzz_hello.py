"""Feed the ClientHello reader damaged hellos; it may return a hello, ask for more, or raise `PeerError`, nothing else.

With atheris installed it is the guide: `python fuzz/fuzz_hello.py [libFuzzer's arguments]`. Without it hellos are damaged at
random: `python fuzz/fuzz_hello.py [seed] [rounds]`.
"""

import random
import ssl
import sys

from midstream.wire.errors import PeerError
from midstream.wire.sniff import sniff
from midstream.wire.tls.hello import read_client_hello

ROUNDS = 100_000
INTERESTING = (0x00, 0x01, 0x7F, 0x80, 0xFF)


def check(data: bytes) -> None:
    """Hold the reader to what it promises about `data`."""
    try:
        hello = read_client_hello(data)
    except PeerError:
        return
    if hello is None:
        return
    assert len(hello.ja4) == 36, hello.ja4
    assert len(hello.ja3_hash) == 32, hello.ja3_hash
    assert hello.sni is None or hello.sni.isascii(), hello.sni
    assert read_client_hello(data + b"\x00") == hello
    assert sniff(data) is not None


def seeds() -> list[bytes]:
    """Make hellos of OpenSSL to begin with, one whole and one cut into small records."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="www.example.com")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    whole = outgoing.read()
    message = whole[5:]
    cut = [message[at : at + 64] for at in range(0, len(message), 64)]
    return [whole, b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2) + piece for piece in cut)]


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return `data` with a few bytes changed, taken out, doubled or put in."""
    wire = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(wire))
        match chance.randrange(5):
            case 0:
                wire[at] = chance.randrange(256)
            case 1:
                wire[at] = chance.choice(INTERESTING)
            case 2:
                del wire[at : at + chance.randint(1, 8)]
            case 3:
                wire[at:at] = wire[at : at + chance.randint(1, 40)]
            case _:
                wire[at:at] = chance.randbytes(chance.randint(1, 8))
        if not wire:
            break
    return bytes(wire)


def mutate(seed: int, rounds: int) -> None:
    """Damage hellos at random, `rounds` times; a failure names what to repeat it with."""
    chance = random.Random(seed)
    starts = seeds()
    for turn in range(rounds):
        data = damaged(chance.choice(starts), chance)
        try:
            check(data)
        except Exception:
            print(f"seed {seed}, round {turn}: {data.hex()}", file=sys.stderr)
            raise
    print(f"seed {seed}: {rounds} damaged hellos, no surprise")


def main(arguments: list[str]) -> None:
    try:
        import atheris  # noqa: PLC0415 - an optional extra
    except ImportError:
        mutate(int(arguments[1]) if len(arguments) > 1 else 0, int(arguments[2]) if len(arguments) > 2 else ROUNDS)
        return
    atheris.instrument_all()
    atheris.Setup(arguments, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
