"""Raw TCP: how fast bytes pass, spliced and as messages that a script sees.

Proxies run at once and take turns. What a busy neighbour cannot spoil is the CPU time that a proxy spends.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from harness.load import LoadError
from harness.peers import MIDSTREAM, MITMDUMP, Job
from harness.processes import Program, free_port, pinned
from harness.results import Result
from harness.stage import Stage

SIZE = 512 * 2**20
FLOOR_MB = 500
OVER_MITMDUMP = 5
_POUR = Path(__file__).with_name("pour.py")


@dataclass
class _Series:
    """The rounds of one peer, in MB/s and in MB per second of CPU time."""

    rates: list[float] = field(default_factory=list)
    per_cpu: list[float] = field(default_factory=list)


def spliced(stage: Stage) -> Result:
    return _measure(stage, script=False, name="tcp", title="Raw TCP, 512 MiB to the client")


def seen(stage: Stage) -> Result:
    title = "Raw TCP, 512 MiB to the client, a script sees each message"
    return _measure(stage, script=True, name="tcp-script", title=title)


def _measure(stage: Stage, *, script: bool, name: str, title: str) -> Result:
    result = Result(name, title, ["MB/s (median)", "slowest … fastest round", "MB per second of CPU"])
    port = free_port()
    command = [sys.executable, str(_POUR), "serve", str(port)]
    job = Job(raw_port=port, script=script)
    log = stage.site.directory / "pour.log"
    with (
        Program(command, port=port, cpus=stage.load_cpus, log=log),
        stage.proxies(job, result) as programs,
    ):
        series = _take_turns(stage, {"no proxy": None, **programs}, port, result)
    for peer, rounds in series.items():
        spread = f"{min(rounds.rates):,.0f} … {max(rounds.rates):,.0f}"
        per_cpu = f"{median(rounds.per_cpu):,.0f}" if rounds.per_cpu else "-"
        result.add(peer, f"{median(rounds.rates):,.0f}", spread, per_cpu)
    _judge(result, series)
    return result


def _take_turns(stage: Stage, programs: dict[str, Program | None], port: int, result: Result) -> dict[str, _Series]:
    series = {name: _Series() for name in programs}
    for number in range(stage.pace.rounds + 1):
        for name in list(series):
            program = programs[name]
            before = program.cpu_seconds() if program else 0.0
            try:
                seconds = _fetch(stage, program.port if program else port)
            except LoadError as failure:
                result.fail(name, str(failure))
                del series[name]
                continue
            if number == 0:
                continue
            series[name].rates.append(SIZE / 1e6 / seconds)
            if program:
                series[name].per_cpu.append(SIZE / 1e6 / max(program.cpu_seconds() - before, 0.01))
    return series


def _fetch(stage: Stage, port: int) -> float:
    command = pinned([sys.executable, str(_POUR), "fetch", str(port), str(SIZE)], stage.load_cpus)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=330)
    if done.returncode:
        raise LoadError(done.stderr.strip()[-200:])
    return float(done.stdout)


def _judge(result: Result, series: dict[str, _Series]) -> None:
    ours, theirs = series.get(MIDSTREAM), series.get(MITMDUMP)
    rate = median(ours.rates) if ours else None
    result.at_least(f"≥ {FLOOR_MB} MB/s", rate, FLOOR_MB, " MB/s")
    ratio = rate / median(theirs.rates) if rate and theirs else None
    result.at_least(f"≥ {OVER_MITMDUMP} times mitmdump", ratio, OVER_MITMDUMP, " times")
    if ours and theirs:
        by_cpu = median(ours.per_cpu) / median(theirs.per_cpu)
        result.remarks.append(f"per second of CPU time midstream passes {by_cpu:.1f} times what mitmdump does")
