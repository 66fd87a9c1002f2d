"""One endpoint of a WebSocket connection: what comes from it is passed on, put in line for the hooks, or both.

A message is dealt with in one of three ways, chosen when it begins: passed on piece by piece while nobody looks, passed on and told of
behind it where addons only look, or held back until they have decided.
"""

from typing import Final, Protocol, TypeAlias

import msgspec

from midstream.proxy.deadlines import NEVER
from midstream.proxy.streams import Detached
from midstream.wire.errors import Fault, PeerError
from midstream.wire.ws import Assembler, ClientFacing, Message, ServerFacing
from midstream.wire.ws.errors import WebSocketError
from midstream.wire.ws.events import Close, Event, Lost, Piece, Ping, Pong
from midstream.wire.ws.write import Sendable

PASS: Final = 0
TELL: Final = 1
HOLD: Final = 2
CUT: Final = "a message larger than body_memory: only its beginning was kept"


class Injected(msgspec.Struct):
    """A message that a script or a user has made up."""

    opcode: int
    data: bytes


Item: TypeAlias = Message | Injected | Ping | Pong | Close | Lost | WebSocketError


class Between(Protocol):
    """What stands between the two sides."""

    most_told: int
    """How much of a message is kept that is not held back."""
    most_held: int
    """The largest message that is held back."""
    relays_pings: bool

    def mode(self, side: "Side") -> int:
        """Tell what is to be done with a message that begins."""

    def touch(self) -> None:
        """Count this as a sign of life."""

    def put(self, side: "Side", item: Item, *, is_sent: bool = False) -> None:
        """Take the next thing in line for the hooks."""

    def go_on(self) -> None:
        """Look at what was put in line."""

    @property
    def is_crowded(self) -> bool: ...

    def side_ended(self) -> None: ...

    def side_lost(self) -> None: ...

    def time_is_over(self, side: "Side", stage: str) -> None: ...


class Side:
    """What comes from one endpoint, and what is written to it."""

    other: "Side"

    def __init__(self, between: Between, end: Detached, engine: ClientFacing | ServerFacing) -> None:
        self.peer = end.peer
        self.engine = engine
        self.is_client = engine.side == "client"
        self.is_gone = False
        """Nothing more comes from here."""
        self.last_word: Close | None = None
        """What the endpoint is told when it is left, because it broke the rules."""
        self.held = 0
        """How many messages from here are held back."""
        self._between = between
        self._early: list[bytes] | None = [end.rest]
        """What came before we began to read; None from then on."""
        self._assembler = Assembler()
        self._mode = PASS
        self._is_inside = False
        """A message has begun and not ended."""
        self._size = 0
        """Of a message that is told of, as far as it has come."""
        self._owed: Ping | None = None
        """The latest ping that could not be answered yet."""
        self.peer.receiver = self
        self.peer.deadline = NEVER

    def begin(self) -> None:
        """Read what has come so far, and from now on whatever comes."""
        early, self._early = b"".join(self._early or ()), None
        self.peer.resume_reading()
        if early:
            self.received(early)
        if self.peer.has_ended and not self.is_gone:
            self.ended()

    # What the peer calls.

    def received(self, data: bytes) -> None:
        if self._early is not None:
            self._early.append(data)
            self.peer.pause_reading()
            return
        self._between.touch()
        if not self._is_inside:
            self._choose()
        self._take(self.engine.receive(data))

    def ended(self) -> None:
        if self._early is None:
            self.is_gone = True
            self._take(self.engine.eof())
            self._between.side_ended()

    def lost(self, error: PeerError) -> None:  # noqa: ARG002 - that it is gone says all
        self.ended()
        self._between.side_lost()

    def writable(self) -> None:
        owed, self._owed = self._owed, None
        if owed is not None:
            self.send(Pong(owed.payload))
        if not self._between.is_crowded:
            self.other.peer.resume_reading()

    def timed_out(self, stage: str) -> None:
        self._between.time_is_over(self, stage)

    # What goes to the endpoint.

    def send(self, event: Sendable) -> None:
        """Write to this endpoint; nothing is, behind a close frame."""
        if self.engine.close_sent is None:
            self.peer.write(self.engine.send(event))

    def leave(self) -> None:
        """Close; an endpoint that broke the rules may still be sending, and must not miss what we tell it."""
        self.is_gone = True
        if self.peer.is_lingering:
            return  # it has been told all it is told
        if self.last_word is not None:
            self.send(self.last_word)
        if self.engine.has_failed and not self.peer.is_closing:
            self.peer.linger()
        else:
            self.peer.close()

    # What comes from it.

    def _choose(self) -> None:
        self._mode = mode = self._between.mode(self)
        self.engine.message_limit = self._between.most_held if mode == HOLD else 0

    def _take(self, events: list[Event]) -> None:
        """Deal with what came with one read; what can go on at once goes on together."""
        other, output = self.other, []
        was_inside = self._is_inside
        for event in events:
            if type(event) is Piece:
                if event.is_first and was_inside:
                    was_inside = False
                    self._choose()
                self._is_inside = not event.is_final or event.left != 0
                if self._mode != HOLD:
                    if other.engine.close_sent is None:
                        output.append(other.engine.send(event))
                    if self._mode == PASS:
                        continue
                self._tell(event)
            else:
                if output:
                    other.peer.write(b"".join(output))
                    output = []
                if type(event) is Ping and not self._between.relays_pings:
                    self._answer(event)
                self._between.put(self, event)  # type: ignore[arg-type] # no Piece
        if output:
            other.peer.write(output[0] if len(output) == 1 else b"".join(output))
        if other.peer.is_full:
            self.peer.pause_reading()
        self._between.go_on()

    def _tell(self, piece: Piece) -> None:
        if self._mode == TELL:
            piece = self._shortened(piece)
        message = self._assembler.add(piece)
        if message is not None:
            self._between.put(self, message, is_sent=self._mode == TELL)

    def _shortened(self, piece: Piece) -> Piece:
        """Leave out what need not be kept of a large message, because it has gone on already (WS-09)."""
        self._size = size = len(piece.data) + (0 if piece.is_first else self._size)
        most = self._between.most_told
        if size <= most:
            return piece
        room = max(0, most - (size - len(piece.data)))
        faults = piece.faults
        if piece.is_last:
            faults += (Fault(CUT, "RFC 6455 §5.4"),)
        return msgspec.structs.replace(piece, data=piece.data[:room], faults=faults)

    def _answer(self, ping: Ping) -> None:
        """Answer a ping, whatever waits for hooks, and keep the other connection alive."""
        if self.peer.is_full:
            self._owed = ping  # answering the latest one is enough (RFC 6455 §5.5.3)
        else:
            self.send(Pong(ping.payload))
        if not self.other.peer.is_full:
            self.other.send(Ping())
