"""Protocols of lines: the client asks for TLS in a line, the server agrees in a line.

A client that has asked has to wait for the answer, so the next line that looks like consent is meant; another line
from the client means that it goes on without TLS. What comes in answer to commands sent before is thereby passed over,
and so is the word STARTTLS in the text of a mail, unless a server consents to it.
"""

import re
from typing import Final

LINE_BYTES: Final = 512
"""How much of a line is looked at; commands and replies are shorter."""

_ASKS: Final = (
    ("SMTP", rb"STARTTLS", rb"220(?: |$)"),  # RFC 3207 §4; the last line of a reply has no hyphen
    ("NNTP", rb"STARTTLS", rb"382(?: |$)"),  # RFC 4642 §2.2
    ("ManageSieve", rb"STARTTLS", rb"OK\b"),  # RFC 5804 §2.2
    ("IRC", rb"STARTTLS", rb":\S+ 670 "),
    ("POP3", rb"STLS", rb"\+OK\b"),  # RFC 2595 §4
    ("FTP", rb"AUTH (?:TLS|TLS-C|TLS-P|SSL)", rb"234(?: |$)"),  # RFC 4217 §4
    ("IMAP", rb"(\S+) STARTTLS", rb"%b OK\b"),  # RFC 9051 §6.2.1; the answer bears the tag of the command
)
"""Protocol, what the client says, what the server says if it agrees (`%b`: the words in brackets)."""
_REQUESTS: Final = tuple((protocol, re.compile(request, re.IGNORECASE), answer) for protocol, request, answer in _ASKS)


class LineDialect:
    """SMTP, LMTP, IMAP, POP3, FTP, NNTP, ManageSieve and IRC."""

    def __init__(self) -> None:
        self.protocol = ""
        self.is_over = False
        self._client = _Lines()
        self._server = _Lines()
        self._asked: list[tuple[str, re.Pattern[bytes]]] = []
        """What the client has just asked for, by protocol, and how the server would agree."""

    def from_client(self, data: bytes) -> int | None:
        if self.protocol:
            return 0
        for line in self._client.feed(data):
            self._asked = [
                (protocol, re.compile(_answer(answer, asked), re.IGNORECASE))
                for protocol, request, answer in _REQUESTS
                if (asked := request.fullmatch(line))
            ]
        return None

    def from_server(self, data: bytes) -> None:
        for line in self._server.feed(data):
            for protocol, answer in self._asked:
                if answer.match(line):
                    self.protocol = protocol


def _answer(answer: bytes, asked: re.Match[bytes]) -> bytes:
    return answer % re.escape(asked[1]) if asked.lastindex else answer


class _Lines:
    """Cuts one direction into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are complete now, without their ends and what is too long in them."""
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = self._rest + lines[0]
            self._rest = rest[:LINE_BYTES]
        else:
            self._rest = (self._rest + rest)[:LINE_BYTES]
        return [line[:LINE_BYTES].strip() for line in lines]
