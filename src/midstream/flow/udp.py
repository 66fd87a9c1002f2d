"""UDP datagrams between one client and one server."""

from typing import ClassVar

from midstream.flow.connection import Client, Server
from midstream.flow.stream import MessageFlow, StreamMessage


class UDPMessage(StreamMessage):
    """One datagram."""

    __slots__ = ()


class UDPFlow(MessageFlow):
    """The datagrams of one pair of addresses."""

    type: ClassVar[str] = "udp"
    message_class = UDPMessage
    messages: list[UDPMessage]

    def __init__(self, client_conn: Client, server_conn: Server, live: bool = False) -> None:
        super().__init__(client_conn, server_conn, live)
