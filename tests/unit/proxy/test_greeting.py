import socket
import struct

import pytest

from midstream.proxy import greeting as module
from midstream.proxy.greeting import original_destination
from midstream.wire.errors import PeerError


class Redirected:
    """A socket as the system shows it after a firewall rule."""

    def __init__(self, raw):
        self.raw = raw

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        pass

    def getsockopt(self, level, option, size):
        assert option == 80
        assert size == len(self.raw)
        return self.raw


@pytest.fixture
def peer():
    """A peer over a real socket of this family."""
    opened = []

    def make(family):
        sock = socket.socket(family)
        opened.append(sock)

        class Transport:
            def get_extra_info(self, name):
                return sock

        class Peer:
            transport = Transport()

        return Peer()

    yield make
    for sock in opened:
        sock.close()


@pytest.mark.parametrize(
    ("family", "raw", "destination"),
    [
        (
            socket.AF_INET,
            struct.pack("!2xH4s8x", 443, socket.inet_aton("192.0.2.9")),
            ("192.0.2.9", 443),
        ),
        (
            socket.AF_INET6,
            struct.pack("!2xH4x16s4x", 443, socket.inet_pton(socket.AF_INET6, "2001:db8::9")),
            ("2001:db8::9", 443),
        ),
    ],
)
def test_md_03_where_a_redirected_connection_was_going(peer, monkeypatch, family, raw, destination):
    made = peer(family)
    monkeypatch.setattr(module.socket, "socket", lambda fileno: Redirected(raw))
    monkeypatch.setattr(module.os, "dup", lambda number: number)
    assert original_destination(made) == destination


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_md_03_a_connection_that_was_not_redirected(peer, family):
    with pytest.raises(PeerError, match="not with DNAT on another"):
        original_destination(peer(family))
