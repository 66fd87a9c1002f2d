"""The reference of all options as Markdown, made from their declarations; `docs/options.md` ends with it."""

from collections.abc import Iterable

from midstream.options.kinds import BoolKind, ChoiceKind, Kind, OptionalKind, SequenceKind
from midstream.options.option import Option


def reference(options: Iterable[Option]) -> str:
    """Return one table per group of options."""
    lines: list[str] = []
    group = None
    for known in options:
        if known.group != group:
            group = known.group
            lines += ["", f"## {group}", "", "| option | type | default | meaning | flags |", "|---|---|---|---|---|"]
        lines.append(_row(known))
    return "\n".join(lines).lstrip("\n") + "\n"


def all_flags(known: Option) -> list[str]:
    """Return every spelling of the flags of an option."""
    flags = list(known.flags)
    if isinstance(known.kind, BoolKind):
        flags += [f"--no-{flag.removeprefix('--')}" for flag in known.flags if flag.startswith("--")]
    return flags + list(known.off_flags)


def _row(known: Option) -> str:
    default = known.kind.show(known.default)
    cells = [
        f"`{known.name}`",
        _type(known.kind),
        f"`{default}`" if default else "",
        known.help,
        " ".join(f"`{flag}`" for flag in all_flags(known)),
    ]
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _type(kind: Kind) -> str:
    match kind:
        case OptionalKind():
            return f"{_type(kind.inner)}?"
        case SequenceKind():
            return f"list of {_type(kind.inner)}"
        case ChoiceKind():
            return ", ".join(f"`{choice}`" for choice in kind.choices)
    return kind.name
