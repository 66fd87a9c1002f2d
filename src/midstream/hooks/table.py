"""The compiled answer to "who listens?", and the one loop that tells them.

The proxy asks `if hooks.request:` (a truth test of a tuple) and then `await dispatch(hooks.request, flow)`. The table is
rebuilt as a whole when the set of addons changes; an exchange that is under way finishes the tuple it has begun.
"""

import logging
import os
from collections.abc import Awaitable, Callable, Iterable
from inspect import isawaitable
from time import perf_counter
from types import TracebackType
from typing import Any, TypeAlias

from midstream.errors import AddonHalt
from midstream.hooks.observe import is_observer
from midstream.hooks.spec import HOOKS

Wait: TypeAlias = Callable[[Awaitable[Any]], Awaitable[Any]]

BLOCKING = 0.1
"""Seconds after which a plain handler is named as one that stops every other flow."""

_log = logging.getLogger("midstream.addon")
_OUR_FRAMES = os.path.dirname(__file__)


class Handler:
    """One addon's function for one hook."""

    __slots__ = ("addon", "call", "hook", "observes", "table")

    def __init__(self, call: Callable[..., Any], *, addon: str, hook: str, table: "HookTable", observes: bool) -> None:
        self.call = call
        self.addon = addon
        self.hook = hook
        self.table = table
        self.observes = observes

    def __repr__(self) -> str:
        return f"<Handler {self.hook} of {self.addon}>"


Handlers: TypeAlias = tuple[Handler, ...]


def wait_plainly(awaitable: Awaitable[Any]) -> Awaitable[Any]:
    """Wait as any coroutine does; right where the caller runs in a task."""
    return awaitable


class HookTable:
    """One attribute per hook: the tuple of its handlers, in the order of the addons."""

    load: Handlers
    configure: Handlers
    running: Handlers
    update: Handlers
    done: Handlers
    client_connected: Handlers
    client_disconnected: Handlers
    server_connect: Handlers
    server_connected: Handlers
    server_connect_error: Handlers
    server_disconnected: Handlers
    next_layer: Handlers
    socks5_auth: Handlers
    tls_clienthello: Handlers
    tls_start_client: Handlers
    tls_start_server: Handlers
    tls_established_client: Handlers
    tls_established_server: Handlers
    tls_failed_client: Handlers
    tls_failed_server: Handlers
    http_connect: Handlers
    http_connected: Handlers
    http_connect_error: Handlers
    http_connect_upstream: Handlers
    requestheaders: Handlers
    request: Handlers
    informational: Handlers
    responseheaders: Handlers
    grpc_message: Handlers
    sse_event: Handlers
    response: Handlers
    error: Handlers
    websocket_start: Handlers
    websocket_message: Handlers
    websocket_ping: Handlers
    websocket_pong: Handlers
    websocket_close: Handlers
    websocket_end: Handlers
    tcp_start: Handlers
    tcp_message: Handlers
    tcp_end: Handlers
    tcp_error: Handlers
    udp_start: Handlers
    udp_message: Handlers
    udp_end: Handlers
    udp_error: Handlers
    dns_request: Handlers
    dns_response: Handlers
    dns_error: Handlers

    __slots__ = (*(hook.name for hook in HOOKS), "holds_request", "holds_response", "holds_websocket", "hosts", "wait")

    def __init__(self, wait: Wait = wait_plainly) -> None:
        self.wait: Wait = wait
        """How a handler's awaitable is waited for; the proxy, which steps its coroutines itself, brings its own."""
        self.holds_request = False
        """Somebody may change a whole request, so its body is held back until they have seen it."""
        self.holds_response = False
        """The same of responses."""
        self.holds_websocket = False
        """The same of messages of WebSocket connections."""
        self.hosts: dict[str, Handler] = {}
        """The hosts that addons are the servers of, by name in lower case."""
        self.compile(())

    def compile(self, addons: Iterable[tuple[str, dict[str, Callable[..., Any]], object]]) -> None:
        """Rebuild every tuple from (name, hooks of the addon, addon), in order."""
        lists: dict[str, list[Handler]] = {hook.name: [] for hook in HOOKS}
        self.hosts = {}
        for name, functions, addon in addons:
            for heard, call in functions.items():
                observes = is_observer(addon, call)
                lists[heard].append(Handler(call, addon=name, hook=heard, table=self, observes=observes))
            for host, answer in getattr(addon, "serves", {}).items():
                server = Handler(answer, addon=name, hook="serves", table=self, observes=False)
                self.hosts.setdefault(host.lower(), server)
        updates = [self._after_flow_hook(handler) for handler in lists["update"]]
        for hook in HOOKS:
            setattr(self, hook.name, tuple(lists[hook.name] + updates if hook.concerns_flow else lists[hook.name]))
        self.holds_request = _somebody_holds(lists["request"])
        self.holds_response = _somebody_holds(lists["response"])
        self.holds_websocket = _somebody_holds(lists["websocket_message"])

    def _after_flow_hook(self, update: Handler) -> Handler:
        """Return a handler that can stand at the end of a flow hook's tuple and calls `update`."""

        def call(flow: object) -> Any:
            return update.call([flow])

        return Handler(call, addon=update.addon, hook="update", table=self, observes=True)


async def dispatch(handlers: Handlers, *args: Any) -> None:
    """Tell each handler in turn; one that fails is logged and named, and the flow goes on.

    `AddonHalt` keeps the handlers after it from being told, except those of `update`.
    """
    for handler in handlers:
        started = perf_counter()
        try:
            result = handler.call(*args)
            if perf_counter() - started > BLOCKING:
                _report_blocking(handler, perf_counter() - started)
            if result is not None and isawaitable(result):
                await handler.table.wait(result)
        except AddonHalt:
            if handler.hook != "update":
                rest = handlers[handlers.index(handler) + 1 :]
                await dispatch(tuple(later for later in rest if later.hook == "update"), *args)
            return
        except Exception as error:  # noqa: BLE001 - the boundary of addons: whatever they raise, the flow goes on
            report_failure(handler.addon, handler.hook, error, *args)


def report_failure(addon: str, hook: str, error: Exception, *args: Any) -> None:
    """Log an addon's exception: its name, the flow, and the part of the traceback that is the addon's."""
    subject = args[0] if args else None
    subject_id = getattr(subject, "id", None)
    where = f" for {type(subject).__name__} {subject_id}" if isinstance(subject_id, str) else ""
    trimmed = (type(error), error, _addon_frames(error.__traceback__))
    _log.error("Addon %s failed in %s%s: %s", addon, hook, where, str(error) or type(error).__name__, exc_info=trimmed)


def _addon_frames(traceback: TracebackType | None) -> TracebackType | None:
    while traceback is not None and os.path.dirname(traceback.tb_frame.f_code.co_filename) == _OUR_FRAMES:
        traceback = traceback.tb_next
    return traceback


def _report_blocking(handler: Handler, seconds: float) -> None:
    _log.warning(
        "Addon %s blocked every connection for %d ms in %s; make the hook async or decorate it with @concurrent.",
        *(handler.addon, seconds * 1000, handler.hook),
    )


def _somebody_holds(handlers: list[Handler]) -> bool:
    return any(not handler.observes for handler in handlers)
