"""An HTTP response as scripts see it."""

import email.utils
import time
from collections.abc import Iterable, Mapping
from typing import Any, Self

from midstream.flow import status
from midstream.flow.cookies import (
    CookieAttrs,
    format_set_cookie_header,
    parse_set_cookie_header,
    refresh_set_cookie_header,
)
from midstream.flow.headers import Headers
from midstream.flow.message import DataField, Message, MessageData, as_headers, headers_of
from midstream.flow.multidict import MultiDictView, pairs_of


class ResponseData(MessageData):
    """The stored fields of a response."""

    __slots__ = ()

    status_code = DataField[int]("_status_code")
    reason = DataField[bytes]("_reason")


class Response(Message):
    """A response: a status and what comes with it."""

    __slots__ = ("_reason", "_status_code")

    def __init__(
        self,
        http_version: bytes,
        status_code: int,
        reason: bytes,
        headers: Headers | Iterable[tuple[bytes, bytes]],
        content: bytes | None,
        trailers: Headers | Iterable[tuple[bytes, bytes]] | None = None,
        timestamp_start: float = 0.0,
        timestamp_end: float | None = None,
    ) -> None:
        self._http_version = http_version
        self._status_code = status_code
        self._reason = reason
        self._headers = headers if type(headers) is Headers else as_headers(headers)
        self._content = content
        self._trailers = trailers if trailers is None or type(trailers) is Headers else as_headers(trailers)
        self.timestamp_start = timestamp_start
        self.timestamp_end = timestamp_end
        self._edited = False
        self._decoded = None
        self.stream = False

    @classmethod
    def make(
        cls,
        status_code: int = 200,
        content: bytes | str = b"",
        headers: Headers | Mapping[str, str | bytes] | Mapping[bytes, str | bytes] | Iterable[tuple[bytes, bytes]] = (),
    ) -> Self:
        """Make a response with the usual reason phrase and a Content-Length."""
        now = time.time()
        reason = status.reason(status_code).encode("latin-1")
        response = cls(b"HTTP/1.1", status_code, reason, headers_of(headers), None, None, now, now)
        if isinstance(content, str):
            response.text = content
        else:
            response.content = content
        return response

    def __repr__(self) -> str:
        size = "no content" if self._content is None else self._headers.get("content-type", "unknown content type")
        return f"Response({self._status_code}, {size})"

    @property
    def data(self) -> ResponseData:
        """The stored fields, in bytes."""
        return ResponseData(self)

    @property
    def status_code(self) -> int:
        return self._status_code

    @status_code.setter
    def status_code(self, code: int) -> None:
        self._status_code = code
        self._edited = True

    @property
    def reason(self) -> str:
        """The reason phrase; empty on HTTP/2 and wherever the server left it out."""
        return self._reason.decode("latin-1")

    @reason.setter
    def reason(self, reason: str | bytes) -> None:
        self._reason = reason if isinstance(reason, bytes) else reason.encode("latin-1")
        self._edited = True

    @property
    def cookies(self) -> MultiDictView[str, tuple[str, CookieAttrs]]:
        """The cookies set, each as value and attributes; changes are written back when assigned."""
        return MultiDictView(self._get_cookies, self._set_cookies)

    @cookies.setter
    def cookies(self, value: Any) -> None:
        self._set_cookies(pairs_of(value))

    def refresh(self, now: float | None = None) -> None:
        """Move Date, Expires, Last-Modified and cookie expiry as if the response had been made `now`."""
        delta = (time.time() if now is None else now) - self.timestamp_start
        for name in ("date", "expires", "last-modified"):
            values = self._headers.get_all(name)
            if values:
                self._headers.set_all(name, [_shifted(value, delta) for value in values])
        set_cookies = self._headers.get_all("set-cookie")
        if set_cookies:
            moved = [refresh_set_cookie_header(value, delta) for value in set_cookies]
            self._headers.set_all("set-cookie", moved)

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "status_code": self._status_code, "reason": self._reason}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self._status_code = state["status_code"]
        self._reason = state["reason"]

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        response = cls(b"", 0, b"", (), None)
        response.set_state(state)
        response.mark_unedited()
        return response

    def _get_cookies(self) -> list[tuple[str, tuple[str, CookieAttrs]]]:
        values = self._headers.get_all("set-cookie")
        parsed = [found for value in values for found in parse_set_cookie_header(value)]
        return [(name, (content, attrs)) for name, content, attrs in parsed]

    def _set_cookies(self, pairs: tuple[tuple[str, tuple[str, Any]], ...]) -> None:
        self._headers.set_all(
            "Set-Cookie",
            [format_set_cookie_header(name, value, _attrs(attrs)) for name, (value, attrs) in pairs],
        )


def _attrs(attrs: Any) -> CookieAttrs:
    return attrs if isinstance(attrs, CookieAttrs) else CookieAttrs(pairs_of(attrs))


def _shifted(date: str, delta: float) -> str:
    try:
        moment = email.utils.parsedate_to_datetime(date).timestamp()
        return email.utils.formatdate(moment + delta, usegmt=True)
    except (ValueError, TypeError, OverflowError, OSError):
        return date
