from midstream.flow import Client, Server
from midstream.hooks.data import ClientHelloData, Context, NextLayer, ServerConnectionHookData, Socks5AuthData, TlsData


def context() -> Context:
    return Context(Client(), Server())


def test_data_is_compared_by_identity_since_it_stands_for_an_event():
    one = Socks5AuthData(Client(), "anna", "secret")
    assert one != Socks5AuthData(one.client_conn, "anna", "secret")
    assert len({one, one}) == 1


def test_credentials_are_not_valid_until_somebody_says_so():
    assert not Socks5AuthData(Client(), "anna", "secret").valid


def test_next_layer_shows_the_bytes_of_the_client():
    layer = NextLayer(context(), "tcp", b"SSH-2.0")
    assert (layer.data_client(), layer.data_server()) == (b"SSH-2.0", b"")
    layer.layer = "http"
    assert layer.layer == "http"


def test_tls_data_can_take_a_connection_of_the_author():
    around = context()
    data = TlsData(around.client, around)
    assert data.ssl_conn is None
    assert not data.is_dtls


def test_server_and_hello_data_have_the_known_names():
    around = context()
    data = ServerConnectionHookData(around.server, around.client)
    assert (data.server, data.client) == (around.server, around.client)
    hello = ClientHelloData(around, client_hello=None)  # type: ignore[arg-type]
    assert (hello.ignore_connection, hello.establish_server_tls_first) == (False, False)
