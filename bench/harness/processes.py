"""A started program: pinned to CPUs, watched through /proc, and always ended.

Memory and CPU time are summed over the program and its descendants, so a master with a worker counts as one.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

START_LIMIT = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")


class StartError(Exception):
    """The program ended, or opened no port, before it could be measured."""


class Program:
    """One server under measurement; a context manager that starts it and waits for its port."""

    def __init__(self, command: Sequence[str], *, port: int, cpus: str, log: Path) -> None:
        self.command = pinned(command, cpus)
        self.port = port
        self.log = log
        self.seconds_to_accept = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        began = time.perf_counter()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # new session: its whole tree can be ended at once
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            )
        try:
            self._wait_until_accepting(began + START_LIMIT)
        except BaseException:
            self.stop()
            raise
        self.seconds_to_accept = time.perf_counter() - began
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        process = self._process
        if process is None:
            return
        _signal_group(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            _signal_group(process.pid, signal.SIGKILL)
            process.wait(10)
        self._process = None

    def cpu_seconds(self) -> float:
        return sum(_cpu_ticks(pid) for pid in self._pids()) / _TICKS

    def rss(self) -> int:
        """Bytes resident now."""
        return sum(_status_bytes(pid, "VmRSS") for pid in self._pids())

    def reset_peak(self) -> None:
        for pid in self._pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak_rss(self) -> int:
        """Bytes resident at most since `reset_peak`."""
        return sum(_status_bytes(pid, "VmHWM") for pid in self._pids())

    def _pids(self) -> list[int]:
        assert self._process is not None
        return _tree(self._process.pid)

    def _wait_until_accepting(self, deadline: float) -> None:
        assert self._process is not None
        while time.perf_counter() < deadline:
            if self._process.poll() is not None:
                raise StartError(f"exit code {self._process.returncode}: {self._last_words()}")
            if accepts(self.port):
                return
            time.sleep(0.002)
        raise StartError(f"port {self.port} did not open in {START_LIMIT:.0f} s: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1].strip()[:200] if lines else "it printed nothing"


def pinned(command: Sequence[str], cpus: str) -> list[str]:
    return ["taskset", "-c", cpus, *command] if cpus else list(command)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def raise_file_limit() -> int:
    """Lift the soft limit of open files to the hard one, for us and all we start; return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def split_cpus() -> tuple[str, str]:
    """Choose the CPU of the proxy, and the CPUs of the origin and the load: the last one, and the others."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2 or shutil.which("taskset") is None:
        return "", ""
    return str(cpus[-1]), ",".join(map(str, cpus[:-1]))


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        pass


def _tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(int(entry))):
            children.setdefault(int(fields[1]), []).append(int(entry))
    found = [root]
    for pid in found:  # grows while we walk it
        found += children.get(pid, [])
    return found


def _cpu_ticks(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[11]) + int(fields[12]) if fields else 0


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on: the name before them may hold blanks and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _status_bytes(pid: int, key: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(key + ":")), 0)
