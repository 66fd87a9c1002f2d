"""Added latency: one connection, one request at a time, with and without a proxy between."""

from __future__ import annotations

from statistics import median

from harness.load import LoadError, Wrk
from harness.peers import MIDSTREAM, Job
from harness.results import Result
from harness.stage import Stage

DIRECT = "no proxy"
CEILING_MS = 0.25


def latency(stage: Stage) -> Result:
    result = Result("latency", "Latency at one connection, clear text", ["p50 ms", "added by the proxy ms", "p99 ms"])
    with stage.proxies(Job(), result) as programs:
        loads = {DIRECT: stage.direct_wrk(Job())}
        loads |= {name: stage.wrk(program.port, Job()) for name, program in programs.items()}
        rounds = _take_turns(stage, loads, result)
    middles = {name: median(p50 for p50, _ in taken) for name, taken in rounds.items()}
    for name, taken in rounds.items():
        added = "" if name == DIRECT else f"{middles[name] - middles[DIRECT]:.3f}"
        result.add(name, f"{middles[name]:.3f}", added, f"{median(p99 for _, p99 in taken):.3f}")
    ours = middles[MIDSTREAM] - middles[DIRECT] if MIDSTREAM in middles else None
    result.at_most(f"adds ≤ {CEILING_MS} ms at the median", ours, CEILING_MS, " ms")
    return result


def _take_turns(stage: Stage, loads: dict[str, Wrk], result: Result) -> dict[str, list[tuple[float, float]]]:
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in loads}
    for number in range(stage.pace.rounds + 1):
        for name in list(rounds):
            try:
                load = loads[name].run(connections=1, seconds=stage.pace.seconds if number else stage.pace.warm_seconds)
            except LoadError as failure:
                result.fail(name, str(failure))
                del rounds[name]
                continue
            if number:  # the first one warms up
                rounds[name].append((load.p50_us / 1000, load.p99_us / 1000))
    return rounds
