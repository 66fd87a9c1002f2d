"""Writing at the end of the loop's turn."""

from midstream.proxy.turns import Turns


class Writer:
    def __init__(self, then=lambda: None):
        self.flushes = 0
        self._then = then

    def flush(self):
        self.flushes += 1
        self._then()


def test_all_who_asked_are_flushed_once_and_in_one_call():
    calls = []
    turns = Turns(calls.append)
    writers = [Writer(), Writer()]
    for writer in writers:
        turns.add(writer)
    assert len(calls) == 1
    assert [writer.flushes for writer in writers] == [0, 0]
    calls[0]()
    assert [writer.flushes for writer in writers] == [1, 1]
    turns.end()
    assert [writer.flushes for writer in writers] == [1, 1]


def test_who_asks_meanwhile_is_flushed_in_the_same_turn():
    turns = Turns(lambda _call: None)
    carrier = Writer()
    turns.add(Writer(lambda: turns.add(carrier)))
    turns.end()
    assert carrier.flushes == 1
