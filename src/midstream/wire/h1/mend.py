"""Header sections that are not clean: what is repaired, what is refused (RFC 9112 §2.2, §5).

Receivers disagree about each of these faults, and attackers live on the disagreement. So a request is refused unless the
profile is RAW; a response, whose sender nobody suspects of smuggling to itself, is repaired; control bytes are refused always.
Nothing odd is ever passed on: what comes out of here is written anew, line by line.
"""

import re
from typing import Final

from midstream.wire.errors import PeerError, shown
from midstream.wire.h1.line import FORBIDDEN, TOKEN, Entry, classify, read_line
from midstream.wire.h1.section import Section, digest
from midstream.wire.tolerance import Tolerance

_TOKEN: Final = re.compile(TOKEN)
_UNUSABLE_NAME: Final = re.compile(rb"[\x00-\x20\x7f]")


def split_lines(text: bytes, tolerance: Tolerance) -> list[bytes]:
    """Split at CRLF, and at LF alone where the profile allows that."""
    lines = text.split(b"\n")
    lines.pop()
    if not all(line.endswith(b"\r") for line in lines):
        tolerance.repair("a line ends with LF alone", "RFC 9112 §2.2")
    return [line.removesuffix(b"\r") for line in lines]


def mend_section(lines: list[bytes], tolerance: Tolerance, *, is_request: bool) -> Section:
    """Read the lines of a header section, repairing what the profile lets be repaired."""
    report = tolerance.pass_raw if is_request else tolerance.repair
    whole: list[bytes] = []
    for line in lines:
        if line[:1] not in (b" ", b"\t"):
            whole.append(line)
        elif not whole:
            raise PeerError("the first header line starts with a blank", "RFC 9112 §2.2")
        else:
            report("a header value is folded over two lines", "RFC 9112 §5.2")
            whole[-1] = b"%b %b" % (whole[-1].rstrip(b" \t"), line.strip(b" \t"))
    entries = [read_line(line) or _mend_line(line, tolerance, is_request=is_request) for line in whole]
    return digest(entries, whole)


def _mend_line(line: bytes, tolerance: Tolerance, *, is_request: bool) -> Entry:
    report = tolerance.pass_raw if is_request else tolerance.repair
    if FORBIDDEN.search(line):
        raise PeerError(f"a control byte in header line {shown(line)}", "RFC 9110 §5.5")
    name, colon, value = line.partition(b":")
    if not colon:
        raise PeerError(f"no colon in header line {shown(line)}", "RFC 9112 §5")
    if name.endswith((b" ", b"\t")):
        report(f"a blank before the colon of header line {shown(line)}", "RFC 9112 §5.1")
        name = name.rstrip(b" \t")
    if not name or _UNUSABLE_NAME.search(name):
        raise PeerError(f"no usable name in header line {shown(line)}", "RFC 9110 §5.1")
    if not _TOKEN.fullmatch(name):
        report(f"header name {shown(name)} is not a token", "RFC 9110 §5.1")
    value = value.strip(b" \t")
    return (name, value), classify(name, value)
