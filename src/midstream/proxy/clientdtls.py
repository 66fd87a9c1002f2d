"""DTLS towards the client: telling it from other datagrams, reading its hello, and asking for its cookie.

A hello is answered with a question that only its sender gets, if its address is not forged; before that nobody else is spoken to
for its sake, and nothing is kept that the second hello does not have in it again (RFC 6347 §4.2.1).
"""

import hmac
import logging

from midstream.proxy.datagrams import DatagramClient
from midstream.proxy.policy import authority_name
from midstream.wire.errors import PeerError
from midstream.wire.tls.dtls import HelloReader, begins_with_hello, first_record, hello_verify_request, without_cookie
from midstream.wire.tls.hello import ClientHello

MAX_PIECES = 64
"""The most datagrams that a hello may come in."""
COOKIE_SIZE = 20
_log = logging.getLogger("midstream.proxy")


class ClientWords:
    """What a client says first."""

    def __init__(self, talker: DatagramClient) -> None:
        self.sequence = 0
        """The number of the record that had the end of the hello."""
        self.seen: list[bytes] = []
        """The datagrams of the hello."""
        self._talker = talker
        self._reader = HelloReader()

    async def hello(self, *, drops_strays: bool) -> ClientHello | None:
        """Wait for the client's hello. None if it does not speak DTLS, or is gone; then all that it has said is there to be read.

        `drops_strays`: records of a session that nobody knows (any more) make no sense to whoever would get them.
        """
        talker, seen = self._talker, self.seen
        hello: ClientHello | None = None
        while hello is None and len(seen) < MAX_PIECES and (data := await talker.next()) is not None:
            if not seen and not begins_with_hello(data):
                if drops_strays and first_record(data) is not None:
                    _log.debug("%s: a record of a DTLS session that is not known is left out", talker.host)
                    continue
                talker.unread([data])
                return None
            seen.append(data)
            try:
                hello = self._read(data)
            except PeerError as error:
                _log.info("%s: not DTLS after all: %s", talker.host, error)
                break
        if hello is None:
            talker.unread(seen)
        return hello

    async def confirmed(self, hello: ClientHello) -> ClientHello | None:
        """Have the client show that it gets what is sent to it, and return the hello that has the cookie; None if it is gone."""
        talker = self._talker
        while not has_our_cookie(talker, hello):
            talker.send(hello_verify_request(cookie_for(talker, hello), self.sequence))
            again: ClientHello | None = None
            while again is None:
                data = await talker.next()
                if data is None:
                    return None
                again = self.attempt(data)
            hello = again
        talker.confirm()
        return hello

    def _read(self, data: bytes) -> ClientHello | None:
        hello = self._reader.receive(data)
        self.sequence = self._reader.sequence
        return hello

    def attempt(self, data: bytes) -> ClientHello | None:
        """Take a datagram that may be no hello, and return the hello once it is whole."""
        try:
            return self._read(data)
        except PeerError as error:
            _log.debug("%s: left out: %s", self._talker.host, error)
            return None


def cookie_for(talker: DatagramClient, hello: ClientHello) -> bytes:
    """Return what a client at this address has to repeat, with a hello that is otherwise the same."""
    said = repr(talker.client.peername).encode() + without_cookie(hello)
    return hmac.digest(talker.session.cookie_secret, said, "sha256")[:COOKIE_SIZE]


def has_our_cookie(talker: DatagramClient, hello: ClientHello) -> bool:
    return hmac.compare_digest(hello.cookie, cookie_for(talker, hello))


class NewHello:
    """Watches for a client that has begun anew at the same address, which it may do at any time (RFC 6347 §4.2.8).

    What it had before goes on until it has shown that it is there: anybody can write a hello.
    """

    def __init__(self, talker: DatagramClient, hello: ClientHello) -> None:
        self._talker = talker
        self._random = hello.random

    def is_in(self, datagram: bytes) -> bool:
        """Tell whether a datagram is one of a new hello, and answer it."""
        if not begins_with_hello(datagram):
            return False
        words = ClientWords(self._talker)
        hello = words.attempt(datagram)
        if hello is None or hello.random == self._random:
            return False
        if has_our_cookie(self._talker, hello):
            name = authority_name(*(self._talker.client.peername or ("", 0))[:2])
            _log.info("%s: begins a new DTLS session", name)
            self._talker.begin_anew(datagram)
        else:
            self._talker.send(hello_verify_request(cookie_for(self._talker, hello), words.sequence))
        return True
