"""Which character set a body is in, and text out of bytes and back (H1-52).

In order: a byte order mark, the charset of the Content-Type, what the document says of itself (HTML `meta`, XML
declaration, CSS `@charset`), UTF-8 if the bytes are that, latin-1.
"""

import codecs
import encodings
import re
from encodings.aliases import aliases

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_META = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?([\w.:\-]+)""", re.IGNORECASE)
_XML = re.compile(rb"""^\s*<\?xml[^>]+encoding\s*=\s*["']([\w.:\-]+)["']""", re.IGNORECASE)
_CSS = re.compile(rb"""^@charset\s+["']([\w.:\-]+)["']\s*;""", re.IGNORECASE)
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([^"';\s]+)""", re.IGNORECASE)
_HEAD = 1024
_NAMES = frozenset((*aliases, *aliases.values(), "koi8_u", "cp874", "cp720", "mac_croatian", "mac_romanian"))
"""The names to look up. Python remembers failed look-ups for ever, so peers must not choose what is looked up."""
_UNFIT = frozenset(("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"))
"""Codecs that are no character sets of documents."""


def guess(content_type: str, body: bytes) -> str:
    """Name the character set of `body` as Python knows it."""
    for mark, name in _MARKS:
        if body.startswith(mark):
            return name
    declared = _CHARSET.search(content_type)
    name = declared[1] if declared else _declared_inside(content_type.lower(), body[:_HEAD])
    known = _known(name)
    if known:
        return known
    return "utf-8" if _is_utf8(body) else "latin-1"


def decode(body: bytes, content_type: str, *, strict: bool = False) -> str:
    """Read `body` as text; undecodable bytes survive as surrogates, or raise ValueError if `strict`."""
    name = guess(content_type, body)
    try:
        return body.decode(name, "strict" if strict else "surrogateescape")
    except UnicodeDecodeError:
        if strict:
            raise
        return body.decode(name, "replace")


def encode(text: str, content_type: str) -> tuple[bytes, str | None]:
    """Write `text` in the charset of the Content-Type; if that cannot hold it, in UTF-8.

    The second result is the new Content-Type where it has to change to say so, else None.
    """
    declared = _CHARSET.search(content_type)
    name = (_known(declared[1]) if declared else "") or "utf-8"
    if name == "utf-8" and not declared:
        name = _known(_declared_inside(content_type.lower(), text[:_HEAD].encode("utf-8", "surrogateescape"))) or name
    try:
        return text.encode(name), None
    except UnicodeEncodeError:
        pass
    if name == "utf-8":
        return text.encode("utf-8", "surrogateescape"), None
    return text.encode("utf-8", "surrogateescape"), _with_utf8(content_type)


def _with_utf8(content_type: str) -> str:
    bare = _CHARSET.sub("", content_type)
    return f"{bare or 'text/plain'}; charset=utf-8"


def _declared_inside(content_type: str, head: bytes) -> str:
    found = None
    if "html" in content_type:
        found = _META.search(head)
    elif "css" in content_type:
        found = _CSS.match(head)
    if found is None and ("xml" in content_type or "html" in content_type):
        found = _XML.match(head)
    return found[1].decode("ascii") if found else ""


def _known(name: str) -> str:
    if name.lower() in ("gb2312", "gbk", "x-gbk"):
        return "gb18030"  # a superset, and what senders of these names use
    if encodings.normalize_encoding(name).lower() not in _NAMES:
        return ""
    found = codecs.lookup(name)
    return found.name if found.name not in _UNFIT and found._is_text_encoding else ""  # noqa: SLF001 - there is no other way to ask


def _is_utf8(body: bytes) -> bool:
    """Tell whether the bytes are UTF-8, apart from a character cut off at the very end."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(body)
    except UnicodeDecodeError:
        return False
    return True
