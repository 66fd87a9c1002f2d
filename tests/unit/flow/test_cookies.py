import email.utils
import time

import pytest

from midstream.flow import cookies
from midstream.flow.cookies import CookieAttrs


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        ("", []),
        ("a=b; c=d", [("a", "b"), ("c", "d")]),
        ("a=b=c;d", [("a", "b=c"), ("d", "")]),
        ('a="x y"; a=2', [("a", '"x y"'), ("a", "2")]),
        ("a = b ;; c=", [("a", "b"), ("c", "")]),
    ],
)
def test_cookie_headers(value, pairs):
    assert cookies.parse_cookie_header(value) == pairs


def test_formatting_cookies():
    assert cookies.format_cookie_header([("a", "b"), ("c", ""), ("", "x")]) == "a=b; c=; x"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a=b", [("a", "b", ())]),
        ("a=b; Path=/; HttpOnly", [("a", "b", (("Path", "/"), ("HttpOnly", None)))]),
        (
            "a=b; Expires=Wed, 21 Oct 2015 07:28:00 GMT; Secure",
            [("a", "b", (("Expires", "Wed, 21 Oct 2015 07:28:00 GMT"), ("Secure", None)))],
        ),
        ("a=b; Path=/, c=d; Path=/x", [("a", "b", (("Path", "/"),)), ("c", "d", (("Path", "/x"),))]),
        (
            "a=b; expires=Wed, 21-Oct-2015 07:28:00 GMT, c=d",
            [("a", "b", (("expires", "Wed, 21-Oct-2015 07:28:00 GMT"),)), ("c", "d", ())],
        ),
        ('a="x, y=z"; Path=/', [("a", '"x, y=z"', (("Path", "/"),))]),
        ("a=x,y=z", [("a", "x,y=z", ())]),
        ("", []),
    ],
)
def test_set_cookie_headers(value, expected):
    assert [
        (name, content, attrs.fields) for name, content, attrs in cookies.parse_set_cookie_header(value)
    ] == expected


@pytest.mark.parametrize("value", ["a=b; Path=/; HttpOnly", "a=b", "token"])
def test_set_cookie_round_trip(value):
    assert [cookies.format_set_cookie_header(*cookie) for cookie in cookies.parse_set_cookie_header(value)] in (
        [value],
        [value + "="],
    )


def test_nameless_cookie():
    assert cookies.format_set_cookie_header("", "x", CookieAttrs()) == "x"


def test_attributes_ignore_case():
    attrs = CookieAttrs([("Path", "/a"), ("HttpOnly", None), ("path", "/b")])
    assert attrs["PATH"] == "/b"
    assert attrs["httponly"] is None
    assert "PaTh" in attrs
    assert 5 not in attrs
    assert attrs.get_all("path") == ["/a", "/b"]
    attrs["path"] = "/c"
    assert attrs.fields == (("Path", "/c"), ("HttpOnly", None))
    attrs["new"] = "1"
    del attrs["HTTPONLY"]
    assert attrs.fields == (("Path", "/c"), ("new", "1"))
    for missing in (attrs.__getitem__, attrs.__delitem__):
        with pytest.raises(KeyError):
            missing("none")


def http_date(moment):
    return email.utils.formatdate(moment, usegmt=True)


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ([], None),
        ([("Max-Age", "10")], 1010.0),
        ([("Max-Age", "x"), ("Expires", http_date(5))], 5.0),
        ([("Expires", http_date(7)), ("Max-Age", "0")], 1000.0),
        ([("Expires", "Thu, 01 Jan 1970 00:00:09")], 9.0),
        ([("Expires", "nonsense")], None),
        ([("Expires", None)], None),
        ([("Max-Age", None)], None),
    ],
)
def test_expiration(attrs, expected):
    assert cookies.expiration(CookieAttrs(attrs), now=1000.0) == expected


def test_expired_cookies():
    assert cookies.is_expired(CookieAttrs([("Max-Age", "0")]))
    assert not cookies.is_expired(CookieAttrs([("Max-Age", "60")]))
    assert not cookies.is_expired(CookieAttrs())
    assert cookies.get_expiration_ts(CookieAttrs([("Expires", http_date(7))])) == 7.0
    assert cookies.get_expiration_ts(CookieAttrs([("Max-Age", "60")])) > time.time()


@pytest.mark.parametrize(
    ("value", "moved"),
    [
        ("a=b; Expires=Thu, 01 Jan 1970 00:00:10 GMT; Path=/", "a=b; Expires=Thu, 01 Jan 1970 00:01:10 GMT; Path=/"),
        ("a=b; Path=/", "a=b; Path=/"),
        ("a=b; Expires=x", "a=b; Expires=x"),
        ("", ""),
    ],
)
def test_refreshing(value, moved):
    assert cookies.refresh_set_cookie_header(value, 60) == moved


def test_grouping():
    assert cookies.group_cookies([("a", "b")]) == [("a", "b", CookieAttrs())]
