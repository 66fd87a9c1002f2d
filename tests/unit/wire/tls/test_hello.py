"""The ClientHello reader, on hellos built by hand and by OpenSSL."""

import ssl

import pytest

from midstream.wire.errors import PeerError
from midstream.wire.tls.hello import (
    MAX_HELLO,
    MAX_RECORDS,
    ClientHello,
    is_grease,
    parse_client_hello,
    read_client_hello,
)

CHROME_CIPHERS = [0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9]
CHROME_CIPHERS += [0xCCA8, 0xC013, 0xC014, 0x009C, 0x009D, 0x002F, 0x0035]
CHROME_SIGNATURES = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601]


def numbers(values, size=2):
    return b"".join(value.to_bytes(size) for value in values)


def vector(content, size):
    return len(content).to_bytes(size) + content


def extension(kind, body):
    return kind.to_bytes(2) + vector(body, 2)


def server_name(*names, kind=0):
    return extension(0, vector(b"".join(bytes((kind,)) + vector(name, 2) for name in names), 2))


def hello(extensions=b"", *, ciphers=(0x1301,), version=0x0303, session_id=b"", tail=None):
    body = version.to_bytes(2) + bytes(range(32)) + vector(session_id, 1) + vector(numbers(ciphers), 2) + b"\x01\0"
    body += vector(extensions, 2) if tail is None else tail
    return b"\x01" + vector(body, 3)


def records(message, size=16384):
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + vector(piece, 2) for piece in pieces)


def chrome():
    """A hello as a browser sends it, GREASE included, with the parts that the JA4 specification's example lists."""
    extensions = [
        extension(0x1A1A, b""),
        server_name(b"example.com"),
        extension(23, b""),
        extension(0xFF01, b"\0"),
        extension(10, vector(numbers([0x2A2A, 0x001D, 0x0017, 0x0018]), 2)),
        extension(11, b"\x01\0"),
        extension(35, b""),
        extension(16, vector(vector(b"h2", 1) + vector(b"http/1.1", 1), 2)),
        extension(5, b"\x01\0\0\0\0"),
        extension(13, vector(numbers(CHROME_SIGNATURES), 2)),
        extension(18, b""),
        extension(51, b"\0\0"),
        extension(45, b"\x01\x01"),
        extension(43, vector(numbers([0x3A3A, 0x0304, 0x0303]), 1)),
        extension(27, b"\x02\0\x02"),
        extension(0x4469, b""),
        extension(0x8A8A, b"\0"),
        extension(21, bytes(200)),
    ]
    return hello(b"".join(extensions), ciphers=[0x5A5A, *CHROME_CIPHERS], session_id=bytes(32))


def read(*extensions, **rest):
    found = read_client_hello(records(hello(b"".join(extensions), **rest)))
    assert found is not None
    return found


# Whole, in pieces, with bytes behind


@pytest.mark.parametrize("record_size", [16384, 100, 7])
def test_tls_23_a_hello_is_put_together(record_size):
    message = chrome()
    data = records(message, record_size)
    whole = read_client_hello(data)
    assert whole is not None
    assert whole.raw == message
    for end in range(len(data)):
        assert read_client_hello(data[:end]) is None
    assert read_client_hello(bytearray(data + b"\x14\x03\x03\0\x01\x01")) == whole


def test_tls_28_the_fields_of_a_browser_without_grease():
    found = read_client_hello(records(chrome()))
    assert isinstance(found, ClientHello)
    assert found.legacy_version == 0x0303
    assert found.random == bytes(range(32))
    assert found.session_id == bytes(32)
    assert found.cipher_suites == CHROME_CIPHERS
    assert found.compression_methods == b"\0"
    assert found.sni == "example.com"
    assert found.alpn == (b"h2", b"http/1.1")
    assert found.versions == [0x0304, 0x0303]
    assert found.groups == [0x001D, 0x0017, 0x0018]
    assert found.point_formats == [0]
    assert found.signature_algorithms == CHROME_SIGNATURES
    assert not found.has_ech
    assert not found.has_early_data
    assert found.extensions[0] == (0x1A1A, b"")
    assert len(found.extensions) == 18


def test_a_hello_of_openssl():
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="www.example.com")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    found = read_client_hello(outgoing.read())
    assert found is not None
    assert found.sni == "www.example.com"
    assert found.alpn == (b"h2", b"http/1.1")
    assert 0x0304 in found.versions
    assert 0x1301 in found.cipher_suites
    assert found.ja4.startswith("t13d")


def test_a_hello_without_extensions():
    found = read_client_hello(records(hello(tail=b"", version=0x0301)))
    assert found is not None
    assert found.extensions == []
    assert found.sni is None
    assert found.alpn == ()
    assert found.versions == [0x0301]


def test_tls_27_an_encrypted_hello_is_noticed():
    found = read(server_name(b"outer.example"), extension(0xFE0D, b"anything"), extension(42, b""))
    assert found.has_ech
    assert found.has_early_data
    assert found.sni == "outer.example"


def test_the_message_alone_can_be_parsed():
    assert parse_client_hello(chrome()).sni == "example.com"


# Names (TLS-24)


@pytest.mark.parametrize(
    ("name", "sni"),
    [
        (b"example.com", "example.com"),
        (b"Example.COM", "Example.COM"),
        (b"example.com.", "example.com"),
        (b"under_score.example", "under_score.example"),
        (b"localhost", "localhost"),
        (b"192.0.2.1", "192.0.2.1"),
        (b"2001:db8::1", "2001:db8::1"),
        (b"", None),
        (b".", None),
        (b"a..b", None),
        (b"a b", None),
        (b"a\0b", None),
        (b"a/b", None),
        ("bücher.example".encode(), None),
        (b"a" * 64, None),
        (b".".join([b"a" * 60] * 5), None),
        (b"a" * 60000 + b"!", None),
    ],
)
def test_tls_24_a_name_is_only_reported_if_it_is_one(name, sni):
    assert read(server_name(name)).sni == sni


def test_the_first_name_of_its_type_counts():
    assert read(server_name(b"a.example", b"b.example")).sni == "a.example"
    assert read(server_name(b"a.example", kind=7)).sni is None


# Refused


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"G", "got type 71"),
        (b"\x15\x03\x01\0\x02\x02\x28", "got type 21"),
        (b"\x80\x2e\x01", "got type 128"),
        (b"\x16\x02", "unknown TLS record version 2"),
        (b"\x16\x03\x01\0\0", "a TLS handshake record of 0 bytes"),
        (b"\x16\x03\x01\x40\x01", "a TLS handshake record of 16385 bytes"),
        (records(b"\x02\0\0\0"), "got handshake message 2"),
        (records(b"\x01\0\0\0"), "a field is cut off"),
        (records(b"\x01" + MAX_HELLO.to_bytes(3)), "more than 65536"),
        (records(chrome(), 100)[:105] + b"\x17\x03\x03\0\x01x", "got type 23"),
    ],
)
def test_tls_23_what_is_no_hello_is_refused(data, text):
    with pytest.raises(PeerError, match=text) as caught:
        read_client_hello(data)
    assert caught.value.reference.startswith("RFC 8446")


def test_a_hello_at_the_limit_is_read():
    padding = MAX_HELLO - len(hello(extension(21, b"")))
    message = hello(extension(21, bytes(60000)) + extension(22, bytes(padding - 60000 - 4)))
    assert len(message) == MAX_HELLO
    assert read_client_hello(records(message)) is not None


def test_tls_23_too_many_records_are_refused():
    message = hello(extension(21, bytes(MAX_RECORDS)))
    with pytest.raises(PeerError, match="into more than 512 records"):
        read_client_hello(records(message, 1))


@pytest.mark.parametrize(
    "message",
    [
        hello(tail=b"\0\x05\0"),
        hello(tail=b"\0\0x"),
        hello(extension(0, b"")),
        hello(extension(0, b"\0\x01\0")),
        hello(server_name(b"a") + server_name(b"b")),
        hello(extension(16, b"\0\x03\x05h2")),
        hello(extension(16, b"\0\x03\x02h2x")),
        hello(extension(43, b"\x03\x03\x04\x03")),
        hello(extension(10, b"\0\x02\0")),
        hello(extension(13, b"")),
    ],
)
def test_a_hello_that_does_not_keep_its_lengths_is_refused(message):
    with pytest.raises(PeerError, match="malformed"):
        read_client_hello(records(message))


# Fingerprints


def test_ja4_of_the_specification():
    """The two hashes stand in the specification; it hashes these lists."""
    found = read_client_hello(records(chrome()))
    assert found is not None
    assert found.ja4 == "t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_ja3_lists_what_was_offered():
    found = read_client_hello(records(chrome()))
    assert found is not None
    ciphers = "4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53"
    extensions = "0-23-65281-10-11-35-16-5-13-18-51-45-43-27-17513-21"
    assert found.ja3 == f"771,{ciphers},{extensions},29-23-24,0"
    assert found.ja3_hash == "cd08e31494f9531f560d64c695473da9"


def test_fingerprints_of_a_bare_hello():
    found = read_client_hello(records(hello(tail=b"", version=0x0301, ciphers=[])))
    assert found is not None
    assert found.ja3 == "769,,,,"
    assert found.ja4 == "t10i000000_000000000000_000000000000"


@pytest.mark.parametrize(
    ("protocol", "letters"), [(b"h2", "h2"), (b"http/1.1", "h1"), (b"x", "xx"), (b"\xab\xcd", "ad"), (b"", "00")]
)
def test_ja4_shows_the_first_protocol(protocol, letters):
    offer = extension(16, vector(vector(protocol, 1), 2))
    assert read(offer).ja4[8:10] == letters


@pytest.mark.parametrize(("version", "code"), [(0x0300, "s3"), (0x0302, "11"), (0x0303, "12"), (0x7F1C, "00")])
def test_ja4_shows_the_highest_version(version, code):
    assert read(version=version).ja4[1:3] == code


def test_grease():
    assert [value for value in range(0x10000) if is_grease(value)] == [0x0A0A + 0x1010 * n for n in range(16)]
