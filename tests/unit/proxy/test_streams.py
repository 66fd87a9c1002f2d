"""The inbox between a source of events and the coroutine that takes them."""

import pytest

from midstream.proxy.stepper import Step
from midstream.proxy.streams import EMPTY, INBOX_BYTES, INBOX_EVENTS, Inbox
from midstream.wire.events import END, Data, End, Trailers


class Source:
    def __init__(self):
        self.calls = []

    def pause_reading(self):
        self.calls.append("pause")

    def resume_reading(self):
        self.calls.append("resume")


@pytest.fixture
def source():
    return Source()


def reader(inbox, got, count):
    async def run():
        for _ in range(count):
            await inbox
            got.append(inbox.take())

    return Step(run()).start()


def test_events_are_taken_in_their_order(source):
    inbox, got = Inbox(source), []
    step = reader(inbox, got, 3)
    inbox.add([Data(b"a"), Data(b"b")])
    assert got == [Data(b"a"), Data(b"b")]
    inbox.add([END])
    assert got[-1] is END
    assert step.is_done
    assert source.calls == []


def test_a_full_inbox_pauses_its_source_until_it_is_empty(source):
    inbox = Inbox(source)
    inbox.add([Data(b"x" * INBOX_BYTES)])
    assert source.calls == []
    inbox.add([Data(b"x")])
    inbox.add([Data(b"x")])
    assert source.calls == ["pause"]
    inbox.take()
    inbox.take()
    assert source.calls == ["pause"]
    inbox.take()
    assert source.calls == ["pause", "resume"]


def test_many_small_events_fill_it_too(source):
    inbox = Inbox(source)
    inbox.add([Data(b"")] * (INBOX_EVENTS + 1))
    assert source.calls == ["pause"]


def test_what_is_taken_at_once_fills_nothing(source):
    inbox, got = Inbox(source), []
    reader(inbox, got, 3)
    inbox.add([Data(b"x" * (INBOX_BYTES + 1))])
    assert source.calls == []


def test_clearing_lets_the_source_go_on(source):
    inbox = Inbox(source)
    inbox.add([Data(b"x" * (INBOX_BYTES + 1))])
    inbox.clear()
    assert source.calls == ["pause", "resume"]
    assert not inbox.events
    inbox.clear()
    assert source.calls == ["pause", "resume"]


@pytest.mark.parametrize(
    ("events", "whole"),
    [
        ([Data(b"a"), END], Data(b"a")),
        ([END], EMPTY),
        ([], None),
        ([Data(b"a")], None),
        ([Data(b"a"), Data(b"b"), END], None),
        ([Trailers([]), END], None),
        ([Data(b"a"), End(faults=(1,))], None),
    ],
)
def test_a_whole_body_or_nothing(source, events, whole):
    inbox = Inbox(source)
    if events:
        inbox.add(list(events))
    assert inbox.take_whole() == whole
    assert list(inbox.events) == ([] if whole else events)


def test_taking_a_large_whole_body_lets_the_source_go_on(source):
    inbox = Inbox(source)
    inbox.add([Data(b"x" * (INBOX_BYTES + 1)), END])
    assert inbox.take_whole() is not None
    assert source.calls == ["pause", "resume"]
