import pytest

from midstream.wire.starttls.postgresql import GSS_REQUEST, SSL_REQUEST, PostgresqlDialect


@pytest.mark.parametrize(
    "turns",
    [
        [(">", SSL_REQUEST), ("<", b"S")],
        [(">", GSS_REQUEST), ("<", b"N"), (">", SSL_REQUEST), ("<", b"S")],
    ],
)
def test_consent(play, turns):
    said = sum(len(words) for side, words in turns if side == ">")
    assert play(PostgresqlDialect, [*turns, (">", b"\x16\x03\x01")]) == {said}


@pytest.mark.parametrize(
    "turns",
    [
        [(">", SSL_REQUEST), ("<", b"N")],
        [(">", SSL_REQUEST), ("<", b"E")],
        [(">", SSL_REQUEST), ("<", b"Surprise")],
        [(">", GSS_REQUEST), ("<", b"G")],
        [(">", SSL_REQUEST[:4]), ("<", b"S")],
        [(">", SSL_REQUEST + b"x"), ("<", b"S")],
        [("<", b"220 hello"), (">", SSL_REQUEST)],
        [(">", b"\0\0\0\x29\0\3\0\0user"), ("<", b"R")],
    ],
)
def test_no_consent(turns):
    dialect = PostgresqlDialect()
    for side, words in turns:
        (dialect.from_client if side == ">" else dialect.from_server)(words)
    assert dialect.protocol == ""
    dialect.from_client(b"\x16\x03\x01")
    assert dialect.is_over
