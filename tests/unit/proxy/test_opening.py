"""Queues of those who wait for a server connection, or for room on one."""

import pytest

from midstream.proxy.deadlines import Deadlines
from midstream.proxy.opening import Queue
from midstream.proxy.stepper import Step
from midstream.wire.errors import PeerError


class Waiter:
    """Waits in a queue, and notes what came of it."""

    def __init__(self, queue, name, order, seconds=0):
        self._queue = queue
        self._name = name
        self._order = order
        self._seconds = seconds
        self.error = None
        self.step = Step(self._run()).start()

    async def _run(self):
        try:
            await self._queue.wait(self._seconds, "waiting for Godot")
        except (PeerError, KeyboardInterrupt) as error:
            self.error = error
        self._order.append(self._name)


@pytest.fixture
def deadlines():
    return Deadlines(100)


@pytest.fixture
def queue(deadlines):
    return Queue(deadlines)


@pytest.fixture
def order():
    return []


def test_they_are_woken_one_by_one_in_their_order(queue, order, deadlines):
    waiters = [Waiter(queue, name, order) for name in "abc"]
    assert queue
    queue.wake()
    assert order == ["a"]
    queue.wake()
    queue.wake()
    assert order == ["a", "b", "c"]
    assert not queue
    queue.wake()
    assert order == ["a", "b", "c"]
    assert all(waiter.step.is_done and waiter.error is None for waiter in waiters)
    assert len(deadlines) == 0


def test_all_may_be_woken_with_bad_news_or_without(queue, order):
    waiters = [Waiter(queue, name, order) for name in "ab"]
    queue.wake_all()
    assert [waiter.error for waiter in waiters] == [None, None]
    waiters = [Waiter(queue, name, order) for name in "cd"]
    error = PeerError("it does not come")
    queue.wake_all(error)
    assert [waiter.error for waiter in waiters] == [error, error]
    assert order == ["a", "b", "c", "d"]
    assert not queue


def test_who_waits_again_is_not_woken_twice(queue, order):
    again = []

    async def twice():
        await queue.wait(0, "")
        again.append(1)
        await queue.wait(0, "")
        again.append(2)

    Step(twice()).start()
    queue.wake_all()
    assert again == [1]
    queue.wake()
    assert again == [1, 2]


def test_who_waits_too_long_is_told_and_leaves_the_queue(queue, order, deadlines):
    impatient, patient = Waiter(queue, "a", order, 5), Waiter(queue, "b", order)
    deadlines.sweep(105)
    assert order == ["a"]
    assert str(impatient.error) == "timed out: waiting for Godot"
    assert impatient.error.status == 504
    queue.wake()
    assert order == ["a", "b"]
    assert patient.error is None


def test_who_is_told_to_stop_leaves_the_queue(queue, order, deadlines):
    stopped, staying = Waiter(queue, "a", order), Waiter(queue, "b", order)
    stopped.step.throw(KeyboardInterrupt())
    assert order == ["a"]
    queue.wake()
    assert order == ["a", "b"]
    assert not queue
    assert staying.error is None
    assert len(deadlines) == 0
