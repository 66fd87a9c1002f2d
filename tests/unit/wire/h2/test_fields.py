import pytest

from midstream.errors import UsageError
from midstream.wire.errors import PeerError, Profile
from midstream.wire.h2.fields import EXPECT, HOP, HOST, LENGTH, ODD, kind_of, kinds_of, mend, ready
from midstream.wire.tolerance import Tolerance


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ((b"accept", b"*/*"), 0),
        ((b"accept", b""), 0),
        ((b"x", b"\xff\x01 y"), 0),
        ((b"content-length", b"5"), LENGTH),
        ((b"host", b"a"), HOST),
        ((b"expect", b"100-Continue"), EXPECT),
        ((b"expect", b"other"), 0),
        ((b"connection", b"close"), HOP),
        ((b"transfer-encoding", b"chunked"), HOP),
        ((b"http2-settings", b""), HOP),
        ((b"te", b"Trailers"), 0),
        ((b"te", b"gzip"), HOP),
        ((b"Accept", b"x"), ODD),
        ((b"Connection", b"x"), ODD | HOP),
        ((b"a(b", b"x"), ODD),
        ((b"a", b" x"), ODD),
        ((b"a", b"x\t"), ODD),
        ((b"a", b" "), ODD),
    ],
)
def test_kinds(field, kind):
    assert kinds_of([(b"a", b"b"), field]) == kind
    assert kind_of(field) == kind


@pytest.mark.parametrize(
    "field",
    [
        (b"", b"x"),
        (b"a b", b"x"),
        (b"a:", b"x"),
        (b":path", b"x"),
        (b"a\n", b"x"),
        (b"a", b"x\r"),
        (b"a", b"\nx"),
        (b"a", b"\0"),
    ],
)
def test_h2_27_what_is_refused_always(field):
    with pytest.raises(PeerError, match=r"§8\.2\.1"):
        kinds_of([field])


def test_h2_25_fields_of_http_1_go_or_are_refused():
    fields = [(b"connection", b"close"), (b"a", b"b"), (b"te", b"gzip"), (b"te", b"trailers")]
    tolerance = Tolerance(Profile.LENIENT)
    assert mend(fields, tolerance) == [(b"a", b"b"), (b"te", b"trailers")]
    assert len(tolerance.faults) == 2
    assert mend(fields, Tolerance(Profile.RAW)) == fields
    with pytest.raises(PeerError, match=r"§8\.2\.2"):
        mend(fields, Tolerance(Profile.STRICT))


def test_h2_26_blanks_around_values_go_or_are_refused():
    tolerance = Tolerance(Profile.LENIENT)
    assert mend([(b"a", b" b\t")], tolerance) == [(b"a", b"b")]
    assert len(tolerance.faults) == 1
    assert mend([(b"a", b" b")], Tolerance(Profile.RAW)) == [(b"a", b" b")]
    with pytest.raises(PeerError, match="blanks"):
        mend([(b"a", b" b")], Tolerance(Profile.STRICT))


def test_h2_24_upper_case_is_refused_but_by_raw():
    for profile in (Profile.STRICT, Profile.LENIENT):
        with pytest.raises(PeerError, match="lower case"):
            mend([(b"A", b"b")], Tolerance(profile))
    tolerance = Tolerance(Profile.RAW)
    assert mend([(b"connection", b"b")], tolerance) == [(b"connection", b"b")]
    assert len(tolerance.take()) == 1
    assert mend([(b"A", b"b"), (b"Connection", b"b")], tolerance) == [(b"A", b"b"), (b"Connection", b"b")]
    assert len(tolerance.faults) == 3


def test_h2_24_h2_25_fields_are_made_ready():
    fields = [
        (b"Accept", b" x "),
        (b"a", b"b"),
        (b"Upgrade", b"x"),
        (b"HTTP2-Settings", b""),
        (b"TE", b"gzip"),
        (b"TE", b"trailers"),
    ]
    for _ in range(2):
        assert list(ready(fields)) == [(b"accept", b"x"), (b"a", b"b"), (b"te", b"trailers")]


@pytest.mark.parametrize("value", [b"Trailers", b"gzip;q=0.5, trailers", b"trailers;q=1"])
def test_of_te_stays_what_http_2_has(value):
    assert ready([(b"TE", value)]) == ((b"te", b"trailers"),)


@pytest.mark.parametrize("field", [(b"", b""), (b"a:b", b""), (b"a b", b""), (b"a", b"\r"), (b"a", b"b\n")])
def test_what_cannot_be_sent(field):
    with pytest.raises(UsageError, match="cannot be sent"):
        ready([field])
