"""HPACK (RFC 7541): field sections as compressed blocks.

Most fields of most blocks are one byte, an index into a table that both sides keep; then encoding is a dictionary look-up per
field and decoding a list look-up per byte. What is spelled out is remembered, in memos that all connections share: texts by
their Huffman code, fields by their literal. A block that changes nothing in the table is remembered as a whole,
by its decoder and by its encoder, until the table does change.
"""

from itertools import chain
from typing import Final

from midstream.wire.events import Fields
from midstream.wire.h2 import huffman
from midstream.wire.h2.errors import COMPRESSION_ERROR, FatalError
from midstream.wire.h2.limits import DEFAULT_LIMITS, Limits
from midstream.wire.h2.table import (
    DEFAULT_TABLE,
    FIELD_OVERHEAD,
    FIRST_DYNAMIC,
    NAME_INDEX,
    STATIC,
    DynamicTable,
    Field,
)
from midstream.wire.memo import Memo

_NONE: Final[frozenset[Field]] = frozenset()
_CHANGING: Final = frozenset(
    b":path age content-length content-range etag if-modified-since if-none-match if-range last-modified location "
    b"set-cookie".split()
)
"""Fields whose values rarely come again: to put them into the table would push others out."""
_LARGEST_INTEGER: Final = 1 << 28
_BLOCKS: Final = 16
"""Blocks that a decoder remembers, and the size up to which it does."""
_BLOCK_BYTES: Final = 1024

_texts: Final[Memo[bytes, bytes]] = Memo(room=4096, largest=256)
_literals: Final[Memo[Field, bytes]] = Memo(room=4096, largest=512)


def integer(value: int, bits: int, first: int) -> bytes:
    """Encode an integer whose first byte has `bits` bits left beside `first` (RFC 7541 §5.1)."""
    most = (1 << bits) - 1
    if value < most:
        return bytes((first | value,))
    result = bytearray((first | most,))
    value -= most
    while value >= 0x80:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)


_INDEXED: Final = tuple(integer(index, 7, 0x80) for index in range(512))


class Block:
    """A decoded block."""

    __slots__ = ("fields", "is_whole", "never_indexed", "section")

    def __init__(self, fields: Fields, never_indexed: frozenset[Field], *, is_whole: bool) -> None:
        self.fields = fields
        self.never_indexed = never_indexed
        self.is_whole = is_whole
        """False if there were more fields, or bytes in them, than we take."""
        self.section: object = None
        """What its reader made of the fields, if that depends on nothing else."""


class Decoder:
    """Turns blocks into fields."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS, table_bytes: int = DEFAULT_TABLE) -> None:
        self._limits = limits
        self._table = DynamicTable(DEFAULT_TABLE)
        self._most_table_bytes = table_bytes
        """What we told the peer; it starts from the default, and says when it changes that."""
        self._blocks: dict[bytes, Block] = {}

    def decode(self, data: bytes) -> Block:
        """Decode a whole block.

        Raises:
            FatalError: it cannot be decoded, and so no later one can.

        """
        known = self._blocks.get(data)
        if known is not None:
            return known
        try:
            block, is_lasting = self._decode(data)
        except IndexError:
            raise _fault("a block is cut short, or refers to a field that is not in the table") from None
        if is_lasting and len(data) <= _BLOCK_BYTES:
            if len(self._blocks) >= _BLOCKS:
                self._blocks.clear()
            self._blocks[data] = block
        return block

    def _decode(self, data: bytes) -> tuple[Block, bool]:
        """Decode a block, and tell whether the table stayed as it was."""
        fields: Fields = []
        secret: list[Field] = []
        entries = self._table.entries
        is_lasting = True
        at, end = 0, len(data)
        while at < end:
            first = data[at]
            at += 1
            if first >= 0x80:
                index = first & 0x7F
                if index == 0x7F:
                    index, at = _read_integer(data, at, index)
                if index >= FIRST_DYNAMIC:
                    fields.append(entries[FIRST_DYNAMIC - 1 - index])
                elif index:
                    fields.append(STATIC[index - 1])
                else:
                    raise _fault("index 0 in a block")
            elif first & 0xE0 == 0x20:
                is_lasting = False
                at = self._resize(data, at, first, is_first=not fields)
            else:
                bits = 0x3F if first & 0x40 else 0x0F
                index = first & bits
                if index == bits:
                    index, at = _read_integer(data, at, index)
                if not index:
                    name, at = _read_text(data, at)
                else:
                    name = STATIC[index - 1][0] if index < FIRST_DYNAMIC else entries[FIRST_DYNAMIC - 1 - index][0]
                value, at = _read_text(data, at)
                field = (name, value)
                fields.append(field)
                if first & 0x40:
                    is_lasting = False
                    self._blocks.clear()
                    self._table.add(field)
                elif first & 0x10:
                    secret.append(field)
        return self._finish(fields, secret), is_lasting

    def _finish(self, fields: Fields, secret: list[Field]) -> Block:
        """Check the size, which indexed fields can blow up without costing memory, only now."""
        limits = self._limits
        count = len(fields)
        is_whole = count <= limits.head_fields
        is_whole = is_whole and sum(map(len, chain.from_iterable(fields))) + FIELD_OVERHEAD * count <= limits.head_bytes
        return Block(fields if is_whole else [], frozenset(secret) if secret else _NONE, is_whole=is_whole)

    def _resize(self, data: bytes, at: int, first: int, *, is_first: bool) -> int:
        """Obey a change of the table's size, which comes before any field (RFC 7541 §4.2)."""
        size = first & 0x1F
        if size == 0x1F:
            size, at = _read_integer(data, at, size)
        if not is_first or size > self._most_table_bytes:
            raise _fault(f"a change of the table's size to {size} bytes that was not allowed")
        self._blocks.clear()
        self._table.resize(size)
        return at


class Encoder:
    """Turns fields into blocks."""

    def __init__(self) -> None:
        self._table = DynamicTable(DEFAULT_TABLE)
        self._added = 0
        self._known: dict[Field, bytes | int] = {field: _INDEXED[index + 1] for index, field in enumerate(STATIC)}
        """For each field of a table its code, or how many were added to the dynamic table before it."""
        self._sizes: list[int] = []
        """Changes of the table's size to announce with the next block."""
        self._blocks: dict[tuple[Field, ...], bytes] = {}
        """Blocks that changed nothing in the table, by their fields, until it does change."""

    def resize(self, capacity: int) -> None:
        """Change the size of the table."""
        if capacity == self._table.capacity:
            return
        self._forget(self._table.resize(capacity))
        self._blocks.clear()
        # The smallest size in between has to be told, too (RFC 7541 §4.2).
        self._sizes = [min(self._sizes)] if self._sizes and min(self._sizes) < capacity else []
        self._sizes.append(capacity)

    def encode(self, fields: Fields, never_indexed: frozenset[Field] = _NONE) -> bytes:
        """Encode fields, those of `never_indexed` as literals that nobody behind us puts into a table either."""
        if self._sizes or never_indexed:
            return self._encode(fields, never_indexed)
        key = tuple(fields)
        block = self._blocks.get(key)
        if block is None:
            added = self._added
            block = self._encode(fields, never_indexed)
            if added == self._added and len(block) <= _BLOCK_BYTES:
                if len(self._blocks) >= _BLOCKS:
                    self._blocks.clear()
                self._blocks[key] = block
        return block

    def _encode(self, fields: Fields, never_indexed: frozenset[Field]) -> bytes:
        out: list[bytes] = []
        if self._sizes:
            out += [integer(size, 5, 0x20) for size in self._sizes]
            self._sizes.clear()
        known = self._known
        top = FIRST_DYNAMIC - 1 + self._added
        for field in fields:
            code = known.get(field)
            if code is None or field in never_indexed:
                out.append(self._literal(field, is_secret=field in never_indexed))
                top = FIRST_DYNAMIC - 1 + self._added
            elif type(code) is bytes:
                out.append(code)
            else:
                index = top - code  # type: ignore[operator] # an int, as `type` said
                out.append(_INDEXED[index] if index < 512 else integer(index, 7, 0x80))
        return b"".join(out)

    def _literal(self, field: Field, *, is_secret: bool) -> bytes:
        name, value = field
        if is_secret:
            return _spell(field, 4, 0x10)
        if name in _CHANGING or (len(name) + len(value)) * 4 > self._table.capacity * 3 - 4 * FIELD_OVERHEAD:
            index = NAME_INDEX.get(name)
            if index is not None and len(value) < 0x7F:
                return b"%b%c%b" % (integer(index, 4, 0), len(value), value)
            return _spell(field, 4, 0)
        code = _literals.get(field)
        if code is None:
            code = _literals.remember(field, _spell(field, 6, 0x40), len(name) + len(value))
        self._known[field] = self._added
        self._added += 1
        self._blocks.clear()
        self._forget(self._table.add(field))
        return code

    def _forget(self, evicted: list[Field] | None) -> None:
        for field in evicted or ():
            del self._known[field]


def _fault(message: str) -> FatalError:
    return FatalError(message, "RFC 7541 §6", COMPRESSION_ERROR)


def _spell(field: Field, bits: int, first: int) -> bytes:
    name, value = field
    index = NAME_INDEX.get(name, 0)
    return integer(index, bits, first) + (b"" if index else _text(name)) + _text(value)


def _text(text: bytes) -> bytes:
    code = huffman.encode(text)
    if len(code) < len(text):
        return integer(len(code), 7, 0x80) + code
    return integer(len(text), 7, 0) + text


def _read_integer(data: bytes, at: int, value: int) -> tuple[int, int]:
    """Read the further bytes of an integer whose first had no room for it; return it and where it ends."""
    shift = 0
    while True:
        byte = data[at]
        at += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 28:
            raise _fault("an integer of more than five bytes")
    if value > _LARGEST_INTEGER:
        raise _fault("an integer out of all proportion")
    return value, at


def _read_text(data: bytes, at: int) -> tuple[bytes, int]:
    """Read a text; return it and where it ends."""
    first = data[at]
    at += 1
    size = first & 0x7F
    if size == 0x7F:
        size, at = _read_integer(data, at, size)
    end = at + size
    raw = data[at:end]
    if len(raw) != size:
        raise _fault("a text longer than its block")
    if first < 0x80:
        return raw, end
    text = _texts.get(raw)
    if text is None:
        text = huffman.decode(raw)
        if text is None:
            raise _fault("a text that is not in Huffman code")
        _texts.remember(raw, text, size)
    return text, end
