"""What a flow keeps of its WebSocket connection: the latest messages and control frames, how it ended, and what was wrong."""

from collections.abc import Callable, Sequence
from typing import Final

from midstream.flow import Annotation, HTTPFlow, WebSocketControl, WebSocketData, WebSocketMessage
from midstream.flow.websocket import Opcode
from midstream.wire.errors import Fault
from midstream.wire.ws.errors import ABNORMAL
from midstream.wire.ws.events import Close

CONTROLS_KEPT: Final = 1000
MESSAGE_BYTES: Final = 160
"""What a message takes beside its content."""
_OPCODES: Final = (None, Opcode.TEXT, Opcode.BINARY)


class WebSocketRecord:
    """Writes down what happens, within bounds."""

    __slots__ = ("_data", "_flow", "_most", "_size", "_time")

    def __init__(self, flow: HTTPFlow, most: int, time: Callable[[], float]) -> None:
        assert flow.websocket is not None
        self._flow = flow
        self._data: WebSocketData = flow.websocket
        self._most = most
        self._size = 0
        self._time = time

    def message(self, opcode: int, data: bytes, *, from_client: bool, is_injected: bool) -> WebSocketMessage:
        """Keep a message, and return it."""
        kind = _OPCODES[opcode]
        assert kind is not None
        message = WebSocketMessage(kind, from_client, data, self._time(), False, is_injected)
        self._data.messages.append(message)
        self._size += len(data) + MESSAGE_BYTES
        if self._size > self._most:
            self._forget()
        return message

    def control(self, kind: str, payload: bytes, *, from_client: bool) -> None:
        """Keep a control frame."""
        controls = self._data.controls
        controls.append(WebSocketControl(kind, from_client, payload, self._time()))
        if len(controls) > CONTROLS_KEPT:
            del controls[0]

    def close_frame(self, close: Close, *, from_client: bool) -> None:
        """Keep a close frame, which is also how the connection ends."""
        self.closed(close.shown_code, close.reason, by_client=from_client)
        payload = b"" if close.code is None else close.code.to_bytes(2, "big") + close.reason
        self.control("close", payload, from_client=from_client)

    def closed(self, code: int, reason: bytes, *, by_client: bool | None) -> None:
        """Note how the connection ends; what was noted first holds."""
        data = self._data
        if data.close_code is None:
            data.close_code = code
            data.close_reason = reason.decode("utf-8", "backslashreplace")
            data.closed_by_client = by_client

    def faults(self, faults: Sequence[Fault]) -> None:
        """Note what was tolerated, each kind once."""
        annotations = self._flow.annotations
        for fault in faults:
            note = Annotation(fault.message, fault.reference)
            if note not in annotations:
                annotations.append(note)

    def end(self) -> None:
        """Note that it is over."""
        self._data.timestamp_end = self._time()
        self.closed(ABNORMAL, b"", by_client=None)

    def _forget(self) -> None:
        """Let the oldest messages go until a quarter of the room is free, so that it need not be done for each new one."""
        messages = self._data.messages
        sizes = [len(message.content) + MESSAGE_BYTES for message in messages]
        size, most, count = sum(sizes), self._most - self._most // 4, 0
        while size > most and count < len(sizes) - 1:
            size -= sizes[count]
            count += 1
        del messages[:count]
        self._flow.messages_forgotten += count
        self._size = size
