"""LDAP: an extended operation with an OID of its own, agreed to with the result `success` (RFC 4511 §4.14)."""

from typing import Final

import msgspec

STARTTLS_OID: Final = b"1.3.6.1.4.1.1466.20037"
MAX_MESSAGE: Final = 65_536
"""Messages before StartTLS are small: a search for what the server can do, and its answer."""
SEQUENCE: Final = 0x30
INTEGER: Final = 0x02
ENUMERATED: Final = 0x0A
EXTENDED_REQUEST: Final = 0x77
EXTENDED_RESPONSE: Final = 0x78
REQUEST_NAME: Final = 0x80
SUCCESS: Final = b"\0"


class LdapDialect:
    """LDAP version 3."""

    def __init__(self) -> None:
        self.protocol = ""
        self.is_over = False
        self._client = b""
        self._server = b""
        self._asked: bytes | None = None
        """The id of the message in which the client has asked."""

    def from_client(self, data: bytes) -> int | None:
        if self.protocol:
            return 0
        messages, self._client = self._messages(self._client + data)
        for number, operation in messages:
            if operation.tag == EXTENDED_REQUEST:
                name = _element(operation.content)
                if name is not None and (name.tag, name.content) == (REQUEST_NAME, STARTTLS_OID):
                    self._asked = number
        return None

    def from_server(self, data: bytes) -> None:
        messages, self._server = self._messages(self._server + data)
        for number, operation in messages:
            if number == self._asked and operation.tag == EXTENDED_RESPONSE:
                self._asked = None
                result = _element(operation.content)
                if result is not None and (result.tag, result.content) == (ENUMERATED, SUCCESS):
                    self.protocol = "LDAP"

    def _messages(self, data: bytes) -> "tuple[list[tuple[bytes, _Element]], bytes]":
        """Return ids and operations of the messages that are whole, and the rest (RFC 4511 §4.1.1)."""
        found = []
        while data and not self.is_over:
            message = _element(data)
            if data[0] != SEQUENCE or len(data) > MAX_MESSAGE:
                self.is_over = True
            elif message is None:
                break
            else:
                number, operation = _element(message.content), None
                if number is not None and number.tag == INTEGER:
                    operation = _element(message.content[number.size :])
                if number is None or operation is None:
                    self.is_over = True
                else:
                    found.append((number.content, operation))
                data = data[message.size :]
        return found, data


class _Element(msgspec.Struct):
    """One element of BER, of the plain kind that LDAP restricts itself to (RFC 4511 §5.1)."""

    tag: int
    content: bytes
    size: int
    """With its head."""


def _element(data: bytes) -> _Element | None:
    """Return the element at the beginning; None if it is not there whole, or is none."""
    if len(data) < 2:
        return None
    head, length = 2, data[1]
    if length > 0x80:
        head += length - 0x80
        length = int.from_bytes(data[2:head])
    if head > 6 or len(data) < head + length:
        return None
    return _Element(data[0], data[head : head + length], head + length)
