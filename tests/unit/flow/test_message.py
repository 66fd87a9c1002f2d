import gzip

import pytest

from midstream.flow import Body, Headers, Message, Response


def set_version(message):
    message.http_version = "HTTP/1.0"


def set_headers(message):
    message.headers = [(b"a", b"b")]


def change_header(message):
    message.headers["a"] = "b"


def set_trailers(message):
    message.trailers = [(b"a", b"b")]


def remove_trailers(message):
    message.trailers = None


def set_raw(message):
    message.raw_content = b"other"


def set_content(message):
    message.content = b"other"


def set_text(message):
    message.text = "other"


def set_data(message):
    message.data.http_version = b"HTTP/1.0"


def set_data_content(message):
    message.data.content = None


@pytest.mark.parametrize(
    "change",
    [set_version, set_headers, change_header, set_trailers, remove_trailers, set_raw, set_content, set_text, set_data,
     set_data_content],
)  # fmt: skip
def test_every_change_is_an_edit(response, http_request, change):
    for message in (response, http_request):
        assert not message.edited
        change(message)
        assert message.edited
        message.mark_unedited()
        assert not message.edited


def test_changes_of_trailers_are_edits(response):
    response.trailers = Headers([(b"a", b"b")])
    response.mark_unedited()
    assert not response.edited
    response.trailers["a"] = "c"
    assert response.edited
    response.mark_unedited()
    assert not response.edited


def test_recording_and_streaming_are_no_edits(response):
    response.body = Body(limit=10)
    response.body.append(b"recorded")
    response.stream = True
    response.timestamp_end = 9.0
    assert response.raw_content == response.content == b"recorded"
    assert not response.edited


def test_bodies_that_were_dropped_are_missing(response):
    response.body = Body(limit=0)
    response.body.append(b"x")
    assert response.raw_content is None
    assert response.content is None
    assert response.text is None
    assert response.decoded().problem == "the body was not kept"
    with pytest.raises(TypeError, match="no body"):
        response.json()


@pytest.mark.parametrize(
    ("version", "names"),
    [("HTTP/1.0", "is_http10"), ("HTTP/1.1", "is_http11"), ("HTTP/2.0", "is_http2"), ("HTTP/3", "is_http3")],
)
def test_versions(response, version, names):
    response.http_version = version.encode()
    assert response.http_version == version
    assert [name for name in ("is_http10", "is_http11", "is_http2", "is_http3") if getattr(response, name)] == [names]


def test_ad_08_wire_body_decoded_body_and_text_are_three_things(response):
    response.headers["content-encoding"] = "gzip"
    response.headers["content-type"] = "text/plain; charset=latin-1"
    response.text = "ü"
    assert response.text == "ü"
    assert response.content == b"\xfc"
    assert gzip.decompress(response.raw_content) == b"\xfc"
    assert response.headers["content-length"] == str(len(response.raw_content))


def test_ad_08_h1_14_chunked_messages_get_no_content_length(response):
    response.headers.fields = [(b"Transfer-Encoding", b"chunked")]
    response.content = b"longer body"
    assert response.headers.fields == ((b"Transfer-Encoding", b"chunked"),)


def test_ad_08_setting_the_wire_body_leaves_headers_alone(response):
    response.raw_content = b"longer body"
    assert response.headers["content-length"] == "4"


def test_unknown_codings_go_when_content_is_set(response):
    response.headers["content-encoding"] = "sdch"
    assert response.content == b"body"
    response.content = b"new"
    assert "content-encoding" not in response.headers
    assert response.raw_content == b"new"


@pytest.mark.parametrize("name", ["content", "raw_content"])
def test_bodies_take_bytes(response, name):
    with pytest.raises(TypeError, match="takes bytes, got str"):
        setattr(response, name, "text")


def test_missing_bodies_can_be_set(response):
    response.content = None
    assert response.raw_content is None
    response.text = None
    assert response.content is None
    assert response.headers["content-length"] == "4"


def test_h1_48_a_body_that_is_not_what_it_says(response):
    response.headers["content-encoding"] = "gzip"
    assert response.content == b"body"
    assert "not valid gzip" in response.decoded().problem
    with pytest.raises(ValueError, match="not valid gzip"):
        response.get_content(strict=True)
    with pytest.raises(ValueError, match="not valid gzip"):
        response.get_text(strict=True)


def test_h1_49_truncated_bodies_can_be_looked_at(response):
    response.headers["content-encoding"] = "gzip"
    response.raw_content = gzip.compress(bytes(range(256)) * 300)[:-100]
    result = response.decoded()
    assert result.data.startswith(bytes(range(256)))
    assert "too early" in result.problem


def test_decoding_is_done_once(response):
    response.headers["content-encoding"] = "gzip"
    response.raw_content = gzip.compress(b"text")
    assert response.content is response.content
    first = response.content
    response.raw_content = gzip.compress(b"other")
    assert response.content == b"other"
    response.headers["content-encoding"] = "identity"
    assert response.content == response.raw_content
    assert first == b"text"


def test_decode_and_encode(response):
    response.encode("gzip")
    response.encode("br")
    assert response.headers["content-encoding"] == "gzip, br"
    assert response.content == b"body"
    response.decode()
    assert response.raw_content == b"body"
    assert response.headers["content-length"] == "4"
    assert "content-encoding" not in response.headers
    response.encode("identity")
    assert "content-encoding" not in response.headers
    with pytest.raises(ValueError, match="cannot encode"):
        response.encode("nope")


def test_decoding_nonsense(response):
    response.headers["content-encoding"] = "gzip"
    with pytest.raises(ValueError, match="not valid gzip"):
        response.decode()
    assert response.headers["content-encoding"] == "gzip"
    response.decode(strict=False)
    assert response.raw_content == b"body"


def test_encoding_a_missing_body(response):
    response.raw_content = None
    response.encode("gzip")
    assert response.headers["content-encoding"] == "gzip"
    assert response.raw_content is None


def test_text_that_does_not_fit_the_charset(response):
    response.headers["content-type"] = "text/plain; charset=latin-1"
    response.text = "€"
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text == "€"


def test_json(response):
    response.text = '{"a": 1.5}'
    assert response.json() == {"a": 1.5}
    assert response.json(parse_float=str) == {"a": "1.5"}
    response.text = "{"
    with pytest.raises(ValueError, match="Expecting"):
        response.json()


def test_copies_are_independent_and_unedited(response):
    response.trailers = [(b"t", b"1")]
    response.stream = True
    copy = response.copy()
    assert copy == response
    assert not copy.edited
    assert copy.stream is False
    copy.headers["a"] = "b"
    copy.trailers["t"] = "2"
    assert copy != response
    assert response.trailers["t"] == "1"
    assert response != "response"
    with pytest.raises(TypeError):
        hash(response)


def test_data_shows_what_is_stored(response):
    assert response.data.http_version == b"HTTP/1.1"
    assert response.data.headers is response.headers
    assert response.data.content == b"body"
    assert response.data.trailers is None
    assert response.data.timestamp_start == 3.0
    assert response.data.timestamp_end == 4.0
    response.data.headers = Headers([(b"x", b"y")])
    assert response.headers["x"] == "y"
    assert type(response.data).http_version.__class__.__name__ == "DataField"


def test_the_base_cannot_be_restored():
    with pytest.raises(NotImplementedError):
        Message.from_state({})


@pytest.mark.parametrize("headers", [{"a": "b"}, {b"a": b"b"}, [(b"a", b"b")], Headers([(b"a", b"b")])])
def test_headers_in_any_shape(headers):
    assert Response.make(204, b"", headers).headers["a"] == "b"
