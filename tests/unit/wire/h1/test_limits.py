from midstream.wire.h1.limits import Limits


def test_the_defaults():
    assert Limits() == Limits(head_bytes=65536, head_fields=256, chunk_line=4096, trailer_bytes=16384, blank_lines=4)
