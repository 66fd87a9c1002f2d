from midstream.wire.h2.events import Priority


def test_a_priority_as_it_stands_in_a_frame():
    assert Priority(3, 1, is_exclusive=True).payload() == b"\x80\0\0\x03\0"
    assert Priority(0, 256, is_exclusive=False).payload() == b"\0\0\0\0\xff"
