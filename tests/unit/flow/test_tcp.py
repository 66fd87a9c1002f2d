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


def test_who_closed_and_where_tls_began_is_saved():
    flow = TCPFlow(Client(), Server())
    state = flow.get_state()
    flow.closed_by, flow.close_reason, flow.starttls = "client", "FIN", "SMTP"
    again = Flow.from_state(flow.get_state())
    assert (again.closed_by, again.close_reason, again.starttls) == ("client", "FIN", "SMTP")
    for name in ("closed_by", "close_reason", "starttls"):
        del state[name]  # as written by others
    again.set_state(state)
    assert (again.closed_by, again.close_reason, again.starttls) == ("", "", "")


def test_repr():
    assert repr(TCPFlow(Client(), Server())) == "<TCPFlow (0 messages)>"
