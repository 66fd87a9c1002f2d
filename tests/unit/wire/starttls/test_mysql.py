import pytest

from midstream.wire.starttls.mysql import MysqlDialect


def packet(number, content):
    return len(content).to_bytes(3, "little") + bytes([number]) + content


def greeting(capabilities=0xFFFF, version=b"8.0.36"):
    rest = b"\1\0\0\0" + b"challenge"[:8] + b"\0" + capabilities.to_bytes(2, "little") + b"\xff\2\0"
    return packet(0, b"\x0a" + version + b"\0" + rest + b"\0" * 40)


def answer(capabilities, size=32):
    return packet(1, capabilities.to_bytes(4, "little") + b"\0" * (size - 4))


TLS = answer(0xAAF)
PLAIN = answer(0x2AF, 90)


def test_tls_begins_right_behind_the_short_answer(play):
    assert play(MysqlDialect, [("<", greeting()), (">", TLS + b"\x16\x03\x01")]) == {36}
    assert play(MysqlDialect, [("<", greeting()), (">", TLS), (">", b"\x16\x03\x01")]) == {36}


def test_later_words_are_all_tls():
    dialect = MysqlDialect()
    dialect.from_server(greeting())
    assert dialect.from_client(TLS) == 36
    dialect.from_server(b"anything")
    assert dialect.from_client(b"\x16\x03") == 0
    assert dialect.protocol == "MySQL"


@pytest.mark.parametrize(
    "turns",
    [
        [("<", greeting()), (">", PLAIN)],
        [("<", greeting()), (">", answer(0x2AF))],
        [("<", greeting(capabilities=0x2FF)), (">", TLS)],
        [("<", packet(0, b"\xff\x10\x04Too many connections"))],
        [("<", packet(1, b"\x0a8"))],
        [("<", b"220 hello\r\n")],
        [("<", b"\xff\xff\xff\0\x0a")],
        [("<", packet(0, b"")), ("<", b"\x01")],
        [(">", TLS), ("<", greeting())],
        [("<", greeting() + b"more"), (">", TLS)],
    ],
)
def test_no_tls(play, turns):
    assert play(MysqlDialect, turns) <= {None}
    dialect = MysqlDialect()
    for side, words in turns:
        if not dialect.is_over:
            (dialect.from_client if side == ">" else dialect.from_server)(words)
    assert dialect.is_over


def test_a_greeting_may_come_in_pieces():
    dialect = MysqlDialect()
    for byte in greeting():
        assert not dialect._is_greeted
        dialect.from_server(bytes([byte]))
    assert dialect._is_greeted
    assert not dialect.is_over
