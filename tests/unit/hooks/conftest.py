"""An engine that has nothing but what addons need of it."""

from collections.abc import Iterator

import pytest

from midstream.hooks.addons import Addons
from midstream.hooks.commands import Commands
from midstream.hooks.context import entered
from midstream.hooks.table import HookTable
from midstream.options import Options


class SmallMaster:
    def __init__(self) -> None:
        self.options = Options()
        self.hooks = HookTable()
        self.commands = Commands(self)
        self.addons = Addons(self)
        self.was_shut_down = False

    def shutdown(self) -> None:
        self.was_shut_down = True


@pytest.fixture
def master() -> Iterator[SmallMaster]:
    made = SmallMaster()
    with entered(made):
        yield made


@pytest.fixture
def other_master() -> SmallMaster:
    return SmallMaster()
