import pytest

from midstream.filters import Filter, match, match_all, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~c 404 & ~s", True), ("~c 200 & ~s", False), ("~c 200 | ~s", True), ("~c 200 | ~q", False),
        ("~s & ~http & ~c 404", True), ("~s & ~http & ~c 200", False), ("~q | ~tcp | ~s", True), ("~q | ~tcp | ~e", False),
        ("!~q", True), ("!~s", False), ("!(~s & ~q)", True),
    ],
)  # fmt: skip
def test_terms_are_joined(flow, text, expected):
    assert parse(text)(flow) is expected


def test_a_filter_keeps_its_pattern():
    flt = parse("~q & ~u x")
    assert isinstance(flt, Filter)
    assert flt.pattern == "~q & ~u x"
    assert repr(flt) == "Filter('~q & ~u x')"


@pytest.mark.parametrize(("text", "needs"), [("~u x", False), ("~u x & !~bs y", True), ("(~b x | ~q)", True)])
def test_filters_know_whether_they_read_bodies(text, needs):
    assert parse(text).needs_body is needs


def test_match_takes_text_filters_and_nothing(flow):
    assert match("~s", flow)
    assert not match(parse("~q"), flow)
    assert match(None, flow)
    assert match_all(flow)
