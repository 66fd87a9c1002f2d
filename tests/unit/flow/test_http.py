from midstream.flow import Client, HTTPFlow, Request, Response, Server, WebSocketData, WebSocketMessage


def test_the_fast_way_makes_the_same_flow():
    client, server, request = Client(), Server(), Request.make("GET", "http://a/")
    flow = HTTPFlow(client, server, live=True)
    flow.request = request
    flow.timestamp_created = request.timestamp_start
    assert vars(HTTPFlow.begin(client, server, request)) == vars(flow)


def test_parts_start_empty():
    flow = HTTPFlow(Client(), Server())
    assert flow.response is None
    assert flow.websocket is None
    assert flow.informational == []
    assert not flow.live
    assert repr(flow) == "<HTTPFlow >"


def test_interim_responses_are_kept_and_not_shared(flow):
    flow.informational.append(Response.make(103))
    assert HTTPFlow(Client(), Server()).informational == []
    assert [response.status_code for response in flow.copy().informational] == [103]


def test_time_and_repr(flow):
    assert flow.timestamp_start == 1.0
    assert repr(flow) == "<HTTPFlow Request(POST http://example.com/a/b?x=1&y=2) Response(200, text/plain)>"


def test_websocket_messages_are_part_of_the_state(flow):
    flow.websocket = WebSocketData()
    flow.websocket.messages.append(WebSocketMessage(1, True, b"hi", 5.0))
    copy = flow.copy()
    assert copy.websocket.messages == flow.websocket.messages
    assert copy.websocket is not flow.websocket


def test_states_without_our_own_keys_are_read(flow):
    state = flow.get_state()
    for name in ("informational", "annotations", "held_back", "backup"):
        del state[name]
    state["response"] = None
    copy = HTTPFlow.from_state(state)
    assert copy.response is None
    assert copy.informational == []
