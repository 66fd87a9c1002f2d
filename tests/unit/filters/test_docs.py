"""The page about filters names every atom, and what it shows can be read."""

import pathlib
import re

import pytest

from midstream.filters import HELP, parse

PAGE = (pathlib.Path(__file__).parents[3] / "docs" / "filters.md").read_text(encoding="utf-8")
EXAMPLES = PAGE.partition("## Examples")[2].partition("## From Python")[0]


@pytest.mark.parametrize("usage", [usage for usage, _ in HELP])
def test_every_atom_is_documented(usage):
    assert f"`{usage}`" in PAGE


@pytest.mark.parametrize("text", [line.split("` |")[0] for line in re.findall(r"^\| `(.+)$", EXAMPLES, re.MULTILINE)])
def test_every_example_can_be_read(text):
    assert parse(text.replace("\\|", "|"))
