"""Many HTTP/2 streams that stay open: their heads have come, their bodies have not, and will not for years.

Run as a program of its own, pinned like the load. Prints `ready N` when N streams are open at once, each with a head of
status 200 and no end, and keeps them until its standard input closes. It reads no more of HPACK than that status.
"""

from __future__ import annotations

import asyncio
import ssl
import sys

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _GOAWAY = 0x0, 0x1, 0x3, 0x4, 0x7
_END_STREAM, _END_HEADERS, _ACK = 0x1, 0x4, 0x1
_STATUS_200 = 0x88
"""Index 8 of the static table, RFC 7541 appendix A."""
_LIMIT = 60


async def hold(port: int, path: str, connections: int, streams: int) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # wrk and h2load do not verify either
    context.set_alpn_protocols(["h2"])
    async with asyncio.timeout(_LIMIT):
        writers = await asyncio.gather(*(_open(port, context, path, streams) for _ in range(connections)))
    print(f"ready {connections * streams}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for writer in writers:
        writer.close()


async def _open(port: int, context: ssl.SSLContext, path: str, streams: int) -> asyncio.StreamWriter:
    """Connect, ask on every stream, and return when each has its head; the bytes that trickle in are left alone."""
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
    request = _request(path, f"localhost:{port}")
    asked = (_frame(_HEADERS, _END_HEADERS | _END_STREAM, number * 2 + 1, request) for number in range(streams))
    writer.write(_PREFACE + _frame(_SETTINGS, 0, 0) + b"".join(asked))
    waiting = {number * 2 + 1 for number in range(streams)}
    while waiting:
        head = await reader.readexactly(9)
        payload = await reader.readexactly(int.from_bytes(head[:3]))
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:])
        if kind == _SETTINGS and not flags & _ACK:
            writer.write(_frame(_SETTINGS, _ACK, 0))
        elif kind == _HEADERS:
            if flags & _END_STREAM or _first_field(payload) != _STATUS_200:
                raise ConnectionError(f"stream {stream} was answered {payload[:20]!r}, flags {flags:#x}")
            waiting.discard(stream)
        elif kind in (_RST_STREAM, _GOAWAY) or (kind == _DATA and flags & _END_STREAM):
            raise ConnectionError(f"stream {stream} ended early: frame type {kind}, {payload[:60]!r}")
    return writer


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def _request(path: str, authority: str) -> bytes:
    """Encode the four pseudo-header fields without the dynamic table (RFC 7541, section 6.2.2)."""
    return b"\x82\x87" + _literal(0x04, path) + _literal(0x01, authority)


def _literal(name_index: int, value: str) -> bytes:
    return bytes([name_index, len(value)]) + value.encode()


def _first_field(block: bytes) -> int | None:
    """Return the first byte of a field block after changes of the table's size (RFC 7541, section 6.3)."""
    at = 0
    while at < len(block) and block[at] & 0xE0 == 0x20:
        at += 1 if block[at] & 0x1F != 0x1F else _length_of_integer(block, at)
    return block[at] if at < len(block) else None


def _length_of_integer(block: bytes, at: int) -> int:
    end = at + 1
    while block[end] & 0x80:
        end += 1
    return end + 1 - at


if __name__ == "__main__":
    asyncio.run(hold(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
