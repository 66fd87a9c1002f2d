"""The stage of a run: the origin is up, CPUs are shared out, and proxies come and go on it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness import certificates, nginx
from harness.h2load import H2load
from harness.load import Loader, LoadError, Wrk, ask
from harness.peers import Job, Peer, Site
from harness.processes import Program, StartError, free_port, raise_file_limit, split_cpus
from harness.results import Result


@dataclass(frozen=True)
class Pace:
    """How long and how often to measure."""

    rounds: int
    seconds: float
    warm_seconds: float
    idle_clients: int
    soak_requests: int
    starts: int


FULL = Pace(rounds=5, seconds=5, warm_seconds=2, idle_clients=5_000, soak_requests=500_000, starts=7)
QUICK = Pace(rounds=1, seconds=2, warm_seconds=2, idle_clients=500, soak_requests=20_000, starts=2)


@dataclass(frozen=True)
class Stage:
    site: Site
    peers: list[Peer]
    pace: Pace
    proxy_cpus: str
    load_cpus: str
    origin_cpu: str
    """One of those of the load: the origin is one process."""

    def on_one_cpu(self) -> Stage:
        """Return the same with proxy and load on the origin's CPU."""
        return replace(self, proxy_cpus=self.origin_cpu, load_cpus=self.origin_cpu)

    @contextmanager
    def proxies(self, job: Job, result: Result) -> Iterator[dict[str, Program]]:
        """Start every peer for one job; those that fail are noted in the result and left out."""
        with ExitStack() as running:
            started = {}
            for peer in (peer for peer in self.peers if peer.takes(job)):
                try:
                    started[peer.name] = running.enter_context(self.program(peer, job))
                    self._check_version(started[peer.name], job)
                except (StartError, LoadError) as failure:
                    result.fail(peer.name, str(failure))
                    started.pop(peer.name, None)
            yield started

    def program(self, peer: Peer, job: Job) -> Program:
        port = free_port()
        log = self.site.directory / f"{peer.name}-{port}.log"
        return Program(peer.command(self.site, job, port), port=port, cpus=self.proxy_cpus, log=log)

    def wrk(self, port: int, job: Job, *, varied: bool = False) -> Wrk:
        """Aim load at a proxy: absolute-form to a forward proxy, a path to a reverse one."""
        url = f"https://localhost:{port}/small" if job.tls else f"http://127.0.0.1:{port}/small"
        target = "/small" if job.tls else self.small_url
        return Wrk(url, target=target, directory=self.site.directory, cpus=self.load_cpus, varied=varied)

    def direct_wrk(self, job: Job) -> Wrk:
        """Aim the same load at the origin itself."""
        port = self.site.port(job)
        url = f"https://localhost:{port}/small" if job.tls else f"http://127.0.0.1:{port}/small"
        return Wrk(url, target="/small", directory=self.site.directory, cpus=self.load_cpus)

    def h2load(self, port: int, *, streams: int) -> H2load:
        """Aim HTTP/2 over TLS at a proxy in reverse mode, or at the origin."""
        url = f"https://localhost:{port}/small"
        size = len(nginx.SMALL_BODY)
        return H2load(url, size=size, streams=streams, directory=self.site.directory, cpus=self.load_cpus)

    def loader(self, port: int, job: Job, *, streams: int) -> Loader:
        """Aim at a proxy the load that belongs to a job."""
        return self.h2load(port, streams=streams) if job.client_http2 else self.wrk(port, job)

    def direct_loader(self, job: Job, *, streams: int) -> Loader:
        """Aim the same at the origin. It speaks both versions where it speaks HTTP/2, so clients have their way."""
        return self.h2load(self.site.origin.https2, streams=streams) if job.client_http2 else self.direct_wrk(job)

    def _check_version(self, program: Program, job: Job) -> None:
        """Make sure that a job of HTTP/2 is done as it was meant: the origin tells which version it was asked in."""
        if not job.is_http2:
            return
        client = "2" if job.client_http2 else "1.1"
        came = ask(f"https://localhost:{program.port}/protocol", version=client)
        wanted = "HTTP/2.0" if job.server_http2 else "HTTP/1.1"
        if came != wanted:
            raise LoadError(f"it spoke {came} to the origin instead of {wanted}")

    @property
    def small_url(self) -> str:
        return f"http://127.0.0.1:{self.site.origin.http}/small"

    @property
    def big_url(self) -> str:
        return f"http://127.0.0.1:{self.site.origin.http}/big"


@contextmanager
def open_stage(peers: list[Peer], pace: Pace) -> Iterator[Stage]:
    raise_file_limit()
    proxy_cpus, load_cpus = split_cpus()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        listen = nginx.Origin(free_port(), free_port(), free_port())
        made = certificates.make(directory)
        command = nginx.origin(directory, listen, made)
        origin_cpu = load_cpus.split(",")[0]
        with Program(command, port=listen.http, cpus=origin_cpu, log=directory / "origin.log"):
            yield Stage(Site(directory, listen, made), peers, pace, proxy_cpus, load_cpus, origin_cpu)
