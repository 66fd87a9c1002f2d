import pytest

from midstream.wire.errors import PeerError, Profile
from midstream.wire.h1.line import CODING
from midstream.wire.h1.mend import mend_section, split_lines
from midstream.wire.tolerance import Tolerance


def mend(lines: list[bytes], profile: Profile = Profile.LENIENT, *, is_request: bool = False):
    tolerance = Tolerance(profile)
    section = mend_section(lines, tolerance, is_request=is_request)
    return section, [fault.message for fault in tolerance.take()]


def test_lines_end_with_crlf():
    assert split_lines(b"a\r\nb\r\n", Tolerance(Profile.STRICT)) == [b"a", b"b"]


def test_a_lone_lf_is_a_fault():
    tolerance = Tolerance(Profile.LENIENT)
    assert split_lines(b"a\nb\r\nc\n", tolerance) == [b"a", b"b", b"c"]
    assert len(tolerance.take()) == 1
    with pytest.raises(PeerError, match="LF alone"):
        split_lines(b"a\n", Tolerance(Profile.STRICT))


REPAIRS = [
    ([b"A: b", b"  c\t"], (b"A", b"b c"), "folded"),
    ([b"A:", b"\tc", b" d"], (b"A", b"c d"), "folded"),
    ([b"A : b"], (b"A", b"b"), "before the colon"),
    ([b"A@b: c"], (b"A@b", b"c"), "not a token"),
    ([b"caf\xe9: c"], (b"caf\xe9", b"c"), "not a token"),
]


@pytest.mark.parametrize(("lines", "field", "fault"), REPAIRS)
def test_h1_33_responses_are_repaired(lines, field, fault):
    section, faults = mend(lines)
    assert section.fields == [field]
    assert section.odd_lines is None or field not in section.odd_lines or section.odd_lines[field] == b"%b: %b" % field
    assert fault in faults[0]


@pytest.mark.parametrize(("lines", "field", "fault"), REPAIRS)
def test_h1_33_requests_are_refused_but_in_raw(lines, field, fault):
    with pytest.raises(PeerError, match=fault):
        mend(lines, is_request=True)
    section, faults = mend(lines, Profile.RAW, is_request=True)
    assert section.fields == [field]
    assert fault in faults[0]


@pytest.mark.parametrize(("lines", "field", "fault"), REPAIRS)
def test_h1_33_strict_refuses_responses_too(lines, field, fault):
    with pytest.raises(PeerError, match=fault):
        mend(lines, Profile.STRICT)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"A: \x00", "control byte"),
        (b"A: a\rb", "control byte"),
        (b"A: \x01", "control byte"),
        (b"A: \x7f", "control byte"),
        (b"nothing", "no colon"),
        (b": x", "no usable name"),
        (b" : x", "starts with a blank"),
        (b"A b: x", "no usable name"),
        (b" A: x", "starts with a blank"),
    ],
)
@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("is_request", [True, False])
def test_ob_06_refused_by_all(line, fault, profile, is_request):
    with pytest.raises(PeerError, match=fault):
        mend([line], profile, is_request=is_request)


def test_a_repaired_line_means_what_it_says():
    section, _ = mend([b"Transfer-Encoding : chunked"])
    assert section.kinds & CODING
