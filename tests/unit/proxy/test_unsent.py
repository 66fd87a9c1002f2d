"""What waits for a client's window has its time."""

import pytest

from midstream.proxy.deadlines import NEVER, Deadlines
from midstream.proxy.unsent import Unsent


class Parked:
    """As much of an engine as is asked: how much waits on each stream."""

    def __init__(self, **sizes):
        self.sizes = {int(name[1:]): size for name, size in sizes.items()}

    def parked(self, stream_id):
        return self.sizes.get(stream_id, 0)


@pytest.fixture
def deadlines():
    return Deadlines(100.0)


def waiting(deadlines, engine, seconds=20.0):
    given_up = []

    def give_up(stream_id, what):
        given_up.append((stream_id, what))

    unsent = Unsent(deadlines, engine, seconds, give_up)
    for stream_id in engine.sizes:
        unsent.add(stream_id)
    return unsent, given_up


def test_what_does_not_move_is_given_up(deadlines):
    unsent, given_up = waiting(deadlines, Parked(s1=500))
    deadlines.sweep(119)
    assert given_up == []
    deadlines.sweep(120)
    assert given_up == [(1, "for 20 seconds it took nothing of the last 500 bytes of a response")]
    assert not unsent
    assert len(deadlines) == 0


def test_what_moves_has_its_time_anew(deadlines):
    engine = Parked(s1=500, s3=500)
    unsent, given_up = waiting(deadlines, engine)
    deadlines.sweep(115)
    engine.sizes[3] = 400
    unsent.look()
    deadlines.sweep(121)
    assert [stream_id for stream_id, _ in given_up] == [1]
    assert unsent
    deadlines.sweep(135)
    assert [stream_id for stream_id, _ in given_up] == [1, 3]


def test_what_has_gone_is_forgotten(deadlines):
    engine = Parked(s1=500)
    unsent, given_up = waiting(deadlines, engine)
    engine.sizes.clear()
    unsent.look()
    assert not unsent
    assert len(deadlines) == 0
    deadlines.sweep(200)
    assert given_up == []


def test_without_a_limit_nothing_is_watched(deadlines):
    unsent, _ = waiting(deadlines, Parked(s1=500), 0)
    assert not unsent
    assert unsent.deadline == NEVER
    assert len(deadlines) == 0


def test_at_the_end_nothing_is_left(deadlines):
    unsent, given_up = waiting(deadlines, Parked(s1=500, s3=2))
    unsent.end()
    assert len(deadlines) == 0
    deadlines.sweep(200)
    assert given_up == []
