"""TLS endpoints: data in any pieces, and damage to any byte."""

import datetime as dt
import itertools
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from midstream.wire.tls import StdlibEndpoint, TlsError
from midstream.wire.tls.endpoint import CIPHER_PORTION, RECORD_HEADER, RECORD_SIZE


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    """A client that believes everything, and a server with a certificate of its own making."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "example.com")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=2))
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    pem += key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    return client, server


def joined(contexts):
    client = StdlibEndpoint(contexts[0], server_side=False)
    server = StdlibEndpoint(contexts[1], server_side=True)
    server.receive(client.start())
    client.receive(server.take_output())
    server.receive(client.take_output())
    client.receive(server.take_output())
    return client, server


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=40_000), max_size=4), st.lists(st.integers(0, 200_000), max_size=8))
def test_data_arrives_in_any_pieces(contexts, messages, cuts):
    client, server = joined(contexts)
    wire = b"".join(map(client.send, messages))
    edges = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    plain = b"".join(server.receive(wire[at:to]) for at, to in itertools.pairwise(edges))
    assert plain == b"".join(messages)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, RECORD_SIZE + 256), max_size=20), st.lists(st.integers(0, 400_000), max_size=8))
def test_what_comes_is_cut_where_records_end(contexts, sizes, cuts):
    endpoint = StdlibEndpoint(contexts[1], server_side=True)
    records = [b"\x17\x03\x03" + size.to_bytes(2, "big") + bytes(size) for size in sizes]
    ends = set(itertools.accumulate(map(len, records)))
    wire = b"".join(records)
    edges = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    for start, end in itertools.pairwise(edges):
        portions = endpoint._cut(wire[start:end])
        assert b"".join(portions) == wire[start:end]
        assert set(itertools.accumulate(map(len, portions[:-1]), initial=start)) <= ends | {start}
        assert max(map(len, portions)) < CIPHER_PORTION + RECORD_HEADER


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=200), st.integers(0, 1000), st.integers(1, 255))
def test_damage_raises_a_tls_error_once(contexts, message, at, change):
    client, server = joined(contexts)
    wire = bytearray(client.send(message))
    wire[at % len(wire)] ^= change
    failures = 0
    for data in bytes(wire), bytes(20_000):
        try:
            assert server.receive(data) == b""
        except TlsError:
            failures += 1
    assert failures == 1
    assert server.take_output()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_a_handshake_with_anything_raises_nothing_but_tls_errors(contexts, data):
    for start in b"", b"\x16\x03\x01", b"\x16\x03\x03\0\x40\x02\0\0\x3c\x03\x03":
        client = StdlibEndpoint(contexts[0], server_side=False)
        client.start()
        for endpoint in client, StdlibEndpoint(contexts[1], server_side=True):
            try:
                endpoint.receive(start + data)
                endpoint.eof()
            except TlsError:
                pass
            assert not endpoint.is_established
