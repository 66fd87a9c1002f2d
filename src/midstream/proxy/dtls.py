"""DTLS with one peer of a relay: its endpoint, the timer that has it say again what was lost, and the messages inside."""

import logging
from collections.abc import Callable

from OpenSSL import SSL

from midstream.errors import UsageError
from midstream.proxy.deadlines import NEVER
from midstream.proxy.patience import Patience
from midstream.proxy.session import Session
from midstream.wire.errors import PeerError
from midstream.wire.tls.datagrams import DtlsEndpoint
from midstream.wire.tls.endpoint import Facts

_log = logging.getLogger("midstream.proxy")


class DtlsLeg:
    """What is between the datagrams of a peer and the messages in them; also the `Handshake` that comes first."""

    is_dtls = True

    def __init__(
        self,
        session: Session,
        endpoint: DtlsEndpoint,
        begin: Callable[[DtlsEndpoint], None],
        write: Callable[[bytes], object],
        deliver: Callable[[bytes], None],
    ) -> None:
        """`begin` begins the handshake; `write` sends a datagram, `deliver` takes a message."""
        self.deadline = NEVER
        self.failure: PeerError | None = None
        self.on_end: Callable[[], None] = _do_nothing
        """The peer has said goodbye, or its DTLS has failed."""
        self._session = session
        self._endpoint = endpoint
        self._begin = begin
        self._write = write
        self._deliver = deliver
        self._patience: Patience | None = None

    # The handshake.

    def use(self, connection: SSL.Connection, *, server_side: bool) -> None:
        self._endpoint = DtlsEndpoint(connection, server_side=server_side)

    async def run(self) -> Facts:
        deadlines = self._session.deadlines
        self._patience = patience = Patience(deadlines, self._session.settings.tls_handshake_timeout)
        deadlines.watch(self)
        try:
            self._do(self._start)
            if self.failure is None:
                await patience
        finally:
            self._patience = None
            patience.end()
            deadlines.forget(self)
        if self.failure is None and not self._endpoint.is_established:
            self.failure = PeerError("timed out: DTLS handshake", status=504)
        if self.failure is not None:
            raise self.failure
        return self._endpoint

    def expired(self) -> None:
        """Say again what may have got lost."""
        self._do(self._retransmit)

    def give_up(self, error: PeerError) -> None:
        """End a handshake that is under way."""
        if self._patience is not None:
            self.failure = error
            self._patience.set(None)

    # Messages.

    def received(self, datagram: bytes) -> None:
        """Take a datagram of the peer."""
        self._do(lambda: self._endpoint.receive(datagram))

    def send(self, message: bytes) -> bool:
        """Send a message to the peer; False if it cannot be sent."""
        try:
            datagrams = self._endpoint.send(message)
        except UsageError as error:
            _log.info("left out: %s", error)
            return False
        except PeerError as error:
            self.failure = error
            self.on_end()
            return False
        return all(self._write(datagram) is not False for datagram in datagrams) and bool(datagrams)

    def close(self) -> None:
        """Say goodbye, and hold on to nothing: a finished endpoint does not wait for the garbage collector."""
        for datagram in self._endpoint.close():
            self._write(datagram)
        self.on_end = _do_nothing
        self._begin = _begin_nothing

    def _do(self, act: Callable[[], list[bytes]]) -> None:
        """Have the endpoint do something, send what it says, and pass on what comes of it."""
        messages: list[bytes] = []
        was_over = self.failure is not None or self._endpoint.is_closed
        try:
            messages = act()
        except PeerError as error:
            self.failure = error
        for datagram in self._endpoint.take_output():
            self._write(datagram)
        for message in messages:
            self._deliver(message)
        if self._patience is not None:
            self._go_on(self._patience)
        elif not was_over and (self.failure is not None or self._endpoint.is_closed):
            self.on_end()

    def _go_on(self, patience: Patience) -> None:
        """Wait for the peer's next word, or for the time to say ours again; or see the handshake done."""
        seconds = self._endpoint.timeout
        self.deadline = NEVER if seconds is None else self._session.deadlines.now + seconds
        if self._endpoint.is_established or self.failure is not None:
            patience.set(None)

    def _start(self) -> list[bytes]:
        self._begin(self._endpoint)
        return []

    def _retransmit(self) -> list[bytes]:
        self._endpoint.retransmit()
        return []


def _do_nothing() -> None:
    """Take note of an end that is known."""


def _begin_nothing(_endpoint: DtlsEndpoint) -> None:
    """Begin where all is over."""
