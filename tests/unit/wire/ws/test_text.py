import pytest

from midstream.wire.ws.text import TextCheck, is_utf8

GOOD = "κόσμε 😀 ascii".encode()


def test_characters_may_be_cut_anywhere():
    check = TextCheck()
    for cut in range(len(GOOD) + 1):
        assert not check.finds_fault(GOOD[:cut], is_last=False)
        assert not check.finds_fault(GOOD[cut:], is_last=True)


@pytest.mark.parametrize("bad", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\x80"])
def test_ws_07_a_fault_is_told_once_and_as_soon_as_it_is_certain(bad):
    check = TextCheck()
    assert check.finds_fault(bad, is_last=False)
    assert not check.finds_fault(b"more \xff", is_last=True)
    assert not check.finds_fault(GOOD, is_last=True)
    assert check.finds_fault(bad, is_last=True)


def test_a_character_that_is_never_completed():
    check = TextCheck()
    assert not check.finds_fault(b"\xf0\x9f", is_last=False)
    assert check.finds_fault(b"", is_last=True)
    assert not check.finds_fault(b"next", is_last=True)


def test_whole_texts():
    assert is_utf8(GOOD)
    assert not is_utf8(b"\xff")
