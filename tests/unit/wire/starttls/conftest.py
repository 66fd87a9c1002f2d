"""Conversations, played in pieces of every size."""

from collections.abc import Callable
from typing import Any

import pytest

Turns = list[tuple[str, bytes]]
"""Who says what: `>` the client, `<` the server."""
Cut = Callable[[bytes], list[bytes]]


def tell(watcher: Any, turns: Turns, cut: Cut) -> int | None:
    """Play a conversation; return where in the client's words TLS begins, None if it does not."""
    said = 0
    for side, words in turns:
        for piece in cut(words):
            if getattr(watcher, "is_over", False):
                return None
            if side == "<":
                watcher.from_server(piece)
                continue
            offset = watcher.from_client(piece)
            if offset is not None and (offset < len(piece) or watcher.protocol == "MySQL"):
                return said + offset
            said += len(piece)
    return None


def cut_at(place: int) -> Cut:
    return lambda words: [piece for piece in (words[:place], words[place:]) if piece]


@pytest.fixture
def play() -> Callable[[Callable[[], Any], Turns], set[int | None]]:
    """Play a conversation whole, byte by byte, and cut in two at every place; return all the places where TLS began."""

    def run(make: Callable[[], Any], turns: Turns) -> set[int | None]:
        longest = max(len(words) for _, words in turns)
        ways = [cut_at(0), lambda words: [words[place : place + 1] for place in range(len(words))]]
        ways += [cut_at(place) for place in range(1, longest)]
        return {tell(make(), turns, way) for way in ways}

    return run
