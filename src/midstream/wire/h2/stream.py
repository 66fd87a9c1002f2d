"""One stream: how far each direction is, and what waits in it (RFC 9113 §5.1).

    reading   HEAD ─▶ BODY ─▶ DONE          writing   HEAD ─▶ BODY ─▶ ENDING ─▶ DONE
                └─────▶ ANSWERED: a head we do not take, whose rest is read and dropped while somebody answers

ENDING says that the end is known and waits, behind parked data, for the peer's window. A stream with both directions
DONE does not exist any more.
"""

from collections import deque
from typing import Final

from midstream.wire.errors import Fault
from midstream.wire.events import Trailers
from midstream.wire.h2.window import ReceiveWindow

HEAD: Final = 0
BODY: Final = 1
ENDING: Final = 2
DONE: Final = 3
ANSWERED: Final = 4

BODILESS: Final = -2


class Stream:
    """What the engine knows of one stream."""

    __slots__ = (
        "batch",
        "faults",
        "has_data",
        "id",
        "interims",
        "is_full",
        "method",
        "parked",
        "parked_bytes",
        "reading",
        "send_window",
        "tail",
        "to_come",
        "to_send",
        "trailers",
        "window",
        "writing",
    )

    def __init__(self, stream_id: int, method: bytes, send_window: int, window: ReceiveWindow) -> None:
        self.id = stream_id
        self.method = method
        self.reading = HEAD
        self.writing = HEAD
        self.send_window = send_window
        self.window = window
        self.to_come = -1
        """Body bytes that the peer announced and did not send yet; -1 without an announcement."""
        self.to_send = -1
        """The same for what we announced; BODILESS where whatever is sent goes nowhere, as in an answer to HEAD."""
        self.faults: tuple[Fault, ...] = ()
        """What was tolerated in its body."""
        self.has_data = False
        """Some of the peer's body has come."""
        self.interims = 0
        self.trailers: Trailers | None = None
        """What is to be sent at the end."""
        self.parked: deque[memoryview] | None = None
        """Data that waits for a window."""
        self.parked_bytes = 0
        self.is_full = False
        self.tail = 0
        """Where in the output the header of this stream's latest frame stands, in batch number `batch`."""
        self.batch = -1
