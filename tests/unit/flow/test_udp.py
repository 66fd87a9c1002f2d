from midstream.flow import Client, Flow, Server, UDPFlow, UDPMessage


def test_state_round_trip():
    flow = UDPFlow(Client(), Server(), live=True)
    flow.messages = [UDPMessage(True, b"ab", 1.0), UDPMessage(False, b"c", 2.0)]
    again = Flow.from_state(flow.get_state())
    assert isinstance(again, UDPFlow)
    assert again.type == "udp"
    assert again.messages == flow.messages
    assert isinstance(again.messages[0], UDPMessage)
    assert not again.live


def test_repr():
    assert repr(UDPFlow(Client(), Server())) == "<UDPFlow (0 messages)>"
