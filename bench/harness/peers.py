"""The proxies under comparison, and the command line of each for a given job.

Clear text runs as a forward proxy (absolute-form requests), which is how people use one; TLS on both sides runs as a
reverse proxy, because load generators do not speak CONNECT. All verify the origin's certificate.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness import machine, nginx, peer_venv
from harness.certificates import Certificates

MIDSTREAM, MITMDUMP, NGINX = "midstream", "mitmdump", "nginx"
NAMES = (MIDSTREAM, MITMDUMP, NGINX)
_SCRIPT = Path(__file__).with_name("set_header.py")


@dataclass(frozen=True)
class Job:
    """What a proxy is asked to do in one scenario."""

    tls: bool = False
    script: bool = False


@dataclass(frozen=True)
class Site:
    """Where a run takes place: its files, its origin, its certificates."""

    directory: Path
    origin: nginx.Origin
    certificates: Certificates


@dataclass(frozen=True)
class Peer:
    name: str
    version: str
    command: Callable[[Site, Job, int], list[str]]


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
    return Peer(MIDSTREAM, machine.version_of([str(command), "--version"]), _dump_command([str(command), "dump"]))


def _mitmdump() -> Peer:
    command = str(peer_venv.mitmdump())
    return Peer(MITMDUMP, machine.version_of([command, "--version"]), _dump_command([command]))


def _nginx() -> Peer:
    def command(site: Site, job: Job, port: int) -> list[str]:
        place = site.directory / f"nginx-{port}"
        return nginx.proxy(place, port, site.origin, site.certificates, tls=job.tls, script=job.script)

    return Peer(NGINX, machine.version_of(["nginx", "-v"]), command)


def _dump_command(program: list[str]) -> Callable[[Site, Job, int], list[str]]:
    """midstream dump and mitmdump share their flags, so both get the same ones."""

    def command(site: Site, job: Job, port: int) -> list[str]:
        confdir = site.directory / f"confdir-{Path(program[0]).name}"
        mode = f"reverse:https://localhost:{site.origin.https}" if job.tls else "regular"
        settings = {
            "confdir": confdir,
            "ssl_verify_upstream_trusted_ca": site.certificates.authority,
            "stream_large_bodies": "10m",
        }
        sets = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
        script = ["-s", str(_SCRIPT)] if job.script else []
        return [*program, "-q", "--mode", mode, "--listen-host", "127.0.0.1", "-p", str(port), *sets, *script]

    return command


_FINDERS: dict[str, Callable[[], Peer]] = {MIDSTREAM: _midstream, MITMDUMP: _mitmdump, NGINX: _nginx}
