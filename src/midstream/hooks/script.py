"""Scripts: files that are addons, and that are taken up again when they change.

Changes are found by looking at the files' times every second, which works on network disks and in containers too. A
version that cannot be imported, loaded or configured is reported, and the one before it goes on working.
"""

import asyncio
import logging
import os
import sys
import traceback
from collections.abc import Iterable, Sequence

from midstream.errors import OptionsError
from midstream.hooks.context import ctx
from midstream.hooks.importing import Imported, import_script
from midstream.hooks.table import report_failure

INTERVAL = 1.0
"""Seconds between two looks at the files."""
SETTLING = 0.1
"""Seconds in which a changed file must not change again: editors empty a file before they write it."""

Stamp = tuple[int, int] | None
"""Time and size of a file; None if there is none."""

_log = logging.getLogger("midstream.addon")


class Script:
    """One file of the option `scripts`."""

    __slots__ = ("imported", "path", "stamps")

    def __init__(self, path: str) -> None:
        self.path = path
        self.imported: Imported | None = None
        """The version at work; None while the file is missing."""
        self.stamps = stamps_of([path])
        """The files to watch, and how they looked when they were read."""

    def take(self, imported: Imported) -> None:
        """Let this version be the one at work, and watch its files."""
        self.imported = imported
        self.stamps |= {file: stamp for file, stamp in stamps_of(imported.files).items() if file not in self.stamps}


class ScriptLoader:
    """The addon that keeps the scripts of the option `scripts`; their hooks run where this addon stands."""

    name = "scripts"

    def __init__(self) -> None:
        self._scripts: list[Script] = []
        self._watching: asyncio.Task[None] | None = None

    def configure(self, updated: set[str]) -> None:
        if "scripts" in updated:
            self._take(ctx.options.scripts)

    def running(self) -> None:
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def done(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    def check(self) -> None:
        """Look at all files, and take up what has changed."""
        self._act(_look([(script, list(script.stamps)) for script in self._scripts]))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            watched = [(script, list(script.stamps)) for script in self._scripts]
            found = await asyncio.to_thread(_look, watched)
            if any(stamps != script.stamps for script, stamps in found):
                await asyncio.sleep(SETTLING)
                later = await asyncio.to_thread(_look, watched)
                self._act([look for look, again in zip(found, later, strict=True) if look[1] == again[1]])

    def _act(self, found: Iterable[tuple[Script, dict[str, Stamp]]]) -> None:
        for script, stamps in found:
            if script not in self._scripts or stamps == script.stamps:
                continue
            changed = {file for file, stamp in stamps.items() if stamp != script.stamps.get(file)}
            script.stamps = stamps
            if stamps[script.path] is None:
                self._unload(script)
            else:
                self._reload(script, changed)

    def _take(self, paths: Sequence[str]) -> None:
        """Make the scripts those at `paths`, in that order.

        Raises `OptionsError` if one is missing, named twice, or cannot be loaded.
        """
        wanted = [os.path.abspath(os.path.expanduser(path)) for path in paths]
        for position, path in enumerate(wanted):
            if path in wanted[:position]:
                raise OptionsError(f"script {path} is named twice")
            if not os.path.isfile(path):
                raise OptionsError(f"there is no script {path}")
        there = {script.path: script for script in self._scripts}
        for path in wanted:
            if path not in there:
                there[path] = self._load(path)
        for script in self._scripts:
            if script.path not in wanted and script.imported is not None:
                self._end(script.imported)
        self._scripts = [there[path] for path in wanted]
        self._sort()

    def _load(self, path: str) -> Script:
        script = Script(path)
        try:
            imported = import_script(path, known=self._helpers())
            ctx.master.addons.add_inside(self, imported.module)
        except Exception as error:
            report_failure(path, "load", error)
            raise OptionsError(f"script {path} cannot be loaded: {describe(error)}") from error
        script.take(imported)
        self._scripts.append(script)
        return script

    def _reload(self, script: Script, changed: set[str]) -> None:
        before = script.imported
        fresh = frozenset(before.helpers if before and changed - {script.path} else ())
        try:
            imported = import_script(script.path, fresh=fresh, known=self._helpers())
            if before is None:
                ctx.master.addons.add_inside(self, imported.module)
            else:
                ctx.master.addons.replace(before.module, imported.module)
        except Exception as error:  # noqa: BLE001 - the boundary of addons
            report_failure(script.path, "reload", error)
            script.stamps |= stamps_of(set(files_of(error, os.path.dirname(script.path))) - set(script.stamps))
            if before is not None:
                before.reinstate()
                _log.warning("The version of %s from before goes on working.", script.path)
            return
        script.take(imported)
        self._sort()
        _log.info("Loaded %s again.", script.path)

    def _unload(self, script: Script) -> None:
        if script.imported is None:
            return
        self._end(script.imported)
        script.imported = None
        _log.warning("%s is gone; it will be loaded again when it comes back.", script.path)

    def _end(self, imported: Imported) -> None:
        ctx.master.addons.remove(imported.module)
        sys.modules.pop(imported.module.__name__, None)

    def _sort(self) -> None:
        modules = [script.imported.module for script in self._scripts if script.imported]
        ctx.master.addons.sort_inside(self, modules)

    def _helpers(self) -> frozenset[str]:
        return frozenset(name for script in self._scripts if script.imported for name in script.imported.helpers)


def stamps_of(files: Iterable[str]) -> dict[str, Stamp]:
    """Return time and size of each file."""
    return {file: _stamp(file) for file in files}


def _look(watched: list[tuple[Script, list[str]]]) -> list[tuple[Script, dict[str, Stamp]]]:
    return [(script, stamps_of(files)) for script, files in watched]


def describe(error: Exception) -> str:
    """Say in one line what is wrong, and where in the script."""
    if isinstance(error, SyntaxError):
        return f"{error.msg} (line {error.lineno})"
    return f"{type(error).__name__}: {error}"


def files_of(error: BaseException, folder: str) -> list[str]:
    """Return the files of `folder` in which an import went wrong: mending one of them is a reason to try again."""
    found = [frame.f_code.co_filename for frame, _line in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        found.append(error.filename)
    return [file for file in found if os.path.dirname(file) == folder]


def _stamp(file: str) -> Stamp:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
