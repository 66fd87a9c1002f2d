"""A recorded WebSocket session as a script for its client: what it said, and what it had heard before it did."""

from typing import Final, Literal, TypeAlias

import msgspec

from midstream.flow import HTTPFlow, WebSocketData, WebSocketMessage
from midstream.proxy.websocketside import CUT
from midstream.wire.ws import Message
from midstream.wire.ws.errors import ABNORMAL, NO_STATUS
from midstream.wire.ws.events import Close

Leave: TypeAlias = Literal["closes", "vanishes", "waits"]
NORMAL: Final = 1000
LARGEST_CODE: Final = 0xFFFF
_NEVER_SENT: Final = frozenset((NO_STATUS, ABNORMAL, 1015))
"""Codes that stand for what was not said (RFC 6455 §7.4.1)."""
_LONGEST_REASON: Final = 123


class Cue(msgspec.Struct, frozen=True):
    """When something is to be done."""

    heard: int
    """How many messages the server had sent before."""
    gap: float
    """Seconds since what had come before it, whoever sent that."""


class Line(msgspec.Struct, frozen=True):
    """A message that the client sends."""

    cue: Cue
    message: Message


class Script(msgspec.Struct, frozen=True):
    """What the client does from the opening to the end."""

    lines: list[Line]
    cue: Cue
    """When it ends."""
    leave: Leave
    """Whether it closes, is gone without a word, or waits for the server to close."""
    close: Close
    """What it says then; where it waits, if it does so in vain."""


def script_of(flow: HTTPFlow) -> Script:
    """Return what the client of a recorded session has to do to do the same again.

    Messages that were dropped did not reach the server and are left out; those injected towards it did, and are said again.
    """
    data = flow.websocket or WebSocketData()
    before = _opened(flow)
    heard = 0
    lines = []
    for message in data.messages:
        if not message.from_client:
            heard += not message.injected
        elif not message.dropped:
            lines.append(Line(Cue(heard, _gap(before, message.timestamp)), Message(message.type, message.content)))
        before = message.timestamp
    return Script(lines, Cue(heard, _gap(before, data.timestamp_end)), _leave(data), _close(data))


def missing_from(flow: HTTPFlow, most: int) -> str:
    """Return what was not kept of what the client said, if anything was not; `most` of a message is kept."""
    data = flow.websocket
    if data is None:
        return ""
    if any(type(message.content) is not bytes for message in data.messages):
        return "the content of one of its messages is no bytes"
    if flow.messages_forgotten:
        return f"its first {flow.messages_forgotten} messages were not kept; a larger body_memory keeps more"
    was_cut = any(note.message == CUT for note in flow.annotations)
    if was_cut and any(_is_cut(message, most) for message in data.messages):
        return "of one of its messages only the beginning was kept; a larger body_memory keeps more"
    return ""


def _is_cut(message: WebSocketMessage, most: int) -> bool:
    return message.from_client and not message.dropped and len(message.content) == most


def _opened(flow: HTTPFlow) -> float | None:
    response = flow.response
    return None if response is None else response.timestamp_end or response.timestamp_start


def _gap(before: float | None, now: float | None) -> float:
    """Return the time between; clocks go wrong, and scripts make up times."""
    return 0.0 if before is None or now is None else max(0.0, now - before)


def _leave(data: WebSocketData) -> Leave:
    if data.closed_by_client is False:
        return "waits"
    return "vanishes" if data.closed_by_client and data.close_code == ABNORMAL else "closes"


def _close(data: WebSocketData) -> Close:
    """Return the close frame; an ordinary one if nobody has sent any."""
    code = data.close_code
    if data.closed_by_client is None or code is None or code == ABNORMAL or not 0 <= code <= LARGEST_CODE:
        return Close(NORMAL)
    if code in _NEVER_SENT:
        return Close()
    reason = (data.close_reason or "").encode("utf-8", "replace")[:_LONGEST_REASON]
    return Close(code, reason.decode("utf-8", "ignore").encode())
