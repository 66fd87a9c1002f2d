"""What the harnesses for single messages share: whole inputs are damaged at random, or by atheris where it is installed."""

import random
import sys
from collections.abc import Callable, Sequence

ROUNDS = 100_000


def damaged(data: bytes, chance: random.Random, interesting: Sequence[int]) -> bytes:
    """Return `data` with a few bytes changed, taken out, doubled or put in."""
    wire = bytearray(data)
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


def mutate(
    check: Callable[[bytes], None], starts: Sequence[bytes], interesting: Sequence[int], seed: int, rounds: int
) -> None:
    """Damage inputs at random, `rounds` times; a failure names what to repeat it with."""
    chance = random.Random(seed)
    for turn in range(rounds):
        data = damaged(chance.choice(starts), chance, interesting)
        try:
            check(data)
        except Exception:
            print(f"seed {seed}, round {turn}: {data.hex()}", file=sys.stderr)
            raise
    print(f"seed {seed}: {rounds} damaged inputs, no surprise")


def run(
    arguments: list[str],
    check: Callable[[bytes], None],
    seeds: Callable[[], Sequence[bytes]],
    interesting: Sequence[int],
) -> None:
    """Do what the command line says: `[seed] [rounds]`, or libFuzzer's arguments where atheris is the guide."""
    try:
        import atheris  # noqa: PLC0415 - an optional extra
    except ImportError:
        seed = int(arguments[1]) if len(arguments) > 1 else 0
        rounds = int(arguments[2]) if len(arguments) > 2 else ROUNDS
        mutate(check, seeds(), interesting, seed, rounds)
        return
    atheris.instrument_all()
    atheris.Setup(arguments, check)
    atheris.Fuzz()
