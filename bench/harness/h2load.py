"""Load from h2load: HTTP/2 with many streams on each connection, every answer counted and its version checked."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from harness.load import BROWSER_FIELDS, Load, LoadError
from harness.processes import pinned

_COUNTS = re.compile(
    r"^requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout",
    re.MULTILINE,
)
_STATUS = re.compile(r"^status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", re.MULTILINE)
_DATA = re.compile(r"^traffic: .* \((\d+)\) data", re.MULTILINE)
_VERSION = re.compile(r"^Application protocol: (\S+)", re.MULTILINE)


class H2load:
    """The h2load command with the same realistic request that wrk sends, and answers of `size` bytes."""

    def __init__(self, url: str, *, size: int, streams: int, directory: Path, cpus: str) -> None:
        self._url = url
        self._size = size
        self._streams = streams
        self._log = directory / "h2load.log"
        self._cpus = cpus

    def run(self, *, connections: int, seconds: float) -> Load:
        whole = max(1, round(seconds))
        fields = [f"--header={name}: {value}" for name, value in BROWSER_FIELDS.items()]
        command = [
            "h2load",
            "--npn-list=h2",
            "-t1",
            f"-c{connections}",
            f"-m{self._streams}",
            f"-D{whole}",
            f"--log-file={self._log}",
        ]
        self._log.unlink(missing_ok=True)
        done = subprocess.run(
            pinned([*command, *fields, self._url], self._cpus),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 60,
        )
        if done.returncode:
            raise LoadError((done.stderr or done.stdout).strip()[-200:] or f"h2load exit code {done.returncode}")
        count = self._checked(done.stdout)
        p50, p99 = self._percentiles()
        return Load(count, whole, p50, p99)

    def _checked(self, output: str) -> int:
        """Return the number of answers, every one of which came over HTTP/2, whole and with a status of success."""
        counts, status, data = _COUNTS.search(output), _STATUS.search(output), _DATA.search(output)
        if counts is None or status is None or data is None:
            raise LoadError(f"h2load printed no result: {output.strip()[-200:]}")
        if (version := _VERSION.search(output)) is None or version[1] != "h2":
            raise LoadError(f"h2load spoke {version[1] if version else 'with nobody'} instead of h2")
        finished, succeeded, *bad = map(int, counts.groups())
        if finished != succeeded or any(bad) or any(map(int, status.groups())):
            raise LoadError(f"not every request succeeded: {counts[0]}; {status[0]}")
        if not finished:
            raise LoadError("no request was answered")
        if int(data[1]) < finished * self._size:
            raise LoadError(f"{data[1]} bytes came in {finished} answers of {self._size} bytes")
        return finished

    def _percentiles(self) -> tuple[float, float]:
        """Microseconds from request to end of answer, from lines `start <tab> status <tab> duration`."""
        with self._log.open() as log:
            durations = sorted(int(line.split()[2]) for line in log)
        return durations[len(durations) // 2], durations[len(durations) * 99 // 100]
