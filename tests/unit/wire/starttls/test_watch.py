import ssl

import pytest

from midstream.wire.starttls import Watch
from midstream.wire.starttls.watch import DIALECT_BYTES, is_hello


def hello(name="example.com"):
    context, outgoing = ssl.create_default_context(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


HELLO = hello()
SMTP = [("<", b"220 mail\r\n"), (">", b"STARTTLS\r\n"), ("<", b"220 go\r\n")]
MYSQL_GREETING = b"\x50\0\0\0\x0a8\0" + b"\1" * 13 + b"\xff\xff" + b"\0" * 62
MYSQL_REQUEST = b"\x20\0\0\1\xaf\x0a\0\0" + b"\0" * 28


def tell(turns):
    watch = Watch()
    found = []
    for side, words in turns:
        if side == ">":
            found.append(watch.from_client(words))
        else:
            watch.from_server(words)
    return watch.protocol, found


def test_consent_and_a_hello():
    assert tell([*SMTP, (">", HELLO)]) == ("SMTP", [None, 0])


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_after_consent_the_first_bytes_of_a_hello_are_enough(size):
    assert tell([*SMTP, (">", HELLO[:size])]) == ("SMTP", [None, 0])


def test_consent_and_no_hello():
    assert tell([*SMTP, (">", b"EHLO"), ("<", b"250 \r\n"), (">", b"\x16\x02")]) == ("", [None, None, None])


def test_it_may_begin_in_the_middle_of_what_comes():
    assert tell([("<", MYSQL_GREETING), (">", MYSQL_REQUEST + HELLO)]) == ("MySQL", [36])


def test_it_may_begin_at_the_end_of_what_comes():
    turns = [("<", MYSQL_GREETING), (">", MYSQL_REQUEST), (">", HELLO)]
    assert tell(turns) == ("MySQL", [None, 0])


def test_a_hello_on_its_own_after_the_servers_word():
    assert tell([("<", b"hello"), (">", HELLO)]) == ("TLS", [0])
    assert tell([(">", b"x"), ("<", b"y"), (">", b"z"), ("<", b"y"), (">", HELLO)]) == ("TLS", [None, None, 0])


@pytest.mark.parametrize(
    "turns",
    [
        [(">", HELLO)],
        [("<", b"x"), (">", b"a file:"), (">", HELLO)],
        [("<", b"x"), (">", HELLO + b"more")],
        [("<", b"x"), (">", b"x" + HELLO)],
    ],
)
def test_a_hello_in_other_places_is_left_alone(turns):
    assert tell(turns)[0] == ""


def test_what_has_become_long_is_watched_for_hellos_only():
    watch = Watch()
    watch.from_client(b"x" * DIALECT_BYTES)
    assert watch._dialects == []
    watch.from_server(b"220 hello\r\n")
    assert watch.from_client(b"STARTTLS\r\n") is None
    watch.from_server(b"220 go\r\n")
    assert watch.from_client(HELLO) == 0
    assert watch.protocol == "TLS"


RECORD = b"\x16\x03\x01\x00\x20\x01\0\0\x1c\x03\x03"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (HELLO, True),
        (HELLO[:11], True),
        (HELLO[:10], False),
        (HELLO + b"x", False),
        (RECORD, True),
        (b"\x17" + RECORD[1:], False),
        (b"\x16\x03\x05" + RECORD[3:], False),
        (RECORD[:5] + b"\x02" + RECORD[6:], False),
        (RECORD[:9] + b"\x02\x03", False),
        (RECORD[:3] + b"\x00\x21" + RECORD[5:], False),
        (RECORD[:3] + b"\x00\x04" + RECORD[5:], False),
        (RECORD[:3] + b"\x00\x10" + RECORD[5:] + b"x" * 50, True),
        (RECORD[:6] + b"\x02\0\0" + RECORD[9:], False),
    ],
)
def test_is_hello(data, expected):
    assert is_hello(data) is expected
