from midstream.wire.h2 import frame as frames
from midstream.wire.h2.frame import Frame


def test_frames_are_split_as_they_were_joined():
    wire = (
        frames.frame(0x55, 0xFF, 3, b"abc")
        + frames.rst_stream(5, 8)
        + frames.window_update(0, 9)
        + frames.goaway(7, 1, b"x")
    )
    assert list(frames.frames(wire)) == [
        Frame(0x55, 0xFF, 3, b"abc"),
        Frame(frames.RST_STREAM, 0, 5, b"\0\0\0\x08"),
        Frame(frames.WINDOW_UPDATE, 0, 0, b"\0\0\0\x09"),
        Frame(frames.GOAWAY, 0, 0, b"\0\0\0\x07\0\0\0\x01x"),
    ]


def test_a_large_frame_has_three_bytes_of_size():
    assert frames.header(frames.DATA, 1, 1, 0x012345) == b"\x01\x23\x45\0\x01\0\0\0\x01"


def test_settings_keep_their_order():
    wire = frames.settings([(4, 1), (1, 2)])
    assert frames.pairs(wire[9:]) == [(4, 1), (1, 2)]


def test_the_reserved_bit_means_nothing():
    assert next(frames.frames(b"\0\0\0\0\0\xff\xff\xff\xff")).stream_id == 0x7FFF_FFFF
