"""DTLS as the scripted peers of a scenario speak it, over what a `DatagramPeer` or a `DatagramServer` sends and receives.

Nothing moves by itself, and nothing gets lost unless the test loses it: `turn` hands over what is there, `shake` takes turns until
nothing more comes.
"""

from typing import Protocol, Self

from cryptography import x509
from OpenSSL import SSL, crypto

from midstream.options import Options
from midstream.pki import CertificateAuthority, CertStore, LeafNames
from midstream.proxy.tls import TlsProfiles
from midstream.testing.scenario import Scenario
from midstream.wire.tls.datagrams import DtlsEndpoint
from midstream.wire.tls.dtls import HelloReader, hello_verify_request

COOKIE = b"origin's own cookie"


class Datagrams(Protocol):
    """What carries DTLS: a scripted peer."""

    def sends(self, data: bytes) -> None: ...
    def received(self) -> list[bytes]: ...


class DtlsPeer:
    """A scripted peer that speaks DTLS; a server asks each client for a cookie first."""

    def __init__(self, carrier: Datagrams, endpoint: DtlsEndpoint) -> None:
        self.endpoint = endpoint
        self.datagrams: list[bytes] = []
        """All that it has sent, for a test that wants to send some of it again."""
        self._carrier = carrier
        self._messages: list[bytes] = []
        self._listening = HelloReader() if endpoint.server_side else None
        if self._listening is None:
            endpoint.start()

    def turn(self) -> bool:
        """Take what has come and send what is to be said; False if there was neither."""
        came = self._carrier.received()
        try:
            for datagram in came:
                self._take(datagram)
        finally:
            said = self.endpoint.take_output()
            self._send(said)
        return bool(came or said)

    def shake(self, *others: "DtlsPeer") -> Self:
        """Take turns, with `others` if their handshakes wait for each other, until nothing more comes."""
        peers: list[DtlsPeer] = [self, *others]
        while sum(peer.turn() for peer in peers):
            pass
        return self

    def sends(self, *messages: bytes) -> None:
        for message in messages:
            self._send(self.endpoint.send(message))

    def received(self) -> list[bytes]:
        """Return the messages that have come since the last call."""
        while self.turn():
            pass
        messages, self._messages = self._messages, []
        return messages

    def ends(self) -> None:
        """Say goodbye (close_notify)."""
        self._send(self.endpoint.close())

    def _take(self, datagram: bytes) -> None:
        listening = self._listening
        if listening is None:
            self._messages += self.endpoint.receive(datagram)
            return
        hello = listening.receive(datagram)
        if hello is not None and hello.cookie != COOKIE:
            self._send([hello_verify_request(COOKIE, listening.sequence)])
        elif hello is not None:
            self._listening = None
            self.endpoint.adopt(hello, listening.sequence)

    def _send(self, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            self.datagrams.append(datagram)
            self._carrier.sends(datagram)


class DtlsOrigins:
    """The authority behind scripted servers of DTLS, which a scenario trusts by its option."""

    def __init__(self, directory: str) -> None:
        self.authority = CertificateAuthority.load_or_create(directory)
        self.path = self.authority.public_file()
        """What ssl_verify_upstream_trusted_ca is to name."""

    def serve(
        self,
        carrier: Datagrams,
        name: str,
        *,
        alpn: tuple[bytes, ...] = (),
        sans: tuple[str, ...] = (),
        **options: object,
    ) -> DtlsPeer:
        """Be a server called `name`; options are those for facing clients."""
        profiles = TlsProfiles(Options(**options), CertStore(self.authority))
        names = LeafNames(name, sans, organization="Origins Ltd")
        return DtlsPeer(carrier, profiles.client_datagrams(names, alpn=alpn))


def dtls_context(trusted: x509.Certificate | None, alpn: tuple[bytes, ...] = ()) -> SSL.Context:
    """Make a context for clients that trust this authority, or (None) nobody at all."""
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_verify(SSL.VERIFY_PEER)
    store = context.get_cert_store()
    if trusted is not None and store is not None:
        store.add_cert(crypto.X509.from_cryptography(trusted))
    if alpn:
        context.set_alpn_protos(list(alpn))
    return context


def dtls_client(
    scenario: Scenario,
    carrier: Datagrams,
    name: str | None,
    *,
    alpn: tuple[bytes, ...] = (),
    context: SSL.Context | None = None,
) -> DtlsPeer:
    """Be a client that asks for `name` (None: it does not say) and, unless `context` says otherwise, trusts the proxy."""
    if context is None:
        context = dtls_context(scenario.session.tls.store.authority.certificate, alpn)
    return DtlsPeer(carrier, DtlsEndpoint.over(context, server_side=False, server_hostname=name))
