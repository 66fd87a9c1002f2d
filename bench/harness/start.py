"""From the command to the first accepted connection, with the certificate authority already there."""

from __future__ import annotations

from statistics import median

from harness.peers import MIDSTREAM, Job, Peer
from harness.processes import StartError
from harness.results import Result
from harness.stage import Stage

CEILING_S = 0.5


def start(stage: Stage) -> Result:
    result = Result("start", "Start to first accepted connection", ["seconds (median)", "slowest"])
    ours = None
    for peer in stage.peers:
        try:
            taken = _measure(stage, peer)
        except StartError as failure:
            result.fail(peer.name, str(failure))
            continue
        result.add(peer.name, f"{median(taken):.3f}", f"{max(taken):.3f}")
        if peer.name == MIDSTREAM:
            ours = median(taken)
    result.at_most(f"accepts within {CEILING_S} s", ours, CEILING_S, " s")
    return result


def _measure(stage: Stage, peer: Peer) -> list[float]:
    """The first start makes keys and compiled files and is thrown away."""
    taken = []
    for number in range(stage.pace.starts + 1):
        with stage.program(peer, Job()) as program:
            if number:
                taken.append(program.seconds_to_accept)
    return taken
