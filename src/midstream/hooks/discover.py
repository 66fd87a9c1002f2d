"""Which hooks an addon has. Mistakes are told when the addon is added, not when the first flow comes.

An addon is any object, or the module of a script. In a module only what the script (or a module beside it) defines counts:
`from logging import error` does not make a hook.
"""

import functools
import inspect
import logging
import os
import sys
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from midstream.errors import UsageError
from midstream.hooks.spec import HOOKS, NEVER_FIRED, SYNC_ONLY, Hook

_log = logging.getLogger("midstream.addon")
_FUNCTIONS = (FunctionType, MethodType, BuiltinFunctionType, functools.partial)
_MISSING = object()


def name_of(addon: object) -> str:
    """Return what an addon is called: its `name`, the path of a script, else its class in lower case."""
    name = getattr(addon, "name", None)
    if isinstance(name, str) and name:
        return name
    if isinstance(addon, ModuleType):
        return getattr(addon, "__file__", None) or addon.__name__
    return type(addon).__name__.lower()


def children_of(addon: object) -> list[object]:
    """Return the addons that this one brings with it."""
    children = getattr(addon, "addons", ())
    if not isinstance(children, list | tuple):
        raise UsageError(f"Addon {name_of(addon)}: `addons` must be a list, not {type(children).__name__}.")
    return list(children)


def hooks_of(addon: object) -> dict[str, Callable[..., Any]]:
    """Return the hooks of `addon` by name, in the order of the specification.

    Raises `UsageError` if one cannot be called as it will be.
    """
    if inspect.isclass(addon):
        raise UsageError(f"Addon {addon.__name__} is a class; add an instance: {addon.__name__}().")
    found: dict[str, Callable[..., Any]] = {}
    for hook in HOOKS:
        value: Any = getattr(addon, hook.name, _MISSING)
        if value is _MISSING or (isinstance(addon, ModuleType) and _is_imported(addon, hook.name, value)):
            continue
        _check(addon, hook, value)
        found[hook.name] = value
    _warn_of_unknown(addon)
    return found


def _check(addon: object, hook: Hook, value: Any) -> None:
    name = name_of(addon)
    if not callable(value):
        kind = type(value).__name__
        raise UsageError(f"Addon {name}: `{hook.name}` is the name of a hook, but not a function ({kind}); rename it.")
    if hook.name in SYNC_ONLY and inspect.iscoroutinefunction(value):
        raise UsageError(f"Addon {name}: `{hook.name}` cannot be async; start slow work in `running`.")
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*hook.arguments)
    except TypeError as error:
        raise UsageError(f"Addon {name}: {hook.name}{signature} should be {hook.signature}: {error}.") from None


def _is_imported(module: ModuleType, name: str, value: Any) -> bool:
    kind = type(value)
    if isinstance(value, type) or kind is ModuleType:
        return True
    if not callable(value) or _is_at_home(module, value):
        return False
    if kind in _FUNCTIONS:
        _log.warning(
            "Script %s: `%s` is imported from %s and is therefore not taken as a hook.",
            module.__file__,
            name,
            _origin(value),
        )
    return True


def _is_at_home(module: ModuleType, value: Any) -> bool:
    origin = _origin(value)
    if origin == module.__name__:
        return True
    file = getattr(sys.modules.get(origin), "__file__", None)
    return bool(file and module.__file__ and os.path.dirname(file) == os.path.dirname(module.__file__))


def _origin(value: Any) -> str:
    """Return the name of the module that defines a callable, without asking proxies (werkzeug's, say) for attributes."""
    if type(value) is functools.partial:
        return _origin(value.func)
    return str((value if type(value) in _FUNCTIONS else type(value)).__module__)


def _warn_of_unknown(addon: object) -> None:
    for name, advice in NEVER_FIRED.items():
        if type(getattr(addon, name, None)) in _FUNCTIONS:
            _log.warning("Addon %s: `%s` will not be called: %s.", name_of(addon), name, advice)
