import pytest

from midstream.wire.starttls.lines import LINE_BYTES, LineDialect

HELLO = b"\x16\x03\x01"

AGREED = [
    ("SMTP", [("<", b"220 mail\r\n"), (">", b"EHLO me\r\n"), ("<", b"250-mail\r\n250 STARTTLS\r\n"), (">", b"STARTTLS\r\n"), ("<", b"220-well\r\n220 go ahead\r\n")]),
    ("SMTP", [(">", b"EHLO me\r\nstarttls\r\n"), ("<", b"250 mail\r\n220 go ahead\r\n")]),
    ("SMTP", [(">", b"STARTTLS\n"), ("<", b"220\n")]),
    ("IMAP", [("<", b"* OK hello\r\n"), (">", b"a.1 STARTTLS\r\n"), ("<", b"* OK by the way\r\na.1 OK begin\r\n")]),
    ("POP3", [("<", b"+OK\r\n"), (">", b"STLS\r\n"), ("<", b"+OK Begin TLS\r\n")]),
    ("FTP", [("<", b"220 hello\r\n"), (">", b"AUTH TLS\r\n"), ("<", b"234 AUTH TLS successful\r\n")]),
    ("FTP", [(">", b"AUTH SSL\r\n"), ("<", b"234 yes\r\n")]),
    ("NNTP", [(">", b"STARTTLS\r\n"), ("<", b"382 continue\r\n")]),
    ("ManageSieve", [("<", b'"STARTTLS"\r\nOK\r\n'), (">", b"STARTTLS\r\n"), ("<", b'OK "begin"\r\n')]),
    ("IRC", [(">", b"STARTTLS\r\n"), ("<", b":irc.example 670 me :go\r\n")]),
]  # fmt: skip


@pytest.mark.parametrize(("protocol", "turns"), AGREED)
def test_consent(play, protocol, turns):
    said = sum(len(words) for side, words in turns if side == ">")
    assert play(LineDialect, [*turns, (">", HELLO)]) == {said}
    dialect = LineDialect()
    for side, words in turns:
        (dialect.from_client if side == ">" else dialect.from_server)(words)
    assert dialect.protocol == protocol


@pytest.mark.parametrize(
    "turns",
    [
        [(">", b"STARTTLS\r\n"), ("<", b"454 not now\r\n")],
        [(">", b"STARTTLS\r\n"), ("<", b"220-not yet\r\n")],
        [(">", b"STARTTLS\r\n"), ("<", b"220 not yet")],
        [(">", b"STARTTLS\r\n"), ("<", b"454 no\r\n"), (">", b"MAIL FROM:<>\r\n"), ("<", b"220 what?\r\n")],
        [(">", b"STARTTLS please\r\n"), ("<", b"220 what?\r\n")],
        [(">", b"a STARTTLS\r\n"), ("<", b"b OK\r\na NO\r\n")],
        [("<", b"220 hello\r\n"), (">", b"DATA\r\n"), ("<", b"354 go\r\n"), (">", b"STARTTLS\r\n.\r\n"), ("<", b"220\r\n")],
        [(">", b"\0\1\2"), ("<", b"\xff\xfe")],
    ],
)  # fmt: skip
def test_no_consent(play, turns):
    assert play(LineDialect, [*turns, (">", HELLO)]) == {None}


def test_long_lines_are_passed_over():
    dialect = LineDialect()
    for _ in range(100):
        dialect.from_client(b"x" * LINE_BYTES)
        dialect.from_server(b"y" * LINE_BYTES)
    dialect.from_client(b"\r\nSTARTTLS\r\n")
    dialect.from_server(b"\r\n220 go\r\n")
    assert dialect.from_client(HELLO) == 0
    assert not dialect.is_over
