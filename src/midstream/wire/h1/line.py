"""One header line, in both directions, and what kind of field it holds.

Reading and writing share one idea: the same few hundred lines come again and again, so a line is validated, split and
classified once, and a dictionary knows the answer from then on. Whatever is in a memo here has been validated; whatever is
not clean never gets in.
"""

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from midstream.errors import UsageError
from midstream.wire.errors import shown
from midstream.wire.memo import Memo

# The kinds, as bits. A header section has the union of the kinds of its lines.
HOST: Final = 1 << 0
LENGTH: Final = 1 << 1
CODING: Final = 1 << 2
CONNECTION: Final = 1 << 3
CLOSE: Final = 1 << 4
"""Connection names `close`."""
KEEP_ALIVE: Final = 1 << 5
NAMES_UPGRADE: Final = 1 << 6
NAMES_OTHER: Final = 1 << 7
"""Connection names something besides close, keep-alive and upgrade."""
UPGRADE: Final = 1 << 8
EXPECT: Final = 1 << 9
"""`Expect: 100-continue`."""
HOP: Final = 1 << 10
"""Another field that ends at this hop."""
ODD: Final = 1 << 11
"""Not spelled `Name: value`."""
DOUBTFUL_FRAMING: Final = 1 << 12
"""Content-Length or Transfer-Encoding that needs judgement."""
DOUBTFUL_HOST: Final = 1 << 13

FRAMING: Final = LENGTH | CODING

Field: TypeAlias = tuple[bytes, bytes]
Entry: TypeAlias = tuple[Field, int]
"""A field and its kinds."""

LENGTH_DIGITS: Final = 18
"""More than an exabyte is no length but an attack on somebody's integers."""

TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
FORBIDDEN: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""Bytes that no field value and no start line may hold (RFC 9110 §5.5)."""

_LINE: Final = re.compile(b"(" + TOKEN + rb"):[ \t]*+([^\x00-\x08\x0a-\x1f\x7f]*)")
_HOST: Final = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]\-]*")
_UNWRITABLE_NAME: Final = re.compile(rb"[\x00-\x20\x7f:]")
_UNWRITABLE: Final = re.compile(rb"[\r\n\x00]")

_read: Final[Memo[bytes, Entry]] = Memo(room=4096, largest=512)
_written: Final[Memo[Field, tuple[bytes, int]]] = Memo(room=4096, largest=512)


def read_line(line: bytes) -> Entry | None:
    """Split and classify a raw line without its line end; None if it is not a clean field line."""
    entry = _read.get(line)
    if entry is not None:
        return entry
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    name, value = match.groups()
    value = value.rstrip(b" \t")
    field = (name, value)
    # What was read clean can be written, and most likely will be.
    kinds = written_line(field)[1]
    if len(line) != len(name) + 2 + len(value) or line[len(name) + 1] != 0x20:
        kinds |= ODD
    return _read.remember(line, (field, kinds), len(line))


def written_line(field: Field) -> tuple[bytes, int]:
    """Render a field with its line end, and classify it.

    Raises:
        UsageError: the field cannot be written without becoming something else.

    """
    known = _written.get(field)
    if known is not None:
        return known
    name, value = field
    if type(name) is not bytes or type(value) is not bytes:
        raise UsageError(
            f"Header field {name!r}: name and value must be bytes, not {type(name).__name__} and {type(value).__name__}."
        )
    if not name or _UNWRITABLE_NAME.search(name):
        raise UsageError(f"Header name {shown(name)} is empty or holds a blank, a colon or a control byte.")
    if _UNWRITABLE.search(value):
        raise UsageError(f"The value of header {shown(name)} holds CR, LF or NUL: {shown(value)}.")
    rendered = b"%b: %b\r\n" % field, classify(name, value)
    return _written.remember(field, rendered, len(value))


def written_lines(fields: list[Field]) -> list[tuple[bytes, int]]:
    """Do `written_line` for each of the fields."""
    known = _written.get
    return [known(field) or written_line(field) for field in fields]


def kinds_of(fields: list[Field]) -> list[int]:
    """Classify each of the fields, writable or not."""
    known = _written.get
    return [entry[1] if (entry := known(field)) is not None else classify(*field) for field in fields]


def check_raw_line(line: bytes) -> bytes:
    """Return a line that is to be written as it is, with its line end.

    Raises:
        UsageError: it is more than one line.

    """
    if _UNWRITABLE.search(line):
        raise UsageError(f"The raw header line {shown(line)} holds CR, LF or NUL.")
    return line + b"\r\n"


def options_of(value: bytes) -> list[bytes]:
    """List the members of a comma-separated value such as Connection's, in lower case."""
    return [option for part in value.lower().split(b",") if (option := part.strip(b" \t"))]


def classify(name: bytes, value: bytes) -> int:
    """Tell the kinds of a field."""
    judge = _KINDS.get(name.lower(), 0)
    return judge if isinstance(judge, int) else judge(value)


def _classify_length(value: bytes) -> int:
    # Only bytes.isdigit() is ASCII-only; int() takes signs, underscores and blanks (H1-05).
    return LENGTH if value.isdigit() and len(value) <= LENGTH_DIGITS else LENGTH | DOUBTFUL_FRAMING


def _classify_coding(value: bytes) -> int:
    return CODING if value == b"chunked" else CODING | DOUBTFUL_FRAMING


def _classify_host(value: bytes) -> int:
    return HOST if _HOST.fullmatch(value) else HOST | DOUBTFUL_HOST


def _classify_connection(value: bytes) -> int:
    kinds = CONNECTION
    for option in options_of(value):
        kinds |= _OPTIONS.get(option, NAMES_OTHER)
    return kinds


def _classify_expect(value: bytes) -> int:
    return EXPECT if value.lower() == b"100-continue" else 0


_OPTIONS: Final[dict[bytes, int]] = {b"close": CLOSE, b"keep-alive": KEEP_ALIVE, b"upgrade": NAMES_UPGRADE}

_KINDS: Final[dict[bytes, int | Callable[[bytes], int]]] = {
    b"content-length": _classify_length,
    b"transfer-encoding": _classify_coding,
    b"host": _classify_host,
    b"connection": _classify_connection,
    b"expect": _classify_expect,
    b"upgrade": UPGRADE,
    b"te": HOP,
    b"keep-alive": HOP,
    b"proxy-connection": HOP,
    b"proxy-authorization": HOP,
}
