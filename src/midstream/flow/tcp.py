"""A TCP connection that is relayed without being understood."""

from typing import ClassVar

from midstream.flow.connection import Client, Server
from midstream.flow.stream import MessageFlow, StreamMessage


class TCPMessage(StreamMessage):
    """A piece of the byte stream; piece borders carry no meaning."""

    __slots__ = ()


class TCPFlow(MessageFlow):
    """The pieces of one TCP connection."""

    type: ClassVar[str] = "tcp"
    message_class = TCPMessage
    messages: list[TCPMessage]

    def __init__(self, client_conn: Client, server_conn: Server, live: bool = False) -> None:
        super().__init__(client_conn, server_conn, live)
