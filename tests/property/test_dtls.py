"""DTLS: hellos in whatever fragments, datagrams in whatever order and number, and whatever comes instead of them."""

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from midstream.pki import CertificateAuthority, CertStore, LeafNames
from midstream.testing.dtls import DtlsPeer
from midstream.wire.errors import PeerError
from midstream.wire.tls.datagrams import DtlsEndpoint
from midstream.wire.tls.dtls import HelloReader, record, records, without_cookie


class Way:
    """One end of a line on which nothing happens."""

    def __init__(self):
        self.other = self
        self.arrived = []

    def sends(self, datagram):
        self.other.arrived.append(datagram)

    def received(self):
        came, self.arrived = self.arrived, []
        return came


@cache
def contexts():
    leaf = CertStore(CertificateAuthority.create()).leaf_for(LeafNames("a.example"))
    client, server = SSL.Context(SSL.DTLS_METHOD), SSL.Context(SSL.DTLS_METHOD)
    server.use_certificate(leaf.identity.certificate)
    server.use_privatekey(leaf.identity.key)
    return client, server


def joined():
    ways = Way(), Way()
    ways[0].other, ways[1].other = ways[1], ways[0]
    for_client, for_server = contexts()
    client = DtlsPeer(ways[0], DtlsEndpoint.over(for_client, server_side=False, server_hostname="a.example"))
    server = DtlsPeer(ways[1], DtlsEndpoint.over(for_server, server_side=True))
    return client.shake(server), server


@cache
def hello():
    client = DtlsEndpoint.over(contexts()[0], server_side=False, server_hostname="a.example")
    client.start()
    return client.take_output()[0]


@st.composite
def fragments(draw):
    """The hello in fragments that cover it, some of them more than once, in any order."""
    body = next(records(hello())).body[12:]
    cuts = sorted(draw(st.sets(st.integers(1, len(body) - 1), max_size=12)))
    spans = list(zip([0, *cuts], [*cuts, len(body)], strict=True))
    more = draw(st.lists(st.tuples(st.integers(0, len(body)), st.integers(0, len(body))), max_size=6))
    spans += [(start, end) for start, end in more if start <= end]
    head = b"\x01" + len(body).to_bytes(3) + b"\0\0"
    return [
        record(22, head + start.to_bytes(3) + (end - start).to_bytes(3) + body[start:end], number)
        for number, (start, end) in enumerate(draw(st.permutations(spans)))
    ]


@given(fragments(), st.booleans())
def test_a_hello_is_the_same_in_whatever_fragments(pieces, is_one_datagram):
    reader = HelloReader()
    datagrams = [b"".join(pieces)] if is_one_datagram else pieces
    found = [each for datagram in datagrams if (each := reader.receive(datagram)) is not None]
    assert found
    assert all(each.raw == hello()[13:] for each in found)
    assert without_cookie(found[0]) == hello()[13:]


@given(
    st.lists(st.binary(max_size=80) | st.builds(record, st.integers(20, 26), st.binary(max_size=60), st.integers(0, 9)))
)
def test_nothing_but_peer_errors_leaves_the_reader(datagrams):
    reader = HelloReader()
    try:
        for datagram in datagrams:
            reader.receive(datagram)
    except PeerError:
        pass


@settings(max_examples=40)
@given(st.data(), st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=30))
def test_messages_come_once_each_whatever_the_network_does(data, messages):
    client, server = joined()
    sent = [client.endpoint.send(message)[0] for message in messages]
    order = data.draw(st.lists(st.integers(0, len(sent) - 1), max_size=60))
    came = [message for number in order for message in server.endpoint.receive(sent[number])]
    assert came == [messages[number] for number in dict.fromkeys(order)]


@settings(max_examples=60)
@given(
    st.lists(
        st.binary(max_size=80) | st.builds(record, st.integers(20, 23), st.binary(max_size=60), st.integers(9, 99))
    )
)
def test_garbage_never_ends_a_session(datagrams):
    client, server = joined()
    for datagram in datagrams:
        assert server.endpoint.receive(datagram) == []
    client.sends(b"still here")
    assert server.received() == [b"still here"]


@settings(max_examples=60)
@given(
    st.lists(
        st.binary(max_size=80) | st.builds(record, st.integers(20, 23), st.binary(max_size=60), st.integers(0, 99))
    )
)
def test_nothing_but_peer_errors_leaves_an_endpoint(datagrams):
    for_client, _ = contexts()
    client = DtlsEndpoint.over(for_client, server_side=False)
    client.start()
    try:
        for datagram in datagrams:
            client.receive(datagram)
            client.take_output()
    except PeerError:
        assert client.receive(b"anything") == []
