import json

import pytest

from midstream.cli.entry import call
from midstream.options import Options

pytestmark = pytest.mark.usefixtures("fake_engine")


def test_all_options_with_values_and_sources(capsys, monkeypatch):
    monkeypatch.setenv("MIDSTREAM_FLOW_DETAIL", "3")
    assert call(["options", "-p", "9"]) == 0
    output = capsys.readouterr().out
    assert all(f"  {name} = " in output for name in Options().declared)
    assert "listen_port = 9  (int, from --listen-port; default (nothing))" in output
    assert "flow_detail = 3  (int, from MIDSTREAM_FLOW_DETAIL; default 1)" in output
    assert "proxyauth = (nothing)  (str)" in output
    assert "\nLimits and timeouts\n" in output


def test_only_those_named(capsys):
    assert call(["options", "flow-detail"]) == 0
    assert capsys.readouterr().out.count(" = ") == 1
    assert call(["options", "flow_detial"]) == 2
    assert "did you mean flow_detail" in capsys.readouterr().err


def test_json(capsys):
    assert call(["options", "--json", "--set", "body_memory=2m"]) == 0
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert list(found) == list(Options().declared)
    assert found["body_memory"]["value"] == 2 << 20
    assert found["body_memory"]["source"] == "--set body_memory"
    assert found["server"]["flags"] == ["--server", "--no-server", "-n"]
    assert set(found["mode"]) == {"name", "type", "expects", "value", "default", "source", "help", "group", "flags"}


def test_markdown(capsys):
    assert call(["options", "--markdown", "mode"]) == 0
    assert capsys.readouterr().out.startswith("## Listening and access\n")


def test_ad_07_options_of_scripts_are_listed(capsys, fake_engine):
    assert call(["options", "-s", "mine.py", "--set", "from_script=5"]) == 0
    output = capsys.readouterr().out
    assert "Options of scripts" in output
    assert "from_script = 5  (int, from --set from_script; default 1)" in output
    assert fake_engine.log == ["start", "stop"]
    assert not fake_engine.last.options.server


class FakeCommand:
    def __init__(self, text, description):
        self.text = text
        self.help = description

    def __str__(self):
        return self.text


def test_commands(capsys, fake_engine, monkeypatch):
    known = {"a": FakeCommand("a x:str", "Do a.\nMore."), "b": FakeCommand("b", "")}
    start = fake_engine.__aenter__

    async def with_commands(self):
        self.commands.commands.update(known)
        return await start(self)

    monkeypatch.setattr(fake_engine, "__aenter__", with_commands)
    assert call(["commands"]) == 0
    assert capsys.readouterr().out == "a x:str\n    Do a.\nb\n"
    assert not fake_engine.last.options.server


@pytest.mark.usefixtures("fake_engine")
def test_no_commands(capsys):
    assert call(["commands"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "There are no commands" in err
