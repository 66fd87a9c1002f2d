"""TLS as the scripted peers of a scenario speak it, over what any `ScriptedPeer` sends and receives.

`TlsPeer` wraps one; wrapped again it is TLS inside TLS. Nothing moves by itself: `turn` hands over what is there, and `shake`
takes turns until nothing more comes.
"""

import ssl
from typing import Protocol, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from midstream.options import Options
from midstream.pki import CertificateAuthority, CertStore, LeafNames
from midstream.proxy.tls import TlsProfiles
from midstream.testing.scenario import Scenario
from midstream.wire.tls.endpoint import StdlibEndpoint, TlsEndpoint


class Plain(Protocol):
    """What carries TLS: a scripted peer, or TLS around it."""

    def sends(self, data: bytes) -> None: ...
    def received(self) -> bytes: ...


class TlsPeer:
    """A scripted peer that speaks TLS."""

    def __init__(self, carrier: Plain, endpoint: TlsEndpoint) -> None:
        self.endpoint = endpoint
        self._carrier = carrier
        self._plain = b""
        self._waiting = endpoint.start()

    def turn(self) -> bool:
        """Take what has come and send what is to be said; False if there was neither."""
        came = self._carrier.received()
        waiting, self._waiting = self._waiting, b""
        try:
            if came:
                self._plain += self.endpoint.receive(came)
        finally:
            waiting += self.endpoint.take_output()
            if waiting:
                self._carrier.sends(waiting)
        return bool(came or waiting)

    def shake(self, *others: "TlsPeer") -> Self:
        """Take turns, with `others` if their handshakes wait for each other, until nothing more comes."""
        peers: list[TlsPeer] = [self, *others]
        while sum(peer.turn() for peer in peers):
            pass
        return self

    def sends(self, data: bytes) -> None:
        """Send plaintext."""
        self._carrier.sends(self.endpoint.send(data))

    def received(self) -> bytes:
        """Return the plaintext that has come since the last call."""
        while self.turn():
            pass
        plain, self._plain = self._plain, b""
        return plain

    def ends(self) -> None:
        """Say that no more will come (close_notify), and go on reading."""
        self._carrier.sends(self.endpoint.close())


class Origins:
    """The authority behind scripted servers, which a scenario trusts by its option."""

    def __init__(self, directory: str) -> None:
        self.authority = CertificateAuthority.load_or_create(directory)
        self.path = self.authority.public_file()
        """What ssl_verify_upstream_trusted_ca is to name."""
        self._profiles = TlsProfiles(Options(), CertStore(self.authority))

    def serve(self, carrier: Plain, name: str, *, alpn: tuple[bytes, ...] = (), sans: tuple[str, ...] = ()) -> TlsPeer:
        """Be a server called `name`."""
        names = LeafNames(name, sans, organization="Origins Ltd")
        return TlsPeer(carrier, self._profiles.client_endpoint(names, alpn=alpn))


def client_context(trusted: x509.Certificate | None) -> ssl.SSLContext:
    """Make a context for clients that trust this authority, or (None) nobody at all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trusted is not None:
        context.load_verify_locations(cadata=trusted.public_bytes(Encoding.PEM).decode())
    return context


def tls_client(
    scenario: Scenario,
    carrier: Plain,
    name: str | None,
    *,
    alpn: tuple[str, ...] = (),
    context: ssl.SSLContext | None = None,
    session: ssl.SSLSession | None = None,
) -> TlsPeer:
    """Be a client that asks for `name` (None: it does not say) and, unless `context` says otherwise, trusts the proxy."""
    if context is None:
        context = client_context(scenario.session.tls.store.authority.certificate)
    if name is None:
        context.check_hostname = False
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return TlsPeer(carrier, StdlibEndpoint(context, server_side=False, server_hostname=name, session=session))
