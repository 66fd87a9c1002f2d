"""Every scenario by name, in the order in which they run and are reported."""

from __future__ import annotations

from collections.abc import Callable

from harness import body, latency, memory, start, throughput
from harness.results import Result
from harness.stage import Stage

SCENARIOS: dict[str, Callable[[Stage], Result]] = {
    "plain": throughput.plain,
    "tls": throughput.tls,
    "script": throughput.script,
    "latency": latency.latency,
    "body": body.body,
    "idle": memory.idle,
    "soak": memory.soak,
    "start": start.start,
}
