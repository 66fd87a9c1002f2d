from midstream.flow import Client, Flow, Server, TCPFlow, TCPMessage


def test_state_round_trip():
    flow = TCPFlow(Client(), Server(), live=True)
    flow.messages = [TCPMessage(True, b"ab", 1.0), TCPMessage(False, b"c", 2.0)]
    again = Flow.from_state(flow.get_state())
    assert isinstance(again, TCPFlow)
    assert again.type == "tcp"
    assert again.messages == flow.messages
    assert isinstance(again.messages[0], TCPMessage)
    assert not again.live


def test_repr():
    assert repr(TCPFlow(Client(), Server())) == "<TCPFlow (0 messages)>"
