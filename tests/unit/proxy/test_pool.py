"""Idle server connections, and those that are shared."""

import pytest

from midstream.proxy.deadlines import Deadlines
from midstream.proxy.origin import ANY_HTTP, HTTP1, HTTP2, Origin
from midstream.proxy.pool import Pool
from midstream.proxy.stepper import Signal, Step
from midstream.wire.errors import PeerError


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


class Shared:
    """A connection with so much room."""

    def __init__(self, pool, origin, room=1):
        self.origin = origin
        self.epoch = pool.epoch
        self.room = room
        self.takes_none = False
        self.is_silent = False
        self.is_alive = True
        self.is_retired = False
        self._pool = pool
        pool.share(self)

    @property
    def has_room(self):
        return self.room > 0

    def stream(self):
        self.room -= 1
        return self

    async def shows_life(self):
        return self.is_alive

    def retire(self):
        self.is_retired = True
        self._pool.forget_shared(self)


def waits(waiting, told, name):
    """Step something that waits, and note when it does not any more."""

    async def run():
        try:
            await waiting
        except PeerError as error:
            name_of[name] = error
        told.append(name)

    name_of = {}
    Step(run()).start()
    return name_of


def test_h2_07_shared_connections_are_handed_out_while_they_have_room(pool):
    first, second = Shared(pool, A, 2), Shared(pool, A, 1)
    assert len(pool) == 2
    assert [pool.take(A), pool.take(A), pool.take(A)] == [first, first, second]
    assert pool.take(A) is None
    assert pool.take(B) is None


def prove(pool, origin):
    got = []

    async def run():
        got.append(await pool.proven(origin))

    Step(run()).start()
    return got[0]


def test_h2_19_what_cannot_be_repeated_takes_no_silent_connection_unproved(pool):
    silent = Shared(pool, A, 3)
    silent.is_silent = True
    assert pool.take(A, is_repeatable=False) is None
    assert pool.take(A) is silent
    assert prove(pool, A) is silent
    silent.is_alive = False
    assert prove(pool, A) is None
    assert prove(pool, B) is None


def test_what_has_spoken_lately_needs_no_proof(pool):
    shared = Shared(pool, A)
    assert prove(pool, A) is None
    assert pool.take(A, is_repeatable=False) is shared


def test_where_there_is_no_room_an_idle_connection_will_do(pool):
    Shared(pool, A, 0)
    idle = put(pool, A)
    assert pool.take(A) is idle


def test_what_is_not_shared_any_more_is_forgotten(pool):
    first, second = Shared(pool, A), Shared(pool, A)
    pool.forget_shared(first)
    pool.forget_shared(first)
    assert pool.take(A) is second
    pool.forget_shared(second)
    pool.forget_shared(second)
    assert len(pool) == 0


def test_what_was_made_under_other_options_is_not_shared(pool):
    old = Shared(pool, A)
    pool.renew(2)
    assert old.is_retired
    assert pool.take(A) is None
    pool.share(old)
    assert pool.take(A) is None


def test_when_it_is_crowded(pool):
    assert not pool.is_crowded(A, 1)
    first = Shared(pool, A)
    assert pool.is_crowded(A, 1)
    assert not pool.is_crowded(A, 2)
    first.takes_none = True
    assert pool.is_crowded(A, 2), "another connection would not help"


def test_h2_07_who_waits_for_room_gets_it_in_order(pool):
    shared, told = Shared(pool, A, 0), []

    async def want(name):
        await pool.room(A, 0)
        shared.stream()
        told.append(name)

    for name in "abc":
        Step(want(name)).start()
    pool.has_room(shared)
    assert told == []
    shared.room = 2
    pool.has_room(shared)
    assert told == ["a", "b"]
    shared.room = 5
    pool.has_room(shared)
    pool.has_room(shared)
    assert told == ["a", "b", "c"]
    assert shared.room == 4


def test_who_waits_for_room_on_what_goes_away_looks_elsewhere(pool):
    shared, told = Shared(pool, A, 0), []
    waits(pool.room(A, 0), told, "a")
    pool.forget_shared(shared)
    assert told == ["a"]


def test_room_may_be_waited_for_too_long(pool, deadlines):
    Shared(pool, A, 0)
    error = waits(pool.room(A, 5), [], "a")
    deadlines.sweep(105)
    assert "timed out" in str(error["a"])


def test_one_opens_and_others_wait(pool):
    told = []
    assert not pool.is_opening(A)
    pool.begin_opening(A)
    assert pool.is_opening(A)
    error = waits(pool.opened(A), told, "a")
    Shared(pool, A)
    pool.end_opening(A)
    assert told == ["a"]
    assert error == {}
    assert not pool.is_opening(A)


def test_if_opening_fails_all_are_told(pool):
    pool.begin_opening(A)
    errors = [waits(pool.opened(A), [], name) for name in "ab"]
    error = PeerError("unreachable")
    pool.end_opening(A, error)
    assert errors == [{"a": error}, {"b": error}]
    pool.begin_opening(A)
    assert pool.is_opening(A), "that says nothing about the next time"


def test_if_who_opens_gives_up_others_go_on(pool):
    told = []
    pool.begin_opening(A)
    waits(pool.opened(A), told, "a")
    pool.give_up_opening(A)
    pool.give_up_opening(A)
    assert told == ["a"]


def test_nobody_waits_for_what_cannot_be_shared(pool):
    pool.begin_opening(A)
    pool.end_opening(A)  # nothing to share: it speaks HTTP/1
    pool.begin_opening(A)
    assert not pool.is_opening(A)
    Shared(pool, A)
    pool.end_opening(A)
    pool.begin_opening(A)
    assert pool.is_opening(A), "by now it speaks HTTP/2"
    pool.end_opening(A)


def test_that_something_cannot_be_shared_may_be_known_without_opening_it(pool):
    pool.cannot_share(A)
    pool.begin_opening(A)
    assert not pool.is_opening(A)


def test_what_servers_speak_is_remembered_by_address(pool):
    origin = Origin("a", 443, is_tls=True, sni="a", versions=ANY_HTTP)
    assert pool.versions(origin) == ANY_HTTP
    lessons = pool.lessons
    pool.remember(origin, HTTP2)
    assert pool.lessons == lessons + 1
    assert pool.versions(Origin("a", 443, is_tls=True, sni="b", owner="me")) == HTTP2
    assert pool.versions(A) == HTTP1
    pool.renew(2)
    assert pool.versions(origin) == ANY_HTTP
    assert pool.lessons == lessons + 2


def test_shared_connections_of_an_owner_end_with_it(pool):
    shared, owned = Shared(pool, A), Shared(pool, Origin("a", 80, owner="me"))
    pool.drop("me")
    assert [shared.is_retired, owned.is_retired] == [False, True]
    assert len(pool) == 1


def test_a_shared_connection_is_at_hand_whoever_uses_it(pool):
    Shared(pool, A, 0)
    assert pool.has_address(("a", 80), None)


def test_closing_retires_what_is_shared(pool):
    shared = [Shared(pool, A), Shared(pool, A), Shared(pool, B)]
    pool.close()
    assert all(connection.is_retired for connection in shared)
    assert len(pool) == 0


class Opens:
    """What opens a connection, as the test says."""

    def __init__(self):
        self.done = Signal()

    async def run(self):
        result = await self.done
        if isinstance(result, BaseException):
            raise result
        return result


@pytest.mark.parametrize("result", [PeerError("unreachable"), RuntimeError("left"), None])
def test_who_opens_for_all_lets_all_go_on(pool, result):
    opens, told, mine = Opens(), [], []
    Step(pool.open_for_all(A, opens.run()), mine.append).start()
    assert pool.is_opening(A)
    errors = waits(pool.opened(A), told, "a")
    opens.done.set(result)
    assert not pool.is_opening(A)
    assert told == ["a"]
    assert mine == [result]
    assert errors == ({"a": result} if isinstance(result, PeerError) else {})
