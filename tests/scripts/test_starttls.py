"""TLS that begins in the middle of a relayed connection: opened, and its inside relayed in the same flow."""

import pytest

from midstream.addon import observe
from midstream.flow import Cert
from midstream.proxy.stepper import Signal
from midstream.testing.http2 import Http2Peer
from midstream.testing.tls import client_context, tls_client
from midstream.wire.events import END, Data
from midstream.wire.h2.errors import CANCEL, CONNECT_ERROR

MAIL = "mail.example"
SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"
MYSQL_GREETING = b"\x50\0\0\0\x0a8\0" + b"\1" * 13 + b"\xff\xff" + b"\0" * 62
MYSQL_REQUEST = b"\x20\0\0\1\xaf\x0a\0\0" + b"\0" * 28
LDAP_REQUEST = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
LDAP_CONSENT = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"


class Watcher:
    """Hears of the end only, or of all messages, and of TLS."""

    def __init__(self):
        self.flows = []
        self.hooks = []

    @property
    def flow(self):
        return self.flows[-1]

    @observe
    def tcp_end(self, flow):
        self.flows.append(flow)
        self.hooks.append("end")

    @observe
    def tcp_error(self, flow):
        self.flows.append(flow)
        self.hooks.append("error")

    @observe
    def tls_clienthello(self, data):
        self.hooks.append("hello")


class Reader(Watcher):
    @observe
    def tcp_start(self, flow):
        self.flows.append(flow)
        self.hooks.append("start")

    @observe
    def tcp_message(self, flow):
        self.hooks.append("message")


@pytest.fixture(params=[Watcher, Reader])
def addon(request):
    """Once without anybody who wants to see messages, once with."""
    return request.param()


@pytest.fixture
def reader():
    return Reader()


def connect(scenario, target=b"mail.example:25"):
    client = scenario.client()
    client.sends(b"CONNECT " + target + b" HTTP/1.1\r\nHost: " + target + b"\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 200 ")
    return client, scenario.servers[-1]


def talk(client, server, *turns):
    """Have both sides say things in clear text, each of which arrives."""
    for side, words in turns:
        one, other = (client, server) if side == ">" else (server, client)
        one.sends(words)
        assert other.received() == words


def smtp(client, server):
    talk(client, server, ("<", b"220 mail\r\n"), (">", b"EHLO me\r\n"), ("<", b"250 STARTTLS\r\n"))
    talk(client, server, (">", b"STARTTLS\r\n"), ("<", b"220 go ahead\r\n"))


def open_both(scenario, origins, client, server, *, name=MAIL, **options):
    """Begin TLS on both sides."""
    inner = tls_client(scenario, client, name, **options)
    inner.turn()
    served = origins.serve(server, MAIL, alpn=(b"smtp",))
    return inner.shake(served), served


CONSENTS = {
    "SMTP": [("<", b"220 mail\r\n"), (">", b"STARTTLS\r\n"), ("<", b"220 go\r\n")],
    "IMAP": [("<", b"* OK IMAP4\r\n"), (">", b"a1 STARTTLS\r\n"), ("<", b"a1 OK go\r\n")],
    "POP3": [("<", b"+OK\r\n"), (">", b"STLS\r\n"), ("<", b"+OK go\r\n")],
    "FTP": [("<", b"220 ftp\r\n"), (">", b"AUTH TLS\r\n"), ("<", b"234 go\r\n")],
    "ManageSieve": [("<", b'"SIEVE"\r\nOK\r\n'), (">", b"STARTTLS\r\n"), ("<", b"OK\r\n")],
    "LDAP": [(">", LDAP_REQUEST), ("<", LDAP_CONSENT)],
    "XMPP": [(">", b"<stream:stream>"), ("<", b"<stream:stream>"), (">", b"<starttls/>"), ("<", b"<proceed/>")],
    "PostgreSQL": [(">", SSL_REQUEST), ("<", b"S")],
    "MySQL": [("<", MYSQL_GREETING), (">", MYSQL_REQUEST)],
    "TLS": [("<", b"\0\1\2"), (">", b"\3\4"), ("<", b"\5")],
}


@pytest.mark.parametrize("protocol", CONSENTS)
def test_tls_34_what_was_agreed_on_is_opened_and_relayed_in_the_same_flow(trusting, origins, addon, protocol):
    scenario = trusting(addons=[addon])
    client, server = connect(scenario)
    talk(client, server, *CONSENTS[protocol])
    inner, served = open_both(scenario, origins, client, server)
    assert inner.endpoint.is_established
    assert Cert(inner.endpoint.peer_chain[0]).organization == "Origins Ltd"
    inner.sends(b"in secret")
    assert served.received() == b"in secret"
    served.sends(b"the answer")
    assert inner.received() == b"the answer"
    inner.ends()
    assert served.received() == b""
    assert served.endpoint.is_closed
    served.ends()
    assert client.is_closed
    flow = addon.flow
    assert flow.starttls == protocol
    assert (flow.closed_by, flow.close_reason, flow.error) == ("client", "close_notify", None)
    assert flow.client_conn.sni == flow.server_conn.sni == MAIL
    assert flow.client_conn.tls_established
    assert flow.server_conn.tls_established
    assert addon.hooks.count("hello") == addon.hooks.count("end") == 1
    if isinstance(addon, Reader):
        assert addon.hooks.count("start") == 1
        said = [message.content for message in flow.messages]
        assert said == [*(words for _, words in CONSENTS[protocol]), b"in secret", b"the answer"]


def test_a_hello_may_come_in_the_piece_that_asks_for_it(trusting, origins, addon):
    scenario = trusting(addons=[addon])
    client, server = connect(scenario)
    talk(client, server, ("<", MYSQL_GREETING))

    class Prefixed:
        """Says something in clear text in front of its first words."""

        def __init__(self):
            self.first = MYSQL_REQUEST

        def sends(self, data):
            first, self.first = self.first, b""
            client.sends(first + data)

        def received(self):
            return client.received()

    inner = tls_client(scenario, Prefixed(), MAIL)
    inner.turn()
    assert server.received()[:36] == MYSQL_REQUEST
    assert not inner.endpoint.is_established


def test_a_hello_in_small_pieces_is_put_together(trusting, origins, addon):
    scenario = trusting(addons=[addon])
    client, server = connect(scenario)
    smtp(client, server)

    class Slow:
        def sends(self, data):
            client.sends(data, piece=7)

        def received(self):
            return client.received()

    inner = tls_client(scenario, Slow(), MAIL)
    inner.turn()
    inner.shake(origins.serve(server, MAIL))
    assert inner.endpoint.is_established


def test_reverse_mode_opens_it_too(trusting, origins, addon):
    scenario = trusting("reverse:tcp://mail.example:25", addons=[addon])
    client = scenario.client()
    (server,) = scenario.servers
    smtp(client, server)
    inner, served = open_both(scenario, origins, client, server, name="localhost")
    assert addon.hooks.count("hello") == 1
    served.sends(b"220 again\r\n")
    assert inner.received() == b"220 again\r\n"
    assert server.transport is scenario.servers[-1].transport


def test_protocols_that_the_client_offers_are_offered_to_the_server_and_nothing_else(trusting, origins, addon):
    scenario = trusting(addons=[addon])
    for offers in ((), ("smtp", "x")):
        client, server = connect(scenario)
        smtp(client, server)
        inner, served = open_both(scenario, origins, client, server, alpn=offers)
        chosen = b"smtp" if offers else None
        assert served.endpoint.alpn == inner.endpoint.alpn == chosen
    assert len(scenario.servers) == 2


def test_without_the_servers_certificate_the_leaf_is_made_for_the_name(trusting, origins, addon):
    scenario = trusting(addons=[addon], upstream_cert=False)
    client, server = connect(scenario)
    smtp(client, server)
    inner, served = open_both(scenario, origins, client, server, alpn=("smtp",))
    assert Cert(inner.endpoint.peer_chain[0]).organization != "Origins Ltd"
    assert inner.endpoint.alpn == b"smtp"
    inner.sends(b"x")
    assert served.received() == b"x"


def test_a_refusal_leaves_clear_text(trusting, addon):
    scenario = trusting(addons=[addon])
    client, server = connect(scenario)
    talk(client, server, ("<", b"220 mail\r\n"), (">", b"STARTTLS\r\n"), ("<", b"454 no\r\n"), (">", b"\x16\x03hm"))
    talk(client, server, ("<", b"500 what?\r\n"), (">", b"QUIT\r\n"))
    assert addon.hooks.count("hello") == 0


def test_what_only_begins_like_a_hello_goes_on_as_it_came(trusting, addon):
    scenario = trusting(addons=[addon])
    client, server = connect(scenario)
    smtp(client, server)
    talk(client, server, (">", b"\x16\x03\x01\0\0hm"), ("<", b"500 what?\r\n"), (">", b"QUIT\r\n"))


@pytest.mark.parametrize("reason", ["option", "list", "hook"])
def test_it_can_be_left_alone(trusting, origins, addon, reason):
    class LeaveAlone:
        def tls_clienthello(self, data):
            data.ignore_connection = reason == "hook"

    options = {"option": {"starttls": False}, "list": {"ignore_hosts": ["secret.example"]}, "hook": {}}[reason]
    scenario = trusting(addons=[LeaveAlone(), addon], **options)
    client, server = connect(scenario)
    smtp(client, server)
    context = client_context(origins.authority.certificate)
    context.check_hostname = False
    inner, served = open_both(scenario, origins, client, server, name="secret.example", context=context)
    assert inner.endpoint.is_established, "the client shakes hands with the server itself"
    inner.sends(b"secret")
    assert served.received() == b"secret"
    client.ends()
    server.ends()
    flow = addon.flow
    assert flow.starttls == ""
    assert (flow.error, flow.closed_by) == (None, "client")
    if isinstance(addon, Reader) and reason != "option":
        assert all(not message.content.startswith(b"\x16\x03") for message in flow.messages)


def test_connections_that_are_ignored_from_the_start_are_not_looked_into(trusting, origins, reader):
    scenario = trusting(addons=[reader], ignore_hosts=[MAIL], show_ignored_hosts=True)
    client, server = connect(scenario)
    smtp(client, server)
    context = client_context(origins.authority.certificate)
    inner, _ = open_both(scenario, origins, client, server, context=context)
    assert inner.endpoint.is_established
    assert "hello" not in reader.hooks


def test_a_server_that_cannot_prove_who_it_is_ends_it(play, origins, addon):
    scenario = play(addons=[addon])
    client, server = connect(scenario)
    smtp(client, server)
    inner = tls_client(scenario, client, MAIL)
    inner.turn()
    served = origins.serve(server, MAIL)
    with pytest.raises(Exception, match="unknown ca"):
        served.shake()
    assert client.is_closed
    assert "certificate" in addon.flow.error.msg
    assert addon.flow.closed_by == "proxy"
    assert addon.hooks[-1] == "error"


def test_a_client_that_does_not_trust_us_ends_it(trusting, origins, addon):
    scenario = trusting(addons=[addon])
    client, server = connect(scenario)
    smtp(client, server)
    inner = tls_client(scenario, client, MAIL, context=client_context(None))
    inner.turn()
    served = origins.serve(server, MAIL)
    with pytest.raises(Exception, match="unable to get local issuer"):
        inner.shake(served)
    assert server.is_closed
    assert addon.flow.error is not None
    assert addon.hooks[-1] == "error"


@pytest.mark.parametrize("when", ["hello", "handshake"])
def test_a_client_that_leaves_meanwhile_ends_it(trusting, addon, when):
    scenario = trusting(addons=[addon])
    client, server = connect(scenario)
    smtp(client, server)
    if when == "hello":
        client.sends(b"\x16\x03\x01\x02\x00\x01")
    else:
        tls_client(scenario, client, MAIL).turn()
    client.leaves()
    assert server.is_closed
    assert addon.flow.error is not None
    assert addon.hooks[-1] == "error"


def test_words_of_the_server_between_consent_and_tls_never_get_inside(trusting, origins):
    """What somebody has put in behind the server's consent must not pass for something said in TLS (CVE-2011-0411)."""
    gate = Signal()

    class Think:
        async def tcp_message(self, flow):
            if flow.messages[-1].content == MYSQL_REQUEST:
                await gate

    scenario = trusting(addons=[Think()])
    client, server = connect(scenario)
    talk(client, server, ("<", MYSQL_GREETING))
    hello = []

    class Caught:
        def sends(self, data):
            hello.append(data)

        def received(self):
            return b""

    tls_client(scenario, Caught(), MAIL).turn()
    client.sends(MYSQL_REQUEST + hello[0][:100])
    client.sends(hello[0][100:])
    server.sends(b"injected")
    gate.set(None)
    scenario.settle()
    assert b"injected" not in client.received()
    assert client.is_closed
    assert server.is_closed


def test_what_is_injected_meanwhile_waits_for_tls(trusting, origins, addon, monkeypatch):
    made = []
    from midstream.proxy import tcp  # noqa: PLC0415 - patched here alone

    original = tcp.TCPFlow
    monkeypatch.setattr(tcp, "TCPFlow", lambda *args, **kwargs: made.append(original(*args, **kwargs)) or made[-1])
    scenario = trusting(addons=[addon])
    client, server = connect(scenario)
    smtp(client, server)
    inner = tls_client(scenario, client, MAIL)
    inner.turn()
    scenario.act(made[0].inject, True, b"hello client")
    scenario.act(made[0].inject, False, b"hello server")
    served = origins.serve(server, MAIL)
    inner.shake(served)
    assert inner.received() == b"hello client"
    assert served.received() == b"hello server"


def test_a_flow_killed_meanwhile_ends_once_tls_is_there(trusting, origins, reader):
    scenario = trusting(addons=[reader])
    client, server = connect(scenario)
    smtp(client, server)
    inner = tls_client(scenario, client, MAIL)
    inner.turn()
    scenario.act(reader.flow.kill)
    inner.shake(origins.serve(server, MAIL))
    assert client.is_closed
    assert server.is_closed
    assert reader.flow.close_reason == "killed"


def test_all_may_be_there_before_the_relay_begins(trusting, origins, addon):
    gate = Signal()

    class Think:
        async def next_layer(self, nextlayer):
            await gate

    scenario = trusting(addons=[addon, Think()])
    client, server = connect(scenario)
    server.sends(MYSQL_GREETING)
    client.sends(MYSQL_REQUEST + b"\x16\x03\x01\x02\x00\x01")
    client.ends()
    server.ends()
    gate.set(None)
    scenario.settle()
    assert client.received() == MYSQL_GREETING
    assert server.received() == MYSQL_REQUEST
    assert client.is_closed
    assert server.is_closed
    assert "inside its ClientHello" in addon.flow.error.msg


# Tunnels on streams of HTTP/2.


class Stream:
    """One CONNECT stream as a carrier of bytes."""

    def __init__(self, peer, stream):
        self.peer = peer
        self.stream = stream
        self._taken = 0

    def sends(self, data):
        self.peer.says(self.stream, Data(data))

    def received(self):
        body = self.peer.received(self.stream).body
        self._taken, before = len(body), self._taken
        return body[before:]

    @property
    def last(self):
        return self.peer.received(self.stream).last


@pytest.fixture
def stream(trusting, addon):
    """A tunnel to mail.example on a stream, and the server at its end."""
    scenario = trusting(addons=[addon])
    peer = Http2Peer.client(scenario.client())
    stream = Stream(peer, peer.asks("CONNECT", MAIL + ":25", None, scheme="", authority=MAIL + ":25"))
    assert peer.received(stream.stream).status == 200
    return scenario, stream, scenario.servers[0]


def test_tls_begins_on_a_stream_of_http2(stream, origins, addon):
    scenario, client, server = stream
    smtp(client, server)
    inner, served = open_both(scenario, origins, client, server)
    inner.sends(b"in secret")
    assert served.received() == b"in secret"
    served.sends(b"the answer")
    assert inner.received() == b"the answer"
    client.peer.says(client.stream, END)
    server.ends()
    assert addon.flow.starttls == "SMTP"


def test_resets_pass_between_streams_and_connections(stream, addon):
    _, client, server = stream
    talk(client, server, ("<", b"hello"), (">", b"hello"))
    server.resets()
    assert client.last.code == CONNECT_ERROR
    assert (addon.flow.closed_by, addon.flow.close_reason) == ("server", "RST")


def test_a_stream_that_is_reset_resets_the_connection(stream, addon):
    _, client, server = stream
    talk(client, server, ("<", b"hello"), (">", b"hello"))
    client.peer.engine.abandon(client.stream, CANCEL)
    client.peer.flush()
    assert server.was_reset
    assert (addon.flow.closed_by, addon.flow.close_reason) == ("client", "RST")
