"""The set of addons: who is in it, in which order, and their life from `load` to `done`.

Order of the hooks of one addon: `load` when it is added, `configure` with all options before the proxy listens, `running` once
it does, `done` at removal or shutdown. An addon that comes later goes through the first three at once. The order
between addons is the order in which they were added, an addon before those in its `addons`.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from enum import Enum
from typing import Any

from midstream.errors import AddonHalt, OptionsError, UsageError
from midstream.hooks.context import Master, entered
from midstream.hooks.discover import children_of, hooks_of, name_of
from midstream.hooks.loader import Loader
from midstream.hooks.table import dispatch, report_failure

_log = logging.getLogger("midstream.addon")


class Phase(Enum):
    """How far the engine has come."""

    LOADING = 0
    CONFIGURED = 1
    RUNNING = 2
    DONE = 3


class Member:
    """An addon that has been added, with the hooks it had then."""

    __slots__ = ("addon", "children", "hooks", "is_configured", "name")

    def __init__(self, addon: object) -> None:
        self.addon = addon
        self.name = name_of(addon)
        self.hooks = hooks_of(addon)
        self.children = [Member(child) for child in children_of(addon)]
        self.is_configured = False

    def walk(self) -> Iterator["Member"]:
        """Yield this addon, then those inside it."""
        yield self
        for child in self.children:
            yield from child.walk()


class Addons:
    """The addons of one engine."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._top: list[Member] = []
        self._phase = Phase.LOADING
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsubscribe: Callable[[], None] = master.options.subscribe(self._options_changed)

    def __iter__(self) -> Iterator[object]:
        """Yield all addons in hook order."""
        return (member.addon for member in self._walk())

    def __contains__(self, addon: object) -> bool:
        """Tell whether an addon, or one of that name, is there."""
        return any(addon is member.addon or addon == member.name for member in self._walk())

    def __len__(self) -> int:
        return sum(1 for _ in self._walk())

    def get(self, name: str) -> Any:
        """Return the addon called `name`, or None."""
        return next((member.addon for member in self._walk() if member.name == name), None)

    def add(self, *addons: object) -> None:
        """Add addons at the end and bring them to where the engine is.

        Raises `UsageError` if a name is taken or a hook cannot be called, `OptionsError` if `configure` refuses the options,
        and whatever `load` raises; the addon is not added then.
        """
        for addon in addons:
            self._enter(addon, self._top)

    def add_inside(self, parent: object, addon: object) -> None:
        """Add one addon as the last child of another, so that its hooks run right after that one's."""
        self._enter(addon, self._member(parent).children)

    def remove(self, addon: object) -> None:
        """Call `done` on an addon and those inside it, and forget them."""
        member = self._member(addon)
        self._siblings(member).remove(member)
        self._compile()
        self._leave(member)
        self._forget_commands(member)

    def replace(self, old: object, new: object) -> None:
        """Put `new` where `old` stands; if it cannot be loaded and configured, `old` stays and the error is raised.

        `new` sees `load` and `configure` before `old` sees `done`, and `running` after it.
        """
        before = self._member(old)
        siblings = self._siblings(before)
        position = siblings.index(before)
        commands = self._master.commands.saved()
        del siblings[position]
        self._forget_commands(before)
        try:
            member = self._prepare(new)
        except BaseException:
            siblings.insert(position, before)
            self._master.commands.restore(commands)
            raise
        siblings.insert(position, member)
        self._compile()
        self._leave(before)
        self._start(member)

    def sort_inside(self, parent: object, wanted: Sequence[object]) -> None:
        """Bring the children of an addon into the order of `wanted`."""
        place = {id(addon): position for position, addon in enumerate(wanted)}
        self._member(parent).children.sort(key=lambda member: place.get(id(member.addon), len(place)))
        self._compile()

    def configure_all(self) -> None:
        """Give every addon all options for the first time; the engine calls this before it listens.

        Raises `OptionsError` from the first addon that refuses them.
        """
        self._phase = Phase.CONFIGURED
        for member in list(self._walk()):
            self._configure(member, set(self._master.options.declared))

    async def running(self) -> None:
        """Tell every addon, once, that the proxy accepts connections."""
        if self._phase is Phase.RUNNING:
            return
        self._phase = Phase.RUNNING
        for member in list(self._walk()):
            await self._run_awaited(member, "running")

    async def shutdown(self) -> None:
        """Tell every addon that it is over, wait for what they still do, and forget them."""
        if self._phase is Phase.DONE:
            return
        self._phase = Phase.DONE
        self._unsubscribe()
        for member in list(self._walk()):
            await self._run_awaited(member, "done")
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._top.clear()
        self._compile()

    async def trigger(self, hook: str, *args: object) -> None:
        """Fire a hook for all addons, in the way in which the proxy fires it."""
        with entered(self._master):
            await dispatch(getattr(self._master.hooks, hook), *args)

    def _walk(self) -> Iterator[Member]:
        for member in self._top:
            yield from member.walk()

    def _member(self, addon: object) -> Member:
        for member in self._walk():
            if member.addon is addon:
                return member
        raise UsageError(f"Addon {name_of(addon)} has not been added.")

    def _siblings(self, member: Member) -> list[Member]:
        lists = [self._top, *(other.children for other in self._walk())]
        return next(siblings for siblings in lists if member in siblings)

    def _enter(self, addon: object, siblings: list[Member]) -> None:
        member = self._prepare(addon)
        siblings.append(member)
        self._compile()
        self._start(member)

    def _prepare(self, addon: object) -> Member:
        """Bring an addon up to `configure`, without letting anybody see it yet."""
        member = Member(addon)
        self._refuse_taken_names(member)
        commands = self._master.commands.saved()
        try:
            for part in member.walk():
                self._master.commands.collect(part.addon, addon=part.name)
                self._call(part, "load", Loader(self._master, part.name))
            if self._phase is not Phase.LOADING:
                for part in member.walk():
                    self._configure(part, set(self._master.options.declared), swallow=False)
        except BaseException:
            self._master.commands.restore(commands)
            raise
        return member

    def _start(self, member: Member) -> None:
        if self._phase is Phase.RUNNING:
            for part in member.walk():
                self._run_detached(part, "running")

    def _leave(self, member: Member) -> None:
        for part in member.walk():
            self._run_detached(part, "done")

    def _forget_commands(self, member: Member) -> None:
        for part in member.walk():
            self._master.commands.remove(part.name)

    def _refuse_taken_names(self, member: Member) -> None:
        taken = {other.name for other in self._walk()}
        for part in member.walk():
            if part.name in taken:
                raise UsageError(f"There is an addon called {part.name} already; give this one another `name`.")
            taken.add(part.name)

    def _compile(self) -> None:
        self._master.hooks.compile((member.name, member.hooks, member.addon) for member in self._walk())

    def _options_changed(self, updated: set[str]) -> None:
        for member in [known for known in self._walk() if known.is_configured]:
            self._configure(member, set(updated))

    def _configure(self, member: Member, updated: set[str], *, swallow: bool = True) -> None:
        """Call `configure`; what it cannot use is an `OptionsError`, any other failure is the addon's own."""
        member.is_configured = True
        try:
            self._call(member, "configure", updated)
        except OptionsError:
            raise
        except UsageError as error:
            raise OptionsError(str(error)) from error
        except Exception as error:
            if not swallow:
                raise
            report_failure(member.name, "configure", error)

    def _call(self, member: Member, hook: str, *args: object) -> Any:
        call: Callable[..., Any] | None = member.hooks.get(hook)
        if call is None:
            return None
        with entered(self._master):
            try:
                return call(*args)
            except AddonHalt:
                return None

    async def _run_awaited(self, member: Member, hook: str) -> None:
        await self._finish(member, hook, self._call_safely(member, hook))

    def _run_detached(self, member: Member, hook: str) -> None:
        """Call a hook that may be async from where nobody can wait; `shutdown` waits for it."""
        result = self._call_safely(member, hook)
        if inspect.isawaitable(result):
            with entered(self._master):
                task = asyncio.get_running_loop().create_task(self._finish(member, hook, result))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _call_safely(self, member: Member, hook: str) -> Any:
        try:
            return self._call(member, hook)
        except Exception as error:  # noqa: BLE001 - the boundary of addons
            report_failure(member.name, hook, error)
            return None

    async def _finish(self, member: Member, hook: str, result: object) -> None:
        if not inspect.isawaitable(result):
            return
        awaitable: Awaitable[Any] = result
        with entered(self._master):
            try:
                await awaitable
            except Exception as error:  # noqa: BLE001 - the boundary of addons
                report_failure(member.name, hook, error)
