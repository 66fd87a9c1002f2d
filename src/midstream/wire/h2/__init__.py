"""A fast HTTP/2 engine that does no input or output of its own (RFC 9113, RFC 7541, RFC 8441)."""

from midstream.wire.h2.engine import ClientFacing, ServerFacing
from midstream.wire.h2.fingerprint import Fingerprint
from midstream.wire.h2.limits import Limits

__all__ = ["ClientFacing", "Fingerprint", "Limits", "ServerFacing"]
