import pytest

from midstream.errors import UsageError
from midstream.wire.errors import PeerError, Profile
from midstream.wire.events import RequestHead, ResponseHead
from midstream.wire.h2.heads import (
    DEFAULT_ORDER,
    read_request,
    read_response,
    read_trailers,
    request_fields,
    response_fields,
)
from midstream.wire.h2.hpack import Block
from midstream.wire.tolerance import Tolerance

METHOD, SCHEME, AUTHORITY, PATH = (b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/x")
PLAIN = [METHOD, SCHEME, AUTHORITY, PATH]


def block(*fields) -> Block:
    return Block(list(fields), frozenset(), is_whole=True)


def request(*fields, profile=Profile.LENIENT, is_end=True, has_extended=False) -> RequestHead:
    return read_request(block(*fields), Tolerance(profile), is_end=is_end, has_extended=has_extended)[0]


def response(*fields, profile=Profile.LENIENT, is_end=False, method=b"GET"):
    return read_response(block(*fields), Tolerance(profile), is_end=is_end, method=method)


def test_a_request():
    head = request(*PLAIN, (b"host", b"a"), (b"expect", b"100-continue"), is_end=False)
    assert (head.method, head.scheme, head.authority, head.target) == (b"GET", b"https", b"a", b"/x")
    assert (head.host, head.expects_continue, head.body_size, head.version) == (b"a", True, None, b"HTTP/2.0")


@pytest.mark.parametrize(("length", "is_end", "size"), [(b"5", False, 5), (b"0", False, None), (b"0", True, 0)])
def test_sizes_of_request_bodies(length, is_end, size):
    assert request(*PLAIN, (b"content-length", length), is_end=is_end).body_size == size


def test_a_block_that_came_before_is_read_once():
    found = block(*PLAIN, (b"a", b"b"))
    tolerance = Tolerance(Profile.LENIENT)
    first, _ = read_request(found, tolerance, is_end=True, has_extended=False)
    section = found.section
    second, _ = read_request(found, tolerance, is_end=False, has_extended=False)
    assert found.section is section
    assert first.headers == second.headers
    assert first.headers is not second.headers
    found = block(*PLAIN, (b"a", b" b"))
    for _ in range(2):
        head, _ = read_request(found, tolerance, is_end=True, has_extended=False)
        assert len(head.faults) == 1


@pytest.mark.parametrize(
    "fields",
    [
        [SCHEME, AUTHORITY, PATH],
        [(b":method", b""), SCHEME, AUTHORITY, PATH],
        [(b":method", b"G T"), SCHEME, AUTHORITY, PATH],
        [METHOD, AUTHORITY, PATH],
        [METHOD, SCHEME, AUTHORITY],
        [METHOD, SCHEME, AUTHORITY, (b":path", b"")],
        [METHOD, SCHEME, AUTHORITY, (b":path", b"/a b")],
        [METHOD, SCHEME, AUTHORITY, (b":path", b"/a\r\nb")],
        [METHOD, (b":scheme", b"1"), AUTHORITY, PATH],
        [METHOD, SCHEME, (b":authority", b"a b"), PATH],
        [METHOD, SCHEME, (b":authority", b""), PATH],
        [*PLAIN, (b":protocol", b"x")],
        [(b":method", b"CONNECT"), AUTHORITY, PATH],
        [(b":method", b"CONNECT"), AUTHORITY, SCHEME],
        [(b":method", b"CONNECT"), (b"host", b"a")],
        [(b":method", b"CONNECT"), (b":protocol", b"")],
    ],
)
def test_h2_27_h2_28_requests_that_are_refused_always(fields):
    for profile in Profile:
        with pytest.raises(PeerError, match="RFC"):
            request(*fields, profile=profile)


@pytest.mark.parametrize(
    "fields",
    [
        [METHOD, SCHEME, PATH],
        [METHOD, SCHEME, AUTHORITY, (b":path", b"http://b/")],
        [METHOD, SCHEME, AUTHORITY, (b":path", b"*")],
        [METHOD, SCHEME, (b":authority", b"user@a"), PATH],
        [*PLAIN, (b"content-length", b"5")],
    ],
)
def test_requests_that_only_raw_passes_on(fields):
    for profile in (Profile.STRICT, Profile.LENIENT):
        with pytest.raises(PeerError, match="RFC"):
            request(*fields, profile=profile)
    assert len(request(*fields, profile=Profile.RAW).faults) == 1


def test_unusual_requests_that_are_none_the_less_right():
    assert request((b":method", b"OPTIONS"), SCHEME, AUTHORITY, (b":path", b"*")).target == b"*"
    assert request((b":method", b"brew"), (b":scheme", b"coffee"), AUTHORITY, PATH).method == b"brew"
    assert request(METHOD, SCHEME, PATH, (b"host", b"a")).authority == b""
    head = request((b":method", b"CONNECT"), SCHEME, AUTHORITY, PATH, (b":protocol", b"x"), has_extended=True)
    assert (head.protocol, head.pseudo_order) == (b"x", b"m,s,a,p,r")


@pytest.mark.parametrize(
    ("status", "method", "is_end", "size", "length"),
    [
        (b"200", b"GET", False, 5, 5),
        (b"200", b"HEAD", False, None, 0),
        (b"200", b"HEAD", True, 0, 0),
        (b"304", b"GET", True, 0, 0),
        (b"204", b"GET", False, None, 0),
        (b"200", b"CONNECT", False, None, -1),
        (b"200", b"CONNECT", True, 0, -1),
        (b"407", b"CONNECT", False, 5, 5),
        (b"103", b"GET", False, 0, -1),
    ],
)
def test_sizes_of_response_bodies(status, method, is_end, size, length):
    head, found = response((b":status", status), (b"content-length", b"5"), is_end=is_end, method=method)
    assert (head.body_size, found) == (size, length)


@pytest.mark.parametrize("status", [b"", b"20", b"2000", b"abc", b"099", b"101"])
def test_statuses_that_are_none(status):
    with pytest.raises(PeerError, match=r"RFC 9113 §8\."):
        response((b":status", status))


def test_responses_that_are_wrong():
    with pytest.raises(PeerError, match="status ''"):
        response((b"a", b"b"))
    with pytest.raises(PeerError, match="interim"):
        response((b":status", b"100"), is_end=True)
    with pytest.raises(PeerError, match="no body"):
        response((b":status", b"200"), (b"content-length", b"1"), is_end=True)
    head, _ = response((b":status", b"200"), (b"content-length", b"1"), is_end=True, profile=Profile.RAW)
    assert len(head.faults) == 1


def test_trailers():
    found = block((b"a", b"b"))
    trailers = read_trailers(found, Tolerance(Profile.LENIENT))
    assert trailers.headers == [(b"a", b"b")]
    trailers.headers.clear()
    assert found.fields


# Back


def test_requests_go_as_they_came():
    for order in (b"m,a,s,p", b"p,m,s,a", b"s,p,a,m"):
        head = RequestHead(
            b"GET", b"/x", b"HTTP/2.0", [(b"host", b"a"), (b"b", b"c")], 0, scheme=b"http", authority=b"a"
        )
        head.pseudo_order = order
        fields = request_fields(head, DEFAULT_ORDER)
        assert b",".join(name[1:2] for name, _ in fields[:4]) == order
        assert fields[4:] == [(b"host", b"a"), (b"b", b"c")]


def test_h2_29_authority_from_host_and_back():
    head = RequestHead(b"GET", b"/", b"HTTP/1.1", [(b"Host", b"a"), (b"B", b"c")], 0)
    assert request_fields(head, b"m,p,a,s") == [
        (b":method", b"GET"), (b":path", b"/"), (b":authority", b"a"), (b":scheme", b"https"), (b"b", b"c"),
    ]  # fmt: skip
    head = RequestHead(b"GET", b"/", b"HTTP/1.0", [], 0)
    assert (b":authority", b"") not in request_fields(head, DEFAULT_ORDER)
    head = RequestHead(b"GET", b"/", b"HTTP/2.0", [(b"host", b"a")], 0, pseudo_order=b"m,s,p", scheme=b"https")
    assert request_fields(head, DEFAULT_ORDER) == [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":path", b"/"),
        (b"host", b"a"),
    ]
    head.authority = b"edited"
    assert (b":authority", b"edited") in request_fields(head, DEFAULT_ORDER)


def test_connects():
    head = RequestHead(b"CONNECT", b"a:443", b"HTTP/1.1", [(b"Host", b"a:443")], 0)
    assert request_fields(head, DEFAULT_ORDER) == [(b":method", b"CONNECT"), (b":authority", b"a:443")]
    head = RequestHead(b"CONNECT", b"a:443", b"HTTP/2.0", [], None)
    assert request_fields(head, DEFAULT_ORDER) == [(b":method", b"CONNECT"), (b":authority", b"a:443")]


@pytest.mark.parametrize(
    "changes",
    [
        {"method": b""}, {"method": b"A B"}, {"target": b""}, {"target": b"/ x"}, {"scheme": b":"}, {"authority": b"a\nb"},
    ],
)  # fmt: skip
def test_requests_that_cannot_be_sent(changes):
    head = RequestHead(b"GET", b"/", b"HTTP/2.0", [], 0, scheme=b"https", authority=b"a")
    for name, value in changes.items():
        setattr(head, name, value)
    with pytest.raises(UsageError, match="holds what it must not"):
        request_fields(head, DEFAULT_ORDER)


def test_responses_lose_their_reason():
    head = ResponseHead(200, b"Fine", b"HTTP/1.1", [(b"A", b"b")])
    assert response_fields(head) == [(b":status", b"200"), (b"a", b"b")]
    for status in (101, 0, 1000):
        with pytest.raises(UsageError, match=str(status)):
            response_fields(ResponseHead(status, b"", b"HTTP/1.1", []))


def test_a_response_with_faults_is_read_again_each_time():
    found = block((b":status", b"200"), (b"a", b" b"))
    for _ in range(2):
        head, _ = read_response(found, Tolerance(Profile.LENIENT), is_end=True, method=b"GET")
        assert len(head.faults) == 1
