import pytest

from midstream.flow import url


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("http://example.com", (b"http", b"example.com", 80, b"/")),
        ("HTTPS://example.com/a?b=c#d", (b"https", b"example.com", 443, b"/a?b=c")),
        ("https://example.com:8443?x", (b"https", b"example.com", 8443, b"/?x")),
        ("http://[::1]:8080/", (b"http", b"::1", 8080, b"/")),
        ("http://user:pw@example.com/", (b"http", b"example.com", 80, b"/")),
        ("http://bücher.example/ü?ä=ö", (b"http", b"xn--bcher-kva.example", 80, b"/%C3%BC?%C3%A4=%C3%B6")),
        (b"http://a/\xff", (b"http", b"a", 80, b"/%FF")),
        ("http://a/%zz|{}", (b"http", b"a", 80, b"/%zz|{}")),
        ("http://a#frag", (b"http", b"a", 80, b"/")),
        ("http://a:/x", (b"http", b"a", 80, b"/x")),
        ("gopher://a:70/", (b"gopher", b"a", 70, b"/")),
    ],
)
def test_parse(text, parts):
    assert url.parse(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "foo",
        "http://",
        "://a",
        "http:///x",
        "http://a:99999/",
        "http://a:x/",
        "http://a b/",
        "gopher://a/",
        "http://[zz]/",
    ],
)
def test_nonsense_is_refused(text):
    with pytest.raises(ValueError, match=r"not an absolute URL|not a host|no port"):
        url.parse(text)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("http", "a", 80, "/x"), "http://a/x"),
        (("https", "a", 80, "/"), "https://a:80/"),
        (("http", "::1", 80, ""), "http://[::1]"),
        (("http", "[::1]", 81, ""), "http://[::1]:81"),
    ],
)
def test_unparse(args, text):
    assert url.unparse(*args) == text


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), (b"HTTPS", 443), ("ftp", None), (b"\xff", None)])
def test_default_port(scheme, port):
    assert url.default_port(scheme) == port


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("a", ("a", None)), ("a:80", ("a", 80)), (b"a:80", ("a", 80)), ("[::1]:80", ("::1", 80)), ("[::1]", ("::1", None)),
        (b"xn--bcher-kva.example:1", ("bücher.example", 1)), ("xn--bcher-kva.example", ("bücher.example", None)),
        ("a:", ("a", None)),
    ],
)  # fmt: skip
def test_authorities(text, result):
    assert url.parse_authority(text, check=True) == result
    assert url.parse_authority(text, check=False) == result


@pytest.mark.parametrize("text", ["", ":", "a:b", "a:99999", "a b", "::1", "[::1", "a\n", b"\xff", "." * 300])
def test_odd_authorities(text):
    with pytest.raises(ValueError, match="not a host"):
        url.parse_authority(text, check=True)
    shown = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text
    assert url.parse_authority(text, check=False) == (shown, None)


@pytest.mark.parametrize(
    ("host", "valid"),
    [("a.b-c_d", True), ("a.", True), ("127.0.0.1", True), ("::1", True), (b"a", True), ("", False), ("a..b", False),
     ("a/b", False), (b"\xff", False), ("a" * 64, False), ("ü.de", True)],
)  # fmt: skip
def test_valid_hosts(host, valid):
    assert url.is_valid_host(host) is valid


def test_idna_that_is_none():
    assert url.host_text(b"xn--\xff") == "xn--\udcff"
    assert url.host_bytes("ü" * 70) == ("ü" * 70).encode()


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        ("a=1&b=", [("a", "1"), ("b", "")]),
        (b"a=%20+x", [("a", "  x")]),
        ("a", [("a", "")]),
        ("a=%FF", [("a", "\udcff")]),
        ("", []),
    ],
)
def test_queries(query, pairs):
    assert url.decode(query) == pairs


def test_queries_keep_their_style():
    assert url.encode([("a", ""), ("b", "c d")]) == "a=&b=c+d"
    assert url.encode([("a", ""), ("b", "c")], similar_to="x&y=1") == "a&b=c"
    assert url.encode([("a", "")], similar_to="x=") == "a="
    assert url.encode([("a", "\udcff")]) == "a=%FF"


def test_quoting():
    assert url.quote("a/b ü") == "a/b%20%C3%BC"
    assert url.quote("a/b", safe="") == "a%2Fb"
    assert url.unquote("a%2Fb%FF") == "a/b\udcff"


def test_written_authorities():
    assert url.hostport("https", "::1", 443) == "[::1]"
    assert url.hostport("https", "[::1]", 444) == "[::1]:444"
    assert url.with_port("a", 80) == "a:80"
    assert url.with_port("::1", 80) == "[::1]:80"
