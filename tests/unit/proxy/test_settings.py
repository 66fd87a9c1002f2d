"""Options as the hot path wants them."""

import pytest

from midstream.options import Options
from midstream.proxy.settings import Settings
from midstream.wire.errors import Profile


def settings(**options):
    values = Options()
    values.update(**options)
    return Settings.of(values)


def test_defaults():
    made = settings()
    assert made.limits.head_bytes == 65_536
    assert made.profile is Profile.LENIENT
    assert made.stream_large_bodies == 10 << 20
    assert made.body_size_limit == 0


@pytest.mark.parametrize("profile", list(Profile))
def test_profiles(profile):
    assert settings(profile=profile.value).profile is profile


def test_without_validation_everything_passes():
    assert settings(profile="strict", validate_inbound_headers=False).profile is Profile.RAW


def test_limits_and_sizes():
    made = settings(
        max_head_bytes=1000, max_head_fields=10, max_chunk_line=100, max_trailer_bytes=200,
        stream_large_bodies=None, body_size_limit=5,
    )  # fmt: skip
    limits = made.limits
    assert (limits.head_bytes, limits.head_fields, limits.chunk_line, limits.trailer_bytes) == (1000, 10, 100, 200)
    assert made.stream_large_bodies == 0
    assert made.body_size_limit == 5
