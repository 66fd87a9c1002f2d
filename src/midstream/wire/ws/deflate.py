"""Compression of messages (RFC 7692 §7.2): what comes is decompressed, what goes is compressed anew from a context of our own.

So messages can be changed, dropped and added, and the two connections of a proxy need not have agreed on the same (WS-01, WS-17).
"""

import zlib
from typing import Final

from midstream.wire.errors import PeerError
from midstream.wire.ws.errors import INVALID_DATA, TOO_BIG, WebSocketError
from midstream.wire.ws.limits import DEFAULT_LIMITS, Limits

TAIL: Final = b"\x00\x00\xff\xff"
"""The end of a flushed block, which a message leaves out."""

_LEVEL: Final = 1
_MEMORY: Final = 5
"""zlib's memLevel: 144 KB of context instead of 256, for hardly larger messages."""
_FINAL_BLOCKS: Final = 16
"""More blocks than this that call themselves the last in one message are no attempt to say something."""


class Inflater:
    """Decompresses what a peer sends.

    The window is always the largest, whatever the peer promised: it reads smaller ones as well, and some peers use 9 bits where
    they promised 8. Whether the peer keeps its context does not matter to the reader either.
    """

    __slots__ = ("_came", "_ends", "_gave", "_limits", "_zlib")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)
        self._came = self._gave = self._ends = 0

    def inflate(self, data: bytes, most: int, *, is_last: bool) -> bytes:
        """Return what the next bytes of a message mean, which may be no more than `most` for the whole message (0: no bound).

        Raises:
            PeerError: it is not deflated data (1007), or becomes too large (1009).

        """
        self._came += len(data)
        limits = self._limits
        allowed = max(limits.inflate_free, limits.inflate_ratio * self._came)
        if 0 < most < allowed:
            allowed = most
        room = max(0, allowed - self._gave)
        try:
            found = self._decompress(data + TAIL if is_last else data, room + 1)
        except zlib.error as error:
            raise WebSocketError("a message that cannot be decompressed", "RFC 7692 §7.2.2", INVALID_DATA) from error
        if len(found) > room:
            cause = f"more than {most} bytes" if allowed == most else "a suspicious multiple of its size"
            raise WebSocketError(f"a message becomes {cause} by decompression", "RFC 6455 §10.4", TOO_BIG)
        if is_last:
            self._came = self._gave = self._ends = 0
        else:
            self._gave += len(found)
        return found

    def _decompress(self, data: bytes, most: int) -> bytes:
        found = self._zlib.decompress(data, most)
        while self._zlib.eof:
            # A block with BFINAL: others may follow, in a new context (RFC 7692 §7.2.3.4).
            self._ends += 1
            if self._ends > _FINAL_BLOCKS:
                raise PeerError("a message of too many final blocks", "RFC 7692 §7.2.3.4")
            data = self._zlib.unused_data
            if data == TAIL:  # the sender forgot the empty block that is to follow
                data = b""
            self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)
            if len(found) < most:
                found += self._zlib.decompress(data, most - len(found))
        return found


class Deflater:
    """Compresses what is sent, with a window of at most `bits`."""

    __slots__ = ("_bits", "_keeps_context", "_zlib")

    def __init__(self, bits: int = zlib.MAX_WBITS, *, keeps_context: bool = True) -> None:
        self._bits = bits
        self._keeps_context = keeps_context
        self._zlib = self._new()

    def deflate(self, data: bytes) -> bytes:
        """Return what is ready of the next bytes, compressed."""
        return self._zlib.compress(data)

    def flush(self, *, is_last: bool) -> bytes:
        """Return all that is left, at the end of a frame or of the message."""
        found = self._zlib.flush(zlib.Z_SYNC_FLUSH)
        if not is_last:
            return found
        if not self._keeps_context:
            self._zlib = self._new()
        # Nothing new since the last flush is an empty block (RFC 7692 §7.2.3.6).
        return found[:-4] or b"\x00"

    def _new(self) -> "zlib._Compress":
        if self._bits < 9:
            # zlib has no window of 8 bits for raw deflate; without matches none is needed.
            return zlib.compressobj(_LEVEL, zlib.DEFLATED, -9, _MEMORY, zlib.Z_HUFFMAN_ONLY)
        return zlib.compressobj(_LEVEL, zlib.DEFLATED, -self._bits, _MEMORY)
