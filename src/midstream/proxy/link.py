"""A server connection that is open and read by nobody yet."""

from midstream.flow import Client, Server
from midstream.proxy.peer import ByteReader, Peer


class Link:
    """An open server connection that nobody reads yet: its peer, its reader, and its facts."""

    __slots__ = ("client", "peer", "reader", "server")

    def __init__(self, peer: Peer, reader: ByteReader, server: Server, client: Client) -> None:
        self.peer = peer
        self.reader = reader
        self.server = server
        self.client = client
