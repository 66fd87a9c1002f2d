"""A fast WebSocket engine that does no input or output of its own (RFC 6455, RFC 7692, RFC 8441)."""

from midstream.wire.ws.engine import ClientFacing, ServerFacing
from midstream.wire.ws.limits import Limits
from midstream.wire.ws.message import Assembler, Message

__all__ = ["Assembler", "ClientFacing", "Limits", "Message", "ServerFacing"]
