import pytest

from midstream.wire.errors import Profile
from midstream.wire.events import END, Data, RequestHead, ResponseHead
from midstream.wire.h1.head import is_tunnel

HOST = b"Host: a.example\r\n"


def test_a_plain_request(read_request):
    block = HOST + b"Accept:  */*\r\n\r\n"
    assert read_request(b"GET /x?y HTTP/1.1\r\n" + block) == [
        RequestHead(
            b"GET",
            b"/x?y",
            b"HTTP/1.1",
            [(b"Host", b"a.example"), (b"Accept", b"*/*")],
            0,
            block,
            host=b"a.example",
            odd_lines={(b"Accept", b"*/*"): b"Accept:  */*"},
        ),
        END,
    ]


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("method", [b"GET", b"get", b"PROPFIND", b"M-SEARCH", b"X!#$%&'*+-.^_`|~9"])
def test_h1_56_any_token_is_a_method(read_request, method, profile):
    assert read_request(method + b" / HTTP/1.1\r\n" + HOST + b"\r\n", profile)[0].method == method


@pytest.mark.parametrize("target", [b"/caf\xc3\xa9", b"/\xff", b'/a|b^{c}"<>`\\', b"*", b"/%zz", b"//x", b"/a#b"])
def test_h1_36_the_target_is_forwarded_raw(read_request, target):
    assert read_request(b"OPTIONS " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")[0].target == target


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET",
        b"GET /",
        b"GET  HTTP/1.1",
        b"GET / http/1.1",
        b"GET / HTTP/1.1 x",
        b"GET /a b HTTP/1.1",
        b"GET /\x00 HTTP/1.1",
        b"GET /\x7f HTTP/1.1",
        b"GET /\r HTTP/1.1",
        b"GET\x0b/ HTTP/1.1",
        b"G(T / HTTP/1.1",
        b"G\xc9T / HTTP/1.1",
        b" GET / HTTP/1.1",
        b"GET / HTTP/1.10",
        b"GET / HTTP/11",
        b"GET / XTTP/1.1",
    ],
)
@pytest.mark.parametrize("profile", list(Profile))
def test_ob_06_bad_request_lines(read_request, refusal, line, profile):
    if line:
        assert refusal(read_request(line + b"\r\n" + HOST + b"\r\n", profile))[1] == 400


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/0.9", b"HTTP/9.9"])
@pytest.mark.parametrize("profile", list(Profile))
def test_h1_56_unsupported_version_gives_505(read_request, refusal, version, profile):
    assert refusal(read_request(b"GET / " + version + b"\r\n" + HOST + b"\r\n", profile))[1] == 505


@pytest.mark.parametrize("line", [b"GET / HTTP/1.2", b"GET  / HTTP/1.1", b"GET\t/ HTTP/1.1", b"GET / HTTP/1.1 "])
def test_odd_request_lines_are_annotated(read_request, refusal, line):
    head, _ = read_request(line + b"\r\n" + HOST + b"\r\n")
    assert (head.method, head.target) == (b"GET", b"/")
    assert len(head.faults) == 1
    assert head.faults[0].reference.startswith("RFC")
    assert head.block == b""
    assert refusal(read_request(line + b"\r\n" + HOST + b"\r\n", Profile.STRICT))


def test_h1_29_host_is_required_in_1_1(read_request, refusal):
    for profile in (Profile.STRICT, Profile.LENIENT):
        assert refusal(read_request(b"GET / HTTP/1.1\r\n\r\n", profile)) == ("no Host field", 400)
    raw = read_request(b"GET / HTTP/1.1\r\n\r\n", Profile.RAW)[0]
    assert raw.host is None
    assert raw.faults
    old = read_request(b"GET / HTTP/1.0\r\n\r\n", Profile.STRICT)[0]
    assert (old.host, old.faults, old.block) == (None, (), b"\r\n")


def test_h1_30_of_two_hosts_the_first_is_used_and_sent(read_request, refusal):
    data = b"GET / HTTP/1.1\r\nA: b\r\nHost: a\r\nC: d\r\nhost: b\r\n\r\n"
    head = read_request(data)[0]
    assert head.host == b"a"
    assert head.headers == [(b"A", b"b"), (b"Host", b"a"), (b"C", b"d")]
    assert "more than one Host" in head.faults[0].message
    assert head.block == b""
    assert refusal(read_request(data, Profile.STRICT))


@pytest.mark.parametrize("host", [b"a b", b"a/b", b"x@a", b"a?", b"a\\b", b"<a>"])
def test_h1_30_hosts_that_cannot_be_routed(read_request, refusal, host):
    data = b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
    assert refusal(read_request(data))[1] == 400
    assert read_request(data, Profile.RAW)[0].host == host


@pytest.mark.parametrize("host", [b"", b"\xe9.example", b"-a-.", b"[::1]:8080", b"xn--a"])
def test_h1_37_odd_hosts_are_tolerated(read_request, host):
    assert read_request(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")[0].host == host


@pytest.mark.parametrize(
    ("line", "host", "differs"),
    [
        (b"GET http://a.example/x", b"a.example", False),
        (b"GET HTTP://A.example/x", b"a.example", False),
        (b"GET http://a.example:80/x", b"a.example", False),
        (b"GET http://a.example", b"a.example:80", False),
        (b"GET https://a.example/", b"a.example:443", False),
        (b"GET http://u:p@a.example?q", b"a.example", False),
        (b"GET ws://a.example/", b"a.example", False),
        (b"GET http://b.example/x", b"a.example", True),
        (b"GET http://a.example:8080/x", b"a.example", True),
        (b"GET http://a.example.evil/x", b"a.example", True),
        (b"CONNECT a.example:443", b"a.example:443", False),
        (b"CONNECT a.example:443", b"a.example", False),
        (b"CONNECT a.example:443", b"b.example:443", True),
        (b"OPTIONS *", b"a.example", False),
    ],
)
def test_h1_30_host_and_target(read_request, refusal, line, host, differs):
    data = line + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
    head = read_request(data)[0]
    assert (len(head.faults) == 1) is differs
    assert bool(refusal(read_request(data, Profile.STRICT))) is differs


def test_h1_07_transfer_encoding_in_1_0_is_refused(read_request, refusal):
    data = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert "HTTP/1.0" in refusal(read_request(data))[0]
    assert read_request(data, Profile.RAW)[0].body_size is None


def test_connect(read_request, refusal):
    head, end = read_request(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 0\r\n\r\n")
    assert (head.target, head.body_size, end) == (b"a:443", 0, END)
    for field in (b"Content-Length: 5", b"Transfer-Encoding: chunked"):
        data = b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n" + field + b"\r\n\r\n"
        assert refusal(read_request(data))[1] == 400
        assert read_request(data, Profile.RAW)[0].body_size == 0


def test_h1_19_expect_is_reported(read_request):
    fields = b"Expect: 100-Continue\r\nContent-Length: 2\r\n\r\nab"
    head = read_request(b"PUT / HTTP/1.1\r\n" + HOST + fields)[0]
    assert head.expects_continue
    assert head.block
    assert not read_request(b"PUT / HTTP/1.0\r\n" + HOST + fields)[0].expects_continue


def test_h1_60_upgrade_is_reported(read_request):
    fields = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    head = read_request(b"GET ws://a.example/ HTTP/1.1\r\n" + HOST + fields)[0]
    assert head.upgrade == b"websocket"
    assert head.block == b""
    assert read_request(b"GET / HTTP/1.0\r\n" + HOST + fields)[0].upgrade == b""


def test_h1_32_h1_34_empty_and_non_ascii_values_stay(read_request):
    head = read_request(b"GET / HTTP/1.1\r\n" + HOST + b"A:\r\nB: \xff\xfe\r\n\r\n")[0]
    assert head.headers[1:] == [(b"A", b""), (b"B", b"\xff\xfe")]


# Responses


def test_a_plain_response(read_response):
    block = b"Content-Length: 2\r\n\r\n"
    assert read_response(b"HTTP/1.1 200 Very OK \r\n" + block + b"ab") == [
        ResponseHead(200, b"Very OK ", b"HTTP/1.1", [(b"Content-Length", b"2")], 2, block),
        Data(b"ab"),
        END,
    ]


@pytest.mark.parametrize("line", [b"HTTP/1.1 204", b"HTTP/1.1 204 "])
@pytest.mark.parametrize("profile", list(Profile))
def test_h1_01_no_reason_phrase(read_response, line, profile):
    head = read_response(line + b"\r\n\r\n", profile=profile)[0]
    assert (head.status, head.reason, head.faults) == (204, b"", ())


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1",
        b"HTTP/1.1 20",
        b"HTTP/1.1 2000",
        b"HTTP/1.1 +20",
        b"HTTP/1.1 099",
        b"HTTP/2.0 200",
        b"http/1.1 200",
        b"hello",
        b"HTTP/1.1 200 a\rb",
        b"HTTP/1.1 200 \x00",
    ],
)
@pytest.mark.parametrize("profile", list(Profile))
def test_bad_status_lines(read_response, refusal, line, profile):
    assert refusal(read_response(line + b"\r\n\r\n", profile=profile))


@pytest.mark.parametrize(
    ("line", "version", "status", "reason"),
    [
        (b"ICY 200 OK", b"HTTP/1.0", 200, b"OK"),
        (b"HTTP/1.1  200  OK", b"HTTP/1.1", 200, b"OK"),
        (b"HTTP/1.2 200 OK", b"HTTP/1.2", 200, b"OK"),
        (b"HTTP/1.1 799 Odd", b"HTTP/1.1", 799, b"Odd"),
        (b"HTTP/1.1\t200", b"HTTP/1.1", 200, b""),
    ],
)
def test_h1_43_odd_status_lines_are_annotated(read_response, refusal, line, version, status, reason):
    data = line + b"\r\nContent-Length: 0\r\n\r\n"
    head = read_response(data)[0]
    assert (head.version, head.status, head.reason) == (version, status, reason)
    assert len(head.faults) == 1
    assert refusal(read_response(data, profile=Profile.STRICT))


@pytest.mark.parametrize("fields", [b"", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"])
@pytest.mark.parametrize(("method", "status"), [(b"HEAD", b"200"), (b"GET", b"304"), (b"HEAD", b"404")])
def test_h1_11_h1_12_bodiless_answers_keep_their_fields(read_response, fields, method, status):
    head, end = read_response(b"HTTP/1.1 " + status + b" X\r\n" + fields + b"\r\n", method)
    assert (head.body_size, head.faults, end) == (0, (), END)
    assert head.block == fields + b"\r\n"
    assert len(head.headers) == bool(fields)


def test_h1_07_transfer_encoding_where_there_is_no_body(read_response, refusal):
    data = b"HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n"
    head = read_response(data)[0]
    assert head.headers == []
    assert "Transfer-Encoding in a 204" in head.faults[0].message
    assert refusal(read_response(data, profile=Profile.STRICT))
    interim = read_response(b"HTTP/1.1 103 X\r\nTransfer-Encoding: chunked\r\n\r\n")[0]
    assert interim.headers == []
    assert interim.faults


def test_a_length_where_there_is_no_body(read_response):
    assert read_response(b"HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n", profile=Profile.STRICT)[0].faults == ()
    assert read_response(b"HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\n")[0].faults


def test_h1_07_transfer_encoding_in_a_1_0_response_is_dropped(read_response, refusal):
    data = b"HTTP/1.0 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"
    head, body = read_response(data)
    assert (head.headers, head.body_size, body) == ([], None, Data(b"5\r\n"))
    assert refusal(read_response(data, profile=Profile.STRICT))


def test_h1_15_neither_length_nor_coding_reads_until_close(read_response):
    head, body = read_response(b"HTTP/1.1 200 OK\r\n\r\nabc")
    assert (head.body_size, body) == (None, Data(b"abc"))


def test_h1_06_an_unknown_coding_reads_until_close(read_response):
    head, body = read_response(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n\r\n1\r\na\r\n0\r\n\r\n")
    assert (head.body_size, body) == (None, Data(b"1\r\na\r\n0\r\n\r\n"))


def test_h1_26_success_of_connect_ignores_framing(read_response):
    head, end = read_response(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"CONNECT")
    assert (head.body_size, head.faults, end) == (0, (), END)
    head, body, _ = read_response(b"HTTP/1.1 407 No\r\nContent-Length: 5\r\n\r\nhello", b"CONNECT")
    assert (head.body_size, body) == (5, Data(b"hello"))


def test_tunnels():
    assert is_tunnel(101, b"GET")
    assert is_tunnel(200, b"CONNECT")
    assert not is_tunnel(200, b"GET")
    assert not is_tunnel(407, b"CONNECT")
