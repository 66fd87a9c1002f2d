"""multipart/form-data, read so that it can be written back byte for byte (H1-53).

A form keeps the boundary, preamble, epilogue and the header block of each part as they came; an edit of one value
leaves everything else alone.
"""

import re
import secrets
from collections.abc import Iterable

import msgspec

_BOUNDARY = re.compile(r""";\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))""", re.IGNORECASE)
_PARAMETER = re.compile(rb""";\s*(name|filename)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))""", re.IGNORECASE)


class Part(msgspec.Struct):
    """One part: its header block as it came, without the blank line, and its content."""

    head: bytes
    content: bytes

    @property
    def name(self) -> bytes:
        """The form field's name; empty if the part has none."""
        return self._parameter(b"name") or b""

    @property
    def filename(self) -> bytes | None:
        return self._parameter(b"filename")

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The part's own header fields."""
        lines = [line.partition(b":") for line in self.head.split(b"\r\n") if line]
        return [(name, value.strip()) for name, _, value in lines]

    def _parameter(self, wanted: bytes) -> bytes | None:
        for name, value in self.headers:
            if name.lower() == b"content-disposition":
                for key, quoted, plain in _PARAMETER.findall(value):
                    if key.lower() == wanted:
                        return _unquoted(quoted) if quoted else plain
        return None


class Form(msgspec.Struct):
    """A whole multipart body."""

    boundary: bytes
    parts: list[Part]
    preamble: bytes = b""
    epilogue: bytes = b"\r\n"

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Name and content of each part."""
        return [(part.name, part.content) for part in self.parts]

    def with_pairs(self, pairs: Iterable[tuple[bytes, bytes]]) -> "Form":
        """Give the form with these names and contents; a part that stays keeps its header block."""
        heads: dict[bytes, list[bytes]] = {}
        for part in reversed(self.parts):
            heads.setdefault(part.name, []).append(part.head)
        parts = []
        for name, content in pairs:
            unused = heads.get(name)
            parts.append(Part(unused.pop(), content) if unused else new_part(name, content))
        return Form(self.boundary, parts, self.preamble, self.epilogue)

    def dump(self) -> bytes:
        """Write the body."""
        pieces = [self.preamble]
        for part in self.parts:
            head = part.head + b"\r\n" if part.head else b""
            pieces += (b"--", self.boundary, b"\r\n", head, b"\r\n", part.content, b"\r\n")
        pieces += (b"--", self.boundary, b"--", self.epilogue)
        return b"".join(pieces)


def boundary_of(content_type: str) -> bytes | None:
    """Find the boundary in a Content-Type value; None if there is none or it is not multipart."""
    if not content_type.lower().lstrip().startswith("multipart/"):
        return None
    found = _BOUNDARY.search(content_type)
    if found is None:
        return None
    boundary = re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]
    return boundary.encode("utf-8", "surrogateescape") or None


def parse(content_type: str, body: bytes) -> Form | None:
    """Read a multipart body; None if it is not one that ends with its closing boundary line."""
    boundary = boundary_of(content_type)
    if boundary is None:
        return None
    sections = (b"\r\n" + body).split(b"\r\n--" + boundary)
    parts: list[Part] = []
    for index, section in enumerate(sections[1:], 1):
        if section.startswith(b"--"):
            rest = (b"\r\n--" + boundary).join(sections[index:])[2:]
            preamble = (sections[0] + b"\r\n")[2:]
            return Form(boundary, parts, preamble, rest)
        part = _part(section)
        if part is None:
            return None
        parts.append(part)
    return None


def new_form(pairs: Iterable[tuple[bytes, bytes]]) -> Form:
    """Make a form with a fresh boundary."""
    boundary = b"----midstream" + secrets.token_hex(12).encode()
    return Form(boundary, [new_part(name, content) for name, content in pairs])


def new_part(name: bytes, content: bytes) -> Part:
    """Make a part with the one header field that a form needs."""
    escaped = name.replace(b'"', b"%22").replace(b"\r", b"%0D").replace(b"\n", b"%0A")
    return Part(b'Content-Disposition: form-data; name="%s"' % escaped, content)


def _part(section: bytes) -> Part | None:
    padding, line_end, rest = section.partition(b"\r\n")
    if padding.strip(b" \t") or not line_end:
        return None
    if rest.startswith(b"\r\n"):
        return Part(b"", rest[2:])
    head, blank, content = rest.partition(b"\r\n\r\n")
    return Part(head, content) if blank else None


def _unquoted(value: bytes) -> bytes:
    return re.sub(rb'\\(["\\])', rb"\1", value).replace(b"%22", b'"').replace(b"%0D", b"\r").replace(b"%0A", b"\n")
