import pytest

from midstream.flow import Annotation, Client, HTTPFlow, Response, Server, WebSocketData, WebSocketMessage
from midstream.proxy.websocketscript import Cue, Line, Script, missing_from, script_of
from midstream.proxy.websocketside import CUT
from midstream.wire.ws import Message
from midstream.wire.ws.events import Close


def said(content, timestamp=0.0, *, opcode=1, **what):
    return WebSocketMessage(opcode, True, content, timestamp, **what)


def heard(timestamp=0.0, **what):
    return WebSocketMessage(1, False, b"x", timestamp, **what)


def recording(*messages, code=1000, reason="", by_client=True, opened=0.0, ended=0.0):
    flow = HTTPFlow(Client(), Server())
    flow.response = Response(b"HTTP/1.1", 101, b"", (), b"", None, opened, opened)
    flow.websocket = data = WebSocketData()
    data.messages.extend(messages)
    data.close_code, data.close_reason, data.closed_by_client, data.timestamp_end = code, reason, by_client, ended
    return flow


def test_what_was_said_and_heard():
    flow = recording(
        *(said(b"a", 12.0), heard(13.0), heard(14.0), said(b"b", 14.5, opcode=2), said(b"c", 14.5), heard(15)),
        opened=10.0,
        ended=17.5,
    )
    assert script_of(flow) == Script(
        [
            Line(Cue(0, 2.0), Message(1, b"a")),
            Line(Cue(2, 0.5), Message(2, b"b")),
            Line(Cue(2, 0.0), Message(1, b"c")),
        ],
        Cue(3, 2.5),
        "closes",
        Close(1000),
    )


def test_dropped_messages_were_not_sent_and_injected_ones_were():
    flow = recording(
        said(b"dropped", dropped=True),
        said(b"injected", injected=True),
        heard(dropped=True),
        heard(injected=True),
        said(b"last"),
    )
    assert [(line.message.data, line.cue.heard) for line in script_of(flow).lines] == [(b"injected", 0), (b"last", 1)]


def test_times_that_cannot_be():
    flow = recording(said(b"a", 5.0), said(b"b", 4.0), opened=9.0)
    assert [line.cue.gap for line in script_of(flow).lines] == [0, 0]
    flow.response = flow.websocket.timestamp_end = None
    assert script_of(flow).cue.gap == script_of(flow).lines[0].cue.gap == 0


def test_nothing_recorded():
    flow = HTTPFlow(Client(), Server())
    assert script_of(flow) == Script([], Cue(0, 0), "closes", Close(1000))
    assert missing_from(flow, 100) == ""


@pytest.mark.parametrize(
    ("code", "reason", "by_client", "leave", "close"),
    [
        (4000, "done", True, "closes", Close(4000, b"done")),
        (1005, "", True, "closes", Close()),
        (1015, "", True, "closes", Close()),
        (1006, "", True, "vanishes", Close(1000)),
        (1001, "bye", False, "waits", Close(1001, b"bye")),
        (1005, "", False, "waits", Close()),
        (1006, "", False, "waits", Close(1000)),
        (1002, "our words", None, "closes", Close(1000)),
        (None, None, None, "closes", Close(1000)),
        (None, None, True, "closes", Close(1000)),
        (70000, "", True, "closes", Close(1000)),
        (1000, None, True, "closes", Close(1000)),
        (1000, "ä" * 100, True, "closes", Close(1000, "ä".encode() * 61)),
    ],
)
def test_how_it_ends(code, reason, by_client, leave, close):
    script = script_of(recording(code=code, reason=reason, by_client=by_client))
    assert (script.leave, script.close) == (leave, close)


def test_what_was_not_kept():
    flow = recording(said(b"x" * 100), heard())
    assert missing_from(flow, 100) == ""
    flow.annotations = [Annotation(CUT, "RFC 6455 §5.4")]
    assert "only the beginning" in missing_from(flow, 100)
    assert missing_from(flow, 101) == "", "it was a message of the server"
    flow.websocket.messages[0].drop()
    assert missing_from(flow, 100) == ""
    flow.websocket.messages[1].content = "made by a script"
    assert "is no bytes" in missing_from(flow, 100)
    flow.websocket.messages[1].content = b""
    flow.messages_forgotten = 3
    assert "first 3 messages" in missing_from(flow, 100)
