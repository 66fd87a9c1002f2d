import pytest

from midstream.wire.starttls.ldap import MAX_MESSAGE, LdapDialect

OID = b"1.3.6.1.4.1.1466.20037"


def ber(tag, content):
    size = len(content)
    return bytes((tag, size) if size < 128 else (tag, 0x82, *size.to_bytes(2))) + content


def message(number, tag, content):
    return ber(0x30, ber(2, bytes([number])) + ber(tag, content))


def request(number, oid=OID):
    return message(number, 0x77, ber(0x80, oid))


def response(number, code=0, tag=0x78):
    return message(number, tag, ber(10, bytes([code])) + ber(4, b"") + ber(4, b""))


BIND = message(1, 0x60, ber(2, b"\3") + ber(4, b"cn=" + b"x" * 300) + ber(0x80, b""))


@pytest.mark.parametrize(
    "turns",
    [
        [(">", request(1)), ("<", response(1))],
        [(">", BIND + request(7)), ("<", response(1, tag=0x61) + response(7))],
    ],
)
def test_consent(play, turns):
    assert play(LdapDialect, [*turns, (">", b"\x16\x03\x01")]) == {len(turns[0][1])}


@pytest.mark.parametrize(
    "turns",
    [
        [(">", request(1)), ("<", response(1, 2))],
        [(">", request(1)), ("<", response(2))],
        [(">", request(1, b"1.2.3")), ("<", response(1))],
        [(">", BIND), ("<", response(1, tag=0x61))],
        [(">", message(1, 0x77, b"")), ("<", message(1, 0x78, b""))],
        [(">", request(1)), ("<", message(1, 0x78, b""))],
    ],
)
def test_no_consent(play, turns):
    assert play(LdapDialect, [*turns, (">", b"\x16\x03\x01")]) == {None}


@pytest.mark.parametrize(
    "data",
    [
        b"EHLO me\r\n",
        b"\x30\x00",
        b"\x30\x03\x04\x01\x01",
        b"\x30\x03\x02\x01\x01",
        b"\x30\x84\x7f\xff\xff\xff" + b"x" * MAX_MESSAGE,
    ],
)
@pytest.mark.parametrize("side", ["from_client", "from_server"])
def test_what_is_no_ldap_is_given_up(data, side):
    dialect = LdapDialect()
    getattr(dialect, side)(data)
    assert dialect.is_over
    assert getattr(dialect, side)(b"\x30") is None


def test_an_unheard_of_length_is_waited_for_no_longer_than_any():
    dialect = LdapDialect()
    dialect.from_client(b"\x30\x85\0\0\0\0\1")
    assert not dialect.is_over
    dialect.from_client(b"x" * MAX_MESSAGE)
    assert dialect.is_over
