"""The documents are true as far as a machine can tell: links lead somewhere, commands parse, and what is named exists.

Pages made from declarations (options, hooks, filters, flags) are compared with these where the declarations are tested.
"""

import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest

from midstream.cli.entry import COMMANDS, group
from midstream.cli.flags import options_from
from midstream.filters import parse
from midstream.filters.atoms import ATOMS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
MADE_BY_BENCH = ROOT / "docs" / "benchmarks.md"
"""`make bench` writes it, on a quiet machine."""
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
COMMAND = re.compile(r"(?:[$#] |sudo )*midstream +(.+)")
MADE_UP = frozenset({"paint_door"})
"""Names that stand for those of readers."""
FORBIDDEN = re.compile(r"/work|shared/|helper", re.IGNORECASE)

SOURCE = "\n".join(
    path.read_text("utf-8")
    for folder in ("src", "tests", "bench", "fuzz", "examples")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if ".venv" not in str(path)
)
WORDS = frozenset(re.findall(r"\w+", SOURCE + (ROOT / "Makefile").read_text("utf-8")))


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=name)


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return FENCE.sub("", page.read_text("utf-8"))


def codes(page: Path) -> list[str]:
    """Return what a page shows as code: inline, and line by line in blocks."""
    blocks = [line for _, text in FENCE.findall(page.read_text("utf-8")) for line in text.splitlines()]
    indented = [line for line in prose(page).splitlines() if line.startswith("    ")]
    return [code.strip() for code in (*INLINE.findall(prose(page)), *blocks, *indented)]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as forges make them."""
    found: set[str] = set()
    for heading in HEADING.findall(prose(page)):
        text = re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", heading).lower()).replace(" ", "-")
        number = 0
        while (anchor := f"{text}-{number}" if number else text) in found:
            number += 1
        found.add(anchor)
    return found


def words_of(line: str) -> list[str]:
    """Split a line as a shell does, up to where the output goes on or a comment begins."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(takewhile(lambda word: word[:1] not in {"|", ">", "&", ";"}, lexer))


def commands() -> Iterator[tuple[str, list[str]]]:
    """Return every command line of midstream in the documents with the page it is on; placeholders are left out."""
    for page in PAGES:
        for code in codes(page):
            line = COMMAND.match(code)
            words = words_of(line[1]) if line else []
            if words and not words[0].isupper() and not any(re.match(r"\[|…", word) for word in words):
                yield name(page), words


def dependencies() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [
        *project["project"]["dependencies"],
        *(each for kind in project["dependency-groups"].values() for each in kind),
    ]
    return [re.match(r"[\w-]+", each)[0] for each in wanted]


@every_page
def test_links_lead_somewhere(page):
    for target in LINK.findall(prose(page)):
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (page.parent / path).resolve() if path else page
        assert file.exists() or file == MADE_BY_BENCH, f"{name(page)}: there is no {target}"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{name(page)}: {target}: no such heading, only {sorted(anchors(file))}"


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"]({page.name})" in index, f"docs/index.md does not name {page.name}"


@every_page
def test_pages_speak_of_the_project_only(page):
    found = FORBIDDEN.search(page.read_text("utf-8"))
    assert found is None, f"{name(page)} says {found[0]!r}"


@pytest.mark.parametrize("words", sorted({tuple(words) for _, words in commands()}), ids=" ".join)
def test_commands_can_be_typed(words, tmp_path, monkeypatch):
    monkeypatch.setenv("MIDSTREAM_CONFDIR", str(tmp_path))
    if words == ("--version",):
        return
    assert words[0] in COMMANDS, f"there is no command midstream {words[0]}"
    if len(words) == 1 and words[0] != "dump":
        return  # named, not shown
    command = group.get_command(click.Context(group), words[0])
    try:
        context = command.make_context(words[0], list(words[1:]))
    except click.exceptions.Exit:
        return  # --help
    if "mode" in context.params:
        options_from(context.params)
    if words[0] == "dump" and context.params["filter_words"]:
        parse(" ".join(context.params["filter_words"]))


def test_commands_are_found_where_they_are():
    shown = {(page, words[0]) for page, words in commands()}
    assert {("README.md", "dump"), ("README.md", "run"), ("README.md", "trust"), ("docs/cli.md", "completion")} <= shown


@every_page
def test_targets_of_make_exist(page):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for code in codes(page):
        asked = re.match(r"(?:\$ )?make ([a-z]+)\b", code)
        assert not asked or asked[1] in targets, f"{name(page)}: there is no `make {asked[1]}`"


@every_page
def test_atoms_exist(page):
    for code in codes(page):
        for atom in re.findall(r"(?<![\w/.=])~([a-z]+)(?![\w/.-])", code):
            assert atom in ATOMS, f"{name(page)}: there is no atom ~{atom}"


@every_page
def test_names_and_files_exist(page):
    """Whatever is shown as a name with an underscore, or as a file of ours, must be in the source."""
    for code in INLINE.findall(prose(page)):
        for word in re.findall(r"(?<![\w$%@./-])_?[a-z]+(?:_[a-z0-9]+)+(?![\w/=-])", code):
            assert word in WORDS | MADE_UP, f"{name(page)}: nothing is called {word}"
        for path in re.findall(r"^[\w/]+/[\w/]*\.?\w+$", code):
            if path.endswith(".py"):
                places = (ROOT, ROOT / "src" / "midstream", page.parent)
                assert any((place / path).exists() for place in places), f"{name(page)}: there is no file {path}"


def test_every_dependency_has_its_reason():
    table = (ROOT / "ARCHITECTURE.md").read_text("utf-8").partition("## Dependencies")[2]
    explained = re.findall(r"^\| ([\w-]+) \| .+\.", table, re.MULTILINE)
    assert sorted(explained) == sorted(dependencies())


@pytest.mark.parametrize(
    "code", [text for page in PAGES for kind, text in FENCE.findall(page.read_text("utf-8")) if kind == "python"]
)
def test_examples_are_python(code):
    compile(code, "<example>", "exec")


def test_example_of_a_scenario_runs():
    found = re.search(
        r"```python\n(from midstream.testing.*?)```", (ROOT / "ARCHITECTURE.md").read_text("utf-8"), re.DOTALL
    )
    exec(compile(found[1], "ARCHITECTURE.md", "exec"), {})
