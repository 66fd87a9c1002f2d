"""Zone transfers: one query, many messages."""

import dns.message
import dns.rcode
import dns.rrset
import dns.xfr
import dns.zone
import pytest

from midstream.addon import DNSMessage
from midstream.flow import Flow
from midstream.testing.tls import Origins
from midstream.wire.dns import Stream, framed
from scriptkit.dnsplay import dns_scenarios
from scriptkit.recorder import Recorder

ZONE = "example."
REVERSE = "reverse:dns://192.0.2.7"


def soa(serial):
    return dns.rrset.from_text(ZONE, 60, "IN", "SOA", f"ns.{ZONE} hostmaster.{ZONE} {serial} 1 2 3 4")


def address(number):
    return dns.rrset.from_text(f"host{number}.{ZONE}", 60, "IN", "A", f"192.0.2.{number % 256}")


def query(kind="AXFR", *, serial=None, number=7):
    asked = dns.message.make_query(ZONE, kind, id=number)
    if serial is not None:
        asked.authority.append(soa(serial))
    return asked.to_wire()


def part(asked, *records, has_question=True, rcode=0):
    """Return one message of an answer."""
    response = dns.message.make_response(dns.message.from_wire(asked))
    if not has_question:
        response.question = []
    response.set_rcode(rcode)
    # rrsets of the same name stay apart, in their order
    return (
        response.to_wire()[:6] + len(records).to_bytes(2, "big") + response.to_wire()[8:] + b"".join(map(wire, records))
    )


def wire(rrset):
    (data,) = rrset
    kind, text = int(rrset.rdtype), data.to_wire()
    return (
        rrset.name.to_wire()
        + kind.to_bytes(2, "big")
        + b"\0\1"
        + (60).to_bytes(4, "big")
        + len(text).to_bytes(2, "big")
        + text
    )


@pytest.fixture
def watch():
    return Recorder("dns_request", "dns_response", "dns_error")


@pytest.fixture
def play(watch):
    yield from dns_scenarios(watch, REVERSE)


def messages(data):
    return Stream().receive(data)


@pytest.mark.parametrize("has_question", [True, False])
@pytest.mark.parametrize("piece", [1, 0])
def test_a_zone_goes_on_message_by_message_and_is_one_flow(play, watch, has_question, piece):
    scenario = play()
    client = scenario.client()
    client.sends(framed(query()))
    (server,) = scenario.servers
    assert server.address == ("192.0.2.7", 53)
    assert server.received() == framed(query())
    parts = [
        part(query(), soa(5), address(1)),
        part(query(), address(2), address(3), has_question=has_question),
        part(query(), soa(5), has_question=has_question),
    ]
    for each in parts[:2]:
        server.sends(framed(each), piece=piece)
        assert messages(client.received()) == [each]
    assert watch.hooks == ["dns_request"]
    server.sends(framed(parts[2]))
    assert messages(client.received()) == [parts[2]]
    assert watch.hooks == ["dns_request", "dns_response"]
    assert server.is_closed
    flow = watch.flow
    assert flow.response.packed == parts[0]
    assert [message.packed for message in flow.transfer] == parts
    assert flow.transferred == 3
    assert flow.server_conn.address == ("192.0.2.7", 53)
    again = Flow.from_state(flow.get_state())
    assert (again.transfer, again.transferred) == (flow.transfer, 3)


INCREMENT = [soa(5), soa(3), address(1), soa(4), address(2), soa(4), soa(5), address(3), soa(5)]


@pytest.mark.parametrize(
    ("asked", "records"),
    [
        (query("AXFR"), [soa(5), soa(5)]),
        (query("IXFR", serial=3), INCREMENT),
        (query("IXFR", serial=3), [soa(5), address(1), address(2), soa(5)]),
        (query("IXFR", serial=3), [soa(5), soa(5)]),
        (query("IXFR", serial=5), [soa(5)]),
        (query("IXFR", serial=6), [soa(5)]),
        (query("IXFR", serial=2**32 - 1), [soa(5), address(1), soa(5)]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_the_end_is_where_the_zone_ends(play, watch, asked, records, size):
    scenario = play()
    client = scenario.client()
    client.sends(framed(asked))
    (server,) = scenario.servers
    parts = [part(asked, *records[at : at + size]) for at in range(0, len(records), size)]
    for each in parts:
        assert watch.hooks == ["dns_request"]
        server.sends(framed(each))
    assert watch.hooks == ["dns_request", "dns_response"]
    assert messages(client.received()) == parts
    assert server.is_closed


@pytest.mark.parametrize("first", [part(query(), rcode=9), part(query())])
def test_a_refusal_is_one_message(play, watch, first):
    scenario = play()
    client = scenario.client()
    client.sends(framed(query()))
    scenario.servers[0].sends(framed(first))
    assert messages(client.received()) == [first]
    assert watch.hooks == ["dns_request", "dns_response"]


def test_a_failure_in_the_middle_ends_it(play, watch):
    scenario = play()
    client = scenario.client()
    client.sends(framed(query()))
    parts = [part(query(), soa(5)), part(query(), rcode=2)]
    for each in parts:
        scenario.servers[0].sends(framed(each))
    assert messages(client.received()) == parts
    assert watch.flow.transferred == 2


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("how", ["ends", "says nothing", "says nonsense"])
def test_a_server_that_breaks_off(play, watch, begun, how):
    scenario = play(tcp_timeout=30)
    client = scenario.client()
    client.sends(framed(query()))
    (server,) = scenario.servers
    if begun:
        server.sends(framed(part(query(), soa(5))))
    if how == "ends":
        server.ends()
    elif how == "says nothing":
        scenario.advance(31)
    else:
        server.sends(framed(part(query(), address(1))[:-1]))
    *before, last = messages(client.received())
    assert len(before) == begun
    assert dns.message.from_wire(last).rcode() == dns.rcode.SERVFAIL
    assert watch.hooks == ["dns_request", "dns_error"]
    assert server.is_closed


def test_what_begins_without_an_soa_record_is_no_zone(play, watch):
    scenario = play()
    client = scenario.client()
    client.sends(framed(query()))
    scenario.servers[0].sends(framed(part(query(), address(1))))
    assert dns.message.from_wire(messages(client.received())[0]).rcode() == dns.rcode.SERVFAIL
    assert "begins with another record than SOA" in watch.flow.error.msg


def test_what_belongs_to_no_transfer_is_ignored(play):
    scenario = play()
    client = scenario.client()
    client.sends(framed(query()))
    (server,) = scenario.servers
    server.sends(framed(b"short") + framed(part(query(number=8), soa(1), soa(1))) + framed(query()))
    assert client.received() == b""
    server.sends(framed(part(query(), soa(5), soa(5))))
    assert messages(client.received()) == [part(query(), soa(5), soa(5))]


def test_other_queries_on_the_connection_do_not_wait(play, watch):
    scenario = play()
    client = scenario.client()
    other = dns.message.make_query("www.example", "A", id=9).to_wire()
    client.sends(framed(query()) + framed(other))
    transfer, line = scenario.servers
    transfer.sends(framed(part(query(), soa(5))))
    reply = dns.message.make_response(dns.message.from_wire(other)).to_wire()
    line.sends(framed(reply))
    transfer.sends(framed(part(query(), soa(5))))
    assert messages(client.received()) == [part(query(), soa(5)), reply, part(query(), soa(5))]


def test_a_slow_reader_holds_up_the_server(play):
    scenario = play()
    client = scenario.client()
    client.sends(framed(query()) + framed(query(number=8)))
    client.transport.reads_slowly = True
    for server, number in zip(scenario.servers, (7, 8), strict=True):
        asked = query(number=number)
        server.sends(framed(part(asked, soa(5))))
        for _ in range(10):
            server.sends(framed(part(asked, *map(address, range(2000)))))
        assert not server.transport.is_reading
    client.transport.reads_slowly = False
    came = b""
    while data := client.received():
        came += data
        scenario.settle()
    for server, number in zip(scenario.servers, (7, 8), strict=True):
        assert server.transport.is_reading
        server.sends(framed(part(query(number=number), soa(5))))
    assert len(messages(came + client.received())) == 24


def test_a_slow_zone_keeps_its_client(play, watch):
    scenario = play(client_idle_timeout=10)
    client = scenario.client()
    client.sends(framed(query()))
    scenario.servers[0].sends(framed(part(query(), soa(5))))
    for number in range(4):
        scenario.advance(8)
        scenario.servers[0].sends(framed(part(query(), address(number))))
    scenario.servers[0].sends(framed(part(query(), soa(5))))
    assert watch.hooks[-1] == "dns_response"
    assert len(messages(client.received())) == 6


def test_a_client_that_leaves_ends_the_transfer(play, watch):
    scenario = play()
    client = scenario.client()
    client.sends(framed(query()))
    scenario.servers[0].sends(framed(part(query(), soa(5))))
    client.leaves()
    assert watch.hooks == ["dns_request", "dns_error"]
    assert scenario.servers[0].is_closed


def test_the_record_keeps_as_much_as_of_a_body(play, watch):
    scenario = play(body_memory=300)
    client = scenario.client()
    client.sends(framed(query()))
    parts = [part(query(), soa(5)), *(part(query(), address(number)) for number in range(9)), part(query(), soa(5))]
    for each in parts:
        scenario.servers[0].sends(framed(each))
    assert messages(client.received()) == parts
    assert watch.flow.transferred == 11
    assert 1 < len(watch.flow.transfer) < 8


# Addons.


def test_addons_may_answer_or_end_it(play, watch):
    class Answers:
        def dns_request(self, flow):
            flow.response = flow.request.fail(5)

    scenario = play(REVERSE, Answers())
    client = scenario.client()
    client.sends(framed(query()))
    assert scenario.servers == []
    assert dns.message.from_wire(messages(client.received())[0]).rcode() == 5
    assert watch.flow.transferred == 0


def test_a_kill_ends_it(play, watch):
    scenario = play()
    client = scenario.client()
    client.sends(framed(query()))
    scenario.servers[0].sends(framed(part(query(), soa(5))))
    scenario.act(watch.flow.kill)
    scenario.servers[0].sends(framed(part(query(), soa(5))))
    assert len(messages(client.received())) == 1
    assert watch.hooks[-1] == "dns_error"
    assert scenario.servers[0].is_closed


def test_a_changed_query_is_answered_by_the_id_of_the_client(play):
    class Changes:
        def dns_request(self, flow):
            flow.request.id = 99

    scenario = play(REVERSE, Changes())
    client = scenario.client()
    client.sends(framed(query()))
    assert scenario.servers[0].received() == framed(query(number=99))
    scenario.servers[0].sends(framed(part(query(number=99), soa(5), soa(5))))
    assert messages(client.received()) == [part(query(), soa(5), soa(5))]


# Who is asked.


def test_over_udp_there_is_no_axfr_and_ixfr_is_one_message(play):
    scenario = play()
    client = scenario.datagram_client()
    client.sends(query("AXFR"))
    assert dns.message.from_wire(client.received()[0]).rcode() == dns.rcode.NOTIMP
    client.sends(query("IXFR", serial=3))
    reply = part(query("IXFR", serial=3), soa(5))
    scenario.datagram_servers[0].sends(reply)
    assert client.received() == [reply]


def test_mode_dns_does_not_ask_for_the_rest_of_an_ixfr(play):
    """Whoever sent the query over UDP asks for it over TCP, and gets many messages there (RFC 1995 §2)."""
    scenario = play("dns")
    client = scenario.datagram_client()
    client.sends(query("IXFR", serial=3))
    reply = bytearray(part(query("IXFR", serial=3)))
    reply[2] |= 2
    scenario.datagram_servers[0].sends(bytes(reply))
    assert client.received() == [bytes(reply)]
    assert scenario.servers == []


def test_mode_dns_asks_the_first_server_that_can_be_reached(play):
    scenario = play("dns", dns_name_servers=["https://1.1.1.1/dns-query", "192.0.2.53", "tcp://192.0.2.54"])
    client = scenario.client()
    client.sends(framed(query()))
    first = scenario.servers[0]
    assert first.address == ("192.0.2.53", 53)
    first.leaves()
    second = scenario.servers[1]
    assert second.address == ("192.0.2.54", 53)
    second.sends(framed(part(query(), soa(5))))
    second.leaves()
    assert len(scenario.servers) == 2, "what has begun is not begun again"
    assert len(messages(client.received())) == 2


def test_where_nobody_can_be_asked_there_is_none(play, watch):
    scenario = play("dns", dns_name_servers=["https://1.1.1.1/dns-query"])
    client = scenario.client()
    client.sends(framed(query()))
    (reply,) = messages(client.received())
    assert dns.message.from_wire(reply).rcode() == dns.rcode.NOTIMP
    assert watch.hooks == ["dns_request", "dns_response"]


def test_a_zone_over_tls(play, watch, tmp_path):
    """RFC 9103, in the clear for the client."""
    origins = Origins(str(tmp_path))
    scenario = play("dns", dns_name_servers=["tls://dns.example"], ssl_verify_upstream_trusted_ca=origins.path)
    client = scenario.client()
    client.sends(framed(query()))
    server = origins.serve(scenario.servers[0], "dns.example", alpn=(b"dot",)).shake()
    assert server.received() == framed(query())
    server.sends(framed(part(query(), soa(5), soa(5))))
    assert messages(client.received()) == [part(query(), soa(5), soa(5))]
    assert watch.flow.server_conn.alpn == b"dot"


def test_what_others_make_of_it(play):
    """The whole zone, as dnspython reads it from what we pass on."""
    scenario = play()
    client = scenario.client()
    client.sends(framed(query()))
    parts = [part(query(), soa(5)), *(part(query(), address(number)) for number in range(20)), part(query(), soa(5))]
    for each in parts:
        scenario.servers[0].sends(framed(each))
    zone = dns.zone.Zone(ZONE, relativize=False)
    with dns.xfr.Inbound(zone, dns.rdatatype.AXFR) as inbound:
        over = [
            inbound.process_message(dns.message.from_wire(each, xfr=True, one_rr_per_rrset=True))
            for each in messages(client.received())
        ]
    assert over == [False] * 21 + [True]
    assert len(zone.nodes) == 21


def test_messages_are_plain_dns_messages(play, watch):
    scenario = play()
    client = scenario.client()
    client.sends(framed(query()))
    scenario.servers[0].sends(framed(part(query(), soa(5), address(1), soa(5))))
    (message,) = watch.flow.transfer
    assert isinstance(message, DNSMessage)
    assert [record.type_name for record in message.answers] == ["SOA", "A", "SOA"]
    assert messages(client.received()) == [message.packed]
