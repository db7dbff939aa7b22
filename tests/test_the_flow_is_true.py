"""`docs/flow.md` is the first page a newcomer reads: every file and every function it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "flow.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w/]+\.py):(\w+)`", PAGE)))
FILES = sorted(set(re.findall(r"`([\w/.]+\.py)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_it_names_functions_that_exist(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text())
    assert name in {node.name for node in tree.body if hasattr(node, "name")}


@pytest.mark.parametrize(
    ("file", "caller", "callee"), re.findall(r"`([\w/]+\.py):(\w+)` calls `[\w/]+\.py:(\w+)`", PAGE)
)
def test_it_says_rightly_who_calls_whom(file: str, caller: str, callee: str) -> None:
    tree = ast.parse((ROOT / file).read_text())
    body = next(node for node in tree.body if getattr(node, "name", "") == caller)
    called = [node.func for node in ast.walk(body) if isinstance(node, ast.Call)]
    assert callee in {getattr(function, "id", getattr(function, "attr", "")) for function in called}


@pytest.mark.parametrize("file", FILES)
def test_it_names_files_that_exist(file: str) -> None:
    assert (ROOT / file).exists()


def test_it_has_all_eleven_steps() -> None:
    assert re.findall(r"^\| (\d+) \|", PAGE, re.M) == [str(step) for step in range(1, 12)]


def test_the_readme_leads_only_to_what_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
