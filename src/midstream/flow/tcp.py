"""A TCP connection that is relayed without being understood."""

from typing import Any, ClassVar, Literal

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

    closed_by: Literal["", "client", "server", "proxy"] = ""
    """Who was the first to close."""
    close_reason: str = ""
    """How: `FIN`, `RST`, `close_notify` (the end of TLS), `timeout`, `killed`, `stopped`, or the fault that ended it."""
    starttls: str = ""
    """Where the connection began in clear text and TLS was opened later: the protocol that agreed on it, `TLS` if unknown."""

    def __init__(self, client_conn: Client, server_conn: Server, live: bool = False) -> None:
        super().__init__(client_conn, server_conn, live)

    def _state(self) -> dict[str, Any]:
        facts = {"closed_by": self.closed_by, "close_reason": self.close_reason, "starttls": self.starttls}
        return {**super()._state(), **facts}

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        self.closed_by = state.get("closed_by", "")
        self.close_reason = state.get("close_reason", "")
        self.starttls = state.get("starttls", "")
