"""One field of a section, in both directions: what may be in it, and what is remembered of that (RFC 9113 §8.2)."""

import re
from typing import Final

from midstream.errors import UsageError
from midstream.wire.errors import PeerError, Profile, shown
from midstream.wire.events import Fields
from midstream.wire.h2.table import Field
from midstream.wire.memo import Memo
from midstream.wire.tolerance import Tolerance

# The kinds of fields that come, as bits; 0 for those that nobody here cares about.
LENGTH: Final = 1
HOST: Final = 2
EXPECT: Final = 4
"""`Expect: 100-continue`."""
HOP: Final = 8
"""Speaks about an HTTP/1 connection (RFC 9113 §8.2.2)."""
ODD: Final = 16
"""Not lower case, no token, or with blanks around its value."""
FAULTY: Final = HOP | ODD

_NAMED: Final = {
    b"content-length": LENGTH,
    b"host": HOST,
    b"connection": HOP,
    b"keep-alive": HOP,
    b"proxy-connection": HOP,
    b"transfer-encoding": HOP,
    b"upgrade": HOP,
}
_CLEAN_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_CLEAN_VALUE: Final = re.compile(rb"(?![ \t])[^\x00\r\n]*+(?<![ \t])")
_BAD_NAME: Final = re.compile(rb"[\x00-\x20\x7f:]")
_BAD_VALUE: Final = re.compile(rb"[\x00\r\n]")
_DROPPED: Final = frozenset(name for name, kind in _NAMED.items() if kind == HOP) | {b"http2-settings"}
_LARGEST: Final = 512

_kinds: Final[Memo[Field, int]] = Memo(room=4096, largest=_LARGEST)
_ready: Final[Memo[Field, Field | tuple[()]]] = Memo(room=4096, largest=_LARGEST)
_sections: Final[Memo[tuple[Field, ...], tuple[Field, ...]]] = Memo(room=512, largest=4096)


def kinds_of(fields: Fields) -> int:
    """Return the union of the kinds of `fields`, none of which is a pseudo-header field.

    Raises:
        PeerError: one of them may not stand in any message.

    """
    kinds = 0
    known = _kinds.get
    for field in fields:
        kind = known(field)
        kinds |= _classify(field) if kind is None else kind
    return kinds


def kind_of(field: Field) -> int:
    """Return the kind of a field that has been through `kinds_of`."""
    kind = _kinds.get(field)
    return _classify(field) if kind is None else kind


def mend(fields: Fields, tolerance: Tolerance) -> Fields:
    """Return the fields without those that do not belong into HTTP/2, and without blanks around values, if that is tolerated."""
    mended: Fields = []
    for field in fields:
        name, value = field
        kind = kind_of(field)
        if kind & HOP:
            tolerance.repair(f"field {shown(name)} speaks about a connection of HTTP/1", "RFC 9113 §8.2.2")
            if tolerance.profile is not Profile.RAW:
                continue
        if kind & ODD:
            if _CLEAN_NAME.fullmatch(name) is None:
                tolerance.pass_raw(f"field name {shown(name)} is not in lower case, or no token", "RFC 9113 §8.2.1")
            else:
                tolerance.repair(f"blanks around the value of field {shown(name)}", "RFC 9113 §8.2.1")
                if tolerance.profile is not Profile.RAW:
                    field = (name, value.strip(b" \t"))  # noqa: PLW2901 - the mended one takes its place
        mended.append(field)
    return mended


def ready(fields: Fields) -> tuple[Field, ...]:
    """Return the fields as HTTP/2 writes them: in lower case, without those that speak about an HTTP/1 connection.

    Raises:
        UsageError: a name or value would become something else on some wire.

    """
    section = tuple(fields)
    known = _sections.get(section)
    if known is not None:
        return known
    forms = [_ready.get(field) for field in section]
    forms = [_prepare(field) if form is None else form for field, form in zip(section, forms, strict=True)]
    result = tuple(form for form in forms if form)
    return _sections.remember(section, result, sum(len(name) + len(value) for name, value in section))


def _classify(field: Field) -> int:
    name, value = field
    kind = _NAMED.get(name, 0)
    if _CLEAN_NAME.fullmatch(name) is None or _CLEAN_VALUE.fullmatch(value) is None:
        if not name or _BAD_NAME.search(name):
            what = "a pseudo-header field in a wrong place:" if name[:1] == b":" else "a malformed field name"
            raise PeerError(f"{what} {shown(name)}", "RFC 9113 §8.2.1")
        if _BAD_VALUE.search(value):
            raise PeerError(f"a line end or a NUL in field {shown(name)}", "RFC 9113 §8.2.1")
        kind = _NAMED.get(name.lower(), 0) | ODD
    if (name == b"te" and value.lower() != b"trailers") or name == b"http2-settings":
        kind |= HOP
    elif name == b"expect" and value.lower() == b"100-continue":
        kind |= EXPECT
    return _kinds.remember(field, kind, len(name) + len(value))


def _prepare(field: Field) -> Field | tuple[()]:
    name, value = field
    if not name or _BAD_NAME.search(name) or _BAD_VALUE.search(value):
        raise UsageError(
            f"Field {shown(name)} with value {shown(value)} cannot be sent: it would be read as something else."
        )
    form: Field | tuple[()] = field
    lower = name.lower()
    if lower in _DROPPED:
        form = ()
    elif lower == b"te":
        # Nothing but `trailers` may be in it; of a list from HTTP/1 that is what stays (RFC 9113 §8.2.2).
        codings = [coding.partition(b";")[0].strip().lower() for coding in value.split(b",")]
        form = (lower, b"trailers") if b"trailers" in codings else ()
    elif lower != name or value.strip(b" \t") != value:
        form = (lower, value.strip(b" \t"))
    return _ready.remember(field, form, len(name) + len(value))
