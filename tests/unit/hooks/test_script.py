import asyncio
import logging
import sys
from pathlib import Path

import pytest

from midstream.errors import OptionsError
from midstream.hooks import script as script_module
from midstream.hooks.script import ScriptLoader, describe
from midstream.options.sources import load


@pytest.fixture(autouse=True)
def modules_as_before():
    before = dict(sys.modules)
    yield
    for name in set(sys.modules) - set(before):
        del sys.modules[name]


@pytest.fixture
def loader(master):
    found = ScriptLoader()
    master.addons.add(found)
    master.addons.configure_all()
    return found


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def adds(word: str) -> str:
    return f"def request(flow):\n    flow.append({word!r})\n"


def ask(master) -> list[str]:
    words: list[str] = []
    asyncio.run(master.addons.trigger("request", words))
    return words


def test_scripts_run_in_their_order_where_the_loader_stands(master, loader, tmp_path):
    paths = [write(tmp_path / f"{name}.py", adds(name)) for name in "abc"]

    class Last:
        def request(self, flow):
            flow.append("last")

    master.addons.add(Last())
    master.options.update(scripts=paths)
    assert ask(master) == ["a", "b", "c", "last"]
    master.options.update(scripts=[paths[2], paths[0]])
    assert ask(master) == ["c", "a", "last"]


def test_a_removed_script_sees_done(master, loader, tmp_path):
    path = write(tmp_path / "a.py", "words = []\ndef done():\n    words.append('done')\n")
    master.options.update(scripts=[path])
    module = master.addons.get(path)
    master.options.update(scripts=[])
    assert module.words == ["done"]
    assert path not in master.addons


def test_a_script_has_its_addons_list(master, loader, tmp_path):
    text = adds("module") + "class One:\n    def request(self, flow):\n        flow.append('one')\naddons = [One()]\n"
    master.options.update(scripts=[write(tmp_path / "a.py", text)])
    assert ask(master) == ["module", "one"]


def test_options_of_scripts_take_up_values_given_before(master, loader, tmp_path):
    load(master.options, environment={}, flags={"confdir": str(tmp_path)}, settings=["word=given"])
    text = "from midstream.hooks.context import ctx\ndef load(loader):\n    loader.add_option('word', str, 'default', '')\n"
    text += "def request(flow):\n    flow.append(ctx.options.word)\n"
    master.options.update(scripts=[write(tmp_path / "a.py", text)])
    assert ask(master) == ["given"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def request(flow:\n", r"cannot be loaded: .* \(line 1\)"),
        ("1 / 0\n", "cannot be loaded: ZeroDivisionError: division by zero"),
        ("def load(loader):\n    raise ValueError('no')\n", "cannot be loaded: ValueError: no"),
        ("def configure(updated):\n    raise ValueError('no')\n", "cannot be loaded: ValueError: no"),
        ("def request():\n    pass\n", "request\\(\\) should be"),
    ],
)
def test_a_script_that_cannot_be_loaded_is_refused_and_logged(master, loader, tmp_path, text, message, caplog):
    good = write(tmp_path / "good.py", adds("good"))
    master.options.update(scripts=[good])
    with pytest.raises(OptionsError, match=message):
        master.options.update(scripts=[good, write(tmp_path / "bad.py", text)])
    assert list(master.options.scripts) == [good]
    assert ask(master) == ["good"]
    assert caplog.records[0].levelno == logging.ERROR


def test_a_refused_change_leaves_no_part_of_itself(master, loader, tmp_path):
    good = write(tmp_path / "good.py", adds("good"))
    with pytest.raises(OptionsError):
        master.options.update(scripts=[good, write(tmp_path / "bad.py", "1 / 0")])
    assert ask(master) == []
    assert good not in master.addons


def test_missing_and_doubled_scripts_are_refused(master, loader, tmp_path):
    with pytest.raises(OptionsError, match=r"there is no script .*/a.py"):
        master.options.update(scripts=[str(tmp_path / "a.py")])
    path = write(tmp_path / "a.py", "")
    with pytest.raises(OptionsError, match="is named twice"):
        master.options.update(scripts=[path, path])


def test_other_options_do_not_touch_scripts(master, loader, tmp_path):
    path = write(tmp_path / "a.py", adds("a"))
    master.options.update(scripts=[path])
    module = master.addons.get(path)
    master.options.update(listen_port=1)
    assert master.addons.get(path) is module


def test_ad_04_a_changed_script_is_taken_up_in_its_place(master, loader, tmp_path):
    paths = [write(tmp_path / f"{name}.py", adds(name)) for name in "ab"]
    master.options.update(scripts=paths)
    loader.check()
    assert ask(master) == ["a", "b"]
    write(tmp_path / "a.py", adds("changed"))
    loader.check()
    assert ask(master) == ["changed", "b"]


@pytest.mark.parametrize("broken", ["def request(flow:\n", "1 / 0\n", "def configure(updated):\n    1 / 0\n"])
def test_ad_04_a_broken_version_leaves_the_one_before_at_work(master, loader, tmp_path, broken, caplog):
    path = write(tmp_path / "a.py", adds("a"))
    master.options.update(scripts=[path])
    write(tmp_path / "a.py", broken)
    loader.check()
    loader.check()
    assert ask(master) == ["a"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert caplog.messages[1] == f"The version of {path} from before goes on working."
    write(tmp_path / "a.py", adds("mended"))
    loader.check()
    assert ask(master) == ["mended"]


def test_ad_04_a_deleted_script_rests_until_it_comes_back(master, loader, tmp_path, caplog):
    paths = [write(tmp_path / f"{name}.py", adds(name)) for name in "ab"]
    master.options.update(scripts=paths)
    (tmp_path / "a.py").unlink()
    loader.check()
    loader.check()
    assert ask(master) == ["b"]
    assert caplog.messages == [f"{paths[0]} is gone; it will be loaded again when it comes back."]
    write(tmp_path / "a.py", "def request(flow:\n")
    loader.check()
    assert ask(master) == ["b"]
    (tmp_path / "a.py").unlink()
    loader.check()
    write(tmp_path / "a.py", adds("back"))
    loader.check()
    assert ask(master) == ["back", "b"]
    (tmp_path / "a.py").unlink()
    loader.check()
    master.options.update(scripts=paths[1:])
    assert ask(master) == ["b"]


def test_ad_04_a_changed_import_reloads_the_script(master, loader, tmp_path):
    write(tmp_path / "helper_of_script.py", "word = 'one'")
    path = write(
        tmp_path / "a.py", "import helper_of_script\ndef request(flow):\n    flow.append(helper_of_script.word)\n"
    )
    master.options.update(scripts=[path])
    assert ask(master) == ["one"]
    write(tmp_path / "helper_of_script.py", "word = 'another'")
    loader.check()
    assert ask(master) == ["another"]
    write(tmp_path / "helper_of_script.py", "1 / 0")
    loader.check()
    assert ask(master) == ["another"]
    assert sys.modules["helper_of_script"].word == "another"


def test_ad_04_mending_a_new_broken_import_reloads_the_script(master, loader, tmp_path):
    path = write(tmp_path / "a.py", adds("a"))
    master.options.update(scripts=[path])
    write(tmp_path / "fresh_helper.py", "def (")
    write(tmp_path / "a.py", "import fresh_helper\ndef request(flow):\n    flow.append(fresh_helper.word)\n")
    loader.check()
    assert ask(master) == ["a"]
    write(tmp_path / "fresh_helper.py", "word = 'mended'")
    loader.check()
    assert ask(master) == ["mended"]


def test_files_are_looked_at_while_the_engine_runs(master, loader, tmp_path, monkeypatch):
    path = write(tmp_path / "a.py", adds("a"))
    master.options.update(scripts=[path])
    monkeypatch.setattr(script_module, "INTERVAL", 0)

    async def scenario():
        master.was_reloaded = asyncio.Event()
        await master.addons.running()
        text = "from midstream.hooks.context import ctx\ndef running():\n    ctx.master.was_reloaded.set()\n"
        write(tmp_path / "a.py", text)
        await master.was_reloaded.wait()
        await master.addons.shutdown()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


def test_shutdown_without_running_is_fine(master, loader):
    asyncio.run(master.addons.shutdown())


def test_errors_are_described_in_one_line():
    assert describe(ValueError("no")) == "ValueError: no"
    assert describe(SyntaxError("bad", ("a.py", 3, 1, "x"))) == "bad (line 3)"
