from midstream.flow import HTTPFlow, ServerSentEvent


def test_events_compare_and_show_themselves():
    event = ServerSentEvent("abc", timestamp=1.0)
    assert repr(event) == "<ServerSentEvent message: 'abc'>"
    assert repr(ServerSentEvent("abc", "add")) == "<ServerSentEvent add: 'abc'>"
    assert event == ServerSentEvent("abc", timestamp=1.0)
    assert event != ServerSentEvent("abc", id="1", timestamp=1.0)
    assert event != "abc"
    assert ServerSentEvent("").timestamp > 1


def test_an_event_is_dropped():
    event = ServerSentEvent("abc")
    assert not event.dropped
    event.drop()
    assert event.dropped


def test_events_are_part_of_the_state(flow):
    flow.sse_events.append(ServerSentEvent("abc", "add", "7", 3000, b"raw", 5.0, True))
    copy = HTTPFlow.from_state(flow.get_state())
    assert copy.sse_events == flow.sse_events
    assert copy.sse_events is not flow.sse_events


def test_states_from_before_have_none(flow):
    state = flow.get_state()
    for name in ("grpc_messages", "sse_events", "messages_forgotten"):
        del state[name]
    copy = HTTPFlow.from_state(state)
    assert copy.sse_events == copy.grpc_messages == []
    assert copy.messages_forgotten == 0
