"""WebSocket with the sans-IO cores of `websockets` as the other end, from the handshake to the close frames."""

from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from midstream.wire import h1
from midstream.wire.events import END, RequestHead, ResponseHead
from midstream.wire.ws import Assembler, ClientFacing, Message, ServerFacing
from midstream.wire.ws.events import Close
from midstream.wire.ws.handshake import (
    accept_for,
    asks_for_websocket,
    check_answer,
    is_accepted,
    make_key,
    read_opening,
)
from midstream.wire.ws.negotiate import Compression, agreed, answer, offer_field

URI = parse_uri("ws://shop.example.com/chat")
BITS = st.none() | st.integers(9, 15)  # zlib, and so `websockets`, has no raw windows of 8 bits
CONTENT = st.sampled_from([b"", b"\0", b"abc" * 300, b"".join(b"%d," % at for at in range(900))]) | st.binary(
    max_size=40
)


def message_of(parts, is_compressed):
    return Message(2, b"".join(parts), tuple(map(len, parts)) if len(parts) > 1 else (), is_compressed)


MESSAGES = st.lists(st.builds(message_of, st.lists(CONTENT, max_size=4), st.booleans()), max_size=5)


def converse(ours, theirs, said, *, deflates):
    """Say everything, have it said back in the same frames, and close."""
    add = Assembler().add
    for message in said:
        theirs.receive_data(ours.send(message))
        frames = theirs.events_received()
        assert [bytes(frame.data) for frame in frames] == message.fragments()
        for frame in frames:
            theirs.send_frame(Frame(frame.opcode, frame.data, frame.fin))
        found = [add(event) for event in ours.receive(b"".join(theirs.data_to_send()))]
        assert found[-1] == Message(2, message.data, message.layout, deflates)
    theirs.send_close(4001, "bye")
    assert ours.receive(b"".join(theirs.data_to_send())) == [Close(4001, b"bye")]
    theirs.receive_data(ours.send(Close(4001, b"bye")))
    assert theirs.events_received()[-1].opcode is Opcode.CLOSE
    assert theirs.close_rcvd.code == 4001
    assert ours.is_closed


@settings(max_examples=40)
@given(MESSAGES, st.booleans(), st.booleans(), BITS, st.just(True) | BITS)
def test_a_client(said, server_forgets, client_forgets, server_bits, client_bits):
    factory = ClientPerMessageDeflateFactory(server_forgets, client_forgets, server_bits, client_bits)
    theirs = ClientProtocol(URI, extensions=[factory], subprotocols=["chat"], max_size=None)
    theirs.send_request(theirs.connect())
    http = h1.ClientFacing()
    head, _ = http.receive(b"".join(theirs.data_to_send()))
    assert asks_for_websocket(head)
    opening = read_opening(head)
    value, agreement = answer(opening.offers)
    fields = [
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Accept", accept_for(opening.key)),
        (b"Sec-WebSocket-Extensions", value),
        (b"Sec-WebSocket-Protocol", b"chat"),
    ]
    theirs.receive_data(http.send_whole(ResponseHead(101, b"Switching Protocols", b"HTTP/1.1", fields), b""))
    assert theirs.state is OPEN
    assert theirs.events_received()
    converse(ClientFacing(compression=agreement), theirs, said, deflates=True)


@settings(max_examples=40)
@given(
    MESSAGES,
    st.booleans(),
    st.booleans(),
    BITS,
    BITS,
    st.sampled_from([b"", b"permessage-deflate", b"permessage-deflate; client_max_window_bits"]),
)
def test_a_server(said, server_forgets, client_forgets, server_bits, client_bits, offer):
    factory = ServerPerMessageDeflateFactory(server_forgets, client_forgets, server_bits, client_bits)
    theirs = ServerProtocol(extensions=[factory], subprotocols=["chat"], max_size=None)
    fields = [
        (b"Host", b"shop.example.com"),
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Key", make_key(b"sixteen bytes ok")),
        (b"Sec-WebSocket-Version", b"13"),
        (b"Sec-WebSocket-Protocol", b"other, chat"),
        (b"Sec-WebSocket-Extensions", offer),
    ]
    head = RequestHead(b"GET", b"/chat", b"HTTP/1.1", fields if offer else fields[:-1], 0, upgrade=b"websocket")
    opening = read_opening(head)
    assert offer_field(opening.offers) == offer
    http = h1.ServerFacing()
    theirs.receive_data(http.send(head) + http.send(END))
    (request,) = theirs.events_received()
    theirs.send_response(theirs.accept(request))
    (came, *_) = http.receive(b"".join(theirs.data_to_send()))
    assert is_accepted(head, came)
    assert check_answer(opening, came) == b"chat"
    agreement = agreed(opening.offers, came.headers)
    assert (agreement is not None) == bool(offer)
    converse(ServerFacing(lambda: b"wxyz", compression=agreement), theirs, said, deflates=agreement is not None)


@settings(max_examples=40)
@given(MESSAGES, st.booleans(), st.booleans(), st.booleans())
def test_windows_and_contexts_of_both_sides(said, server_keeps, client_keeps, is_client):
    agreement = Compression(9, 13, server_keeps, client_keeps)
    if is_client:
        theirs = ClientProtocol(URI, state=OPEN, max_size=None)
        theirs.extensions = [PerMessageDeflate(not server_keeps, not client_keeps, 9, 13)]
        converse(ClientFacing(compression=agreement), theirs, said, deflates=True)
    else:
        theirs = ServerProtocol(state=OPEN, max_size=None)
        theirs.extensions = [PerMessageDeflate(not client_keeps, not server_keeps, 13, 9)]
        converse(ServerFacing(lambda: b"wxyz", compression=agreement), theirs, said, deflates=True)
