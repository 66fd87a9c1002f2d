from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.errors import OptionsError
from midstream.options.kinds import FilePath, Size, kind_of


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (bool, "true", True),
        (bool, " Off ", False),
        (int, "-3", -3),
        (float, "0.5", 0.5),
        (float, "2", 2.0),
        (str, " as it is ", " as it is "),
        (Size, "512", 512),
        (Size, "512b", 512),
        (Size, "64K", 65536),
        (Size, "1.5m", 3 << 19),
        (Size, "10MB", 10 << 20),
        (Size, "2g", 2 << 30),
        (Size, "1t", 1 << 40),
        (FilePath, "/a/b", "/a/b"),
        (Literal["one", "TWO"], "two", "TWO"),
        (int | None, "", None),
        (int | None, "7", 7),
        (Union[str, None], "", None),  # noqa: UP007 - the older spelling, which scripts still use
        (Sequence[str], "a; b\nc;;", ("a", "b", "c")),
        (Sequence[int], "1;2", (1, 2)),
    ],
)
def test_text_becomes_a_value(annotation, text, value):
    assert kind_of(annotation).read(text) == value


@pytest.mark.parametrize(
    ("annotation", "text", "expected"),
    [
        (bool, "maybe", "true or false"),
        (int, "x", "a whole number"),
        (int, "1.5", "a whole number"),
        (float, "x", "a number"),
        (float, "nan", "a number"),
        (float, "inf", "a number"),
        (Size, "10q", 'a size such as "512"'),
        (Size, "-1", "a size"),
        (Size, "", "a size"),
        (FilePath, "a\0b", "a path"),
        (Literal["one", "two"], "three", "one of one, two"),
        (int | None, "x", "a whole number (or nothing)"),
    ],
)
def test_unreadable_text_is_refused_with_what_was_expected(annotation, text, expected):
    with pytest.raises(OptionsError, match="expected") as caught:
        kind_of(annotation).read(text)
    assert expected.removesuffix(" (or nothing)") in str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "value", "stored"),
    [
        (bool, True, True),
        (int, 4, 4),
        (float, 4, 4.0),
        (str, "x", "x"),
        (Size, "1k", 1024),
        (Size, 0, 0),
        (FilePath, Path("/x/y"), "/x/y"),
        (Sequence[str], ["a", "b"], ("a", "b")),
        (str | None, None, None),
    ],
)
def test_python_values_are_stored(annotation, value, stored):
    result = kind_of(annotation).check(value)
    assert result == stored
    assert type(result) is type(stored)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (bool, 1),
        (bool, "true"),
        (int, True),
        (int, "1"),
        (int, 1.0),
        (float, "1"),
        (float, False),
        (str, b"x"),
        (Size, -1),
        (Size, True),
        (Size, 1.5),
        (FilePath, 3),
        (Literal["a"], 1),
        (Sequence[str], "text"),
        (Sequence[str], 5),
        (Sequence[str], [1]),
        (int | None, "x"),
    ],
)
def test_python_values_of_another_type_are_refused(annotation, value):
    with pytest.raises(OptionsError):
        kind_of(annotation).check(value)


@pytest.mark.parametrize("annotation", [int, float])
def test_bounds(annotation):
    kind = kind_of(annotation, lowest=1, highest=3)
    assert kind.check(1) == 1
    assert kind.check(3) == 3
    for beyond in (0, 4):
        with pytest.raises(OptionsError, match="from 1 to 3"):
            kind.check(beyond)
    assert kind_of(annotation, lowest=1).expects.endswith("of at least 1")
    assert kind_of(annotation, highest=3).expects.endswith("of at most 3")


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (bool, False, "false"),
        (bool, True, "true"),
        (int, 3, "3"),
        (float, 600.0, "600"),
        (Size, 0, "0"),
        (Size, 1000, "1000"),
        (Size, 10 << 20, "10m"),
        (Size, 1536, "1536"),
        (Size, 1 << 40, "1t"),
        (int | None, None, ""),
        (int | None, 4, "4"),
        (Sequence[str], ("a", "b"), "a;b"),
        (str, "x", "x"),
    ],
)
def test_values_are_shown_as_they_are_read(annotation, value, text):
    kind = kind_of(annotation)
    assert kind.show(value) == text
    assert kind.read(text) == value


def test_paths_know_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    kind = kind_of(FilePath)
    assert kind.read("~/x") == "/home/me/x"
    assert kind.show("/home/me/x") == "~/x"
    assert kind.show("/home/mesh/x") == "/home/mesh/x"


@pytest.mark.parametrize(
    ("annotation", "value", "result"),
    [
        (FilePath, "a.py", "/conf/a.py"),
        (FilePath, "/a.py", "/a.py"),
        (FilePath | None, None, None),
        (Sequence[FilePath], ("a", "/b"), ("/conf/a", "/b")),
        (str, "a", "a"),
    ],
)
def test_only_relative_paths_are_put_into_a_folder(annotation, value, result):
    assert kind_of(annotation).within("/conf", value) == result


def test_choices_can_be_given_apart():
    assert kind_of(str, choices=["a", "b"]).read("B") == "b"
    assert kind_of(Sequence[str], choices=["a", "b"]).check(["a"]) == ("a",)
    with pytest.raises(OptionsError, match="one of a, b"):
        kind_of(str | None, choices=["a", "b"]).check("c")


@pytest.mark.parametrize("annotation", [dict, bytes, int | str | None, dict[str, int], object])
def test_other_types_are_no_options(annotation):
    with pytest.raises(TypeError, match="no option can be"):
        kind_of(annotation)


@given(
    st.text(), st.sampled_from([bool, int, float, str, Size, FilePath, Literal["a", "b"], int | None, Sequence[Size]])
)
def test_any_text_is_read_or_refused_and_what_is_read_can_be_shown(text, annotation):
    kind = kind_of(annotation)
    try:
        value = kind.check(kind.read(text))
    except OptionsError:
        return
    assert kind.read(kind.show(value)) == value or annotation is float
