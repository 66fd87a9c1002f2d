"""A virtualenv with the newest mitmproxy that installs, made once, with the newest Python that it accepts.

Not finding one is no failure: the run goes on without that peer and the report says why.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

OLDEST = (3, 12)
PLACE = Path(__file__).parent.parent / ".venv-mitmproxy"
_ASK = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
_INSTALL_LIMIT = 600


class NoPeerError(Exception):
    """mitmproxy could not be had; the text says why and what to do."""


def mitmdump() -> Path:
    """Return the mitmdump to measure, installing it if need be. MITMDUMP in the environment names another one."""
    if named := os.environ.get("MITMDUMP"):
        return Path(named)
    command = PLACE / "bin" / "mitmdump"
    if not command.exists():
        _install()
    return command


def _install() -> None:
    pythons = _pythons()
    if not pythons:
        wanted = ".".join(map(str, OLDEST))
        raise NoPeerError(f"no Python {wanted} or newer found on PATH or in ~/.pyenv/versions; or name a MITMDUMP=path")
    reasons = []
    for version, python in pythons:
        print(f"bench: installing mitmproxy into {PLACE} with Python {'.'.join(map(str, version))} …", flush=True)
        failure = _try_install(python)
        if failure is None:
            return
        reasons.append(f"{python}: {failure}")
        shutil.rmtree(PLACE, ignore_errors=True)
    raise NoPeerError("mitmproxy did not install; " + "; ".join(reasons))


def _try_install(python: Path) -> str | None:
    pip = [str(PLACE / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in ([str(python), "-m", "venv", "--clear", str(PLACE)], [*pip, "mitmproxy"]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_INSTALL_LIMIT)
        except subprocess.TimeoutExpired:
            return f"not done after {_INSTALL_LIMIT} s"
        if done.returncode:
            lines = (done.stdout + done.stderr).strip().splitlines()
            return lines[-1][:200] if lines else f"exit code {done.returncode}"
    return None


def _pythons() -> list[tuple[tuple[int, ...], Path]]:
    """Every usable interpreter, newest first, one per version."""
    found: dict[tuple[int, ...], Path] = {}
    for candidate in _candidates():
        version = _version(candidate)
        if version >= OLDEST:
            found.setdefault(version, candidate)
    return sorted(found.items(), reverse=True)


def _candidates() -> list[Path]:
    on_path = [shutil.which(f"python3.{minor}") for minor in range(20, OLDEST[1] - 1, -1)]
    on_path.append(shutil.which("python3"))
    pyenv = Path.home() / ".pyenv" / "versions"
    return [Path(path) for path in on_path if path] + sorted(pyenv.glob("3.*/bin/python"))


def _version(python: Path) -> tuple[int, ...]:
    try:
        done = subprocess.run([str(python), "-c", _ASK], capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    text = done.stdout.strip()
    return tuple(map(int, text.split("."))) if re.fullmatch(r"\d+(\.\d+)*", text) else (0,)
