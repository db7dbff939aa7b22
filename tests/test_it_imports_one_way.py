"""No module of the apps imports another that imports it, not even at the last moment within a function."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in (ROOT / "apps").rglob("*.py")
}


def imported_by(path: Path) -> set[str]:
    """Modules of the apps that this file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & MODULES.keys()


def test_it_imports_one_way() -> None:
    graph = TopologicalSorter({name: imported_by(path) for name, path in MODULES.items()})
    graph.prepare()  # raises CycleError with the modules of a circle
