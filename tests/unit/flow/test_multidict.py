import pytest

from midstream.flow import MultiDict, MultiDictView
from midstream.flow.multidict import pairs_of

PAIRS = [("a", "1"), ("b", "2"), ("a", "3")]


class Holder:
    def __init__(self):
        self.pairs = list(PAIRS)

    def read(self):
        return self.pairs

    def write(self, pairs):
        self.pairs = list(pairs)


@pytest.fixture(params=["dict", "view"])
def multi(request):
    holder = Holder()
    return MultiDict(PAIRS) if request.param == "dict" else MultiDictView(holder.read, holder.write)


def test_reading(multi):
    assert multi["a"] == "1"
    assert multi.get("none") is None
    assert multi.get_all("a") == ["1", "3"]
    assert list(multi) == ["a", "b"]
    assert len(multi) == 2
    assert multi.fields == tuple(PAIRS)
    assert list(multi.keys()) == ["a", "b"]
    assert list(multi.keys(multi=True)) == ["a", "b", "a"]
    assert list(multi.values()) == ["1", "2"]
    assert list(multi.values(multi=True)) == ["1", "2", "3"]
    assert list(multi.items()) == [("a", "1"), ("b", "2")]
    assert list(multi.items(multi=True)) == PAIRS
    with pytest.raises(KeyError):
        multi["none"]


def test_writing(multi):
    multi["a"] = "9"
    assert multi.fields == (("a", "9"), ("b", "2"))
    multi.set_all("b", ["5", "6"])
    assert multi.fields == (("a", "9"), ("b", "5"), ("b", "6"))
    multi.add("c", "7")
    multi.insert(0, "z", "0")
    assert multi.fields == (("z", "0"), ("a", "9"), ("b", "5"), ("b", "6"), ("c", "7"))
    del multi["b"]
    assert "b" not in multi
    with pytest.raises(KeyError):
        del multi["b"]
    multi.update({"n": "m"})
    assert multi.pop("n") == "m"
    multi.clear()
    assert multi.fields == ()


def test_copies_are_independent(multi):
    copy = multi.copy()
    assert isinstance(copy, MultiDict)
    assert copy == multi
    copy["a"] = "x"
    assert copy != multi
    assert multi["a"] == "1"


def test_equality_and_repr():
    assert MultiDict(PAIRS) != dict(PAIRS)
    assert repr(MultiDict([("a", 1)])) == "MultiDict([('a', 1)])"
    with pytest.raises(TypeError):
        hash(MultiDict())


def test_state_round_trip():
    first = MultiDict(PAIRS)
    assert MultiDict.from_state(first.get_state()) == first
    second = MultiDict()
    second.set_state([["a", "1"]])
    assert second.fields == (("a", "1"),)


@pytest.mark.parametrize("value", [MultiDict([("a", "1")]), {"a": "1"}, [("a", "1")], iter([["a", "1"]])])
def test_pairs_of(value):
    assert pairs_of(value) == (("a", "1"),)
