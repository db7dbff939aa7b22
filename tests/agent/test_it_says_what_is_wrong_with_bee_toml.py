"""A slip in bee.toml is told by its key, what was expected and what stands there."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import read_config, write_config
from agent.errors import AgentError
from tests.agent.conftest import config_for


@pytest.mark.parametrize(
    ("written", "instead", "told"),
    [
        ("teams =", "team =", "rules.team: there is no such key here, only runtimes, images, digests,"),
        ('url = "', 'uri = "', "uri: there is no such key here, only url, name,"),
        ("threads =", "# threads =", "rent.threads is missing"),
        (
            'policy = "fixed"',
            'policy = "cheap"',
            "prices.policy: expected one of fixed, load, cost, got 'cheap'",
        ),
        ("second =", 'second = "abc" # ', "prices.second: expected a number"),
        ("threads =", 'threads = "-1" # ', "rent.threads: expected a number from 0 up, got -1"),
        ("teams = []", 'teams = "us"', "rules.teams: expected a list in [ ], got text in quotes"),
        ("hours = []", 'hours = ["25:00-26:00"]', "rent: 25:00 is no time of day"),
        ("teams = []", "teams = us", "Invalid value (at line "),
    ],
)
def test_it_names_the_key(tmp_path: Path, written: str, instead: str, told: str) -> None:
    path = write_config(tmp_path, config_for("http://localhost:1", "process"))
    text = path.read_text()
    assert f"\n{written}" in text
    path.write_text(text.replace(f"\n{written}", f"\n{instead}", 1))
    with pytest.raises(AgentError) as caught:
        read_config(tmp_path)
    assert str(caught.value).startswith(f"{path}: {told}")
    assert "$" not in str(caught.value)
