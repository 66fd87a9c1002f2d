"""TLS on both sides, layer by layer: hooks, certificates, names, protocols, and what everybody is told when it fails."""

import logging
import ssl

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from OpenSSL import SSL

from midstream.flow import Cert
from midstream.pki import LeafNames
from midstream.testing.tls import TlsPeer, client_context, tls_client
from midstream.wire.tls.endpoint import StdlibEndpoint
from midstream.wire.tls.failure import TlsError
from midstream.wire.tls.openssl import OpenSSLEndpoint
from scriptkit.recorder import Recorder

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HOOKS = (
    "tls_clienthello tls_start_client tls_established_client tls_failed_client "
    "tls_start_server tls_established_server tls_failed_server tcp_start tcp_message tcp_end tcp_error"
)


@pytest.fixture
def tls():
    """Record hooks of TLS and of TCP flows."""
    return Recorder(*HOOKS.split())


def tunnel(scenario, target=b"a.example:443", **client):
    """Go into a CONNECT tunnel."""
    client = scenario.client(**client)
    client.sends(b"CONNECT " + target + b" HTTP/1.1\r\nHost: " + target + b"\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 200 ")
    return client


def leaf_of(client: TlsPeer) -> Cert:
    return Cert(client.endpoint.peer_chain[0])


def both(scenario, origins, *, name="a.example", alpn=(), server_alpn=(b"http/1.1",), **server):
    """Open TLS on both sides of a tunnel to a.example."""
    client = tls_client(scenario, tunnel(scenario), name, alpn=alpn)
    client.turn()
    server = origins.serve(scenario.servers[-1], "a.example", alpn=server_alpn, **server)
    return client.shake(server), server


def exchange(client, server):
    client.sends(GET)
    assert server.received() == GET
    server.sends(OK)
    assert client.received() == OK


def test_requests_inside_tls_are_read(trusting, origins, tape, tls):
    scenario = trusting(addons=[tape, tls])
    client, server = both(scenario, origins)
    exchange(client, server)
    flow = tape.flow
    assert flow.request.url == "https://a.example/"
    assert flow.client_conn.tls_established
    assert flow.client_conn.sni == "a.example"
    assert flow.client_conn.cipher in flow.client_conn.cipher_list
    assert flow.server_conn.sni == "a.example"
    assert flow.server_conn.tls_version == "TLSv1.3"
    assert flow.server_conn.certificate_list[0].cn == "a.example"
    assert tls.hooks == [
        "tls_clienthello",
        "tls_start_server",
        "tls_established_server",
        "tls_start_client",
        "tls_established_client",
    ]


def test_tls_35_the_leaf_mirrors_the_servers_certificate_and_names_what_was_asked(trusting, origins):
    scenario = trusting()
    client, _ = both(scenario, origins, sans=("other.example", "*.wild.example", "192.0.2.7"))
    leaf = leaf_of(client)
    assert leaf.cn == "a.example"
    assert leaf.organization == "Origins Ltd"
    assert set(leaf.altnames) == {"a.example", "other.example", "*.wild.example", "192.0.2.7"}


def test_tls_35_without_upstream_cert_the_server_is_not_asked(trusting, origins, tls):
    scenario = trusting(upstream_cert=False, addons=[tls])
    client = tls_client(scenario, tunnel(scenario), "a.example").shake()
    assert client.endpoint.is_established
    assert leaf_of(client).altnames == ["a.example"]
    assert tls.hooks[1:3] == ["tls_start_client", "tls_established_client"]
    client.sends(GET)
    server = origins.serve(scenario.servers[0], "a.example").shake()
    assert server.received() == GET


def test_tls_30_the_second_client_does_not_wait_for_the_servers_certificate(trusting, origins):
    scenario = trusting()
    client, server = both(scenario, origins)
    exchange(client, server)
    other = tls_client(scenario, tunnel(scenario), "a.example").shake()
    assert other.endpoint.is_established
    assert leaf_of(other).organization == "Origins Ltd"
    exchange(other, server)
    assert len(scenario.servers) == 1


def test_tls_30_sessions_are_resumed_with_clients(trusting, origins):
    scenario = trusting()
    context = client_context(scenario.session.tls.store.authority.certificate)
    first = tls_client(scenario, tunnel(scenario), "a.example", context=context)
    first.turn()
    server = origins.serve(scenario.servers[0], "a.example")
    first.shake(server)
    exchange(first, server)
    second = tls_client(
        scenario, tunnel(scenario), "a.example", context=context, session=first.endpoint.session
    ).shake()
    assert second.endpoint.was_resumed


def test_tls_30_sessions_are_resumed_with_servers(trusting, origins):
    scenario = trusting()
    client, server = both(scenario, origins)
    client.sends(GET)
    server.sends(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))
    client.received()
    scenario.servers[0].ends()
    other = tls_client(scenario, tunnel(scenario), "a.example").shake()
    other.sends(GET)
    server = origins.serve(scenario.servers[1], "a.example", alpn=(b"http/1.1",)).shake()
    assert server.received() == GET
    assert server.endpoint.was_resumed


# Trust.


def test_tls_37_a_server_that_cannot_be_verified_is_a_502_that_says_why(play, origins, tape, tls):
    scenario = play(addons=[tape, tls])
    client = tls_client(scenario, tunnel(scenario), "a.example")
    client.turn()
    server = origins.serve(scenario.servers[0], "a.example")
    with pytest.raises(TlsError) as failure:
        client.shake(server)
    assert failure.value.alert == "unknown_ca", "OB-01: the server is told with the right alert"
    client.shake()
    assert client.endpoint.is_established, "the client can be told"
    client.sends(GET)
    again = origins.serve(scenario.servers[1], "a.example")
    with pytest.raises(TlsError):
        again.shake()
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"does not verify" in answer
    assert "does not verify" in tape.flow.error.msg
    assert tls.hooks.count("tls_failed_server") == 2
    assert "does not verify" in tls.data["tls_failed_server"].conn.error


def test_tls_37_a_server_of_another_name_is_refused(trusting, origins):
    scenario = trusting()
    client = tls_client(scenario, tunnel(scenario, b"b.example:443"), "b.example")
    client.turn()
    server = origins.serve(scenario.servers[0], "a.example")
    with pytest.raises(TlsError):
        client.shake(server)
    client.shake().sends(GET)
    with pytest.raises(TlsError):
        origins.serve(scenario.servers[1], "a.example").shake()
    assert b"b.example" in client.received()


def test_tls_37_insecure_takes_any(play, origins):
    scenario = play(ssl_insecure=True)
    client, server = both(scenario, origins)
    exchange(client, server)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_tls_37_addresses_are_verified_as_addresses(trusting, origins, address):
    scenario = trusting()
    target = f"[{address}]:443" if ":" in address else f"{address}:443"
    client = tls_client(scenario, tunnel(scenario, target.encode()), address)
    client.turn()
    server = origins.serve(scenario.servers[0], address)
    client.shake(server)
    assert leaf_of(client).altnames == [address]
    exchange(client, server)


def test_tls_29_a_client_that_does_not_trust_us(trusting, origins, tls, caplog):
    scenario = trusting(upstream_cert=False, addons=[tls])
    plain = tunnel(scenario)
    client = tls_client(scenario, plain, "a.example", context=client_context(origins.authority.certificate))
    with caplog.at_level(logging.INFO, "midstream.proxy"), pytest.raises(TlsError):
        client.shake()
    assert plain.is_closed
    assert tls.hooks == ["tls_clienthello", "tls_start_client", "tls_failed_client"]
    assert "does not accept our certificate" in tls.data["tls_failed_client"].conn.error
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "a.example" in record.getMessage()
    assert "does not accept our certificate" in record.getMessage()


@pytest.mark.parametrize("how", ["ends", "leaves"])
def test_tls_29_a_client_that_goes_away_on_seeing_our_certificate(trusting, tls, how, caplog):
    scenario = trusting(upstream_cert=False, addons=[tls])
    plain = tunnel(scenario)
    client = tls_client(scenario, plain, "a.example")
    client.turn()
    with caplog.at_level(logging.INFO, "midstream.proxy"):
        getattr(plain, how)()
    assert plain.is_closed
    assert tls.hooks[-1] == "tls_failed_client"
    assert [record for record in caplog.records if record.levelno == logging.WARNING]


# Names.


def test_tls_24_without_sni_the_destination_decides(trusting, origins):
    scenario = trusting()
    client, server = both(scenario, origins, name=None)
    assert leaf_of(client).altnames == ["a.example"]
    exchange(client, server)


def test_tls_24_the_clients_sni_is_sent_on(trusting, origins, tape):
    scenario = trusting(addons=[tape])
    client = tls_client(scenario, tunnel(scenario, b"192.0.2.1:443"), "a.example")
    client.turn()
    server = origins.serve(scenario.servers[0], "a.example")
    client.shake(server)
    exchange(client, server)
    assert tape.flow.server_conn.sni == "a.example"


def test_tls_26_a_request_for_another_server_than_tls_was_made_with_is_noted(trusting, origins, tape):
    scenario = trusting(addons=[tape])
    client, server = both(scenario, origins)
    exchange(client, server)
    assert tape.flow.annotations == []
    client.sends(b"GET /x HTTP/1.1\r\nHost: B.example:443\r\n\r\n")
    server.received()
    server.sends(OK)
    client.received()
    (remark,) = tape.flows[-1].annotations
    assert (remark.message, remark.reference) == (
        "the request is for B.example:443, the TLS handshake was with a.example",
        "RFC 9110 §7.4",
    )


def test_tls_24_an_address_as_sni_is_not_sent_on(trusting, origins, tls):
    scenario = trusting(addons=[tls])
    connection = SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)
    connection.set_tlsext_host_name(b"192.0.2.1")
    connection.set_connect_state()
    client = TlsPeer(tunnel(scenario), OpenSSLEndpoint(connection, server_side=False))
    client.turn()
    server = origins.serve(scenario.servers[0], "a.example")
    client.shake(server)
    assert client.endpoint.is_established
    assert tls.data["tls_established_server"].conn.sni == "a.example"


# Protocols.


@pytest.mark.parametrize(
    ("offers", "chosen"),
    [((), None), (("http/1.1",), b"http/1.1"), (("h2", "http/1.1"), b"http/1.1"), (("h2",), b"h2")],
)
def test_alpn_towards_clients(trusting, origins, offers, chosen):
    scenario = trusting()
    client, server = both(scenario, origins, alpn=offers)
    assert client.endpoint.alpn == chosen
    assert server.endpoint.alpn == b"http/1.1"
    if chosen != b"h2":  # spoken in HTTP/2's own scenarios
        exchange(client, server)


def test_alpn_of_other_protocols_is_passed_on_both_ways(trusting, origins, tls):
    scenario = trusting(addons=[tls])
    for _ in range(2):  # the second time the server's certificate is known, but not yet what it speaks
        client, server = both(scenario, origins, alpn=("x-amzn-mqtt-ca",), server_alpn=(b"x-amzn-mqtt-ca",))
        assert client.endpoint.alpn == b"x-amzn-mqtt-ca"
        assert server.endpoint.alpn == b"x-amzn-mqtt-ca"
        client.sends(b"\x10\x0c\x00\x04MQTT")
        assert server.received() == b"\x10\x0c\x00\x04MQTT"
    assert "tcp_message" in tls.hooks


# What is inside.


def test_raw_bytes_inside_tls_are_a_tcp_flow(trusting, origins, tls):
    scenario = trusting(addons=[tls])
    client, server = both(scenario, origins)
    client.sends(b"\x00\x01\x02")
    assert server.received() == b"\x00\x01\x02"
    server.sends(b"back")
    assert client.received() == b"back"
    client.ends()
    assert server.received() == b""
    assert server.endpoint.is_closed
    server.sends(b"more")
    assert client.received() == b"more"
    server.ends()
    assert tls.hooks[-1] == "tcp_end"


def test_the_server_may_speak_first_inside_tls(trusting, origins, tls):
    scenario = trusting(addons=[tls])
    client, server = both(scenario, origins)
    server.sends(b"* OK IMAP4\r\n")
    assert client.received() == b"* OK IMAP4\r\n"
    client.sends(b"a LOGOUT\r\n")
    assert server.received() == b"a LOGOUT\r\n"


def test_the_server_may_speak_first_inside_tls_when_its_certificate_is_known(trusting, origins):
    scenario = trusting()
    both(scenario, origins)
    client = tls_client(scenario, tunnel(scenario), "a.example").shake()
    assert client.endpoint.is_established
    server = origins.serve(scenario.servers[1], "a.example").shake()
    server.sends(b"* OK IMAP4\r\n")
    assert client.received() == b"* OK IMAP4\r\n"


def test_tls_inside_tls_that_was_opened_is_relayed(trusting, origins, tls):
    scenario = trusting(addons=[tls])
    client, server = both(scenario, origins)
    inner = tls_client(scenario, client, "inner.example", context=client_context(origins.authority.certificate))
    inner.turn()
    inner_server = origins.serve(server, "inner.example")
    inner.shake(inner_server)
    inner.sends(b"secret")
    assert inner_server.received() == b"secret"


def test_tls_33_tls_that_makes_no_sense_is_relayed_as_bytes(trusting, tls):
    scenario = trusting(addons=[tls])
    client = tunnel(scenario)
    client.sends(b"\x16\x03\x01\x00\x05\x07hello")
    assert scenario.servers[0].received() == b"\x16\x03\x01\x00\x05\x07hello"
    assert tls.hooks == ["tcp_start", "tcp_message"]


def test_tls_23_a_client_hello_may_come_in_any_pieces(trusting, origins):
    scenario = trusting()
    plain = tunnel(scenario)
    client = tls_client(scenario, plain, "a.example", alpn=tuple(f"proto-{n:0240}" for n in range(60)))
    hello = client._waiting
    assert len(hello) > 15_000
    client._waiting = b""
    plain.sends(hello, piece=997)
    server = origins.serve(scenario.servers[0], "a.example")
    client.shake(server)
    assert client.endpoint.is_established


# Addons.


def test_tls_clienthello_can_leave_a_connection_alone(trusting, origins, tls):
    class Ignore:
        def tls_clienthello(self, data):
            data.ignore_connection = data.client_hello.sni == "a.example"

    scenario = trusting(addons=[tls, Ignore()])
    client = tls_client(scenario, tunnel(scenario), "a.example", context=client_context(origins.authority.certificate))
    client.turn()
    server = origins.serve(scenario.servers[0], "a.example")
    client.shake(server)
    assert client.endpoint.peer_chain == server_chain(origins)
    assert tls.hooks == ["tls_clienthello"]


def server_chain(origins):
    leaf = origins._profiles.store.leaf_for(LeafNames("a.example", (), organization="Origins Ltd"))
    return [leaf.certificate]


def test_tls_clienthello_can_have_the_server_asked_first(trusting, origins, tls):
    class First:
        def tls_clienthello(self, data):
            data.establish_server_tls_first = True

    scenario = trusting(addons=[tls, First()], upstream_cert=False)
    for _ in range(2):
        client, _ = both(scenario, origins)
        assert client.endpoint.is_established
    assert tls.hooks.count("tls_established_server") == 2


def test_addons_may_bring_their_own_connection(trusting, origins):
    class Own:
        def tls_start_server(self, data):
            context = SSL.Context(SSL.TLS_METHOD)
            context.set_alpn_protos([b"http/1.1"])
            data.ssl_conn = SSL.Connection(context, None)
            data.ssl_conn.set_connect_state()

    scenario = trusting(addons=[Own()], ssl_verify_upstream_trusted_ca=None)
    client, server = both(scenario, origins)
    exchange(client, server)


# TLS to us.


def test_tls_32_tls_to_the_proxy_and_tls_in_it(trusting, origins, tape, tls):
    scenario = trusting(addons=[tape, tls])
    outer = tls_client(scenario, scenario.client(), "proxy.example").shake()
    assert leaf_of(outer).altnames == ["proxy.example"]
    outer.sends(b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n")
    assert outer.received().startswith(b"HTTP/1.1 200 ")
    client = tls_client(scenario, outer, "a.example")
    client.turn()
    server = origins.serve(scenario.servers[0], "a.example")
    client.shake(server)
    exchange(client, server)
    assert tape.flow.request.url == "https://a.example/"


def test_tls_to_the_proxy_and_clear_text_in_it(trusting, tape):
    scenario = trusting(addons=[tape])
    outer = tls_client(scenario, scenario.client(), "proxy.example").shake()
    outer.sends(b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n")
    (server,) = scenario.servers
    assert server.address == ("a.example", 80)
    server.sends(OK)
    assert outer.received() == OK


def test_tls_to_the_proxy_by_address(trusting):
    scenario = trusting()
    outer = tls_client(scenario, scenario.client(), None).shake()
    assert leaf_of(outer).altnames == ["127.0.0.1"]


@pytest.mark.parametrize("option", ["ignore_hosts", "allow_hosts"])
def test_md_06_ignored_connections_work_in_a_secure_proxy(trusting, origins, tls, option):
    pattern = "a.example" if option == "ignore_hosts" else "nothing"
    scenario = trusting(addons=[tls], **{option: [pattern]})
    outer = tls_client(scenario, scenario.client(), "a.example").shake()
    outer.sends(b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n")
    assert outer.received().startswith(b"HTTP/1.1 200 ")
    client = tls_client(scenario, outer, "a.example", context=client_context(origins.authority.certificate))
    client.turn()
    server = origins.serve(scenario.servers[0], "a.example")
    client.shake(server)
    exchange(client, server)


# Time and breaking off.


def test_tls_40_a_client_that_never_finishes_its_handshake(trusting, tls):
    scenario = trusting(addons=[tls], upstream_cert=False, tls_handshake_timeout=10)
    plain = tunnel(scenario)
    tls_client(scenario, plain, "a.example").turn()
    scenario.advance(11)
    assert plain.is_closed
    assert "TLS handshake" in tls.data["tls_failed_client"].conn.error
    assert "client" in tls.data["tls_failed_client"].conn.error


def test_tls_40_a_client_that_never_finishes_its_hello(trusting, tls):
    scenario = trusting(addons=[tls], tls_handshake_timeout=10)
    plain = tunnel(scenario)
    plain.sends(b"\x16\x03\x01\x02\x00\x01")
    scenario.advance(11)
    assert plain.is_closed
    assert scenario.servers[0].received() == b""
    assert tls.hooks == []


def test_tls_40_a_server_that_never_finishes_its_handshake(trusting, tls):
    scenario = trusting(addons=[tls], tls_handshake_timeout=10)
    client = tls_client(scenario, tunnel(scenario), "a.example")
    client.turn()
    scenario.advance(11)
    assert scenario.servers[0].is_closed
    assert "server" in tls.data["tls_failed_server"].conn.error
    client.shake().sends(GET)
    scenario.advance(11)
    assert client.received().startswith(b"HTTP/1.1 504 ")


def test_a_client_that_leaves_during_the_servers_handshake(trusting, tls):
    scenario = trusting(addons=[tls])
    plain = tunnel(scenario)
    tls_client(scenario, plain, "a.example").turn()
    plain.leaves()
    assert scenario.servers[0].is_closed
    assert scenario.connections == 0


def test_a_server_that_speaks_no_tls_is_a_502_that_says_so(trusting, tls):
    scenario = trusting(addons=[tls])
    client = tls_client(scenario, tunnel(scenario), "a.example")
    client.turn()
    scenario.servers[0].sends(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    client.shake().sends(GET)
    scenario.servers[1].sends(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"plain HTTP" in answer


# Parents.


@pytest.mark.parametrize("is_inner_tls", [True, False])
def test_tls_25_a_parent_over_tls_is_asked_for_by_its_own_name(trusting, origins, is_inner_tls):
    scenario = trusting("upstream:https://parent.example:8443")
    client = scenario.client()
    line = b"CONNECT a.example:443" if is_inner_tls else b"GET http://a.example/"
    client.sends(line + b" HTTP/1.1\r\nHost: a.example\r\n\r\n")
    parent = origins.serve(scenario.servers[0], "parent.example").shake()
    if not is_inner_tls:
        assert parent.received() == b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n"
        return
    assert parent.received() == b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"
    parent.sends(b"HTTP/1.1 200 go\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 200 ")
    inner = tls_client(scenario, client, "a.example")
    inner.turn()
    server = origins.serve(parent, "a.example")
    inner.shake(server)
    exchange(inner, server)


def test_tls_25_a_parent_that_cannot_be_verified_is_a_502_that_says_so(play, origins):
    scenario = play("upstream:https://parent.example:8443")
    client = scenario.client()
    client.sends(b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n")
    with pytest.raises(TlsError) as failure:
        origins.serve(scenario.servers[0], "parent.example").shake()
    assert failure.value.alert == "unknown_ca"
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"parent proxy parent.example:8443" in answer


# Reverse.


@pytest.mark.parametrize("front", ["plain", "tls"])
@pytest.mark.parametrize("back", ["http", "https"])
def test_md_14_reverse_fronts_and_backs(trusting, origins, tape, front, back):
    scenario = trusting(f"reverse:{back}://a.example:8443", addons=[tape])
    plain = scenario.client()
    server = None
    if front == "tls":
        client = tls_client(scenario, plain, "front.example")
        client.turn()
        if back == "https":
            server = origins.serve(scenario.servers[0], "a.example")
        client.shake(*([server] if server else []))
        assert "front.example" in leaf_of(client).altnames
    else:
        client = plain
    client.sends(b"GET / HTTP/1.1\r\nHost: front.example\r\n\r\n")
    if back == "https" and server is None:
        server = origins.serve(scenario.servers[0], "a.example").shake()
    server = server or scenario.servers[0]
    assert server.received() == b"GET / HTTP/1.1\r\nHost: a.example:8443\r\n\r\n"
    server.sends(OK)
    assert client.received() == OK
    if back == "https":
        assert tape.flow.server_conn.sni == "a.example"


def test_md_13_sni_follows_the_clients_name_if_host_does(trusting, origins, tape):
    scenario = trusting("reverse:https://192.0.2.1:8443", addons=[tape], keep_host_header=True)
    client = tls_client(scenario, scenario.client(), "a.example")
    client.turn()
    server = origins.serve(scenario.servers[0], "a.example")
    client.shake(server)
    exchange(client, server)
    assert tape.flow.server_conn.sni == "a.example"


def test_reverse_tls_relays_what_is_inside(trusting, origins, tls):
    scenario = trusting("reverse:tls://a.example:993", addons=[tls])
    client = tls_client(scenario, scenario.client(), "front.example", alpn=("imap",))
    client.turn()
    server = origins.serve(scenario.servers[0], "a.example", alpn=(b"imap",))
    client.shake(server)
    assert client.endpoint.alpn == b"imap"
    server.sends(b"* OK\r\n")
    assert client.received() == b"* OK\r\n"


def test_reverse_tls_with_a_client_in_clear_text(trusting, origins, tls):
    scenario = trusting("reverse:tls://a.example:993", addons=[tls])
    client = scenario.client()
    scenario.advance(2)
    server = origins.serve(scenario.servers[0], "a.example").shake()
    server.sends(b"* OK\r\n")
    assert client.received() == b"* OK\r\n"
    client.sends(b"a LOGOUT\r\n")
    assert server.received() == b"a LOGOUT\r\n"


def test_reverse_tls_with_a_client_in_clear_text_that_speaks_first(trusting, origins, tls):
    scenario = trusting("reverse:tls://a.example:993", addons=[tls])
    client = scenario.client()
    client.sends(b"GET")
    server = origins.serve(scenario.servers[0], "a.example").shake()
    assert server.received() == b"GET"


def test_md_16_custom_certificates_are_shown_in_reverse_mode(trusting, origins, tmp_path):
    leaf = origins._profiles.store.leaf_for(LeafNames("own.example"))
    path = tmp_path / "own.pem"
    key = leaf.identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(key + leaf.pem)
    scenario = trusting("reverse:http://back:80", certs=[f"own.example={path}"])
    client = tls_client(
        scenario, scenario.client(), "own.example", context=client_context(origins.authority.certificate)
    )
    client.shake()
    assert client.endpoint.is_established


def test_a_plain_request_to_a_tls_origin_by_whole_url(trusting, origins, tape):
    scenario = trusting(addons=[tape])
    client = scenario.client()
    client.sends(b"GET https://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n")
    server = origins.serve(scenario.servers[0], "a.example").shake()
    assert server.received() == GET
    server.sends(OK)
    assert client.received() == OK


def test_ob_01_a_tls_fault_in_the_middle_gets_its_alert(trusting, origins):
    scenario = trusting()
    client, _ = both(scenario, origins)
    client._carrier.sends(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(TlsError) as failure:
        client.received()
    assert failure.value.alert == "bad_record_mac"
    assert client._carrier.is_closed


def test_ob_01_no_version_in_common_gets_its_alert(trusting):
    scenario = trusting(upstream_cert=False, tls_version_client_min="TLS1_3")
    context = client_context(None)
    context.check_hostname = False
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    plain = tunnel(scenario)
    client = TlsPeer(plain, StdlibEndpoint(context, server_side=False, server_hostname="a.example"))
    with pytest.raises(TlsError) as failure:
        client.shake()
    assert failure.value.alert == "protocol_version"
    assert plain.is_closed
