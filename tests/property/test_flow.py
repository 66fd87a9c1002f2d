"""What a script reads and writes back is what was there; what peers send never raises."""

from hypothesis import given
from hypothesis import strategies as st

from midstream.flow import Headers, MultiDict, Request, charset, cookies, encoding, multipart, url

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
names = st.sampled_from([b"A", b"a", b"B", b"Set-Cookie", b"\xff"])
fields = st.lists(st.tuples(names, st.binary(max_size=8)), max_size=8)
codings = st.lists(st.sampled_from(["gzip", "deflate", "deflateraw", "br", "zstd", "identity"]), max_size=3).map(
    ", ".join
)
content_types = st.sampled_from(
    [
        "",
        "text/html",
        "text/css",
        "application/xml",
        "text/plain; charset=utf-16",
        "text/plain; charset=latin-1",
        "a; charset=\xff",
    ]
)


@given(st.binary(max_size=2000), codings)
def test_codings_round_trip(data, header):
    assert encoding.decode(encoding.encode(data, header), header) == data


@given(st.binary(max_size=300), st.text(max_size=20) | codings)
def test_decoding_never_raises(data, header):
    assert isinstance(encoding.decode_partly(data, header).data, bytes)


@given(st.binary(min_size=50, max_size=2000), st.sampled_from(["gzip", "deflate", "br", "zstd"]), st.data())
def test_a_truncated_body_gives_a_prefix(data, header, choice):
    whole = encoding.encode(data, header)
    cut = choice.draw(st.integers(1, len(whole) - 1))
    result = encoding.decode_partly(whole[:cut], header)
    assert data.startswith(result.data)
    assert result.problem


@given(st.binary(max_size=300), content_types)
def test_reading_text_never_raises(data, content_type):
    assert isinstance(charset.decode(data, content_type), str)


@given(text, content_types)
def test_text_round_trips(content, content_type):
    request = Request.make("POST", "http://a/", b"", {"content-type": content_type})
    request.text = content
    again = request.get_text(strict=True)
    assert again.lstrip("\ufeff") == content.lstrip("\ufeff")


@given(st.lists(st.tuples(text, text), max_size=5))
def test_queries_round_trip(pairs):
    assert url.decode(url.encode(pairs)) == [pair for pair in pairs]  # noqa: C416 - pairs are tuples in both


@given(
    st.text(max_size=40)
    | st.sampled_from(["http://", "https://[::1]:", "http://a@b:"]).flatmap(lambda s: text.map(s.__add__))
)
def test_urls_are_parsed_or_refused(value):
    try:
        scheme, host, port, path = url.parse(value)
    except ValueError:
        return
    again = url.unparse(scheme.decode(), url.host_text(host), port, path.decode())
    assert url.parse(again) == (scheme, host, port, path)


boundaries = st.sampled_from([b"x", b"--", b"a b", b"----WebKit"])
heads = st.lists(st.sampled_from([b'Content-Disposition: form-data; name="a"', b"X: y", b"Odd line"]), max_size=3)
contents = st.lists(st.sampled_from([b"\r\n", b"--", b"\xff", b"value", b"\r", b"\n", b"\0"]), max_size=6).map(b"".join)


@given(boundaries, st.lists(st.tuples(heads.map(b"\r\n".join), contents), max_size=4), contents, contents)
def test_h1_53_what_is_read_as_a_form_is_written_back_exactly(boundary, parts, preamble, epilogue):
    body = preamble + (b"\r\n" if preamble else b"")
    body += b"".join(b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary, head, content) for head, content in parts)
    body += b"--%s--%s" % (boundary, epilogue)
    form = multipart.parse(f'multipart/form-data; boundary="{boundary.decode()}"', body)
    if form is not None:
        assert form.dump() == body
        assert form.with_pairs(form.pairs()).dump() == body


@given(st.binary(max_size=200))
def test_any_bytes_are_a_form_or_none(body):
    form = multipart.parse("multipart/form-data; boundary=x", b"--x\r\n" + body + b"\r\n--x--")
    assert form is None or form.dump() == b"--x\r\n" + body + b"\r\n--x--"


@given(st.text(max_size=60))
def test_cookies_never_raise(value):
    cookies.parse_cookie_header(value)
    for name, content, attrs in cookies.parse_set_cookie_header(value):
        cookies.format_set_cookie_header(name, content, attrs)
        cookies.expiration(attrs, 0.0)
    cookies.refresh_set_cookie_header(value, 5.0)


actions = st.lists(
    st.one_of(
        st.tuples(st.just("set_all"), names, st.lists(st.sampled_from(["1", "2"]), max_size=3)),
        st.tuples(st.just("add"), names, st.sampled_from(["1", "2"])),
    ),
    max_size=5,
)


@given(fields, actions)
def test_headers_agree_with_a_plain_multidict(pairs, steps):
    headers = Headers(pairs)
    plain = MultiDict([(name.lower(), value) for name, value in pairs])
    for action, name, value in steps:
        getattr(headers, action)(name, value)
        raw = [item.encode() for item in value] if action == "set_all" else value.encode()
        getattr(plain, action)(name.lower(), raw)
    assert [(name.lower(), value) for name, value in headers.fields] == list(plain.fields)
