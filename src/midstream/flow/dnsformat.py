"""DNS messages between bytes and plain rows (RFC 1035 §4.1).

Reading expands the compressed names that stand within data of the types that may have them (RFC 3597 §4), so that the data means the
same outside its message. All other data is opaque, and comes back as it was. Nothing is read twice, so a message of n bytes costs
n steps; a name costs at most 255.
"""

import struct
from collections.abc import Sequence
from typing import TypeAlias

from midstream.errors import UsageError
from midstream.flow.dnsname import DNSFormatError, labels_of, name_bytes, read_name

HEADER = struct.Struct("!HHHHHH")
QUESTION = struct.Struct("!HH")
RECORD = struct.Struct("!HHIH")
MAX_MESSAGE = 65535
MAX_POINTED = 0x3FFF
"""The last place that a pointer can name."""

QuestionRow: TypeAlias = tuple[str, int, int]
"""Name, type, class."""
RecordRow: TypeAlias = tuple[str, int, int, int, bytes]
"""Name, type, class, time to live, data."""
Sections: TypeAlias = tuple[list[QuestionRow], list[RecordRow], list[RecordRow], list[RecordRow]]

_NAMES: dict[int, tuple[int, int]] = {
    **dict.fromkeys((2, 3, 4, 5, 7, 8, 9, 12), (0, 1)),  # NS MD MF CNAME MB MG MR PTR
    **dict.fromkeys((6, 14, 17), (0, 2)),  # SOA MINFO RP
    **dict.fromkeys((15, 18, 21), (2, 1)),  # MX AFSDB RT
    26: (2, 2),  # PX
    33: (6, 1),  # SRV
}
"""Types whose data has names that may come compressed: how many bytes stand before them, and how many names."""
_COMPRESSIBLE = frozenset({2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15})
"""The types that every reader knows, so that names in their data may be written compressed."""


def read_message(data: bytes) -> tuple[int, int, Sections]:
    """Return id, flags and sections.

    Raises:
        DNSFormatError: This is no message.

    """
    if len(data) < HEADER.size:
        raise DNSFormatError("a DNS message has at least 12 bytes")
    message_id, flags, *counts = HEADER.unpack_from(data)
    at = HEADER.size
    questions: list[QuestionRow] = []
    try:
        for _ in range(counts[0]):
            name, at = read_name(data, at)
            questions.append((name, *QUESTION.unpack_from(data, at)))
            at += QUESTION.size
        answers, at = _read_records(data, at, counts[1])
        authorities, at = _read_records(data, at, counts[2])
        additionals, at = _read_records(data, at, counts[3])
    except struct.error:
        raise DNSFormatError("the message is cut") from None
    return message_id, flags, (questions, answers, authorities, additionals)


def _read_records(data: bytes, at: int, count: int) -> tuple[list[RecordRow], int]:
    records: list[RecordRow] = []
    for _ in range(count):
        name, at = read_name(data, at)
        kind, class_, ttl, size = RECORD.unpack_from(data, at)
        at += RECORD.size
        if at + size > len(data):
            raise DNSFormatError("the message ends within a record")
        content = data[at : at + size] if kind not in _NAMES else _expanded(data, at, size, kind)
        records.append((name, kind, class_, ttl, content))
        at += size
    return records, at


def _expanded(data: bytes, at: int, size: int, kind: int) -> bytes:
    """Return data with its names in full; as it is if it turns out to be something else (an empty one of an UPDATE, say)."""
    before, names = _NAMES[kind]
    end = at + size
    parts = [data[at : at + before]]
    place = at + before
    for _ in range(names):
        if place >= end:
            return data[at:end]
        name, place = read_name(data, place)
        parts.append(name_bytes(name))
    if place > end:
        raise DNSFormatError("a name reaches beyond the data of its record")
    return b"".join((*parts, data[place:end]))


def write_message(message_id: int, flags: int, sections: Sections) -> bytes:
    """Return a message with its names compressed.

    Raises:
        UsageError: A name or a number cannot be written, or the whole is too long.

    """
    writer = _Writer()
    try:
        writer.out += HEADER.pack(message_id, flags, *[len(section) for section in sections])
        for name, kind, class_ in sections[0]:
            writer.name(labels_of(name))
            writer.out += QUESTION.pack(kind, class_)
        for records in sections[1:]:
            for record in records:
                writer.record(record)
    except struct.error as error:
        raise UsageError(f"this DNS message cannot be written: {error}") from error
    if len(writer.out) > MAX_MESSAGE:
        raise UsageError(f"a DNS message has at most {MAX_MESSAGE} bytes; this one would have {len(writer.out)}")
    return bytes(writer.out)


class _Writer:
    """Writes names once, and points to them afterwards."""

    def __init__(self) -> None:
        self.out = bytearray()
        self._places: dict[tuple[bytes, ...], int] = {}

    def name(self, labels: Sequence[bytes]) -> None:
        for index, label in enumerate(labels):
            rest = tuple(labels[index:])
            place = self._places.get(rest)
            if place is not None:
                self.out += (0xC000 | place).to_bytes(2, "big")
                return
            if len(self.out) <= MAX_POINTED:
                self._places[rest] = len(self.out)
            self.out.append(len(label))
            self.out += label
        self.out.append(0)

    def record(self, record: RecordRow) -> None:
        name, kind, class_, ttl, data = record
        self.name(labels_of(name))
        start = len(self.out)
        self.out += RECORD.pack(kind, class_, ttl, 0)
        if kind in _COMPRESSIBLE:
            self._data_with_names(kind, data)
        else:
            self.out += data
        size = len(self.out) - start - RECORD.size
        struct.pack_into("!H", self.out, start + RECORD.size - 2, size)

    def _data_with_names(self, kind: int, data: bytes) -> None:
        before, count = _NAMES[kind]
        names = []
        place = before
        try:
            for _ in range(count):
                name, place = read_name(data, place)
                names.append(name)
        except DNSFormatError:  # an addon's own idea of such data
            self.out += data
            return
        self.out += data[:before]
        for name in names:
            self.name(labels_of(name))
        self.out += data[place:]
