"""What the compiled modules must heed, as far as it can be read off the source (ARCHITECTURE.md, "One source, two builds")."""

import ast
import builtins
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "midstream"
HOT = next(
    ast.literal_eval(line.value)
    for line in ast.parse((ROOT / "hatch_build.py").read_text()).body
    if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "HOT"
)
COMPILED = {path for pattern in HOT for path in PACKAGE.glob(pattern)}


def classes(path):
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]


def named(node):
    """The last part of the name of a class, without its parameters."""
    node = node.value if isinstance(node, ast.Subscript) else node
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


STAYS_PYTHON = {"Protocol", "msgspec.Struct", "NamedTuple", "Enum", "IntFlag"}
"""Classes made from these stay Python in compiled modules, too."""
NATIVE = {
    each.name for path in COMPILED for each in classes(path) if not STAYS_PYTHON & set(map(ast.unparse, each.bases))
}


@pytest.mark.parametrize("pattern", HOT)
def test_what_is_compiled_is_there(pattern):
    assert list(PACKAGE.glob(pattern))


def test_what_scripts_see_is_not_compiled():
    seen = {"flow", "hooks", "addons", "options"}
    assert not [path for path in COMPILED if path.relative_to(PACKAGE).parts[0] in seen]


def imported_from_compiled(path):
    """The names that a module has from compiled ones."""
    compiled = {".".join(each.relative_to(PACKAGE.parent).with_suffix("").parts) for each in COMPILED}
    imports = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports if node.module in compiled for alias in node.names}


def test_nothing_else_inherits_from_compiled_classes():
    heirs = []
    for path in set(PACKAGE.rglob("*.py")) - COMPILED:
        compiled = imported_from_compiled(path) & NATIVE
        heirs += [f"{path.name}: {each.name}" for each in classes(path) if compiled & set(map(named, each.bases))]
    assert not heirs


def has_native_default(annotation):
    """Tell whether mypyc gives instances the default of an attribute that has this type."""
    parts = [annotation]
    while any(isinstance(part, ast.BinOp) for part in parts):
        parts = [
            half for part in parts for half in ((part.left, part.right) if isinstance(part, ast.BinOp) else (part,))
        ]
    types = [part for part in parts if not (isinstance(part, ast.Constant) and part.value is None)]
    return len(types) == 1 and (named(types[0]) in NATIVE or hasattr(builtins, named(types[0])))


def test_defaults_of_compiled_classes_arrive():
    lost = [
        f"{path.name}: {owner.name}.{ast.unparse(line.target)}"
        for path in COMPILED
        for owner in classes(path)
        if owner.name in NATIVE
        for line in owner.body
        if isinstance(line, ast.AnnAssign) and line.value is not None and not has_native_default(line.annotation)
    ]
    assert not lost
