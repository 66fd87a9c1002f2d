import pytest

from midstream.wire.errors import Fault, PeerError, Profile
from midstream.wire.tolerance import Tolerance


@pytest.mark.parametrize("profile", [Profile.LENIENT, Profile.RAW])
def test_what_can_be_repaired_is_noted(profile):
    tolerance = Tolerance(profile)
    tolerance.repair("odd", "RFC 9112 §5")
    assert tolerance.take() == (Fault("odd", "RFC 9112 §5"),)
    assert tolerance.take() == ()


def test_strict_repairs_nothing():
    with pytest.raises(PeerError, match="odd"):
        Tolerance(Profile.STRICT).repair("odd", "RFC 9112 §5")


@pytest.mark.parametrize("profile", [Profile.STRICT, Profile.LENIENT])
def test_what_is_ambiguous_is_refused(profile):
    with pytest.raises(PeerError) as caught:
        Tolerance(profile).pass_raw("odd", "RFC 9112 §5", status=501)
    assert (caught.value.status, caught.value.reference) == (501, "RFC 9112 §5")


def test_raw_passes_what_is_ambiguous():
    tolerance = Tolerance(Profile.RAW)
    tolerance.pass_raw("odd", "RFC 9112 §5")
    assert [fault.message for fault in tolerance.take()] == ["odd"]
