"""The mark of hooks that only look: the proxy need not hold a body back for them."""

from typing import Any, TypeVar

Marked = TypeVar("Marked")

MARK = "__midstream_observes__"


def observe(target: Marked) -> Marked:
    """Mark a hook function, or a class with all its hooks, as one that changes nothing and waits for nothing."""
    setattr(target, MARK, True)
    return target


def is_observer(addon: object, handler: Any) -> bool:
    """Tell whether the handler, or its whole addon, is marked."""
    return bool(getattr(handler, MARK, False) or getattr(addon, MARK, False))
