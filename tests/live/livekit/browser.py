"""Chromium as the client: the strictest judge of certificates, with a profile and trust store of its own."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from livekit.tools import TIME_LIMIT, clean_environment, need

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUIET = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--enable-logging=stderr",
)


@dataclass(frozen=True)
class Page:
    document: str
    """The document as the browser built it."""
    log: list[str]
    """What the browser wrote about it: its own errors, and the page's console."""

    @property
    def console(self) -> list[str]:
        return [line for line in self.log if ":CONSOLE" in line]


class Chromium:
    """`chromium.open(url, proxy=…)` returns the document, `visit` more than that; `trust` a CA before."""

    def __init__(self, home: Path) -> None:
        self._program = next((path for path in map(shutil.which, _NAMES) if path), "")
        if not self._program:
            pytest.fail("live tests need a Chromium: apt-get install chromium")
        self._home = home
        self._store = home / ".pki" / "nssdb"

    def trust(self, ca: Path) -> None:
        certutil = need("certutil", "libnss3-tools")
        self._store.mkdir(parents=True, exist_ok=True)
        store = f"sql:{self._store}"
        for arguments in (
            ["-N", "--empty-password"],
            ["-A", "-t", "C,,", "-n", "authority under test", "-i", str(ca)],
        ):
            subprocess.run([certutil, "-d", store, *arguments], check=True, capture_output=True, timeout=TIME_LIMIT)

    def open(self, url: str, *, proxy: str | None = None, settle: int = 0) -> str:
        return self.visit(url, proxy=proxy, settle=settle).document

    def visit(self, url: str, *, proxy: str | None = None, settle: int = 0) -> Page:
        """Load a page; `settle` gives its scripts so many milliseconds of the browser's own time."""
        through = [f"--proxy-server={proxy}", "--proxy-bypass-list=<-loopback>"] if proxy else ["--no-proxy-server"]
        patience = [f"--virtual-time-budget={settle}"] if settle else []
        profile = f"--user-data-dir={self._home / 'profile'}"
        done = subprocess.run(
            [self._program, *_QUIET, profile, *through, *patience, "--dump-dom", url],
            env=clean_environment(HOME=str(self._home)),
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * TIME_LIMIT,
        )
        return Page(done.stdout, done.stderr.splitlines())
