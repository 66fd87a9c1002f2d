import pytest

from midstream.wire.ws import ClientFacing, Message, ServerFacing
from midstream.wire.ws.events import TEXT, Close, Ping, close_for
from midstream.wire.ws.negotiate import Compression


@pytest.fixture
def pair():
    return ClientFacing(), ServerFacing(lambda: b"abcd")


def test_ws_06_the_closing_handshake(pair):
    client, server = pair
    assert client.is_open
    client.receive(server.send(Close(1000)))
    for engine in pair:
        assert not engine.is_open
        assert not engine.is_closed
    server.receive(client.send(Close(1000)))
    for engine in pair:
        assert engine.is_closed
        assert not engine.has_failed


def test_ws_06_both_close_at_once(pair):
    client, server = pair
    one, other = client.send(Close(1000)), server.send(Close(1001))
    assert client.receive(other) == [Close(1001)]
    assert server.receive(one) == [Close(1000)]
    assert client.is_closed
    assert server.is_closed


def test_ws_08_a_fault_is_answered_with_its_code(pair):
    client, _ = pair
    (error,) = client.receive(b"\x83\x80abcd")
    assert not client.is_open
    assert not client.is_closed
    assert (
        client.send(close_for(error))
        == b"\x88\x19\x03\xeathe reserved opcode 3"[:1] + bytes((23,)) + b"\x03\xeathe reserved opcode 3"
    )
    assert client.is_closed


def test_an_engine_says_nothing_by_itself(pair):
    client, server = pair
    client.receive(server.send(Ping(b"x")))
    assert client.send(Ping(b"y")) == b"\x89\x01y"


@pytest.mark.parametrize("facing_client", [True, False])
def test_ws_01_each_side_keeps_to_its_own_agreement(facing_client):
    agreement = Compression(server_bits=9, client_bits=15, server_keeps_context=True, client_keeps_context=False)
    engine = (
        ClientFacing(compression=agreement) if facing_client else ServerFacing(lambda: bytes(4), compression=agreement)
    )
    text = b"".join(b"%d," % at for at in range(500))
    message = Message(TEXT, text + text, (), True)
    first, second = engine.send(message), engine.send(message)
    if facing_client:
        # A window of 512 bytes knows nothing of what stood 1900 bytes before.
        assert abs(len(first) - len(second)) < 100
        assert engine.compression is agreement
    else:
        assert first == second
        assert len(first) < len(ClientFacing(compression=agreement).send(message)) * 0.7
