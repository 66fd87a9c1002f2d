"""A fast HTTP/1 engine that does no input or output of its own (RFC 9110, RFC 9112)."""

from midstream.wire.h1.engine import ClientFacing, ServerFacing
from midstream.wire.h1.hop import end_to_end
from midstream.wire.h1.limits import Limits

__all__ = ["ClientFacing", "Limits", "ServerFacing", "end_to_end"]
