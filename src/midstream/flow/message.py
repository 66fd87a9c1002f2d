"""What requests and responses share: version, headers, trailers and a body with its three faces.

`raw_content` is the body as it stands on the wire, `content` the same without its content codings, `text` that as
text. Nothing is derived before someone asks: building a message stores its arguments and that is all.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, Generic, Self, TypeAlias, TypeVar, overload

from midstream.flow import charset, encoding
from midstream.flow.body import Body
from midstream.flow.headers import Headers

T = TypeVar("T")

StreamFilter: TypeAlias = Callable[[bytes], Iterable[bytes] | bytes]
"""Gets each piece of a streamed body (a last empty one at the end) and gives what to forward instead."""


class Message:
    """The common part of `Request` and `Response`; made through those."""

    __slots__ = (
        "_content",
        "_decoded",
        "_edited",
        "_headers",
        "_http_version",
        "_trailers",
        "stream",
        "timestamp_end",
        "timestamp_start",
    )

    _content: bytes | Body | None
    _decoded: tuple[bytes, str, encoding.Decoded] | None
    _edited: bool
    _headers: Headers
    _http_version: bytes
    _trailers: Headers | None
    stream: bool | StreamFilter
    """True to forward the body without holding it back, a callable to rewrite it piece by piece on the way."""
    timestamp_start: float
    """When the head arrived, in seconds since 1970."""
    timestamp_end: float | None
    """When the message was complete."""

    @property
    def edited(self) -> bool:
        """True if anything that goes over the wire was set or changed since the last `mark_unedited`."""
        return self._edited or self._headers.edited or (self._trailers is not None and self._trailers.edited)

    def mark_unedited(self) -> None:
        """Count the message as it is now as original."""
        self._edited = self._headers.edited = False
        if self._trailers is not None:
            self._trailers.edited = False

    @property
    def http_version(self) -> str:
        """`HTTP/1.1`, `HTTP/2.0`, …"""
        return self._http_version.decode("utf-8", "surrogateescape")

    @http_version.setter
    def http_version(self, version: str | bytes) -> None:
        self._http_version = as_bytes(version)
        self._edited = True

    @property
    def is_http10(self) -> bool:
        return self._http_version == b"HTTP/1.0"

    @property
    def is_http11(self) -> bool:
        return self._http_version == b"HTTP/1.1"

    @property
    def is_http2(self) -> bool:
        return self._http_version == b"HTTP/2.0"

    @property
    def is_http3(self) -> bool:
        return self._http_version == b"HTTP/3"

    @property
    def headers(self) -> Headers:
        """The header fields."""
        return self._headers

    @headers.setter
    def headers(self, headers: Headers | Iterable[tuple[bytes, bytes]]) -> None:
        self._headers = as_headers(headers)
        self._edited = True

    @property
    def trailers(self) -> Headers | None:
        """The trailer fields, None without a trailer section."""
        return self._trailers

    @trailers.setter
    def trailers(self, trailers: Headers | Iterable[tuple[bytes, bytes]] | None) -> None:
        self._trailers = None if trailers is None else as_headers(trailers)
        self._edited = True

    @property
    def body(self) -> bytes | Body | None:
        """Where `raw_content` is kept. Setting it records what came over the wire and is no edit."""
        return self._content

    @body.setter
    def body(self, body: bytes | Body | None) -> None:
        self._content = body

    @property
    def raw_content(self) -> bytes | None:
        """The body as on the wire, None where it is not known. Setting it leaves every header alone."""
        content = self._content
        return content.content if isinstance(content, Body) else content

    @raw_content.setter
    def raw_content(self, content: bytes | None) -> None:
        _refuse_text(content, "raw_content")
        self._content = content
        self._edited = True

    @property
    def content(self) -> bytes | None:
        """The body without content codings; as on the wire where they cannot be undone.

        Setting it applies the codings again and corrects Content-Length, unless the message is chunked.
        """
        return self.get_content(strict=False)

    @content.setter
    def content(self, content: bytes | None) -> None:
        self.set_content(content)

    def get_content(self, strict: bool = True) -> bytes | None:
        """Give the body without content codings. Raises ValueError if that is impossible and `strict`."""
        raw = self.raw_content
        codings = self._headers.get("content-encoding") if raw else None
        if raw is None or not codings:
            return raw
        result = self._decode(raw, codings)
        if not result.problem:
            return result.data
        if strict:
            raise ValueError(result.problem)
        return raw

    def decoded(self) -> encoding.Decoded:
        """Give what could be decoded, even of a truncated body, and what stopped the rest. Never raises."""
        raw = self.raw_content
        if raw is None:
            return encoding.Decoded(b"", "the body was not kept")
        return self._decode(raw, self._headers.get("content-encoding", ""))

    def set_content(self, content: bytes | None) -> None:
        """As the setter of `content`. A coding that is not known cannot be applied: its header is removed."""
        _refuse_text(content, "content")
        if content is None:
            self.raw_content = None
            return
        try:
            self.raw_content = encoding.encode(content, self._headers.get("content-encoding"))
        except ValueError:
            del self._headers["content-encoding"]
            self.raw_content = content
        self._update_length()

    @property
    def text(self) -> str | None:
        """`content` as text in its charset. Setting it falls back to UTF-8, named in Content-Type, where needed."""
        return self.get_text(strict=False)

    @text.setter
    def text(self, text: str | None) -> None:
        self.set_text(text)

    def get_text(self, strict: bool = True) -> str | None:
        """Give `content` as text. Raises ValueError if it cannot be decoded and `strict`."""
        content = self.get_content(strict)
        if content is None:
            return None
        return charset.decode(content, self._headers.get("content-type", ""), strict=strict)

    def set_text(self, text: str | None) -> None:
        """As the setter of `text`."""
        if text is None:
            self.set_content(None)
            return
        content, content_type = charset.encode(text, self._headers.get("content-type", ""))
        if content_type is not None:
            self._headers["content-type"] = content_type
        self.set_content(content)

    def decode(self, strict: bool = True) -> None:
        """Undo the content codings and remove their header. Raises ValueError if that is impossible and `strict`."""
        content = self.get_content(strict)
        self._headers.pop("content-encoding", None)
        self.set_content(content)

    def encode(self, coding: str) -> None:
        """Apply `coding` to the body as it is and name it in Content-Encoding. Raises ValueError if it is not known."""
        raw = self.raw_content
        encoded = encoding.encode(raw, coding) if raw is not None else None
        if encoding.names(coding):
            before = self._headers.get("content-encoding")
            self._headers["content-encoding"] = f"{before}, {coding}" if before else coding
        self.raw_content = encoded
        if encoded is not None:
            self._update_length()

    def json(self, **options: Any) -> Any:
        """Parse the body as JSON. Raises TypeError without a body, ValueError if it is not JSON."""
        content = self.get_content(strict=False)
        if content is None:
            raise TypeError("there is no body to parse")
        return json.loads(content, **options)

    def copy(self) -> Self:
        """A new message with the same state, not streamed, not edited."""
        return self.from_state(self.get_state())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.get_state() == other.get_state()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def get_state(self) -> dict[str, Any]:
        """Everything worth saving, as plain data."""
        return {
            "http_version": self._http_version,
            "headers": self._headers.get_state(),
            "content": self.raw_content,
            "trailers": None if self._trailers is None else self._trailers.get_state(),
            "timestamp_start": self.timestamp_start,
            "timestamp_end": self.timestamp_end,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Become what `get_state` saved; counts as an edit."""
        self._http_version = state["http_version"]
        self._headers = Headers.from_state(state["headers"])
        self._content = state["content"]
        self._trailers = None if state["trailers"] is None else Headers.from_state(state["trailers"])
        self.timestamp_start = state["timestamp_start"]
        self.timestamp_end = state["timestamp_end"]
        self._edited = True

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        raise NotImplementedError

    def _decode(self, raw: bytes, codings: str) -> encoding.Decoded:
        """Decode with a memory of one result, so that several readers of one body pay once."""
        memory = self._decoded
        if memory is not None and memory[0] is raw and memory[1] == codings:
            return memory[2]
        result = encoding.decode_partly(raw, codings)
        self._decoded = (raw, codings, result)
        return result

    def _update_length(self) -> None:
        raw = self.raw_content
        if raw is not None and "transfer-encoding" not in self._headers:
            self._headers["content-length"] = str(len(raw))


class DataField(Generic[T]):
    """An attribute of a `data` view: reads and writes a slot of the message, and marks the message as edited."""

    def __init__(self, slot: str) -> None:
        self._slot = slot

    @overload
    def __get__(self, view: None, owner: type) -> Self: ...
    @overload
    def __get__(self, view: "MessageData", owner: type) -> T: ...
    def __get__(self, view: "MessageData | None", owner: type) -> Any:
        return self if view is None else getattr(view.message, self._slot)

    def __set__(self, view: "MessageData", value: T) -> None:
        setattr(view.message, self._slot, value)
        view.message._edited = True  # noqa: SLF001 - the view is part of the message


class ContentField:
    """As `DataField`, for the body, which may be kept elsewhere."""

    def __get__(self, view: "MessageData", owner: type) -> bytes | None:
        return view.message.raw_content

    def __set__(self, view: "MessageData", value: bytes | None) -> None:
        view.message.raw_content = value


class MessageData:
    """The fields of a message as stored, in bytes: a view, not a copy."""

    __slots__ = ("message",)

    def __init__(self, message: Message) -> None:
        self.message = message

    http_version = DataField[bytes]("_http_version")
    headers = DataField[Headers]("_headers")
    content = ContentField()
    trailers = DataField[Headers | None]("_trailers")
    timestamp_start = DataField[float]("timestamp_start")
    timestamp_end = DataField[float | None]("timestamp_end")


def as_bytes(text: str | bytes) -> bytes:
    """Store text as UTF-8, odd bytes restored from surrogates."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def as_headers(headers: Headers | Iterable[tuple[bytes, bytes]]) -> Headers:
    """Give `Headers` as they are, or made of pairs of bytes."""
    return headers if isinstance(headers, Headers) else Headers(headers)


def headers_of(headers: Any) -> Headers:
    """Make `Headers` out of what the `make` methods take: `Headers`, a mapping of text, or pairs of bytes."""
    if isinstance(headers, Headers):
        return headers
    if isinstance(headers, dict):
        return Headers((as_bytes(name), as_bytes(value)) for name, value in headers.items())
    return Headers(headers)


def _refuse_text(content: object, name: str) -> None:
    if content is not None and not isinstance(content, bytes):
        raise TypeError(f"{name} takes bytes, got {type(content).__name__}; use text for text")
