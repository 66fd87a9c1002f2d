import asyncio

import pytest

from midstream.errors import AddonHalt, OptionsError, UsageError
from midstream.hooks.commands import command
from midstream.hooks.context import ctx


class Recorder:
    """Writes down what it is told, into a list shared by a test."""

    def __init__(self, name, told, addons=()):
        self.name = name
        self.told = told
        self.addons = list(addons)

    def load(self, loader):
        self.told.append((self.name, "load"))

    def configure(self, updated):
        self.told.append((self.name, "configure"))

    def running(self):
        self.told.append((self.name, "running"))

    def request(self, flow):
        self.told.append((self.name, "request"))

    def done(self):
        self.told.append((self.name, "done"))


@pytest.fixture
def told():
    return []


def start(master):
    master.addons.configure_all()
    asyncio.run(master.addons.running())


def tell(master, hook="request", argument="flow"):
    asyncio.run(master.addons.trigger(hook, argument))


def hear(told):
    heard = list(told)
    told.clear()
    return heard


def test_ad_02_life_runs_in_the_documented_order_and_running_once(master, told):
    master.addons.add(Recorder("a", told), Recorder("b", told))
    assert hear(told) == [("a", "load"), ("b", "load")]
    master.addons.configure_all()
    assert hear(told) == [("a", "configure"), ("b", "configure")]

    async def run():
        await master.addons.running()
        await master.addons.running()
        assert hear(told) == [("a", "running"), ("b", "running")]
        await master.addons.shutdown()
        await master.addons.shutdown()

    asyncio.run(run())
    assert hear(told) == [("a", "done"), ("b", "done")]
    assert not list(master.addons)
    assert master.hooks.request == ()


def test_an_addon_stands_before_those_inside_it(master, told):
    inner = Recorder("inner", told)
    outer = Recorder("outer", told, [inner])
    master.addons.add(outer, Recorder("last", told))
    hear(told)
    tell(master)
    assert hear(told) == [("outer", "request"), ("inner", "request"), ("last", "request")]
    assert [addon.name for addon in master.addons] == ["outer", "inner", "last"]
    assert len(master.addons) == 3


def test_addons_are_found_by_name_and_identity(master, told):
    addon = Recorder("a", told)
    master.addons.add(addon)
    assert master.addons.get("a") is addon
    assert master.addons.get("b") is None
    assert "a" in master.addons
    assert addon in master.addons
    assert "b" not in master.addons


def test_names_are_unique_also_inside(master, told):
    master.addons.add(Recorder("a", told))
    hear(told)
    with pytest.raises(UsageError, match="There is an addon called a already"):
        master.addons.add(Recorder("b", told, [Recorder("a", told)]))
    with pytest.raises(UsageError, match="There is an addon called x already"):
        master.addons.add(Recorder("y", told, [Recorder("x", told), Recorder("x", told)]))
    assert (hear(told), len(master.addons)) == ([], 1)


def test_the_first_configure_has_every_option_and_later_ones_what_changed(master):
    seen = []

    class Addon:
        def configure(self, updated):
            seen.append(updated)

    master.addons.add(Addon())
    master.options.update(listen_port=1)
    assert seen == []
    master.addons.configure_all()
    master.options.update(listen_port=2)
    assert seen == [set(master.options.declared), {"listen_port"}]


def test_a_late_addon_is_brought_to_where_the_engine_is(master, told):
    start(master)
    master.addons.add(Recorder("late", told))
    assert hear(told) == [("late", "load"), ("late", "configure"), ("late", "running")]


def test_an_option_of_a_late_addon_does_not_configure_it_before_its_turn(master):
    seen = []

    class Addon:
        def load(self, loader):
            loader.add_option("late_option", int, 1, "Something.")

        def configure(self, updated):
            seen.append("late_option" in updated and len(updated) > 1)

    start(master)
    master.addons.add(Addon())
    assert seen == [True]


def test_a_failing_load_keeps_the_addon_out(master):
    class Addon:
        def load(self, loader):
            raise ValueError("no luck")

        @command("my.command")
        def mine(self) -> str:
            return ""

    with pytest.raises(ValueError, match="no luck"):
        master.addons.add(Addon())
    assert "addon" not in master.addons
    assert "my.command" not in master.commands


@pytest.mark.parametrize("error", [OptionsError("no"), UsageError("no")])
def test_an_option_that_an_addon_refuses_is_rolled_back(master, error):
    class Addon:
        def configure(self, updated):
            if ctx.options.listen_port == 99:
                raise error

    master.addons.add(Addon())
    start(master)
    with pytest.raises(OptionsError, match="no"):
        master.options.update(listen_port=99)
    assert master.options.listen_port != 99


def test_ad_03_any_other_failure_in_configure_is_logged_and_the_next_addon_runs(master, told, caplog):
    class Broken:
        def configure(self, updated):
            raise ValueError("bad luck")

    master.addons.add(Broken(), Recorder("b", told))
    hear(told)
    master.addons.configure_all()
    assert hear(told) == [("b", "configure")]
    assert caplog.messages == ["Addon broken failed in configure: bad luck"]


def test_a_late_addon_whose_configure_fails_stays_out(master):
    class Broken:
        def configure(self, updated):
            raise ValueError("bad luck")

    start(master)
    with pytest.raises(ValueError, match="bad luck"):
        master.addons.add(Broken())
    assert len(master.addons) == 0


def test_ad_03_failures_in_running_and_done_are_logged(master, told, caplog):
    class Broken:
        def running(self):
            raise ValueError("one")

        async def done(self):
            raise ValueError("two")

    master.addons.add(Broken(), Recorder("b", told))
    start(master)
    asyncio.run(master.addons.shutdown())
    assert caplog.messages == ["Addon broken failed in running: one", "Addon broken failed in done: two"]
    assert ("b", "running") in told
    assert ("b", "done") in told


def test_halt_in_a_life_hook_stops_nothing(master, told):
    class Halting:
        def load(self, loader):
            raise AddonHalt

    master.addons.add(Halting(), Recorder("b", told))
    assert hear(told) == [("b", "load")]


def test_async_running_is_waited_for(master, told):
    class Slow:
        async def running(self):
            await asyncio.sleep(0)
            told.append(ctx.master)

    master.addons.add(Slow())
    start(master)
    assert hear(told) == [master]


def test_async_hooks_of_late_and_removed_addons_are_waited_for_at_shutdown(master, told):
    class Slow:
        async def running(self):
            await asyncio.sleep(0)
            told.append("running")

        async def done(self):
            await asyncio.sleep(0)
            told.append("done")

    async def scenario():
        await master.addons.running()
        slow = Slow()
        master.addons.add(slow)
        master.addons.remove(slow)
        assert hear(told) == []
        await master.addons.shutdown()

    asyncio.run(scenario())
    assert sorted(told) == ["done", "running"]


def test_removing_calls_done_and_forgets_hooks_and_commands(master, told):
    class Commanding(Recorder):
        @command("my.command")
        def mine(self) -> str:
            return ""

    addon = Commanding("a", told, [Recorder("inner", told)])
    master.addons.add(addon)
    hear(told)
    master.addons.remove(addon)
    assert hear(told) == [("a", "done"), ("inner", "done")]
    assert (len(master.addons), master.hooks.request) == (0, ())
    assert "my.command" not in master.commands
    with pytest.raises(UsageError, match="Addon a has not been added"):
        master.addons.remove(addon)


def test_an_addon_can_be_added_and_sorted_inside_another(master, told):
    parent, first, second = (Recorder(name, told) for name in ("parent", "first", "second"))
    master.addons.add(parent, Recorder("last", told))
    master.addons.add_inside(parent, second)
    master.addons.add_inside(parent, first)
    master.addons.sort_inside(parent, [first, second])
    hear(told)
    tell(master)
    assert [name for name, _hook in hear(told)] == ["parent", "first", "second", "last"]
    master.addons.remove(first)
    assert [addon.name for addon in master.addons] == ["parent", "second", "last"]


def test_replacing_keeps_the_place_and_the_name(master, told):
    old, new = Recorder("a", told), Recorder("a", told)
    master.addons.add(old, Recorder("b", told))
    start(master)
    hear(told)
    master.addons.replace(old, new)
    assert hear(told) == [("a", "load"), ("a", "configure"), ("a", "done"), ("a", "running")]
    assert next(iter(master.addons)) is new


def test_ad_04_what_cannot_replace_leaves_everything_as_it_was(master, told):
    class Old(Recorder):
        @command("my.command")
        def mine(self) -> str:
            return "old"

        def load(self, loader):
            loader.add_command("my.other", lambda: "old")

    class New(Recorder):
        @command("my.command")
        def mine(self) -> str:
            return "new"

        def configure(self, updated):
            raise ValueError("bad luck")

    old = Old("a", told)
    master.addons.add(old)
    start(master)
    hear(told)
    with pytest.raises(ValueError, match="bad luck"):
        master.addons.replace(old, New("a", told))
    assert hear(told) == [("a", "load")]
    assert master.commands.call("my.command") == "old"
    assert master.commands.call("my.other") == "old"
    tell(master)
    assert hear(told) == [("a", "request")]


def test_commands_of_the_old_version_do_not_outlive_it(master, told):
    class Old(Recorder):
        @command("my.command")
        def mine(self) -> str:
            return "old"

    old = Old("a", told)
    master.addons.add(old)
    master.addons.replace(old, Recorder("a", told))
    assert "my.command" not in master.commands


def test_two_engines_do_not_know_of_each_other(master, other_master):
    seen = []

    class Addon:
        def configure(self, updated):
            seen.append(ctx.master)

        def request(self, flow):
            seen.append(ctx.master)

    other_master.addons.add(Addon())
    other_master.addons.configure_all()
    tell(master)
    tell(other_master)
    assert seen == [other_master, other_master]
    assert ctx.master is master


def test_after_shutdown_options_that_live_on_are_not_listened_to(master):
    seen = []

    class Addon:
        def configure(self, updated):
            seen.append(updated)

    master.addons.add(Addon())
    start(master)
    asyncio.run(master.addons.shutdown())
    seen.clear()
    master.options.update(listen_port=99)
    assert seen == []
