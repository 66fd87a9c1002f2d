"""The end of HTTP on a connection, or on one of its streams: both sides go on in another protocol."""

from midstream.flow import HTTPFlow, Server
from midstream.proxy.opened import Opened
from midstream.proxy.streams import Detached


class Switched:
    """What goes on, and in what."""

    __slots__ = ("flow", "from_client", "from_server", "opened", "server")

    def __init__(
        self, flow: HTTPFlow, server: Server, from_client: Detached, from_server: Detached, opened: Opened | None
    ) -> None:
        self.flow = flow
        self.server = server
        self.from_client = from_client
        self.from_server = from_server
        self.opened = opened
        """What was agreed on, if WebSocket is spoken from now on; None for any other protocol."""
