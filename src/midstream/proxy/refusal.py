"""The proxy's own answers: what a client is told when no server's answer can be given."""

from midstream.flow import status as phrases
from midstream.wire.events import Fields, ResponseHead

PAGE = "{status} {reason}\n\n{message}\n\n(This answer was made by midstream, not by the server.)\n"


def refusal(status: int, message: str, *, extra: Fields | None = None) -> tuple[ResponseHead, bytes]:
    """Return head and body of an error page: plain text, so that nothing in `message` is ever read as markup."""
    reason = phrases.reason(status)
    body = PAGE.format(status=status, reason=reason, message=message).encode("utf-8", "replace")
    fields: Fields = [
        (b"Content-Type", b"text/plain; charset=utf-8"),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"Cache-Control", b"no-store"),
        (b"Content-Length", str(len(body)).encode()),
        *(extra or ()),
    ]
    return ResponseHead(status, reason.encode("latin-1", "replace"), b"HTTP/1.1", fields, len(body)), body
