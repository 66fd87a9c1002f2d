"""Two ends of DTLS against each other, in memory, and what happens to datagrams on the way."""

import time
from collections import deque

import pytest
from OpenSSL import SSL

from midstream.errors import UsageError
from midstream.testing.dtls import DtlsPeer
from midstream.wire.tls.datagrams import MTU, DtlsEndpoint, packed, records_of
from midstream.wire.tls.dtls import HelloReader, record, records
from midstream.wire.tls.failure import TlsError


class Way:
    """One end of a line; what is sent is the other's to receive, unless `spoil` makes something else of it."""

    def __init__(self, spoil=lambda _number, datagram: [datagram]):
        self.other = self
        self.arrived = deque()
        self.sent = []
        self.spoil = spoil

    def sends(self, datagram):
        self.sent.append(datagram)
        self.other.arrived.extend(self.spoil(len(self.sent) - 1, datagram))

    def received(self):
        came = list(self.arrived)
        self.arrived.clear()
        return came


def line(**spoils):
    client, server = (Way(spoils[side]) if side in spoils else Way() for side in ("client", "server"))
    client.other, server.other = server, client
    return client, server


@pytest.fixture
def contexts(pki):
    def make(side, **changes):
        context = SSL.Context(SSL.DTLS_METHOD)
        if side == "server":
            context.use_certificate_chain_file(changes.get("certificate", pki.server))
            context.use_privatekey_file(changes.get("certificate", pki.server))
            context.set_session_id(b"test")
        else:
            context.load_verify_locations(pki.ca)
            context.set_verify(SSL.VERIFY_PEER)
        return context

    return make


@pytest.fixture
def join(contexts):
    """Make two peers on a line."""

    def make(*, client_context=None, server_context=None, name="example.com", **spoils):
        client_way, server_way = line(**spoils)
        client = DtlsEndpoint.over(client_context or contexts("client"), server_side=False, server_hostname=name)
        server = DtlsEndpoint.over(server_context or contexts("server"), server_side=True)
        return DtlsPeer(client_way, client), DtlsPeer(server_way, server)

    return make


@pytest.fixture
def joined(join):
    client, server = join()
    client.shake(server)
    return client, server


def test_a_handshake_establishes_both_ends(joined):
    for peer in joined:
        assert peer.endpoint.is_established
        assert not peer.endpoint.is_closed
        assert peer.endpoint.version == "DTLSv1.2"
        assert "GCM" in peer.endpoint.cipher
        assert peer.endpoint.alpn is None
        assert peer.endpoint.timeout is None
        assert not peer.endpoint.was_resumed
    client, server = joined
    assert len(client.endpoint.peer_chain) == 1
    assert server.endpoint.peer_chain == []


def test_messages_keep_their_borders(joined):
    client, server = joined
    client.sends(b"one", b"two", bytes(16384))
    assert server.received() == [b"one", b"two", bytes(16384)]
    datagrams = [datagram for message in (b"a", b"b") for datagram in server.endpoint.send(message)]
    assert client.endpoint.receive(b"".join(datagrams)) == [b"a", b"b"]


def test_facts_are_empty_before_the_handshake(join):
    client, _ = join()
    assert (client.endpoint.version, client.endpoint.cipher, client.endpoint.peer_chain) == ("", "", [])
    assert 0 <= client.endpoint.timeout <= 1
    client.endpoint.retransmit()
    assert client.endpoint.take_output()


def test_what_cannot_be_sent(joined, join):
    client, server = joined
    assert client.endpoint.send(b"") == []
    with pytest.raises(UsageError, match="16385 bytes does not fit into DTLS, which takes 16384"):
        client.endpoint.send(bytes(16385))
    early, _ = join()
    early.endpoint.take_output()
    assert early.endpoint.send(b"early") == []
    client.ends()
    assert client.endpoint.send(b"late") == []
    assert server.received() == []
    assert server.endpoint.is_closed


def test_goodbye(joined):
    client, server = joined
    client.sends(b"last")
    client.ends()
    assert server.received() == [b"last"]
    assert server.endpoint.is_closed
    assert len(server.endpoint.close()) == 1
    assert server.endpoint.close() == []
    assert client.endpoint.receive(server.datagrams[-1]) == []


def test_an_end_that_never_was_established_says_no_goodbye(join):
    client, _ = join()
    client.endpoint.take_output()
    assert client.endpoint.close() == []
    client.endpoint.retransmit()
    assert client.endpoint.timeout is None


def test_repeated_damaged_and_strange_datagrams_are_dropped(joined):
    client, server = joined
    (datagram,) = client.endpoint.send(b"one")
    damaged = datagram[:-1] + bytes((datagram[-1] ^ 1,))
    strange = (damaged, b"junk", b"", datagram[:-1], record(21, b"\2\x28", 99), record(23, b"clear", 99))
    for each in (*strange, datagram, datagram):
        server.endpoint.receive(each)
    (second,) = client.endpoint.send(b"two")
    assert server.endpoint.receive(second) == [b"two"]
    assert server.endpoint.receive(second) == []
    assert server.endpoint.take_output() == []


def test_messages_that_come_before_the_handshake_is_complete_wait(join):
    held = []
    client, server = join()
    spoil = lambda _number, datagram: held.append(datagram) or [] if server.endpoint.is_established else [datagram]  # noqa: E731
    server._carrier.spoil = spoil
    client.shake(server)
    assert not client.endpoint.is_established
    (early,) = server.endpoint.send(b"early")
    assert client.endpoint.receive(early) == []
    assert [message for datagram in held for message in client.endpoint.receive(datagram)] == [b"early"]


def test_handshake_datagrams_are_small(join, contexts, pki):
    context = contexts("server")
    for _ in range(4):
        context.add_extra_chain_cert(pki.certificate)
    client, server = join(server_context=context)
    client.shake(server)
    sizes = [len(datagram) for datagram in server.datagrams]
    assert max(sizes) <= MTU
    assert sum(sizes) > MTU
    assert client.endpoint.is_established
    assert len(client.endpoint.peer_chain) == 5


@pytest.mark.parametrize("name", ["example.com", "127.0.0.1", "other.example"])
def test_the_name_is_verified(join, name):
    client, server = join(name=name)
    if name != "other.example":
        assert client.shake(server).endpoint.is_established
        return
    with pytest.raises(TlsError, match="does not verify: hostname mismatch") as caught:
        client.shake(server)
    assert caught.value.kind == "verify"
    with pytest.raises(TlsError, match="does not accept our certificate"):
        server.shake()
    assert server.endpoint.receive(b"anything") == []
    assert server.endpoint.take_output() == []


def test_an_end_without_a_common_cipher(join, contexts):
    context = contexts("client")
    context.set_cipher_list(b"ECDHE-RSA-AES128-GCM-SHA256")
    client, server = join(client_context=context)
    with pytest.raises(TlsError, match="no cipher"):
        client.shake(server)
    with pytest.raises(TlsError, match="found no cipher"):
        client.shake()


def test_a_name_that_is_none(contexts):
    with pytest.raises(UsageError, match="is no host name"):
        DtlsEndpoint.over(contexts("client"), server_side=False, server_hostname=".example")


def test_sessions_are_resumed_by_clients(join, contexts):
    context, servers = contexts("client"), contexts("server")
    client, server = join(client_context=context, server_context=servers)
    client.shake(server)
    again, server = join(client_context=context, server_context=servers)
    connection = SSL.Connection(context, None)
    connection.set_session(client.endpoint.session)
    again = DtlsPeer(again._carrier, DtlsEndpoint(connection, server_side=False))
    again._carrier.other.arrived.clear()
    again.shake(server)
    assert again.endpoint.was_resumed
    assert server.endpoint.was_resumed


def test_numbers_of_records_go_on_from_the_hello(join):
    client, server = join()
    client.turn()
    reader = HelloReader()
    (first,) = server._carrier.received()
    hello = reader.receive(first)
    server.endpoint.adopt(hello, 7)
    assert next(records(server.endpoint.take_output()[0])).sequence == 7


def test_records_are_packed():
    big, small, data = record(22, bytes(700), 1), record(22, bytes(100), 2), record(23, b"x", 3)
    hello = record(22, b"\1" + bytes(20), 4)
    stream = big + small + big + data + data + small + hello + hello
    assert packed(records_of(stream)) == [big + small, big, data, data, small, hello, hello]


# Loss. OpenSSL says things again by its own clock, which no test can move: all losses wait for it together.


class Loss:
    """A handshake that loses certain datagrams."""

    def __init__(self, join, lost):
        self.lost = lost
        spoils = {side: self._spoil(side) for side in ("client", "server")}
        self.peers = join(**spoils)

    def _spoil(self, side):
        return lambda number, datagram: [] if (side, number) in self.lost else [datagram]

    def go_on(self):
        client, server = self.peers
        for peer in self.peers:
            peer.endpoint.retransmit()
        client.shake(server)
        return [peer.endpoint.timeout for peer in self.peers if peer.endpoint.timeout is not None]


def test_what_gets_lost_is_said_again(join):
    losses = [{(side, number)} for side in ("client", "server") for number in range(3)]
    losses += [{("client", 2), ("server", 2)}, {("client", 1), ("client", 2)}]
    handshakes = [Loss(join, lost) for lost in losses]
    while waits := [seconds for handshake in handshakes for seconds in handshake.go_on()]:
        time.sleep(min(waits))
    for handshake in handshakes:
        assert all(peer.endpoint.is_established for peer in handshake.peers), handshake.lost
        client, server = handshake.peers
        client.sends(b"here")
        assert server.received() == [b"here"]
