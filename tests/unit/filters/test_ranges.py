import math

import pytest

from midstream.filters import ranges


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("404", [404], [403, 405]), ("4xx", [400, 499], [399, 500]), ("=404", [404], [405]), (">4xx", [500], [499]),
        (">=4xx", [400], [399]), ("<4xx", [399], [400]), ("<=4xx", [499], [500]), ("200-299", [200, 299], [300]),
        ("4xx-5xx", [400, 599], [600]), ("400..", [400, 9999], [399]), ("..399", [0, 399], [400]),
        ("200, 5xx", [200, 500], [201]),
    ],
)  # fmt: skip
def test_status_ranges(text, inside, outside):
    contains = ranges.compile_ranges(text, ranges.read_status)
    assert all(contains(number) for number in inside)
    assert not any(contains(number) for number in outside)


@pytest.mark.parametrize(
    ("text", "size"), [("512", 512), ("10k", 10240), ("10KB", 10240), ("1.5m", 1572864), ("2GiB", 2 << 30), ("7b", 7)]
)
def test_sizes(text, size):
    assert ranges.read_size(text) == (size, size + 1)


@pytest.mark.parametrize(
    ("text", "seconds"), [("5", 5), ("5s", 5), ("500ms", 0.5), ("250us", 0.00025), ("1.5m", 90), ("1h", 3600)]
)
def test_durations(text, seconds):
    assert ranges.read_duration(text)[0] == pytest.approx(seconds)
    assert ranges.read_duration(text)[1] == math.nextafter(ranges.read_duration(text)[0], math.inf)


@pytest.mark.parametrize(
    ("text", "start", "length"),
    [
        ("1970-01-02T00:00Z", 86400, 60), ("1970-01-02 00:00:01z", 86401, 1), ("1970-01-02T01:00+01:00", 86400, 60),
        ("1970-01-02T00:00:00.5Z", 86400.5, 1), ("1970-01-02T01:00:00+0100", 86400, 1),
    ],
)  # fmt: skip
def test_moments(text, start, length):
    assert ranges.read_moment(text) == (start, start + length)


def test_a_day_has_24_hours():
    start, end = ranges.read_moment("2026-01-31")
    assert end - start == 86400


@pytest.mark.parametrize(("text", "exact"), [("5", True), (">5", False), ("1-2", False), ("1..", False)])
def test_exact_literals(text, exact):
    assert ranges.is_exact(text) is exact


@pytest.mark.parametrize("text", ["", "-", "..", ">", "1-x", "٤٠٤"])
def test_nonsense_is_refused(text):
    with pytest.raises(ValueError, match="expected"):
        ranges.compile_ranges(text, ranges.read_status)
