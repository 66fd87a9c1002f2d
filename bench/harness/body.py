"""One body of 1 GiB: how fast it passes, and how much memory that takes."""

from __future__ import annotations

from statistics import median

from harness.load import LoadError, download
from harness.nginx import BIG_BODY
from harness.peers import MIDSTREAM, Job
from harness.processes import Program
from harness.results import Result
from harness.stage import Stage

FLOOR_MB = 500
CEILING_MIB = 64
_ROUNDS = 3
_WARM_REQUESTS_SECONDS = 1


def body(stage: Stage) -> Result:
    result = Result("body", "One body of 1 GiB, clear text, streamed", ["MB/s (median)", "peak RSS growth MiB"])
    rounds = min(_ROUNDS, stage.pace.rounds)
    _fetch(stage, None)  # the first reader of the file pays for its pages
    rates = [_fetch(stage, None) for _ in range(rounds)]
    result.add("no proxy", f"{median(rates):,.0f}", "")
    ours: tuple[float, float] | None = None
    with stage.proxies(Job(), result) as programs:
        for name, program in programs.items():
            try:
                rate, growth = _measure(stage, program, rounds)
            except LoadError as failure:
                result.fail(name, str(failure))
                continue
            result.add(name, f"{rate:,.0f}", f"{growth:,.1f}")
            if name == MIDSTREAM:
                ours = rate, growth
    result.at_least(f"≥ {FLOOR_MB} MB/s", ours[0] if ours else None, FLOOR_MB, " MB/s")
    result.at_most(f"memory grows by ≤ {CEILING_MIB} MiB", ours[1] if ours else None, CEILING_MIB, " MiB")
    return result


def _measure(stage: Stage, program: Program, rounds: int) -> tuple[float, float]:
    """Warm up with small requests, so that growth is what the large body costs and not the first request."""
    stage.wrk(program.port, Job()).run(connections=1, seconds=_WARM_REQUESTS_SECONDS)
    before = program.rss()
    program.reset_peak()
    rates = [_fetch(stage, f"http://127.0.0.1:{program.port}") for _ in range(rounds)]
    return median(rates), (program.peak_rss() - before) / 2**20


def _fetch(stage: Stage, proxy: str | None) -> float:
    return download(stage.big_url, proxy=proxy, size=BIG_BODY, cpus=stage.load_cpus) / 1e6
