"""gRPC as users see it: the messages inside the bodies of an exchange, and what was called and came of it."""

import time
from collections.abc import Sequence
from typing import Any, Self
from urllib.parse import unquote

import msgspec

from midstream.flow import encoding
from midstream.flow.headers import Headers
from midstream.flow.request import Request
from midstream.flow.response import Response

STATUS_NAMES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
"""The names of the status codes, by number."""


class GrpcMessage:
    """One message. Setting `content` or `data` in the hook changes what is forwarded."""

    __slots__ = ("content", "dropped", "encoding", "from_client", "is_compressed", "timestamp")

    def __init__(
        self,
        from_client: bool,
        content: bytes,
        is_compressed: bool = False,
        encoding: str = "identity",
        timestamp: float | None = None,
        dropped: bool = False,
    ) -> None:
        self.from_client = from_client
        self.content = content
        """The message as on the wire, without its prefix."""
        self.is_compressed = is_compressed
        """The flag of its prefix: `content` is compressed as `encoding` says."""
        self.encoding = encoding
        """What the field `grpc-encoding` of this side says."""
        self.timestamp = time.time() if timestamp is None else timestamp
        self.dropped = dropped

    def __repr__(self) -> str:
        return f"{'->' if self.from_client else '<-'} {self.content!r}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GrpcMessage) and self.get_state() == other.get_state()

    __hash__ = None  # type: ignore[assignment]  # mutable

    @property
    def data(self) -> bytes:
        """The message with its compression undone; setting it compresses again. Raises ValueError if that fails."""
        return encoding.decode(self.content, self.encoding) if self.is_compressed else self.content

    @data.setter
    def data(self, data: bytes) -> None:
        self.content = encoding.encode(data, self.encoding) if self.is_compressed else data

    def drop(self) -> None:
        """Keep the message from being forwarded."""
        self.dropped = True

    def get_state(self) -> tuple[bool, bytes, bool, str, float, bool]:
        return self.from_client, self.content, self.is_compressed, self.encoding, self.timestamp, self.dropped

    @classmethod
    def from_state(cls, state: Sequence[Any]) -> Self:
        return cls(*state)


class GrpcCall(msgspec.Struct, frozen=True):
    """What a gRPC request calls, and what came of it."""

    service: str
    """With its package: `pkg.Service`."""
    method: str
    status: int | None = None
    """The field `grpc-status`; None as long as it has not come."""
    message: str = ""
    """The field `grpc-message`, percent-decoded."""

    @property
    def status_name(self) -> str:
        """`NOT_FOUND`; empty for numbers that have no name."""
        status = self.status
        return STATUS_NAMES[status] if status is not None and status < len(STATUS_NAMES) else ""

    @classmethod
    def of(cls, request: Request, response: Response | None) -> Self | None:
        """Read it from an exchange; None if that is no gRPC."""
        if not request.headers.get("content-type", "").lower().startswith("application/grpc"):
            return None
        service, _, method = request.path.partition("?")[0].strip("/").rpartition("/")
        fields = _status_fields(response)
        status = fields.get("grpc-status", "")
        return cls(
            service,
            method,
            int(status) if status.isascii() and status.isdigit() and len(status) < 10 else None,
            unquote(fields.get("grpc-message", "")),
        )


def _status_fields(response: Response | None) -> Headers:
    """Return where the status stands: in the trailers, or the head of a response that has no more (Trailers-Only)."""
    if response is None:
        return Headers()
    trailers = response.trailers
    return trailers if trailers is not None and "grpc-status" in trailers else response.headers
