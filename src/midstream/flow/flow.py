"""The base of all flows: two connections, an identity, what the user noted, and how it is held and let go.

A flow waits for nobody. The proxy, which may be waiting for a decision about the flow, leaves a callable in
`on_release`; `resume` and `kill` call it.
"""

import asyncio
import copy
import time
import uuid
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self, TypeAlias

import msgspec

from midstream.errors import UsageError
from midstream.flow.annotation import Annotation
from midstream.flow.connection import Client, Server
from midstream.flow.identified import Identified

STATE_VERSION = 21
"""The version of what `get_state` gives."""


class ControlException(UsageError):  # noqa: N818 - the name that addon authors know
    """A flow was told to do what it cannot do in its present state."""


class Error:
    """Why a flow ended without a response."""

    KILLED_MESSAGE: ClassVar[str] = "Connection killed."

    __slots__ = ("msg", "timestamp")

    def __init__(self, msg: str, timestamp: float | None = None) -> None:
        self.msg = msg
        self.timestamp = time.time() if timestamp is None else timestamp

    def __str__(self) -> str:
        return self.msg

    def __repr__(self) -> str:
        return f"Error({self.msg!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Error) and (self.msg, self.timestamp) == (other.msg, other.timestamp)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def get_state(self) -> dict[str, Any]:
        return {"msg": self.msg, "timestamp": self.timestamp}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        return cls(state["msg"], state["timestamp"])


FlowKind: TypeAlias = "type[Flow]"


class Flow(Identified):
    """What every kind of flow has. Made through `HTTPFlow`, `TCPFlow`, …, or `Flow.from_state`.

    Attributes that most flows never set live on the class, which keeps the making of a flow cheap.
    """

    type: ClassVar[str] = ""
    """`http`, `tcp`, `udp` or `dns`."""
    _kinds: ClassVar[dict[str, FlowKind]] = {}

    error: Error | None = None
    """Why the flow failed; set on its way or by `kill`."""
    intercepted: bool = False
    """True while the flow is held until `resume` or `kill`."""
    marked: str = ""
    """A marker set by the user: empty, a character or `:emoji_name:`."""
    comment: str = ""
    """A note by the user."""
    is_replay: Literal["request", "response"] | None = None
    """Which side is replayed rather than recorded."""
    held_back: str = ""
    """Why a body was held back instead of streamed; empty if none was."""
    on_release: Callable[[], None] | None = None
    """Called once, by `resume` or `kill`, to wake whoever holds the flow."""

    _metadata: dict[str, Any] | None = None
    _annotations: list[Annotation] | None = None
    _backup: dict[str, Any] | None = None
    _waiters: tuple["asyncio.Future[None]", ...] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        name = cls.__dict__.get("type", "")
        if name:
            Flow._kinds[name] = cls

    def __init__(self, client_conn: Client, server_conn: Server, live: bool = False) -> None:
        self.client_conn = client_conn
        self.server_conn = server_conn
        self.live = live
        self.timestamp_created = time.time()

    @property
    def metadata(self) -> dict[str, Any]:
        """Notes of addons, by name; saved as far as they are plain data."""
        if self._metadata is None:
            self._metadata = {}
        return self._metadata

    @metadata.setter
    def metadata(self, value: dict[str, Any]) -> None:
        self._metadata = value

    @property
    def annotations(self) -> list[Annotation]:
        """Faults that the proxy tolerated or repaired."""
        if self._annotations is None:
            self._annotations = []
        return self._annotations

    @annotations.setter
    def annotations(self, value: list[Annotation]) -> None:
        self._annotations = value

    @property
    def timestamp_start(self) -> float:
        """When the flow began."""
        return self.timestamp_created

    @property
    def killable(self) -> bool:
        """True while `kill` makes sense: the flow is live and was not killed."""
        return self.live and not (self.error is not None and self.error.msg == Error.KILLED_MESSAGE)

    def kill(self) -> None:
        """End the flow; its connection is closed. Raises `ControlException` if it is not `killable`."""
        if not self.killable:
            raise ControlException("this flow is not live any more, so it cannot be killed")
        self.error = Error(Error.KILLED_MESSAGE)
        self.live = False
        self.intercepted = False
        self._release()

    def intercept(self) -> None:
        """Hold the flow after the present hook until `resume` or `kill`."""
        self.intercepted = True

    def resume(self) -> None:
        """Let an intercepted flow go on."""
        if self.intercepted:
            self.intercepted = False
            self._release()

    async def wait_for_resume(self) -> None:
        """Wait until the flow is not intercepted any more, by `resume` or `kill`."""
        if self.intercepted:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters = (*self._waiters, waiter)
            await waiter

    def backup(self, force: bool = False) -> None:
        """Remember the present state for `revert`, unless one is remembered already or `force`."""
        if self._backup is None or force:
            self._backup = self._state()

    def modified(self) -> bool:
        """Tell whether the flow differs from its backup."""
        return self._backup is not None and self._backup != self._state()

    def revert(self) -> None:
        """Go back to the backup, if there is one."""
        if self._backup is not None:
            self._restore(self._backup)
            self._backup = None

    def copy(self) -> Self:
        """A new flow with the same content, a new id, and not live."""
        flow = self.from_state(self.get_state())
        flow.id = str(uuid.uuid4())
        return flow

    def get_state(self) -> dict[str, Any]:
        """Everything worth saving, as plain data."""
        return {**self._state(), "backup": self._backup}

    def set_state(self, state: dict[str, Any]) -> None:
        """Become what `get_state` saved. Raises ValueError for the state of another kind of flow."""
        if state["type"] != self.type:
            raise ValueError(f"this is the state of a {state['type']!r} flow, not of a {self.type!r} flow")
        self._restore(state)
        self._backup = state.get("backup")

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Make a flow of the right kind. Raises ValueError if that kind is not known."""
        kind = Flow._kinds.get(state["type"])
        if kind is None or not issubclass(kind, cls):
            raise ValueError(f"cannot make a {cls.__name__} of a state of type {state['type']!r}")
        flow = kind(Client.from_state(state["client_conn"]), Server.from_state(state["server_conn"]))
        flow.set_state(state)
        return flow

    def _release(self) -> None:
        release, self.on_release = self.on_release, None
        waiters, self._waiters = self._waiters, ()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        if release is not None:
            release()

    def _state(self) -> dict[str, Any]:
        return {
            "version": STATE_VERSION,
            "type": self.type,
            "id": self.id,
            "error": None if self.error is None else self.error.get_state(),
            "client_conn": self.client_conn.get_state(),
            "server_conn": self.server_conn.get_state(),
            "intercepted": self.intercepted,
            "is_replay": self.is_replay,
            "marked": self.marked,
            "metadata": _plain(self._metadata or {}),
            "comment": self.comment,
            "timestamp_created": self.timestamp_created,
            "annotations": [(remark.message, remark.reference) for remark in self._annotations or ()],
            "held_back": self.held_back,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.id = state["id"]
        self.error = None if state["error"] is None else Error.from_state(state["error"])
        self.client_conn = Client.from_state(state["client_conn"])
        self.server_conn = Server.from_state(state["server_conn"])
        self.intercepted = state["intercepted"]
        self.is_replay = state["is_replay"]
        self.marked = state["marked"]
        self.metadata = copy.deepcopy(state["metadata"])
        self.comment = state["comment"]
        self.timestamp_created = state["timestamp_created"]
        self.annotations = [Annotation(*remark) for remark in state.get("annotations", ())]
        self.held_back = state.get("held_back", "")


def _plain(metadata: dict[str, Any]) -> dict[str, Any]:
    """Leave out what cannot be saved."""
    kept = {}
    for name, value in metadata.items():
        try:
            msgspec.msgpack.encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError):
            continue
        kept[name] = copy.deepcopy(value)
    return kept
