"""Makes text of peers harmless for a terminal: what would move its cursor, ring, recolour or reorder is shown, not done."""

import re

_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]")
"""Control characters (C0, C1), marks that change the direction of text, and bytes that are no UTF-8."""
_TEXT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]"
)
"""The same, but for the ends of lines and tabs."""


def line(text: str) -> str:
    """Return `text` as one line."""
    return _LINE.sub(_shown, text)


def lines(text: str) -> str:
    """Return `text` with its line ends and tabs."""
    return _TEXT.sub(_shown, text.replace("\r\n", "\n"))


def is_binary(data: bytes) -> bool:
    """Tell whether bytes are better shown as such: not UTF-8, or full of control characters."""
    beginning = data[:4096]
    try:
        text = beginning.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(beginning) - 3 or len(data) <= 4096:
            return True
        text = beginning[: error.start].decode("utf-8")
    return is_unreadable(text)


def is_unreadable(text: str) -> bool:
    """Tell whether more than a tenth of a text is what `lines` has to escape."""
    beginning = text[:4096].replace("\r", "")
    return len(_TEXT.findall(beginning)) * 10 > len(beginning)


def hex_dump(data: bytes) -> str:
    """Return bytes as offset, hexadecimal digits and printable characters, 16 to a line."""
    rows = []
    for offset in range(0, len(data), 16):
        row = data[offset : offset + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        rows.append(f"{offset:08x}  {row[:8].hex(' '):<23}  {row[8:].hex(' '):<23}  {shown}")
    return "\n".join(rows)


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00  # a byte that could not be decoded
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
