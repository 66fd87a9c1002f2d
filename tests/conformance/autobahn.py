"""The cases of the Autobahn test suite, directly against an echo server and through midstream: the verdicts have to be the same.

A proxy is not to be judged by itself: what it is to do is to change nothing. So each case is played twice by `kosoku` (which has the
517 cases of Autobahn) with Node's `ws` as the server, and where the two verdicts differ it is midstream's doing.
`make autobahn` runs all of them, which takes the better part of an hour; `make autobahn ARGS="1.* 7.*"` runs some.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parent.parent / ".cache" / "autobahn"
KOSOKU, WS = "kosoku==0.1.0", "ws@8"
MOST_MEMORY = 200 << 20
PARALLEL = "4"
"""The suite gives a case 60 seconds; more at once starve the small ones beside the large."""


def main(cases: list[str]) -> int:
    kosoku, modules = _tools()
    with ExitStack() as running:
        echo = running.enter_context(_program(["node", str(HERE / "echo.js")], NODE_PATH=str(modules)))
        assert echo.stdout is not None
        port = int(echo.stdout.readline())
        command = str(Path(sys.executable).with_name("midstream"))
        mode = f"reverse:http://127.0.0.1:{port}"
        proxy = running.enter_context(
            _program([command, "dump", "--mode", mode, "-p", "0", "--listen-host", "127.0.0.1"])
        )
        proxy_port = _listening_port(proxy)
        direct = _verdicts(kosoku, port, "direct", cases)
        through = _verdicts(kosoku, proxy_port, "midstream", cases)
        peak = _peak(proxy.pid)
    return _compare(direct, through, peak)


def _tools() -> tuple[Path, Path]:
    """Install what is missing, into a directory of this checkout, and return kosoku and Node's modules."""
    kosoku, modules = CACHE / "venv" / "bin" / "kosoku", CACHE / "node_modules"
    CACHE.mkdir(parents=True, exist_ok=True)
    if not kosoku.exists():
        subprocess.run([sys.executable, "-m", "venv", str(CACHE / "venv")], check=True)
        pip = [str(CACHE / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, KOSOKU], check=True)
    if not (modules / "ws").exists():
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", WS], cwd=CACHE, check=True)
    return kosoku, modules


@contextmanager
def _program(command: list[str], **environment: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **environment}
    ) as program:
        try:
            yield program
        finally:
            program.terminate()


def _listening_port(proxy: subprocess.Popen[str]) -> int:
    """Return the port on which a proxy that was to choose one listens."""
    for _ in range(600):
        inodes = {os.readlink(link)[8:-1] for link in Path(f"/proc/{proxy.pid}/fd").iterdir() if _is_socket(link)}
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                return int(fields[1].rpartition(":")[2], 16)
        time.sleep(0.05)
    raise SystemExit("midstream did not begin to listen")


def _is_socket(link: Path) -> bool:
    try:
        return os.readlink(link).startswith("socket:")
    except OSError:
        return False


def _verdicts(kosoku: Path, port: int, name: str, cases: list[str]) -> dict[str, str]:
    """Play the cases and return, by case, what was thought of behaviour and close."""
    place = CACHE / name
    chosen = [part for case in cases for part in ("-i", case)]
    began = time.monotonic()
    with (CACHE / f"{name}.log").open("w") as log:
        command = [str(kosoku), f"ws://127.0.0.1:{port}", "-p", PARALLEL, "-o", str(place), *chosen]
        subprocess.run(command, stdout=log, stderr=log, check=False)  # that some cases fail is no failure of ours
    (found,) = json.loads((place / "index.json").read_text()).values()
    print(f"{name}: {len(found)} cases in {time.monotonic() - began:.0f} s", flush=True)
    return {case: f"{its['behavior']}, {its['behaviorClose']}" for case, its in found.items()}


def _peak(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _compare(direct: dict[str, str], through: dict[str, str], peak: int) -> int:
    different = [case for case in direct if direct[case] != through.get(case)]
    for case in different:
        print(f"{case}: directly {direct[case]}; through midstream {through.get(case)}")
    for verdict in sorted(set(direct.values())):
        print(f"{verdict}: {sum(each == verdict for each in direct.values())} cases")
    print(f"{len(direct) - len(different)} of {len(direct)} verdicts are the same; peak memory {peak / 2**20:.0f} MiB")
    return 1 if different or peak > MOST_MEMORY else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
