"""Which fields end at a proxy and which go on (RFC 9110 §7.6.1)."""

from midstream.wire.events import Fields
from midstream.wire.h1.line import CONNECTION, HOP, NAMES_OTHER, NAMES_UPGRADE, UPGRADE, kinds_of, options_of

_MANAGED = frozenset((b"close", b"keep-alive", b"upgrade", b"te"))
_NEVER_NAMED = frozenset((b"content-length", b"transfer-encoding", b"host"))
"""Naming these in Connection would let a client change how its own message is framed or routed."""


def end_to_end(fields: Fields, *, keep_upgrade: bool) -> Fields:
    """Return a list of the fields that are passed on.

    Connection, the fields that it names and the other hop-by-hop fields go; `TE: trailers` stays, with its Connection
    option, and so does Upgrade if `keep_upgrade`. Content-Length and Transfer-Encoding belong to the writer and stay.
    """
    each = kinds_of(fields)
    kinds = 0
    for kind in each:
        kinds |= kind
    if not kinds & (CONNECTION | HOP | UPGRADE):
        return fields.copy()
    if not kinds & (HOP | UPGRADE | NAMES_OTHER):
        return [field for field, kind in zip(fields, each, strict=True) if not kind & CONNECTION]
    return _strip(fields, each, kinds, keep_upgrade=keep_upgrade and bool(kinds & UPGRADE and kinds & NAMES_UPGRADE))


def _strip(fields: Fields, each: list[int], kinds: int, *, keep_upgrade: bool) -> Fields:
    named: set[bytes] = set()
    if kinds & NAMES_OTHER:
        named = _named_options(fields) - _MANAGED - _NEVER_NAMED
    kept = [*([b"upgrade"] if keep_upgrade else []), *([b"TE"] if _wants_trailers(fields, kinds) else [])]
    connection = b", ".join(kept)
    result: Fields = []
    for (name, value), kind in zip(fields, each, strict=True):
        if kind & CONNECTION:
            if connection:
                # The spelling survives where nothing else is named.
                is_same = [option.lower() for option in kept] == options_of(value)
                result.append((name, value if is_same else connection))
                connection = b""
        elif kind & UPGRADE:
            if keep_upgrade:
                result.append((name, value))
        elif kind & HOP:
            if name.lower() == b"te" and b"TE" in kept:
                result.append((name, b"trailers"))
                kept.remove(b"TE")
        elif name.lower() not in named:
            result.append((name, value))
    return result


def _named_options(fields: Fields) -> set[bytes]:
    return {option for name, value in fields if name.lower() == b"connection" for option in options_of(value)}


def _wants_trailers(fields: Fields, kinds: int) -> bool:
    if not kinds & NAMES_OTHER or b"te" not in _named_options(fields):
        return False
    return any(name.lower() == b"te" and b"trailers" in options_of(value) for name, value in fields)
