from midstream.wire.h2.stream import HEAD, Stream
from midstream.wire.h2.window import ReceiveWindow


def test_a_new_stream_waits_for_both_heads():
    stream = Stream(1, b"GET", 65_535, ReceiveWindow(100))
    assert (stream.reading, stream.writing) == (HEAD, HEAD)
    assert (stream.send_window, stream.window.left) == (65_535, 100)
    assert stream.parked is None
