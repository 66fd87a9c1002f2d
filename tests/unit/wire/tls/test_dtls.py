"""Records, the ClientHello in fragments, and the cookie exchange."""

import pytest
from OpenSSL import SSL

from midstream.wire.errors import PeerError
from midstream.wire.tls import dtls
from midstream.wire.tls.datagrams import DtlsEndpoint
from midstream.wire.tls.dtls import (
    HelloReader,
    alert,
    begins_with_hello,
    first_record,
    hello_verify_request,
    record,
    records,
    without_cookie,
)

HEAD = b"\x16\xfe\xfd" + bytes(8)


@pytest.fixture(scope="module")
def hello():
    """What OpenSSL says first."""
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_alpn_protos([b"coap"])
    client = DtlsEndpoint.over(context, server_side=False, server_hostname="www.example.com")
    client.start()
    (datagram,) = client.take_output()
    return datagram


def cut(datagram, size, number=0):
    """Return the message of a datagram in records of one fragment each."""
    body = next(records(datagram)).body[12:]
    head = b"\x01" + len(body).to_bytes(3) + number.to_bytes(2)
    made = []
    for index, at in enumerate(range(0, len(body), size)):
        part = body[at : at + size]
        made.append(record(22, head + at.to_bytes(3) + len(part).to_bytes(3) + part, index))
    return made


def read(*datagrams):
    reader = HelloReader()
    for datagram in datagrams:
        found = reader.receive(datagram)
    return found, reader


def test_a_hello_tells_what_a_hello_of_tls_does(hello):
    found, reader = read(hello)
    assert found.is_dtls
    assert found.sni == "www.example.com"
    assert found.alpn == (b"coap",)
    assert found.legacy_version == 0xFEFD
    assert found.versions == [0xFEFD]
    assert found.cipher_suites
    assert found.cookie == b""
    assert found.ja4.startswith("dd2d")
    assert found.ja3.startswith("65277,")
    assert found.raw == hello[13:]
    assert reader.sequence == 0


@pytest.mark.parametrize("size", [1, 7, 100])
def test_fragments_come_in_any_order_and_twice(hello, size):
    if size == 1:
        hello = record(22, without_cookie(_small()), 0)
    whole = next(records(hello)).body
    pieces = cut(hello, size)
    for order in (pieces, pieces[::-1], [*pieces[:-1], *pieces]) if size > 1 else (pieces,):
        found, reader = read(*order)
        assert found.raw == whole
        assert reader.sequence == next(records(order[-1])).sequence


def _small():
    body = b"\xfe\xfd" + bytes(32) + b"\0\0\0\2\0\1\1\0"
    raw = b"\x01" + len(body).to_bytes(3) + bytes(5) + len(body).to_bytes(3) + body
    return dtls.parse_client_hello(raw, is_dtls=True)


def test_fragments_share_a_datagram_and_may_overlap(hello):
    found, _ = read(b"".join(cut(hello, 90)))
    assert found is not None
    one, two = cut(hello, 150)
    again = cut(hello, 80)
    found, _ = read(one, again[0], b"junk", two)
    assert found.raw == hello[13:]


def test_part_of_a_hello_is_not_enough(hello):
    found, _ = read(*cut(hello, 90)[:-1])
    assert found is None


def test_another_hello_begins_anew(hello):
    found, _ = read(cut(hello, 90)[0], *cut(hello, 90, number=1))
    assert found.raw[4:6] == b"\0\1"


def test_the_last_hello_in_a_datagram_counts(hello):
    second = cut(hello, 1000, number=1)[0]
    found, _ = read(hello + second)
    assert found.raw[4:6] == b"\0\1"


def test_other_records_are_left_out(hello):
    pieces = cut(hello, 90)
    strange = [record(21, b"\2\0", 9), HEAD[:3] + b"\0\1" + bytes(6) + b"\0\1\1"]
    found, _ = read(pieces[0], *strange, *pieces[1:])
    assert found is not None


def fragment(kind=1, length=10, start=0, size=10, body=None):
    body = bytes(size) if body is None else body
    return record(22, bytes((kind,)) + length.to_bytes(3) + b"\0\0" + start.to_bytes(3) + size.to_bytes(3) + body, 0)


@pytest.mark.parametrize(
    ("datagram", "problem"),
    [
        (b"", "expected a DTLS ClientHello"),
        (b"\x16\x03\x01\0\1\1", "expected a DTLS ClientHello"),
        (record(22, b"\1\0\0", 0), "expected a DTLS ClientHello"),
        (fragment(kind=2), "expected a DTLS ClientHello"),
        (fragment(start=1), "does not keep its own lengths"),
        (fragment(body=bytes(9)), "does not keep its own lengths"),
        (fragment(body=bytes(11)), "does not keep its own lengths"),
        (fragment(length=16001), "has 16001 bytes, more than 16000"),
        (fragment(), "is malformed"),
    ],
)
def test_what_is_no_hello(datagram, problem):
    with pytest.raises(PeerError, match=problem):
        read(datagram)


def test_gaps_are_bounded():
    with pytest.raises(PeerError, match="more than 64 gaps"):
        read(*(fragment(length=1000, start=2 * at, size=1) for at in range(70)))


def test_a_datagram_is_taken_apart():
    one, two = record(22, b"abc", 1), record(23, b"d", 2)
    assert [(each.kind, each.epoch, each.sequence, each.body) for each in records(one + two)] == [
        (22, 0, 1, b"abc"),
        (23, 0, 2, b"d"),
    ]
    for rest in (b"x", two[:-1], b"\x1b" + two[1:], two[:1] + b"\xfe\xfc" + two[3:], record(22, b"", 1), bytes(100)):
        assert [each.raw for each in records(one + rest)] == [one]
    assert first_record(one).raw == one
    assert first_record(b"GET / HTTP/1.1\r\n\r\n") is None
    assert first_record(record(23, bytes(18433), 0)) is None


def test_a_hello_is_told_by_its_beginning(hello):
    assert begins_with_hello(hello)
    assert not begins_with_hello(hello[:-1])
    assert not begins_with_hello(record(22, b"\2", 0))
    assert not begins_with_hello(record(21, b"\1", 0))
    assert not begins_with_hello(hello[:4] + b"\1" + hello[5:])


def test_the_question_for_a_cookie_is_understood(hello):
    context = SSL.Context(SSL.DTLS_METHOD)
    client = DtlsEndpoint.over(context, server_side=False)
    client.start()
    (first,) = client.take_output()
    client.receive(hello_verify_request(b"c" * 20, 0))
    (second,) = client.take_output()
    found, reader = read(second)
    assert found.cookie == b"c" * 20
    assert reader.sequence == 1
    assert without_cookie(found) == first[13:]


def test_an_alert_is_a_record():
    assert alert(40, 1 << 48) == b"\x15\xfe\xff" + bytes(8) + b"\0\2\2\x28"
