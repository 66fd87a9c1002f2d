"""Content codings: what `Content-Encoding` names, undone and done again.

Decoders work piece by piece and stop at a bound, so a decompression bomb costs no more than the bound (H1-50). All of
them say how far they came, so a truncated body can still be looked at.
"""

import zlib
from collections.abc import Callable, Iterator

import brotli  # type: ignore[import-untyped]  # it brings no types
import msgspec
import zstandard

MAX_SIZE = 256 * 1024 * 1024
"""Nothing is decoded beyond this many bytes."""
MAX_RATIO = 200
"""Nothing is decoded to more than this many times its size once it is past `RATIO_FREE` bytes."""
RATIO_FREE = 16 * 1024 * 1024
MAX_CODINGS = 5
"""More codings than these, one upon the other, are not undone."""

_STEP = 1024 * 1024


class Decoded(msgspec.Struct, frozen=True):
    """What came out of a decoder."""

    data: bytes
    problem: str = ""
    """Why `data` is not the whole body, for a person; empty if it is."""


class _Stop(Exception):  # noqa: N818 - ends a decoder early, is no error of its caller
    """The input is broken from here on."""


def names(header: str | None) -> list[str]:
    """Split a `Content-Encoding` value into codings in the order in which they were applied, without `identity`."""
    codings = [name.strip().lower() for name in (header or "").split(",")]
    return [_ALIASES.get(name, name) for name in codings if name not in ("", "identity", "none")]


def decode(data: bytes, header: str | None) -> bytes:
    """Undo all codings of a `Content-Encoding` value. Raises ValueError if that does not succeed as a whole."""
    result = decode_partly(data, header)
    if result.problem:
        raise ValueError(result.problem)
    return result.data


def decode_partly(data: bytes, header: str | None, *, max_size: int = MAX_SIZE, max_ratio: int = MAX_RATIO) -> Decoded:
    """Undo the codings as far as it goes and say what stopped it. Never raises."""
    problem = ""
    codings = names(header)
    if len(codings) > MAX_CODINGS:
        return Decoded(data, f"the body claims {len(codings)} codings; more than {MAX_CODINGS} are not undone")
    limit = min(max_size, max(len(data) * max_ratio, RATIO_FREE))
    for name in reversed(codings):
        if not data:
            break
        decoder = _DECODERS.get(name)
        if decoder is None:
            return Decoded(data, problem or f"cannot decode {name!r}: {_unknown(name)}")
        step = _run(decoder, data, name, limit)
        data, problem = step.data, problem or step.problem
    return Decoded(data, problem)


def encode(data: bytes, header: str | None) -> bytes:
    """Apply all codings of a `Content-Encoding` value, at their fastest level. Raises ValueError for an unknown one."""
    for name in names(header):
        encoder = _ENCODERS.get(name)
        if encoder is None:
            raise ValueError(f"cannot encode {name!r}: {_unknown(name)}")
        data = encoder(data)
    return data


def _unknown(name: str) -> str:
    if name in ("dcb", "dcz"):
        return "it needs the dictionary that both sides agreed on (RFC 9842)"
    return "known are " + ", ".join(sorted({*_ENCODERS, *_ALIASES}))


def _run(decoder: Callable[[bytes], Iterator[bytes]], data: bytes, name: str, limit: int) -> Decoded:
    chunks: list[bytes] = []
    size = 0
    try:
        for chunk in decoder(data):
            size += len(chunk)
            chunks.append(chunk)
            if size > limit:
                whole = b"".join(chunks)[:limit]
                return Decoded(whole, f"the {name} body grows beyond {limit} bytes; the rest is left out")
    except (_Stop, zlib.error, brotli.error, zstandard.ZstdError) as error:
        return Decoded(b"".join(chunks), f"the body is not valid {name}: {error}")
    return Decoded(chunks[0] if len(chunks) == 1 else b"".join(chunks))


def _gunzip(data: bytes) -> Iterator[bytes]:
    """One or several gzip members; what follows the last one is ignored, as browsers do."""
    yield from _inflate(data, 31)


def _inflate_either(data: bytes) -> Iterator[bytes]:
    """`deflate` means zlib (RFC 9110 §8.4.1.2), but bare deflate is sent under that name as well."""
    is_zlib = len(data) >= 2 and data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
    yield from _inflate(data, 15 if is_zlib else -15)


def _inflate_raw(data: bytes) -> Iterator[bytes]:
    yield from _inflate(data, -15)


def _inflate(data: bytes, wbits: int) -> Iterator[bytes]:
    first = True
    while first or (wbits == 31 and data.startswith(b"\x1f\x8b")):
        first = False
        member = zlib.decompressobj(wbits)
        pending = data
        while not member.eof:
            chunk = member.decompress(pending, _STEP)
            pending = member.unconsumed_tail
            if chunk:
                yield chunk
            elif not pending and not member.eof:
                raise _Stop("it ends too early")
        data = member.unused_data


def _unbrotli(data: bytes) -> Iterator[bytes]:
    decoder = brotli.Decompressor()
    chunk = decoder.process(data, output_buffer_limit=_STEP)
    while chunk:
        yield chunk
        chunk = decoder.process(b"", output_buffer_limit=_STEP) if not decoder.is_finished() else b""
    if not decoder.is_finished():
        raise _Stop("it ends too early")


def _unzstd(data: bytes) -> Iterator[bytes]:
    """Frame after frame; fed in small pieces because the library does not bound what one call gives."""
    view = memoryview(data)
    while view:
        frame = zstandard.ZstdDecompressor().decompressobj()
        while not frame.eof:
            if not view:
                raise _Stop("it ends too early")
            piece = view[:1024]
            view = view[1024:]
            chunk = frame.decompress(piece)
            if chunk:
                yield chunk
        if frame.unused_data:
            view = memoryview(data)[len(data) - len(view) - len(frame.unused_data) :]


def _deflate(data: bytes, wbits: int) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, wbits)
    return compressor.compress(data) + compressor.flush()


_ALIASES = {"x-gzip": "gzip"}

_DECODERS: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "gzip": _gunzip,
    "deflate": _inflate_either,
    "deflateraw": _inflate_raw,
    "br": _unbrotli,
    "zstd": _unzstd,
}

_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: _deflate(data, 31),
    "deflate": lambda data: _deflate(data, 15),
    "deflateraw": lambda data: _deflate(data, -15),
    "br": lambda data: brotli.compress(data, quality=1),
    "zstd": lambda data: zstandard.ZstdCompressor(level=1).compress(data),
}
