"""A proxy without sockets, for benchmarks that measure nothing but what it does itself."""

from __future__ import annotations

from midstream.addons import default_addons
from midstream.addons.crl import Revocations
from midstream.proxy.peer import Peer
from midstream.testing import Scenario
from midstream.testing.scenario import ScriptedPeer


def scenario(mode: str, **options: str) -> Scenario:
    """Play a proxy with all that `dump` has, but what needs an engine's authority."""
    addons = [addon for addon in default_addons() if not isinstance(addon, Revocations)]
    return Scenario(mode, addons=addons, **options)


class Wire:
    """What carries a talker's bytes: at once while connections are made, then by hand, so that nothing else is measured."""

    def __init__(self, peer: ScriptedPeer) -> None:
        self._played = peer
        self._waiting: list[bytes] = []
        self._written: list[bytes] = []
        self._is_held = False

    def hold(self) -> None:
        """Carry nothing by itself from now on."""
        self._is_held = True
        transport = self._played.transport
        transport.write = self._written.append  # without a copy, as sockets take it
        transport.writelines = self._written.extend

    @property
    def peer(self) -> Peer:
        """Who gets by `data_received` what was sent; `ScriptedPeer.sends` would settle each time."""
        return self._played._peer  # noqa: SLF001 - it is no business of scripts

    def take_sent(self) -> bytes:
        """Return what was sent since the last call."""
        sent = b"".join(self._waiting)
        self._waiting.clear()
        return sent

    def sends(self, data: bytes) -> None:
        if self._is_held:
            self._waiting.append(data)
        else:
            self._played.sends(data)

    def received(self) -> bytes:
        if not self._is_held:
            return self._played.received()
        data = b"".join(self._written)
        self._written.clear()
        return data
