"""A terminal for the tests: the `hive` command, a home of its own, and a double of the Hive behind it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hive_client.cli import main
from tests.client.double import DoubleOfTheHive

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is read from or written to the real home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("HIVE_URL", raising=False)
    monkeypatch.delenv("HIVE_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def double() -> DoubleOfTheHive:
    return DoubleOfTheHive()


@pytest.fixture
def hive(double: DoubleOfTheHive, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`hive("ps", "-o", "json")`, logged in, speaking to the double."""
    monkeypatch.setenv("HIVE_URL", "http://double.test")
    monkeypatch.setenv("HIVE_TOKEN", "hive_of_the_double")
    # Retries and looks need not take their time here.
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    def run(*words: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(main, words, obj=double.open, input=stdin)

    return run
