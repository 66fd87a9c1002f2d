"""A header section: its fields, and all that the engines have to know about them.

A section is a pure function of its bytes, so sections are remembered whole: clients and servers repeat themselves. A clean
section never seen before still finds most of its lines in the memo of `line`. What is not clean goes through `mend`.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from midstream.wire.events import Fields
from midstream.wire.h1.line import (
    CLOSE,
    CODING,
    DOUBTFUL_FRAMING,
    DOUBTFUL_HOST,
    FRAMING,
    HOP,
    HOST,
    LENGTH,
    NAMES_OTHER,
    NAMES_UPGRADE,
    ODD,
    UPGRADE,
    Entry,
    read_line,
)
from midstream.wire.memo import Memo

_NOT_FORWARDED: Final = CLOSE | NAMES_UPGRADE | NAMES_OTHER | UPGRADE | HOP | DOUBTFUL_FRAMING | DOUBTFUL_HOST
_NAMED: Final = FRAMING | HOST | UPGRADE


class Section(msgspec.Struct):
    """A header section that has been read; shared between messages, so nobody changes it."""

    fields: Fields
    kinds: int
    """The kinds of all lines (see `line`)."""
    length: int
    """The value of Content-Length; -1 without one, of no meaning where `kinds` has DOUBTFUL_FRAMING."""
    body_size: int | None
    """Bytes of body that a request with this section has; None for a chunked one."""
    host: bytes | None
    upgrade: bytes
    odd_lines: dict[tuple[bytes, bytes], bytes] | None
    """As in `RequestHead`."""

    is_forwardable: bool
    """`hop.end_to_end` would leave it alone, but for a harmless `Connection: keep-alive`."""
    block: bytes = b""
    """Its bytes with the final blank line, if they were clean; one object for all messages, so that its hash is known."""


_sections: Final[Memo[bytes, Section]] = Memo(room=512, largest=4096)


def read_section(block: bytes, most: int = 4096) -> Section | None:
    """Read a header section that ends with its blank line; None if any line of it is not clean, or if they are too many."""
    section = _sections.get(block)
    if section is not None:
        return section
    lines = block.split(b"\r\n")
    del lines[-2:]
    if len(lines) > most:
        return None
    entries = []
    for line in lines:
        entry = read_line(line)
        if entry is None:
            return None
        entries.append(entry)
    section = digest(entries, lines)
    section.block = block
    return _sections.remember(block, section, len(block))


def digest(entries: Iterable[Entry], lines: list[bytes]) -> Section:
    """Sum up the entries of a section; `lines` are their raw forms."""
    fields: Fields = []
    kinds = 0
    length = -1
    host = None
    upgrade = b""
    for field, kind in entries:
        fields.append(field)
        if not kind:
            continue
        if kinds & kind & FRAMING:
            kinds |= DOUBTFUL_FRAMING
        if kind & _NAMED:
            value = field[1]
            if kind & LENGTH and not kind & DOUBTFUL_FRAMING:
                length = int(value)
            elif kind & HOST:
                if host is not None:
                    kinds |= DOUBTFUL_HOST
                else:
                    host = value
            elif kind & UPGRADE:
                upgrade = b"%b, %b" % (upgrade, value) if upgrade else value
        kinds |= kind
    if kinds & FRAMING == LENGTH | CODING:
        kinds |= DOUBTFUL_FRAMING
    odd_lines = None
    if kinds & ODD:
        odd_lines = {entry[0]: line for entry, line in zip(entries, lines, strict=True) if entry[1] & ODD}
    body_size = None if kinds & CODING else max(length, 0)
    if not kinds & NAMES_UPGRADE:
        upgrade = b""
    return Section(fields, kinds, length, body_size, host, upgrade, odd_lines, not kinds & _NOT_FORWARDED)
