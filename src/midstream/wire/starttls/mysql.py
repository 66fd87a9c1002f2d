"""MySQL and MariaDB: the server greets; a client that wants TLS cuts its answer short, and begins TLS right behind it."""

from typing import Final

CLIENT_SSL: Final = 0x0800
"""The capability, in what both sides say they can do."""
PROTOCOL_10: Final = 10
SSL_REQUEST: Final = b"\x20\0\0\x01"
"""The head of the short answer: 32 bytes, packet 1."""
REQUEST_BYTES: Final = 36
MAX_GREETING: Final = 4096


class MysqlDialect:
    """The MySQL protocol, version 10."""

    def __init__(self) -> None:
        self.protocol = ""
        self.is_over = False
        self._client = b""
        self._greeting = b""
        self._is_greeted = False

    def from_client(self, data: bytes) -> int | None:
        before = len(self._client)
        self._client += data
        head = self._client[:4]
        if not self._is_greeted or not SSL_REQUEST.startswith(head):
            self.is_over = True
        elif len(self._client) >= REQUEST_BYTES:
            if int.from_bytes(self._client[4:8], "little") & CLIENT_SSL:
                self.protocol = "MySQL"
                return max(REQUEST_BYTES - before, 0)
            self.is_over = True
        return None

    def from_server(self, data: bytes) -> None:
        if self._is_greeted:
            self.is_over |= not self.protocol
            return
        self._greeting += data
        packet = self._greeting
        size = 4 + int.from_bytes(packet[:3], "little")
        if packet[3:5] not in {b"", b"\0", bytes((0, PROTOCOL_10))} or (len(packet) >= 3 and size > MAX_GREETING):
            self.is_over = True
        elif len(packet) >= max(size, 5):
            self._is_greeted = True
            self.is_over = len(packet) > size or not _offers_tls(packet[5:])


def _offers_tls(greeting: bytes) -> bool:
    """Tell whether the server can do TLS, from its greeting behind the version of the protocol."""
    _version, _, rest = greeting.partition(b"\0")
    return bool(int.from_bytes(rest[13:15], "little") & CLIENT_SSL)  # behind thread id, 8 bytes of challenge, filler
