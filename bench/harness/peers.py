"""The proxies under comparison, and the command line of each for a given job.

Clear text runs as a forward proxy (absolute-form requests), which is how people use one; TLS on both sides runs as a
reverse proxy, because load generators do not speak CONNECT. All verify the origin's certificate.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness import machine, nginx, peer_venv
from harness.certificates import Certificates

MIDSTREAM, MITMDUMP, NGINX, NGHTTPX = "midstream", "mitmdump", "nginx", "nghttpx"
NAMES = (MIDSTREAM, MITMDUMP, NGINX, NGHTTPX)
_SCRIPT = Path(__file__).with_name("set_header.py")
_TCP_SCRIPT = Path(__file__).with_name("see_messages.py")
_OFFERS = {True: Path(__file__).with_name("offer_h2.py"), False: Path(__file__).with_name("offer_h1.py")}


@dataclass(frozen=True)
class Job:
    """What a proxy is asked to do in one scenario."""

    tls: bool = False
    script: bool = False
    client_http2: bool = False
    """Clients speak HTTP/2; only over TLS."""
    server_http2: bool = False
    """So does the origin; without it, the origin knows HTTP/1.1 only."""
    raw_port: int = 0
    """Relay raw TCP to whoever listens there."""

    @property
    def is_http2(self) -> bool:
        return self.client_http2 or self.server_http2

    @property
    def is_translated(self) -> bool:
        """Whether the two sides speak different versions."""
        return self.client_http2 != self.server_http2


@dataclass(frozen=True)
class Site:
    """Where a run takes place: its files, its origin, its certificates."""

    directory: Path
    origin: nginx.Origin
    certificates: Certificates

    def port(self, job: Job) -> int:
        """Where the origin listens for servers' side of a job."""
        if not job.tls:
            return self.origin.http
        return self.origin.https2 if job.server_http2 else self.origin.https


def _any(_: Job) -> bool:
    return True


@dataclass(frozen=True)
class Peer:
    name: str
    version: str
    command: Callable[[Site, Job, int], list[str]]
    takes: Callable[[Job], bool] = _any
    """Which jobs it can do; it is left out of the others."""


def choose(names: list[str]) -> tuple[list[Peer], list[str]]:
    """Return the peers that can run here, and for the others why not."""
    peers, remarks = [], []
    for name in names:
        try:
            peers.append(_FINDERS[name]())
        except peer_venv.NoPeerError as missing:
            remarks.append(f"{name} was not measured: {missing}")
    return peers, remarks


def _midstream() -> Peer:
    command = Path(sys.executable).with_name("midstream")
    if not command.exists():
        raise peer_venv.NoPeerError(f"{command} does not exist; install the project into this environment")

    def extras(job: Job) -> list[str]:
        return ["--set", "server_http2=always"] if job.server_http2 and job.is_translated else []

    program = [str(command), "dump"]
    return Peer(MIDSTREAM, machine.version_of([str(command), "--version"]), _dump_command(program, extras))


def _mitmdump() -> Peer:
    """It gives each client the version of the origin; to translate it takes a script, and connects late for it."""
    command = str(peer_venv.mitmdump())

    def extras(job: Job) -> list[str]:
        late = ["--set", "connection_strategy=lazy"] if job.client_http2 else []
        return [*late, "-s", str(_OFFERS[job.server_http2])] if job.is_translated else []

    return Peer(MITMDUMP, machine.version_of([command, "--version"]), _dump_command([command], extras))


def _nginx() -> Peer:
    def command(site: Site, job: Job, port: int) -> list[str]:
        place = site.directory / f"nginx-{port}"
        tls = "ssl http2" if job.client_http2 else "ssl" if job.tls else ""
        return nginx.proxy(place, port, site.origin, site.certificates, tls=tls, script=job.script)

    return Peer(
        NGINX, machine.version_of(["nginx", "-v"]), command, lambda job: not job.server_http2 and not job.raw_port
    )


def _nghttpx() -> Peer:
    if shutil.which("nghttpx") is None:
        raise peer_venv.NoPeerError("apt-get install nghttp2-proxy")

    def command(site: Site, job: Job, port: int) -> list[str]:
        made, protocol = site.certificates, "h2" if job.server_http2 else "http/1.1"
        return [
            *[
                "nghttpx",
                "--conf=/dev/null",
                "--workers=1",
                "--no-via",
                f"--errorlog-file={site.directory}/nghttpx.log",
            ],
            *["--accesslog-file=/dev/null", f"--cacert={made.authority}", f"--frontend=127.0.0.1,{port}"],
            f"--backend=localhost,{site.port(job)};;tls;proto={protocol};sni=localhost",
            *[str(made.key), str(made.leaf)],
        ]

    return Peer(NGHTTPX, machine.version_of(["nghttpx", "--version"]), command, lambda job: job.is_http2)


def _dump_command(program: list[str], extras: Callable[[Job], list[str]]) -> Callable[[Site, Job, int], list[str]]:
    """midstream dump and mitmdump share their flags, so both get the same ones, but for `extras`."""

    def command(site: Site, job: Job, port: int) -> list[str]:
        confdir = site.directory / f"confdir-{Path(program[0]).name}"
        mode = f"reverse:https://localhost:{site.port(job)}" if job.tls else "regular"
        if job.raw_port:
            mode = f"reverse:tcp://127.0.0.1:{job.raw_port}"
        settings = {
            "confdir": confdir,
            "ssl_verify_upstream_trusted_ca": site.certificates.authority,
            "stream_large_bodies": "10m",
        }
        sets = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
        script = ["-s", str(_TCP_SCRIPT if job.raw_port else _SCRIPT)] if job.script else []
        listen = ["--mode", mode, "--listen-host", "127.0.0.1", "-p", str(port)]
        return [*program, "-q", *listen, *sets, *script, *extras(job)]

    return command


_FINDERS: dict[str, Callable[[], Peer]] = {MIDSTREAM: _midstream, MITMDUMP: _mitmdump, NGINX: _nginx, NGHTTPX: _nghttpx}
