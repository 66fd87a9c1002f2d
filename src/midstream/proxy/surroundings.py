"""What an exchange needs of the client connection it is on."""

from typing import Protocol

from midstream.flow import Client, HTTPFlow, Server
from midstream.flow.connection import Via
from midstream.proxy.link import Link
from midstream.proxy.origin import Origin
from midstream.proxy.streams import Detached, ServerStream
from midstream.proxy.switched import Switched
from midstream.proxy.target import Way


class Surroundings(Protocol):
    """What an exchange needs of the client connection it is on."""

    client: Client
    way: Way
    via: Via | None
    sni: str | None
    """The server name of the TLS that the requests came in."""
    host_field: bytes | None
    """What Host is to say in reverse mode; None to leave it."""

    def origin(self, scheme: str, host: str, port: int, via: Via | None, *, is_upgrade: bool = False) -> Origin:
        """Return under which origin the pool has connections for this destination.

        `is_upgrade`: the request asks for another protocol in the way of HTTP/1.
        """

    def idle_stream(self, origin: Origin, *, is_repeatable: bool) -> ServerStream | None:
        """Return a stream to `origin` that was used before, not yet borrowed, if there is one to be trusted."""

    async def open_stream(self, origin: Origin, server: Server) -> ServerStream:
        """Return a new stream to `origin`, not yet borrowed."""

    async def open_tunnel(self, flow: HTTPFlow) -> Link | None:
        """Connect to where CONNECT wants to go; None if there is no need to."""

    def enter_tunnel(self, flow: HTTPFlow, link: Link | None, client: Detached) -> None:
        """Go on with whatever comes through the tunnel."""

    def switch(self, switched: Switched) -> None:
        """Relay another protocol, after 101 or a CONNECT that a server has accepted."""

    def bind_to_client(self) -> None:
        """Stop sharing this client's server connections: authentication is bound to them."""
