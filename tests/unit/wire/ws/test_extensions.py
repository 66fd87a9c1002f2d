import pytest

from midstream.wire.errors import PeerError
from midstream.wire.ws.extensions import Extension, read_extensions, written_extension


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", []),
        (b" , ", []),
        (b"foo", [Extension(b"foo", (), b"foo")]),
        (
            b" Foo ;Bar; baz = 1 , ,x-a",
            [Extension(b"foo", ((b"bar", None), (b"baz", b"1")), b"Foo ;Bar; baz = 1"), Extension(b"x-a", (), b"x-a")],
        ),
        (b'a; b="10", c', [Extension(b"a", ((b"b", b"10"),), b'a; b="10"'), Extension(b"c", (), b"c")]),
        (b'a; b="1\\0"', [Extension(b"a", ((b"b", b"10"),), b'a; b="1\\0"')]),
        (b"a,b,", [Extension(b"a", (), b"a"), Extension(b"b", (), b"b")]),
    ],
)
def test_what_is_in_the_grammar(value, expected):
    assert read_extensions(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        b"a b",
        b";a",
        b"a;",
        b"a; b=",
        b"a; b=c d",
        b'a; b="',
        b'a; b="x y"',
        b'a; b=""',
        b"a;;b",
        b"a=b",
        b"\xff",
        b'a; b="\x01"',
        b"a; b=1=2",
    ],
)
def test_what_is_not(value):
    with pytest.raises(PeerError, match=r"RFC 6455 §9\.1"):
        read_extensions(value)


def test_writing():
    assert written_extension(b"a", []) == b"a"
    assert written_extension(b"a", [(b"b", None), (b"c", b"1")]) == b"a; b; c=1"
