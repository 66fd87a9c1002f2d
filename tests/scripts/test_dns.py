"""DNS through the proxy, in memory: modes dns and reverse:dns."""

import asyncio
import os
from functools import cache

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from midstream.addon import DNSMessage, ResourceRecord
from midstream.flow import Flow
from midstream.testing.http2 import Http2Peer
from midstream.testing.tls import Origins, client_context, tls_client
from midstream.wire.dns import framed
from midstream.wire.errors import PeerError
from scriptkit.dnsplay import dns_scenarios
from scriptkit.recorder import Recorder

NAME = "www.example.com"
STRANGER = ("198.51.100.9", 4000)
PUBLIC = ("8.8.8.8", 4000)


def query(kind="A", name=NAME, *, number=7, **options):
    return dns.message.make_query(name, kind, id=number, **options).to_wire()


def answer(asked, *texts, kind="A", name=NAME, rcode=0, flags=0):
    response = dns.message.make_response(dns.message.from_wire(asked))
    if texts:
        response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, *texts))
    response.set_rcode(rcode)
    response.flags |= flags
    return response.to_wire()


@pytest.fixture
def watch():
    return Recorder("dns_request", "dns_response", "dns_error")


@pytest.fixture
def play(watch):
    yield from dns_scenarios(watch, "dns")


def test_a_query_is_passed_on_and_answered_byte_for_byte(play, watch):
    scenario = play()
    client = scenario.datagram_client()
    asked = query()
    client.sends(asked)
    (server,) = scenario.datagram_servers
    assert server.address == ("192.0.2.53", 53)
    assert server.received() == [asked]
    reply = answer(asked, "192.0.2.1")
    server.sends(reply)
    assert client.received() == [reply]
    assert watch.hooks == ["dns_request", "dns_response"]
    (flow,) = watch.flows
    assert (flow.request.packed, flow.response.packed) == (asked, reply)
    assert flow.server_conn.address == ("192.0.2.53", 53)
    assert (flow.client_conn.transport_protocol, flow.server_conn.transport_protocol) == ("udp", "udp")
    assert not flow.live
    assert Flow.from_state(flow.get_state()).response == flow.response


def test_clients_share_the_way_to_a_server_and_keep_their_ids_where_they_can(play):
    scenario = play()
    first, second = scenario.datagram_client(), scenario.datagram_client(STRANGER)
    first.sends(query(name="one.example"))
    second.sends(query(name="two.example"))
    (server,) = scenario.datagram_servers
    one, two = server.received()
    assert one[:2] == b"\0\7"
    assert two[:2] != b"\0\7"
    server.sends(answer(two, "192.0.2.2", name="two.example"))
    server.sends(answer(one, "192.0.2.1", name="one.example"))
    assert first.received() == [answer(query(name="one.example"), "192.0.2.1", name="one.example")]
    assert second.received() == [answer(query(name="two.example"), "192.0.2.2", name="two.example")]


def test_answers_that_answer_nothing_are_ignored(play):
    scenario = play()
    client = scenario.datagram_client()
    client.sends(query())
    (server,) = scenario.datagram_servers
    for wrong in (b"", b"\0", answer(query(number=8)), answer(query(name="other.example")), query()):
        server.sends(wrong)
    assert client.received() == []
    server.sends(answer(query()))
    assert client.received() == [answer(query())]


def test_dns_22_a_query_sent_again_is_answered_once(play, watch):
    scenario = play()
    client = scenario.datagram_client()
    for _ in range(3):
        client.sends(query())
    (server,) = scenario.datagram_servers
    assert server.received() == [query()]
    server.sends(answer(query()))
    server.sends(answer(query()))
    assert client.received() == [answer(query())]
    assert watch.hooks == ["dns_request", "dns_response"]


def test_an_id_used_again_is_another_query(play):
    scenario = play()
    client = scenario.datagram_client()
    for name in ("one.example", "two.example"):
        client.sends(query(name=name))
        scenario.datagram_servers[0].sends(answer(query(name=name), "192.0.2.1", name=name))
        assert client.received() == [answer(query(name=name), "192.0.2.1", name=name)]


def test_dns_22_addons_answer_before_anybody_is_asked(play, watch):
    class Answers:
        def dns_request(self, flow):
            flow.response = flow.request.succeed([ResourceRecord.A(flow.request.question.name, "10.0.0.1")])

    scenario = play("dns", Answers())
    client = scenario.datagram_client()
    client.sends(query())
    (reply,) = map(dns.message.from_wire, client.received())
    assert reply.answer[0][0].address == "10.0.0.1"
    assert reply.id == 7
    assert scenario.datagram_servers == []
    assert watch.hooks == ["dns_request", "dns_response"]


def test_addons_change_queries_and_answers(play):
    class Changes:
        def dns_request(self, flow):
            flow.request.questions[0].name = "changed.example"

        def dns_response(self, flow):
            flow.response.questions[0].name = NAME
            flow.response.answers = [ResourceRecord.A(NAME, "10.0.0.2")]
            flow.response.id = 1

    scenario = play("dns", Changes())
    client = scenario.datagram_client()
    client.sends(query())
    (asked,) = scenario.datagram_servers[0].received()
    assert dns.message.from_wire(asked).question[0].name.to_text() == "changed.example."
    scenario.datagram_servers[0].sends(answer(asked))
    (reply,) = map(dns.message.from_wire, client.received())
    assert (reply.id, reply.answer[0][0].address) == (7, "10.0.0.2")
    assert dns.message.from_wire(query()).is_response(reply)


def test_an_addon_chooses_another_server(play):
    class Elsewhere:
        def dns_request(self, flow):
            flow.server_conn.address = ("198.51.100.53", 5353)

    scenario = play("dns", Elsewhere())
    scenario.datagram_client().sends(query())
    assert scenario.datagram_servers[0].address == ("198.51.100.53", 5353)


def test_killed_flows_are_not_answered(play, watch):
    class Kills:
        def dns_request(self, flow):
            flow.kill()

    scenario = play("dns", Kills())
    client = scenario.datagram_client()
    client.sends(query())
    assert client.received() == []
    assert watch.hooks == ["dns_request", "dns_error"]


def test_what_an_addon_says_is_wrong_is_a_failure(play, watch):
    class Refuses:
        def dns_request(self, flow):
            flow.error = Wrong

    class Wrong:
        msg = "no"
        timestamp = 0.0

    scenario = play("dns", Refuses())
    client = scenario.datagram_client()
    client.sends(query())
    assert dns.message.from_wire(client.received()[0]).rcode() == dns.rcode.SERVFAIL
    assert watch.hooks == ["dns_request", "dns_error"]


def test_an_answer_that_cannot_be_written_is_a_failure(play, watch, caplog):
    class Breaks:
        def dns_response(self, flow):
            flow.response.answers = [ResourceRecord("a..b", 1)]

    scenario = play("dns", Breaks())
    client = scenario.datagram_client()
    client.sends(query())
    scenario.datagram_servers[0].sends(answer(query()))
    assert dns.message.from_wire(client.received()[0]).rcode() == dns.rcode.SERVFAIL
    assert "cannot be a domain name" in caplog.text
    assert watch.hooks[-1] == "dns_error"


def test_held_flows_wait(play, watch):
    class Holds:
        def dns_request(self, flow):
            flow.intercept()

        def dns_response(self, flow):
            flow.intercept()

    scenario = play("dns", Holds())
    client = scenario.datagram_client()
    client.sends(query())
    assert scenario.datagram_servers == []
    for _ in range(20):
        scenario.advance(50)  # no time runs out meanwhile
    (flow,) = watch.flows
    scenario.act(flow.resume)
    scenario.datagram_servers[0].sends(answer(query()))
    assert client.received() == []
    scenario.act(flow.resume)
    assert client.received() == [answer(query())]


def test_flows_killed_while_they_are_held(play, watch):
    class Holds:
        def dns_request(self, flow):
            flow.intercept()

    scenario = play("dns", Holds())
    client = scenario.datagram_client()
    client.sends(query())
    scenario.act(watch.flows[0].kill)
    assert client.received() == []
    assert watch.hooks == ["dns_request", "dns_error"]


# What clients send that is no query.


@pytest.mark.parametrize("data", [b"", b"\0", query()[:11], answer(query())])
def test_what_is_no_query_is_not_answered(play, watch, data):
    scenario = play()
    client = scenario.datagram_client()
    client.sends(data)
    assert client.received() == []
    assert watch.hooks == []


def test_dns_17_unreadable_queries_are_refused(play, watch):
    scenario = play()
    client = scenario.datagram_client()
    client.sends(query()[:-1])
    (reply,) = client.received()
    assert reply == b"\0\7\x81\x81" + bytes(8)
    assert watch.hooks == ["dns_error"]
    assert "cannot be read" in watch.flows[0].error.msg
    assert scenario.datagram_servers == []


def test_dns_17_the_raw_profile_passes_on_what_nobody_can_read(play, watch):
    scenario = play(profile="raw")
    client = scenario.datagram_client()
    odd = query()[:12] + b"\xc0\x0c\0\1\0\1"
    client.sends(odd)
    assert scenario.datagram_servers[0].received() == [odd]
    reply = b"\0\7\x80\x01" + b"\0\1" + bytes(6) + b"\xff"
    scenario.datagram_servers[0].sends(reply)
    assert client.received() == [reply]
    assert watch.hooks == ["dns_request"]


@pytest.mark.parametrize("count", [0, 2])
def test_dns_17_no_question_or_several_are_passed_on(play, watch, count):
    scenario = play()
    client = scenario.datagram_client()
    asked = DNSMessage(id=7, questions=DNSMessage.unpack(query()).questions * count).packed
    client.sends(asked)
    (server,) = scenario.datagram_servers
    assert server.received() == [asked]
    refusal = asked[:2] + b"\x80\x01" + asked[4:]
    server.sends(refusal)
    assert client.received() == [refusal]
    assert watch.flows[0].request.question is None


def test_answers_that_cannot_be_read_are_failures(play, watch):
    scenario = play()
    client = scenario.datagram_client()
    client.sends(query())
    scenario.datagram_servers[0].sends(answer(query(), "192.0.2.1")[:-1])
    assert dns.message.from_wire(client.received()[0]).rcode() == dns.rcode.SERVFAIL
    assert "cannot be read" in watch.flows[0].error.msg


# How much a client takes.


@cache
def many(asked):
    return answer(asked, *(f"192.0.2.{n}" for n in range(100)))


def test_dns_20_what_a_client_does_not_take_is_cut(play, watch):
    scenario = play()
    client = scenario.datagram_client()
    client.sends(query())
    scenario.datagram_servers[0].sends(many(query()))
    (reply,) = client.received()
    assert len(reply) < 512
    assert dns.message.from_wire(reply).flags & dns.flags.TC
    assert len(watch.flows[0].response.answers) == 100
    large = query(use_edns=0, payload=4096)
    client.sends(large)
    scenario.datagram_servers[0].sends(many(large))
    assert client.received() == [many(large)]


def test_dns_20_what_servers_cut_is_asked_for_over_tcp(play, watch):
    scenario = play()
    client = scenario.datagram_client()
    asked = query(use_edns=0, payload=4096)
    client.sends(asked)
    scenario.datagram_servers[0].sends(answer(asked, flags=dns.flags.TC))
    (server,) = scenario.servers
    assert server.address == ("192.0.2.53", 53)
    assert server.received() == framed(asked)
    server.sends(framed(many(asked)), piece=100)
    assert client.received() == [many(asked)]
    assert watch.flows[0].server_conn.transport_protocol == "tcp"


def test_a_server_without_tcp_is_heard_out(play, caplog):
    caplog.set_level("INFO")
    scenario = play()
    scenario.unreachable["192.0.2.53", 53] = ConnectionRefusedError()
    client = scenario.datagram_client()
    del scenario.unreachable["192.0.2.53", 53]
    client.sends(query())
    scenario.unreachable["192.0.2.53", 53] = ConnectionRefusedError()
    cut = answer(query(), flags=dns.flags.TC)
    scenario.datagram_servers[0].sends(cut)
    assert client.received() == [cut]
    assert "the whole answer cannot be had" in caplog.text


def test_udp_15_public_addresses_are_sent_no_more_than_they_can_have_asked_for(play):
    scenario = play(block_global=False, udp_amplification=3)
    asked = query(use_edns=0, payload=4096)
    client = scenario.datagram_client(PUBLIC)
    client.sends(asked)
    scenario.datagram_servers[0].sends(many(asked))
    (reply,) = client.received()
    assert len(reply) <= 3 * len(asked)
    assert dns.message.from_wire(reply).flags & dns.flags.TC


# TCP.


@pytest.mark.parametrize("piece", [1, 7, 0])
def test_dns_20_queries_over_tcp(play, watch, piece):
    scenario = play()
    client = scenario.client()
    client.sends(framed(query()) + framed(query(name="two.example", number=8)), piece=piece)
    (server,) = scenario.datagram_servers
    first, second = server.received()
    server.sends(answer(second, "192.0.2.2", name="two.example"))
    server.sends(many(first))
    assert client.received() == framed(answer(second, "192.0.2.2", name="two.example")) + framed(many(first))
    assert [flow.client_conn.transport_protocol for flow in watch.flows] == ["tcp", "tcp"]
    client.ends()
    assert client.is_closed


def test_queries_are_answered_after_the_end_of_the_client(play):
    scenario = play()
    client = scenario.client()
    client.sends(framed(query()))
    client.ends()
    assert not client.is_closed
    scenario.datagram_servers[0].sends(answer(query()))
    assert client.received() == framed(answer(query()))
    assert client.is_closed


def test_a_client_that_leaves_ends_its_queries(play, watch):
    scenario = play()
    client = scenario.client()
    client.sends(framed(query()))
    client.leaves()
    assert watch.hooks == ["dns_request", "dns_error"]
    assert watch.flows[0].error.msg == "the client disconnected"


def test_a_stream_that_ends_within_a_query(play, caplog):
    caplog.set_level("INFO")
    scenario = play()
    client = scenario.client()
    client.sends(framed(query())[:-1])
    client.ends()
    assert client.is_closed
    assert "within a DNS message" in caplog.text


def test_a_client_without_queries_is_closed(play):
    scenario = play(client_idle_timeout=30)
    client = scenario.client()
    scenario.advance(31)
    assert client.is_closed


def test_a_client_with_many_queries_waits(play):
    scenario = play()
    client = scenario.client()
    asked = [query(number=number) for number in range(300)]
    for each in asked:
        client.sends(framed(each))
    (server,) = scenario.datagram_servers
    received = server.received()
    assert len(received) == 100
    while received:
        for each in received:
            server.sends(answer(each))
        received = server.received()
    assert client.received() == b"".join(framed(answer(each)) for each in asked)


# Servers that do not answer.


def test_a_silent_server_is_asked_again_and_given_up(play, watch):
    scenario = play()
    client = scenario.datagram_client()
    client.sends(query())
    scenario.advance(2.5)
    (server,) = scenario.datagram_servers
    assert len(server.received()) == 2
    scenario.advance(2.5)
    assert dns.message.from_wire(client.received()[0]).rcode() == dns.rcode.SERVFAIL
    assert watch.hooks == ["dns_request", "dns_error"]
    assert watch.flows[0].error.msg == "the name server 192.0.2.53:53 did not answer in time"


def test_the_next_server_is_asked(play):
    scenario = play(dns_name_servers=["192.0.2.53", "192.0.2.54", "192.0.2.55"])
    client = scenario.datagram_client()
    client.sends(query())
    first = scenario.datagram_servers[0]
    first.refuses()
    second = scenario.datagram_servers[1]
    assert second.address == ("192.0.2.54", 53)
    second.sends(answer(query(), rcode=dns.rcode.REFUSED))
    scenario.datagram_servers[2].sends(answer(query(), "192.0.2.9"))
    assert client.received() == [answer(query(), "192.0.2.9")]


def test_if_none_knows_better_the_failure_is_passed_on(play):
    scenario = play(dns_name_servers=["192.0.2.53", "192.0.2.54"])
    client = scenario.datagram_client()
    client.sends(query())
    for server in list(scenario.datagram_servers):
        server.sends(answer(query(), rcode=dns.rcode.REFUSED))
    scenario.datagram_servers[1].sends(answer(query(), rcode=dns.rcode.REFUSED))
    assert client.received() == [answer(query(), rcode=dns.rcode.REFUSED)]


def test_a_server_without_an_address(play, watch):
    scenario = play()
    scenario.unreachable["192.0.2.53", 53] = OSError(101, "Network is unreachable")
    client = scenario.datagram_client()
    client.sends(query())
    assert dns.message.from_wire(client.received()[0]).rcode() == dns.rcode.SERVFAIL
    assert "cannot reach 192.0.2.53:53: Network is unreachable" in watch.flows[0].error.msg


def test_an_addon_refuses_the_server(play, watch):
    class Refuses:
        def server_connect(self, data):
            data.server.error = "not there"

    scenario = play("dns", Refuses())
    scenario.datagram_client().sends(query())
    assert watch.flows[0].error.msg == "not there"
    assert scenario.dialled == []


def test_lines_are_left_after_a_while_and_when_options_change(play):
    scenario = play()
    client = scenario.datagram_client()

    def ask():
        client.sends(query())
        scenario.datagram_servers[-1].sends(answer(query()))
        assert client.received() == [answer(query())]

    ask()
    ask()
    assert len(scenario.datagram_servers) == 1
    scenario.advance(11)
    ask()
    assert len(scenario.datagram_servers) == 2
    scenario.session.reload()
    ask()
    assert len(scenario.datagram_servers) == 3
    assert scenario.datagram_servers[1].is_closed


def test_no_port_is_used_for_ever(play):
    scenario = play()
    client = scenario.datagram_client()
    for number in range(1001):
        client.sends(query(number=number))
        scenario.datagram_servers[-1].sends(answer(query(number=number)))
    assert len(scenario.datagram_servers) == 2
    assert scenario.datagram_servers[0].is_closed


def test_shutdown_hangs_up(play, watch):
    scenario = play()
    scenario.datagram_client().sends(query())
    scenario.act(scenario.asker.close)
    for _ in range(3):
        scenario.act(scenario.asker.close)
    assert watch.hooks == ["dns_request", "dns_error"]


# What the system knows.


@pytest.fixture
def files(tmp_path):
    """The system's files, and a function that makes a scenario find them."""
    resolv, hosts = tmp_path / "resolv.conf", tmp_path / "hosts"
    hosts.write_text("192.0.2.77 printer.lan\n")
    resolv.write_text("nameserver 192.0.2.99\n")

    def use(scenario):
        scenario.system_files = (str(resolv), str(hosts))
        return scenario

    return use, resolv, hosts


def test_the_hosts_file_comes_first(play, files):
    use, _, _ = files
    scenario = use(play())
    client = scenario.datagram_client()
    client.sends(query(name="Printer.LAN"))
    (reply,) = map(dns.message.from_wire, client.received())
    assert reply.answer[0][0].address == "192.0.2.77"
    assert reply.answer[0].ttl == 60
    client.sends(query("AAAA", name="printer.lan"))
    assert dns.message.from_wire(client.received()[0]).answer == []
    client.sends(query("MX", name="printer.lan"))
    assert len(scenario.datagram_servers) == 1
    scenario.options.update(dns_use_hosts_file=False)
    client.sends(query(name="printer.lan", number=9))
    assert len(scenario.datagram_servers[0].received()) == 2


def test_the_systems_servers_are_asked_unless_others_are_named(play, files):
    use, resolv, _ = files
    scenario = use(play(dns_name_servers=[]))
    client = scenario.datagram_client()
    client.sends(query())
    assert scenario.datagram_servers[0].address == ("192.0.2.99", 53)
    scenario.datagram_servers[0].sends(answer(query()))
    resolv.write_text("nameserver 192.0.2.98\n")
    os.utime(resolv, (1, 1))
    scenario.advance(6)
    client.sends(query())
    assert scenario.datagram_servers[1].address == ("192.0.2.98", 53)
    scenario.options.update(dns_name_servers=["192.0.2.53"])
    client.sends(query(number=8))
    assert scenario.datagram_servers[2].address == ("192.0.2.53", 53)


def test_dns_21_without_name_servers_the_system_is_asked(play, watch):
    scenario = play(dns_name_servers=[])
    scenario.addresses = {NAME: ["192.0.2.1", "2001:db8::1"], "broken.example": OSError("again")}
    client = scenario.datagram_client()
    for kind, name, expected in (
        ("A", NAME, (0, ["192.0.2.1"])),
        ("AAAA", NAME, (0, ["2001:db8::1"])),
        ("A", "unknown.example", (dns.rcode.NXDOMAIN, [])),
        ("A", "broken.example", (dns.rcode.SERVFAIL, [])),
        ("MX", NAME, (dns.rcode.NOTIMP, [])),
    ):
        client.sends(query(kind, name=name))
        (reply,) = map(dns.message.from_wire, client.received())
        assert (reply.rcode(), [data.address for data in (reply.answer or [[]])[0]]) == expected
    assert watch.flows[-2].error.msg == "the system cannot find the name: again"


def test_a_system_that_takes_too_long(play, watch):
    scenario = play(dns_name_servers=[])

    async def never(awaitable, seconds):
        awaitable.close()
        raise TimeoutError

    scenario.session.waiter.wait_or_cancel = never
    scenario.datagram_client().sends(query())
    assert watch.flows[0].error.msg == "the system did not find the name in time"


def test_a_system_that_asks_us_is_not_asked(play, watch, files):
    use, resolv, _ = files
    resolv.write_text("nameserver 127.0.0.1\n")
    scenario = use(play(dns_name_servers=[]))
    scenario.session.own_addresses.add(("127.0.0.1", 53))
    scenario.datagram_client().sends(query())
    assert "the system asks this proxy itself" in watch.flows[0].error.msg


# In a server's place.


def test_reverse_mode_asks_its_target_in_the_way_of_the_client(play, watch):
    scenario = play("reverse:dns://192.0.2.7:5300")
    client = scenario.datagram_client()
    client.sends(query())
    assert scenario.datagram_servers[0].address == ("192.0.2.7", 5300)
    cut = answer(query(), flags=dns.flags.TC)
    scenario.datagram_servers[0].sends(cut)
    assert client.received() == [cut]
    over_tcp = scenario.client()
    over_tcp.sends(framed(query()))
    assert scenario.servers[0].address == ("192.0.2.7", 5300)
    assert scenario.servers[0].received() == framed(query())
    scenario.servers[0].sends(framed(many(query())))
    assert over_tcp.received() == framed(many(query()))
    assert len(watch.flows) == 2


def test_reverse_mode_asks_twice(play):
    scenario = play("reverse:dns://192.0.2.7")
    client = scenario.datagram_client()
    client.sends(query())
    scenario.advance(2.5)
    scenario.datagram_servers[0].sends(answer(query()))
    assert client.received() == [answer(query())]


def test_a_connection_that_the_server_had_closed_is_opened_again(play):
    scenario = play(dns_name_servers=["tcp://192.0.2.53"])
    client = scenario.datagram_client()
    client.sends(query())
    scenario.servers[0].sends(framed(answer(query())))
    client.sends(query(number=8))
    scenario.servers[0].leaves()
    scenario.servers[1].sends(framed(answer(query(number=8))))
    assert client.received() == [answer(query()), answer(query(number=8))]
    client.sends(query(number=9))
    scenario.servers[1].ends()
    scenario.servers[2].ends()
    scenario.servers[3].ends()
    scenario.servers[-1].ends()
    scenario.advance(10)
    assert len(client.received()) == 1


# Clients that speak TLS (RFC 7858).


def over_tls(scenario, *, name="dns.example", alpn=("dot",), piece=0):
    client = scenario.client()
    secure = tls_client(scenario, client, name, alpn=alpn)
    return client, secure.shake()


@pytest.mark.parametrize("alpn", [("dot",), (), ("h2", "dot"), ("h2",)])
def test_clients_over_tls(play, watch, alpn):
    scenario = play()
    client, secure = over_tls(scenario, alpn=alpn)
    assert secure.endpoint.alpn == (b"dot" if "dot" in alpn else None)
    secure.sends(framed(query()) + framed(query(number=8)))
    (server,) = scenario.datagram_servers
    for each in server.received():
        server.sends(answer(each, "192.0.2.1"))
    assert secure.received() == framed(answer(query(), "192.0.2.1")) + framed(answer(query(number=8), "192.0.2.1"))
    client_conn = watch.flows[0].client_conn
    assert (client_conn.tls_established, client_conn.sni, client_conn.alpn) == (
        True, "dns.example", b"dot" if "dot" in alpn else b"",
    )  # fmt: skip
    secure.ends()
    assert client.is_closed


@pytest.mark.parametrize(("mode", "name"), [("dns", "127.0.0.1"), ("reverse:dns://dns.example", "dns.example")])
def test_a_client_over_tls_that_names_nobody(play, watch, mode, name):
    scenario = play(mode)
    _, secure = over_tls(scenario, name=None)
    secure.sends(framed(query()))
    assert [str(alternative) for alternative in watch.flows[0].client_conn.mitmcert.altnames] == [name]


@pytest.mark.parametrize("port", [53, 853])
def test_in_a_servers_place_its_port_tells_whether_it_speaks_tls(play, watch, tmp_path, port):
    origins = Origins(str(tmp_path))
    scenario = play(f"reverse:dns://dns.example:{port}", ssl_verify_upstream_trusted_ca=origins.path)
    _, secure = over_tls(scenario)
    secure.sends(framed(query()))
    (server,) = scenario.servers
    if port == 853:
        server = origins.serve(server, "dns.example", alpn=(b"dot",)).shake()
    assert server.received() == framed(query())
    server.sends(framed(answer(query())))
    assert secure.received() == framed(answer(query()))
    assert watch.flows[0].server_conn.tls_established is (port == 853)


def test_addons_see_who_opens_tls(play):
    class Sees:
        def __init__(self):
            self.hooks = []

        def tls_clienthello(self, data):
            self.hooks.append(("clienthello", data.client_hello.sni))

        def tls_established_client(self, data):
            self.hooks.append(("established", data.conn.sni))

    sees = Sees()
    scenario = play("dns", sees)
    over_tls(scenario)
    assert sees.hooks == [("clienthello", "dns.example"), ("established", "dns.example")]


def test_a_client_that_does_not_trust_us(play, caplog):
    caplog.set_level("INFO")
    scenario = play()
    client = scenario.client()
    with pytest.raises(PeerError, match="certificate"):
        tls_client(scenario, client, "dns.example", context=client_context(None)).shake()
    assert client.is_closed
    assert "dns.example" in caplog.text


@pytest.mark.parametrize("hello", [b"\x16", b"\x16\x03", b"\x16\x03\x01\x02\x00\x01"])
@pytest.mark.parametrize("how", ["ends", "leaves", "waits"])
def test_a_client_that_stops_inside_its_hello(play, hello, how):
    scenario = play(client_idle_timeout=30, tls_handshake_timeout=30)
    client = scenario.client()
    client.sends(hello, piece=1)
    if how == "waits":
        scenario.advance(31)
    else:
        getattr(client, how)()
    assert client.is_closed


def test_a_query_as_long_as_a_hello_begins_is_a_query(play):
    """Its length reads 16 03, its id 00 07: the version of TLS that nobody speaks any more, or ours."""
    scenario = play("reverse:dns://192.0.2.7")
    client = scenario.client()
    asked = query()
    long = asked[:10] + b"\0\1" + asked[12:]
    size = 0x1603
    record = size - len(asked) - 11
    long += b"\0\0\x10\0\1\0\0\0\0" + record.to_bytes(2, "big") + b"\xff" * record
    assert len(long) == size
    client.sends(framed(long), piece=1000)
    assert scenario.servers[0].received() == framed(long)


# TLS and HTTP.


def test_name_servers_over_tls(play, watch, tmp_path):
    origins = Origins(str(tmp_path))
    scenario = play(dns_name_servers=["tls://dns.example"], ssl_verify_upstream_trusted_ca=origins.path)
    client = scenario.datagram_client()
    client.sends(query())
    assert scenario.servers[0].address == ("dns.example", 853)
    server = origins.serve(scenario.servers[0], "dns.example", alpn=(b"dot",)).shake()
    assert server.received() == framed(query())
    server.sends(framed(answer(query())))
    assert client.received() == [answer(query())]
    assert watch.flows[0].server_conn.alpn == b"dot"


def test_a_name_server_has_to_prove_its_name(play, watch, tmp_path):
    origins = Origins(str(tmp_path))
    scenario = play(dns_name_servers=["tls://dns.example"], ssl_verify_upstream_trusted_ca=origins.path)
    scenario.datagram_client().sends(query())
    for server in list(scenario.servers):
        with pytest.raises(PeerError):
            origins.serve(server, "other.example").shake()
    for server in scenario.servers[1:]:
        with pytest.raises(PeerError):
            origins.serve(server, "other.example").shake()
    assert "certificate" in watch.flows[0].error.msg


def http_answer(body, status=b"200 OK"):
    return b"HTTP/1.1 %s\r\nContent-Type: application/dns-message\r\nContent-Length: %d\r\n\r\n%s" % (
        status,
        len(body),
        body,
    )


def over_http(play, tmp_path, **options):
    origins = Origins(str(tmp_path))
    scenario = play(
        dns_name_servers=["https://dns.example/ask"], ssl_verify_upstream_trusted_ca=origins.path, **options
    )
    client = scenario.datagram_client()
    client.sends(query())
    server = origins.serve(scenario.servers[0], "dns.example", alpn=(b"http/1.1",)).shake()
    return scenario, client, server


def test_name_servers_over_http(play, watch, tmp_path):
    scenario, client, server = over_http(play, tmp_path)
    head, _, body = server.received().partition(b"\r\n\r\n")
    assert head.startswith(b"POST /ask HTTP/1.1\r\nHost: dns.example\r\n")
    assert b"Content-Type: application/dns-message" in head
    assert body == query(number=0)
    server.sends(http_answer(answer(query(number=0), "192.0.2.1")))
    assert client.received() == [answer(query(), "192.0.2.1")]
    assert watch.flows[0].server_conn.address == ("dns.example", 443)
    client.sends(query(number=9))
    assert server.received().endswith(query(number=0))
    server.sends(http_answer(answer(query(number=0))))
    assert client.received() == [answer(query(number=9))]
    assert len(scenario.servers) == 1


def test_queries_share_a_connection_of_http2(play, tmp_path):
    origins = Origins(str(tmp_path))
    scenario = play(dns_name_servers=["https://dns.example"], ssl_verify_upstream_trusted_ca=origins.path)
    client = scenario.datagram_client()
    for number in (1, 2):
        client.sends(query(number=number))
    assert len(scenario.servers) == 1
    server = Http2Peer.server(origins.serve(scenario.servers[0], "dns.example", alpn=(b"h2",)).shake())
    first, second = server.streams
    assert server.request(first).head.authority == b"dns.example"
    assert server.request(first).head.target == b"/dns-query"
    assert server.request(second).body == query(number=0)
    server.answers(second, 200, answer(query(number=0), "192.0.2.2"))
    server.answers(first, 200, answer(query(number=0), "192.0.2.1"))
    assert sorted(reply[:2] for reply in client.received()) == [b"\0\1", b"\0\2"]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (http_answer(b"", b"403 Forbidden"), "the name server answered 403 Forbidden"),
        (http_answer(query(number=0)), "answered something else"),
        (http_answer(bytes(70000)), "longer than any DNS message"),
        (b"rubbish\r\n\r\n", "."),
    ],
)
def test_what_is_no_answer_over_http(play, watch, tmp_path, reply, reason):
    scenario, _, server = over_http(play, tmp_path)
    server.received()
    server.sends(reply)
    for other in scenario.servers[1:]:
        other.leaves()
    scenario.advance(3)
    assert watch.hooks == ["dns_request", "dns_error"]
    assert reason in watch.flows[0].error.msg


def test_an_idle_connection_that_had_ended_is_no_failure(play, tmp_path):
    scenario, client, server = over_http(play, tmp_path)
    server.received()
    server.sends(http_answer(answer(query(number=0))))
    assert client.received() == [answer(query())]
    client.sends(query(number=8))
    scenario.servers[0].leaves()
    again = Origins(str(tmp_path)).serve(scenario.servers[1], "dns.example", alpn=(b"http/1.1",)).shake()
    assert again.received().endswith(query(number=0))
    again.sends(http_answer(answer(query(number=0))))
    assert client.received() == [answer(query(number=8))]


def test_a_name_server_over_http_that_is_silent(play, watch, tmp_path):
    scenario, client, server = over_http(play, tmp_path)
    server.received()
    scenario.advance(2.5)
    scenario.advance(2.5)
    assert dns.message.from_wire(client.received()[0]).rcode() == dns.rcode.SERVFAIL
    assert "did not answer in time" in watch.flows[0].error.msg


# Clients.


def test_refused_clients_are_not_answered(play, watch):
    class Refuses:
        def client_connected(self, client):
            client.error = "no"

    scenario = play("dns", Refuses())
    client = scenario.datagram_client()
    client.sends(query())
    client.sends(query(number=8))
    assert client.received() == []
    assert watch.hooks == []


def test_clients_come_and_go_with_their_queries(play):
    told = []

    class Door:
        def client_connected(self, client):
            told.append(("came", client))

        def client_disconnected(self, client):
            told.append(("went", client))
            assert client.timestamp_end

    scenario = play("dns", Door())
    client = scenario.datagram_client()
    client.sends(query())
    assert [what for what, _ in told] == ["came"]
    scenario.datagram_servers[0].sends(answer(query()))
    assert [what for what, _ in told] == ["came", "went"]
    assert told[0][1] is told[1][1]
    assert told[0][1].peername == ("127.0.0.1", 50000)


def test_udp_15_the_client_that_was_silent_longest_makes_room(play, watch):
    scenario = play(max_udp_clients=2)
    clients = [scenario.datagram_client(("127.0.0.1", port)) for port in (1, 2, 3)]
    clients[0].sends(query(number=1))
    clients[1].sends(query(number=2))
    clients[0].sends(query(number=11))
    clients[2].sends(query(number=3))
    assert [flow.request.id for flow in watch.flows if flow.error] == [2]
    assert len(scenario.port.clients) == 2


def test_udp_15_one_address_cannot_have_too_many(play, watch):
    scenario = play(max_connections_per_client=1)
    for port in (1, 2):
        scenario.datagram_client(("127.0.0.1", port)).sends(query(number=port))
    assert [flow.request.id for flow in watch.flows] == [1]


def test_udp_14_what_the_system_says_of_a_client_ends_nothing(play):
    scenario = play()
    scenario.port.error_received(ConnectionResetError())
    client = scenario.datagram_client()
    client.sends(query())
    scenario.datagram_servers[0].sends(answer(query()))
    assert client.received() == [answer(query())]


def test_a_closed_port_ends_what_it_has_begun_and_no_more(play):
    scenario = play()
    client = scenario.datagram_client()
    client.sends(query())
    scenario.act(scenario.port.close)
    scenario.datagram_client(STRANGER).sends(query())
    scenario.datagram_servers[0].sends(answer(query()))
    assert client.received() == [answer(query())]
    assert scenario._datagrams.is_closing()


def test_a_stop_waits_for_queries_under_way(play):
    scenario = play()
    by_datagram, by_stream, idle = scenario.datagram_client(), scenario.client(), scenario.client(STRANGER)
    by_datagram.sends(query())
    by_stream.sends(framed(query(number=8)))
    for talker in (*scenario.port.clients, *scenario._connections):
        scenario.act(talker.stop_if_idle)
    assert idle.is_closed
    scenario.datagram_servers[0].sends(answer(query()))
    scenario.datagram_servers[0].sends(answer(query(number=8)))
    assert by_datagram.received() == [answer(query())]
    assert by_stream.received() == framed(answer(query(number=8)))


def test_a_mistake_of_ours_ends_one_query(play, caplog, monkeypatch):
    scenario = play()
    client = scenario.datagram_client()
    monkeypatch.setattr("midstream.proxy.dns.DNSMessage.packed", property(lambda self: 1 // 0))
    client.sends(query())
    monkeypatch.undo()
    assert "ZeroDivisionError" in caplog.text
    client.sends(query())
    scenario.datagram_servers[0].sends(answer(query()))
    assert client.received() == [answer(query())]


def test_async_addons_are_waited_for(play):
    class Waits:
        async def dns_request(self, flow):
            await asyncio.sleep(0)
            flow.response = flow.request.fail(5)

    scenario = play("dns", Waits())

    async def at_once(awaitable):
        try:
            while True:
                awaitable.send(None)
        except StopIteration as stop:
            return stop.value

    scenario.hooks.wait = at_once
    client = scenario.datagram_client()
    client.sends(query())
    assert dns.message.from_wire(client.received()[0]).rcode() == dns.rcode.REFUSED
