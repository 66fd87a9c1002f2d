"""What one family of protocols knows about beginning TLS."""

from typing import Protocol


class Dialect(Protocol):
    """Watches both directions of one connection, in pieces of any size, until it is agreed that TLS begins."""

    protocol: str
    """The protocol that is spoken, once TLS is agreed on: `SMTP`."""
    is_over: bool
    """This is another protocol, or this one will never begin TLS any more; it need not be told anything."""

    def from_client(self, data: bytes) -> int | None:
        """Take what the client says; return where in it TLS is to begin (which may be its end), None if it is not."""

    def from_server(self, data: bytes) -> None:
        """Take what the server says."""
