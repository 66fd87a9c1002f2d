from collections.abc import Sequence

import pytest

from midstream.errors import UsageError
from midstream.hooks.argtypes import Choice
from midstream.hooks.commands import Command, Commands, argument, command, split_line
from midstream.hooks.context import ctx


class Greeter:
    @command()
    def greet_all(self, name: str, times: int = 1) -> str:
        """Greet somebody."""
        return f"hello {name} " * times

    @command("greet.colours")
    def colours(self) -> Sequence[str]:
        return ["red", "blue"]

    @command("greet.paint")
    @argument("colour", type=Choice("greet.colours"))
    def paint(self, colour: str, *rest: str) -> None:
        self.painted = (colour, rest)

    @property
    def fragile(self):
        raise RuntimeError("never asked")


@pytest.fixture
def commands(master):
    master.commands.collect(Greeter(), addon="greeter")
    return master.commands


def test_marked_methods_are_found_under_their_names(commands):
    assert list(commands.commands) == ["greet.all", "greet.colours", "greet.paint"]
    assert "greet.all" in commands


def test_a_command_is_called_with_values(commands):
    assert commands.call("greet.all", "anna", 2) == "hello anna hello anna "


def test_a_command_is_called_with_text(commands):
    assert commands.call_strings("greet.all", ["anna", "2"]) == "hello anna hello anna "


def test_a_line_is_executed(commands):
    assert commands.execute("greet.all 'anna b'") == "hello anna b "


def test_rest_arguments_are_each_of_the_type(commands):
    commands.execute(r"greet.paint red a \x41")
    assert commands.find("greet.paint").function.__self__.painted == ("red", ("a", "A"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "expected a command, got nothing"),
        ("nothing", "there is no command 'nothing'"),
        ("greet.all", "missing a required argument: 'name'; usage: greet.all name:str times:int=1 -> str"),
        ("greet.all a 1 2", "too many positional arguments"),
        ("greet.all a x", "greet.all: argument times: expected a whole number"),
        ("greet.paint green", "expected one of red, blue"),
        ("greet.all 'a", "the quote ' is never closed"),
    ],
)
def test_mistakes_are_told(commands, line, message):
    with pytest.raises(UsageError, match=message):
        commands.execute(line)


def test_help_and_usage(commands):
    assert commands.find("greet.all").help == "Greet somebody."
    assert str(commands.find("greet.paint")) == "greet.paint colour:choice *rest:str"
    assert str(commands.find("greet.colours")) == "greet.colours -> str[]"


def test_annotations_may_be_strings():
    def run(count: "int") -> "None": ...

    assert Command("run", run, "").types == {"count": int}


def test_bad_commands_are_refused_at_once():
    def untyped(count): ...
    def unknown(count: "Nowhere"): ...  # noqa: F821
    def odd(count: float): ...
    def odd_result() -> float: ...
    async def slow(): ...

    for function, message in [
        (untyped, "argument count needs a type annotation"),
        (unknown, "annotation means nothing"),
        (odd, "argument|count: commands cannot take or return"),
        (odd_result, "the result: commands cannot take or return"),
        (slow, "commands cannot be async"),
    ]:
        with pytest.raises(UsageError, match=message):
            Command("x", function, "")


def test_the_later_of_two_commands_counts_and_the_change_is_told(commands, caplog):
    def other() -> str:
        return "other"

    commands.add("greet.all", other, addon="second")
    assert commands.call("greet.all") == "other"
    assert caplog.messages == ["Command greet.all of second replaces that of greeter."]


def test_adding_again_by_the_same_addon_is_silent(commands, caplog):
    commands.collect(Greeter(), addon="greeter")
    assert caplog.messages == []


def test_commands_of_an_addon_are_forgotten(commands):
    before = commands.saved()
    commands.remove("greeter")
    assert commands.commands == {}
    commands.restore(before)
    assert "greet.all" in commands


def test_a_command_runs_with_its_engine(master, other_master):
    def who() -> str:
        return "mine" if ctx.master is other_master else "not mine"

    other_master.commands.add("who", who)
    assert other_master.commands.call("who") == "mine"


def test_commands_work_without_an_engine():
    commands = Commands()
    commands.collect(Greeter(), addon="greeter")
    assert commands.call("greet.colours") == ["red", "blue"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("  a   b ", ["a", "b"]),
        ("a 'b c' \"d'e\"", ["a", "b c", "d'e"]),
        ("a''b", ["ab"]),
        ("''", [""]),
        (r"a \' b'", None),
    ],
)
def test_lines_are_split_at_blanks_outside_of_quotes(line, words):
    if words is None:
        assert split_line(line) == ["a", "\\ b"]
    else:
        assert split_line(line) == words
