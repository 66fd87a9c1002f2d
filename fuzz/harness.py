"""What all harnesses share: one loop over inputs made at random, or atheris as the guide where it is installed.

`python fuzz/fuzz_X.py [--seed N] [--rounds N]`, or, with atheris, libFuzzer's arguments.
"""

import argparse
import random
import sys
from collections.abc import Callable, Sequence

ROUNDS = 20_000


def run(description: str | None, check: Callable[[bytes], None], make: Callable[[random.Random], bytes]) -> None:
    """Check inputs until something breaks or the rounds are over; a failure names what to repeat it with."""
    try:
        import atheris  # type: ignore[import-not-found] # noqa: PLC0415 - optional
    except ImportError:
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--rounds", type=int, default=ROUNDS)
        options = parser.parse_args()
        repeat(check, make, options.seed, options.rounds)
        return
    atheris.instrument_all()
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


def repeat(check: Callable[[bytes], None], make: Callable[[random.Random], bytes], seed: int, rounds: int) -> None:
    """Check as many inputs, always the same for one seed."""
    chance = random.Random(seed)
    for number in range(rounds):
        data = make(chance)
        try:
            check(data)
        except BaseException:
            print(f"seed {seed}, round {number}: {data.hex()}", file=sys.stderr)
            raise
    print(f"seed {seed}: {rounds} inputs, nothing found")


def chained(chance: random.Random, corpus: Sequence[bytes], splices: Sequence[bytes] = (b"",)) -> bytes:
    """Return up to eight pieces in a row, in which now and then a byte, a border or the order is broken."""
    data = bytearray(b"".join(chance.choice(corpus) for _ in range(chance.randrange(1, 9))))
    for _ in range(chance.choice((0, 0, 1, 1, 2))):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((0, 1, 1, 2, 9)))
        data[at:end] = chance.choice((bytes([chance.randrange(256)]), *splices, chance.choice(corpus)))
    return bytes(data)


def damaged(chance: random.Random, corpus: Sequence[bytes], interesting: Sequence[int]) -> bytes:
    """Return one whole input with a few bytes changed, taken out, doubled or put in."""
    wire = bytearray(chance.choice(corpus))
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(wire))
        match chance.randrange(5):
            case 0:
                wire[at] = chance.randrange(256)
            case 1:
                wire[at] = chance.choice(interesting)
            case 2:
                del wire[at : at + chance.randint(1, 8)]
            case 3:
                wire[at:at] = wire[at : at + chance.randint(1, 40)]
            case _:
                wire[at:at] = chance.randbytes(chance.randint(1, 8))
        if not wire:
            break
    return bytes(wire)


def choices(chance: random.Random, *sizes: int) -> bytes:
    """Return the bytes in front of an input by which a check chooses what to do with it, each below its size."""
    return bytes([chance.randrange(size) for size in sizes])
