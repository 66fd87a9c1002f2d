"""Where a message ends (RFC 9112 §6), above all where its header section leaves that in doubt.

A framing is one number: how many bytes of body follow, or one of the three constants below. Doubts are settled in the
fields themselves: after `settle_framing` the section holds what everybody reads alike, and that is also what gets written.
"""

from typing import Final

import msgspec

from midstream.wire.errors import PeerError, shown
from midstream.wire.events import Fields
from midstream.wire.h1.line import CODING, DOUBTFUL_FRAMING, FRAMING, LENGTH, LENGTH_DIGITS, kinds_of, options_of
from midstream.wire.h1.section import Section
from midstream.wire.tolerance import Tolerance

CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2
BODILESS: Final = -3
"""No body whatever the fields say: answers to HEAD, 204, 304 (RFC 9112 §6.3)."""

_CODINGS: Final = frozenset((b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"))


def settle_framing(section: Section, tolerance: Tolerance, *, is_request: bool) -> Section:
    """Resolve contradictory or malformed framing fields into one Content-Length or one Transfer-Encoding, or refuse."""
    if section.kinds & CODING:
        return _settle_coding(section, tolerance, is_request=is_request)
    return _settle_length(section, tolerance)


def drop_fields(section: Section, kinds: int) -> Section:
    """Leave out the fields of these kinds."""
    return _replace(section, kinds, None)


def _settle_coding(section: Section, tolerance: Tolerance, *, is_request: bool) -> Section:
    if not is_request and _codings(section) == {b"identity"}:
        # What RFC 2616 called a coding meant: none. Browsers still take it so.
        tolerance.repair("Transfer-Encoding 'identity'", "RFC 9112 §6.1")
        section = _replace(section, CODING, None)
        return _settle_length(section, tolerance) if section.kinds & DOUBTFUL_FRAMING else section
    if section.kinds & LENGTH:
        tolerance.repair("both Transfer-Encoding and Content-Length", "RFC 9112 §6.1")
        section = _replace(section, LENGTH, None)
    values = _values(section.fields, CODING)
    if values == [b"chunked"]:
        return section
    text = b", ".join(values)
    codings = options_of(text)
    field = f"Transfer-Encoding {shown(text)}"
    if codings and set(codings) == {b"chunked"}:
        report = tolerance.pass_raw if is_request else tolerance.repair
        report(f"{field} instead of a single 'chunked'", "RFC 9112 §6.1")
        return _replace(section, CODING, (b"chunked",))
    if not is_request:
        tolerance.repair(f"{field} is not 'chunked'; reading until close", "RFC 9112 §6.3")
        # A coding that somebody may undo goes on, in front of a 'chunked' of ours; nonsense does not.
        return section if codings and _CODINGS.issuperset(codings) else _replace(section, CODING, None)
    if codings[-1:] == [b"chunked"] and _CODINGS.issuperset(codings[:-1]):
        tolerance.pass_raw(f"{field} is not implemented", "RFC 9112 §6.1", status=501)
        return _replace(section, CODING, (text,))
    raise PeerError(f"{field} does not end in a single 'chunked'", "RFC 9112 §6.3")


def _settle_length(section: Section, tolerance: Tolerance) -> Section:
    values = _values(section.fields, LENGTH)
    numbers = [number.strip(b" \t") for value in values for number in value.split(b",")]
    if not all(number.isdigit() for number in numbers):
        raise PeerError(f"Content-Length {shown(values[0])} is not a number", "RFC 9112 §6.3")
    if any(len(number) > LENGTH_DIGITS for number in numbers):
        raise PeerError(f"Content-Length {shown(values[0])} is too large", "RFC 9110 §8.6")
    if len(set(numbers)) > 1:
        raise PeerError("different Content-Length values: " + b", ".join(numbers)[:64].decode(), "RFC 9112 §6.3")
    tolerance.repair("the same Content-Length more than once", "RFC 9112 §6.3")
    return _replace(section, LENGTH, (numbers[0],))


def _codings(section: Section) -> set[bytes]:
    return {coding for value in _values(section.fields, CODING) for coding in options_of(value)}


def _values(fields: Fields, kinds: int) -> list[bytes]:
    return [value for (_, value), kind in zip(fields, kinds_of(fields), strict=True) if kind & kinds]


def _replace(section: Section, kinds: int, value: tuple[bytes] | None) -> Section:
    """Put one value where the first field of these kinds stood, and drop the others."""
    fields: Fields = []
    for field, kind in zip(section.fields, kinds_of(section.fields), strict=True):
        if not kind & kinds:
            fields.append(field)
        elif value is not None:
            fields.append((field[0], value[0]))
            value = None
    union = 0
    length = -1
    for field, kind in zip(fields, kinds_of(fields), strict=True):
        if union & kind & FRAMING:
            union |= DOUBTFUL_FRAMING
        union |= kind
        if kind & LENGTH and not kind & DOUBTFUL_FRAMING:
            length = int(field[1])
    framing = FRAMING | DOUBTFUL_FRAMING
    return msgspec.structs.replace(
        section,
        fields=fields,
        kinds=section.kinds & ~framing | union & framing,
        length=length,
        body_size=None if union & CODING else max(length, 0),
    )
