"""The tables of HPACK: the static one, and what both directions count alike (RFC 7541 §2.3, §4, appendix A)."""

from typing import Final, TypeAlias

Field: TypeAlias = tuple[bytes, bytes]

_STATIC_TEXT: Final = """
:authority|:method=GET|:method=POST|:path=/|:path=/index.html|:scheme=http|:scheme=https|:status=200|:status=204|
:status=206|:status=304|:status=400|:status=404|:status=500|accept-charset|accept-encoding=gzip, deflate|accept-language|
accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control|content-disposition|
content-encoding|content-language|content-length|content-location|content-range|content-type|cookie|date|etag|expect|
expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|link|location|
max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|server|set-cookie|
strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate
"""


def _static() -> tuple[Field, ...]:
    entries = (entry.partition("=") for entry in _STATIC_TEXT.replace("\n", "").split("|"))
    return tuple((name.encode(), value.encode()) for name, _, value in entries)


STATIC: Final = _static()
"""Entry n of the RFC is STATIC[n - 1]."""
FIRST_DYNAMIC: Final = len(STATIC) + 1
NAME_INDEX: Final = {STATIC[index][0]: index + 1 for index in range(len(STATIC) - 1, -1, -1)}
"""The lowest index of each name of the static table."""
DEFAULT_TABLE: Final = 4096
FIELD_OVERHEAD: Final = 32
"""What a field counts besides its name and value (RFC 7541 §4.1)."""


class DynamicTable:
    """Fields that were sent, newest last, bounded in bytes."""

    __slots__ = ("capacity", "entries", "size")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.size = 0
        self.entries: list[Field] = []

    def add(self, field: Field) -> list[Field] | None:
        """Add a field and return those that had to go, oldest first; itself among them if it is larger than the table."""
        self.entries.append(field)
        self.size += len(field[0]) + len(field[1]) + FIELD_OVERHEAD
        return self._shrink() if self.size > self.capacity else None

    def resize(self, capacity: int) -> list[Field] | None:
        """Change the bound and return the fields that had to go."""
        self.capacity = capacity
        return self._shrink() if self.size > capacity else None

    def _shrink(self) -> list[Field]:
        entries = self.entries
        gone = 0
        while self.size > self.capacity:
            name, value = entries[gone]
            self.size -= len(name) + len(value) + FIELD_OVERHEAD
            gone += 1
        evicted = entries[:gone]
        del entries[:gone]
        return evicted
