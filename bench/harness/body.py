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
    return measure_bodies(stage, Job(), "body", "One body of 1 GiB, clear text, streamed", FLOOR_MB)


def measure_bodies(stage: Stage, job: Job, name: str, title: str, floor_mb: float) -> Result:
    result = Result(name, title, ["MB/s (median)", "peak RSS growth MiB"])
    rounds = min(_ROUNDS, stage.pace.rounds)
    _fetch(stage, job, None)  # the first reader of the file pays for its pages
    rates = [_fetch(stage, job, None) for _ in range(rounds)]
    result.add("no proxy", f"{median(rates):,.0f}", "")
    ours: tuple[float, float] | None = None
    with stage.proxies(job, result) as programs:
        for peer, program in programs.items():
            try:
                rate, growth = _measure(stage, job, program, rounds)
            except LoadError as failure:
                result.fail(peer, str(failure))
                continue
            result.add(peer, f"{rate:,.0f}", f"{growth:,.1f}")
            if peer == MIDSTREAM:
                ours = rate, growth
    result.at_least(f"≥ {floor_mb} MB/s", ours[0] if ours else None, floor_mb, " MB/s")
    result.at_most(f"memory grows by ≤ {CEILING_MIB} MiB", ours[1] if ours else None, CEILING_MIB, " MiB")
    return result


def _measure(stage: Stage, job: Job, program: Program, rounds: int) -> tuple[float, float]:
    """Warm up with small requests, so that growth is what the large body costs and not the first request."""
    stage.loader(program.port, job, streams=1).run(connections=1, seconds=_WARM_REQUESTS_SECONDS)
    before = program.rss()
    program.reset_peak()
    rates = [_fetch(stage, job, program) for _ in range(rounds)]
    return median(rates), (program.peak_rss() - before) / 2**20


def _fetch(stage: Stage, job: Job, program: Program | None) -> float:
    """Download once, through a reverse proxy if over TLS, else through a forward one; return MB/s."""
    proxy, url, version = None, stage.big_url, "2" if job.client_http2 else "1.1"
    if job.tls:
        url = f"https://localhost:{program.port if program else stage.site.port(job)}/big"
    elif program:
        proxy = f"http://127.0.0.1:{program.port}"
    return download(url, proxy=proxy, size=BIG_BODY, cpus=stage.load_cpus, version=version) / 1e6
