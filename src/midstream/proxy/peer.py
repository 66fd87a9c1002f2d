"""One TCP connection of ours: its transport, its TLS endpoints, its flow control.

A `Peer` is the only writer to its transport. Bytes from the wire climb through the TLS endpoints (outermost first; TLS in
TLS is two of them) to the `Receiver` on top; bytes for the wire go down the same way. What the bytes mean is not known here.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Protocol, cast

from midstream.proxy.deadlines import NEVER, Deadlines
from midstream.proxy.stepper import Signal
from midstream.proxy.turns import Turns
from midstream.wire.errors import PeerError
from midstream.wire.tls.endpoint import PORTION, Buffer, TlsEndpoint, portions
from midstream.wire.tls.failure import TlsError

CLOSING_SECONDS = 60.0
"""How long a peer may take to read what is left when we have closed."""
LINGER_SECONDS = 2.0
"""How long a refused peer may go on sending, so that the reset for it does not overtake our answer."""

TURN_BYTES = 65_536
TURN_PIECES = 16
"""What is written without waiting for the end of the turn: one turn may read megabytes, and only a transport that has been
written to can say that it is full."""

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing at once means RST."""
ON_STREAM = "is_on_stream"
"""The extra info of transports that are a stream of another connection."""
READ_AHEAD = 262_144
"""Bytes that may wait for a reader before its peer is paused."""


class PeerGone(PeerError):  # noqa: N818 - what it did, not an error of ours
    """The connection ended (or took too long) before what was awaited came."""


class Receiver(Protocol):
    """What sits on top of a peer."""

    def received(self, data: bytes) -> None:
        """Take decrypted bytes, never empty."""

    def ended(self) -> None:
        """The peer will send no more (FIN or close_notify); it may still read."""

    def lost(self, error: PeerError) -> None:
        """The connection is gone; called once, last."""

    def writable(self) -> None:
        """The transport's buffer has drained after `Peer.is_full`."""

    def timed_out(self, stage: str) -> None:
        """The time given to `stage` is over."""


class Discard:
    """The receiver of a peer whose further words do not matter."""

    def __init__(self, peer: "Peer") -> None:
        self._peer = peer

    def received(self, data: bytes) -> None:
        pass

    def ended(self) -> None:
        self._peer.close()

    def lost(self, error: PeerError) -> None:
        pass

    def writable(self) -> None:
        pass

    def timed_out(self, stage: str) -> None:  # noqa: ARG002 - the protocol's signature
        self._peer.abort()


class Peer(asyncio.Protocol):
    """One TCP connection, seen from us."""

    def __init__(
        self, name: str, deadlines: Deadlines, turns: Turns, on_connected: "Callable[[Peer], None] | None" = None
    ) -> None:
        self.name = name
        """`client` or `server`, for messages."""
        self.transport: asyncio.Transport
        self.receiver: Receiver = Discard(self)
        self.deadline = NEVER
        self.is_full = False
        """The transport's write buffer is over its high-water mark: whoever writes should wait for `drained`."""
        self.is_closing = False
        self.is_lost = False
        self.is_lingering = False
        """All has been said; the connection closes by itself."""
        self.has_ended = False
        """The peer will send no more."""
        self.ending = ""
        """How the peer ended, once it has: `FIN`, `close_notify`, `RST`, or what broke the connection."""
        self.is_truncated = False
        """The peer ended TLS without close_notify, so the last message may be cut (RFC 8446 §6.1)."""
        self.stage = ""
        self._deadlines = deadlines
        self._turns = turns
        self._output: list[bytes] = []
        """What is to be written at the end of the turn, before encryption."""
        self._on_connected = on_connected
        self.on_lost: Callable[[], None] | None = None
        self.on_goodbye: Callable[[], None] | None = None
        """Called before the connection ends from our side, while TLS state is still there."""
        self._endpoints: tuple[TlsEndpoint, ...] = ()
        self._drained: Signal[None] | None = None
        self._is_paused = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._deadlines.watch(self)
        if self._on_connected is not None:
            self._on_connected(self)

    def data_received(self, data: bytes) -> None:
        if self._endpoints:
            data = self._decrypt(data)
            if not data:
                return
        self.receiver.received(data)

    def eof_received(self) -> bool:
        for endpoint in self._endpoints:
            endpoint.eof()
            self.is_truncated |= not endpoint.is_closed
        self._end("FIN")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self.ending = "RST" if isinstance(exc, ConnectionResetError | BrokenPipeError) else str(exc)
        elif not self.is_closing:
            self.ending = self.ending or "FIN"
        self.is_closing = self.is_lost = self.has_ended = True
        self._output.clear()
        self.deadline = NEVER
        self._deadlines.forget(self)
        self._release_writer()
        why = f": {exc}" if exc is not None and str(exc) else ""
        self.receiver.lost(PeerGone(f"the {self.name} closed the connection{why}", status=502))
        if self.on_lost is not None:
            self.on_lost()

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        self._release_writer()
        self.receiver.writable()

    # What the rest of the proxy calls.

    def write(self, data: bytes) -> None:
        """Send bytes with the end of the loop's turn; nothing happens once the connection is closing."""
        if self.is_closing or not data:
            return
        output = self._output
        if not output:
            self._turns.add(self)
        output.append(data)
        if len(data) >= TURN_BYTES or len(output) >= TURN_PIECES:
            self.flush()

    def flush(self) -> None:
        """Write what waits, encrypted where there is TLS."""
        output = self._output
        if not output:
            return
        data = b"".join(output)  # of one piece that is the piece itself
        output.clear()
        self._write_through(data)

    def write_now(self, data: bytes) -> None:
        """Send bytes at once, for a writer that has gathered what a turn of the loop brought; nothing once closing."""
        self.flush()
        if not self.is_closing and data:
            self._write_through(data)

    def _write_through(self, data: bytes) -> None:
        try:
            if len(data) <= PORTION or not self._endpoints:
                self.transport.write(self._encrypted(data))
            else:  # one by one, so that what one leaves behind is still in the processor's cache for the next
                self.transport.writelines([self._encrypted(portion) for portion in portions(data)])
        except PeerError as error:
            self._fail(error)

    def _encrypted(self, data: Buffer) -> Buffer:
        for endpoint in reversed(self._endpoints):
            data = endpoint.send(data)
        return data

    def write_eof(self) -> None:
        """Say that we send no more, and go on reading."""
        if self.is_closing:
            return
        self.flush()
        self._say_goodbye()
        if self.transport.can_write_eof():
            try:
                self.transport.write_eof()
            except OSError:
                pass  # the other end has reset the connection; `connection_lost` is on its way

    async def drained(self) -> None:
        """Wait until the transport takes more, or is gone."""
        if self.is_full and not self.is_closing:
            self._drained = Signal()
            await self._drained

    def pause_reading(self) -> None:
        if not self._is_paused and not self.is_closing:
            self._is_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
            if not self.is_closing:
                self.transport.resume_reading()

    def close(self) -> None:
        """Send what is buffered, say goodbye, close."""
        self.flush()
        if self.is_closing:
            return
        self._say_goodbye()
        self.is_closing = True
        self._release_writer()
        self.within(CLOSING_SECONDS, "closing")
        self.transport.close()

    def break_off(self) -> None:
        """Close, and say that this is no orderly end where that can be said: on a stream (RFC 9113 §8.5)."""
        if self.transport.get_extra_info(ON_STREAM):
            self.flush()
            self.abort()
        else:
            self.close()

    def abort(self) -> None:
        """Close at once; what is buffered is lost."""
        self._output.clear()
        if not self.is_lost:
            self.is_closing = True
            self._release_writer()
            self.transport.abort()

    def reset(self) -> None:
        """Send what is buffered, then break off without a goodbye: with RST, where the transport is a socket."""
        self.flush()
        if self.is_closing:
            return
        sock = self.transport.get_extra_info("socket")
        if sock is None:
            self.abort()
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.is_closing = True
        self._release_writer()
        self.within(CLOSING_SECONDS, "closing")
        self.transport.close()

    def linger(self) -> None:
        """Close after an answer that the peer did not wait for: read on a little, so that no reset overtakes it."""
        if self.has_ended:
            self.close()
            return
        self.is_lingering = True
        self.write_eof()
        self.receiver = Discard(self)
        self.resume_reading()
        self.within(LINGER_SECONDS, "leaving")

    def within(self, seconds: float, stage: str) -> None:
        """Give what is now awaited this long; `stage` names it in the error. 0 means no limit."""
        self.stage = stage
        self.deadline = self._deadlines.now + seconds if seconds else NEVER

    def expired(self) -> None:
        if self.is_closing:
            self.abort()
            return
        self.receiver.timed_out(self.stage)

    def address_of(self, name: str) -> tuple[str, int] | None:
        """Return our own address (`sockname`) or the other end's (`peername`), where there is one."""
        address = self.transport.get_extra_info(name)
        return (str(address[0]), int(address[1])) if isinstance(address, tuple) else None

    # TLS.

    def push_tls(self, endpoint: TlsEndpoint) -> None:
        """Put an established endpoint between the wire (or the endpoints there are) and the receiver."""
        self.flush()
        self._endpoints = (*self._endpoints, endpoint)

    def _decrypt(self, data: bytes) -> bytes:
        for depth, endpoint in enumerate(self._endpoints):
            try:
                data = endpoint.receive(data)
            except TlsError as error:
                self._write_below(depth, endpoint.take_output())
                if error.plain:
                    self._pass_up(depth, error.plain)
                self._fail(error)
                return b""
            output = endpoint.take_output()
            if output:
                self._write_below(depth, output)
            if endpoint.is_closed:
                if data:
                    self._pass_up(depth, data)
                self._end("close_notify")
                return b""
            if not data:
                return b""
        return data

    def _fail(self, error: PeerError) -> None:
        """End a connection whose TLS has failed."""
        self.ending = error.message
        receiver, self.receiver = self.receiver, Discard(self)
        self._output.clear()
        self.is_closing = True
        self._release_writer()
        self.transport.close()
        receiver.lost(error)

    def _pass_up(self, depth: int, data: bytes) -> None:
        """Deliver the last bytes before a close_notify through the endpoints above it."""
        for endpoint in self._endpoints[depth + 1 :]:
            data = endpoint.receive(data)
        if data:
            self.receiver.received(data)

    def _write_below(self, depth: int, data: bytes) -> None:
        if not data or self.is_closing:
            return
        for endpoint in reversed(self._endpoints[:depth]):
            data = endpoint.send(data)
        self.transport.write(data)

    def _say_goodbye(self) -> None:
        if self.on_goodbye is not None:
            self.on_goodbye()
            self.on_goodbye = None
        for depth in range(len(self._endpoints) - 1, -1, -1):
            self._write_below(depth, self._endpoints[depth].close())

    def _end(self, how: str) -> None:
        if not self.has_ended:
            self.has_ended = True
            self.ending = how
            self.receiver.ended()

    def _release_writer(self) -> None:
        signal, self._drained = self._drained, None
        if signal is not None:
            signal.set(None)


class ByteReader:
    """The bytes of a peer as they come, for coroutines that shake hands or look at what comes first."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._chunks: list[bytes] = []
        self._size = 0
        self._error: PeerError | None = None
        self._signal: Signal[None] | None = None
        peer.receiver = self

    @property
    def is_ready(self) -> bool:
        """True if `read` would not wait."""
        return bool(self._chunks) or self._peer.has_ended or self._error is not None

    async def read(self) -> bytes:
        """Return what has come, waiting for something if need be; b"" once the peer has ended.

        Raises:
            PeerGone: The connection broke or took too long.

        """
        if not self.is_ready:
            await self.wait(Signal())
        return self.take()

    def take(self) -> bytes:
        """Return what has come, without waiting."""
        if self._chunks:
            data = b"".join(self._chunks)
            self._chunks.clear()
            self._size = 0
            self._peer.resume_reading()
            return data
        if self._error is not None:
            raise self._error
        return b""

    def wait(self, signal: Signal[None]) -> Signal[None]:
        """Have `signal` set when something comes; two readers may share one."""
        self._signal = signal
        return signal

    def unread(self, data: bytes) -> None:
        """Put back bytes in front of what comes next."""
        if data:
            self._chunks.insert(0, data)
            self._size += len(data)

    def hand_over(self, receiver: Receiver) -> None:
        """Let `receiver` have the rest: first what waits here, then whatever comes."""
        peer = self._peer
        peer.receiver = receiver
        chunks, self._chunks = self._chunks, []
        peer.resume_reading()
        if chunks:
            receiver.received(b"".join(chunks))
        if self._error is not None:
            receiver.lost(self._error)
        elif peer.is_lost:
            receiver.lost(PeerGone(f"the {peer.name} closed the connection", status=502))
        elif peer.has_ended:
            receiver.ended()

    def received(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)
        if self._size > READ_AHEAD:
            self._peer.pause_reading()
        self._wake()

    def ended(self) -> None:
        self._wake()

    def lost(self, error: PeerError) -> None:
        self._error = self._error or error
        self._wake()

    def writable(self) -> None:
        pass

    def timed_out(self, stage: str) -> None:
        self._error = PeerGone(f"timed out: {stage} with the {self._peer.name}", status=504)
        self._wake()

    def _wake(self) -> None:
        signal, self._signal = self._signal, None
        if signal is not None:
            signal.set(None)
