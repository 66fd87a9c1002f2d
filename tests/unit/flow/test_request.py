import pytest

from midstream.flow import Headers, MultiDict, Request


def make(**fields):
    values = {
        "host": "example.com", "port": 443, "method": b"GET", "scheme": b"https", "authority": b"", "path": b"/",
        "http_version": b"HTTP/1.1", "headers": (), "content": b"", "trailers": None, "timestamp_start": 1.0,
        "timestamp_end": None,
    }  # fmt: skip
    return Request(**(values | fields))


def test_construction_stores_what_it_gets():
    headers = Headers([(b"a", b"b")])
    request = make(headers=headers, trailers=[(b"t", b"u")])
    assert request.headers is headers
    assert request.trailers["t"] == "u"
    assert not request.edited
    with pytest.raises(TypeError, match="pairs of bytes"):
        make(headers=[("a", "b")])


def test_make():
    request = Request.make("post", "https://example.com:8443/p?q", "tëxt", {"X": "y"})
    assert request.method == "POST"
    assert request.url == "https://example.com:8443/p?q"
    assert request.content == "tëxt".encode()
    assert request.headers["content-length"] == "5"
    assert request.headers["x"] == "y"
    assert Request.make("GET", "http://a/", b"raw").content == b"raw"
    assert repr(request) == "Request(POST https://example.com:8443/p?q)"


def test_data_is_a_view(http_request):
    data = http_request.data
    assert (data.host, data.port, data.method, data.scheme, data.authority, data.path) == (
        "example.com", 80, b"POST", b"http", b"", b"/a/b?x=1&y=2",
    )  # fmt: skip
    data.method = b"get"
    assert http_request.method == "GET"
    assert http_request.data.method == b"get"
    assert http_request.edited


@pytest.mark.parametrize(
    ("name", "value"),
    [("method", "PUT"), ("scheme", "https"), ("authority", "a:1"), ("host", "b"), ("port", 81), ("path", "/x"),
     ("url", "http://c/"), ("host_header", "d"), ("query", {"a": "b"}), ("cookies", {"a": "b"}), ("path_components", ["x"])],
)  # fmt: skip
def test_every_setter_is_an_edit(http_request, name, value):
    setattr(http_request, name, value)
    assert http_request.edited
    if name not in ("url", "query", "cookies", "path_components"):
        assert getattr(http_request, name) == value


def test_looking_is_no_edit(http_request):
    for name in (
        "url",
        "pretty_url",
        "query",
        "cookies",
        "multipart_form",
        "urlencoded_form",
        "path_components",
        "text",
    ):
        getattr(http_request, name)
    assert not http_request.edited


@pytest.mark.parametrize(
    ("fields", "form"),
    [({"method": b"CONNECT"}, "authority"), ({"authority": b"a"}, "absolute"), ({}, "relative")],
)
def test_first_line_format(fields, form):
    assert make(**fields).first_line_format == form


def test_ad_09_host_and_port_keep_host_field_and_authority_right():
    request = make(headers=[(b"hOst", b"old")], authority=b"old")
    request.host = "new"
    assert request.headers.fields == ((b"hOst", b"new"),)
    assert request.authority == "new"
    request.port = 8443
    assert request.headers["host"] == "new:8443"
    assert request.authority == "new:8443"
    request.host = b"::1"
    assert request.headers["host"] == "[::1]:8443"


def test_ad_09_nothing_is_added():
    request = make()
    request.host = "new"
    assert "host" not in request.headers
    assert request.authority == ""


def test_ad_09_connect_keeps_its_port():
    request = make(method=b"CONNECT", authority=b"old:443")
    request.host = "new"
    assert request.authority == "new:443"
    assert request.url == "new:443"
    assert request.pretty_url == "new:443"


def test_ad_09_setting_the_url_moves_everything():
    request = make(headers=[(b"Host", b"old")])
    request.url = "http://bücher.example:81/x?y#z"
    assert (request.scheme, request.host, request.port, request.path) == ("http", "bücher.example", 81, "/x?y")
    assert request.headers["host"] == "bücher.example:81"


def test_a_bad_url_changes_nothing(http_request):
    with pytest.raises(ValueError, match="not an absolute URL"):
        http_request.url = "nonsense"
    assert not http_request.edited


def test_international_authorities():
    request = make()
    request.authority = "bücher.example:8443"
    assert request.data.authority == b"xn--bcher-kva.example:8443"
    assert request.authority == "bücher.example:8443"
    request.authority = "bücher.example"
    assert request.data.authority == b"xn--bcher-kva.example"
    request.authority = b"raw"
    assert request.data.authority == b"raw"


def test_host_header_on_http1():
    request = make(authority=b"abs")
    assert request.host_header is None
    request.host_header = "named"
    assert request.headers["Host"] == "named"
    request.host_header = None
    assert "host" not in request.headers


def test_host_header_on_http2():
    request = make(http_version=b"HTTP/2.0", authority=b"named")
    assert request.host_header == "named"
    request.host_header = "other"
    assert request.authority == "other"
    assert "host" not in request.headers
    request.headers["host"] = "x"
    request.host_header = "third"
    assert request.headers["host"] == "third"
    request.host_header = None
    assert request.authority == ""
    assert request.host_header is None


@pytest.mark.parametrize(
    ("fields", "url", "pretty", "host"),
    [
        ({}, "https://example.com/", "https://example.com/", "example.com"),
        ({"headers": [(b"Host", b"named")]}, "https://example.com/", "https://named/", "named"),
        ({"headers": [(b"Host", b"named:1")]}, "https://example.com/", "https://named:1/", "named"),
        ({"headers": [(b"Host", b"::odd::")]}, "https://example.com/", "https://[::odd::]/", "::odd::"),
        ({"path": b"*", "method": b"OPTIONS"}, "https://example.com", "https://example.com", "example.com"),
        ({"scheme": b"odd", "headers": [(b"Host", b"n")]}, "odd://example.com:443/", "odd://n:443/", "n"),
        ({"method": b"CONNECT"}, "example.com:443", "example.com:443", "example.com"),
    ],
)
def test_urls(fields, url, pretty, host):
    request = make(**fields)
    assert (request.url, request.pretty_url, request.pretty_host) == (url, pretty, host)


def test_query(http_request):
    assert http_request.query.fields == (("x", "1"), ("y", "2"))
    http_request.query["x"] = "a b"
    assert http_request.path == "/a/b?x=a+b&y=2"
    http_request.query.clear()
    assert http_request.path == "/a/b"
    http_request.query = [("a", "")]
    assert http_request.path == "/a/b?a="


def test_path_components(http_request):
    assert http_request.path_components == ("a", "b")
    http_request.path_components = ("c d", "e/f")
    assert http_request.path == "/c%20d/e%2Ff?x=1&y=2"


def test_cookies(http_request):
    assert not http_request.cookies
    http_request.cookies = MultiDict([("a", "1"), ("b", "2")])
    assert http_request.headers["cookie"] == "a=1; b=2"
    http_request.headers.add("Cookie", "c=3")
    assert list(http_request.cookies.items()) == [("a", "1"), ("b", "2"), ("c", "3")]
    del http_request.cookies["b"]
    assert http_request.headers.get_all("cookie") == ["a=1; c=3"]
    http_request.cookies.clear()
    assert "cookie" not in http_request.headers


def test_urlencoded_forms(http_request):
    assert not http_request.urlencoded_form
    http_request.urlencoded_form = {"a": "1", "b": "x y"}
    assert http_request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert http_request.content == b"a=1&b=x+y"
    assert http_request.headers["content-length"] == "9"
    http_request.headers["content-type"] = "application/x-www-form-urlencoded; charset=utf-8"
    http_request.urlencoded_form["c"] = ""
    assert http_request.content == b"a=1&b=x+y&c="
    assert http_request.headers["content-type"].endswith("charset=utf-8")
    http_request.content = None
    assert not http_request.urlencoded_form


def test_h1_53_multipart_forms(http_request):
    assert not http_request.multipart_form
    http_request.multipart_form = {b"a": b"1"}
    assert http_request.multipart_form.fields == ((b"a", b"1"),)
    assert http_request.headers["content-length"] == str(len(http_request.raw_content))
    part = b'--xyz\r\nContent-Disposition: form-data; name="f"; filename="g"\r\nContent-Type: a/b\r\n\r\n'
    http_request.headers["content-type"] = "multipart/form-data; boundary=xyz"
    http_request.content = part + b"old\r\n--xyz--\r\n"
    http_request.multipart_form[b"f"] = b"\r\nnew\xff"
    assert http_request.content == part + b"\r\nnew\xff\r\n--xyz--\r\n"
    assert http_request.headers["content-type"] == "multipart/form-data; boundary=xyz"
    http_request.content = None
    assert not http_request.multipart_form


def test_asking_for_plain_answers():
    request = make(headers=[(b"If-None-Match", b"x"), (b"Accept-Encoding", b"gzip;q=1, sdch, BR")])
    request.constrain_encoding()
    assert request.headers["accept-encoding"] == "gzip;q=1, BR"
    request.anticache()
    assert "if-none-match" not in request.headers
    request.anticomp()
    assert request.headers["accept-encoding"] == "identity"
    bare = make()
    bare.constrain_encoding()
    assert not bare.headers


def test_state_round_trip(http_request):
    state = http_request.get_state()
    assert set(state) == {
        "http_version", "headers", "content", "trailers", "timestamp_start", "timestamp_end", "host", "port", "method",
        "scheme", "authority", "path",
    }  # fmt: skip
    assert Request.from_state(state) == http_request
    http_request.set_state(state)
    assert http_request.edited
