"""How an exchange ends when it cannot be completed."""

import logging

from midstream.wire.errors import PeerError
from midstream.wire.events import Event, Reset
from midstream.wire.h2.errors import ENHANCE_YOUR_CALM, HTTP_1_1_REQUIRED, REFUSED_STREAM
from midstream.wire.tls.failure import TlsError


class Failed(BaseException):
    """The exchange cannot go on; `status` is what the client is told, 0 for a closed connection.

    No `Exception`, so that no addon's boundary swallows it where it is thrown in while an addon is waited for.
    """

    def __init__(
        self,
        message: str,
        status: int = 502,
        *,
        is_stale: bool = False,
        is_refused: bool = False,
        code: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.is_stale = is_stale
        """The server connection, used before, ended before any answer came."""
        self.is_refused = is_refused
        """The server has not looked at the request, which can therefore be sent once more whatever it asks for."""
        self.code = code
        """The error code of HTTP/2 with which the peer broke off, for the other side."""


class ClientLeft(BaseException):
    """Thrown into an exchange whose client has gone; no `Exception`, so that no addon's boundary swallows it."""

    def __init__(self, message: str = "the client disconnected", code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        """The error code of HTTP/2 with which it left, if it said one."""


def level_of(error: PeerError) -> int:
    """Return how loudly to tell why a connection ended: a client that does not trust us is something for the user to mend."""
    cause = error.__cause__
    return logging.WARNING if isinstance(cause, TlsError) and cause.suspects_certificate else logging.INFO


def client_failure(event: Event) -> Failed:
    """Say what the event that broke off a request means."""
    if isinstance(event, PeerError):
        return Failed(str(event), event.status)
    message = event.message if isinstance(event, Reset) else "the client left"
    return Failed(f"the request is incomplete: {message}", 400)


def server_failure(event: Event, *, is_stale: bool = False) -> Failed:
    """Say what the event that broke off a response means."""
    if isinstance(event, PeerError):
        return Failed(f"the server's response cannot be relayed: {event}", 504 if event.status == 504 else 502)
    if not isinstance(event, Reset):
        return Failed("the response is incomplete: the server closed the connection", is_stale=is_stale)
    is_refused = event.code in {REFUSED_STREAM, HTTP_1_1_REQUIRED}
    status = 503 if event.code in {REFUSED_STREAM, ENHANCE_YOUR_CALM} else 502
    message = f"the response is incomplete: {event.message}"
    is_stale = is_stale and event.code is None  # a reset stream says that its connection is alive
    return Failed(message, status, is_stale=is_stale, is_refused=is_refused, code=event.code)
