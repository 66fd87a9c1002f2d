"""First bytes and what they are taken for; every case also byte by byte."""

import pytest

from midstream.wire.sniff import MAX_BLANK, MAX_LINE, Kind, begins_with_settings, sniff

CASES = [
    # TLS
    (b"\x16\x03\x01", Kind.TLS),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Kind.TLS),
    (b"\x16\x03\x04", Kind.TLS),
    (b"\x16\x03\x05", Kind.RAW),
    (b"\x16\xfe\xfd", Kind.RAW),
    (b"\x15\x03\x01", Kind.RAW),
    # SOCKS
    (b"\x05\x01\x00", Kind.SOCKS5),
    (b"\x05\x00", Kind.RAW),
    (b"\x04\x01\x00\x50\x7f\0\0\x01\0", Kind.SOCKS4),
    (b"\x04\x02\x00\x50", Kind.SOCKS4),
    (b"\x04\x03", Kind.RAW),
    # PROXY protocol
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", Kind.PROXY_V1),
    (b"PROXY TCP6 ::1 ::1 1 2\r\n", Kind.PROXY_V1),
    (b"PROXY UNKNOWN\r\n", Kind.PROXY_V1),
    (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", Kind.PROXY_V2),
    (b"PROXY /x HTTP/1.1\r\n", Kind.HTTP1),
    # HTTP/2
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Kind.HTTP2),
    (b"PRI * HTTP/1.1\r\n", Kind.HTTP1),
    # SSH and other greetings
    (b"SSH-2.0-OpenSSH_9.6\r\n", Kind.SSH),
    (b"EHLO example.com\r\n", Kind.RAW),
    (b"HELO\r\n", Kind.RAW),
    (b"USER someone\r\n", Kind.RAW),
    (b"NICK someone\n", Kind.RAW),
    (b"get some-key\r\n", Kind.RAW),
    (b"*1\r\n$4\r\nPING\r\n", Kind.RAW),
    (b"PING\r\n", Kind.RAW),
    (b"PING\n", Kind.RAW),
    (b"a001 LOGIN x y\r\n", Kind.RAW),
    (b"<stream:stream>", Kind.RAW),
    (b"OPTIONS * RTSP/1.0\r\n", Kind.RAW),
    (b"DESCRIBE rtsp://h/x RTSP/1.0\r\n", Kind.RAW),
    (b"REGISTER sip:x SIP/2.0\r\n", Kind.RAW),
    (b"HTTP/1.1 200 OK\r\n", Kind.RAW),
    (b"\x00\x00\x00\x17binary", Kind.RAW),
    (b"GET \x00\x01", Kind.RAW),
    (b"GET x\ry", Kind.RAW),
    (b" GET / HTTP/1.1\r\n", Kind.RAW),
    (b"\x80\x2e\x01\x03\x01", Kind.RAW),
    (b"\xff\xfd\x18", Kind.RAW),
    # HTTP/1
    (b"GET /", Kind.HTTP1),
    (b"GET http://example.com/ HTTP/1.1\r\n", Kind.HTTP1),
    (b"POST https://example.com", Kind.HTTP1),
    (b"CONNECT example.com:443 HTTP/1.1\r\n", Kind.HTTP1),
    (b"OPTIONS * HTTP/1.1\r\n", Kind.HTTP1),
    (b"get / http/1.1\r\n", Kind.HTTP1),
    (b"FROBNICATE /x HTTP/1.1\r\n", Kind.HTTP1),
    (b"M-SEARCH * HTTP/1.1\r\n", Kind.HTTP1),
    (b"FOO /a b c HTTP/1.0\n", Kind.HTTP1),
    (b"FOO /\xc3\xa4\t HTTP/1.1 \r\n", Kind.HTTP1),
    (b"FOO / HTTP/3\r\n", Kind.HTTP1),
    (b"GET FOO HTTP/1.1\r\n", Kind.HTTP1),
    (b"GET foo\r\n", Kind.RAW),
    (b"\r\nGET /", Kind.HTTP1),
    (b"\r\n\r\nFOO / HTTP/1.1\r\n", Kind.HTTP1),
    (b"\n\nGET /", Kind.HTTP1),
    (b"\r\nEHLO x\r\n", Kind.RAW),
    (b"\r\n" * (MAX_BLANK // 2) + b"GET /", Kind.HTTP1),
    (b"\r\n" * (MAX_BLANK // 2) + b"\n", Kind.RAW),
    (b"\r\n" * (MAX_BLANK // 2) + b"\nGET /", Kind.RAW),
    # Long lines
    (b"FOO /" + b"x" * MAX_LINE, Kind.HTTP1),
    (b"FOO /" + b"x" * MAX_LINE + b"\n", Kind.HTTP1),
    (b"FOO x" + b"x" * MAX_LINE, Kind.RAW),
]


@pytest.mark.parametrize(("data", "kind"), CASES, ids=[repr(data[:24]) for data, _ in CASES])
def test_h1_44_first_bytes_tell_the_protocol(data, kind):
    assert sniff(data) is kind
    assert sniff(bytearray(data)) is kind
    seen = None
    for end in range(0 if len(data) < 100 else len(data) - 10, len(data) + 1):
        verdict = sniff(data[:end])
        assert seen is None or verdict is seen, "a decision stays"
        seen = verdict
    assert seen is kind


def test_nothing_is_not_decidable():
    assert sniff(b"") is None


@pytest.mark.parametrize(
    "data", [b"\r", b"\r\n\r\n\0\r", b"P", b"PRI * HTTP/2", b"PROXY TCP", b"S", b"GET", b"GET ", b"foo bar"]
)
def test_undecided(data):
    assert sniff(data) is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (bytes.fromhex("000000040000000000"), True),
        (bytes.fromhex("000012040000000000") + bytes(18), True),
        (bytes.fromhex("000005040000000000"), False),  # no whole number of settings
        (bytes.fromhex("000000040100000000"), False),  # an acknowledgement
        (bytes.fromhex("000000060000000000"), False),
        (bytes.fromhex("000000040000000001"), False),
        (b"* OK IMAP4\r\n", False),
        (b"", False),
    ],
)
def test_servers_of_http2_begin_with_settings(data, expected):
    assert begins_with_settings(data) is expected
