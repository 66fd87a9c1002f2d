import re
from pathlib import Path

from midstream import addon
from midstream.hooks.spec import HOOKS

DOCS = Path(__file__).parents[2] / "docs"


def test_every_public_name_exists():
    assert all(hasattr(addon, name) for name in addon.__all__)
    assert addon.__all__ == sorted(addon.__all__)


def test_the_types_of_all_hook_arguments_can_be_imported():
    types = {word for hook in HOOKS for argument in hook.arguments for word in re.findall(r"[A-Z]\w+", argument.type)}
    assert types <= set(addon.__all__)


def test_every_public_name_is_documented():
    text = (DOCS / "addons.md").read_text() + (DOCS / "hooks.md").read_text()
    assert [name for name in addon.__all__ if not re.search(rf"\b{name}\b", text)] == []


def test_commands_and_filters_are_reached_through_the_facade():
    @addon.command.command("x")
    @addon.command.argument("colour", type=addon.types.Choice("colours"))
    def paint(colour: str) -> None: ...

    assert addon.filters.parse("~all")
    assert paint.__midstream_command__ == "x"
