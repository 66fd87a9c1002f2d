import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from midstream.cli import entry as module
from midstream.cli.entry import COMMANDS, call, group, main
from midstream.errors import UsageError

DOCS = Path(__file__).parents[3] / "docs" / "cli.md"


@pytest.fixture
def commands():
    """Every subcommand that is there."""
    context = click.Context(group)
    return {name: group.get_command(context, name) for name in COMMANDS}


def test_every_command_and_flag_is_documented(commands):
    text = DOCS.read_text()
    sections = dict(re.findall(r"^## `midstream (\w+)[^\n]*\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    shared = dict(re.findall(r"^## (Common flags)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))["Common flags"]
    for name, command in commands.items():
        assert name in sections, f"docs/cli.md has no section about {name}"
        for flag in (
            flag
            for each in command.params
            if isinstance(each, click.Option)
            for flag in (*each.opts, *each.secondary_opts)
        ):
            documented = sections[name] + (shared if "shared with all" in sections[name] else "")
            assert f"`{flag}" in documented, f"docs/cli.md does not tell of {flag} of {name}"


def test_the_list_of_commands_agrees_with_the_commands(commands):
    assert group.list_commands(click.Context(group)) == list(commands)
    for name, command in commands.items():
        assert command.name == name
        assert command.help


def test_version_and_help(capsys):
    assert call(["--version"]) == 0
    assert re.match(r"midstream \d+\.\d+\.\d+, (plain|compiled), Python 3", capsys.readouterr().out)
    assert call(["-h"]) == 0
    output = capsys.readouterr().out
    assert all(re.search(rf"^  {name} ", output, re.MULTILINE) for name in COMMANDS)


def test_no_command_is_called_so(capsys):
    assert group.get_command(click.Context(group), "nothing") is None
    assert call(["nothing"]) == 2
    assert "nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        (UsageError("do this instead"), 2, "midstream: do this instead\n"),
        (click.ClickException("bad"), 1, "Error: bad\n"),
        (KeyboardInterrupt(), 130, ""),
        (click.Abort(), 130, ""),
    ],
)
def test_errors_become_messages_and_exit_codes(monkeypatch, capsys, fault, code, message):
    def fail(*_args, **_kw):
        raise fault

    monkeypatch.setattr(module.group, "main", fail)
    with pytest.raises(SystemExit) as left:
        main([])
    assert left.value.code == code
    assert capsys.readouterr().err == message


def test_a_reader_that_leaves_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-c", "from midstream.cli import main; main()", "options", "--json"],
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_what_is_left_to_print_goes_nowhere_then(monkeypatch, capfd):
    def fail(*_args, **_kw):
        raise BrokenPipeError

    monkeypatch.setattr(module.group, "main", fail)
    assert call([]) == 1
    os.write(1, b"left over")
    assert capfd.readouterr().out == ""


def test_no_color(monkeypatch, capsys):
    monkeypatch.setattr("click._compat.should_strip_ansi", lambda *_a, **_k: False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert call(["options", "mode"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_nothing_heavy_is_imported_to_list_options():
    code = "import sys; from midstream.cli.entry import call; call(['options', '--json']); print([m for m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    for heavy in ("cryptography", "uvloop", "midstream.proxy", "midstream.engine", "OpenSSL"):
        assert f"'{heavy}'" not in done.stderr
