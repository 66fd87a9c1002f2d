"""Stepped coroutines: waiting without a loop, and never being entered twice."""

import pytest

from midstream.proxy.stepper import Signal, Step


def test_a_coroutine_that_waits_for_nothing_ends_at_once():
    ends = []

    async def run():
        return

    step = Step(run(), ends.append).start()
    assert step.is_done
    assert ends == [None]


def test_a_signal_resumes_inside_the_call_that_sets_it():
    signal, got = Signal(), []

    async def run():
        got.append(await signal)

    step = Step(run()).start()
    assert not step.is_done
    signal.set("value")
    assert got == ["value"]
    assert step.is_done


def test_a_signal_that_is_set_already_is_not_waited_for():
    signal, got = Signal(), []
    signal.set(1)
    signal.set(2)

    async def run():
        got.append(await signal)

    assert Step(run()).start().is_done
    assert got == [1]


def test_a_step_is_never_entered_twice():
    signal, order = Signal(), []

    async def run():
        order.append("sets")
        signal.set(None)
        step.resume()
        order.append("waits")
        await signal
        order.append("ends")

    step = Step(run())
    step.start()
    assert order == ["sets", "waits", "ends"]


def test_an_error_is_raised_where_the_coroutine_waits():
    signal, caught = Signal(), []

    async def run():
        try:
            await signal
        except KeyError as error:
            caught.append(error)

    step = Step(run()).start()
    error = KeyError("x")
    step.throw(error)
    assert caught == [error]
    assert step.is_done


def test_an_error_thrown_in_while_it_runs_is_raised_at_the_next_wait():
    signal, order = Signal(), []

    async def run():
        step.throw(KeyError("x"))
        order.append("still running")
        try:
            await signal
        except KeyError:
            order.append("raised")
            await signal

    step = Step(run())
    step.start()
    assert order == ["still running", "raised"]
    signal.set(None)
    assert step.is_done


def test_an_error_beats_a_signal_that_is_set_at_the_same_time():
    signal, order = Signal(), []

    async def run():
        step.throw(KeyError("x"))
        signal.set(None)
        try:
            await Signal()
        except KeyError:
            order.append("raised")

    step = Step(run())
    step.start()
    assert order == ["raised"]


def test_the_owner_gets_what_ended_the_coroutine():
    ends = []
    error = KeyError("x")

    async def run():
        raise error

    Step(run(), ends.append).start()
    assert ends == [error]


def test_without_an_owner_it_is_raised():
    async def run():
        raise KeyError("x")

    with pytest.raises(KeyError):
        Step(run()).start()


def test_what_is_over_is_over():
    ends = []

    async def run():
        return

    step = Step(run(), ends.append).start()
    step.throw(KeyError("x"))
    step.resume()
    assert ends == [None]


def test_a_coroutine_thrown_into_before_it_began_never_begins():
    ends, began = [], []

    async def run():
        began.append(True)

    step = Step(run(), ends.append)
    step.throw(KeyError("x"))
    assert began == []
    assert isinstance(ends[0], KeyError)
