"""The flows that are replayed: some under way, the others in line.

As many as the option `client_replay_concurrency` says hold the others up. One that takes longer than `client_replay_timeout` does so no more, and
goes on beside them, so that a silent server, or a stream that never ends, does not keep everybody waiting.
"""

import logging
from collections import deque
from collections.abc import Sequence

from midstream.errors import UsageError
from midstream.flow import Flow, HTTPFlow
from midstream.proxy.pool import Pool
from midstream.proxy.replay import Replay
from midstream.proxy.replayhead import has_server
from midstream.proxy.session import Session
from midstream.proxy.websocketscript import missing_from

_log = logging.getLogger("midstream.replay")


class Replays:
    """The replays of one engine."""

    def __init__(self, session: Session, pool: Pool) -> None:
        self._session = session
        self._pool = pool
        self._waiting: deque[HTTPFlow] = deque()
        self._running: list[Replay] = []

    @property
    def count(self) -> int:
        """How many are in line or under way."""
        return len(self._waiting) + len(self._running)

    def add(self, flows: Sequence[Flow]) -> None:
        """Have flows replayed, in this order, from the end of the loop's turn on; those that cannot be are named in the log.

        Raises:
            UsageError: None of them can be.

        """
        refused = []
        for flow in flows:
            why = self._why_not(flow)
            if not why and isinstance(flow, HTTPFlow):
                self._waiting.append(flow)
            else:
                refused.append(f"Cannot replay {flow!r}: {why}.")
        if refused and len(refused) == len(flows):
            raise UsageError(" ".join(refused))
        for text in refused:
            _log.warning(text)
        self._session.turns.add(self)

    def stop(self) -> None:
        """Replay nothing more, and break off what is under way."""
        self._waiting.clear()
        for replay in list(self._running):
            replay.stop()

    def flush(self) -> None:
        """Begin what may begin; called at the end of the loop's turn."""
        while self._waiting and self._has_room:
            flow = self._waiting.popleft()
            why = self._why_not(flow)
            if why:
                _log.warning("Cannot replay %r any more: %s.", flow, why)
                continue
            replay = Replay(self._session, self._pool, flow, self._changed)
            self._running.append(replay)
            replay.start()

    @property
    def _has_room(self) -> bool:
        most = self._session.options.client_replay_concurrency
        return most <= 0 or sum(replay.holds_others for replay in self._running) < most

    def _changed(self, replay: Replay) -> None:
        """Let the next begin, since one is over or need not be waited for."""
        if replay.is_over:
            self._running.remove(replay)
        self._session.turns.add(self)

    def _why_not(self, flow: Flow) -> str:
        """Return why a flow cannot be replayed; nothing if it can."""
        if not isinstance(flow, HTTPFlow):
            return f"only HTTP and WebSocket can be, and this is a flow of type {flow.type}"
        if flow.live or any(replay.flow is flow for replay in self._running):
            return "it is under way; replay a copy"
        if flow.intercepted:
            return "it is intercepted; resume it, or replay a copy that is not"
        if flow in self._waiting:
            return "it is in line already"
        return self._what_is_missing(flow)

    def _what_is_missing(self, flow: HTTPFlow) -> str:
        request = getattr(flow, "request", None)
        if request is None or not has_server(request):
            return "its request does not say where to"
        if request.method == "CONNECT" and flow.websocket is None:
            return "a CONNECT only opens a tunnel; replay what went through it"
        if request.raw_content is None:
            return "the body of its request was not kept"
        if request.timestamp_start and request.timestamp_end is None:
            return "its request has not come as a whole"
        if flow.websocket is not None and not self._session.settings.websocket:
            return "the option websocket is off"
        return missing_from(flow, self._session.settings.body_memory)
