"""The grammar of Sec-WebSocket-Extensions: names with parameters, whose values may be quoted (RFC 6455 §9.1)."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from midstream.wire.errors import PeerError, shown

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_NAME: Final = re.compile(rb"[ \t]*(" + _TOKEN + rb")[ \t]*")
_PARAMETER: Final = re.compile(
    rb";[ \t]*("
    + _TOKEN
    + rb")[ \t]*(?:=[ \t]*(?:("
    + _TOKEN
    + rb')|"((?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*)")[ \t]*)?'
)
_ESCAPE: Final = re.compile(rb"\\(.)")
_BETWEEN: Final = re.compile(rb"[ \t]*(?:,[ \t]*)+")


class Extension(msgspec.Struct, frozen=True):
    """An extension as it is offered or agreed to; names are in lower case where they came otherwise."""

    name: bytes
    parameters: tuple[tuple[bytes, bytes | None], ...]
    text: bytes
    """As it was written."""


def read_extensions(value: bytes) -> list[Extension]:
    """Read the value of a field.

    Raises:
        PeerError: it is not in the grammar.

    """
    found: list[Extension] = []
    start = _BETWEEN.match(value)
    at = start.end() if start is not None else 0
    while at < len(value):
        extension, at = _read_one(value, at)
        found.append(extension)
        between = _BETWEEN.match(value, at)
        if between is None and at < len(value):
            raise _malformed(value)
        at = between.end() if between is not None else at
    return found


def written_extension(name: bytes, parameters: Sequence[tuple[bytes, bytes | None]]) -> bytes:
    """Write an extension whose values are tokens."""
    return b"; ".join([name, *(each if value is None else b"%b=%b" % (each, value) for each, value in parameters)])


def _read_one(value: bytes, at: int) -> tuple[Extension, int]:
    name = _NAME.match(value, at)
    if name is None:
        raise _malformed(value)
    start, at = at, name.end()
    parameters = []
    while (match := _PARAMETER.match(value, at)) is not None:
        key, plain, quoted = match.groups()
        if quoted is not None:
            # Unquoted it has to be a token (RFC 6455 §9.1).
            plain = _ESCAPE.sub(rb"\1", quoted)
            if re.fullmatch(_TOKEN, plain) is None:
                raise _malformed(value)
        parameters.append((key.lower(), plain))
        at = match.end()
    return Extension(name[1].lower(), tuple(parameters), value[start:at].strip(b" \t")), at


def _malformed(value: bytes) -> PeerError:
    return PeerError(f"extensions {shown(value)}", "RFC 6455 §9.1")
