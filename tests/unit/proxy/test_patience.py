"""Signals with a time limit."""

from midstream.proxy.deadlines import Deadlines
from midstream.proxy.patience import Patience
from midstream.proxy.stepper import Step


def wait(patience, told):
    async def run():
        await patience
        told.append(patience.has_expired)

    Step(run()).start()


def test_what_comes_in_time():
    deadlines, told = Deadlines(10), []
    patience = Patience(deadlines, 5)
    wait(patience, told)
    deadlines.sweep(14)
    assert told == []
    patience.set(None)
    assert told == [False]
    assert len(deadlines) == 1
    patience.end()
    assert len(deadlines) == 0


def test_what_does_not():
    deadlines, told = Deadlines(10), []
    patience = Patience(deadlines, 5)
    wait(patience, told)
    deadlines.sweep(15)
    assert told == [True]
    patience.end()


def test_without_a_limit():
    deadlines, told = Deadlines(10), []
    wait(Patience(deadlines, 0), told)
    deadlines.sweep(1e12)
    assert told == []
