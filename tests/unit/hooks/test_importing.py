import dataclasses
import sys
from pathlib import Path

import pytest

from midstream.errors import UsageError
from midstream.hooks.importing import import_script


@pytest.fixture(autouse=True)
def modules_as_before():
    before, path = dict(sys.modules), list(sys.path)
    yield
    assert sys.path == path
    for name in set(sys.modules) - set(before):
        del sys.modules[name]
    sys.modules.update(before)


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder / f"{next(iter(files))}.py"


def test_a_file_becomes_a_module(tmp_path):
    path = write(tmp_path, script="value = 7")
    imported = import_script(str(path))
    assert imported.module.value == 7
    assert imported.files == [str(path)]
    assert sys.modules[imported.module.__name__] is imported.module


def test_modules_beside_the_script_are_found_and_remembered(tmp_path):
    path = write(tmp_path, script="import part_one, json", part_one="import part_two", part_two="")
    imported = import_script(str(path))
    assert sorted(imported.helpers) == ["part_one", "part_two"]
    assert sorted(Path(file).name for file in imported.files) == ["part_one.py", "part_two.py", "script.py"]


def test_packages_beside_the_script_are_helpers_and_those_further_down_are_not(tmp_path):
    (tmp_path / "package").mkdir()
    write(tmp_path / "package", __init__="", inner="")
    site = tmp_path / "venv" / "site-packages"
    site.mkdir(parents=True)
    write(site, foreign="")
    path = write(
        tmp_path, script=f"import sys\nsys.path.append({str(site)!r})\nimport foreign, package.inner\nsys.path.pop()"
    )
    assert sorted(import_script(str(path)).helpers) == ["package", "package.inner"]


def test_no_bytecode_is_left_behind(tmp_path):
    writes_no_bytecode = sys.dont_write_bytecode
    import_script(str(write(tmp_path, script="import part_one", part_one="")))
    assert not (tmp_path / "__pycache__").exists()
    assert sys.dont_write_bytecode == writes_no_bytecode


def test_helpers_are_imported_anew_on_demand_only(tmp_path):
    path = write(tmp_path, script="import part_one", part_one="value = 1")
    first = import_script(str(path))
    write(tmp_path, part_one="value = 2")
    known = frozenset(first.helpers)
    assert import_script(str(path), known=known).module.part_one.value == 1
    assert import_script(str(path), known=known, fresh=known).module.part_one.value == 2


def test_helpers_of_scripts_in_other_places_are_not_confused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, script="import shared", shared=f"value = {name!r}")
    first = import_script(str(tmp_path / "a" / "script.py"))
    second = import_script(str(tmp_path / "b" / "script.py"), known=frozenset(first.helpers))
    assert (first.module.shared.value, second.module.shared.value) == ("a", "b")
    assert first.module.__name__ != second.module.__name__


def test_after_a_failure_everything_is_as_before(tmp_path):
    path = write(tmp_path, script="import part_one", part_one="value = 1")
    first = import_script(str(path))
    write(tmp_path, script="import part_one, part_two\nraise ValueError('bad luck')", part_one="value = 2", part_two="")
    known = frozenset(first.helpers)
    with pytest.raises(ValueError, match="bad luck"):
        import_script(str(path), known=known, fresh=known)
    assert sys.modules["part_one"] is first.helpers["part_one"]
    assert "part_two" not in sys.modules
    assert sys.modules[first.module.__name__] is first.module


def test_after_a_failure_of_the_first_import_nothing_is_left(tmp_path):
    path = write(tmp_path, script="raise ValueError('bad luck')")
    before = set(sys.modules)
    with pytest.raises(ValueError, match="bad luck"):
        import_script(str(path))
    assert set(sys.modules) == before


def test_a_version_can_be_reinstated(tmp_path):
    path = write(tmp_path, script="import part_one", part_one="")
    first = import_script(str(path))
    known = frozenset(first.helpers)
    import_script(str(path), known=known, fresh=known)
    first.reinstate()
    assert sys.modules["part_one"] is first.helpers["part_one"]
    assert sys.modules[first.module.__name__] is first.module


def test_a_script_cannot_end_the_program(tmp_path):
    with pytest.raises(UsageError, match=r"ends the program \(SystemExit\(3\)\)"):
        import_script(str(write(tmp_path, script="import sys; sys.exit(3)")))


def test_a_file_that_is_no_python_is_told(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    with pytest.raises(UsageError, match=r"should end in .py"):
        import_script(str(path))


def test_dataclasses_with_late_annotations_work(tmp_path):
    text = "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass Point:\n    x: int\n"
    module = import_script(str(write(tmp_path, script=text))).module
    assert dataclasses.asdict(module.Point(1)) == {"x": 1}


def test_modules_that_are_not_of_the_folder_are_no_helpers(tmp_path):
    text = "import sys, types\nsys.modules['made_up_here'] = types.ModuleType('made_up_here')\nimport namespace_here\n"
    (tmp_path / "namespace_here").mkdir()
    assert import_script(str(write(tmp_path, script=text))).helpers == {}


def test_a_script_may_clean_up_the_path_itself(tmp_path):
    text = f"import sys\nsys.path.remove({str(tmp_path)!r})\n"
    import_script(str(write(tmp_path, script=text)))
    assert str(tmp_path) not in sys.path
