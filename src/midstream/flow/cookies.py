"""Cookies as they are, not as they should be: whatever a peer put into `Cookie` and `Set-Cookie` is kept readable."""

import datetime as dt
import email.utils
import re
import time
from collections.abc import Iterable

from midstream.flow.multidict import MultiDict

Pair = tuple[str, str | None]


class CookieAttrs(MultiDict[str, str | None]):
    """The attributes of one Set-Cookie, found in any case; one without value holds None."""

    def __getitem__(self, key: str) -> str | None:
        """Give the last value of an attribute, the one that counts (RFC 6265 §5.3)."""
        values = self.get_all(key)
        if not values:
            raise KeyError(key)
        return values[-1]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and any(own.lower() == key.lower() for own, _ in self.fields)

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        self.fields = tuple(pair for pair in self.fields if pair[0].lower() != key.lower())

    def get_all(self, key: str) -> list[str | None]:
        return [value for own, value in self.fields if own.lower() == key.lower()]

    def set_all(self, key: str, values: Iterable[str | None]) -> None:
        spelling = next((own for own, _ in self.fields if own.lower() == key.lower()), key)
        self.fields = tuple((spelling if own.lower() == key.lower() else own, value) for own, value in self.fields)
        super().set_all(spelling, values)


SetCookie = tuple[str, str, CookieAttrs]


def parse_cookie_header(value: str) -> list[tuple[str, str]]:
    """Read one `Cookie` value; quotes stay part of a value, pieces without `=` become names with an empty value."""
    pieces = [piece.strip(" \t") for piece in value.split(";")]
    return [_name_value(piece) for piece in pieces if piece]


def format_cookie_header(pairs: Iterable[tuple[str, str]]) -> str:
    """Write one `Cookie` value."""
    return "; ".join(f"{name}={value}" if name else value for name, value in pairs)


def parse_set_cookie_header(value: str) -> list[SetCookie]:
    """Read one `Set-Cookie` value; also several that a careless intermediary folded with commas."""
    return [_set_cookie(piece) for piece in _unfold(value) if piece.strip()]


def format_set_cookie_header(name: str, value: str, attrs: CookieAttrs) -> str:
    """Write one `Set-Cookie` value."""
    pieces = [f"{name}={value}" if name else value]
    pieces += [key if content is None else f"{key}={content}" for key, content in attrs.fields]
    return "; ".join(pieces)


def get_expiration_ts(attrs: CookieAttrs) -> float | None:
    """Tell when a cookie expires, in seconds since 1970; None if it ends with the session. Max-Age comes first."""
    return expiration(attrs, time.time())


def expiration(attrs: CookieAttrs, now: float) -> float | None:
    """As `get_expiration_ts`, counted from `now`."""
    if "max-age" in attrs:
        try:
            return now + int(attrs["max-age"] or "")
        except ValueError:
            pass
    date = _date(attrs["expires"]) if "expires" in attrs else None
    return date.timestamp() if date else None


def is_expired(attrs: CookieAttrs) -> bool:
    """Tell whether a server set this cookie in order to delete it."""
    now = time.time()
    ends = expiration(attrs, now)
    return ends is not None and ends <= now


def refresh_set_cookie_header(value: str, delta: float) -> str:
    """Shift the expiry date of a `Set-Cookie` value by `delta` seconds; the value as it was if it has none."""
    cookies = parse_set_cookie_header(value)
    if len(cookies) != 1:
        return value
    name, content, attrs = cookies[0]
    date = _date(attrs["expires"]) if "expires" in attrs else None
    if date is None:
        return value
    attrs["expires"] = email.utils.format_datetime(date + dt.timedelta(seconds=delta), usegmt=True)
    return format_set_cookie_header(name, content, attrs)


def group_cookies(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str, CookieAttrs]]:
    """Give plain cookies the shape of set cookies, without attributes."""
    return [(name, value, CookieAttrs()) for name, value in pairs]


def _set_cookie(text: str) -> SetCookie:
    first, *rest = (piece.strip(" \t") for piece in text.split(";"))
    attrs = [_attribute(piece) for piece in rest if piece]
    return (*_name_value(first), CookieAttrs(attrs))


def _name_value(piece: str) -> tuple[str, str]:
    name, found, value = piece.partition("=")
    return (name.rstrip(" \t"), value.lstrip(" \t")) if found else (piece, "")


def _attribute(piece: str) -> Pair:
    name, found, value = piece.partition("=")
    return name.rstrip(" \t"), value.lstrip(" \t") if found else None


_FOLD = re.compile(r",(?=\s*[^\s;,=\"]+=)")
_DATE_START = re.compile(r"expires\s*=\s*[A-Za-z]+$", re.IGNORECASE)
_DATE_LENGTH = 40


def _unfold(value: str) -> list[str]:
    """Split at commas that begin another `name=`, unless the comma stands in an expiry date."""
    pieces = []
    start = counted = quotes = 0
    semicolon = value.find(";")
    for comma in _FOLD.finditer(value):
        at = comma.start()
        quotes += value.count('"', counted, at)
        counted = at
        if quotes % 2 or _DATE_START.search(value[max(start, at - _DATE_LENGTH) : at]):
            continue
        if start <= semicolon < at:
            pieces.append(value[start:at])
            start = comma.end()
            semicolon = value.find(";", start)
    pieces.append(value[start:])
    return pieces


def _date(text: str | None) -> dt.datetime | None:
    parsed = email.utils.parsedate_to_datetime(text) if text and email.utils.parsedate(text) else None
    return parsed.replace(tzinfo=dt.UTC) if parsed and parsed.tzinfo is None else parsed
