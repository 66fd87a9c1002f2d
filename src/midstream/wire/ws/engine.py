"""The two engines of a WebSocket connection: bytes in, events out; events in, bytes out. No socket, no clock, no waiting.

An engine begins where the opening handshake ends (`handshake.py`). It answers nothing by itself, neither pings nor close
frames, because a proxy stands between two ends that do so; it sees to it that only one close frame is sent and nothing behind it.
"""

from functools import partial

from midstream.wire.errors import Profile
from midstream.wire.ws.deflate import Deflater
from midstream.wire.ws.frame import DEFLATED
from midstream.wire.ws.limits import DEFAULT_LIMITS, Limits
from midstream.wire.ws.negotiate import Compression
from midstream.wire.ws.read import Reader
from midstream.wire.ws.write import MakeKey, Writer


class _Engine(Reader, Writer):
    """What both sides do alike."""

    def __init__(
        self,
        limits: Limits,
        profile: Profile,
        compression: Compression | None,
        make_key: MakeKey | None,
    ) -> None:
        Reader.__init__(self, limits, profile)
        Writer.__init__(self, limits, make_key)
        self.compression = compression
        """What was agreed with this peer; None for no compression."""
        if compression is not None:
            self._firsts = DEFLATED
            bits, keeps_context = (
                (compression.server_bits, compression.server_keeps_context)
                if self.is_peer_masking
                else (compression.client_bits, compression.client_keeps_context)
            )
            self._make_deflater = partial(Deflater, bits, keeps_context=keeps_context)

    @property
    def is_open(self) -> bool:
        """True if nobody has said the last word yet, and nothing has failed."""
        return self.close_sent is None and self.close_received is None and not self.has_failed

    @property
    def is_closed(self) -> bool:
        """True if both close frames have passed, so that the connection beneath may go (RFC 6455 §7.1.1)."""
        return self.close_sent is not None and (self.close_received is not None or self.has_failed)


class ClientFacing(_Engine):
    """Reads the masked frames of a client and writes unmasked ones."""

    side = "client"
    is_peer_masking = True

    def __init__(
        self,
        limits: Limits = DEFAULT_LIMITS,
        profile: Profile = Profile.LENIENT,
        *,
        compression: Compression | None = None,
    ) -> None:
        super().__init__(limits, profile, compression, None)


class ServerFacing(_Engine):
    """Reads the unmasked frames of a server and writes masked ones."""

    side = "server"

    def __init__(
        self,
        make_key: MakeKey,
        limits: Limits = DEFAULT_LIMITS,
        profile: Profile = Profile.LENIENT,
        *,
        compression: Compression | None = None,
    ) -> None:
        """`make_key` returns four bytes that nobody can foresee, anew at each call (RFC 6455 §5.3)."""
        super().__init__(limits, profile, compression, make_key)
