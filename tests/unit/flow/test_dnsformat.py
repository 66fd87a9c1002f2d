import dns.message
import dns.rrset
import pytest

from midstream.errors import UsageError
from midstream.flow import DNSMessage, Question, ResourceRecord
from midstream.flow.dnsformat import read_message, write_message
from midstream.flow.dnsname import DNSFormatError

RECORDS = {
    "NS": "ns.example.com.",
    "SOA": "ns.example.com. host.example.com. 1 2 3 4 5",
    "MX": "10 mail.example.com.",
    "SRV": "1 2 3 srv.example.com.",
    "RP": "me.example.com. you.example.com.",
    "PX": "10 a.example.com. b.example.com.",
    "AFSDB": "1 db.example.com.",
    "TXT": '"text"',
}


def response():
    """Return what dnspython, which compresses what may be compressed, makes of one record of each type."""
    made = dns.message.make_response(dns.message.make_query("www.example.com", "ANY", id=77))
    for kind, text in RECORDS.items():
        made.answer.append(dns.rrset.from_text("www.example.com.", 60, "IN", kind, text))
    return made.to_wire()


def test_dns_18_names_in_data_are_expanded_and_compressed_again():
    data = response()
    message_id, flags, sections = read_message(data)
    assert (message_id, flags) == (77, 0x8100)
    for (name, *_, content), kind in zip(sections[1], RECORDS, strict=True):
        assert name == "www.example.com"
        assert b"\xc0" not in content
        judge = dns.rrset.from_text("x.", 60, "IN", kind, RECORDS[kind])[0].to_wire()
        assert content == judge
    written = write_message(message_id, flags, sections)
    assert len(written) < 300
    assert read_message(written) == (message_id, flags, sections)
    assert dns.message.from_wire(written) == dns.message.from_wire(data)


def test_every_cut_is_refused():
    data = response()
    for end in range(len(data)):
        with pytest.raises(DNSFormatError):
            read_message(data[:end])


def test_what_stands_behind_a_message_is_ignored():
    assert read_message(response() + b"more") == read_message(response())


@pytest.mark.parametrize("data", [b"\1a", b"\1a\0\1b\0 and more than one name", b"", b"\xff"])
def test_data_of_an_addons_own_making_is_written_as_it_is(data):
    sections = ([], [("x", 5, 1, 60, data)], [], [])
    written = write_message(1, 0, sections)
    assert written.endswith(data)


def test_an_update_may_have_records_without_data():
    data = write_message(1, 0x2800, ([("example", 6, 1)], [], [("a.example", 5, 255, 0, b"")], []))
    assert read_message(data)[2][2] == [("a.example", 5, 255, 0, b"")]


def test_a_name_that_reaches_beyond_its_data():
    data = write_message(1, 0, ([], [("x", 5, 1, 60, b"\1a\0")], [], []))
    at = data.index(b"\0\3\1a\0")
    with pytest.raises(DNSFormatError):
        read_message(data[:at] + b"\0\2" + data[at + 2 :])


def test_no_pointer_leads_beyond_what_it_can_name():
    filler = ResourceRecord("filler", 65400, 1, 0, bytes(0x4000))
    late = [ResourceRecord.A("late.example", "192.0.2.1") for _ in range(2)]
    made = DNSMessage(id=1, flags=0x8000, questions=[Question("x", 1)], answers=[filler, *late])
    assert DNSMessage.unpack(made.packed) == made


@pytest.mark.parametrize(
    "message",
    [
        DNSMessage(id=70000),
        DNSMessage(id=1, questions=[Question("a..b", 1)]),
        DNSMessage(id=1, answers=[ResourceRecord("a", 1, 1, -1, b"")]),
        DNSMessage(id=1, answers=[ResourceRecord("a", 16, 1, 0, bytes(65536))]),
        DNSMessage(id=1, answers=[ResourceRecord("a", 16, 1, 0, bytes(40000))] * 2),
    ],
)
def test_what_cannot_be_written(message):
    with pytest.raises(UsageError):
        _ = message.packed
