"""Requests per second with many keep-alive connections: in clear text, with TLS on both sides, with a script.

All peers run at once and take turns, round by round, so that a slow minute of the machine hits them all alike. The
figure is the median round. The share of its CPU tells whether a proxy was the bottleneck, or the load beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from harness.load import Loader, LoadError
from harness.peers import MIDSTREAM, MITMDUMP, NGINX, Job
from harness.processes import Program
from harness.results import Result
from harness.stage import Stage

CONNECTIONS = 50
DIRECT = "no proxy"


@dataclass(frozen=True)
class Scale:
    """How much goes on at once."""

    connections: int
    streams: int = 1

    def __str__(self) -> str:
        return f"{self.connections} connections" + (f" of {self.streams} streams" if self.streams > 1 else "")


KEEP_ALIVE = Scale(CONNECTIONS)


@dataclass
class _Series:
    """The rounds of one peer."""

    rates: list[float] = field(default_factory=list)
    p99_us: list[float] = field(default_factory=list)
    cpu_shares: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def cells(self) -> list[str]:
        return [
            f"{median(self.rates):,.0f}",
            f"{min(self.rates):,.0f} … {max(self.rates):,.0f}",
            f"{median(self.p99_us) / 1000:.2f}",
            f"{median(self.cpu_shares):.0%}" if self.cpu_shares else "-",
            f"{median(self.cpu_us):.1f}" if self.cpu_us else "-",
        ]


def plain(stage: Stage) -> Result:
    result = compare(stage, Job(), "plain", "HTTP/1.1 in clear text through a forward proxy")
    promise(result, over_mitmdump=20, over_nginx=0.4)
    return result


def tls(stage: Stage) -> Result:
    result = compare(stage, Job(tls=True), "tls", "HTTP/1.1 with TLS on both sides, reverse proxy")
    promise(result, over_mitmdump=20)
    return result


def script(stage: Stage) -> Result:
    result = compare(stage, Job(script=True), "script", "Clear text, a script sets one header in request and response")
    promise(result, over_mitmdump=15)
    return result


def compare(stage: Stage, job: Job, name: str, title: str, scale: Scale = KEEP_ALIVE) -> Result:
    """Load every peer that takes the job, in turns, and the origin itself."""
    columns = ["requests/s (median)", "slowest … fastest round", "p99 ms", "CPU of the proxy", "CPU µs per request"]
    result = Result(name, f"{title}, {scale}", columns)
    with stage.proxies(job, result) as programs:
        loads: dict[str, tuple[Loader, Program | None]] = {
            DIRECT: (stage.direct_loader(job, streams=scale.streams), None)
        }
        loads |= {
            name: (stage.loader(program.port, job, streams=scale.streams), program)
            for name, program in programs.items()
        }
        series = _take_turns(stage, loads, scale.connections, result)
    for peer, rounds in series.items():
        result.add(peer, *rounds.cells())
    result.rates = {peer: median(rounds.rates) for peer, rounds in series.items()}
    result.remarks += _by_cpu_time(series)
    return result


def _by_cpu_time(series: dict[str, _Series]) -> list[str]:
    """The ratios once more by CPU time per request, which a busy neighbour or a slow load generator cannot spoil."""
    if MIDSTREAM not in series:
        return []
    ours = median(series[MIDSTREAM].cpu_us)
    others = [name for name, rounds in series.items() if rounds.cpu_us and name != MIDSTREAM]
    return [
        f"per request {name} spends {median(series[name].cpu_us) / ours:.2f} times midstream's CPU time"
        for name in others
    ]


def _take_turns(
    stage: Stage, loads: dict[str, tuple[Loader, Program | None]], connections: int, result: Result
) -> dict[str, _Series]:
    series = {name: _Series() for name in loads}
    for number in range(stage.pace.rounds + 1):
        for name in list(series):
            try:
                _one_round(stage, *loads[name], connections, series[name], is_warm_up=number == 0)
            except LoadError as failure:
                result.fail(name, str(failure))
                del series[name]
    return series


def _one_round(
    stage: Stage, loader: Loader, program: Program | None, connections: int, into: _Series, *, is_warm_up: bool
) -> None:
    before = program.cpu_seconds() if program else 0.0
    load = loader.run(connections=connections, seconds=stage.pace.warm_seconds if is_warm_up else stage.pace.seconds)
    if is_warm_up:
        return
    into.rates.append(load.rate)
    into.p99_us.append(load.p99_us)
    if program:
        spent = program.cpu_seconds() - before
        into.cpu_shares.append(spent / load.seconds)
        into.cpu_us.append(spent / load.requests * 1e6)


def promise(result: Result, *, over_mitmdump: float, over_nginx: float | None = None) -> None:
    ours = result.rates.get(MIDSTREAM)
    _ratio(result, f"≥ {over_mitmdump:g} times mitmdump", ours, result.rates.get(MITMDUMP), over_mitmdump)
    if over_nginx is not None:
        _ratio(result, f"≥ {over_nginx:g} times nginx proxy_pass", ours, result.rates.get(NGINX), over_nginx)


def _ratio(result: Result, promise: str, ours: float | None, theirs: float | None, floor: float) -> None:
    result.at_least(promise, ours / theirs if ours and theirs else None, floor, " times")
