import pytest

from midstream.errors import UsageError
from midstream.wire.h1 import line as kinds
from midstream.wire.h1.line import (
    check_raw_line,
    classify,
    kinds_of,
    options_of,
    read_line,
    written_line,
    written_lines,
)


@pytest.mark.parametrize(
    ("line", "field", "is_odd"),
    [
        (b"Accept: */*", (b"Accept", b"*/*"), False),
        (b"accept:*/*", (b"accept", b"*/*"), True),
        (b"Accept:  \t*/*\t ", (b"Accept", b"*/*"), True),
        (b"Accept:", (b"Accept", b""), True),
        (b"Accept: ", (b"Accept", b""), False),
        (b"Accept:   ", (b"Accept", b""), True),
        (b"A!#$%&'*+-.^_`|~9: a:b: c", (b"A!#$%&'*+-.^_`|~9", b"a:b: c"), False),
        (b"Name: caf\xe9 \xff", (b"Name", b"caf\xe9 \xff"), False),
        (b"Name: a\tb", (b"Name", b"a\tb"), False),
    ],
)
def test_clean_lines(line, field, is_odd):
    for _ in range(2):  # the second answer comes from the memo
        assert read_line(line) == (field, kinds.ODD if is_odd else 0)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Accept",
        b": x",
        b"Ac cept: x",
        b"Accept : x",
        b" Accept: x",
        b"A\xe9: x",
        b"A: \x00",
        b"A: a\rb",
        b"A: a\nb",
        b"A: \x7f",
    ]
    + [b"A: %c" % code for code in range(9)],
)
def test_ob_06_lines_that_are_not_clean(line):
    assert read_line(line) is None


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (b"Content-Length", b"5", kinds.LENGTH),
        (b"CONTENT-LENGTH", b"0" * 18, kinds.LENGTH),
        (b"Transfer-Encoding", b"chunked", kinds.CODING),
        (b"Host", b"a.example:80", kinds.HOST),
        (b"Host", b"[::1]:80", kinds.HOST),
        (b"Host", b"under_score.example.", kinds.HOST),
        (b"Host", b"", kinds.HOST),
        (b"Connection", b"keep-alive", kinds.CONNECTION | kinds.KEEP_ALIVE),
        (b"connection", b"Close , TE,", kinds.CONNECTION | kinds.CLOSE | kinds.NAMES_OTHER),
        (b"Connection", b"Upgrade", kinds.CONNECTION | kinds.NAMES_UPGRADE),
        (b"Upgrade", b"websocket", kinds.UPGRADE),
        (b"Expect", b"100-Continue", kinds.EXPECT),
        (b"Expect", b"a-miracle", 0),
        (b"TE", b"trailers", kinds.HOP),
        (b"Keep-Alive", b"timeout=5", kinds.HOP),
        (b"Proxy-Connection", b"keep-alive", kinds.HOP),
        (b"Proxy-Authorization", b"Basic YQ==", kinds.HOP),
        (b"Accept", b"*/*", 0),
    ],
)
def test_kinds(name, value, expected):
    assert classify(name, value) == expected


@pytest.mark.parametrize("value", [b"+1", b"-1", b"1_0", b" 1", b"", b"0x5", b"5, 5", b"\xb2", "٣".encode(), b"1" * 19])
def test_h1_05_lengths_that_are_no_plain_numbers(value):
    assert classify(b"Content-Length", value) == kinds.LENGTH | kinds.DOUBTFUL_FRAMING


@pytest.mark.parametrize("value", [b"Chunked", b"chunked, chunked", b"gzip", b"", b"chunked;q=1", b"\x0bchunked"])
def test_h1_06_codings_that_are_not_plainly_chunked(value):
    assert classify(b"Transfer-Encoding", value) == kinds.CODING | kinds.DOUBTFUL_FRAMING


@pytest.mark.parametrize("value", [b"a b", b"a/b", b"user@a", b"a,b@c", b"\xe9.example", b"a#b", b"a?b", b"a\\b"])
def test_h1_30_hosts_that_need_judgement(value):
    assert classify(b"Host", value) == kinds.HOST | kinds.DOUBTFUL_HOST


def test_a_field_is_written_and_classified():
    for _ in range(2):
        assert written_line((b"X-Empty", b"")) == (b"X-Empty: \r\n", 0)
    assert written_lines([(b"a", b"b"), (b"TE", b"trailers")]) == [(b"a: b\r\n", 0), (b"TE: trailers\r\n", kinds.HOP)]
    assert kinds_of([(b"new-%d" % 1, b"b"), (b"TE", b"trailers"), (b"bad name", b"x")]) == [0, kinds.HOP, 0]


@pytest.mark.parametrize(
    ("field", "named"),
    [
        ((b"", b"x"), "empty"),
        ((b"a b", b"x"), "a b"),
        ((b"a:b", b"x"), "a:b"),
        ((b"a\r\nb", b"x"), "a"),
        ((b"\x01", b"x"), "control"),
        ((b"Fine", b"a\r\nEvil: b"), "Fine"),
        ((b"Fine", b"a\nb"), "Fine"),
        ((b"Fine", b"a\x00b"), "Fine"),
        ((b"Fine", "text"), "bytes, not bytes and str"),
        (("Fine", b"text"), "Fine"),
    ],
)
def test_h1_58_unwritable_fields_are_named(field, named):
    with pytest.raises(UsageError, match=named):
        written_line(field)


def test_raw_lines():
    assert check_raw_line(b"a:b") == b"a:b\r\n"
    with pytest.raises(UsageError, match="holds CR"):
        check_raw_line(b"a:b\r\nc:d")


def test_options():
    assert options_of(b" Close,,keep-alive , TE\t") == [b"close", b"keep-alive", b"te"]
