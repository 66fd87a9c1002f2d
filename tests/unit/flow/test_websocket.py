import pytest

from midstream.flow import Opcode, WebSocketData, WebSocketMessage


def test_text_messages():
    message = WebSocketMessage(Opcode.TEXT, True, "ü".encode())
    assert message.is_text
    assert message.text == "ü"
    message.text = "ä"
    assert message.content == "ä".encode()
    assert message.timestamp > 1
    assert repr(message) == r"-> b'\xc3\xa4'"


def test_binary_messages_have_no_text():
    message = WebSocketMessage(2, False, b"x", 1.0)
    assert not message.is_text
    assert repr(message) == "<- b'x'"
    with pytest.raises(AttributeError, match="binary"):
        message.text  # noqa: B018 - reading is the test
    with pytest.raises(AttributeError, match="binary"):
        message.text = "x"


@pytest.mark.parametrize("action", ["drop", "kill"])
def test_dropping(action):
    message = WebSocketMessage(1, True, b"")
    assert not message.dropped
    getattr(message, action)()
    assert message.dropped


def test_equality():
    message = WebSocketMessage(1, True, b"a", 1.0)
    assert message == WebSocketMessage.from_state(message.get_state())
    assert message != WebSocketMessage(1, True, b"b", 1.0)
    assert message != "a"
    with pytest.raises(TypeError):
        hash(message)


def test_state_round_trip():
    data = WebSocketData()
    data.messages = [WebSocketMessage(1, True, b"a", 1.0, dropped=True, injected=True)]
    data.closed_by_client, data.close_code, data.close_reason, data.timestamp_end = True, 1000, "bye", 5.0
    again = WebSocketData.from_state(data.get_state())
    assert again.get_state() == data.get_state()
    assert again.messages[0].injected
    assert repr(again) == "<WebSocketData (1 messages)>"
