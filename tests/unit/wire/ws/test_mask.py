import pytest

from midstream.wire.ws.mask import apply_mask, apply_slowly, fastest, rotated

KEY = b"\x37\xfa\x21\x3d"


@pytest.mark.parametrize("apply", [apply_mask, apply_slowly])
def test_the_example_of_rfc_6455(apply):
    assert apply(b"Hello", KEY) == b"\x7f\x9f\x4d\x51\x58"
    assert apply(memoryview(b"\x7f\x9f\x4d\x51\x58"), KEY) == b"Hello"


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 31, 32, 33, 1000])
def test_both_ways_agree(size):
    data = bytes(at * 7 & 0xFF for at in range(size))
    assert apply_slowly(data, KEY) == apply_mask(data, KEY) == bytes(b ^ KEY[at & 3] for at, b in enumerate(data))


@pytest.mark.parametrize("cut", range(9))
def test_a_turned_key_goes_on_in_the_middle(cut):
    data = b"a payload"
    assert apply_mask(data[:cut], KEY) + apply_mask(data[cut:], rotated(KEY, cut)) == apply_mask(data, KEY)


def test_without_the_native_helper_python_does():
    assert fastest("midstream.no_such_module") is apply_slowly
    assert fastest("websockets.speedups") is apply_mask is not apply_slowly
