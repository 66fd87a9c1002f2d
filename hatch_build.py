"""Builds wheels whose hot path is compiled to C (ARCHITECTURE.md, "One source, two builds").

mypyc translates the modules below as they stand, and the C compiler makes one library of them. Everything else stays Python
in either build, above all `flow`, `hooks` and `addons`: users' scripts see, subclass and patch what is in there.
"""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.builders.wheel import WheelBuilderConfig
from mypyc.build import mypycify
from setuptools import Distribution
from setuptools.command.build_ext import build_ext

HOT = (
    "wire/events.py",
    "wire/tolerance.py",
    "wire/h1/*.py",
    "wire/h2/*.py",
    "wire/tls/datagrams.py",
    "wire/tls/endpoint.py",
    "wire/tls/openssl.py",
    "proxy/bodies.py",
    "proxy/connect.py",
    "proxy/conversation.py",
    "proxy/deadlines.py",
    "proxy/exchange.py",
    "proxy/forwarding.py",
    "proxy/heads.py",
    "proxy/http1.py",
    "proxy/http2.py",
    "proxy/http2client.py",
    "proxy/http2server.py",
    "proxy/opening.py",
    "proxy/patience.py",
    "proxy/peer.py",
    "proxy/pool.py",
    "proxy/replay.py",
    "proxy/session.py",
    "proxy/stepper.py",
    "proxy/streams.py",
    "proxy/switching.py",
    "proxy/target.py",
    "proxy/turns.py",
    "proxy/unsent.py",
    "proxy/upload.py",
)
"""What runs for each exchange, and whatever inherits from it: Python cannot inherit from compiled classes. Below src/midstream."""


class CompiledWheel(BuildHookInterface[WheelBuilderConfig]):
    """Adds the compiled modules to a wheel; HATCH_BUILD_HOOKS_ENABLE=1 has it do so."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, unless the wheel is for an editable installation, which is to follow the source."""
        if version == "editable":
            return
        library = _compiled(Path(self.root))
        for built in sorted(library.rglob("*")):
            if built.is_file():
                build_data["force_include"][str(built)] = built.relative_to(library).as_posix()
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def _compiled(root: Path) -> Path:
    """Compile the hot path below `root`; return the folder that holds the extension modules, laid out as packages are."""
    build = root / "build"
    made = build / "library"
    shutil.rmtree(made, ignore_errors=True)
    os.chdir(root)  # mypy's settings and the paths in tracebacks are relative to it
    modules = sorted(str(path) for pattern in HOT for path in Path("src/midstream").glob(pattern))
    extensions = mypycify(
        ["--config-file=pyproject.toml", f"--cache-dir={build / 'types'}", *modules],
        opt_level="1",  # runs as fast as 2 here, and compiles in three quarters of the time
        debug_level="0",
        multi_file=True,
        target_dir=str(build / "c"),
    )
    command = _OnAllCores(Distribution({"name": "midstream", "ext_modules": extensions}))
    command.build_lib, command.build_temp = str(made), str(build / "objects")
    command.ensure_finalized()
    command.run()
    return made


class _OnAllCores(build_ext):
    """Compiles the sources of one library at once; setuptools can do so for several libraries only."""

    def build_extensions(self) -> None:
        self.compiler.compile = partial(_compile_at_once, self.compiler.compile)
        super().build_extensions()


def _compile_at_once(compile_these: Callable[..., list[str]], sources: list[str], **settings: Any) -> list[str]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [made for each in pool.map(lambda source: compile_these([source], **settings), sources) for made in each]
