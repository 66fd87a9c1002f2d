import pytest

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
