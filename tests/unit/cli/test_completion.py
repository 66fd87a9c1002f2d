import subprocess

import pytest

from midstream.cli import completion
from midstream.cli.entry import call


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(shell, capsys):
    assert call(["completion", shell]) == 0
    assert "_MIDSTREAM_COMPLETE" in capsys.readouterr().out


def test_bash_can_read_it(capsys):
    assert call(["completion", "bash"]) == 0
    subprocess.run(["bash", "-n"], input=capsys.readouterr().out, text=True, check=True, timeout=10)


def test_other_shells(capsys, monkeypatch):
    assert call(["completion", "csh"]) == 2
    monkeypatch.setattr(completion, "get_completion_class", lambda _shell: None)
    assert call(["completion", "bash"]) == 2
    assert "no completion for bash" in capsys.readouterr().err
