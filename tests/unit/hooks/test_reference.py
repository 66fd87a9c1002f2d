from pathlib import Path

from midstream.hooks.reference import reference
from midstream.hooks.spec import HOOKS

DOCS = Path(__file__).parents[3] / "docs" / "hooks.md"


def test_every_hook_is_documented():
    assert DOCS.read_text().endswith("\n" + reference()), (
        "put this at the end of docs/hooks.md: "
        "python -c \"from midstream.hooks.reference import reference; print(reference(), end='')\""
    )


def test_hooks_stand_in_one_table_per_group():
    text = reference()
    assert text.count("| hook | fires when |") == len({hook.group for hook in HOOKS})
    assert "| `request(flow: HTTPFlow)` |" in text
