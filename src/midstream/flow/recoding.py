"""Content codings undone and applied piece by piece, for bodies that never end.

What comes out of a piece comes out with it: encoders flush after each piece, decoders give what they have. A decoder gives
about `STEP` bytes at once, so that whoever takes them can stop a decompression bomb.
"""

import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol, TypeAlias

import brotli  # type: ignore[import-untyped]  # it brings no types
import zstandard

STEP = 262_144
_ZSTD_PIECE = 1024
"""The library does not bound what one call gives, so it is fed little at once."""

Decoder: TypeAlias = Callable[[bytes], Iterator[bytes]]
"""Gets the pieces of a body, gives the same decoded. Raises ValueError for a broken body."""


class Encoder(Protocol):
    """Applies a coding."""

    def encode(self, data: bytes) -> bytes:
        """Return everything up to the end of `data`."""

    def finish(self) -> bytes:
        """Return the end of the body."""


def is_known(coding: str) -> bool:
    """Say whether a coding can be undone and applied here."""
    return coding in _CODINGS


def decoder(coding: str) -> Decoder:
    """Return what undoes a known coding."""
    decode = _CODINGS[coding][0]()

    def guarded(data: bytes) -> Iterator[bytes]:
        try:
            yield from decode(data)
        except (zlib.error, brotli.error, zstandard.ZstdError) as error:
            raise ValueError(f"the body is not valid {coding}: {error}") from error

    return guarded


def encoder(coding: str) -> Encoder:
    """Return what applies a known coding."""
    return _CODINGS[coding][1]()


class _Inflater:
    """gzip, of one or several members, and zlib."""

    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._member = zlib.decompressobj(wbits)

    def __call__(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(self._wbits)
            while chunk := self._member.decompress(data, STEP):
                yield chunk
                data = self._member.unconsumed_tail
            data = self._member.unused_data


class _DeflateDecoder:
    """zlib, or bare deflate, which is sent under the same name: the first byte tells (RFC 1950 §2.2)."""

    _inflate: _Inflater | None = None

    def __call__(self, data: bytes) -> Iterator[bytes]:
        if self._inflate is None:
            self._inflate = _Inflater(15 if data[0] & 0x0F == 8 else -15)
        return self._inflate(data)


class _BrotliDecoder:
    def __init__(self) -> None:
        self._decoder = brotli.Decompressor()

    def __call__(self, data: bytes) -> Iterator[bytes]:
        while chunk := self._decoder.process(data, output_buffer_limit=STEP):
            yield chunk
            data = b""


class _ZstdDecoder:
    """Frame after frame."""

    def __init__(self) -> None:
        self._frame = zstandard.ZstdDecompressor().decompressobj()

    def __call__(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            piece, data = data[:_ZSTD_PIECE], data[_ZSTD_PIECE:]
            chunk = self._frame.decompress(piece)
            if chunk:
                yield chunk
            data = self._frame.unused_data + data


class _Deflater:
    def __init__(self, wbits: int) -> None:
        self._compressor = zlib.compressobj(1, zlib.DEFLATED, wbits)

    def encode(self, data: bytes) -> bytes:
        return self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._compressor.flush()


class _BrotliEncoder:
    def __init__(self) -> None:
        self._compressor = brotli.Compressor(quality=1)

    def encode(self, data: bytes) -> bytes:
        return bytes(self._compressor.process(data) + self._compressor.flush())

    def finish(self) -> bytes:
        return bytes(self._compressor.finish())


class _ZstdEncoder:
    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=1).compressobj()

    def encode(self, data: bytes) -> bytes:
        return self._compressor.compress(data) + self._compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._compressor.flush()


_CODINGS: dict[str, tuple[Callable[[], Decoder], Callable[[], Encoder]]] = {
    "gzip": (partial(_Inflater, 31), partial(_Deflater, 31)),
    "deflate": (_DeflateDecoder, partial(_Deflater, 15)),
    "br": (_BrotliDecoder, _BrotliEncoder),
    "zstd": (_ZstdDecoder, _ZstdEncoder),
}
