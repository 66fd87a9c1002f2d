import pytest

from midstream.flow import Client, ControlException, Server, TCPFlow
from midstream.flow.stream import MessageFlow, StreamMessage


def test_messages():
    message = StreamMessage(True, b"a", 1.0)
    assert repr(message) == "-> b'a'"
    assert repr(StreamMessage(False, b"b")) == "<- b'b'"
    assert StreamMessage(True, b"").timestamp > 1
    assert message == StreamMessage.from_state(message.get_state())
    assert message != StreamMessage(True, b"b", 1.0)
    assert message != b"a"
    with pytest.raises(TypeError):
        hash(message)


def test_the_base_is_no_kind_of_its_own():
    assert MessageFlow.type == ""


def test_dropped_and_injected_messages_say_so():
    message = StreamMessage(True, b"a", 1.0, injected=True)
    message.drop()
    again = StreamMessage.from_state(message.get_state())
    assert (again.dropped, again.injected) == (True, True)
    assert message != StreamMessage(True, b"a", 1.0)
    assert StreamMessage.from_state((True, b"a", 1.0)) == StreamMessage(True, b"a", 1.0)


def test_injection_is_for_whoever_relays():
    flow = TCPFlow(Client(), Server(), live=True)
    with pytest.raises(ControlException, match="not live"):
        flow.inject(True, b"x")
    injected = []
    flow.on_inject = lambda *what: injected.append(what)
    flow.inject(False, b"x")
    assert injected == [(False, b"x")]
    flow.live = False
    with pytest.raises(ControlException, match="not live"):
        flow.inject(True, b"x")
