from pathlib import Path

from midstream.options import Options
from midstream.options.reference import all_flags, reference

DOCS = Path(__file__).parents[3] / "docs" / "options.md"


def test_every_option_is_documented():
    text = reference(Options().declared.values())
    assert DOCS.read_text().endswith("\n" + text), (
        "put the output of `midstream options --markdown` at the end of docs/options.md"
    )


def test_every_flag_is_named():
    declared = Options().declared
    assert all_flags(declared["server"]) == ["--server", "--no-server", "-n"]
    assert all_flags(declared["mode"]) == ["-m", "--mode"]
    assert all_flags(declared["key_size"]) == []


def test_types_and_bars_are_written_for_markdown():
    options = Options()
    options.add_option("shape", str | None, "a|b", "Round | square.", ["a|b", "c"], owner="x.py")
    rows = reference(options.declared.values()).splitlines()
    assert rows[-1] == r"| `shape` | `a\|b`, `c`? | `a\|b` | Round \| square. |  |"
    assert "## Options of scripts" in rows
    assert any(row.startswith("| `mode` | list of str | `regular` |") for row in rows)
