"""Where a request goes."""

import pytest

from midstream.proxy.target import Target, Way, ascii_host, join_authority, resolve, split_authority
from midstream.wire.errors import PeerError, Profile
from midstream.wire.events import RequestHead

EXPLICIT = Way(is_explicit=True)
FIXED = Way(is_explicit=False, scheme="https", destination=("d", 8443))


def head(target, host=b"a", method=b"GET", version=b"HTTP/1.1"):
    return RequestHead(method, target, version, [], host=host)


@pytest.mark.parametrize(
    ("authority", "parts"),
    [
        (b"a", ("a", None)),
        (b"A:80", ("a", 80)),
        (b"a:", ("a", None)),
        (b"[::1]", ("::1", None)),
        (b"[::1]:443", ("::1", 443)),
        (b"[FE80::1%eth0]:443", ("fe80::1%eth0", 443)),
        (b"[::ffff:1.2.3.4]", ("::ffff:1.2.3.4", None)),
        ("ä.example:81".encode(), ("xn--4ca.example", 81)),
    ],
)
def test_h1_37_authorities(authority, parts):
    assert split_authority(authority) == parts


@pytest.mark.parametrize(
    "authority",
    [
        b"", b":80", b"a:0", b"a:65536", b"a:-1", b"a:+1", b"a:1_0", b"a:80:80", b"::1", b"[::1", b"[::1]80", b"[]",
        b"[x]", b"[a:g::]", b"a b", b"a/b", b"a?b", b"a#b", b"u@a", b"a\\b", b"a\x00", b"\xff", "\u2488com".encode() + b"\xff",
        b"a:\xd9\xa3",
    ],
)  # fmt: skip
def test_h1_37_what_is_no_authority(authority):
    with pytest.raises(PeerError) as caught:
        split_authority(authority)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("parts", "authority"),
    [
        (("a", 80, "http"), b"a"),
        (("a", 443, "http"), b"a:443"),
        (("a", 443, "https"), b"a"),
        (("::1", 80, "http"), b"[::1]"),
        (("::1", 81, "http"), b"[::1]:81"),
        (("a", 80, "ftp"), b"a:80"),
    ],
)
def test_authorities_are_joined(parts, authority):
    assert join_authority(*parts) == authority


def test_a_host_in_ascii():
    assert ascii_host(b"A_B.example.") == "a_b.example."


def test_a_fixed_destination_decides():
    assert resolve(head(b"/x"), FIXED, Profile.LENIENT) == Target("https", "d", 8443, b"", b"/x", None)
    assert resolve(head(b"http://e/x", b"e"), FIXED, Profile.LENIENT) == Target("https", "d", 8443, b"e", b"/x", None)
    connect = resolve(head(b"e:1", b"e", b"CONNECT"), FIXED, Profile.LENIENT)
    assert (connect.host, connect.port) == ("d", 8443)


def test_h1_29_host_may_be_missing_only_where_that_is_told():
    with pytest.raises(PeerError):
        resolve(head(b"/x", None), FIXED, Profile.LENIENT)
    assert resolve(head(b"/x", None), FIXED, Profile.RAW).host == "d"
    assert resolve(head(b"/x", None, version=b"HTTP/1.0"), FIXED, Profile.LENIENT).host == "d"
    with pytest.raises(PeerError):
        resolve(head(b"/x", None), EXPLICIT, Profile.RAW)


@pytest.mark.parametrize(
    ("host", "must_say"),
    [(b"a", None), (b"A", None), (b"a:80", None), (b"b", b"a"), (b"a:81", b"a"), (b"?", b"a"), (None, b"a")],
)
def test_h1_30_what_host_must_say(host, must_say):
    assert resolve(head(b"http://a/", host), EXPLICIT, Profile.LENIENT).host_field == must_say


def test_a_target_moves_with_its_request():
    target = resolve(head(b"http://a/"), EXPLICIT, Profile.LENIENT)
    assert target.moved_to("http", "a", 80) is target
    moved = target.moved_to("https", "b", 443)
    assert (moved.scheme, moved.host, moved.port, moved.host_field) == ("https", "b", 443, None)
    assert target.moved_to("ftp", "b", 21).scheme == "http"
