import pytest

from midstream.flow import Headers

FIELDS = [(b"Host", b"a"), (b"X-A", b"1"), (b"x-a", b"2"), (b"Last", b"\xff\xe4")]


def test_wrap_takes_the_list_over():
    pairs = list(FIELDS)
    headers = Headers.wrap(pairs)
    assert headers.pairs is pairs
    assert headers.fields == tuple(FIELDS)
    assert not headers.edited


def test_look_up_ignores_case_and_folds():
    headers = Headers(FIELDS)
    assert headers["HOST"] == "a"
    assert headers["X-a"] == "1, 2"
    assert headers[b"host"] == "a"
    assert headers.get_all("x-A") == ["1", "2"]
    assert headers.get("none") is None
    assert headers.get_all("none") == []
    with pytest.raises(KeyError):
        headers["none"]


def test_odd_bytes_survive_as_surrogates():
    headers = Headers(FIELDS)
    text = headers["last"]
    headers["copy"] = text
    assert headers.fields[-1] == (b"copy", b"\xff\xe4")


def test_contains():
    headers = Headers(FIELDS)
    assert "hOST" in headers
    assert b"x-a" in headers
    assert "nope" not in headers
    assert 5 not in headers


def test_iteration_names_each_field_once():
    headers = Headers(FIELDS)
    assert list(headers) == ["Host", "X-A", "Last"]
    assert len(headers) == 3
    assert list(headers.keys()) == ["Host", "X-A", "Last"]
    assert list(headers.keys(multi=True)) == ["Host", "X-A", "x-a", "Last"]
    assert list(headers.values())[1] == "1, 2"
    assert list(headers.values(multi=True))[1:3] == ["1", "2"]
    assert list(headers.items())[1] == ("X-A", "1, 2")
    assert list(headers.items(multi=True))[2] == ("x-a", "2")


def change_set(headers):
    headers["x-A"] = "9"


def change_new(headers):
    headers["New"] = b"v"


def change_delete(headers):
    del headers["X-a"]


def change_add(headers):
    headers.add("x-A", "3")


def change_insert(headers):
    headers.insert(0, "First", "1")


def change_fields(headers):
    headers.fields = [(b"a", b"b")]


def change_set_all(headers):
    headers.set_all("x-a", ["7", "8", "9"])


def change_state(headers):
    headers.set_state([(b"a", b"c")])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (change_set, [FIELDS[0], (b"X-A", b"9"), FIELDS[3]]),
        (change_new, [*FIELDS, (b"New", b"v")]),
        (change_delete, [FIELDS[0], FIELDS[3]]),
        (change_add, [*FIELDS, (b"x-A", b"3")]),
        (change_insert, [(b"First", b"1"), *FIELDS]),
        (change_fields, [(b"a", b"b")]),
        (change_set_all, [FIELDS[0], (b"X-A", b"7"), (b"x-a", b"8"), FIELDS[3], (b"x-a", b"9")]),
        (change_state, [(b"a", b"c")]),
    ],
)
def test_changes_leave_the_wrapped_list_alone(change, expected):
    pairs = list(FIELDS)
    headers = Headers.wrap(pairs)
    change(headers)
    assert headers.pairs == expected
    assert headers.edited
    assert pairs == FIELDS


def test_removing_what_is_not_there():
    headers = Headers(FIELDS)
    with pytest.raises(KeyError):
        del headers["none"]
    assert headers.pop("none", None) is None
    assert not headers.edited


def test_mapping_methods():
    headers = Headers(FIELDS)
    assert headers.pop("x-a") == "1, 2"
    assert headers.setdefault("host", "b") == "a"
    headers.update({"q": "r"})
    assert headers["q"] == "r"
    headers.clear()
    assert headers.fields == ()


def test_keywords_name_headers():
    headers = Headers([(b"Host", b"x")], content_type="text/plain", host="y")
    assert headers.fields == ((b"Host", b"y"), (b"content-type", b"text/plain"))
    assert not headers.edited


@pytest.mark.parametrize("fields", [[("a", b"b")], [(b"a", "b")]])
def test_fields_have_to_be_bytes(fields):
    with pytest.raises(TypeError, match="pairs of bytes"):
        Headers(fields)


def test_values_have_to_be_text_or_bytes():
    with pytest.raises(TypeError, match="expected text or bytes"):
        Headers()["a"] = 5


def test_equality_compares_fields():
    assert Headers(FIELDS) == Headers(FIELDS)
    assert Headers(FIELDS) != Headers(FIELDS[:2])
    assert Headers(FIELDS) != dict(FIELDS)
    with pytest.raises(TypeError):
        hash(Headers())


def test_block_and_repr():
    headers = Headers([(b"A", b"1"), (b"b", b"2")])
    assert bytes(headers) == b"A: 1\r\nb: 2\r\n"
    assert repr(headers) == "Headers([(b'A', b'1'), (b'b', b'2')])"


def test_copies_are_independent():
    headers = Headers(FIELDS)
    copy = headers.copy()
    copy["host"] = "other"
    assert headers["host"] == "a"
    assert not headers.edited


def test_state_round_trip():
    headers = Headers(FIELDS)
    assert Headers.from_state([list(pair) for pair in headers.get_state()]) == headers
