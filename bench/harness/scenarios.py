"""Every scenario by name, in the order in which they run and are reported."""

from __future__ import annotations

from collections.abc import Callable

from harness import body, http2, latency, memory, start, tcp, throughput, websocket
from harness.results import Result
from harness.stage import Stage

SCENARIOS: dict[str, Callable[[Stage], Result]] = {
    "plain": throughput.plain,
    "tls": throughput.tls,
    "script": throughput.script,
    "h2": http2.both,
    "h2-to-h1": http2.to_http1,
    "h1-to-h2": http2.from_http1,
    "latency": latency.latency,
    "h2-latency": http2.latency,
    "body": body.body,
    "h2-body": http2.body,
    "h2-streams": http2.streams,
    "tcp": tcp.spliced,
    "tcp-script": tcp.seen,
    "ws-small": websocket.small,
    "ws-large": websocket.large,
    "ws-memory": websocket.memory,
    "idle": memory.idle,
    "soak": memory.soak,
    "start": start.start,
}
