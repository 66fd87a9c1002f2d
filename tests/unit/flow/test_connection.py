import pytest

from midstream.flow import Cert, Client, ConnectionState, ModeName, Server

FACTS = {
    "peername": ("192.0.2.1", 1), "sockname": ("::1", 2, 0, 0), "error": "broken", "tls": True, "alpn": b"h2",
    "alpn_offers": [b"h2", b"http/1.1"], "cipher": "X", "cipher_list": ["X", "Y"], "tls_version": "TLSv1.3",
    "sni": "example.com", "timestamp_start": 1.0, "timestamp_end": 3.0, "timestamp_tls_setup": 2.0,
    "transport_protocol": "udp", "certificate_list": [Cert(b"\x30\x00")],
}  # fmt: skip


def with_facts(connection):
    for name, value in FACTS.items():
        setattr(connection, name, value)
    return connection


def test_clients_start_open():
    client = Client(peername=("a", 1), sockname=("b", 2), timestamp_start=5.0)
    assert client.connected
    assert (client.peername, client.sockname, client.timestamp_start) == (("a", 1), ("b", 2), 5.0)
    assert client.proxy_mode.full_spec == "regular"
    assert not client.tls_established
    assert Client().timestamp_start > 5


def test_servers_start_closed():
    server = Server(address=("a", 1), via=("http", ("b", 2)), transport_protocol="udp")
    assert not server.connected
    assert server.state is ConnectionState.CLOSED
    assert (server.address, server.via, server.transport_protocol) == (("a", 1), ("http", ("b", 2)), "udp")
    assert Client(transport_protocol="udp").transport_protocol == "udp"


def test_the_fast_way_makes_the_same_server():
    via = ("http", ("b", 2))
    assert vars(Server.towards(("a", 1), via)) == vars(Server(address=("a", 1), via=via))


def test_half_open_is_not_connected():
    server = Server()
    server.state = ConnectionState.CAN_READ
    assert not server.connected
    server.state |= ConnectionState.CAN_WRITE
    assert server.connected


def test_the_target_of_an_open_connection_cannot_be_changed():
    server = Server(address=("a", 1), via=("http", ("b", 2)))
    server.address = ("b", 2)
    server.via = None
    server.state = ConnectionState.OPEN
    with pytest.raises(RuntimeError, match=r"server\.address while the connection is open"):
        server.address = ("c", 3)
    with pytest.raises(RuntimeError, match=r"server\.via while the connection is open"):
        server.via = ("http", ("c", 3))


def test_ad_10_assigning_the_same_target_is_allowed():
    server = Server(address=("a", 1))
    server.state = ConnectionState.OPEN
    server.address = ("a", 1)
    server.via = None


def test_identity():
    first, second = Client(), Client()
    assert first.id == first.id
    assert len(first.id) == 36
    assert first == first.copy()
    assert first != second
    assert first != first.id
    assert len({first, first.copy(), second}) == 2
    second.id = first.id
    assert first == second


@pytest.mark.parametrize(
    "connection", [with_facts(Client()), with_facts(Server(address=("a", 1), via=("http", ("b", 2))))]
)
def test_state_round_trip(connection):
    state = connection.get_state()
    copy = type(connection).from_state(state)
    assert copy.get_state() == state
    assert copy is not connection
    assert copy.id == connection.id
    assert copy.tls_established
    assert copy.certificate_list == connection.certificate_list


def test_state_keys_of_clients():
    assert set(Client().get_state()) == {
        "alpn", "alpn_offers", "certificate_list", "cipher", "cipher_list", "error", "http2", "id", "mitmcert", "peername",
        "proxy_mode", "sni", "sockname", "timestamp_end", "timestamp_start", "timestamp_tls_setup", "tls", "tls_version",
        "transport_protocol",
    }  # fmt: skip


def test_state_keys_of_servers():
    extra = set(Server().get_state()) ^ set(Client().get_state())
    assert extra == {"mitmcert", "proxy_mode", "address", "via", "timestamp_tcp_setup"}


def test_lists_become_tuples_again():
    server = Server.from_state({"address": ["a", 1], "via": ["http", ["b", 2]], "peername": ["c", 3]})
    assert (server.address, server.via, server.peername) == (("a", 1), ("http", ("b", 2)), ("c", 3))


def test_clients_remember_mode_and_certificate():
    client = Client(proxy_mode=ModeName("reverse:http://a"))
    client.mitmcert = Cert(b"\x30\x00")
    copy = client.copy()
    assert copy.proxy_mode.full_spec == "reverse:http://a"
    assert copy.mitmcert == client.mitmcert


def test_repr_shows_what_is_known():
    assert repr(Client(peername=("a", 1), state=ConnectionState.CLOSED)) == "Client(peername=('a', 1))"
