"""DTLS through the proxy, in memory: modes reverse:dtls and reverse:udp, hooks, certificates, cookies, and how it ends."""

import gc
import logging

import pytest
from OpenSSL import SSL

from midstream.flow import Cert
from midstream.pki import LeafNames
from midstream.testing import Scenario
from midstream.testing.dtls import DtlsOrigins, dtls_client, dtls_context
from midstream.wire.tls.dtls import begins_with_hello, records
from midstream.wire.tls.failure import TlsError
from scriptkit.leaving import left_no_datagrams
from scriptkit.recorder import Recorder

PUBLIC = ("8.8.8.8", 4000)
NAME = "origin.example"
HOOKS = (
    "client_connected client_disconnected server_connect server_connected server_disconnected server_connect_error "
    "tls_clienthello tls_start_client tls_established_client tls_failed_client "
    "tls_start_server tls_established_server tls_failed_server udp_start udp_message udp_end udp_error"
)


class Watch(Recorder):
    """Records which hooks fired, and what they were given."""

    @property
    def flow(self):
        names = ("udp_error", "udp_end", "udp_message", "udp_start")
        return next((self.data[name] for name in names if name in self.data), None)


@pytest.fixture
def watch():
    return Watch(*HOOKS.split())


@pytest.fixture(scope="module")
def origins(tmp_path_factory):
    return DtlsOrigins(str(tmp_path_factory.mktemp("origins")))


@pytest.fixture
def play(watch, origins):
    scenarios = []

    def make(*addons, mode=f"reverse:dtls://{NAME}:4433", **options):
        settings = {"ssl_verify_upstream_trusted_ca": origins.path, **options}
        scenarios.append(Scenario(mode, addons=[*addons, watch], **settings))
        return scenarios[-1]

    yield make
    for scenario in scenarios:
        left_no_datagrams(scenario)


def both(scenario, origins, *, name=NAME, alpn=(), server_alpn=(), context=None, **server):
    """Open DTLS on both sides."""
    client = dtls_client(scenario, scenario.datagram_client(), name, alpn=alpn, context=context).shake()
    server = origins.serve(scenario.datagram_servers[-1], NAME, alpn=server_alpn, **server)
    return client.shake(server), server


def leaf_of(client):
    return Cert(client.endpoint.peer_chain[0])


# What passes.


def test_messages_pass_with_dtls_on_both_sides(play, watch, origins):
    client, server = both(play(), origins)
    client.sends(b"one", b"two")
    assert server.received() == [b"one", b"two"]
    server.sends(bytes(10_000), b"back")
    assert client.received() == [bytes(10_000), b"back"]
    assert watch.hooks == [
        *("client_connected", "tls_clienthello", "server_connect", "server_connected"),
        *("tls_start_server", "tls_established_server", "tls_start_client", "tls_established_client"),
        *("udp_start", *["udp_message"] * 4),
    ]
    assert [(message.from_client, message.content) for message in watch.flow.messages] == [
        *((True, b"one"), (True, b"two")),
        *((False, bytes(10_000)), (False, b"back")),
    ]
    assert all(data.is_dtls for hook, data in watch.data.items() if hook.startswith(("tls_s", "tls_e")))


def test_what_is_known_of_both_sides(play, watch, origins):
    client, _ = both(play(), origins, alpn=(b"coap", b"other"), name="asked.example", server_alpn=(b"coap",))
    flow = watch.flow
    ours, theirs = flow.client_conn, flow.server_conn
    assert (ours.tls, ours.sni, ours.tls_version, ours.alpn) == (True, "asked.example", "DTLSv1.2", b"coap")
    assert (theirs.tls, theirs.sni, theirs.tls_version, theirs.alpn) == (True, NAME, "DTLSv1.2", b"coap")
    assert theirs.alpn_offers == ours.alpn_offers == (b"coap", b"other")
    assert "AES" in ours.cipher
    assert ours.cipher_list
    assert ours.mitmcert == leaf_of(client)
    assert client.endpoint.alpn == b"coap"
    assert ours.timestamp_tls_setup
    hello = watch.data["tls_clienthello"].client_hello
    assert (hello.is_dtls, hello.cookie, hello.sni) == (True, b"", "asked.example")


def test_the_certificate_is_like_the_servers(play, origins):
    client, _ = both(play(), origins, sans=("other.example",))
    assert leaf_of(client).organization == "Origins Ltd"
    assert set(leaf_of(client).altnames) >= {NAME, "other.example"}


def test_upstream_cert_off_the_client_comes_first(play, watch, origins):
    scenario = play(upstream_cert=False)
    client = dtls_client(scenario, scenario.datagram_client(), NAME).shake()
    assert client.endpoint.is_established
    server = origins.serve(scenario.datagram_servers[0], NAME)
    client.sends(b"early")
    client.shake(server)
    assert server.received() == [b"early"]
    assert leaf_of(client).organization == "midstream"
    names = [hook for hook in watch.hooks if hook.startswith("tls_")]
    assert names == [
        *("tls_clienthello", "tls_start_client", "tls_established_client"),
        *("tls_start_server", "tls_established_server"),
    ]


def test_without_sni_the_certificate_is_for_the_target(play, origins):
    client, _ = both(play(), origins, name=None)
    assert NAME in leaf_of(client).altnames


def test_keep_host_header_asks_for_the_clients_name(play, watch, origins):
    scenario = play(keep_host_header=True)
    client = dtls_client(scenario, scenario.datagram_client(), "asked.example").shake()
    server = origins.serve(scenario.datagram_servers[0], "asked.example")
    client.shake(server)
    assert watch.flow.server_conn.sni == "asked.example"
    assert client.endpoint.is_established


def test_udp_16_raw_datagrams_go_to_a_server_of_dtls(play, watch, origins):
    scenario = play()
    client = scenario.datagram_client()
    client.sends(b"raw")
    server = origins.serve(scenario.datagram_servers[0], NAME).shake()
    assert server.received() == [b"raw"]
    server.sends(b"back")
    server.turn()
    assert client.received() == [b"back"]
    assert not watch.flow.client_conn.tls
    assert watch.flow.server_conn.tls_established
    assert "tls_clienthello" not in watch.hooks


def test_udp_16_dtls_ends_here_before_a_server_of_udp(play, watch):
    scenario = play(mode="reverse:udp://192.0.2.7:7")
    client = dtls_client(scenario, scenario.datagram_client(), "a.example").shake()
    client.sends(b"secret", b"more")
    (server,) = scenario.datagram_servers
    assert server.received() == [b"secret", b"more"]
    server.sends(b"back")
    server.sends(b"")
    assert client.received() == [b"back"]
    assert watch.flow.client_conn.tls_established
    assert not watch.flow.server_conn.tls
    assert "a.example" in leaf_of(client).altnames


@pytest.mark.parametrize(
    "first", [b"\x16\xfe\xfd", b"\x16\xfe\xfd" + bytes(30), b"\x16\x03\x01\0\1a", b"\x17\xfe\xfd" + bytes(20)]
)
def test_udp_16_what_only_looks_like_dtls_is_relayed(play, watch, first):
    scenario = play(mode="reverse:udp://192.0.2.7:7")
    scenario.datagram_client().sends(first)
    assert scenario.datagram_servers[0].received() == [first]


def test_udp_16_a_hello_that_makes_no_sense_is_relayed(play, watch):
    scenario = play(mode="reverse:udp://192.0.2.7:7")
    client = scenario.datagram_client()
    dtls_client(scenario, client, "a.example").turn()
    hello = bytearray(HelloKeeper(scenario).hello("a.example"))
    hello[60] ^= 0xFF
    other = scenario.datagram_client(("127.0.0.1", 9))
    other.sends(bytes(hello))
    assert scenario.datagram_servers[-1].received() == [bytes(hello)]


class HelloKeeper:
    """Takes a client's first datagram, and sends nothing."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.said = []

    def hello(self, name):
        dtls_client(self.scenario, self, name).turn()
        return self.said[0]

    def sends(self, data):
        self.said.append(data)

    def received(self):
        return []


def test_a_hello_in_pieces_is_put_together(play, watch, origins):
    class InPieces(HelloKeeper):
        def __init__(self, scenario, client):
            super().__init__(scenario)
            self.client = client

        def sends(self, data):
            for piece in reversed(pieces(data, 50)):
                self.client.sends(piece)

        def received(self):
            return self.client.received()

    scenario = play()
    client = dtls_client(scenario, InPieces(scenario, scenario.datagram_client()), NAME).shake()
    server = origins.serve(scenario.datagram_servers[0], NAME)
    client.shake(server)
    assert client.endpoint.is_established


def pieces(datagram, size):
    """Cut a hello in one record into several; anything else stays."""
    if not begins_with_hello(datagram):
        return [datagram]
    (found,) = records(datagram)
    head, body = found.body[:6], found.body[12:]
    made = []
    for at in range(0, len(body), size):
        part = body[at : at + size]
        fragment = head + at.to_bytes(3) + len(part).to_bytes(3) + part
        made.append(found.raw[:11] + len(fragment).to_bytes(2) + fragment)
    return made


# Who is not read.


@pytest.mark.parametrize("option", ["ignore_hosts", "allow_hosts"])
@pytest.mark.parametrize("is_shown", [False, True])
def test_ignored_hosts_are_relayed_untouched(play, watch, origins, option, is_shown):
    pattern = [r"ignored\.example:4433"] if option == "ignore_hosts" else [r"wanted\.example"]
    scenario = play(**{option: pattern}, show_ignored_hosts=is_shown)
    client = dtls_client(
        scenario, scenario.datagram_client(), "ignored.example", context=dtls_context(origins.authority.certificate)
    ).shake()
    server = origins.serve(scenario.datagram_servers[0], "ignored.example")
    client.shake(server)
    client.sends(b"unseen")
    assert server.received() == [b"unseen"]
    assert leaf_of(client).organization == "Origins Ltd"
    assert "tls_start_client" not in watch.hooks
    assert ("udp_start" in watch.hooks) is is_shown


def test_a_target_that_is_ignored_is_not_looked_at(play, watch):
    scenario = play(ignore_hosts=[NAME])
    client = scenario.datagram_client()
    client.sends(b"\x16\xfe\xfd")
    assert scenario.datagram_servers[0].received() == [b"\x16\xfe\xfd"]
    scenario.datagram_servers[0].sends(b"back")
    assert client.received() == [b"back"]
    assert watch.hooks == ["client_connected", "server_connect", "server_connected"]


def test_an_addon_ignores_a_client(play, watch, origins):
    class Ignores:
        def tls_clienthello(self, data):
            data.ignore_connection = True

    scenario = play(Ignores())
    context = dtls_context(origins.authority.certificate)
    client = dtls_client(scenario, scenario.datagram_client(), NAME, context=context).shake()
    server = origins.serve(scenario.datagram_servers[0], NAME)
    client.shake(server)
    client.sends(b"x")
    assert server.received() == [b"x"]
    assert "udp_start" not in watch.hooks


# Cookies.


def test_nobody_is_spoken_to_before_the_cookie_is_repeated(play, watch):
    scenario = play()
    client = scenario.datagram_client()
    peer = dtls_client(scenario, client, NAME)
    peer.turn()
    (question,) = client.received()
    assert question[0] == 22
    assert len(question) < len(peer.datagrams[0])
    assert scenario.dialled == []
    for _ in range(3):
        client.sends(peer.datagrams[0])
    assert len(client.received()) == 3
    assert scenario.dialled == []


def test_what_is_no_hello_does_not_answer_the_question(play):
    scenario = play()
    client = scenario.datagram_client()
    peer = dtls_client(scenario, client, NAME)
    peer.turn()
    client.sends(b"junk")
    client.sends(b"\x16\xfe\xfd" + bytes(8) + b"\0\x0d\1" + bytes(12))
    assert scenario.dialled == []
    peer.shake()
    assert len(scenario.dialled) == 1


def test_a_client_that_never_says_the_rest_of_its_hello(play, watch):
    scenario = play()
    first = pieces(HelloKeeper(scenario).hello(NAME), 90)[0]
    scenario.datagram_client().sends(first)
    scenario.advance(61)
    assert watch.hooks == ["client_connected", "client_disconnected"]


def test_a_cookie_of_another_address_is_worth_nothing(play):
    scenario = play()
    client, other = scenario.datagram_client(), scenario.datagram_client(("127.0.0.1", 9))
    peer = dtls_client(scenario, client, NAME).shake()
    assert len(scenario.datagram_servers) == 1
    other.sends(peer.datagrams[1])
    assert len(other.received()) == 1
    assert len(scenario.datagram_servers) == 1


def test_udp_15_an_address_that_has_answered_may_be_sent_any_number(play, origins):
    scenario = play(block_global=False, udp_amplification=1)
    client = dtls_client(scenario, scenario.datagram_client(PUBLIC), NAME).shake()
    server = origins.serve(scenario.datagram_servers[0], NAME)
    client.shake(server)
    server.sends(bytes(9000))
    assert client.received() == [bytes(9000)]


def test_numbers_go_on_from_the_hello(play, origins):
    scenario = play()
    carrier = scenario.datagram_client()
    client = dtls_client(scenario, carrier, NAME)
    client.turn()
    carrier.received()
    hello = bytearray(client.datagrams[0])
    hello[10] = 40  # as if it were the 40th time that it was said
    carrier.sends(bytes(hello))
    (question,) = carrier.received()
    assert next(records(question)).sequence == 40


def test_a_client_begins_anew_at_the_same_address(play, watch, origins):
    scenario = play()
    first, first_server = both(scenario, origins)
    first.sends(b"1")
    assert first_server.received() == [b"1"]
    again = dtls_client(scenario, scenario.datagram_client(), NAME)
    again.turn()
    first.sends(b"2")
    assert first_server.received() == [b"2"]
    again.shake()
    assert first_server.received() == []
    assert first_server.endpoint.is_closed
    assert len(scenario.datagram_servers) == 2
    server = origins.serve(scenario.datagram_servers[1], NAME)
    again.shake(server)
    again.sends(b"3")
    assert server.received() == [b"3"]


# What goes wrong on the way.


def test_repeated_damaged_and_strange_datagrams_are_dropped(play, watch, origins):
    scenario = play()
    client, server = both(scenario, origins)
    client.sends(b"one")
    carrier = scenario.datagram_client()
    last = client.datagrams[-1]
    for strange in (last, last[:-1] + b"x", b"", b"junk", last[:9], client.datagrams[0], b"\x17\xfe\xfd" + bytes(30)):
        carrier.sends(strange)
    for strange in (b"junk", server.datagrams[-1], server.datagrams[0]):
        scenario.datagram_servers[0].sends(strange)
    client.sends(b"two")
    assert server.received() == [b"one", b"two"]
    server.sends(b"back")
    assert client.received() == [b"back"]
    assert watch.flow.live


def test_stray_records_do_not_begin_a_session(play, watch):
    scenario = play()
    client = scenario.datagram_client()
    client.sends(b"\x17\xfe\xfd\0\1" + bytes(6) + b"\0\x20" + bytes(32))
    assert scenario.dialled == []
    assert watch.hooks == ["client_connected"]
    peer = dtls_client(scenario, client, NAME).shake()
    assert len(scenario.datagram_servers) == 1
    assert peer.datagrams


def test_messages_that_do_not_fit_are_left_out(play, watch, origins, caplog):
    scenario = play()
    client = scenario.datagram_client()
    caplog.set_level(logging.INFO)
    client.sends(bytes(20_000))
    server = origins.serve(scenario.datagram_servers[0], NAME).shake()
    client.sends(b"after")
    assert server.received() == [b"after"]
    assert "does not fit into DTLS" in caplog.text


def test_the_peers_timers_are_watched(play, watch, origins):
    scenario = play()
    dtls_client(scenario, scenario.datagram_client(), NAME).shake()
    (server,) = scenario.datagram_servers
    assert server.received()
    scenario.advance(2)  # what comes of it is for OpenSSL's own clock to say
    assert watch.flow is None
    scenario.advance(30)
    assert watch.flow.error.msg == "timed out: DTLS handshake"
    assert watch.hooks[-3:] == ["server_disconnected", "udp_error", "client_disconnected"]
    assert "tls_failed_server" in watch.hooks


# How it ends.


def test_a_client_says_goodbye(play, watch, origins):
    scenario = play()
    client, server = both(scenario, origins)
    client.sends(b"last")
    client.ends()
    assert server.received() == [b"last"]
    assert server.endpoint.is_closed
    assert watch.hooks[-3:] == ["server_disconnected", "udp_end", "client_disconnected"]


def test_a_server_says_goodbye(play, watch, origins):
    scenario = play()
    client, server = both(scenario, origins)
    server.sends(b"last")
    server.ends()
    assert client.received() == [b"last"]
    assert client.endpoint.is_closed
    assert watch.hooks[-1] == "client_disconnected"
    assert watch.flow.error is None


def test_what_was_said_before_goodbye_is_passed_on_when_a_flow_is_released(play, watch, origins):
    class Holds:
        def udp_message(self, flow):
            if len(flow.messages) == 1:
                flow.intercept()

    scenario = play(Holds())
    client, server = both(scenario, origins)
    client.sends(b"1", b"2")
    client.ends()
    assert server.received() == []
    scenario.act(watch.flow.resume)
    assert server.received() == [b"1", b"2"]
    assert server.endpoint.is_closed


def test_silence_ends_with_goodbyes(play, watch, origins):
    scenario = play()
    client, server = both(scenario, origins)
    scenario.advance(61)
    assert client.received() == server.received() == []
    assert client.endpoint.is_closed
    assert server.endpoint.is_closed
    assert watch.hooks[-2] == "udp_end"


def test_a_client_that_does_not_trust_us(play, watch, origins, caplog):
    scenario = play()
    client = dtls_client(scenario, scenario.datagram_client(), NAME, context=dtls_context(None)).shake()
    server = origins.serve(scenario.datagram_servers[0], NAME)
    with pytest.raises(TlsError, match="does not verify"):
        client.shake(server)
    client.shake(server)
    assert watch.flow.error.msg == f"{NAME}: the client does not accept our certificate (alert: unknown ca)"
    assert watch.data["client_connected"].error == "the client does not accept our certificate (alert: unknown ca)"
    assert "tls_failed_client" in watch.hooks
    assert server.endpoint.is_closed
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "does not accept our certificate" in record.getMessage()


@pytest.mark.parametrize("is_insecure", [False, True])
def test_a_server_that_does_not_verify(play, watch, origins, is_insecure):
    scenario = play(ssl_insecure=is_insecure)
    client = dtls_client(scenario, scenario.datagram_client(), NAME).shake()
    server = origins.serve(scenario.datagram_servers[0], "wrong.example")
    if is_insecure:
        assert client.shake(server).endpoint.is_established
        return
    with pytest.raises(TlsError, match="found no cipher, group or signature algorithm"):
        client.shake(server)
    assert "the server's certificate does not verify" in watch.flow.error.msg
    assert [hook for hook in watch.hooks if hook.startswith("tls_")] == [
        *("tls_clienthello", "tls_start_server", "tls_failed_server"),
    ]
    with pytest.raises(TlsError, match="bad certificate"):
        server.shake()


def test_a_server_that_does_not_listen(play, watch):
    scenario = play()
    client = dtls_client(scenario, scenario.datagram_client(), NAME).shake()
    scenario.datagram_servers[0].refuses()
    assert watch.flow.error.msg == "the server cannot be reached: Connection refused"
    with pytest.raises(TlsError):
        client.shake()


def test_a_server_that_cannot_be_reached(play, watch):
    scenario = play()
    scenario.unreachable[NAME, 0] = OSError(101, "Network is unreachable")
    client = dtls_client(scenario, scenario.datagram_client(), NAME)
    with pytest.raises(TlsError):
        client.shake()
    assert "Network is unreachable" in watch.flow.error.msg


def connections():
    """Count the connections that OpenSSL still knows of."""
    return sum(isinstance(thing, SSL.Connection) for thing in gc.get_objects())


def test_endpoints_are_freed_without_the_garbage_collector(play, origins):
    scenario = play()
    gc.collect()
    before = connections()
    gc.disable()
    try:
        client, server = both(scenario, origins)
        assert connections() == before + 4
        client.ends()
        server.received()
        assert connections() == before + 2
    finally:
        gc.enable()


def test_a_failure_after_the_handshake_is_told(play, watch, origins):
    scenario = play()
    client, server = both(scenario, origins)
    client.endpoint._connection.renegotiate()
    with pytest.raises(SSL.WantReadError):
        client.endpoint._connection.do_handshake()
    with pytest.raises(TlsError, match="no renegotiation"):
        client.shake()
    assert server.received() == []
    assert server.endpoint.is_closed
    assert (
        watch.flow.error.msg
        == "the client found no cipher, group or signature algorithm it can use with us (alert: handshake failure)"
    )


def test_a_client_that_is_forgotten_inside_its_handshake(play, watch):
    scenario = play()
    dtls_client(scenario, scenario.datagram_client(), NAME).shake()
    for talker in list(scenario.port.clients):
        scenario.act(talker.stop)
    assert watch.flow.error.msg == "the client is forgotten before its DTLS was there"


# Options and addons.


def test_old_versions_where_they_are_permitted(play, watch, origins):
    options = {"tls_version_client_min": "TLS1", "tls_version_server_min": "TLS1", "tls_version_server_max": "TLS1_1"}
    scenario = play(**options)
    client, _ = both(scenario, origins, tls_version_client_min="TLS1")
    assert client.endpoint.version == "DTLSv1.2"
    assert watch.flow.server_conn.tls_version == "DTLSv1"


def test_versions_that_dtls_does_not_have(play, watch, caplog):
    scenario = play(tls_version_server_min="TLS1_3")
    client = dtls_client(scenario, scenario.datagram_client(), NAME)
    with pytest.raises(TlsError):
        client.shake()
    assert "tls_version_server_min: DTLS is spoken up to version 1.2" in watch.flow.error.msg


def test_ciphers_that_are_not_ours(play, watch, origins):
    scenario = play(ciphers_client="ECDHE-ECDSA-AES256-GCM-SHA384")
    context = dtls_context(scenario.session.tls.store.authority.certificate)
    context.set_cipher_list(b"ECDHE-ECDSA-AES128-GCM-SHA256")
    client = dtls_client(scenario, scenario.datagram_client(), NAME, context=context).shake()
    with pytest.raises(TlsError):
        client.shake(origins.serve(scenario.datagram_servers[0], NAME))
    assert "no cipher, group or signature algorithm in common" in watch.flow.error.msg


def test_keys_are_logged(play, origins, tmp_path):
    path = tmp_path / "keys"
    both(play(tls_keylog_file=str(path)), origins)
    keys = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert len(keys) == 2
    assert all(line.startswith("CLIENT_RANDOM ") for line in keys)


def test_an_addon_brings_its_own_connection(play, origins, watch):
    class Own:
        def tls_start_client(self, data):
            profiles = scenario.session.tls
            store = profiles.store
            leaf = store.leaf_for(LeafNames("own.example"))
            context = SSL.Context(SSL.DTLS_METHOD)
            context.use_certificate(leaf.identity.certificate)
            context.use_privatekey(leaf.identity.key)
            data.ssl_conn = SSL.Connection(context, None)

        def tls_start_server(self, data):
            context = SSL.Context(SSL.DTLS_METHOD)
            context.set_cipher_list(b"ECDHE-ECDSA-AES128-GCM-SHA256")
            data.ssl_conn = SSL.Connection(context, None)

    scenario = play(Own())
    client, server = both(scenario, origins, name="own.example")
    client.sends(b"x")
    assert server.received() == [b"x"]
    assert leaf_of(client).cn == "own.example"
    assert watch.flow.server_conn.cipher == "ECDHE-ECDSA-AES128-GCM-SHA256"
