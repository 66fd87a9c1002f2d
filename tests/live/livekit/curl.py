"""curl as the client: a call, and what came of it."""

import itertools
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livekit.tools import TIME_LIMIT, clean_environment, need


@dataclass(frozen=True)
class CurlResult:
    exit_code: int
    status: int
    body: bytes = field(repr=False)
    head: bytes
    """The raw head of the last response, interim ones and CONNECT answers before it left out."""
    heads: bytes
    """Every head that came, in order."""
    error: str
    facts: dict[str, Any] = field(repr=False)
    """What `curl -w '%{json}'` tells of the last URL: http_version, num_connects, ssl_verify_result, …"""

    def header(self, name: str) -> str | None:
        """Return the first field of this name in the last response."""
        lines = (line.partition(b":") for line in self.head.split(b"\r\n")[1:])
        wanted = name.lower().encode()
        return next((value.strip().decode("latin-1") for key, _, value in lines if key.lower() == wanted), None)


class Curl:
    """`curl(url, *arguments, proxy=…, ca=…)`: any curl argument may follow, more URLs too; nothing is read from ~/.curlrc."""

    def __init__(self, directory: Path) -> None:
        self._program = need("curl", "curl")
        self._directory = directory
        self._numbers = itertools.count()

    def __call__(
        self, url: str, *arguments: str, proxy: str | None = None, ca: Path | None = None, stdin: bytes = b""
    ) -> CurlResult:
        number = next(self._numbers)
        body, heads = self._directory / f"body-{number}", self._directory / f"heads-{number}"
        command = [self._program, "-q", "-sS", "--max-time", str(TIME_LIMIT)]
        command += ["-o", str(body), "-D", str(heads), "-w", "%{json}\n"]
        command += ["--proxy", proxy] if proxy else ["--noproxy", "*"]
        command += ["--cacert", str(ca), "--proxy-cacert", str(ca)] if ca else []
        done = subprocess.run(
            [*command, url, *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            env=clean_environment(),
            timeout=TIME_LIMIT + 10,
        )
        facts = json.loads((done.stdout.splitlines() or ["{}"])[-1])
        raw_heads = _read(heads)
        return CurlResult(
            exit_code=done.returncode,
            status=int(facts.get("response_code", 0)),
            body=_read(body),
            head=raw_heads.removesuffix(b"\r\n\r\n").rpartition(b"\r\n\r\n")[2],
            heads=raw_heads,
            error=done.stderr.decode(errors="replace").strip(),
            facts=facts,
        )


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
