"""The reference of all hooks as Markdown, made from the specification; `docs/hooks.md` ends with it."""

from collections.abc import Iterable

from midstream.hooks.spec import HOOKS, Hook


def reference(hooks: Iterable[Hook] = HOOKS) -> str:
    """Return one table per group of hooks."""
    lines: list[str] = []
    group = None
    for hook in hooks:
        if hook.group != group:
            group = hook.group
            lines += ["", f"## {group}", "", "| hook | fires when |", "|---|---|"]
        lines.append(f"| `{hook.signature}` | {hook.doc} |")
    return "\n".join(lines).lstrip("\n") + "\n"
