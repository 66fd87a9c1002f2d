"""The one vocabulary of every HTTP version: what an engine reports and what it can be told to send.

A message is one head, any number of `Data`, at most one `Trailers`, then `End`; or it breaks off with `Reset` (the peer
went away or gave up) or with a `PeerError` (the peer broke the protocol), which engines put into the same list, always last.
Interim responses (1xx except 101) are a `ResponseHead` of their own, followed by no `Data` and no `End`.
"""

from typing import TypeAlias

import msgspec

from midstream.wire.errors import Fault, PeerError

Fields: TypeAlias = list[tuple[bytes, bytes]]
"""Header fields in wire order, in the case in which they came, values without surrounding blanks."""


class RequestHead(msgspec.Struct):
    """A request up to its body."""

    method: bytes
    target: bytes
    """The request target as it stands on the wire: origin, absolute, authority or asterisk form; the path on HTTP/2."""
    version: bytes
    """`b"HTTP/1.1"`, `b"HTTP/1.0"`, `b"HTTP/2.0"`."""
    headers: Fields
    body_size: int | None = 0
    """Bytes of body to come: 0 for none, None where only the end will tell."""
    block: bytes = b""
    """The header section as received, with its final blank line, if it can be forwarded verbatim; else empty."""
    faults: tuple[Fault, ...] = ()
    scheme: bytes = b""
    """HTTP/2's `:scheme`; empty on HTTP/1."""
    authority: bytes = b""
    """HTTP/2's `:authority`; empty on HTTP/1."""
    host: bytes | None = None
    """The value of the Host field; None without one."""
    upgrade: bytes = b""
    """The value of the Upgrade field where Connection names it; else empty."""
    expects_continue: bool = False
    """The client waits for 100 (Continue) before it sends the body (RFC 9110 §10.1.1)."""
    odd_lines: dict[tuple[bytes, bytes], bytes] | None = None
    """Raw lines (without line end) of fields not spelled `Name: value`, by field; None where all are."""
    protocol: bytes = b""
    """HTTP/2's `:protocol`, of an extended CONNECT (RFC 8441); empty otherwise."""
    pseudo_order: bytes = b""
    """The order of HTTP/2's pseudo-header fields, by their first letters: `m,a,s,p`; empty where none came."""
    never_indexed: frozenset[tuple[bytes, bytes]] = frozenset()
    """Fields that the sender wants in nobody's compression table (RFC 7541 §7.1.3)."""


class ResponseHead(msgspec.Struct):
    """A final or interim response up to its body."""

    status: int
    reason: bytes
    version: bytes
    headers: Fields
    body_size: int | None = 0
    """Bytes of body to come: 0 for none, None where only the end will tell."""
    block: bytes = b""
    """As in `RequestHead`."""
    faults: tuple[Fault, ...] = ()
    odd_lines: dict[tuple[bytes, bytes], bytes] | None = None
    """As in `RequestHead`."""
    never_indexed: frozenset[tuple[bytes, bytes]] = frozenset()
    """As in `RequestHead`."""

    @property
    def is_interim(self) -> bool:
        """True for 1xx other than 101: another head follows (RFC 9110 §15.2)."""
        return self.status < 200 and self.status != 101


class Data(msgspec.Struct):
    """A piece of body; piece borders carry no meaning."""

    data: bytes


class Trailers(msgspec.Struct):
    """The trailer section."""

    headers: Fields
    never_indexed: frozenset[tuple[bytes, bytes]] = frozenset()
    """As in `RequestHead`."""


class End(msgspec.Struct):
    """The message is complete."""

    faults: tuple[Fault, ...] = ()
    """Faults of the body, such as a close without TLS close_notify."""


class Reset(msgspec.Struct):
    """The message will not be completed."""

    message: str
    code: int | None = None
    """The HTTP/2 error code, where there is one."""


END = End()

Event: TypeAlias = RequestHead | ResponseHead | Data | Trailers | End | Reset | PeerError
