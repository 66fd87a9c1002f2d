"""`ctx`: the engine that the running hook or command belongs to.

Several engines can live in one process, so nothing is kept in a global: the engine enters a `ContextVar` before it opens its
listeners, and every callback of the loop, task and worker thread started from there inherits it.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, Protocol

from midstream.errors import UsageError
from midstream.flow import Flow

if TYPE_CHECKING:
    from midstream.hooks.addons import Addons
    from midstream.hooks.commands import Commands
    from midstream.hooks.table import HookTable

ALERT = logging.INFO + 1
"""The level of messages that a user interface should push to the front."""

logging.addLevelName(ALERT, "ALERT")


class Options(Protocol):
    """The settings as addons see them: every option is an attribute."""

    @property
    def declared(self) -> Mapping[str, Any]:
        """Every option by name."""
        ...

    def update(self, **values: Any) -> None:
        """Set several options at once, or none if one is refused."""
        ...

    def add_option(
        self, name: str, typespec: Any, default: Any, description: str, choices: Iterable[str] | None = None, /
    ) -> None:
        """Declare an option."""
        ...

    def subscribe(self, callback: Callable[[set[str]], None], /) -> Callable[[], None]:
        """Call back with the names of changed options, until the result is called; an `OptionsError` takes the change back."""
        ...

    def __getattr__(self, name: str, /) -> Any: ...


class Authority(Protocol):
    """The certificate authority, as far as addons may rely on it: never its key."""

    crl_path: str
    """Where clients look for our revocation list, on whatever host."""

    @property
    def fingerprint(self) -> str:
        """The SHA-256 fingerprint of the certificate that clients are to trust."""
        ...

    def download(self, kind: Literal["pem", "cer", "p12"], /) -> bytes:
        """Return the certificate that clients are to trust, as a file."""
        ...


class Certificates(Protocol):
    """The certificates shown to clients."""

    def crl_for(self, path: str, /) -> bytes | None:
        """Return the revocation list if that is what `path` asks for."""
        ...


class Replays(Protocol):
    """The flows that are replayed."""

    @property
    def count(self) -> int:
        """How many are in line or under way."""
        ...

    def add(self, flows: Sequence[Flow], /) -> None:
        """Have flows replayed, in this order; raises `UsageError` if none of them can be."""
        ...

    def stop(self) -> None:
        """Replay nothing more, and break off what is under way."""
        ...


class Master(Protocol):
    """The engine, as far as addons may rely on it."""

    @property
    def authority(self) -> Authority: ...
    @property
    def certificates(self) -> Certificates: ...
    @property
    def replays(self) -> Replays: ...
    @property
    def options(self) -> Options: ...
    @property
    def hooks(self) -> "HookTable": ...
    @property
    def commands(self) -> "Commands": ...
    @property
    def addons(self) -> "Addons": ...
    def shutdown(self) -> Any:
        """Stop; may be called from any thread."""
        ...


_current: ContextVar[Master] = ContextVar("midstream_master")


def enter(master: Master) -> None:
    """Make `master` what `ctx` means from here on, in this context and those copied from it."""
    _current.set(master)


@contextmanager
def entered(master: Master) -> Iterator[None]:
    """Make `master` what `ctx` means inside the block."""
    token = _current.set(master)
    try:
        yield
    finally:
        _current.reset(token)


class Log(logging.LoggerAdapter[logging.Logger]):
    """Python's logging with the two short cuts that scripts know."""

    def __init__(self) -> None:
        super().__init__(logging.getLogger("midstream.script"), {})

    def alert(self, message: object, *args: object) -> None:
        """Log something that the user should see now."""
        self.log(ALERT, message, *args)

    warn = logging.LoggerAdapter.warning


class Current:
    """The type of `ctx`."""

    log = Log()

    @property
    def master(self) -> Master:
        """The engine. Raises `UsageError` outside of hooks and commands."""
        try:
            return _current.get()
        except LookupError:
            raise UsageError("ctx means something only while a hook or a command runs; use it there") from None

    @property
    def options(self) -> Options:
        """The engine's options."""
        return self.master.options


ctx = Current()
