r"""Domain names as text and as bytes (RFC 1035 §3.1, §4.1.4, §5.1).

As text a name has no dot at its end, and the root is empty. Bytes that cannot stand in text are written `\DDD`, and a dot or a
backslash within a label with a backslash before it, so that every name comes back as it was.
"""

import re

from midstream.errors import UsageError

MAX_LABEL = 63
MAX_NAME = 255
_PLAIN = re.compile(rb"[!-\[\]-~]*").fullmatch
_ESCAPED = re.compile(r"\\(\d{3}|.)|([^\\.]+)|(\.)|(\\)", re.DOTALL)


class DNSFormatError(ValueError):
    """Bytes that are no DNS message, or not a whole one."""


def read_name(data: bytes, at: int) -> tuple[str, int]:
    """Return the name that begins at `at`, and where what follows it begins.

    Pointers may only lead to where no part of the name has been read yet, ever further to the front, so that reading ends.

    Raises:
        DNSFormatError: There is no name there.

    """
    labels: list[str] = []
    size = 1
    end = -1
    first = at
    try:
        while length := data[at]:
            if length >= 0xC0:
                target = (length & 0x3F) << 8 | data[at + 1]
                if end < 0:
                    end = at + 2
                if target >= first:
                    raise DNSFormatError("a compressed name points forward, or in a circle")
                at = first = target
                continue
            if length > MAX_LABEL:
                raise DNSFormatError(f"a label of a type that nobody uses: {length:#x}")
            size += length + 1
            if size > MAX_NAME:
                raise DNSFormatError("a name is longer than 255 bytes")
            label = data[at + 1 : at + 1 + length]
            labels.append(label.decode("ascii") if _PLAIN(label) and b"." not in label else _escape(label))
            at += length + 1
    except IndexError:
        raise DNSFormatError("the message ends within a name") from None
    return ".".join(labels), at + 1 if end < 0 else end


def labels_of(name: str) -> list[bytes]:
    """Return the labels of a name.

    Raises:
        UsageError: It cannot be a name.

    """
    bare = name.removesuffix(".") if not name.endswith("\\.") else name
    if "\\" in bare:
        labels = _unescape(bare)
    elif bare.isascii():
        labels = bare.encode("ascii").split(b".") if bare else []
    else:
        labels = _international(bare)
    if any(not 0 < len(label) <= MAX_LABEL for label in labels) or sum(map(len, labels)) + len(labels) >= MAX_NAME:
        raise UsageError(f"{name!r} cannot be a domain name: labels have 1 to 63 bytes, all of it at most 255")
    return labels


def name_bytes(name: str) -> bytes:
    """Return a name as it stands in a message, uncompressed.

    Raises:
        UsageError: It cannot be a name.

    """
    return b"".join([bytes((len(label),)) + label for label in labels_of(name)]) + b"\0"


def _international(name: str) -> list[bytes]:
    try:
        return name.encode("idna").split(b".")
    except UnicodeError:
        raise UsageError(f"{name!r} cannot be a domain name") from None


def _escape(label: bytes) -> str:
    return "".join(
        f"\\{chr(byte)}" if byte in b".\\" else chr(byte) if 0x20 < byte < 0x7F else f"\\{byte:03}" for byte in label
    )


def _unescape(name: str) -> list[bytes]:
    labels = [bytearray()]
    for escaped, plain, dot, stray in _ESCAPED.findall(name):
        if dot:
            labels.append(bytearray())
        elif stray or (len(escaped) == 3 and int(escaped) > 255):
            raise UsageError(f"{name!r} cannot be a domain name: what does its backslash mean?")
        elif len(escaped) == 3:
            labels[-1].append(int(escaped))
        else:
            labels[-1] += (escaped or plain).encode("utf-8", "surrogateescape")
    return list(map(bytes, labels))
