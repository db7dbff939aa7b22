"""docs/operations.md names every setting that the Queen reads, and none that she does not."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_each_setting_has_its_line() -> None:
    read = re.findall(r'env\.\w+\(\s*"(HIVE_\w+)"', (ROOT / "hive_portal" / "settings.py").read_text())
    page = (ROOT / "docs" / "operations.md").read_text()
    told = re.findall(r"^\| `(HIVE_\w+)` \|", page, re.MULTILINE)
    assert sorted(told) == sorted(read)
    assert set(re.findall(r"`?(HIVE_[A-Z_]+[A-Z])", page)) <= set(read)
