"""Memory: what an idle client costs, and whether it stays flat over hundreds of thousands of requests."""

from __future__ import annotations

from harness.idle import idle_clients
from harness.load import LoadError
from harness.peers import MIDSTREAM, Job
from harness.processes import Program, StartError
from harness.results import Result
from harness.stage import Stage

CONNECTIONS = 50
IDLE_CEILING_KIB = 20
SOAK_CEILING_MIB = 8
_SLICES = 10


def idle(stage: Stage) -> Result:
    """Clear text, one answered request per client, then silence; the proxy may keep a server connection for each."""
    count = stage.pace.idle_clients
    result = Result(
        "idle", f"{count:,} idle keep-alive clients, clear text", ["KiB per client", "RSS before MiB", "with them MiB"]
    )
    ours = None
    with stage.proxies(Job(), result) as programs:
        for name, program in programs.items():
            try:
                before, after = _hold(stage, program, count)
            except LoadError as failure:
                result.fail(name, str(failure))
                continue
            each = (after - before) / count / 1024
            result.add(name, f"{each:.1f}", f"{before / 2**20:.1f}", f"{after / 2**20:.1f}")
            if name == MIDSTREAM:
                ours = each
    result.at_most(f"≤ {IDLE_CEILING_KIB} KiB per idle client", ours, IDLE_CEILING_KIB, " KiB")
    return result


def soak(stage: Stage) -> Result:
    """Only midstream: at mitmdump's rate the same number of requests takes ten minutes.

    Each request has a path and a field value that never came before, so a memory without a bound would show.
    """
    wanted = stage.pace.soak_requests
    result = Result("soak", f"{wanted:,} requests, each one different", ["requests", "RSS MiB"])
    growth = None
    peer = next((peer for peer in stage.peers if peer.name == MIDSTREAM), None)
    if peer is None:
        result.remarks.append("midstream was left out of this run")
    else:
        try:
            with stage.program(peer, Job()) as program:
                growth = _soak(stage, program, wanted, result)
        except (LoadError, StartError) as failure:
            result.fail(MIDSTREAM, str(failure))
    result.at_most(f"RSS grows by ≤ {SOAK_CEILING_MIB} MiB after the first tenth", growth, SOAK_CEILING_MIB, " MiB")
    return result


def _hold(stage: Stage, program: Program, count: int) -> tuple[int, int]:
    stage.wrk(program.port, Job()).run(connections=CONNECTIONS, seconds=stage.pace.warm_seconds)
    before = program.rss()
    with idle_clients(count, port=program.port, target=stage.small_url, cpus=stage.load_cpus):
        return before, program.rss()


def _soak(stage: Stage, program: Program, wanted: int, result: Result) -> float:
    """Load in slices of a second or so; note the memory each time another tenth is done. Return the growth in MiB."""
    wrk = stage.wrk(program.port, Job(), varied=True)
    done = 0
    noted: list[float] = []
    while done < wanted:
        done += wrk.run(connections=CONNECTIONS, seconds=1).requests
        if done >= wanted * (len(noted) + 1) / _SLICES:
            noted.append(program.rss() / 2**20)
            result.add(MIDSTREAM, f"{done:,}", f"{noted[-1]:.1f}")
    return noted[-1] - noted[0]
