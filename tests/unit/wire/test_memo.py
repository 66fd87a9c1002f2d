from midstream.wire.memo import Memo


def test_a_value_is_remembered_and_returned():
    memo: Memo[bytes, int] = Memo(room=2, largest=10)
    assert memo.remember(b"a", 1, size=1) == 1
    assert memo.get(b"a") == 1


def test_a_full_memo_starts_again():
    memo: Memo[bytes, int] = Memo(room=2, largest=10)
    for number in range(3):
        memo.remember(b"%d" % number, number, size=1)
    assert memo == {b"2": 2}


def test_a_large_value_is_returned_but_not_remembered():
    memo: Memo[bytes, int] = Memo(room=2, largest=10)
    assert memo.remember(b"a", 1, size=11) == 1
    assert not memo
