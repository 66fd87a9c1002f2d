"""Watches a connection in clear text for the moment at which TLS begins.

Two signs are known:

- *Consent.* Client and server have agreed in the words of a protocol (`Dialect`), and what the client says next begins
  like TLS. This is looked for in the first `DIALECT_BYTES` of either direction.
- *A hello on its own.* The server has spoken, and the client answers with what looks like a ClientHello and nothing else. This covers
  protocols that are not known here, at any offset. A file that is sent and holds a recorded hello is none of that: nobody
  answers in the middle of it.
"""

from typing import Final

from midstream.wire.starttls.dialect import Dialect
from midstream.wire.starttls.ldap import LdapDialect
from midstream.wire.starttls.lines import LineDialect
from midstream.wire.starttls.mysql import MysqlDialect
from midstream.wire.starttls.postgresql import PostgresqlDialect
from midstream.wire.starttls.xmpp import XmppDialect
from midstream.wire.tls.hello import MAX_HELLO

DIALECT_BYTES: Final = 65_536
HELLO_HEAD: Final = 11
"""Bytes of a hello that are judged: the heads of record and message, and the version."""
_RECORD: Final = b"\x16\x03"


class Watch:
    """Both directions of one connection, in the order in which bytes come."""

    def __init__(self) -> None:
        self.protocol = ""
        """Where TLS has begun: the protocol that it was agreed on in, `TLS` if that is not known."""
        self._dialects: list[Dialect] = [
            LineDialect(),
            XmppDialect(),
            LdapDialect(),
            PostgresqlDialect(),
            MysqlDialect(),
        ]
        self._agreed: Dialect | None = None
        self._left = DIALECT_BYTES
        self._has_server_answered = False

    def from_client(self, data: bytes) -> int | None:
        """Take what the client says; return where in it TLS begins, None if it does not."""
        was_answered, self._has_server_answered = self._has_server_answered, False
        offset = self._agreed_offset(data) if self._dialects else None
        if offset is None and was_answered and is_hello(data):
            self.protocol, offset = "TLS", 0
        return offset

    def from_server(self, data: bytes) -> None:
        """Take what the server says."""
        self._has_server_answered = True
        if self._dialects:
            for dialect in self._dialects:
                dialect.from_server(data)
            self._weed(len(data))

    def _agreed_offset(self, data: bytes) -> int | None:
        offset, agreed = (0, self._agreed) if self._agreed is not None else self._ask(data)
        if agreed is None:
            return None
        rest = data[offset : offset + 2]
        if rest and rest == _RECORD[: len(rest)]:
            self.protocol = agreed.protocol
            return offset
        self._agreed = None if rest else agreed  # it has agreed, and goes on in clear text all the same
        return None

    def _ask(self, data: bytes) -> tuple[int, Dialect | None]:
        agreed: tuple[int, Dialect | None] = (0, None)
        for dialect in self._dialects:
            offset = dialect.from_client(data)
            if offset is not None:
                agreed = (offset, dialect)
        self._weed(len(data))
        return agreed

    def _weed(self, size: int) -> None:
        """Give up those that cannot apply any more, and after a while all of them."""
        self._left -= size
        self._dialects = [dialect for dialect in self._dialects if not dialect.is_over] if self._left > 0 else []


def is_hello(data: bytes) -> bool:
    """Tell whether this is the beginning of a ClientHello, and as far as can be seen nothing but one (RFC 8446 §4.1.2)."""
    if data[:2] != _RECORD or len(data) < HELLO_HEAD or data[2] > 4 or data[5] != 1 or data[9] != 3:
        return False
    record, message = int.from_bytes(data[3:5]), 4 + int.from_bytes(data[6:9])
    if message > MAX_HELLO or not 4 < record <= message:
        return False
    return record < message or len(data) <= 5 + record
