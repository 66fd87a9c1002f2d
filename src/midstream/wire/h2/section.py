"""A field section with its pseudo-header fields (RFC 9113 §8.3), checked and taken apart."""

from itertools import permutations
from typing import Final

from midstream.wire.errors import PeerError, Profile, shown
from midstream.wire.events import Fields
from midstream.wire.h2.fields import EXPECT, FAULTY, HOST, LENGTH, kind_of, kinds_of, mend
from midstream.wire.tolerance import Tolerance

LETTERS: Final = {b":method": b"m", b":authority": b"a", b":scheme": b"s", b":path": b"p", b":protocol": b"r"}
"""Pseudo-header fields of requests, by the letters that fingerprints use for them; in our own order."""
_ORDERS: Final = {
    names: b",".join([LETTERS[name] for name in names])
    for count in range(2, 6)
    for names in permutations(LETTERS, count)
}
_PSEUDO: Final = 0x3A
_LENGTH_DIGITS: Final = 18


class Section:
    """What stands in a section."""

    __slots__ = ("expects_continue", "fields", "host", "length", "order", "pseudo")

    def __init__(self, pseudo: dict[bytes, bytes], fields: Fields, order: bytes) -> None:
        self.pseudo = pseudo
        self.fields = fields
        """The fields that are none of those."""
        self.order = order
        self.host: bytes | None = None
        self.length = -1
        """Content-Length; -1 without one."""
        self.expects_continue = False


def read_section(came: Fields, allowed: frozenset[bytes], tolerance: Tolerance) -> Section:
    """Take a section apart whose pseudo-header fields must be among those allowed (H2-28).

    Raises:
        PeerError: the section is malformed.

    """
    pseudo: dict[bytes, bytes] = {}
    count = 0
    for name, value in came:
        if not name or name[0] != _PSEUDO:
            break
        if name not in allowed or name in pseudo:
            what = "a second" if name in pseudo else "an unknown"
            raise PeerError(f"{what} pseudo-header field {shown(name)}", "RFC 9113 §8.3")
        pseudo[name] = value
        count += 1
    fields = came[count:]
    kinds = kinds_of(fields)
    if kinds & FAULTY:
        fields = mend(fields, tolerance)
        kinds = kinds_of(fields)
    order = _ORDERS.get(tuple(pseudo), b"")
    section = Section(pseudo, fields, order)
    if kinds & LENGTH:
        _read_length(section, tolerance)
    if kinds & HOST:
        _read_host(section, tolerance)
    section.expects_continue = bool(kinds & EXPECT)
    return section


def _read_length(section: Section, tolerance: Tolerance) -> None:
    """Read Content-Length; equal ones are one, different ones are an attack (RFC 9110 §8.6)."""
    values = [value for name, value in section.fields if name == b"content-length"]
    if len(values) == 1 and values[0].isdigit() and len(values[0]) <= _LENGTH_DIGITS:
        section.length = int(values[0])
        return
    each = {part.strip() for value in values for part in value.split(b",")}
    length = each.pop() if each else b""
    if each or not length.isdigit() or len(length) > _LENGTH_DIGITS:
        raise PeerError(f"Content-Length {shown(b', '.join(values))} is no number of bytes", "RFC 9110 §8.6")
    section.length = int(length)
    tolerance.repair("Content-Length more than once", "RFC 9110 §8.6")
    if tolerance.profile is not Profile.RAW:
        at = next(at for at, field in enumerate(section.fields) if field[0] == b"content-length")
        section.fields = [field for field in section.fields if not kind_of(field) & LENGTH]
        section.fields.insert(at, (b"content-length", length))


def _read_host(section: Section, tolerance: Tolerance) -> None:
    """Read Host, of which there is one, that says what `:authority` says (H2-29, RFC 9113 §8.3.1)."""
    hosts = [value for name, value in section.fields if name == b"host"]
    section.host = hosts[0]
    if len(hosts) > 1:
        tolerance.pass_raw("more than one Host field", "RFC 9113 §8.3.1")
    authority = section.pseudo.get(b":authority", hosts[0])
    if authority.lower() != hosts[0].lower():
        tolerance.pass_raw(f"Host {shown(hosts[0])} differs from :authority {shown(authority)}", "RFC 9113 §8.3.1")
