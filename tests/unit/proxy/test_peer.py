"""What scenarios do not reach: transports that fail where those in memory do not."""

import errno

from midstream.proxy.deadlines import Deadlines
from midstream.proxy.peer import Peer
from midstream.proxy.turns import Turns
from midstream.testing.transport import MemoryTransport


class ResetTransport(MemoryTransport):
    """A connection that the other end has reset, which nobody has been told yet."""

    def write_eof(self) -> None:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")


def test_a_connection_that_was_reset_meanwhile_can_be_said_to_end():
    peer = Peer("server", Deadlines(), Turns(lambda _call: None))
    transport = ResetTransport(peer, ("192.0.2.1", 80), ("127.0.0.1", 40000))
    peer.connection_made(transport)
    peer.write_eof()
    assert not peer.is_closing  # the loss is still to be told
    transport.abort()
    transport.settle()
    assert peer.is_lost
