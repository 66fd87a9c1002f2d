import email.utils

import pytest

from midstream.flow import Headers, Response
from midstream.flow.cookies import CookieAttrs


def test_construction_stores_what_it_gets():
    headers = Headers([(b"a", b"b")])
    response = Response(b"HTTP/1.1", 200, b"OK", headers, None, [(b"t", b"u")])
    assert response.headers is headers
    assert response.trailers["t"] == "u"
    assert not response.edited
    with pytest.raises(TypeError, match="pairs of bytes"):
        Response(b"HTTP/1.1", 200, b"OK", [("a", "b")], None)


@pytest.mark.parametrize(("content", "raw"), [(b"abc", b"abc"), ("ü", b"\xc3\xbc"), (b"", b"")])
def test_make(content, raw):
    response = Response.make(404, content, {"X": "y"})
    assert (response.status_code, response.reason, response.http_version) == (404, "Not Found", "HTTP/1.1")
    assert response.raw_content == raw
    assert response.headers.fields == ((b"X", b"y"), (b"content-length", str(len(raw)).encode()))
    assert Response.make(799).reason == ""


def test_status_and_reason(response):
    response.status_code = 418
    assert response.edited
    response.mark_unedited()
    response.reason = "Tëapot"
    assert response.edited
    assert response.data.reason == b"T\xebapot"
    response.reason = b"raw"
    assert response.reason == "raw"
    response.data.status_code = 500
    assert response.status_code == 500


def test_repr(response):
    assert repr(response) == "Response(200, text/plain)"
    response.raw_content = None
    assert repr(response) == "Response(200, no content)"
    assert repr(Response.make(200)) == "Response(200, unknown content type)"


def test_cookies(response):
    assert not response.cookies
    response.cookies = [("a", ("1", CookieAttrs([("Path", "/")]))), ("b", ("2", {"HttpOnly": None}))]
    assert response.headers.get_all("set-cookie") == ["a=1; Path=/", "b=2; HttpOnly"]
    assert response.cookies["b"] == ("2", CookieAttrs([("HttpOnly", None)]))
    response.cookies["a"] = ("3", ())
    assert response.headers.get_all("set-cookie") == ["a=3", "b=2; HttpOnly"]


def test_refresh(response):
    def date(moment):
        return email.utils.formatdate(moment, usegmt=True)

    response.timestamp_start = 1000.0
    response.headers["date"] = date(1000)
    response.headers["expires"] = "0"
    response.headers["last-modified"] = date(500)
    response.headers["set-cookie"] = f"a=b; expires={date(2000)}"
    response.refresh(now=1100.0)
    assert response.headers["date"] == date(1100)
    assert response.headers["expires"] == "0"
    assert response.headers["last-modified"] == date(600)
    assert response.headers["set-cookie"] == f"a=b; expires={date(2100)}"
    plain = Response.make()
    plain.refresh()
    assert "date" not in plain.headers


def test_state_round_trip(response):
    state = response.get_state()
    assert {"status_code", "reason"} < set(state)
    assert Response.from_state(state) == response
