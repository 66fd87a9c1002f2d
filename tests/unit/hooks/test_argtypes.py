import os
from collections.abc import Sequence

import pytest

from midstream.errors import UsageError
from midstream.flow import Client, Flow, HTTPFlow, Server
from midstream.hooks.argtypes import (
    Choice,
    Cmd,
    CmdArgs,
    CutSpec,
    Data,
    Marker,
    Path,
    read_value,
    show_type,
    unescape,
)


@pytest.fixture
def caller(master):
    def colours() -> Sequence[str]:
        return ["red", "blue"]

    master.commands.add("colours", colours)
    return master.commands


@pytest.fixture
def flows(caller):
    known = [HTTPFlow(Client(), Server()), HTTPFlow(Client(), Server())]

    def resolve(spec: str) -> Sequence[Flow]:
        return known if spec == "@all" else known[:1]

    caller.add("view.flows.resolve", resolve)
    return known


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (str, r"a\tb", "a\tb"),
        (int, "-3", -3),
        (bool, "true", True),
        (bool, "False", False),
        (bytes, r"\x00\xff", b"\x00\xff"),
        (bytes, "€", "€".encode()),
        (Path, "~/x", os.path.expanduser("~/x")),
        (Cmd, "colours", "colours"),
        (CmdArgs, "anything", "anything"),
        (Marker, "true", ":default:"),
        (Marker, "false", ""),
        (Marker, ":red_circle:", ":red_circle:"),
        (Marker, "X", "X"),
        (CutSpec, "request.method, request.path", ["request.method", "request.path"]),
        (Sequence[str], "a, b,,c", ["a", "b", "c"]),
        (list[str], "", []),
        (tuple[str, ...], "a", ["a"]),
        (Choice("colours"), "blue", "blue"),
    ],
)
def test_text_becomes_a_value(caller, kind, text, value):
    assert read_value(caller, kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (int, "x", "expected a whole number, got 'x'"),
        (bool, "yes", "expected true or false, got 'yes'"),
        (Cmd, "nothing", "there is no command 'nothing'"),
        (Marker, "many words", "expected a marker"),
        (Data, "x", "cannot be typed"),
        (Choice("colours"), "green", "expected one of red, blue, got 'green'"),
        (Flow, "@focus", "flows can be named only where there is a list of flows"),
        (float, "1.5", "cannot be typed"),
    ],
)
def test_text_that_does_not_fit_is_refused(caller, kind, text, message):
    with pytest.raises(UsageError, match=message):
        read_value(caller, kind, text)


def test_flows_are_looked_up_in_the_list_of_flows(caller, flows):
    assert read_value(caller, Sequence[Flow], "@all") == flows
    assert read_value(caller, HTTPFlow, "@focus") is flows[0]
    with pytest.raises(UsageError, match="expected exactly one flow, '@all' means 2"):
        read_value(caller, Flow, "@all")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (str, "str"),
        (bool, "bool"),
        (Path, "path"),
        (CmdArgs, "arg"),
        (Choice("x"), "choice"),
        (HTTPFlow, "flow"),
        (Sequence[Flow], "flow[]"),
        (Sequence[str], "str[]"),
        (CutSpec, "cut[]"),
        (Data, "data[][]"),
    ],
)
def test_types_have_short_names(kind, name):
    assert show_type(kind) == name


@pytest.mark.parametrize("kind", [float, Sequence[int], dict[str, str], tuple[str, str]])
def test_other_types_are_refused_with_a_list_of_the_known(kind):
    with pytest.raises(UsageError, match="known types: str, int"):
        show_type(kind)


@pytest.mark.parametrize(
    ("text", "plain"), [(r"\n", "\n"), (r"\x41B", "AB"), (r"é", "é"), (r"\q", r"\q"), ("\\", "\\"), (r"\\n", r"\n")]
)
def test_escapes_are_those_of_python_and_the_rest_stays(text, plain):
    assert unescape(text) == plain
