"""A scripted peer. Every engine under test has a twin that is told the same byte by byte, and must do the same."""

from collections.abc import Callable
from typing import Any

import pytest

from midstream.wire.errors import PeerError
from midstream.wire.events import Data, RequestHead
from midstream.wire.h2 import ClientFacing, Limits, ServerFacing
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.errors import CodedError
from midstream.wire.h2.frame import ACK, END_HEADERS, END_STREAM, PREFACE, Frame
from midstream.wire.h2.hpack import Decoder, Encoder

REQUEST = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")]


def plain(events: list) -> list:
    """Make events comparable: errors by what they say, and data of one stream in one piece."""
    found: list = []
    for at, event in events:
        if isinstance(event, PeerError):
            code = event.code if isinstance(event, CodedError) else event.status
            found.append((at, (type(event).__name__, event.message, code)))
        elif found and isinstance(event, Data) and found[-1][0] == at and isinstance(found[-1][1], Data):
            found[-1] = (at, Data(found[-1][1].data + event.data))
        else:
            found.append((at, event))
    return found


class Twins:
    """Two engines that are told to do the same, one of them being fed byte by byte."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.__dict__["whole"] = make()
        self.__dict__["parted"] = make()

    def receive(self, data: bytes, now: float = 0.0) -> list:
        events = plain(self.whole.receive(data, now))
        assert (
            plain([event for at in range(len(data)) for event in self.parted.receive(data[at : at + 1], now)]) == events
        )
        return events

    def __getattr__(self, name: str) -> Any:
        first = getattr(self.whole, name)
        if not callable(first):
            second = getattr(self.parted, name)
            assert getattr(second, "__dict__", second) == getattr(first, "__dict__", first)
            return first

        def call(*args: Any, **named: Any) -> Any:
            try:
                result = first(*args, **named)
            except Exception as error:
                with pytest.raises(type(error)):
                    getattr(self.parted, name)(*args, **named)
                raise
            assert plain_or_same(getattr(self.parted, name)(*args, **named)) == plain_or_same(result)
            return result

        return call

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.whole, name, value)


def plain_or_same(result: Any) -> Any:
    return plain(result) if isinstance(result, list) else result


class Remote:
    """The peer of an engine: says frames, hears frames."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.engine = Twins(make)
        self.encoder = Encoder()
        self.decoder = Decoder()

    def says(self, *wire: bytes, now: float = 0.0) -> list:
        return self.engine.receive(b"".join(wire), now)

    def hears(self) -> list[Frame]:
        """Return what the engine wrote, header blocks as fields."""
        found = list(frames.frames(self.engine.take_output().removeprefix(PREFACE)))
        return [
            each._replace(payload=self.decoder.decode(each.payload).fields)
            if each.kind == frames.HEADERS and each.flags & END_HEADERS
            else each
            for each in found
        ]

    def block(self, fields: list[tuple[bytes, bytes]]) -> bytes:
        return self.encoder.encode(fields)

    def headers(self, stream_id: int, fields: list[tuple[bytes, bytes]], *, end: bool = False) -> bytes:
        flags = END_HEADERS | (END_STREAM if end else 0)
        return frames.frame(frames.HEADERS, flags, stream_id, self.block(fields))

    def request(
        self, stream_id: int = 1, *fields: tuple[bytes, bytes], method: bytes = b"GET", end: bool = True
    ) -> bytes:
        return self.headers(stream_id, [(b":method", method), *REQUEST[1:], *fields], end=end)

    def response(
        self, stream_id: int = 1, *fields: tuple[bytes, bytes], status: bytes = b"200", end: bool = False
    ) -> bytes:
        return self.headers(stream_id, [(b":status", status), *fields], end=end)

    def data(self, stream_id: int, data: bytes, *, end: bool = False) -> bytes:
        return frames.frame(frames.DATA, END_STREAM if end else 0, stream_id, data)


@pytest.fixture
def client():
    """A scripted client that has introduced itself."""

    def make(settings=(), profile=None, *, extended=False, greets=True, **limits) -> Remote:
        named = {} if profile is None else {"profile": profile}
        remote = Remote(lambda: ClientFacing(Limits(**limits), has_extended_connect=extended, **named))
        if greets:
            remote.says(PREFACE, frames.settings(settings), frames.frame(frames.SETTINGS, ACK, 0, b""))
            remote.hears()
        return remote

    return make


@pytest.fixture
def server():
    """A scripted server that has introduced itself, and may have been asked."""

    def make(settings=(), profile=None, *, asked=0, greets=True, like=None, method=b"GET", **limits) -> Remote:
        named = {} if profile is None else {"profile": profile}
        remote = Remote(lambda: ServerFacing(Limits(**limits), like=like, **named))
        if greets:
            remote.says(frames.settings(settings), frames.frame(frames.SETTINGS, ACK, 0, b""))
        for _ in range(asked):
            remote.engine.open_whole(
                RequestHead(method, b"/", b"HTTP/2.0", [], 0, authority=b"a", scheme=b"https"), b""
            )
        if greets:
            remote.hears()
        return remote

    return make


@pytest.fixture
def request_head():
    def make(*fields: tuple[bytes, bytes], method: bytes = b"GET", size: int | None = 0, **named: Any) -> RequestHead:
        given = {"authority": b"a", "scheme": b"https", "pseudo_order": b"m,s,a,p"} | named
        return RequestHead(
            method, given.pop("target", b"/"), given.pop("version", b"HTTP/2.0"), list(fields), size, **given
        )

    return make
