"""Laws of DNS messages: what is written reads back, cuts do not matter, and nothing but the named errors leaves."""

import dns.exception
import dns.message
import dns.name
from hypothesis import given
from hypothesis import strategies as st

from midstream.errors import UsageError
from midstream.flow import DNSMessage, Question, ResourceRecord
from midstream.flow.dnsname import DNSFormatError, name_bytes, read_name
from midstream.proxy.dnstransfer import Progress
from midstream.wire.dns import Stream, answers, failure, framed, truncated
from midstream.wire.errors import PeerError

labels = st.lists(st.binary(min_size=1, max_size=20), max_size=5)
names = labels.map(lambda parts: read_name(b"".join(bytes((len(part),)) + part for part in parts) + b"\0", 0)[0])
records = st.builds(
    ResourceRecord,
    name=names,
    type=st.sampled_from([1, 2, 5, 6, 15, 16, 28, 33, 41, 64, 65, 250, 65400]),
    class_=st.integers(0, 65535),
    ttl=st.integers(0, 2**32 - 1),
    data=st.binary(max_size=40) | names.map(name_bytes),
)
messages = st.builds(
    DNSMessage,
    id=st.integers(0, 65535),
    flags=st.integers(0, 65535),
    questions=st.lists(st.builds(Question, name=names, type=st.integers(0, 65535)), max_size=3),
    answers=st.lists(records, max_size=4),
    authorities=st.lists(records, max_size=2),
    additionals=st.lists(records, max_size=2),
)


@given(labels)
def test_names_come_back(parts):
    data = b"".join(bytes((len(part),)) + part for part in parts) + b"\0"
    name, end = read_name(data, 0)
    assert end == len(data)
    assert name_bytes(name) == data
    assert dns.name.from_text(name or ".").to_wire() == data


@given(messages)
def test_what_is_written_reads_back(message):
    data = message.packed
    try:
        again = DNSMessage.unpack(data)
    except DNSFormatError:  # an addon's idea of the data of a type that has names
        return
    assert (again.id, again.flags, again.questions) == (message.id, message.flags, message.questions)
    assert [(record.name, record.type, record.ttl) for record in again.answers] == [
        (record.name, record.type, record.ttl) for record in message.answers
    ]
    assert again.packed == data
    for record in again.answers:
        assert record.data_text is not None
    str(again)


@given(st.binary(max_size=200))
def test_only_the_named_error_leaves(data):
    try:
        message = DNSMessage.unpack(data)
    except DNSFormatError:
        return
    assert message.packed == data
    str(message)
    message.id ^= 1
    try:
        again = DNSMessage.unpack(message.packed)
    except UsageError:
        return
    assert again.answers == message.answers


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(1, 60))
def test_cuts_do_not_matter(parts, piece):
    data = b"".join(map(framed, parts))
    stream = Stream()
    found = []
    for start in range(0, len(data), piece):
        found += stream.receive(data[start : start + piece])
    assert found == parts
    stream.eof()


@given(st.binary(min_size=12, max_size=80), st.integers(12, 60))
def test_what_we_answer_to_anything_is_an_answer(query, room):
    response = failure(query, 2)
    assert response[:2] == query[:2]
    assert response[2] & 0x80
    assert answers(query, response)
    cut = truncated(response, max(room, len(response) - 1))
    assert cut[:2] == query[:2]


@given(messages)
def test_an_unrelated_reader_agrees(message):
    message.op_code = 0
    for section in (message.answers, message.authorities, message.additionals):
        section[:] = [
            record for record in section if record.type in {1, 28} and len(record.data) == {1: 4, 28: 16}[record.type]
        ]
    try:
        judged = dns.message.from_wire(message.packed, question_only=bool(message.op_code), one_rr_per_rrset=True)
    except dns.exception.DNSException:
        return
    assert judged.id == message.id
    assert [question.name.to_wire() for question in judged.question] == [
        name_bytes(question.name) for question in message.questions
    ]


@given(st.lists(st.lists(st.tuples(st.sampled_from([1, 6, 16]), st.binary(max_size=24)), max_size=6), max_size=5))
def test_a_transfer_ends_once_or_fails_in_the_named_way(parts):
    for kind in (251, 252):
        query = DNSMessage(id=1, questions=[Question("example", kind)], authorities=[ResourceRecord("example", 6)])
        progress = Progress(query)
        for part in parts:
            was_over = progress.is_over
            try:
                progress.take(query.succeed([ResourceRecord("example", each, data=data) for each, data in part]))
            except PeerError:
                break
            assert progress.is_over or not was_over
