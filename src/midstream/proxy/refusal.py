"""The proxy's own answers: what a client is told when no server's answer can be given."""

from midstream.flow import Error, Headers, HTTPFlow, Request, Server
from midstream.flow import status as phrases
from midstream.hooks.table import dispatch
from midstream.proxy.failure import ClientLeft
from midstream.proxy.session import Session
from midstream.proxy.streams import ClientStream
from midstream.proxy.surroundings import Surroundings
from midstream.wire.errors import PeerError
from midstream.wire.events import Fields, ResponseHead

PAGE = "{status} {reason}\n\n{message}\n\n(This answer was made by midstream, not by the server.)\n"


def refusal(status: int, message: str) -> tuple[ResponseHead, bytes]:
    """Return head and body of an error page: plain text, so that nothing in `message` is ever read as markup."""
    reason = phrases.reason(status)
    body = PAGE.format(status=status, reason=reason, message=message).encode("utf-8", "replace")
    fields: Fields = [
        (b"Content-Type", b"text/plain; charset=utf-8"),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"Cache-Control", b"no-store"),
        (b"Content-Length", str(len(body)).encode()),
    ]
    return ResponseHead(status, reason.encode("latin-1", "replace"), b"HTTP/1.1", fields, len(body)), body


def refuse(client: ClientStream, status: int, message: str) -> None:
    """Answer the exchange under way with an error page, and end the connection (where streams are many, the stream)."""
    head, body = refusal(status, message)
    client.say_close()
    client.send_whole(head, body)
    client.finish()


async def refuse_request(session: Session, around: Surroundings, client: ClientStream, error: PeerError) -> None:
    """Answer a request whose head cannot be read; what there is of it is on the record as a failed flow (AD-15)."""
    flow = HTTPFlow(around.client, Server(address=around.way.destination, via=around.via), live=False)
    flow.request = Request("", 0, b"", b"", b"", b"", b"HTTP/1.1", Headers(), None, None, session.time())
    flow.error = Error(f"the request cannot be read: {error}", session.time())
    try:
        if session.hooks.error:
            await dispatch(session.hooks.error, flow)
    except ClientLeft as left:
        client.abort(left.code)
        return
    refuse(client, error.status, str(error))
