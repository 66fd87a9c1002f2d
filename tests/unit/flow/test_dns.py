import dns.message
import pytest

from midstream.flow import Client, DNSFlow, DNSMessage, Flow, Question, ResourceRecord, Server

QUERY = dns.message.make_query("Example.COM", "A", id=7, use_edns=0, payload=1400).to_wire()


@pytest.fixture
def query():
    return DNSMessage.unpack(QUERY, 5.0)


def test_what_nobody_changed_keeps_its_bytes(query):
    assert (query.packed, query.content, query.size) == (QUERY, QUERY, len(QUERY))
    odd = QUERY[:12] + b"\7eXample\3com\0\0\1\0\1" + QUERY[-11:] + b"trailing"
    assert DNSMessage.unpack(odd).packed == odd


def test_what_was_changed_is_written_anew(query):
    query.questions[0].name = "other.example"
    assert DNSMessage.unpack(query.packed).question == Question("other.example", 1)
    query.questions[0].name = "Example.COM"
    assert query.packed == QUERY
    query.additionals.clear()
    assert len(query.packed) == len(QUERY) - 11


@pytest.mark.parametrize("flags", [0x0000, 0x8580, 0x2800, 0x0100, 0x0070, 0x8203, 0xFFFF])
def test_flags(flags):
    message = DNSMessage(id=1, flags=flags)
    assert message.flags == flags
    assert message.query is not bool(flags & 0x8000)
    assert DNSMessage.unpack(message.packed).flags == flags


def test_answering(query):
    answer = query.succeed([ResourceRecord.A("example.com", "192.0.2.1")])
    assert (answer.id, answer.query, answer.response_code_name) == (7, False, "NOERROR")
    assert answer.questions == query.questions
    assert answer.questions[0] is not query.questions[0]
    assert answer.recursion_desired
    assert answer.recursion_available
    assert query.fail(3).response_code_name == "NXDOMAIN"
    for wrong in (lambda: query.fail(0), lambda: answer.fail(2), lambda: answer.succeed([])):
        with pytest.raises(ValueError):
            wrong()
    assert dns.message.from_wire(answer.packed).answer[0][0].address == "192.0.2.1"


def test_dns_17_a_question_is_only_one_where_there_is_just_one(query):
    assert query.question == Question("Example.COM", 1)
    query.questions *= 2
    assert query.question is None
    query.questions = []
    assert query.question is None
    assert DNSMessage.unpack(query.packed).questions == []


def test_how_much_a_client_takes(query):
    assert query.udp_size == 1400
    query.additionals[0].class_ = 100
    assert query.udp_size == 512
    query.additionals.clear()
    assert query.udp_size == 512


def test_as_text_and_data(query):
    assert str(query) == "Example.COM IN A\n. OPT udp 1400"
    assert repr(query) == "<DNSMessage query Example.COM IN A>"
    assert repr(query.fail(2)) == "<DNSMessage SERVFAIL Example.COM IN A>"
    data = query.to_json()
    assert (data["op_code"], data["response_code"], data["size"]) == ("QUERY", "NOERROR", len(QUERY))
    assert data["questions"] == [{"name": "Example.COM", "type": "A", "class": "IN"}]


def test_copies(query):
    twin = query.copy()
    twin.id = 7
    assert twin == query
    assert twin.packed == QUERY
    twin.questions.clear()
    assert query.questions
    assert query != "query"


def test_flows_are_saved_and_restored(query):
    flow = DNSFlow(Client(), Server(), live=True)
    assert flow.timestamp_start
    flow.request = query
    assert flow.timestamp_start == 5.0
    for response in (None, query.fail(5)):
        flow.response = response
        again = Flow.from_state(flow.get_state())
        assert isinstance(again, DNSFlow)
        assert (again.request, again.response) == (flow.request, response)
        assert again.request.packed == QUERY
    assert repr(flow) == "<DNSFlow <DNSMessage query Example.COM IN A> <DNSMessage REFUSED Example.COM IN A>>"
