"""WebSocket through forward proxies in clear text: many small messages, large ones, and memory over a million of them.

All proxies run at once and take turns, as with HTTP. A message is counted when its echo is back, so it has passed twice.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from harness.load import LoadError
from harness.peers import MIDSTREAM, MITMDUMP, NGHTTPX, NGINX, Job
from harness.processes import Program, pinned
from harness.results import Result
from harness.stage import Stage
from harness.throughput import DIRECT, promise

SMALL, LARGE = 100, 1 << 20
CONNECTIONS = 50
GROWTH_MB = 10
_NOT_MEASURED = frozenset((NGINX, NGHTTPX))
"""They do not read messages."""


@dataclass
class _Series:
    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)


def small(stage: Stage) -> Result:
    result = _compare(
        stage, "ws-small", f"WebSocket echo of {SMALL} bytes, {CONNECTIONS} connections", SMALL, CONNECTIONS
    )
    promise(result, over_mitmdump=10)
    return result


def large(stage: Stage) -> Result:
    result = _compare(stage, "ws-large", "WebSocket echo of 1 MiB, 4 connections", LARGE, 4)
    promise(result, over_mitmdump=5)
    return result


def memory(stage: Stage) -> Result:
    """The first tenth warms up; what comes after it may add hardly anything."""
    count = stage.pace.soak_requests * 2
    result = Result(
        "ws-memory", f"Memory over {count:,} WebSocket messages of {SMALL} bytes", ["before MiB", "after MiB"]
    )
    grown: float | None = None
    with stage.proxies(Job(), result) as programs:
        program = programs.get(MIDSTREAM)
        if program is not None:
            _run(stage, program.port, SMALL, CONNECTIONS, messages=count // 10)
            before = program.rss()
            _run(stage, program.port, SMALL, CONNECTIONS, messages=count)
            after = program.rss()
            grown = (after - before) / 2**20
            result.add(MIDSTREAM, *(f"{it / 2**20:.1f}" for it in (before, after)))
    result.at_most(f"grows by {GROWTH_MB} MiB at most", grown, GROWTH_MB, " MiB")
    return result


def _compare(stage: Stage, name: str, title: str, size: int, connections: int) -> Result:
    result = Result(name, title, ["echoes/s (median)", "slowest … fastest round", "CPU µs per echo"])
    with stage.proxies(Job(), result) as programs:
        loads: dict[str, Program | None] = {DIRECT: None}
        loads |= {peer: program for peer, program in programs.items() if peer not in _NOT_MEASURED}
        series = {peer: _Series() for peer in loads}
        for number in range(stage.pace.rounds + 1):
            for peer in list(series):
                try:
                    _one_round(stage, loads[peer], size, connections, series[peer] if number else _Series())
                except LoadError as failure:
                    result.fail(peer, str(failure))
                    del series[peer]
    for peer, rounds in series.items():
        spread = f"{min(rounds.rates):,.0f} … {max(rounds.rates):,.0f}"
        result.add(
            peer, f"{median(rounds.rates):,.0f}", spread, f"{median(rounds.cpu_us):.1f}" if rounds.cpu_us else "-"
        )
    result.rates = {peer: median(rounds.rates) for peer, rounds in series.items()}
    if MIDSTREAM in series and MITMDUMP in series:
        ratio = median(series[MITMDUMP].cpu_us) / median(series[MIDSTREAM].cpu_us)
        result.remarks.append(f"per echo {MITMDUMP} spends {ratio:.2f} times midstream's CPU time")
    return result


def _one_round(stage: Stage, program: Program | None, size: int, connections: int, into: _Series) -> None:
    before = program.cpu_seconds() if program else 0.0
    count, seconds = _run(stage, program.port if program else 0, size, connections)
    if not count:
        raise LoadError("no echo came back")
    into.rates.append(count / seconds)
    if program:
        into.cpu_us.append((program.cpu_seconds() - before) / count * 1e6)


def _run(stage: Stage, port: int, size: int, connections: int, *, messages: int = 0) -> tuple[int, float]:
    arguments = [port, connections, size, stage.pace.seconds, messages]
    command = pinned([sys.executable, "-m", "harness.wsload", *map(str, arguments)], stage.load_cpus)
    place = Path(__file__).parent.parent
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise LoadError(lines[-1][:200] if lines else "the load ended early")
    found = json.loads(done.stdout)
    return found["messages"], found["seconds"]
