import pytest

from midstream.wire.h2.errors import FLOW_CONTROL_ERROR, PROTOCOL_ERROR, FatalError
from midstream.wire.h2.settings import ASSUMED_STREAMS, PeerSettings


def test_defaults():
    peer = PeerSettings()
    assert (peer.table_bytes, peer.streams, peer.window, peer.frame_bytes) == (4096, ASSUMED_STREAMS, 65_535, 16_384)
    assert peer.head_bytes is None
    assert not peer.has_extended_connect


def test_settings_are_taken_over():
    peer = PeerSettings()
    for key, value in [(1, 1), (2, 0), (3, 3), (4, 4), (5, 20_000), (6, 6), (8, 1), (0x1234, 5)]:
        peer.apply(key, value)
    assert (peer.table_bytes, peer.streams, peer.window, peer.frame_bytes, peer.head_bytes) == (1, 3, 4, 20_000, 6)
    assert peer.has_extended_connect


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        (2, 2, PROTOCOL_ERROR),
        (4, 1 << 31, FLOW_CONTROL_ERROR),
        (5, 16_383, PROTOCOL_ERROR),
        (5, 1 << 24, PROTOCOL_ERROR),
        (8, 2, PROTOCOL_ERROR),
    ],
)
def test_values_that_are_none(key, value, code):
    with pytest.raises(FatalError) as caught:
        PeerSettings().apply(key, value)
    assert caught.value.code == code
