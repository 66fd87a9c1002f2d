"""Heads as bytes. The sender of a message owns its framing and its Connection field; all else is written as given.

Where a head still has the block in which it came, and neither framing nor Connection must change, the block is the answer.
Otherwise the fields are written line by line, from a memo (see `line`), and only the lines that must differ do: the first
field of their kind is replaced where it stands, further ones go, missing ones are appended.
"""

import re
from typing import Final, NamedTuple, TypeAlias

from midstream.errors import UsageError
from midstream.wire.errors import shown
from midstream.wire.events import Fields, RequestHead, ResponseHead
from midstream.wire.h1.framing import BODILESS, CHUNKED, UNTIL_CLOSE
from midstream.wire.h1.head import is_tunnel
from midstream.wire.h1.line import (
    CLOSE,
    CODING,
    CONNECTION,
    DOUBTFUL_FRAMING,
    FRAMING,
    KEEP_ALIVE,
    LENGTH,
    check_raw_line,
    kinds_of,
    options_of,
    written_line,
    written_lines,
)
from midstream.wire.h1.section import read_section
from midstream.wire.memo import Memo

_MODERN: Final = b"HTTP/1.1"
_OLD: Final = b"HTTP/1.0"

_REQUEST_LINE: Final = re.compile(rb"[^\x00-\x20\x7f]+ [^\x00-\x20\x7f]+ HTTP/1\.[01]\r\n")
_SPECIAL_METHODS: Final = frozenset((b"HEAD", b"CONNECT"))
_SPECIAL_STATUSES: Final = frozenset((101, 204, 304))
_NOT_IN_TRAILERS: Final = frozenset(
    b"connection content-encoding content-length content-range content-type cookie expect host keep-alive max-forwards te "
    b"trailer transfer-encoding upgrade authorization proxy-authenticate proxy-authorization proxy-connection "
    b"set-cookie www-authenticate".split()
)
"""Framing, routing and authentication do not belong behind a body (RFC 9110 §6.5.1, H1-10)."""

_request_lines: Final[Memo[tuple[bytes, bytes, bytes], bytes]] = Memo(room=512, largest=512)
_status_lines: Final[Memo[tuple[bytes, int, bytes], bytes]] = Memo(room=512, largest=128)


Written: TypeAlias = tuple[bytes, int, bool]
"""A head as bytes, how its body is framed, and whether the connection can be used again after the message."""


class Given(NamedTuple):
    """What a head's fields say before the writer changes them."""

    kinds: int
    length: int
    lines: list[bytes] | None
    """The fields line by line; None if the head's block can be used."""


class Change(NamedTuple):
    """What to write for the fields of these kinds: one field, or nothing."""

    kinds: int
    name: bytes = b""
    value: bytes = b""


def write_request(head: RequestHead, *, close: bool) -> Written:
    """Write a request head; `close` asks for an end of the connection after the exchange."""
    version = _OLD if head.version == _OLD else _MODERN
    start = _request_lines.get((head.method, head.target, version)) or _start_of_request(head, version)
    if head.block and not close and version is _MODERN:
        section = read_section(head.block)
        if section is not None and section.is_forwardable and head.body_size == section.body_size:
            return start + head.block, CHUNKED if head.body_size is None else head.body_size, True
    given = _look_at(head)
    framing, change = _frame_request(head, given, version)
    keeps = not (close or given.kinds & CLOSE) and (version == _MODERN or bool(given.kinds & KEEP_ALIVE))
    connection = None
    if close and not given.kinds & CLOSE and (version == _MODERN or given.kinds & KEEP_ALIVE):
        connection = _say_connection(head.headers, b"close")
    return _write(start, head, given, change, connection), framing, keeps


def write_response(head: ResponseHead, method: bytes, *, is_modern: bool, keeps: bool) -> Written:
    """Write a final response head.

    The request had this `method`; `is_modern`: its version was HTTP/1.1; `keeps`: its connection may be used again.
    """
    start = _start_of_response(head)
    if head.block and keeps and is_modern and head.version == _MODERN and method not in _SPECIAL_METHODS:
        section = read_section(head.block)
        if section is not None and section.is_forwardable and head.status not in _SPECIAL_STATUSES:
            if section.kinds & CODING:
                return start + head.block, CHUNKED, True
            if section.kinds & LENGTH and section.length == head.body_size:
                return start + head.block, section.length, True
    given = _look_at(head)
    if is_tunnel(head.status, method):
        change = Change(FRAMING) if given.kinds & FRAMING else None
        return _write(start, head, given, change, None), BODILESS, False
    framing, change = _frame_response(head, given, method, is_modern=is_modern)
    keeps = keeps and framing != UNTIL_CLOSE and not given.kinds & CLOSE
    is_modern = is_modern and head.version != _OLD
    connection = None
    if keeps:
        if not is_modern and not given.kinds & KEEP_ALIVE:
            connection = _say_connection(head.headers, b"keep-alive")
    elif not given.kinds & CLOSE and (is_modern or given.kinds & KEEP_ALIVE):
        connection = _say_connection(head.headers, b"close")
    return _write(start, head, given, change, connection), framing, keeps


def write_interim(head: ResponseHead) -> bytes:
    """Write a 1xx head other than 101; it has neither framing nor a say about the connection (RFC 9110 §15.2)."""
    given = _look_at(head)
    change = Change(FRAMING) if given.kinds & FRAMING else None
    return _write(_start_of_response(head), head, given, change, None)


def write_trailers(fields: Fields) -> bytes:
    """Write the end of a chunked body, with those trailer fields that may stand there."""
    lines = [written_line(field)[0] for field in fields if field[0].lower() not in _NOT_IN_TRAILERS]
    return b"0\r\n" + b"".join(lines) + b"\r\n"


def _start_of_request(head: RequestHead, version: bytes) -> bytes:
    start = b"%b %b %b\r\n" % (head.method, head.target, version)
    if _REQUEST_LINE.fullmatch(start) is None:
        raise UsageError(
            f"Method {shown(head.method)} or target {shown(head.target)} is empty or holds what it must not."
        )
    return _request_lines.remember((head.method, head.target, version), start, len(start))


def _start_of_response(head: ResponseHead) -> bytes:
    key = (head.version, head.status, head.reason)
    start = _status_lines.get(key)
    if start is not None:
        return start
    if not 100 <= head.status <= 999:
        raise UsageError(f"Status {head.status} is not between 100 and 999.")
    if any(byte in head.reason for byte in (b"\r", b"\n", b"\0")):
        raise UsageError(f"The reason phrase {shown(head.reason)} holds CR, LF or NUL.")
    version = _OLD if head.version == _OLD else _MODERN
    return _status_lines.remember(key, b"%b %d %b\r\n" % (version, head.status, head.reason), len(head.reason))


def _look_at(head: RequestHead | ResponseHead) -> Given:
    if head.block:
        section = read_section(head.block)
        if section is not None:
            return Given(section.kinds, section.length, None)
    entries = written_lines(head.headers)
    kinds = 0
    length = -1
    for index, (_, kind) in enumerate(entries):
        if kind & FRAMING:
            if kinds & kind & FRAMING:
                kinds |= DOUBTFUL_FRAMING
            if kind & LENGTH and not kind & DOUBTFUL_FRAMING:
                length = int(head.headers[index][1])
        kinds |= kind
    lines = [line for line, _ in entries]
    if head.odd_lines:
        lines = _restore_odd_lines(head.headers, lines, head.odd_lines)
    return Given(kinds, length, lines)


def _restore_odd_lines(fields: Fields, lines: list[bytes], odd_lines: dict[tuple[bytes, bytes], bytes]) -> list[bytes]:
    return [
        check_raw_line(odd_lines[field]) if field in odd_lines else line
        for field, line in zip(fields, lines, strict=True)
    ]


def _frame_request(head: RequestHead, given: Given, version: bytes) -> tuple[int, Change | None]:
    size = head.body_size
    if head.method == b"CONNECT":
        return 0, Change(FRAMING) if given.kinds & FRAMING else None
    if version == _MODERN and (size is None or given.kinds & CODING):
        return CHUNKED, _say_chunked(head.headers, given)
    if size is None:
        raise UsageError("A request of unknown length cannot be sent with HTTP/1.0; give it a Content-Length.")
    if size == 0 and not given.kinds & FRAMING:
        return 0, None
    return size, _say_length(size, given)


def _frame_response(head: ResponseHead, given: Given, method: bytes, *, is_modern: bool) -> tuple[int, Change | None]:
    size, status, kinds = head.body_size, head.status, given.kinds
    if status == 204:
        return BODILESS, Change(FRAMING) if kinds & CODING or given.length > 0 or kinds & DOUBTFUL_FRAMING else None
    if status == 304 or method == b"HEAD":
        if kinds & DOUBTFUL_FRAMING or kinds & FRAMING == FRAMING:
            return BODILESS, Change(FRAMING)
        return BODILESS, _say_length(size, given) if size and not kinds & FRAMING else None
    is_modern = is_modern and head.version != _OLD
    if is_modern and (size is None or kinds & CODING):
        return CHUNKED, _say_chunked(head.headers, given)
    if size is None:
        return UNTIL_CLOSE, Change(FRAMING) if kinds & FRAMING else None
    return size, _say_length(size, given)


def _say_length(size: int, given: Given) -> Change | None:
    if given.length == size and given.kinds & (FRAMING | DOUBTFUL_FRAMING) == LENGTH:
        return None
    return Change(FRAMING, b"Content-Length", b"%d" % size)


def _say_chunked(fields: Fields, given: Given) -> Change | None:
    if given.kinds & (FRAMING | DOUBTFUL_FRAMING) == CODING:
        return None
    codings = [option for name, value in fields if name.lower() == b"transfer-encoding" for option in options_of(value)]
    inner = [coding for coding in codings if coding != b"chunked"]
    return Change(FRAMING, b"Transfer-Encoding", b", ".join([*inner, b"chunked"]))


def _say_connection(fields: Fields, option: bytes) -> Change:
    """Name `option` beside the options already named, instead of those about persistence (RFC 9112 §9.3)."""
    named = [
        part.strip(b" \t") for name, value in fields if name.lower() == b"connection" for part in value.split(b",")
    ]
    others = [part for part in named if part and part.lower() not in (b"close", b"keep-alive")]
    return Change(CONNECTION, b"Connection", b", ".join([*others, option]))


def _write(
    start: bytes, head: RequestHead | ResponseHead, given: Given, framing: Change | None, connection: Change | None
) -> bytes:
    lines = given.lines
    if lines is None:
        if framing is None and connection is None:
            return start + head.block
        lines = [line for line, _ in written_lines(head.headers)]
        if head.odd_lines:
            lines = _restore_odd_lines(head.headers, lines, head.odd_lines)
    fields = head.headers
    if framing is not None:
        fields, lines = _apply(framing, fields, lines)
    if connection is not None:
        fields, lines = _apply(connection, fields, lines)
    return b"%b%b\r\n" % (start, b"".join(lines))


def _apply(change: Change, fields: Fields, lines: list[bytes]) -> tuple[Fields, list[bytes]]:
    """Replace the first line of the kinds of `change` by its field, drop the others, append it if there was none."""
    is_placed = not change.name
    new_fields: Fields = []
    new_lines = []
    for field, line, kind in zip(fields, lines, kinds_of(fields), strict=True):
        if not kind & change.kinds:
            new_fields.append(field)
            new_lines.append(line)
        elif not is_placed:
            is_placed = True
            # The spelling of the name survives where the name does.
            name = field[0] if field[0].lower() == change.name.lower() else change.name
            new_fields.append((name, change.value))
            new_lines.append(b"%b: %b\r\n" % (name, change.value))
    if not is_placed:
        new_fields.append((change.name, change.value))
        new_lines.append(b"%b: %b\r\n" % (change.name, change.value))
    return new_fields, new_lines
