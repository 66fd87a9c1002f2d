import pytest

from midstream.wire.starttls.xmpp import WINDOW, XmppDialect

OPEN = b"<?xml version='1.0'?><stream:stream to='a' xmlns='jabber:client'>"
FEATURES = b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"
ASK = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
YES = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


@pytest.mark.parametrize("consent", [YES, b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'>\n</proceed>"])
@pytest.mark.parametrize("begin", [OPEN, b" <stream:stream to='a'>"])
def test_consent(play, begin, consent):
    turns = [(">", begin), ("<", OPEN + FEATURES), (">", ASK), ("<", consent), (">", b"\x16\x03\x01")]
    assert play(XmppDialect, turns) == {len(begin + ASK)}


@pytest.mark.parametrize(
    "turns",
    [
        [(">", OPEN), ("<", OPEN + YES)],
        [(">", OPEN + ASK), ("<", b"<failure/>")],
        [(">", ASK), ("<", YES)],
        [(">", b"EHLO me\r\n" + OPEN + ASK), ("<", YES)],
    ],
)
def test_no_consent(play, turns):
    assert play(XmppDialect, [*turns, (">", b"\x16\x03\x01")]) == {None}


def test_what_is_no_xmpp_is_given_up():
    dialect = XmppDialect()
    dialect.from_client(b"\r\n")
    assert not dialect.is_over
    dialect.from_client(b"x")
    assert dialect.is_over
    dialect = XmppDialect()
    dialect.from_client(b"<a" + b"x" * WINDOW)
    assert dialect.is_over


def test_what_came_long_ago_is_forgotten():
    dialect = XmppDialect()
    dialect.from_client(OPEN)
    for _ in range(1000):
        dialect.from_client(b"<iq/>" * 10)
        dialect.from_server(b"<iq/>" * 10)
    assert len(dialect._client) == len(dialect._server) == WINDOW + 50
