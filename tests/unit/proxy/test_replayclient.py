import pytest

from midstream.proxy.replayclient import PlayedTransport, ReplayClient
from midstream.proxy.stepper import Step
from midstream.testing import Scenario
from midstream.wire.events import END, ResponseHead


class Receiver:
    def __init__(self):
        self.told = []

    def received(self, data):
        self.told.append(data)

    def ended(self):
        self.told.append("ended")

    def lost(self, error):
        self.told.append("lost")

    def writable(self):
        self.told.append("writable")

    def timed_out(self, stage):
        self.told.append(stage)


class End:
    def __init__(self):
        self.told = []

    def received(self, data):
        self.told.append(data)

    def lost(self):
        self.told.append("lost")


@pytest.fixture
def scenario():
    return Scenario()


@pytest.fixture
def transport(scenario):
    made = PlayedTransport(scenario.session)
    made.peer.receiver = Receiver()
    return made


def test_bytes_both_ways(scenario, transport):
    transport.end = End()
    transport.feed(b"up")
    assert transport.peer.receiver.told == [b"up"]
    transport.peer.write(b"do")
    transport.peer.write(b"wn")
    assert transport.end.told == [], "nobody is called before the turn ends"
    scenario.settle()
    assert transport.end.told == [b"down"]


@pytest.mark.parametrize("how", ["close", "abort", "write_eof"])
def test_the_end(scenario, transport, how):
    transport.end = End()
    transport.write(b"last")
    getattr(transport, how)()
    transport.write(b"too late")
    transport.feed(b"too late")
    assert transport.is_closing()
    assert transport.can_write_eof()
    assert transport.peer.receiver.told == transport.end.told == []
    scenario.settle()
    transport.close()
    scenario.settle()
    assert transport.end.told == [b"last", "lost"]
    assert transport.peer.receiver.told == ["lost"]
    assert len(scenario.session.deadlines) == 0


def test_nobody_plays(scenario, transport):
    transport.write(b"to nobody")
    transport.close()
    scenario.settle()
    assert transport.peer.is_lost


def waits(transport):
    told = []

    async def wait():
        await transport.readable()
        told.append("goes on")

    Step(wait()).start()
    return told


def test_who_is_slow_is_waited_for(scenario, transport):
    assert waits(transport) == ["goes on"]
    transport.peer.pause_reading()
    told = waits(transport)
    scenario.settle()
    assert told == []
    transport.peer.resume_reading()
    assert told == []
    scenario.settle()
    assert told == ["goes on"]


def test_who_is_too_slow_is_left(scenario, transport):
    transport.peer.pause_reading()
    told = waits(transport)
    scenario.advance(601)
    assert told == ["goes on"]
    assert transport.peer.is_lost
    assert waits(transport) == ["goes on"]


def test_who_goes_meanwhile(scenario, transport):
    transport.peer.pause_reading()
    told = waits(transport)
    transport.peer.abort()
    scenario.settle()
    assert told == ["goes on"]


def test_a_client_that_takes_everything(scenario):
    client = ReplayClient(scenario.session)
    client.send(END)
    client.send_whole(ResponseHead(200, b"OK", b"HTTP/1.1", []), b"")
    client.say_close()
    client.lend_priority(None)
    client.pause_reading()
    client.resume_reading()
    Step(client.drained()).start()
    client.finish()
    client.abort(8)
    assert (client.id, client.passes_codes, client.is_full) == (0, False, False)
    peer, rest = client.detach()
    assert rest == b""
    assert client.transport.peer is peer
    peer.abort()
    scenario.settle()
