"""PostgreSQL: eight bytes ask for TLS before anything else is said, the server answers with one byte."""

from typing import Final

SSL_REQUEST: Final = b"\0\0\0\x08\x04\xd2\x16\x2f"
GSS_REQUEST: Final = b"\0\0\0\x08\x04\xd2\x16\x30"
"""Asks for encryption by GSSAPI; a client that is refused it may ask for TLS."""


class PostgresqlDialect:
    """PostgreSQL, protocol version 3."""

    def __init__(self) -> None:
        self.protocol = ""
        self.is_over = False
        self._asked = b""

    def from_client(self, data: bytes) -> int | None:
        if self.protocol:
            return 0
        self._asked += data
        self.is_over = not SSL_REQUEST.startswith(self._asked) and not GSS_REQUEST.startswith(self._asked)
        return None

    def from_server(self, data: bytes) -> None:
        if self._asked == SSL_REQUEST and data == b"S":
            self.protocol = "PostgreSQL"
        elif self._asked in {SSL_REQUEST, GSS_REQUEST} and data == b"N":
            self._asked = b""
        else:
            self.is_over = True
