"""What a reader must know about the machine before believing a figure; read from the system, never typed in."""

from __future__ import annotations

import os
import platform
import re
import shutil
import ssl
import subprocess
import sysconfig
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.processes import split_cpus


def facts() -> list[tuple[str, str]]:
    proxy_cpus, load_cpus = split_cpus()
    return [
        ("date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("processor", f"{_cpu_model()}, {os.cpu_count()} CPUs visible"),
        ("memory", _memory()),
        ("system", _system()),
        ("kernel", platform.release()),
        ("Python of midstream", f"{platform.python_implementation()} {platform.python_version()}"),
        ("how that Python was built", _python_build()),
        ("OpenSSL of midstream", ssl.OPENSSL_VERSION),
        ("midstream", f"{_distribution('midstream')}, commit {_commit()}"),
        ("uvloop", _distribution("uvloop")),
        ("load generator", _first_line("wrk", "-v").partition(" Copyright")[0]),
        ("load generator of HTTP/2", _first_line("h2load", "--version")),
        ("CPU of the proxy", f"number {proxy_cpus}" if proxy_cpus else "any: nothing is pinned on this machine"),
        ("CPUs of origin and load", f"number {load_cpus}" if load_cpus else "any"),
        ("load average at the start", " ".join(f"{value:.2f}" for value in os.getloadavg())),
    ]


def version_of(command: list[str]) -> str:
    """Answer the first line that a version command prints, on whichever stream it likes."""
    return _first_line(*command)


def _python_build() -> str:
    """Say how the interpreter was configured: profile-guided optimisation makes a tenth or more of difference."""
    flag = "--enable-optimizations"
    is_set = flag in str(sysconfig.get_config_var("CONFIG_ARGS"))
    return f"{platform.python_compiler()}, {'with' if is_set else 'without'} {flag}"


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()


def _distribution(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    if shutil.which("git") is None:
        return "unknown"
    here = Path(__file__).parent
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=here, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def _first_line(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return "missing"
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    lines = (done.stdout + done.stderr).strip().splitlines()
    if done.returncode and command[0] != "wrk":  # wrk prints its version and calls that a failure
        return f"failed: {lines[-1].strip()}" if lines else "failed"
    return lines[0].strip() if lines else "unknown"
