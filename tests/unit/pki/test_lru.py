from midstream.pki.lru import Lru


def test_forgets_what_was_used_longest_ago():
    lru = Lru(2)
    lru.put("a", 1)
    lru.put("b", 2)
    assert lru.get("a") == 1
    lru.put("c", 3)
    assert lru.get("b") is None
    assert (lru.get("a"), lru.get("c"), len(lru)) == (1, 3, 2)


def test_putting_again_replaces_and_refreshes():
    lru = Lru(2)
    lru.put("a", 1)
    lru.put("b", 2)
    lru.put("a", 3)
    lru.put("c", 4)
    assert (lru.get("a"), lru.get("b")) == (3, None)


def test_clear():
    lru = Lru(2)
    lru.put("a", 1)
    lru.clear()
    assert lru.get("a") is None
