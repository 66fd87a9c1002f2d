"""The frames that carry no message: settings, windows, resets, priorities, signs of life (RFC 9113 §6.3-§6.9)."""

from midstream.wire.errors import Profile
from midstream.wire.events import Reset
from midstream.wire.h2 import frame as frames
from midstream.wire.h2.budget import Budget
from midstream.wire.h2.errors import FRAME_SIZE_ERROR, NO_ERROR, FatalError, StreamError, code_name
from midstream.wire.h2.events import GoAway, Pong, Priority, PriorityUpdate, SettingsChanged, StreamEvent
from midstream.wire.h2.frame import ACK, ID_MASK
from midstream.wire.h2.limits import Limits
from midstream.wire.h2.settings import DEFAULT_WINDOW, INITIAL_WINDOW_SIZE
from midstream.wire.h2.window import ReceiveWindow
from midstream.wire.h2.write import Writer
from midstream.wire.tolerance import Tolerance


class Controller(Writer):
    """Obeys and answers control frames."""

    side: str = "peer"

    def __init__(self, limits: Limits, profile: Profile, own: dict[int, int], connection_window: int) -> None:
        super().__init__(limits, connection_window)
        self.goaway: GoAway | None = None
        """The peer's latest GOAWAY."""
        self._tolerance = Tolerance(profile)
        self._own_window = own.get(INITIAL_WINDOW_SIZE, DEFAULT_WINDOW)
        # A peer that has not seen our SETTINGS yet goes by the default.
        self._stream_window = max(self._own_window, DEFAULT_WINDOW)
        self._now = 0.0
        self._controls = Budget("control frames", limits.controls_per_second)
        self._updates = Budget("WINDOW_UPDATE frames", limits.updates_per_second)

    def ping(self, payload: bytes) -> None:
        """Ask for a sign of life, which will be a `Pong` with these eight bytes."""
        self._out.append(frames.frame(frames.PING, 0, 0, payload))

    def go_away(self, code: int = NO_ERROR, debug: bytes = b"", *, last: int | None = None) -> None:
        """Tell the peer that no stream of its beyond `last` will be looked at; by default, beyond those that are there."""
        self._out.append(frames.goaway(self._last_taken if last is None else last, code, debug))

    def _spend_reset(self) -> None:
        """Count a stream that broke off before it was complete."""

    @property
    def _last_taken(self) -> int:
        """The last stream of the peer's that we looked at."""
        return 0

    def _control(self, kind: int, flags: int, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        match kind:
            case frames.WINDOW_UPDATE:
                self._window_update(stream_id, payload, events)
            case frames.RST_STREAM:
                self._rst_stream(stream_id, payload, events)
            case frames.PING:
                self._ping(flags, stream_id, payload, events)
            case frames.SETTINGS:
                self._settings(flags, stream_id, payload, events)
            case frames.PRIORITY:
                self._priority(stream_id, payload, events)
            case frames.PRIORITY_UPDATE:
                self._priority_update(stream_id, payload, events)
            case frames.GOAWAY:
                self._goaway(stream_id, payload, events)
            case frames.CONTINUATION:
                raise FatalError("CONTINUATION without a beginning", "RFC 9113 §6.10")
            case _:
                self._controls.spend(self._now)  # unknown, ALTSVC and ORIGIN: not for us (H2-20, H2-21)

    def _check_known(self, stream_id: int, name: str) -> None:
        """Refuse frames of streams that never were (RFC 9113 §5.1)."""
        if not stream_id & 1 or stream_id > self._highest:
            raise FatalError(f"{name} on stream {stream_id}, which is not open", "RFC 9113 §5.1")

    def _priority(self, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        self._controls.spend(self._now)
        if not stream_id:
            raise FatalError("PRIORITY on stream 0", "RFC 9113 §6.3")
        if len(payload) != 5:
            raise StreamError("PRIORITY of a wrong size", "RFC 9113 §6.3", FRAME_SIZE_ERROR)
        self._tell_priority(stream_id, read_priority(payload), events)

    def _tell_priority(self, stream_id: int, priority: Priority, events: list[StreamEvent]) -> None:
        if priority.depends_on == stream_id:
            if self._tolerance.profile is Profile.STRICT:
                raise StreamError("a stream that depends on itself", "RFC 7540 §5.3.1")
            return
        events.append((stream_id, priority))

    def _priority_update(self, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        self._controls.spend(self._now)
        prioritised = frames.long(payload) & ID_MASK if len(payload) >= 4 else 0
        if stream_id or not prioritised:
            raise FatalError("a malformed PRIORITY_UPDATE", "RFC 9218 §7.1")
        events.append((prioritised, PriorityUpdate(payload[4:])))

    def _rst_stream(self, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        if len(payload) != 4:
            raise FatalError("RST_STREAM of a wrong size", "RFC 9113 §6.4", FRAME_SIZE_ERROR)
        self._check_known(stream_id, "RST_STREAM")
        stream = self._streams.get(stream_id)
        if stream is None:
            self._controls.spend(self._now)  # it crossed ours, or the end (H2-11)
            return
        self._drop(stream)
        code = frames.long(payload)
        events.append((stream_id, Reset(f"the {self.side} reset the stream: {code_name(code)}", code)))
        self._spend_reset()

    def _settings(self, flags: int, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        if stream_id:
            raise FatalError("SETTINGS on a stream", "RFC 9113 §6.5")
        if len(payload) % 6 or (flags & ACK and payload):
            raise FatalError("SETTINGS of a wrong size", "RFC 9113 §6.5", FRAME_SIZE_ERROR)
        self._controls.spend(self._now)
        if flags & ACK:
            self._narrow_windows()
            return
        peer = self.peer
        values = frames.pairs(payload)
        before = peer.window
        for key, value in values:
            peer.apply(key, value)
        if peer.window != before:  # once, however often the frame changes it
            self._shift_send_windows(peer.window - before, events)
        self._encoder.resize(min(peer.table_bytes, self.limits.table_bytes))
        self._out.append(frames.header(frames.SETTINGS, ACK, 0, 0))
        events.append((0, SettingsChanged(values)))

    def _new_window(self) -> ReceiveWindow:
        return ReceiveWindow(self._stream_window, self.limits.window_growth)

    def _narrow_windows(self) -> None:
        """The peer knows our SETTINGS now: windows below the default begin to count (RFC 9113 §6.9.2)."""
        if self._stream_window != self._own_window:
            self._stream_window = self._own_window
            for stream in self._streams.values():
                stream.window.begin_with(self._own_window)

    def _ping(self, flags: int, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        if stream_id:
            raise FatalError("PING on a stream", "RFC 9113 §6.7")
        if len(payload) != 8:
            raise FatalError("PING of a wrong size", "RFC 9113 §6.7", FRAME_SIZE_ERROR)
        self._controls.spend(self._now)
        if flags & ACK:
            events.append((0, Pong(payload)))
        else:
            self._out.append(frames.frame(frames.PING, ACK, 0, payload))

    def _goaway(self, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        if stream_id:
            raise FatalError("GOAWAY on a stream", "RFC 9113 §6.8")
        if len(payload) < 8:
            raise FatalError("GOAWAY of a wrong size", "RFC 9113 §6.8", FRAME_SIZE_ERROR)
        self._controls.spend(self._now)
        goaway = self.goaway = GoAway(frames.long(payload) & ID_MASK, frames.long(payload, 4), payload[8:])
        events.append((0, goaway))
        self._refuse_above(goaway.last_stream_id, events)

    def _refuse_above(self, last: int, events: list[StreamEvent]) -> None:
        """Break off our streams above the last that the peer will look at."""

    def _window_update(self, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        if len(payload) != 4:
            raise FatalError("WINDOW_UPDATE of a wrong size", "RFC 9113 §6.9", FRAME_SIZE_ERROR)
        self._updates.spend(self._now)
        if stream_id and stream_id not in self._streams:
            self._check_known(stream_id, "WINDOW_UPDATE")
            return  # it crossed the end (H2-11)
        self._open_send_window(stream_id, frames.long(payload) & ID_MASK, events)

    def _sent_data(self) -> None:
        self._updates.earn(2)


def read_priority(payload: bytes) -> Priority:
    value = frames.long(payload)
    return Priority(value & ID_MASK, payload[4] + 1, bool(value >> 31))
