"""The ClientHello reader: whatever comes, and hellos in whatever pieces."""

from hypothesis import given
from hypothesis import strategies as st

from midstream.wire.errors import PeerError
from midstream.wire.tls.hello import MAX_HELLO, ClientHello, is_grease, read_client_hello

numbers = st.integers(0, 0xFFFF)
extensions = st.dictionaries(
    numbers.filter(lambda kind: kind not in {0, 10, 11, 13, 16, 43}), st.binary(max_size=300), max_size=8
)


def vector(content, size):
    return len(content).to_bytes(size) + content


@st.composite
def hellos(draw):
    """A hello and what is in it."""
    ciphers, groups, kinds = draw(st.lists(numbers, max_size=20)), draw(st.lists(numbers, max_size=8)), draw(extensions)
    alpn = draw(st.lists(st.binary(min_size=1, max_size=20), max_size=4))
    kinds[10] = vector(b"".join(value.to_bytes(2) for value in groups), 2)
    kinds[16] = vector(b"".join(vector(name, 1) for name in alpn), 2)
    order = draw(st.permutations(list(kinds.items())))
    body = b"\x03\x03" + draw(st.binary(min_size=32, max_size=32)) + vector(draw(st.binary(max_size=32)), 1)
    body += vector(b"".join(value.to_bytes(2) for value in ciphers), 2) + b"\x01\0"
    body += vector(b"".join(kind.to_bytes(2) + vector(content, 2) for kind, content in order), 2)
    return b"\x01" + vector(body, 3), ciphers, groups, alpn, order


@st.composite
def in_records(draw, message):
    """The message in records of random sizes."""
    data = b""
    while message:
        size = draw(st.integers(1, max(1, len(message))))
        data += b"\x16\x03\x01" + vector(message[:size], 2)
        message = message[size:]
    return data


def attempt(data) -> ClientHello | str | None:
    try:
        return read_client_hello(data)
    except PeerError as error:
        return str(error)


@given(st.data(), hellos(), st.binary(max_size=40))
def test_what_is_written_is_read(data, written, tail):
    message, ciphers, groups, alpn, order = written
    wire = data.draw(in_records(message))
    found = read_client_hello(wire + tail)
    assert found is not None
    assert found.raw == message
    assert found.cipher_suites == [value for value in ciphers if not is_grease(value)]
    assert found.groups == [value for value in groups if not is_grease(value)]
    assert found.alpn == tuple(alpn)
    assert found.extensions == list(order)
    assert len(found.ja4.split("_")) == 3
    assert len(found.ja3_hash) == 32
    assert read_client_hello(wire[: data.draw(st.integers(0, len(wire) - 1))]) is None


@given(st.data(), hellos())
def test_a_damaged_hello_is_read_or_refused(data, written):
    wire = bytearray(data.draw(in_records(written[0])))
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    found = attempt(wire)
    assert not isinstance(found, ClientHello) or len(found.raw) <= MAX_HELLO


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_a_verdict_stays(start, tail):
    for data in start, b"\x16\x03\x01\0\x40\x01\0\0" + start:
        verdict = attempt(data)
        if verdict is not None:
            assert attempt(data + tail) == verdict
