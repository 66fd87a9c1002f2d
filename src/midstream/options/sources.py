"""Where values come from: flags and `--set` over environment over configuration file over defaults.

Names no built-in option has are kept for scripts: a mistake on the command line once all scripts are loaded, worth a
warning in the configuration file, nothing at all in the environment.
"""

import os
import tomllib
from collections.abc import Iterable, Mapping

from midstream.errors import OptionsError
from midstream.options.options import DEFAULT_CONFDIR
from midstream.options.store import Deferred, IfUnknown, Line, OptionStore, Text, plain_name, read_settings

CONFIG_FILE = "config.toml"
ENVIRONMENT_PREFIX = "MIDSTREAM_"


def load(
    options: OptionStore,
    *,
    environment: Mapping[str, str],
    flags: Mapping[str, object] | None = None,
    settings: Iterable[str] = (),
) -> None:
    """Fill `options` from every source; `flags` are values by option name, `settings` the texts given to `--set`.

    Raises `OptionsError` that names the source.
    """
    given = dict(flags or {})
    set_texts = read_settings(settings)
    from_environment = read_environment(environment)
    path = os.path.join(_confdir(set_texts, given, from_environment), CONFIG_FILE)
    _take(options, read_config(path), path, "warn")
    for name, line in from_environment.items():
        _take(options, {name: line}, ENVIRONMENT_PREFIX + name.upper(), "ignore")
    for name, value in given.items():
        _take(options, {name: value}, "--" + name.replace("_", "-"), "refuse")
    for name, texts in set_texts.items():
        _take(options, {name: texts}, f"--set {name}", "refuse")


def read_environment(environment: Mapping[str, str]) -> dict[str, Line]:
    """Return the values of all `MIDSTREAM_…` variables by option name."""
    return {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): Line(value)
        for name, value in environment.items()
        if name.startswith(ENVIRONMENT_PREFIX)
    }


def read_config(path: str) -> dict[str, object]:
    """Return what the configuration file says; a missing file says nothing.

    Raises `OptionsError` that names the file.
    """
    try:
        with open(path, "rb") as file:
            content = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise OptionsError(f"cannot read {path}: {fault}") from None
    return {plain_name(name): value for name, value in content.items()}


def _confdir(settings: Mapping[str, Text], flags: Mapping[str, object], environment: Mapping[str, Line]) -> str:
    """Return the folder of the configuration file, which the file itself cannot name."""
    chosen = settings.get("confdir") or flags.get("confdir") or environment.get("confdir") or DEFAULT_CONFDIR
    return os.path.expanduser(chosen[-1] if isinstance(chosen, Text) else str(chosen))


def _take(options: OptionStore, values: Mapping[str, object], source: str, if_unknown: IfUnknown) -> None:
    known = {}
    for name, value in values.items():
        if name in options.declared:
            known[name] = _from_file(options, name, value, source) if if_unknown == "warn" else value
        else:
            options.defer(name, Deferred(value, source, if_unknown))
    options.assign(known, source)


def _from_file(options: OptionStore, name: str, value: object, path: str) -> object:
    """Return a value of the configuration file with its relative paths taken from the folder of the file."""
    return options.find(name).kind.within(os.path.dirname(path), options.accept(name, value, path))
