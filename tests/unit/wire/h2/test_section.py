import pytest

from midstream.wire.errors import PeerError, Profile
from midstream.wire.h2.section import read_section
from midstream.wire.tolerance import Tolerance

ALLOWED = frozenset((b":method", b":path", b":authority"))


def read(*fields, profile=Profile.LENIENT):
    tolerance = Tolerance(profile)
    return read_section(list(fields), ALLOWED, tolerance), tolerance.faults


def test_a_section_is_taken_apart():
    section, faults = read(
        (b":path", b"/"), (b":method", b"GET"), (b"a", b"b"), (b"expect", b"100-continue"), (b"content-length", b"5")
    )
    assert section.pseudo == {b":path": b"/", b":method": b"GET"}
    assert section.fields == [(b"a", b"b"), (b"expect", b"100-continue"), (b"content-length", b"5")]
    assert (section.order, section.length, section.host, section.expects_continue) == (b"p,m", 5, None, True)
    assert faults == []


@pytest.mark.parametrize(
    "fields",
    [
        [(b":path", b"/"), (b":path", b"/")],
        [(b":status", b"200")],
        [(b":", b"")],
        [(b"a", b"b"), (b":path", b"/")],
        [(b"", b"")],
    ],
)
def test_h2_28_pseudo_header_fields_that_are_wrong(fields):
    for profile in Profile:
        with pytest.raises(PeerError, match="§8"):
            read(*fields, profile=profile)


@pytest.mark.parametrize("value", [b"", b"x", b"+5", b"-1", b"5, 6", b"5 6", b"1" * 19, "٣".encode()])
def test_lengths_that_are_none(value):
    with pytest.raises(PeerError, match="Content-Length"):
        read((b"content-length", value))


def test_lengths_that_are_repeated():
    fields = [(b"a", b"b"), (b"content-length", b"5, 5"), (b"content-length", b"5"), (b"c", b"d")]
    section, faults = read(*fields)
    assert section.fields == [(b"a", b"b"), (b"content-length", b"5"), (b"c", b"d")]
    assert (section.length, len(faults)) == (5, 1)
    section, faults = read(*fields, profile=Profile.RAW)
    assert section.fields == fields
    with pytest.raises(PeerError, match="more than once"):
        read(*fields, profile=Profile.STRICT)
    with pytest.raises(PeerError, match="no number"):
        read((b"content-length", b"5"), (b"content-length", b"6"))


def test_h2_29_host_and_authority():
    section, faults = read((b":authority", b"A"), (b"host", b"a"))
    assert (section.host, faults) == (b"a", [])
    section, faults = read((b"host", b"a"))
    assert (section.host, faults) == (b"a", [])
    for fields in ([(b":authority", b"b"), (b"host", b"a")], [(b"host", b"a"), (b"host", b"a")]):
        for profile in (Profile.STRICT, Profile.LENIENT):
            with pytest.raises(PeerError, match="Host"):
                read(*fields, profile=profile)
        assert len(read(*fields, profile=Profile.RAW)[1]) == 1


def test_fields_that_do_not_belong_are_mended_before_they_count():
    section, faults = read((b"content-length", b" 5"), (b"connection", b"x"))
    assert section.fields == [(b"content-length", b"5")]
    assert (section.length, len(faults)) == (5, 2)
