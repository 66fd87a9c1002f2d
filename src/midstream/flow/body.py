"""The bytes of a message body as kept for the record: bounded, in memory or in a file without a name.

A `Body` collects a copy while the bytes flow on; it never holds anything up. Past its limit it either moves into a
temporary file (`spill`) or lets go of everything and only counts.
"""

import tempfile
from enum import Enum
from typing import IO


class BodyState(Enum):
    """Where the bytes of a `Body` are."""

    MEMORY = "memory"
    FILE = "file"
    DROPPED = "dropped"


class Body:
    """A body that grows by `append`; `content` is None once it was dropped."""

    __slots__ = ("_chunks", "_file", "limit", "size", "spill", "state")

    size: int
    """Bytes appended so far, kept or not."""

    def __init__(self, limit: int, spill: bool = False) -> None:
        self.limit = limit
        self.spill = spill
        self.size = 0
        self.state = BodyState.MEMORY
        self._chunks: list[bytes] = []
        self._file: IO[bytes] | None = None

    def append(self, data: bytes) -> None:
        """Keep or count one more piece."""
        self.size += len(data)
        if self._file is not None:
            self._file.write(data)
        elif self.state is BodyState.MEMORY:
            self._chunks.append(data)
            if self.size > self.limit:
                self._leave_memory()

    @property
    def content(self) -> bytes | None:
        """All bytes; None if they were dropped."""
        if self.state is BodyState.DROPPED:
            return None
        if self._file is not None:
            self._file.seek(0)
            return self._file.read()
        if len(self._chunks) > 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0] if self._chunks else b""

    @property
    def is_dropped(self) -> bool:
        """True when the bytes were only counted."""
        return self.state is BodyState.DROPPED

    def close(self) -> None:
        """Let go of the bytes, and of the file if there is one."""
        self._chunks = []
        if self._file is not None:
            self._file.close()
            self._file = None
        if self.size:
            self.state = BodyState.DROPPED

    def _leave_memory(self) -> None:
        chunks, self._chunks = self._chunks, []
        if not self.spill:
            self.state = BodyState.DROPPED
            return
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the body
        self._file.writelines(chunks)
        self.state = BodyState.FILE

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()
