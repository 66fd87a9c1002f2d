"""Import a script file, and the modules beside it that it uses, as often as wanted.

The script's directory is on `sys.path` during the import only. Modules beside the script ("helpers") are remembered, so
that a reload can import them afresh; packages that merely lie below that directory (a virtualenv, say) are left alone.
No bytecode is written: a file that changes twice in one second would be taken from its stale `.pyc`.
"""

import importlib
import importlib.util
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import msgspec

from midstream.errors import UsageError

_PREFIX = "midstream_script_"


class Imported(msgspec.Struct, eq=False):
    """A script that has been imported."""

    module: ModuleType
    helpers: dict[str, ModuleType]
    """The modules beside the script that it uses, by name."""

    @property
    def files(self) -> list[str]:
        """Every file whose change means that the script has changed."""
        return [file for module in (self.module, *self.helpers.values()) if (file := module.__file__)]

    def reinstate(self) -> None:
        """Make this version the one that `sys.modules` has."""
        sys.modules.update(self.helpers)
        sys.modules[self.module.__name__] = self.module


def import_script(path: str, *, fresh: frozenset[str] = frozenset(), known: frozenset[str] = frozenset()) -> Imported:
    """Import the file at `path`, and anew the helpers named by `fresh`; `known` are helpers of any script so far.

    Raises whatever the script raises; everything is as before then.
    """
    folder = os.path.dirname(path)
    name = f"{_PREFIX}{os.path.splitext(os.path.basename(path))[0]}_{zlib.crc32(os.fsencode(path)):08x}"
    hidden = {
        key: sys.modules[key] for key in known if key in sys.modules and (key in fresh or not _lies_in(folder, key))
    }
    previous = sys.modules.get(name)
    with _import_state(folder):
        for key in hidden:
            del sys.modules[key]
        before = set(sys.modules)
        try:
            module = _execute(name, path)
        except BaseException:
            for key in [key for key in sys.modules if key not in before and _lies_in(folder, key)]:
                del sys.modules[key]
            sys.modules.update(hidden)
            _restore(name, previous)
            raise
        used = {key for key in sys.modules if (key not in before or key in known) and _lies_in(folder, key)}
        for key, kept in hidden.items():
            sys.modules.setdefault(key, kept)
    return Imported(module, {key: sys.modules[key] for key in sorted(used - {name})})


def _execute(name: str, path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file; its name should end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SystemExit as error:
        raise UsageError(f"{path} ends the program ({error!r}); a script must not") from error
    return module


def _restore(name: str, previous: ModuleType | None) -> None:
    if previous is None:
        sys.modules.pop(name, None)
    else:
        sys.modules[name] = previous


def _lies_in(folder: str, name: str) -> bool:
    """Tell whether the module `name` comes from the script's directory itself, not from a virtualenv below it."""
    file = getattr(sys.modules.get(name), "__file__", None)
    if not isinstance(file, str) or name.partition(".")[0] in {"midstream", "__main__"}:
        return False
    stem = os.path.join(folder, *name.split("."))
    return file in {f"{stem}.py", os.path.join(stem, "__init__.py")}


@contextmanager
def _import_state(folder: str) -> Iterator[None]:
    writes_no_bytecode = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes_no_bytecode
        if folder in sys.path:
            sys.path.remove(folder)
