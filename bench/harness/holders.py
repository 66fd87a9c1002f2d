"""Programs that hold something open at a proxy while it is measured: they say `ready N`, then wait to be let go."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.load import LoadError
from harness.processes import pinned


@contextmanager
def holding(count: int, module: str, *arguments: str, cpus: str) -> Iterator[None]:
    """Run a module of the harness until it holds `count` things, and keep it for as long as the context lasts."""
    with subprocess.Popen(
        pinned([sys.executable, "-m", module, *arguments], cpus),
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stderr is not None
        try:
            if program.stdout.readline().strip() != f"ready {count}":
                lines = program.stderr.read().strip().splitlines()
                raise LoadError(lines[-1][:200] if lines else f"{module} ended early")
            yield
        finally:
            program.stdin.close()
            program.wait(60)
