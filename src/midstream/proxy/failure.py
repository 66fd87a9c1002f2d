"""How an exchange ends when it cannot be completed."""

from midstream.wire.errors import PeerError
from midstream.wire.events import Event, Reset


class Failed(BaseException):
    """The exchange cannot go on; `status` is what the client is told, 0 for a closed connection.

    No `Exception`, so that no addon's boundary swallows it where it is thrown in while an addon is waited for.
    """

    def __init__(self, message: str, status: int = 502, *, is_stale: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.is_stale = is_stale
        """The server connection, used before, ended before any answer came."""


class ClientLeft(BaseException):
    """Thrown into an exchange whose client has gone; no `Exception`, so that no addon's boundary swallows it."""


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
    message = event.message if isinstance(event, Reset) else "the server closed the connection"
    return Failed(f"the response is incomplete: {message}", is_stale=is_stale)
