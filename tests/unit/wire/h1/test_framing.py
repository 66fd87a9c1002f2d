"""Settled framings are also seen end to end in test_head.py and in the smuggling corpus."""

import pytest

from midstream.wire.errors import PeerError, Profile
from midstream.wire.h1.framing import drop_fields, settle_framing
from midstream.wire.h1.line import HOST, LENGTH
from midstream.wire.h1.section import read_section
from midstream.wire.tolerance import Tolerance

X = (b"X", b"y")


def settle(lines: bytes, profile: Profile = Profile.LENIENT, *, is_request: bool = True):
    tolerance = Tolerance(profile)
    section = read_section(b"X: y\r\n" + lines + b"\r\n\r\n")
    section = settle_framing(section, tolerance, is_request=is_request)
    assert section.fields[0] == X
    return section.fields[1:], section.body_size, [fault.message for fault in tolerance.take()]


BOTH = b"Content-Length: 5\r\nTransfer-Encoding: chunked"


@pytest.mark.parametrize("is_request", [True, False])
def test_h1_03_of_both_only_chunked_goes_on(is_request):
    fields, size, faults = settle(BOTH, is_request=is_request)
    assert fields == [(b"Transfer-Encoding", b"chunked")]
    assert size is None
    assert "both" in faults[0]
    with pytest.raises(PeerError, match="both"):
        settle(BOTH, Profile.STRICT, is_request=is_request)


@pytest.mark.parametrize(
    "lines",
    [
        b"content-LENGTH: 5\r\nContent-Length: 5",
        b"content-LENGTH: 5, 5",
        b"content-LENGTH: 5\r\nA: b\r\nContent-Length: 5 ,5",
    ],
)
def test_h1_04_equal_lengths_collapse(lines):
    fields, size, faults = settle(lines)
    assert fields[0] == (b"content-LENGTH", b"5")
    assert size == 5
    assert len(faults) == 1
    with pytest.raises(PeerError, match="more than once"):
        settle(lines, Profile.STRICT)


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (b"Content-Length: 5\r\nContent-Length: 6", "different"),
        (b"Content-Length: 5, 6", "different"),
        (b"Content-Length: 5\r\nContent-Length: 05", "different"),
        (b"Content-Length: +5", "not a number"),
        (b"Content-Length: 5,", "not a number"),
        (b"Content-Length: 1_0", "not a number"),
        (b"Content-Length: ", "not a number"),
        (b"Content-Length: 1111111111111111111", "too large"),
    ],
)
def test_h1_04_h1_05_lengths_refused_by_all(lines, fault, profile):
    for is_request in (True, False):
        with pytest.raises(PeerError, match=fault):
            settle(lines, profile, is_request=is_request)


DOUBLED = [
    b"Transfer-Encoding: Chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-encoding: chunked",
]


@pytest.mark.parametrize("lines", DOUBLED)
def test_h1_06_oddly_spelled_or_doubled_chunked(lines):
    with pytest.raises(PeerError, match="single") as caught:
        settle(lines)
    assert caught.value.status == 400
    for profile, is_request in ((Profile.RAW, True), (Profile.LENIENT, False)):
        fields, size, faults = settle(lines, profile, is_request=is_request)
        assert fields == [(b"Transfer-Encoding", b"chunked")]
        assert size is None
        assert len(faults) == 1
    with pytest.raises(PeerError):
        settle(lines, Profile.STRICT, is_request=False)


@pytest.mark.parametrize(
    "value", [b"gzip", b"chunked, gzip", b"", b"chunked;q=1", b"\xffchunked", b"chunked, chunked, x"]
)
def test_h1_06_codings_that_do_not_end_in_chunked(value):
    lines = b"Transfer-Encoding: " + value
    for profile in Profile:
        with pytest.raises(PeerError, match="does not end") as caught:
            settle(lines, profile)
        assert caught.value.status == 400
    fields, _, faults = settle(lines, is_request=False)
    assert fields == ([(b"Transfer-Encoding", value)] if value == b"gzip" else [])
    assert "until close" in faults[0]


def test_h1_06_a_known_coding_before_chunked_is_not_implemented():
    lines = b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"
    with pytest.raises(PeerError, match="not implemented") as caught:
        settle(lines)
    assert caught.value.status == 501
    fields, size, _ = settle(lines, Profile.RAW)
    assert fields == [(b"Transfer-Encoding", b"gzip, chunked")]
    assert size is None


def test_identity_is_no_coding_in_a_response():
    lines = b"Transfer-Encoding: Identity\r\nContent-Length: 5"
    fields, size, faults = settle(lines, is_request=False)
    assert fields == [(b"Content-Length", b"5")]
    assert size == 5
    assert len(faults) == 1
    fields, size, faults = settle(lines + b"\r\nContent-Length: 5", is_request=False)
    assert (fields, size, len(faults)) == ([(b"Content-Length", b"5")], 5, 2)
    assert settle(b"Transfer-Encoding: identity", is_request=False)[0] == []
    with pytest.raises(PeerError):
        settle(lines)
    with pytest.raises(PeerError):
        settle(lines, Profile.STRICT, is_request=False)


def test_drop_fields():
    section = read_section(b"Host: a\r\nContent-Length: 5\r\n\r\n")
    assert drop_fields(section, LENGTH).fields == [(b"Host", b"a")]
    assert drop_fields(section, LENGTH).length == -1
    assert drop_fields(section, HOST).length == 5
    assert section.fields == [(b"Host", b"a"), (b"Content-Length", b"5")]
