"""Added latency: one connection, one request at a time, with and without a proxy between."""

from __future__ import annotations

from statistics import median

from harness.load import Loader, LoadError
from harness.peers import MIDSTREAM, Job
from harness.results import Result
from harness.stage import Stage

DIRECT = "no proxy"
CEILING_MS = 0.25


def latency(stage: Stage) -> Result:
    return measure_latency(stage, Job(), "latency", "Latency at one connection, clear text", CEILING_MS)


def measure_latency(stage: Stage, job: Job, name: str, title: str, ceiling_ms: float) -> Result:
    result = Result(name, title, ["p50 ms", "added by the proxy ms", "p99 ms"])
    with stage.proxies(job, result) as programs:
        loads = {DIRECT: stage.direct_loader(job, streams=1)}
        loads |= {name: stage.loader(program.port, job, streams=1) for name, program in programs.items()}
        rounds = _take_turns(stage, loads, result)
    middles = {name: median(p50 for p50, _ in taken) for name, taken in rounds.items()}
    for peer, taken in rounds.items():
        added = "" if peer == DIRECT else f"{middles[peer] - middles[DIRECT]:.3f}"
        result.add(peer, f"{middles[peer]:.3f}", added, f"{median(p99 for _, p99 in taken):.3f}")
    ours = middles[MIDSTREAM] - middles[DIRECT] if MIDSTREAM in middles else None
    result.at_most(f"adds ≤ {ceiling_ms} ms at the median", ours, ceiling_ms, " ms")
    return result


def _take_turns(stage: Stage, loads: dict[str, Loader], result: Result) -> dict[str, list[tuple[float, float]]]:
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
