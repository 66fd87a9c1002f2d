"""Transports without sockets: what is written is kept, what arrives is fed by the test."""

import asyncio
from collections.abc import Callable
from typing import Any

HIGH_WATER = 65_536


class MemoryTransport(asyncio.Transport):
    """Behaves as asyncio's socket transports do, except that nothing happens by itself.

    Like theirs, it never calls its protocol from inside `write`, `close` or `abort`; `settle` does, later.
    """

    def __init__(self, protocol: asyncio.Protocol, peername: tuple[str, int], sockname: tuple[str, int]) -> None:
        super().__init__({"peername": peername, "sockname": sockname})
        self.written = bytearray()
        """What was written and not yet taken by `take`."""
        self.is_reading = True  # type: ignore[assignment,method-assign] # a plain fact is easier to assert on
        self.has_written_eof = False
        self.is_lost = False
        self.reads_slowly = False
        """Set to let written bytes pile up, so that the writer feels a slow reader; `take` makes room."""
        self.was_aborted = False
        """It was broken off: on a socket, what the other end gets may be a reset."""
        self._protocol = protocol
        self._is_closing = False
        self._is_full = False
        self._later: list[Callable[[], None]] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.has_written_eof, "written after write_eof"
        if self._is_closing:
            return
        self.written += data
        if self.reads_slowly and len(self.written) > HIGH_WATER and not self._is_full:
            self._is_full = True
            self._protocol.pause_writing()

    def write_eof(self) -> None:
        self.has_written_eof = True

    def can_write_eof(self) -> bool:
        return True

    def pause_reading(self) -> None:
        self.is_reading = False  # type: ignore[assignment,method-assign]

    def resume_reading(self) -> None:
        self.is_reading = True  # type: ignore[assignment,method-assign]

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._lose()

    def abort(self) -> None:
        self.was_aborted = True
        self._lose()

    def break_off(self, error: OSError) -> None:
        """Lose the connection by an error."""
        self._lose(error)

    def take(self) -> bytes:
        """Return what was written since the last call, as the other end reads it."""
        data = bytes(self.written)
        self.written.clear()
        if self._is_full:
            self._is_full = False
            self._protocol.resume_writing()
        return data

    def settle(self) -> bool:
        """Do what a loop would do in its next turn; False if there was nothing."""
        later, self._later = self._later, []
        for call in later:
            call()
        return bool(later)

    def _lose(self, error: OSError | None = None) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._later.append(lambda: self._connection_lost(error))

    def _connection_lost(self, error: OSError | None) -> None:
        self.is_lost = True
        self._protocol.connection_lost(error)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return super().get_extra_info(name, default)


class MemoryDatagrams(asyncio.DatagramTransport):
    """A UDP socket without a socket: datagrams and where they go are kept."""

    def __init__(self, protocol: asyncio.DatagramProtocol, sockname: tuple[str, int], peername: Any = None) -> None:
        super().__init__({"sockname": sockname, "peername": peername})
        self.sent: list[tuple[bytes, Any]] = []
        """What was sent, with the address given."""
        self._is_closing = False
        protocol.connection_made(self)

    def sendto(self, data: Any, addr: Any = None) -> None:
        self.sent.append((bytes(data), addr))

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True

    def abort(self) -> None:
        self._is_closing = True
