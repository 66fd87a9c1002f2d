"""What passes on an open WebSocket connection: messages, their fragments, control frames, and what is wrong with them."""

import pytest

from midstream.addon import observe
from midstream.filters import parse
from midstream.testing.websocket import open_websocket
from midstream.wire.ws import Message
from midstream.wire.ws.errors import WebSocketError
from midstream.wire.ws.events import BINARY, TEXT, Close, Piece, Ping, Pong

DEFLATE = b"permessage-deflate"


class Holds:
    """Has each message held back."""

    def __init__(self):
        self.seen = []

    def websocket_message(self, flow):
        self.seen.append(flow.websocket.messages[-1].content)


class Looks:
    """Is told of each message behind it."""

    @observe
    def websocket_message(self, flow):
        assert flow.websocket.messages


ADDONS = pytest.mark.parametrize("addon", [None, Looks, Holds])
COMPRESSION = pytest.mark.parametrize("agreed", [b"", DEFLATE])


@pytest.fixture
def talk(chat):
    def make(addon=None, agreed=b"", **options):
        return chat(*([addon()] if addon else []), offered=agreed, agreed_on=agreed, **options)

    return make


@ADDONS
@COMPRESSION
def test_messages_in_both_directions(talk, addon, agreed):
    made = talk(addon, agreed)
    for content in ("text", b"binary", "", b"", "ü" * 100, b"x" * 200, "y" * 70_000):
        made.client.says(content)
        made.server.says(content)
        assert made.server.heard() == [content]
        assert made.client.heard() == [content]
    sizes = [len(message.content) for message in made.flow.websocket.messages]
    assert sizes == [4, 4, 6, 6, 0, 0, 0, 0, 200, 200, 200, 200, 70_000, 70_000]
    assert [message.from_client for message in made.flow.websocket.messages] == [True, False] * 7


@ADDONS
@COMPRESSION
def test_split_at_every_byte(talk, addon, agreed):
    for cut in range(1, 12):
        made = talk(addon, agreed)
        wire = made.client.engine.send(Message(TEXT, b"hello", is_compressed=bool(agreed)))
        made.client.peer.sends(wire[:cut])
        made.client.peer.sends(wire[cut:] + made.client.engine.send(Ping(b"trailing")))
        heard = made.server.heard()
        assert len(heard) == 2
        assert "hello" in heard
        assert Ping() in heard, "its place does not matter"
        assert made.client.heard() == [Pong(b"trailing")]


@ADDONS
@COMPRESSION
def test_ws_03_fragments_stay_as_they_are(talk, addon, agreed):
    made = talk(addon, agreed)
    made.client.says(Message(TEXT, b"one two three", (3, 0, 4, 6), bool(agreed)))
    assert made.server.heard() == ["one two three"]
    assert made.server.messages[-1].layout == (3, 0, 4, 6)
    made.server.says(b"whole")
    made.client.heard()
    assert made.client.messages[-1].layout == ()


def test_ws_03_frames_are_the_very_same(talk):
    made = talk()
    made.server.peer.sends(b"\x01\x03one\x00\x00\x80\x01.")
    assert made.client.peer.received() == b"\x01\x03one\x00\x00\x80\x01."


def test_ws_03_an_edited_message_has_fragments_as_large(talk):
    class Longer:
        def websocket_message(self, flow):
            flow.websocket.messages[-1].text += " and more"

    made = talk(Longer)
    made.client.says(Message(TEXT, b"one two", (4, 3)))
    assert made.server.heard() == ["one two and more"]
    assert made.server.messages[-1].layout == (4, 4, 4, 4)


@ADDONS
@COMPRESSION
def test_ws_04_control_frames_between_fragments(talk, addon, agreed):
    made = talk(addon, agreed, websocket_ping="relay")
    made.client.says(Piece(TEXT, b"a", is_final=False, is_compressed=bool(agreed)), Ping(b"in between"))
    heard = made.server.heard()
    assert heard == [Ping(b"in between")], "at once"
    made.client.says(Piece(TEXT, b"b", is_first=False, is_compressed=bool(agreed)), Pong(b"after"))
    assert made.server.heard() == ["ab", Pong(b"after")]


def test_ws_05_a_ping_is_answered_here(talk):
    made = talk()
    made.client.says(Ping(b"are you there"))
    assert made.client.heard() == [Pong(b"are you there")]
    assert made.server.heard() == [Ping()]
    made.server.says(Pong())
    assert made.client.heard() == []
    assert made.watch.hooks == ["websocket_start", "websocket_ping", "websocket_pong"]
    assert made.flow.websocket.messages == []
    assert [tuple(control)[:3] for control in made.flow.websocket.controls] == [
        ("ping", True, b"are you there"),
        ("pong", False, b""),
    ]


def test_ws_05_pings_are_relayed(talk):
    made = talk(websocket_ping="relay")
    made.server.says(Ping(b"1"))
    assert made.server.heard() == []
    assert made.client.heard() == [Ping(b"1")]
    made.client.says(Pong(b"1"))
    assert made.server.heard() == [Pong(b"1")]


def test_ws_05_the_latest_thousand_are_kept(talk):
    made = talk()
    made.client.says(*[Ping(b"%d" % number) for number in range(1200)])
    controls = made.flow.websocket.controls
    assert (len(controls), controls[0].payload) == (1000, b"200")


# Text that is none (WS-07) and masks (WS-08).


@ADDONS
@pytest.mark.parametrize("profile", ["lenient", "raw"])
def test_ws_07_invalid_text_goes_on_as_it_is(talk, addon, profile):
    made = talk(addon, profile=profile)
    for _ in range(3):
        made.client.says(Message(TEXT, b"caf\xe9"))
        assert made.server.heard() == ["caf\udce9"]
    assert made.flow.websocket.messages[0].text == "caf\udce9"
    if addon:
        assert [note.reference for note in made.flow.annotations] == ["RFC 6455 §8.1"], "told once"


@ADDONS
def test_ws_07_strict_ends_the_connection(talk, addon):
    made = talk(addon, profile="strict")
    made.client.says(Message(TEXT, b"caf\xe9"))
    assert made.server.heard() == [Close(1001)]
    assert made.client.heard() == []
    made.server.closes(1001)
    (close,) = made.client.heard()
    assert close.code == 1007
    made.client.peer.ends()
    assert made.is_over
    assert made.flow.websocket.close_code == 1007
    assert made.flow.websocket.closed_by_client is None


def test_ws_08_masks_are_missed_but_not_required(talk):
    made = talk()
    made.client.peer.sends(b"\x81\x02hi\x81\x02hi")
    assert made.server.heard() == ["hi", "hi"]
    assert [note.reference for note in made.flow.annotations] == ["RFC 6455 §5.1"]


@pytest.mark.parametrize("who", ["client", "server"])
def test_ws_08_strict_insists_on_masks(talk, who):
    made = talk(profile="strict")
    peer, other = (made.client, made.server) if who == "client" else (made.server, made.client)
    peer.peer.sends(b"\x81\x02hi" if who == "client" else b"\x81\x82maskhi")
    assert other.heard() == [Close(1001)]
    other.closes(1001)
    assert peer.heard()[0].code == 1002


@pytest.mark.parametrize(
    "wire", [b"\x83\x80mask", b"\xf1\x80mask", b"\x80\x80mask", b"\x09\x80mask", b"\x89\xfe\0\x80"]
)
def test_what_breaks_the_protocol_ends_the_connection(talk, wire):
    made = talk()
    made.client.says("before")
    made.client.peer.sends(wire)
    assert made.server.heard() == ["before", Close(1001)]
    made.client.peer.sends(b"it may still be sending")
    made.server.says("after")
    made.server.closes(1001)
    text, close = made.client.heard()
    assert (text, close.code) == ("after", 1002), "what the server says to what came before is not lost"
    assert made.client.peer.was_told_the_end
    assert made.server.peer.is_closed
    assert made.watch.hooks[-1] == "websocket_end"


# Large ones (WS-09) and bombs (WS-10).


@pytest.mark.parametrize("agreed", [b"", DEFLATE])
def test_ws_09_a_large_message_streams_through(talk, agreed):
    made = talk(None, agreed)
    piece = b"x" * 50_000
    for number in range(200):
        made.client.says(Piece(BINARY, piece, number == 0, number == 199, 0, bool(agreed)))
        made.server.peer.received()
    assert [len(message.content) for message in made.flow.websocket.messages] == [1 << 20], "body_memory"
    assert "only its beginning" in made.flow.annotations[0].message


def test_ws_09_a_large_frame_streams_through(talk):
    made = talk(None)
    wire = made.client.engine.send(Piece(BINARY, b"", left=10_000_000))
    made.client.peer.sends(wire)
    for number in range(100):
        made.client.says(Piece(BINARY, b"x" * 100_000, False, True, 10_000_000 - 100_000 * (number + 1)))
        assert len(made.server.peer.received()) >= 100_000, "at once"
    made.client.says("next")
    assert made.server.peer.received()
    assert made.flow.websocket.messages[-1].text == "next"


@pytest.mark.parametrize("in_frames", [1, 4])
def test_ws_09_a_message_that_is_held_is_bounded(talk, in_frames):
    made = talk(Holds, websocket_max_message=1000)
    made.client.says(b"x" * 1000)
    assert made.server.heard() == [b"x" * 1000]
    size = 2000 // in_frames
    for number in range(in_frames):
        if made.client.engine.is_open:
            made.client.says(Piece(BINARY, b"y" * size, number == 0, number == in_frames - 1))
    assert made.server.heard() == [Close(1001)]
    made.server.closes(1001)
    assert made.client.heard()[0].code == 1009


def test_ws_09_the_bound_holds_for_a_frame_that_was_begun_before(talk):
    class Loaded(Holds):
        pass

    made = talk(None, websocket_max_message=1000)
    tail = made.client.engine.send(Message(BINARY, b"tail"))
    made.client.peer.sends(tail[:5])
    made.scenario.addons.add(Loaded())
    made.client.peer.sends(tail[5:] + made.client.engine.send(Piece(BINARY, b"z" * 10, left=5000)))
    made.client.says(Piece(BINARY, b"z" * 10, False, left=4990))
    made.server.closes(1001)
    assert made.client.heard()[0].code == 1009


def test_ws_10_bombs(talk):
    made = talk(Holds, DEFLATE, websocket_max_message=10_000)
    made.server.says(bytes(10_001))
    assert made.client.heard() == [Close(1001)]
    made.client.closes(1001)
    assert made.server.heard()[0].code == 1009


def test_ws_10_bombs_that_only_pass(talk):
    made = talk(None, DEFLATE)
    made.server.says(bytes(30_000_000))
    made.client.closes(1001)
    (error,) = [event for event in made.server.heard() if isinstance(event, Close | WebSocketError)]
    assert error.code == 1009


# The record.


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"x" * 5000])
def test_the_record_is_bounded(talk, content):
    made = talk(body_memory=20_000)
    for number in range(500):
        made.client.says(content + b"%d" % number)
    messages = made.flow.websocket.messages
    assert messages[-1].content == content + b"499"
    assert sum(len(message.content) + 160 for message in messages) <= 20_000
    assert len(messages) >= 2


def test_the_record_counts_what_hooks_make_of_messages(talk):
    class Grows:
        def websocket_message(self, flow):
            flow.websocket.messages[-1].content *= 1000

    made = talk(Grows, body_memory=20_000)
    for _ in range(200):
        made.client.says(b"0123456789")
        made.server.peer.received()
    assert len(made.flow.websocket.messages) < 200


def test_nothing_is_kept_where_nobody_looks(play):
    class Flow:
        def response(self, flow):
            self.flow = flow

    addon = Flow()
    client, server = open_websocket(play(addons=[addon]))
    client.says("unseen")
    assert server.heard() == ["unseen"]
    assert addon.flow.websocket.messages == []


def test_a_flow_is_saved_and_read_back(talk):
    made = talk()
    made.client.says("hello", b"bytes", Ping(b"ping"))
    made.server.closes(4001, b"because")
    made.client.closes(4001)
    copy = type(made.flow).from_state(made.flow.get_state())
    data, saved = made.flow.websocket, copy.websocket
    assert saved.messages == data.messages
    assert saved.controls == data.controls
    assert (saved.close_code, saved.close_reason, saved.closed_by_client) == (4001, "because", False)
    assert saved.timestamp_end == data.timestamp_end == 1000.0


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("~websocket", True),
        ("~b needle", True),
        ("~bq needle", True),
        ("~bs needle", False),
        ("~bs reply", True),
        ("~b nothing", False),
        ("~tcp", False),
    ],
)
def test_ws_20_filters_see_the_messages(talk, text, matches):
    made = talk()
    made.client.says("a needle in a haystack")
    made.server.says("a reply")
    assert bool(parse(text)(made.flow)) is matches
