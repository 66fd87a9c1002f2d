"""XMPP: the client sends `<starttls/>`, the server agrees with `<proceed/>` (RFC 6120 §5.4.2)."""

import re
from typing import Final

WINDOW: Final = 512
"""How much of what came before is looked at together with what comes."""
_STREAM: Final = re.compile(rb"\s*<(?:\?xml|(?:\w+:)?stream\b)")
_REQUEST: Final = re.compile(rb"<(?:\w+:)?starttls\b[^>]*>")
_CONSENT: Final = re.compile(rb"<(?:\w+:)?proceed\b[^>]*(?:/>|>\s*</(?:\w+:)?proceed\s*>)")


class XmppDialect:
    """XMPP, between clients and servers and between servers."""

    def __init__(self) -> None:
        self.protocol = ""
        self.is_over = False
        self._is_asked = False
        self._is_begun = False
        self._client = b""
        self._server = b""

    def from_client(self, data: bytes) -> int | None:
        if self.protocol:
            return 0
        self._client = (self._client + data)[-WINDOW - len(data) :]
        if not self._is_begun:
            self._is_begun = _STREAM.match(self._client) is not None
            self.is_over = not self._is_begun and not self._may_begin()
        if self._is_begun and _REQUEST.search(self._client):
            self._is_asked = True
        return None

    def from_server(self, data: bytes) -> None:
        self._server = (self._server + data)[-WINDOW - len(data) :]
        if self._is_asked and _CONSENT.search(self._server):
            self.protocol = "XMPP"

    def _may_begin(self) -> bool:
        begin = self._client.lstrip()
        return len(begin) < WINDOW and begin[:1] in {b"", b"<"}
