"""Ranges of numbers as filters write them: `404`, `4xx`, `>=400`, `200-299`, `10k..1m`, `2026-01-31`, `200,404`.

Every literal stands for an interval that includes its start and excludes its end: `404` for [404, 405), a day for its
24 hours. Comparisons and ranges are made of those ends, so `<=2026-01-31` includes the evening of that day.
"""

import datetime as dt
import math
import re
from collections.abc import Callable

Interval = tuple[float, float]
Reader = Callable[[str], Interval]
"""Gives the interval of one literal; raises ValueError saying what was expected."""

_COMPARISON = re.compile(r"(<=|>=|<|>|=)\s*(.+)")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmg]?)(?:i?b)?", re.IGNORECASE)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(us|ms|s|m|h|)", re.IGNORECASE)
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?)?", re.IGNORECASE | re.ASCII
)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}


def compile_ranges(text: str, read: Reader) -> Callable[[float], bool]:
    """Make a test of numbers. Raises ValueError saying what was expected."""
    intervals = [_interval(part.strip(), read) for part in text.split(",")]
    if len(intervals) == 1:
        low, high = intervals[0]
        return lambda number: low <= number < high
    return lambda number: any(low <= number < high for low, high in intervals)


def read_status(text: str) -> Interval:
    """Read `404` or `4xx`."""
    if re.fullmatch("[0-9]{1,4}", text):
        return int(text), int(text) + 1
    if re.fullmatch("[1-9]xx", text.lower()):
        return int(text[0]) * 100, int(text[0]) * 100 + 100
    raise ValueError(f"expected a status such as 404, 4xx, 200-299 or >=400, not {text!r}")


def read_size(text: str) -> Interval:
    """Read bytes with an optional unit: `512`, `10k`, `1.5m`, `2GiB`; a unit is a power of 1024."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a size such as 512, 10k, >1m or 10k-1m, not {text!r}")
    size = int(float(match[1]) * _UNITS[match[2].lower()])
    return size, size + 1


def read_duration(text: str) -> Interval:
    """Read seconds, or a number with `us`, `ms`, `s`, `m` or `h`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a duration such as >500ms, <2s or 1s-5s, not {text!r}")
    seconds = float(match[1]) * _SECONDS[match[2].lower()]
    return seconds, math.nextafter(seconds, math.inf)


def read_moment(text: str) -> Interval:
    """Read a day, a minute or a second in ISO 8601; local time unless it names another."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(
            f"expected a time such as 2026-01-31, 2026-01-31T12:00 or >=2026-01-31T12:00:30Z, not {text!r}"
        )
    start = dt.datetime.fromisoformat(text.upper())
    if match[2] is None:
        end = start + dt.timedelta(days=1)
    else:
        end = start + (dt.timedelta(minutes=1) if match[3] is None else dt.timedelta(seconds=1))
    return start.timestamp(), end.timestamp()


def is_exact(text: str) -> bool:
    """Tell whether `text` is a lone literal, neither a comparison nor a range."""
    return _COMPARISON.fullmatch(text) is None and "-" not in text and ".." not in text


def _interval(text: str, read: Reader) -> Interval:
    comparison = _COMPARISON.fullmatch(text)
    if comparison is not None:
        return _compared(comparison[1], _read(comparison[2], read))
    first, dots, last = text.partition("..")
    if not dots and read is not read_moment:
        first, dots, last = text.partition("-")
    if not dots:
        return _read(text, read)
    if not first and not last:
        raise ValueError("expected a number on at least one side of the range")
    return _read(first, read)[0] if first else -math.inf, _read(last, read)[1] if last else math.inf


def _compared(operator: str, interval: Interval) -> Interval:
    low, high = interval
    match operator:
        case "<":
            return -math.inf, low
        case "<=":
            return -math.inf, high
        case ">":
            return high, math.inf
        case ">=":
            return low, math.inf
    return interval


def _read(text: str, read: Reader) -> Interval:
    try:
        return read(text.strip())
    except OverflowError:
        raise ValueError(f"{text!r} is out of range") from None
