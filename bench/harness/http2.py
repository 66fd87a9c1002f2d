"""HTTP/2 over TLS through reverse proxies: to servers of either version, and from clients of HTTP/1.1.

`Stage.proxies` asks the origin through each of them which version it was asked in, so that none does an easier job.
"""

from __future__ import annotations

from harness.body import measure_bodies
from harness.holders import holding
from harness.latency import measure_latency
from harness.load import LoadError
from harness.peers import MIDSTREAM, Job
from harness.processes import Program
from harness.results import Result
from harness.stage import Stage
from harness.throughput import Scale, compare, promise

BOTH = Job(tls=True, client_http2=True, server_http2=True)
TO_HTTP1 = Job(tls=True, client_http2=True)
FROM_HTTP1 = Job(tls=True, server_http2=True)
SCALE = Scale(connections=10, streams=10)
FLOOR_MB = 300
CEILING_MS = 0.4
HELD_CONNECTIONS, HELD_STREAMS = 10, 100
"""Most servers allow 100 streams on a connection, as RFC 9113, section 6.5.2, recommends at least."""


def both(stage: Stage) -> Result:
    result = compare(stage, BOTH, "h2", "HTTP/2 with TLS on both sides, reverse proxy", SCALE)
    promise(result, over_mitmdump=15)
    return result


def to_http1(stage: Stage) -> Result:
    result = compare(stage, TO_HTTP1, "h2-to-h1", "HTTP/2 clients, an origin of HTTP/1.1, TLS on both sides", SCALE)
    promise(result, over_mitmdump=12)
    return result


def from_http1(stage: Stage) -> Result:
    title = "HTTP/1.1 clients, HTTP/2 to the origin, TLS on both sides"
    result = compare(stage, FROM_HTTP1, "h1-to-h2", title)
    promise(result, over_mitmdump=12)
    return result


def latency(stage: Stage) -> Result:
    title = "Latency of HTTP/2 with TLS on both sides at one stream"
    return measure_latency(stage, BOTH, "h2-latency", title, CEILING_MS)


def body(stage: Stage) -> Result:
    title = "One body of 1 GiB, HTTP/2 with TLS on both sides, streamed"
    return measure_bodies(stage, BOTH, "h2-body", title, FLOOR_MB)


def streams(stage: Stage) -> Result:
    """Every stream has its head and the first bytes of a body that takes years, and so is open at both sides."""
    count = HELD_CONNECTIONS * HELD_STREAMS
    columns = ["KiB per stream", "RSS before MiB", "with them MiB"]
    result = Result("h2-streams", f"{count:,} streams open at once, {HELD_CONNECTIONS} connections, HTTP/2", columns)
    held: float | None = None
    with stage.proxies(BOTH, result) as programs:
        for name, program in programs.items():
            try:
                before, after = _hold(stage, program)
            except LoadError as failure:
                result.fail(name, str(failure))
                continue
            result.add(name, f"{(after - before) / count / 1024:.1f}", *(f"{it / 2**20:.1f}" for it in (before, after)))
            if name == MIDSTREAM:
                held = float(count)
    result.at_least(f"holds {count:,} streams at once", held, count, " streams")
    return result


def _hold(stage: Stage, program: Program) -> tuple[int, int]:
    warm_up = stage.h2load(program.port, streams=SCALE.streams)
    warm_up.run(connections=SCALE.connections, seconds=stage.pace.seconds)
    before = program.rss()
    count = HELD_CONNECTIONS * HELD_STREAMS
    arguments = [str(program.port), "/held", str(HELD_CONNECTIONS), str(HELD_STREAMS)]
    with holding(count, "harness.held", *arguments, cpus=stage.load_cpus):
        return before, program.rss()
