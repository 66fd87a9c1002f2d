"""Every case is read whole, split at every byte, byte by byte, and with bytes of a next message behind it."""

from collections.abc import Callable

import pytest

from midstream.wire.errors import PeerError, Profile
from midstream.wire.events import Data, End, Event, RequestHead
from midstream.wire.h1 import ClientFacing, Limits, ServerFacing

TRAILING = b"TRACE /next HTTP/1.1\r\n"


def plain(events: list[Event]) -> list[object]:
    """Make events comparable, without regard to where a body was cut."""
    result: list[object] = []
    for event in events:
        if isinstance(event, PeerError):
            result.append(("PeerError", event.message, event.reference, event.status))
        elif isinstance(event, Data) and result and isinstance(result[-1], Data):
            result[-1] = Data(result[-1].data + event.data)
        else:
            result.append(event)
    return result


def read_all_ways(make: Callable[[], ClientFacing | ServerFacing], data: bytes) -> list[Event]:
    events = make().receive(data)
    expected = plain(events)
    for cut in range(len(data) + 1):
        engine = make()
        assert plain(engine.receive(data[:cut]) + engine.receive(data[cut:])) == expected, f"split at {cut}"
    engine = make()
    assert plain([event for at in range(len(data)) for event in engine.receive(data[at : at + 1])]) == expected
    if events and isinstance(events[-1], End):
        engine = make()
        assert plain(engine.receive(data + TRAILING)) == expected, "with trailing bytes"
        assert engine.buffered == len(TRAILING)
        assert engine.release() == TRAILING
    if events and isinstance(events[-1], PeerError):
        engine = make()
        engine.receive(data)
        assert engine.receive(TRAILING) == []
        assert engine.buffered == 0
        assert not engine.is_reusable
    return expected


@pytest.fixture
def read_request():
    def read(data: bytes, profile: Profile = Profile.LENIENT, **limits: int) -> list[Event]:
        return read_all_ways(lambda: ClientFacing(Limits(**limits), profile), data)

    return read


@pytest.fixture
def read_response():
    def read(data: bytes, method: bytes = b"GET", profile: Profile = Profile.LENIENT, **limits: int) -> list[Event]:
        def make() -> ServerFacing:
            engine = ServerFacing(Limits(**limits), profile)
            engine.send(RequestHead(method, b"/", b"HTTP/1.1", [(b"Host", b"a")], 0))
            engine.send(End())
            return engine

        return read_all_ways(make, data)

    return read


@pytest.fixture
def refusal():
    def find(events: list) -> tuple[str, int] | None:
        """Tell what the last event complains about, and the status to answer."""
        last = events[-1] if events else None
        return (last[1], last[3]) if isinstance(last, tuple) else None

    return find
