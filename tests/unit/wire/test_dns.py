import dns.message
import dns.rrset
import pytest

from midstream.wire import dns as wire
from midstream.wire.errors import PeerError

QUERY = dns.message.make_query("example.com", "A", id=7).to_wire()
ANSWER = bytearray(QUERY)
ANSWER[2] |= 0x80
ANSWER = bytes(ANSWER)


@pytest.mark.parametrize("piece", [1, 2, 3, 1000])
def test_dns_20_messages_of_a_stream(piece):
    data = wire.framed(QUERY) * 3 + wire.framed(b"") + b"\0"
    stream = wire.Stream()
    found = [message for start in range(0, len(data), piece) for message in stream.receive(data[start : start + piece])]
    assert found == [QUERY] * 3 + [b""]
    with pytest.raises(PeerError):
        stream.eof()
    whole = wire.Stream()
    whole.receive(wire.framed(QUERY))
    whole.eof()


def test_header():
    assert wire.message_id(QUERY) == 7
    assert wire.with_id(QUERY, 0x1234) == b"\x12\x34" + QUERY[2:]
    assert not wire.is_response(QUERY)
    assert wire.is_response(ANSWER)
    assert not wire.is_truncated(ANSWER)
    assert wire.is_truncated(wire.truncated(ANSWER, 12))
    for short in (b"", QUERY[:11]):
        with pytest.raises(PeerError):
            wire.message_id(short)
        with pytest.raises(PeerError):
            wire.is_response(short)


def test_an_answer_repeats_the_question():
    assert wire.answers(QUERY, ANSWER)
    assert wire.answers(QUERY, ANSWER + b"records")
    for wrong in (
        QUERY,
        wire.with_id(ANSWER, 8),
        ANSWER.replace(b"example", b"exbmple"),
        ANSWER.replace(b"example", b"Example"),
        ANSWER[:-1] + b"\2",
        ANSWER[:20],
        ANSWER[:11],
        b"",
    ):
        assert not wire.answers(QUERY, wrong)


def test_a_server_that_understood_nothing_may_leave_the_question_out():
    refusal = wire.HEADER.pack(7, 0x8001, 0, 0, 0, 0)
    assert wire.answers(QUERY, refusal)
    assert not wire.answers(QUERY, wire.HEADER.pack(7, 0x8000, 0, 0, 0, 0))


def test_queries_whose_questions_cannot_be_read_have_no_question_to_repeat():
    odd = QUERY[:12] + b"\xc0\x0c\0\1\0\1"
    assert wire.questions_end(odd) is None
    assert wire.answers(odd, ANSWER)
    assert wire.questions_end(QUERY[:14]) is None
    assert wire.questions_end(QUERY[:-1]) is None


def test_failures():
    assert dns.message.from_wire(wire.failure(QUERY, 2)).rcode() == 2
    assert wire.answers(QUERY, wire.failure(QUERY, 2))
    assert wire.failure(QUERY[:14], 1) == wire.HEADER.pack(7, 0x8181, 0, 0, 0, 0)
    assert wire.failure(b"short", 1) == b""


def test_dns_20_what_is_too_long_is_cut_at_the_question():
    response = dns.message.make_response(dns.message.from_wire(QUERY))
    response.answer.append(dns.rrset.from_text("example.com.", 60, "IN", "A", *(f"192.0.2.{n}" for n in range(100))))
    data = response.to_wire()
    assert wire.truncated(data, len(data)) == data
    cut = dns.message.from_wire(wire.truncated(data, 512))
    assert (cut.id, cut.answer, cut.question) == (7, [], response.question)
    assert cut.flags & dns.flags.TC


def test_what_follows_the_first_of_several_answers():
    assert wire.continues(QUERY, ANSWER)
    assert wire.continues(QUERY, wire.HEADER.pack(7, 0x8000, 0, 0, 0, 0))
    for wrong in (b"", ANSWER[:11], QUERY, b"\0\x08" + ANSWER[2:], ANSWER.replace(b"example", b"EXAMPLE")):
        assert not wire.continues(QUERY, wrong)
