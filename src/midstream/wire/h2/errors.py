"""Error codes, and the two sizes of fault: one stream dies, or the connection does (RFC 9113 §5.4)."""

from typing import Final

from midstream.wire.errors import PeerError

NO_ERROR: Final = 0x0
PROTOCOL_ERROR: Final = 0x1
INTERNAL_ERROR: Final = 0x2
FLOW_CONTROL_ERROR: Final = 0x3
SETTINGS_TIMEOUT: Final = 0x4
STREAM_CLOSED: Final = 0x5
FRAME_SIZE_ERROR: Final = 0x6
REFUSED_STREAM: Final = 0x7
CANCEL: Final = 0x8
COMPRESSION_ERROR: Final = 0x9
CONNECT_ERROR: Final = 0xA
ENHANCE_YOUR_CALM: Final = 0xB
INADEQUATE_SECURITY: Final = 0xC
HTTP_1_1_REQUIRED: Final = 0xD

_NAMES: Final = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)


def code_name(code: int) -> str:
    """Return the name of an error code; the number in hexadecimal if it has none."""
    return _NAMES[code] if code < len(_NAMES) else f"0x{code:x}"


class CodedError(PeerError):
    """A peer's fault with the error code that it was told."""

    def __init__(self, message: str, reference: str, code: int = PROTOCOL_ERROR, *, status: int = 400) -> None:
        super().__init__(message, reference, status=status)
        self.code = code


class StreamError(CodedError):
    """A fault that ends one stream; the others go on."""


class FatalError(CodedError):
    """A fault after which nothing on the connection can be trusted."""
