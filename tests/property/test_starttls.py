"""Where TLS begins: nothing that peers say breaks the watch, what it keeps is bounded, and consent is found however it is cut."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from midstream.wire.starttls import Watch
from midstream.wire.starttls.watch import DIALECT_BYTES

SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"
GREETING = b"\x50\0\0\0\x0a8\0" + b"\1" * 12 + b"\0\xff\xff" + b"\0" * 62
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 506
WORDS = [
    *[b"STARTTLS\r\n", b"220 go\r\n", b"a STARTTLS\r\n", b"a OK\r\n", b"STLS\r\n", b"+OK\r\n", b"AUTH TLS\r\n", b"234 \n"],
    *[b"<stream:stream>", b"<starttls/>", b"<proceed/>", SSL_REQUEST, b"S", b"N", GREETING, b"\x20\0\0\1\xaf\x0a\0\0"],
    *[b"\x30\x1d\2\1\1\x77\x18\x80\x161.3.6.1.4.1.1466.20037", b"\x30\x0c\2\1\1\x78\7\x0a\1\0\4\0\4\0", b"\x30\x84"],
    *[b"\0" * 28, HELLO, HELLO[:11], b"\x16\x03", b"\r\n", b"x" * 600],
]  # fmt: skip
turns = st.lists(st.tuples(st.booleans(), st.sampled_from(WORDS) | st.binary(min_size=1, max_size=40)), max_size=30)
CONSENTS = {
    "SMTP": [(False, b"220 x\r\n"), (True, b"STARTTLS\r\n"), (False, b"220-go\r\n220 ahead\r\n")],
    "IMAP": [(True, b"a[1 starttls\r\n"), (False, b"* OK\r\na[1 OK\r\n")],
    "LDAP": [(True, WORDS[16]), (False, WORDS[17])],
    "XMPP": [(True, b"<?xml version='1.0'?><stream:stream><starttls/>"), (False, b"<proceed></proceed>")],
    "PostgreSQL": [(True, SSL_REQUEST), (False, b"S")],
    "MySQL": [(False, GREETING), (True, b"\x20\0\0\1\xaf\x0a\0\0" + b"\0" * 28)],
}


def tell(watch, from_client, data):
    """Say something; return where in it TLS begins."""
    if from_client:
        return watch.from_client(data)
    watch.from_server(data)
    return None


@given(turns)
def test_nothing_breaks_it_and_tls_begins_with_a_record(said):
    watch = Watch()
    for from_client, data in said:
        offset = tell(watch, from_client, data)
        if offset is not None:
            assert watch.protocol
            assert data[offset : offset + 2] in {b"\x16", b"\x16\x03"}


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([b"x", b"<a ", b"\x30\x82\xff\xff", b"\n"])), min_size=1))
def test_what_it_keeps_is_bounded(said):
    watch = Watch()
    for from_client, data in said * 20:
        tell(watch, from_client, data * 400)
    kept = sum(
        len(value) for dialect in watch._dialects for value in vars(dialect).values() if isinstance(value, bytes)
    )
    assert kept <= 3 * DIALECT_BYTES


@given(st.sampled_from(sorted(CONSENTS)), st.lists(st.integers(0, 60), max_size=5), st.integers(1, len(HELLO)))
def test_consent_is_found_however_it_is_cut(protocol, places, size):
    watch = Watch()
    for from_client, data in CONSENTS[protocol]:
        edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
        for start, end in pairwise(edges):
            if end > start:
                assert tell(watch, from_client, data[start:end]) is None
    assert watch.from_client(HELLO[:size]) == 0
    assert watch.protocol == protocol
