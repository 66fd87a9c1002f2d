"""Added latency: one connection, one request at a time, with and without a proxy between.

One program works at a time then, so all of them share one CPU, and what is measured is their work. With CPUs of their own, they
wait for sleeping CPUs to be woken, four times for a request through a proxy and never without one; what that makes of it is shown
beside.
"""

from __future__ import annotations

from statistics import median
from typing import NamedTuple

from harness.load import Loader, LoadError
from harness.peers import MIDSTREAM, Job
from harness.results import Result
from harness.stage import Stage

DIRECT = "no proxy"
CEILING_MS = 0.25
COLUMNS = ["p50 ms", "added by the proxy ms", "p99 ms", "added with CPUs of their own ms"]


class Latency(NamedTuple):
    p50: float
    """Milliseconds, as are all here."""
    p99: float


def latency(stage: Stage) -> Result:
    return measure_latency(stage, Job(), "latency", "Latency at one connection, clear text", CEILING_MS)


def measure_latency(stage: Stage, job: Job, name: str, title: str, ceiling_ms: float) -> Result:
    result, apart = Result(name, title, COLUMNS), Result(name, title, COLUMNS)
    found = _measure(stage.on_one_cpu(), job, result)
    found_apart = _measure(stage, job, apart)
    for peer, taken in found.items():
        result.add(peer, f"{taken.p50:.3f}", _added(found, peer), f"{taken.p99:.3f}", _added(found_apart, peer))
    result.remarks += [f"with CPUs of their own, {remark}" for remark in apart.remarks]
    ours = found[MIDSTREAM].p50 - found[DIRECT].p50 if MIDSTREAM in found else None
    result.at_most(f"adds ≤ {ceiling_ms} ms at the median", ours, ceiling_ms, " ms")
    return result


def _added(found: dict[str, Latency], peer: str) -> str:
    return "" if peer == DIRECT or peer not in found else f"{found[peer].p50 - found[DIRECT].p50:.3f}"


def _measure(stage: Stage, job: Job, result: Result) -> dict[str, Latency]:
    with stage.proxies(job, result) as programs:
        loads = {DIRECT: stage.direct_loader(job, streams=1)}
        loads |= {name: stage.loader(program.port, job, streams=1) for name, program in programs.items()}
        rounds = _take_turns(stage, loads, result)
    return {
        name: Latency(median(each.p50 for each in taken), median(each.p99 for each in taken))
        for name, taken in rounds.items()
    }


def _take_turns(stage: Stage, loads: dict[str, Loader], result: Result) -> dict[str, list[Latency]]:
    rounds: dict[str, list[Latency]] = {name: [] for name in loads}
    for number in range(stage.pace.rounds + 1):
        for name in list(rounds):
            try:
                load = loads[name].run(connections=1, seconds=stage.pace.seconds if number else stage.pace.warm_seconds)
            except LoadError as failure:
                result.fail(name, str(failure))
                del rounds[name]
                continue
            if number:  # the first one warms up
                rounds[name].append(Latency(load.p50_us / 1000, load.p99_us / 1000))
    return rounds
