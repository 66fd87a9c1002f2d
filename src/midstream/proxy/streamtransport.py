"""A stream of HTTP/2 as a transport, so that what is inside a tunnel cannot tell it from a connection (RFC 9113 §8.5).

Written bytes become DATA, the end of writing END_STREAM, an abort RST_STREAM; what comes goes to the protocol on top, and
the window opens again as it is taken. A `Peer` on it can do all that a peer on a socket can: TLS, HTTP of any version, relays.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from midstream.proxy.http2 import Http2Stream
from midstream.proxy.peer import ON_STREAM, Peer
from midstream.proxy.session import Session
from midstream.wire.errors import PeerError
from midstream.wire.events import END, Data, End, Event, Reset
from midstream.wire.h2.errors import CANCEL

_OPEN: Final = 0
_ENDED: Final = 1
"""We write no more."""
_CLOSING: Final = 2
"""We want no more either: what still comes is dropped."""
_LOST: Final = 3


class StreamTransport(asyncio.Transport):
    """The bytes of one stream."""

    def __init__(self, session: Session, stream: Http2Stream[Any], peer: Peer, carrier: Peer) -> None:
        addresses = {name: carrier.transport.get_extra_info(name) for name in ("peername", "sockname")}
        super().__init__({**addresses, ON_STREAM: True})
        self._session = session
        self._stream = stream
        self._peer = peer
        self._state = _OPEN
        self._has_peer_ended = False
        self._is_paused = False
        self._is_full = False
        self._waiting: deque[Event] = deque()
        self._error: Exception | None = None
        self._is_told = False

    # What the stream calls.

    def take(self, events: Sequence[Event]) -> None:
        """Take what came on the stream; a reset overtakes what waits for a reader."""
        last = events[-1]
        if isinstance(last, Reset | PeerError):
            self._error = ConnectionResetError(last.message)
            self._lose()
        else:
            self._waiting.extend(events)
            self._deliver()

    def writable(self) -> None:
        """Let the protocol write again."""
        if self._is_full and self._state < _LOST:
            self._is_full = False
            self._peer.resume_writing()

    # What the protocol calls.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._state != _OPEN:
            return
        self._stream.send(Data(bytes(data)))
        if self._stream.is_full and not self._is_full:
            self._is_full = True
            self._peer.pause_writing()

    def write_eof(self) -> None:
        if self._state == _OPEN:
            self._state = _ENDED
            self._stream.send(END)

    def can_write_eof(self) -> bool:
        return True

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False
        if self._waiting:
            self._session.turns.add(self)

    def is_closing(self) -> bool:
        return self._state >= _CLOSING

    def close(self) -> None:
        if self._state >= _CLOSING:
            return
        self.write_eof()
        self._state = _CLOSING
        if self._has_peer_ended:
            self._lose()
        else:
            self._deliver()

    def abort(self) -> None:
        if self._state != _LOST:
            self._lose(self._stream.broken if self._state == _OPEN else CANCEL)

    def flush(self) -> None:
        """Do what must not be done inside the call that asked for it; called at the end of the loop's turn."""
        if self._state == _LOST:
            if not self._is_told:
                self._is_told = True
                self._peer.connection_lost(self._error)
        else:
            self._deliver()

    def _deliver(self) -> None:
        waiting = self._waiting
        while waiting and self._state != _LOST and (not self._is_paused or self._state == _CLOSING):
            event = waiting.popleft()
            if type(event) is Data:
                self._stream.consumed(len(event.data))
                if self._state != _CLOSING and event.data:
                    self._peer.data_received(event.data)
            elif type(event) is End:
                self._has_peer_ended = True
                if self._state == _CLOSING:
                    self._lose()
                else:
                    self._peer.eof_received()

    def _lose(self, code: int | None = None) -> None:
        self._state = _LOST
        self._waiting.clear()
        self._stream.over(code)
        self._session.turns.add(self)


def tunnel_over(session: Session, stream: Http2Stream[Any], name: str, carrier: Peer) -> tuple[Peer, bytes]:
    """Return a peer on a stream, and the bytes that have come for it already; `carrier` is the peer that carries the stream."""
    peer = Peer(name, session.deadlines, session.turns)
    transport = StreamTransport(session, stream, peer, carrier)
    peer.connection_made(transport)
    waiting = stream.become(transport)
    rest: list[bytes] = []
    while waiting and type(waiting[0]) is Data:
        event = waiting.pop(0)
        assert type(event) is Data
        stream.consumed(len(event.data))
        rest.append(event.data)
    if waiting:
        transport.pause_reading()
        transport.take(waiting)
        transport.resume_reading()
    return peer, b"".join(rest)
