"""DNS and UDP over sockets: dig asks, dnsmasq answers, midstream is between them."""

import socket
import ssl
import threading

import dns.message
import dns.query
import pytest

from livekit.nameserver import NameServer, ZoneServer, dig
from livekit.tools import TIME_LIMIT
from midstream.addon import DNSFlow, ResourceRecord, observe


class Names:
    """Keeps DNS flows that ended, and counts those that failed."""

    def __init__(self):
        self.flows = []

    @observe
    def dns_response(self, flow: DNSFlow) -> None:
        self.flows.append(flow)

    @observe
    def dns_error(self, flow: DNSFlow) -> None:
        self.flows.append(flow)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = NameServer(tmp_path_factory.mktemp("dnsmasq"))
    yield made
    made.stop()


@pytest.fixture
def zones(tmp_path):
    made = ZoneServer(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def names():
    return Names()


@pytest.fixture
def resolver(proxy, server, names):
    def make(mode="dns", **options):
        options = {"dns_name_servers": [server.address], "listen_port": 0} | options
        return proxy(mode, addons=(names,), **options)

    return make


@pytest.mark.parametrize("way", ["+notcp", "+tcp"])
@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (("www.test", "A"), "192.0.2.1"),
        (("alias.test", "AAAA"), "www.test.\n2001:db8::1"),
        (("txt.test", "TXT"), '"one two" "three"'),
        (("test", "MX"), "10 mail.test."),
        (("_sip._tcp.test", "SRV"), "0 0 5060 sip.test."),
        (("none.test", "A"), ""),
    ],
)
def test_dig_is_told_what_the_name_server_says(resolver, names, question, expected, way):
    running = resolver()
    assert dig(running.port, "+short", way, *question).strip() == expected
    (flow,) = names.flows
    assert flow.request.question.name == question[0]


@pytest.mark.parametrize("mode", ["dns", "reverse"])
def test_dns_20_long_answers(resolver, server, names, mode):
    running = resolver("dns" if mode == "dns" else f"reverse:dns://{server.address}")
    answer = dig(running.port, "+noedns", "+noall", "+answer", "many.test", "A")
    assert answer.count("192.0.2.") == 60
    assert [flow.client_conn.transport_protocol for flow in names.flows] == ["udp", "tcp"]
    large = dig(running.port, "+bufsize=4096", "+ignore", "+noall", "+answer", "many.test", "A").count("192.0.2.")
    assert large == 60 or mode == "reverse"  # which passes on what dnsmasq, whose datagrams are shorter, has cut


def test_an_addon_answers_both_transports(proxy):
    class Answers:
        def dns_request(self, flow: DNSFlow) -> None:
            flow.response = flow.request.succeed([ResourceRecord.A(flow.request.question.name, "10.9.8.7")])

    running = proxy("dns", addons=(Answers(),))
    for way in ("+notcp", "+tcp"):
        assert dig(running.port, "+short", way, "anything.example").strip() == "10.9.8.7"


def test_dns_21_the_system_resolves_where_no_name_server_is_known(proxy, monkeypatch):
    monkeypatch.setattr("midstream.proxy.dnsasker.Asker.__init__.__defaults__", (("/nowhere", "/nowhere"),))
    running = proxy("dns")
    assert "127.0.0.1" in dig(running.port, "+short", "localhost", "A")
    assert "NXDOMAIN" in dig(running.port, "no-such-name.invalid", "A")


def test_udp_14_a_name_server_that_is_not_there(resolver, names):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    running = resolver(dns_name_servers=[f"127.0.0.1:{port}"])
    for _ in range(2):
        assert "SERVFAIL" in dig(running.port, "www.test")
    assert "Connection refused" in names.flows[0].error.msg


def test_name_servers_over_tls(resolver, authority, names):
    context = authority.issue("localhost", "127.0.0.1").server_context(("dot",))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve_over_tls, args=(listening, context), daemon=True)
        thread.start()
        running = resolver(dns_name_servers=[f"tls://127.0.0.1:{listening.getsockname()[1]}"])
        assert dig(running.port, "+short", "www.test", "A").strip() == "192.0.2.33"
        thread.join(TIME_LIMIT)
    assert names.flows[0].server_conn.alpn == b"dot"
    assert names.flows[0].server_conn.tls_established


def serve_over_tls(listening: socket.socket, context: ssl.SSLContext) -> None:
    """Answer one query."""
    raw, _ = listening.accept()
    with context.wrap_socket(raw, server_side=True) as client:
        query, _ = dns.query.receive_tcp(client)
        response = dns.message.make_response(query)
        response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", "192.0.2.33"))
        dns.query.send_tcp(client, response)


def test_clients_over_tls(resolver, names):
    running = resolver()
    trust = f"+tls-ca={running.ca}"
    asked = (running.port, "+tls", trust, "+short", "www.test", "A")
    assert dig(*asked).strip() == "192.0.2.1"
    assert dig(*asked[:3], "+keepopen", "+short", "www.test", "A", "www.test", "AAAA").split() == [
        "192.0.2.1",
        "2001:db8::1",
    ]
    assert {flow.client_conn.tls_established for flow in names.flows} == {True}
    assert {flow.client_conn.alpn for flow in names.flows} == {b"dot"}


@pytest.mark.parametrize("mode", ["dns", "reverse"])
def test_zone_transfers(resolver, zones, names, mode):
    running = resolver("dns" if mode == "dns" else f"reverse:dns://{zones.address}", dns_name_servers=[zones.address])
    for way in ((), ("+tls",)):
        zone = dig(running.port, *way, "+noall", "+answer", "AXFR", "zone.test").splitlines()
        assert [line.split()[3] for line in (zone[0], zone[-1])] == ["SOA", "SOA"]
        assert any("one.zone.test" in line and "192.0.2.81" in line for line in zone)
    assert [flow.transferred for flow in names.flows] == [1, 1]
    assert "Transfer failed" in dig(running.port, "AXFR", "other.test")


def test_many_queries_from_many_sockets(resolver, names):
    running = resolver()
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(50)]
    query = dns.message.make_query("www.test", "A")
    for each in sockets:
        each.settimeout(TIME_LIMIT)
        each.connect(running.address)
        each.send(query.to_wire())
    answers = [dns.message.from_wire(each.recv(4096)) for each in sockets]
    for each in sockets:
        each.close()
    assert {answer.answer[0][0].address for answer in answers} == {"192.0.2.1"}
    assert all(query.is_response(answer) for answer in answers)


def test_the_mode_is_changed_under_way(resolver, server):
    running = resolver(f"reverse:dns://{server.address}")
    assert dig(running.port, "+short", "www.test").strip() == "192.0.2.1"
    running.call(lambda: running.engine.options.update(mode=["dns"]))
    for way in ("+notcp", "+tcp"):
        assert dig(running.port, "+short", way, "alias.test").startswith("www.test.")


def test_datagrams_are_relayed(proxy):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(TIME_LIMIT)
        running = proxy(f"reverse:udp://127.0.0.1:{server.getsockname()[1]}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(TIME_LIMIT)
            client.connect(running.address)
            for data in (b"one", b"", bytes(60_000)):
                client.send(data)
                received, address = server.recvfrom(65536)
                assert received == data
                server.sendto(data[::-1], address)
                assert client.recv(65536) == data[::-1]
