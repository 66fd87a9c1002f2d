"""Frame headers (RFC 6455 §5.2).

 0               1               2
+-+-+-+-+-------+-+-------------+----------------------+----------------+---------
|F|R R R|opcode |M| length, 126 | 2 or 8 more bytes of | masking key, 4 | payload
|I|S V  |       |A| or 127      | length for 126, 127  | bytes if MASK  |
|N|1 2 3|       |S|             |                      |                |
+-+-+-+-+-------+-+-------------+----------------------+----------------+---------
"""

from typing import Final

CONTINUATION: Final = 0x0
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

FIN: Final = 0x80
RSV1: Final = 0x40
RESERVED: Final = 0x70
OPCODE: Final = 0x0F
MASKED: Final = 0x80

LARGEST: Final = (1 << 63) - 1
LARGEST_CONTROL: Final = 125

OPCODES: Final = frozenset((0, 1, 2, CLOSE, PING, PONG))
PLAIN: Final = frozenset((0, 1, 2, *(FIN | opcode for opcode in OPCODES)))
"""The first bytes a frame may have."""
WHOLE: Final = frozenset((FIN | 1, FIN | 2))
"""Those of messages in one frame, not compressed."""
DEFLATED: Final = PLAIN | frozenset((RSV1 | 1, RSV1 | 2, FIN | RSV1 | 1, FIN | RSV1 | 2))
"""Those it may have where messages may be compressed: RSV1 stands in a message's first frame (RFC 7692 §6)."""


def header(first: int, length: int, mask: int = 0) -> bytes:
    """Return a header without masking key, its length as short as can be; `mask` is `MASKED` or 0."""
    if length < 126:
        return bytes((first, mask | length))
    if length < 65536:
        return bytes((first, mask | 126, length >> 8, length & 0xFF))
    return bytes((first, mask | 127)) + length.to_bytes(8, "big")
