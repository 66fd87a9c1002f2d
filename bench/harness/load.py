"""Load from wrk and curl: one call, one measured figure."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from harness.processes import pinned

_MARK = "BENCH "
BROWSER_FIELDS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Referer": "http://localhost/start",
    "Cookie": "session=0123456789abcdef0123456789abcdef; theme=dark",
    "Cache-Control": "no-cache",
    "Pragma": "no-cache",
    "Priority": "u=0, i",
}
_DONE = """
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('BENCH {"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "failed": %d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""
_VARIED = """
local count = 0
function request()
  count = count + 1
  wrk.headers["X-Request-Id"] = string.format("%08x-%d", math.random(0, 0x7fffffff), count)
  return wrk.format(nil, target .. "?n=" .. count)
end
"""


class LoadError(Exception):
    """The load generator failed, or what came back was not the answer that was asked for."""


@dataclass(frozen=True)
class Load:
    requests: int
    seconds: float
    p50_us: float
    p99_us: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


class Loader(Protocol):
    """What makes load: wrk, or h2load."""

    def run(self, *, connections: int, seconds: float) -> Load: ...


class Wrk:
    """The wrk command with a realistic request of ten fields.

    `target` is what stands in the request line: a path, or an absolute URL to go through a forward proxy.
    With `varied` each request has a path and a field value of its own, so that nothing can be remembered for ever.
    """

    def __init__(self, url: str, *, target: str, directory: Path, cpus: str, varied: bool = False) -> None:
        self._url = url
        self._cpus = cpus
        self._script = directory / f"wrk-{abs(hash((url, target, varied)))}.lua"
        fields = "".join(
            f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}\n" for name, value in BROWSER_FIELDS.items()
        )
        aim = f'target = "{target}"\nwrk.path = target\nwrk.headers["Host"] = "{authority(target) or authority(url)}"\n'
        self._script.write_text(aim + fields + (_VARIED if varied else "") + _DONE)

    def run(self, *, connections: int, seconds: float) -> Load:
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
        done = subprocess.run(
            pinned([*command, "-s", str(self._script), self._url], self._cpus),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 60,
        )
        line = next((text for text in done.stdout.splitlines() if text.startswith(_MARK)), None)
        if line is None:
            raise LoadError((done.stderr or done.stdout).strip()[-200:] or f"wrk exit code {done.returncode}")
        return _checked(json.loads(line.removeprefix(_MARK)))


def authority(url: str) -> str:
    """What belongs into Host for an absolute URL; "" for a path. A Host that contradicts its target is no fair load."""
    return urlsplit(url).netloc


def _checked(told: dict[str, int]) -> Load:
    if told["failed"]:
        raise LoadError(f"{told['failed']} of {told['requests']} requests failed")
    if not told["requests"]:
        raise LoadError("no request was answered")
    return Load(told["requests"], told["microseconds"] / 1e6, told["p50"], told["p99"])


def download(url: str, *, proxy: str | None, size: int, cpus: str, version: str = "1.1") -> float:
    """Fetch one large body with curl and throw it away; return bytes per second."""
    through = ["--proxy", proxy] if proxy else ["--noproxy", "*"]
    asked = ["--insecure", f"--http{version}", *through, url]
    command = ["curl", "-sS", "--max-time", "300", "-o", "/dev/null", "-w", "%{json}", *asked]
    done = subprocess.run(pinned(command, cpus), capture_output=True, text=True, check=False, timeout=330)
    if done.returncode:
        raise LoadError(done.stderr.strip()[-200:])
    facts = json.loads(done.stdout)
    if facts["size_download"] != size:
        raise LoadError(f"{facts['size_download']} bytes came instead of {size}, status {facts['http_code']}")
    if facts["http_version"] != version:
        raise LoadError(f"curl spoke HTTP/{facts['http_version']} instead of HTTP/{version}")
    return float(facts["speed_download"])


def ask(url: str, *, version: str) -> str:
    """Fetch a few words with curl."""
    asked = [f"--http{version}", "--insecure", "--fail", url]
    command = ["curl", "-sS", "--max-time", "30", "--noproxy", "*", *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise LoadError(done.stderr.strip()[-200:])
    return done.stdout
