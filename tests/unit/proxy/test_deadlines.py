"""One sweep for all timeouts."""

from midstream.proxy.deadlines import NEVER, Deadlines


class Thing:
    def __init__(self, deadline=NEVER):
        self.deadline = deadline
        self.expiries = 0

    def expired(self):
        assert self.deadline == NEVER
        self.expiries += 1


def test_what_is_due_expires_once():
    deadlines = Deadlines(5)
    assert deadlines.now == 5
    due, later, never = Thing(10), Thing(11), Thing()
    for thing in (due, later, never):
        deadlines.watch(thing)
    deadlines.sweep(10)
    deadlines.sweep(10.5)
    assert deadlines.now == 10.5
    assert [thing.expiries for thing in (due, later, never)] == [1, 0, 0]
    deadlines.sweep(1e12)
    assert [thing.expiries for thing in (due, later, never)] == [1, 1, 0]


def test_what_is_forgotten_does_not_expire():
    deadlines = Deadlines()
    thing = Thing(1)
    deadlines.watch(thing)
    assert len(deadlines) == 1
    deadlines.forget(thing)
    deadlines.forget(thing)
    assert len(deadlines) == 0
    deadlines.sweep(2)
    assert thing.expiries == 0


def test_things_may_come_and_go_while_others_expire():
    deadlines = Deadlines()

    class Restless(Thing):
        def expired(self):
            super().expired()
            deadlines.forget(self)
            deadlines.watch(Thing(0))

    deadlines.watch(Restless(1))
    deadlines.watch(Restless(1))
    deadlines.sweep(1)
    assert len(deadlines) == 2


def test_who_is_given_more_time_by_one_that_expires_does_not_expire():
    deadlines = Deadlines()
    things = []

    class Generous(Thing):
        def expired(self):
            super().expired()
            for thing in things:
                thing.deadline = 5

    things += [Generous(1) for _ in range(3)]
    for thing in things:
        deadlines.watch(thing)
    deadlines.sweep(1)
    assert sum(thing.expiries for thing in things) == 1


def test_who_is_forgotten_by_one_that_expires_does_not_expire():
    deadlines = Deadlines()
    things = []

    class Last(Thing):
        def expired(self):
            super().expired()
            for thing in things:
                deadlines.forget(thing)

    things += [Last(1) for _ in range(3)]
    for thing in things:
        deadlines.watch(thing)
    deadlines.sweep(1)
    assert sum(thing.expiries for thing in things) == 1
