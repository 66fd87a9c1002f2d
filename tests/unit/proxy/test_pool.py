"""Idle server connections."""

import pytest

from midstream.proxy.deadlines import Deadlines
from midstream.proxy.origin import Origin
from midstream.proxy.pool import Pool


class Stream:
    def __init__(self, pool, origin):
        self.origin = origin
        self.epoch = pool.epoch
        self.peer = self
        self.idle_since = 0.0
        self.is_closed = False
        self._pool = pool

    def close(self):
        self.is_closed = True
        self._pool.forget(self)


A, B = Origin("a", 80), Origin("b", 80)


@pytest.fixture
def deadlines():
    return Deadlines(100.0)


@pytest.fixture
def pool(deadlines):
    return Pool(deadlines, 2)


def put(pool, origin):
    stream = Stream(pool, origin)
    pool.give_back(stream)
    return stream


def test_the_newest_is_taken_first(pool):
    first, second = put(pool, A), put(pool, A)
    assert len(pool) == 2
    assert pool.take(A) is second
    assert pool.take(A) is first
    assert pool.take(A) is None
    assert pool.take(B) is None


@pytest.mark.parametrize(
    "other",
    [
        Origin("a", 81), Origin("a", 80, is_tls=True), Origin("a", 80, is_tls=True, sni="x"),
        Origin("a", 80, via=("http", ("p", 1))), Origin("a", 80, owner="me"),
    ],
)  # fmt: skip
def test_origins_do_not_share(pool, other):
    put(pool, A)
    assert pool.take(other) is None


def test_the_oldest_makes_room(pool):
    first, second, third = (put(pool, A) for _ in range(3))
    assert first.is_closed
    assert len(pool) == 2
    assert not second.is_closed
    assert not third.is_closed


def test_h1_41_what_cannot_be_repeated_takes_only_fresh_ones(pool, deadlines):
    stream = put(pool, A)
    deadlines.now += 2
    assert pool.take(A, is_repeatable=False) is None
    assert pool.take(A) is stream
    pool.give_back(stream)
    assert pool.take(A, is_repeatable=False) is stream


def test_what_has_ended_is_forgotten(pool):
    stream = put(pool, A)
    pool.forget(stream)
    pool.forget(stream)
    assert pool.take(A) is None
    assert len(pool) == 0


def test_what_was_made_under_other_options_is_not_kept(pool):
    idle, lent = put(pool, A), put(pool, A)
    assert pool.take(A) is lent
    pool.renew(5)
    assert idle.is_closed
    pool.give_back(lent)
    assert lent.is_closed
    assert pool.take(A) is None
    new = put(pool, A)
    assert pool.take(A) is new


def test_an_address_of_another_owner_is_not_at_hand(pool):
    put(pool, Origin("a", 80, owner="me"))
    assert not pool.has_address(("a", 80), None)
    assert pool.has_address(("a", 80), None, "me")


def test_addresses_at_hand(pool):
    assert not pool.has_address(("a", 80), None)
    put(pool, A)
    assert pool.has_address(("a", 80), None)
    assert not pool.has_address(("a", 80), ("http", ("p", 1)))
    pool.take(A)
    assert not pool.has_address(("a", 80), None), "what is in use is not at hand"


def test_connections_of_an_owner_end_with_it(pool):
    shared, owned, other = put(pool, A), put(pool, Origin("a", 80, owner="me")), put(pool, Origin("a", 80, owner="you"))
    pool.drop("me")
    assert [stream.is_closed for stream in (shared, owned, other)] == [False, True, False]
    assert len(pool) == 2


def test_closing(pool):
    streams = [put(pool, A), put(pool, A), put(pool, B)]
    pool.close()
    assert all(stream.is_closed for stream in streams)
    assert len(pool) == 0
